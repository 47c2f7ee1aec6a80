"""Everything that says what one user is and may do: what is shown, compared, and put back."""

from datetime import datetime

import msgspec

from iam import relations as r
from iam.attached_policies import AttachedPolicy, attached_to
from iam.identities import USER
from iam.inline_policies import inline_in
from iam.policies import governing_version
from iam.state import State
from iam.users import user_at


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
    inline = [InlinePolicy(policy.policy_name, policy.document) for policy in inline_in(state, USER, user_id)]
    return UserDetails(
        user_id=user.user_id,
        user_name=user.user_name,
        path=user.path,
        arn=user.arn,
        created_at=user.created_at,
        attached=tuple(attached_to(state, USER, user_id)),
        inline=tuple(inline),
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
