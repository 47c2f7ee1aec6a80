"""Managed policies attached to users, groups and roles."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from iam.arns import parse_arn, policy_path_and_name
from iam.commands import Command, Moment, Query
from iam.errors import LimitExceeded, NoSuchEntity
from iam.events import Event, groups, roles, users
from iam.identities import GROUP, ROLE, USER, Kind
from iam.pages import listing
from iam.policies import check_attachable, list_key, policy_exists
from iam.state import State


class AttachPolicy(Command, frozen=True, gc=False, kw_only=True):
    """Let a managed policy apply to an identity."""

    kind: ClassVar[Kind]
    policy_arn: str


class AttachUserPolicy(AttachPolicy, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class AttachGroupPolicy(AttachPolicy, frozen=True, gc=False, kw_only=True):
    kind = GROUP
    group_name: str


class AttachRolePolicy(AttachPolicy, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


class DetachPolicy(Command, frozen=True, gc=False, kw_only=True):
    """Let a managed policy not apply to an identity any more."""

    kind: ClassVar[Kind]
    policy_arn: str


class DetachUserPolicy(DetachPolicy, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class DetachGroupPolicy(DetachPolicy, frozen=True, gc=False, kw_only=True):
    kind = GROUP
    group_name: str


class DetachRolePolicy(DetachPolicy, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


class ListAttachedPolicies(Query, frozen=True, gc=False, kw_only=True):
    """The managed policies attached to an identity."""

    kind: ClassVar[Kind]
    path_prefix: str = "/"


class ListAttachedUserPolicies(ListAttachedPolicies, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class ListAttachedGroupPolicies(ListAttachedPolicies, frozen=True, gc=False, kw_only=True):
    kind = GROUP
    group_name: str


class ListAttachedRolePolicies(ListAttachedPolicies, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


class AttachedPolicy(msgspec.Struct, frozen=True, gc=False):
    """A managed policy as an attachment."""

    policy_name: str
    policy_arn: str


_ATTACHED: Mapping[Kind, Any] = {
    USER: users.UserPolicyAttached,
    GROUP: groups.GroupPolicyAttached,
    ROLE: roles.RolePolicyAttached,
}
_DETACHED: Mapping[Kind, Any] = {
    USER: users.UserPolicyDetached,
    GROUP: groups.GroupPolicyDetached,
    ROLE: roles.RolePolicyDetached,
}


def attach_policy(state: State, command: AttachPolicy, moment: Moment) -> list[Event]:
    """Attach a managed policy. Attaching it again is fine and changes nothing."""
    kind, arn = command.kind, command.policy_arn
    parse_arn(arn)
    owner = kind.find_modifiable(state, kind.name_in(command))
    if not policy_exists(state, arn):
        raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
    check_attachable(arn, kind)
    if state.get(kind.policies, owner, arn) is not None:
        return []
    quota = state.world.quotas.policies_per(kind.noun)
    if state.count(kind.policies, owner) >= quota:
        raise LimitExceeded(f"Cannot exceed quota for PoliciesPer{kind.noun.title()}: {quota}")
    policy_name = policy_path_and_name(arn)[1]
    return [_ATTACHED[kind](**kind.told(state, owner), policy_arn=arn, policy_name=policy_name)]


def detach_policy(state: State, command: DetachPolicy, moment: Moment) -> list[Event]:
    """Detach a managed policy. Not attached and not existing are the same refusal."""
    kind, arn = command.kind, command.policy_arn
    parse_arn(arn)
    owner = kind.find_modifiable(state, kind.name_in(command))
    if state.get(kind.policies, owner, arn) is None:
        raise NoSuchEntity(f"Policy {arn} was not found.")
    return [_DETACHED[kind](**kind.told(state, owner), policy_arn=arn)]


def list_attached_policies(
    state: State, query: ListAttachedPolicies, after: str
) -> Iterator[tuple[str, AttachedPolicy]]:
    """The attached managed policies by name. What comes to a user through groups is not among them."""
    kind = query.kind
    attached = state.members(kind.policies, kind.find(state, kind.name_in(query)))
    everywhere = query.path_prefix == "/"
    chosen = (
        AttachedPolicy(name, arn)
        for arn, name in attached.items()
        if everywhere or policy_path_and_name(arn)[0].startswith(query.path_prefix)
    )
    return listing(chosen, lambda policy: list_key(policy.policy_name, policy.policy_arn), after)


def attached_to(state: State, kind: Kind, owner: str) -> list[AttachedPolicy]:
    """The managed policies attached to the identity of this id, by name ignoring case."""
    attached = [AttachedPolicy(name, arn) for arn, name in state.members(kind.policies, owner).items()]
    return sorted(attached, key=lambda policy: (policy.policy_name.lower(), policy.policy_arn))
