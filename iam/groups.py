"""Groups: what they are, and which users are their members."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from iam import relations as r
from iam.commands import Command, Moment, Query
from iam.errors import DeleteConflict, LimitExceeded
from iam.events import Event
from iam.events.groups import GroupCreated, GroupDeleted, GroupUpdated, UserAddedToGroup, UserRemovedFromGroup
from iam.identities import GROUP, USER
from iam.pages import listing
from iam.state import State, known
from iam.users import User, user_at


class CreateGroup(Command, frozen=True, gc=False, kw_only=True):
    group_name: str
    path: str = "/"


class UpdateGroup(Command, frozen=True, gc=False, kw_only=True):
    group_name: str
    new_group_name: str | None = None
    new_path: str | None = None


class DeleteGroup(Command, frozen=True, gc=False, kw_only=True):
    group_name: str


class AddUserToGroup(Command, frozen=True, gc=False, kw_only=True):
    group_name: str
    user_name: str


class RemoveUserFromGroup(Command, frozen=True, gc=False, kw_only=True):
    group_name: str
    user_name: str


class GetGroup(Query, frozen=True, gc=False, kw_only=True):
    group_name: str


class ListGroups(Query, frozen=True, gc=False, kw_only=True):
    path_prefix: str = "/"


class ListGroupsForUser(Query, frozen=True, gc=False, kw_only=True):
    user_name: str


class Group(msgspec.Struct, frozen=True, gc=False):
    """A group at an instant, without its policies."""

    group_id: str
    group_name: str
    path: str
    arn: str
    created_at: datetime


def group_at(state: State, group_id: str) -> Group:
    """The group with this id, which must exist."""
    profile = known(state, r.GROUP, group_id)
    return Group(group_id, profile.group_name, profile.path, GROUP.arn(state, group_id), profile.created_at)


# Decisions


def create_group(state: State, command: CreateGroup, moment: Moment) -> list[Event]:
    """A group's name is free if no group has it in any spelling, on any path."""
    GROUP.check_free(state, command.group_name)
    if state.count(r.GROUPS, "") >= (quota := state.world.quotas.groups_per_account):
        raise LimitExceeded(f"Cannot exceed quota for GroupsPerAccount: {quota}")
    group_id = moment.new_id(GROUP.id_prefix)
    return [
        GroupCreated(group_id=group_id, group_name=command.group_name, path=command.path, created_at=moment.at),
    ]


def update_group(state: State, command: UpdateGroup, moment: Moment) -> list[Event]:
    """Rename or move a group. Another spelling of its own name is taken: by itself."""
    group_id = GROUP.find(state, command.group_name)
    profile = known(state, r.GROUP, group_id)
    new_name = command.new_group_name or profile.group_name
    new_path = command.new_path or profile.path
    if new_name != profile.group_name:
        GROUP.check_free(state, new_name)
    if (new_name, new_path) == (profile.group_name, profile.path):
        return []
    return [
        GroupUpdated(
            group_id=group_id,
            group_name=new_name,
            path=new_path,
            previous_group_name=profile.group_name,
            previous_path=profile.path,
            created_at=profile.created_at,
        )
    ]


def delete_group(state: State, command: DeleteGroup, moment: Moment) -> list[Event]:
    """Delete a group that has neither members nor policies."""
    group_id = GROUP.find(state, command.group_name)
    if state.count(r.GROUP_USERS, group_id):
        raise DeleteConflict("Cannot delete entity, must remove users from group first.")
    if state.count(r.GROUP_POLICIES, group_id):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if state.count(r.GROUP_INLINE_POLICIES, group_id):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    return [GroupDeleted(**GROUP.told(state, group_id))]


def add_user_to_group(state: State, command: AddUserToGroup, moment: Moment) -> list[Event]:
    """Make a user a member. Adding a member again is fine and changes nothing.

    Of two unknown names the user is told: recorded.
    """
    user_id = USER.find(state, command.user_name)
    group_id = GROUP.find(state, command.group_name)
    if state.get(r.GROUP_USERS, group_id, user_id) is not None:
        return []
    if state.count(r.USER_GROUPS, user_id) >= (quota := state.world.quotas.groups_per_user):
        raise LimitExceeded(f"Cannot exceed quota for GroupsPerUser: {quota}")
    return [UserAddedToGroup(**GROUP.told(state, group_id), **USER.told(state, user_id))]


def remove_user_from_group(state: State, command: RemoveUserFromGroup, moment: Moment) -> list[Event]:
    """Let a user not be a member any more. That it is none is no error; of two unknown names the user is told."""
    user_id = USER.find(state, command.user_name)
    group_id = GROUP.find(state, command.group_name)
    if state.get(r.GROUP_USERS, group_id, user_id) is None:
        return []
    return [UserRemovedFromGroup(**GROUP.told(state, group_id), **USER.told(state, user_id))]


# Reads


def get_group(state: State, query: GetGroup) -> Group:
    """One group."""
    return group_at(state, GROUP.find(state, query.group_name))


def list_members(state: State, query: GetGroup, after: str) -> Iterator[tuple[str, User]]:
    """The members of a group, by name."""
    group_id = GROUP.find(state, query.group_name)
    members = (user_at(state, user_id) for user_id in state.members(r.GROUP_USERS, group_id))
    return listing(members, lambda user: user.user_name.lower(), after)


def list_groups(state: State, query: ListGroups, after: str) -> Iterator[tuple[str, Group]]:
    """Groups by name, ignoring case. The prefix need not end where a part of the path does."""
    for member, group_id in state.scan(r.GROUPS, "", after):
        if known(state, r.GROUP, group_id).path.startswith(query.path_prefix):
            yield member, group_at(state, group_id)


def list_groups_for_user(state: State, query: ListGroupsForUser, after: str) -> Iterator[tuple[str, Group]]:
    """The groups that a user is a member of, by name."""
    return listing(groups_of(state, USER.find(state, query.user_name)), lambda group: group.group_name.lower(), after)


def groups_of(state: State, user_id: str) -> list[Group]:
    """The groups that the user of this id is a member of, by name ignoring case."""
    groups = (group_at(state, group_id) for group_id in state.members(r.USER_GROUPS, user_id))
    return sorted(groups, key=lambda group: group.group_name.lower())
