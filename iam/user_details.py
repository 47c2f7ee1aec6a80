"""Everything that says what one user is and may do: what is shown, compared, and put back."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from iam import relations as r
from iam.attached_policies import AttachedPolicy, attached_to
from iam.groups import Group, groups_of
from iam.identities import GROUP, USER, Kind
from iam.inline_policies import inline_in
from iam.policies import governing_version
from iam.state import State
from iam.users import user_at


class InlinePolicy(msgspec.Struct, frozen=True, gc=False):
    """A policy embedded in a user or a group; the document character for character as it was put."""

    policy_name: str
    policy_document: str


class Membership(msgspec.Struct, frozen=True, gc=False):
    """A group that the user is in, with the policies that come to the user from it."""

    group_id: str
    group_name: str
    path: str
    attached: tuple[AttachedPolicy, ...] = ()
    inline: tuple[InlinePolicy, ...] = ()


class InheritedPolicy(msgspec.Struct, frozen=True, gc=False):
    """A policy that comes to a user through a group; a managed one has an ARN, an inline one a document."""

    group_id: str
    group_name: str
    policy_name: str
    policy_arn: str | None = None
    policy_document: str | None = None


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
    groups: tuple[Membership, ...] = ()

    def inherited(self) -> Iterator[InheritedPolicy]:
        """What comes through groups, group by group."""
        for group in self.groups:
            for managed in group.attached:
                yield InheritedPolicy(group.group_id, group.group_name, managed.policy_name, managed.policy_arn)
            for own in group.inline:
                yield InheritedPolicy(
                    group.group_id, group.group_name, own.policy_name, policy_document=own.policy_document
                )

    def carried(self) -> Iterator[str]:
        """The ARNs of the managed policies that bear on the user: own, through groups, and its boundary."""
        for policy in self.attached:
            yield policy.policy_arn
        for group in self.groups:
            for policy in group.attached:
                yield policy.policy_arn
        if self.permissions_boundary:
            yield self.permissions_boundary


def user_details(state: State, user_id: str) -> UserDetails:
    """The user with this id, which must exist."""
    user = user_at(state, user_id)
    return UserDetails(
        user_id=user.user_id,
        user_name=user.user_name,
        path=user.path,
        arn=user.arn,
        created_at=user.created_at,
        attached=tuple(attached_to(state, USER, user_id)),
        inline=inline_policies(state, USER, user_id),
        tags=user.tags,
        permissions_boundary=user.permissions_boundary,
        groups=memberships(state, user_id),
    )


def memberships(state: State, user_id: str) -> tuple[Membership, ...]:
    """The groups that the user of this id is in, by name ignoring case."""
    return tuple(membership(state, group) for group in groups_of(state, user_id))


def membership(state: State, group: Group) -> Membership:
    """What comes from a group."""
    return Membership(
        group.group_id,
        group.group_name,
        group.path,
        tuple(attached_to(state, GROUP, group.group_id)),
        inline_policies(state, GROUP, group.group_id),
    )


def inline_policies(state: State, kind: Kind, owner: str) -> tuple[InlinePolicy, ...]:
    """The inline policies of the identity of this id, by name ignoring case."""
    return tuple(InlinePolicy(policy.policy_name, policy.document) for policy in inline_in(state, kind, owner))


def governing_documents(state: State, details: UserDetails) -> dict[str, tuple[str, str]]:
    """The default versions of the managed policies that bear on the user, each once by whatever paths it comes.

    Each ARN leads to the id of the version and its document. AWS's policies say what the catalogue has them say.
    """
    governing = ((arn, governing_version(state, arn)) for arn in sorted(set(details.carried())))
    return {arn: version for arn, version in governing if version is not None}
