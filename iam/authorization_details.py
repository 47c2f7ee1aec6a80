"""All of an account at once: users, roles, groups and managed policies, and how they belong together."""

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, TypeAlias

import msgspec

from iam import relations as r
from iam.attached_policies import AttachedPolicy, attached_to
from iam.commands import Query
from iam.groups import Group, group_at, groups_of
from iam.identities import GROUP, ROLE, USER
from iam.inline_policies import inline_in
from iam.instance_profiles import InstanceProfile, profiles_of
from iam.policies import ListPolicies, Policy, Version, list_policies, with_documents
from iam.roles import Role, role_at
from iam.state import State
from iam.users import User, user_at


class GetAccountAuthorizationDetails(Query, frozen=True, gc=False, kw_only=True):
    wrong_marker: ClassVar[str] = "Marker and Filter do not match"
    filter: tuple[str, ...] = ()


class UserDetail(msgspec.Struct, frozen=True, gc=False):
    """A user with its own policies and its groups' names."""

    user: User
    inline: list[r.InlinePolicy]
    groups: list[str]
    attached: list[AttachedPolicy]


class RoleDetail(msgspec.Struct, frozen=True, gc=False):
    """A role with its policies and the instance profiles it is in."""

    role: Role
    inline: list[r.InlinePolicy]
    instance_profiles: list[InstanceProfile]
    attached: list[AttachedPolicy]


class GroupDetail(msgspec.Struct, frozen=True, gc=False):
    """A group with its policies."""

    group: Group
    inline: list[r.InlinePolicy]
    attached: list[AttachedPolicy]


class PolicyDetail(msgspec.Struct, frozen=True, gc=False):
    """A managed policy with all its versions and their documents, newest first."""

    policy: Policy
    versions: list[Version]


Detail: TypeAlias = UserDetail | RoleDetail | GroupDetail | PolicyDetail


def get_account_authorization_details(
    state: State, query: GetAccountAuthorizationDetails, after: str
) -> Iterator[tuple[str, Detail]]:
    """Users, roles, groups, the account's own policies, and those of AWS that are in use; each of these by name.

    With a filter these kinds only. A key begins with the number of its section.
    """
    for number, (kind, read) in enumerate(_SECTIONS.items()):
        section, behind = str(number), after[:1]
        if behind <= section and (not query.filter or kind in query.filter):
            for key, detail in read(state, after[1:] if behind == section else ""):
                yield section + key, detail


def _users(state: State, after: str) -> Iterator[tuple[str, Detail]]:
    for name, user_id in state.scan(r.USERS, "", after):
        yield (
            name,
            UserDetail(
                user_at(state, user_id),
                inline_in(state, USER, user_id),
                [group.group_name for group in groups_of(state, user_id)],
                attached_to(state, USER, user_id),
            ),
        )


def _roles(state: State, after: str) -> Iterator[tuple[str, Detail]]:
    for name, role_id in state.scan(r.ROLES, "", after):
        yield (
            name,
            RoleDetail(
                role_at(state, role_id),
                inline_in(state, ROLE, role_id),
                profiles_of(state, role_id),
                attached_to(state, ROLE, role_id),
            ),
        )


def _groups(state: State, after: str) -> Iterator[tuple[str, Detail]]:
    for name, group_id in state.scan(r.GROUPS, "", after):
        detail = GroupDetail(
            group_at(state, group_id), inline_in(state, GROUP, group_id), attached_to(state, GROUP, group_id)
        )
        yield name, detail


def _own_policies(state: State, after: str) -> Iterator[tuple[str, Detail]]:
    return _policies(state, ListPolicies(scope="Local"), after)


def _aws_policies(state: State, after: str) -> Iterator[tuple[str, Detail]]:
    return _policies(state, ListPolicies(scope="AWS", only_attached=True), after)


def _policies(state: State, query: ListPolicies, after: str) -> Iterator[tuple[str, Detail]]:
    for key, policy in list_policies(state, query, after):
        yield key, PolicyDetail(policy, with_documents(state, policy.arn))


_SECTIONS: Mapping[str, Callable[[State, str], Iterator[tuple[str, Detail]]]] = {
    "User": _users,
    "Role": _roles,
    "Group": _groups,
    "LocalManagedPolicy": _own_policies,
    "AWSManagedPolicy": _aws_policies,
}
