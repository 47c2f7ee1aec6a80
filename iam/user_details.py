"""Everything that says what one user is and may do: what is shown, compared, and put back."""

from datetime import datetime

import msgspec

from iam import relations as r
from iam.policies import governing_version
from iam.state import State
from iam.users import user_at


class AttachedPolicy(msgspec.Struct, frozen=True, gc=False):
    """A managed policy that a user carries."""

    policy_name: str
    policy_arn: str


class InlinePolicy(msgspec.Struct, frozen=True, gc=False):
    """A policy embedded in a user; the document character for character as it was put."""

    policy_name: str
    policy_document: str


class UserDetails(msgspec.Struct, frozen=True, gc=False):
    """A user at an instant, with its policy sets. Lists are ordered by name, ignoring case."""

    user_id: str
    user_name: str
    path: str
    arn: str
    created_at: datetime | None
    attached: tuple[AttachedPolicy, ...] = ()
    inline: tuple[InlinePolicy, ...] = ()
    tags: tuple[r.Tag, ...] = ()
    permissions_boundary: str | None = None


def user_details(state: State, user_id: str) -> UserDetails:
    """The user with this id, which must exist."""
    user = user_at(state, user_id)
    attached = [AttachedPolicy(name, arn) for arn, name in state.members(r.USER_POLICIES, user_id).items()]
    inline = [
        InlinePolicy(policy.policy_name, policy.document)
        for policy in state.members(r.USER_INLINE_POLICIES, user_id).values()
    ]
    return UserDetails(
        user_id=user.user_id,
        user_name=user.user_name,
        path=user.path,
        arn=user.arn,
        created_at=user.created_at,
        attached=tuple(sorted(attached, key=lambda policy: (policy.policy_name.lower(), policy.policy_arn))),
        inline=tuple(sorted(inline, key=lambda policy: policy.policy_name.lower())),
        tags=user.tags,
        permissions_boundary=user.permissions_boundary,
    )


def governing_documents(state: State, details: UserDetails) -> dict[str, tuple[str, str]]:
    """The default versions of the managed policies that the user carries, attached or as its boundary.

    Each ARN leads to the id of the version and its document. AWS's policies say what the catalogue has them say.
    """
    carried = {policy.policy_arn for policy in details.attached}
    if details.permissions_boundary:
        carried.add(details.permissions_boundary)
    governing = ((arn, governing_version(state, arn)) for arn in sorted(carried))
    return {arn: version for arn, version in governing if version is not None}
