"""Users: who they are, from creation to deletion, and their tags."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from iam import relations as r
from iam.arns import root_arn
from iam.boundaries import check_form, check_policy
from iam.callers import is_root, user_asked
from iam.commands import Command, Moment, Principal, Query
from iam.errors import DeleteConflict, LimitExceeded
from iam.events import Event
from iam.events.users import UserCreated, UserDeleted, UserTagged, UserUntagged, UserUpdated
from iam.identities import USER
from iam.state import State, known
from iam.tags import ListThingTags, Tagged, TagThing, UntagThing, check_tag_keys, tags_of


class CreateUser(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    path: str = "/"
    permissions_boundary: str | None = None
    tags: tuple[r.Tag, ...] = ()


class UpdateUser(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    new_user_name: str | None = None
    new_path: str | None = None


class DeleteUser(Command, frozen=True, gc=False, kw_only=True):
    user_name: str


class GetUser(Query, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    caller: Principal | None = None


class ListUsers(Query, frozen=True, gc=False, kw_only=True):
    path_prefix: str = "/"


class User(msgspec.Struct, frozen=True, gc=False):
    """A user at an instant, without its policies."""

    user_id: str
    user_name: str
    path: str
    arn: str
    created_at: datetime | None
    tags: tuple[r.Tag, ...] = ()
    permissions_boundary: str | None = None


def find_holder(state: State, name: str) -> str:
    """The id of the user that has this id, or else this name. Raises NoSuchEntity."""
    return name if state.get(r.USER, name) is not None else USER.find(state, name)


def user_at(state: State, user_id: str) -> User:
    """The user as GetUser shows it."""
    profile = known(state, r.USER, user_id)
    return User(
        user_id,
        profile.user_name,
        profile.path,
        USER.arn(state, user_id),
        profile.created_at,
        tags_of(state, r.USER_TAGS, user_id),
        state.get(r.USER_BOUNDARY, user_id),
    )


def _user_of(state: State, asked: Any) -> str:
    return USER.find(state, asked.user_name)


TAGGED = Tagged(r.USER_TAGS, _user_of, USER.told, UserTagged, UserUntagged)


class TagUser(TagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    user_name: str


class UntagUser(UntagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    user_name: str


class ListUserTags(ListThingTags, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    user_name: str


# Decisions


def create_user(state: State, command: CreateUser, moment: Moment) -> list[Event]:
    """A user's name is free if no user has it in any spelling, on any path."""
    check_tag_keys([tag.key for tag in command.tags], ignore_case=True)
    if command.permissions_boundary:
        check_form(command.permissions_boundary)
    USER.check_free(state, command.user_name)
    if state.count(r.USERS, "") >= state.world.quotas.users_per_account:
        raise LimitExceeded(f"Cannot exceed quota for UsersPerAccount: {state.world.quotas.users_per_account}")
    if command.permissions_boundary:
        check_policy(state, command.permissions_boundary, USER)
    return [
        UserCreated(
            user_id=moment.new_id("AIDA"),
            user_name=command.user_name,
            path=command.path,
            created_at=moment.at,
            tags=command.tags,
            permissions_boundary=command.permissions_boundary,
        )
    ]


def update_user(state: State, command: UpdateUser, moment: Moment) -> list[Event]:
    """Rename or move a user. Another spelling of its own name is taken: by itself."""
    user_id = USER.find(state, command.user_name)
    profile = known(state, r.USER, user_id)
    new_name = command.new_user_name or profile.user_name
    new_path = command.new_path or profile.path
    if new_name != profile.user_name:
        USER.check_free(state, new_name)
    if (new_name, new_path) == (profile.user_name, profile.path):
        return []
    return [
        UserUpdated(
            user_id=user_id,
            user_name=new_name,
            path=new_path,
            previous_user_name=profile.user_name,
            previous_path=profile.path,
            created_at=profile.created_at,
        )
    ]


def delete_user(state: State, command: DeleteUser, moment: Moment) -> list[Event]:
    """Delete a user that nothing hangs from. IAM does not cascade: each removal is the caller's own act."""
    user_id = USER.find(state, command.user_name)
    if state.count(r.USER_POLICIES, user_id):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if state.count(r.USER_INLINE_POLICIES, user_id):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    if state.count(r.USER_GROUPS, user_id):
        raise DeleteConflict("Cannot delete entity, must remove users from group first.")
    if state.count(r.USER_ACCESS_KEYS, user_id):
        raise DeleteConflict("Cannot delete entity, must delete access keys first.")
    if state.get(r.LOGIN_PROFILE, user_id) is not None:
        raise DeleteConflict("Cannot delete entity, must delete login profile first.")
    if state.count(r.USER_MFA_DEVICES, user_id):
        raise DeleteConflict("Cannot delete entity, must delete MFA device first.")
    if state.count(r.USER_SIGNING_CERTIFICATES, user_id):
        raise DeleteConflict("Cannot delete entity, must delete certificates first.")
    if state.count(r.USER_SSH_PUBLIC_KEYS, user_id) or state.count(r.USER_SERVICE_CREDENTIALS, user_id):
        raise DeleteConflict("Cannot delete entity, must remove referenced objects first.")
    name = known(state, r.USER, user_id).user_name
    boundary = state.get(r.USER_BOUNDARY, user_id)
    return [UserDeleted(user_id=user_id, user_name=name, permissions_boundary=boundary)]


# Reads


def get_user(state: State, query: GetUser) -> User:
    """One user; without a name the caller. The root user has an id and an ARN, and nothing else."""
    if query.user_name is None and is_root(state, query.caller):
        return User(state.account, "", "", root_arn(state.world.partition, state.account), None)
    return user_at(state, user_asked(state, query))


def list_users(state: State, query: ListUsers, after: str) -> Iterator[tuple[str, User]]:
    """Users by name, ignoring case. The prefix need not end where a part of the path does."""
    for member, user_id in state.scan(r.USERS, "", after):
        if known(state, r.USER, user_id).path.startswith(query.path_prefix):
            yield member, user_at(state, user_id)
