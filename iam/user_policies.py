"""What a user is permitted by: managed policies attached to it, and inline policies put into it."""

from collections.abc import Iterator

from iam import commands as c
from iam import events as e
from iam import relations as r
from iam.arns import parse_arn, policy_path_and_name
from iam.documents import counted_size, validate
from iam.errors import LimitExceeded, NoSuchEntity, PolicyNotAttachable
from iam.pages import listing
from iam.policies import is_attachable, list_key, policy_exists
from iam.state import State, known
from iam.users import find_user

# Decisions


def attach_user_policy(state: State, command: c.AttachUserPolicy, moment: c.Moment) -> list[e.Event]:
    """Attach a managed policy. Attaching it again is fine and changes nothing."""
    arn = command.policy_arn
    parse_arn(arn)
    user_id = find_user(state, command.user_name)
    if not policy_exists(state, arn):
        raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
    if not is_attachable(arn):
        raise PolicyNotAttachable("Cannot attach AWS reserved policy to an IAM user.")
    if state.get(r.USER_POLICIES, user_id, arn) is not None:
        return []
    quota = state.world.quotas.policies_per_user
    if state.count(r.USER_POLICIES, user_id) >= quota:
        raise LimitExceeded(f"Cannot exceed quota for PoliciesPerUser: {quota}")
    name = known(state, r.USER, user_id).user_name
    policy_name = policy_path_and_name(arn)[1]
    return [e.UserPolicyAttached(user_id=user_id, user_name=name, policy_arn=arn, policy_name=policy_name)]


def detach_user_policy(state: State, command: c.DetachUserPolicy, moment: c.Moment) -> list[e.Event]:
    """Detach a managed policy. Not attached and not existing are the same refusal."""
    parse_arn(command.policy_arn)
    user_id = find_user(state, command.user_name)
    if state.get(r.USER_POLICIES, user_id, command.policy_arn) is None:
        raise NoSuchEntity(f"Policy {command.policy_arn} was not found.")
    name = known(state, r.USER, user_id).user_name
    return [e.UserPolicyDetached(user_id=user_id, user_name=name, policy_arn=command.policy_arn)]


def put_user_policy(state: State, command: c.PutUserPolicy, moment: c.Moment) -> list[e.Event]:
    """Put an inline policy, in place of one whose name is the same ignoring case; the first spelling stays.

    The quota is on all of the user's inline policies together; the one replaced does not count.
    """
    user_id = find_user(state, command.user_name)
    validate(command.policy_document, managed=False)
    user_name = known(state, r.USER, user_id).user_name
    inline = state.members(r.USER_INLINE_POLICIES, user_id)
    replaced = inline.get(command.policy_name.lower())
    if replaced is not None and replaced.document == command.policy_document:
        return []
    size = counted_size(command.policy_document) + sum(
        counted_size(policy.document) for policy in inline.values() if policy is not replaced
    )
    quota = state.world.quotas.user_policy_size
    if size > quota:
        raise LimitExceeded(f"Maximum policy size of {quota} bytes exceeded for user {user_name}")
    return [
        e.UserPolicyPut(
            user_id=user_id,
            user_name=user_name,
            policy_name=replaced.policy_name if replaced else command.policy_name,
            policy_document=command.policy_document,
        )
    ]


def delete_user_policy(state: State, command: c.DeleteUserPolicy, moment: c.Moment) -> list[e.Event]:
    """Delete an inline policy, named in any spelling."""
    user_id = find_user(state, command.user_name)
    inline = _find_inline(state, user_id, command.policy_name)
    name = known(state, r.USER, user_id).user_name
    return [e.UserPolicyDeleted(user_id=user_id, user_name=name, policy_name=inline.policy_name)]


def _find_inline(state: State, user_id: str, policy_name: str) -> r.InlinePolicy:
    inline = state.get(r.USER_INLINE_POLICIES, user_id, policy_name.lower())
    if inline is None:
        raise NoSuchEntity(f"The user policy with name {policy_name} cannot be found.")
    return inline


# Reads


def list_attached_user_policies(
    state: State, query: c.ListAttachedUserPolicies, after: str
) -> Iterator[tuple[str, str]]:
    """The ARNs of the attached managed policies, by policy name. What comes through groups is not among them."""
    attached = state.members(r.USER_POLICIES, find_user(state, query.user_name))
    everywhere = query.path_prefix == "/"
    chosen = (arn for arn in attached if everywhere or policy_path_and_name(arn)[0].startswith(query.path_prefix))
    return listing(chosen, lambda arn: list_key(attached[arn], arn), after)


def get_user_policy(state: State, query: c.GetUserPolicy) -> tuple[str, r.InlinePolicy]:
    """The user's name and one inline policy. The answer spells the policy as the question did."""
    user_id = find_user(state, query.user_name)
    inline = _find_inline(state, user_id, query.policy_name)
    return known(state, r.USER, user_id).user_name, r.InlinePolicy(query.policy_name, inline.document)


def list_user_policies(state: State, query: c.ListUserPolicies, after: str) -> Iterator[tuple[str, str]]:
    """The names of the inline policies, in the order of their names."""
    inline = state.members(r.USER_INLINE_POLICIES, find_user(state, query.user_name))
    return listing((policy.policy_name for policy in inline.values()), str.lower, after)
