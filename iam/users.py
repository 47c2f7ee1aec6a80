"""Users: who they are, from creation to deletion, their tags and their permissions boundary."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from iam import commands as c
from iam import events as e
from iam import relations as r
from iam.arns import USER, iam_arn, parse_arn, root_arn
from iam.errors import DeleteConflict, EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity
from iam.policies import is_attachable, policy_exists
from iam.state import State, known
from iam.tags import check_tag_keys, list_tags, new_tags, tag_order


class User(msgspec.Struct, frozen=True, gc=False):
    """A user at an instant, without its policies."""

    user_id: str
    user_name: str
    path: str
    arn: str
    created_at: datetime | None
    tags: tuple[r.Tag, ...] = ()
    permissions_boundary: str | None = None


def find_user(state: State, user_name: str) -> str:
    """The id of the user with this name, in whatever case. Raises NoSuchEntity."""
    user_id = state.get(r.USERS, "", user_name.lower())
    if user_id is None:
        raise NoSuchEntity(f"The user with name {user_name} cannot be found.")
    return user_id


def find_holder(state: State, name: str) -> str:
    """The id of the user that has this id, or else this name. Raises NoSuchEntity."""
    return name if state.get(r.USER, name) is not None else find_user(state, name)


def user_at(state: State, user_id: str) -> User:
    """The user as GetUser shows it."""
    profile = known(state, r.USER, user_id)
    return User(
        user_id,
        profile.user_name,
        profile.path,
        iam_arn(state.world.partition, state.account, USER, profile.path, profile.user_name),
        profile.created_at,
        tuple(sorted(state.members(r.USER_TAGS, user_id).values(), key=tag_order)),
        state.get(r.USER_BOUNDARY, user_id),
    )


# Decisions


def create_user(state: State, command: c.CreateUser, moment: c.Moment) -> list[e.Event]:
    """A user's name is free if no user has it in any spelling, on any path."""
    check_tag_keys([tag.key for tag in command.tags], ignore_case=True)
    if command.permissions_boundary:
        parse_arn(command.permissions_boundary, InvalidInput)
    if state.get(r.USERS, "", command.user_name.lower()):
        raise EntityAlreadyExists(f"User with name {command.user_name} already exists.")
    if state.count(r.USERS, "") >= state.world.quotas.users_per_account:
        raise LimitExceeded(f"Cannot exceed quota for UsersPerAccount: {state.world.quotas.users_per_account}")
    if command.permissions_boundary:
        _check_boundary(state, command.permissions_boundary)
    return [
        e.UserCreated(
            user_id=moment.new_id("AIDA"),
            user_name=command.user_name,
            path=command.path,
            created_at=moment.at,
            tags=command.tags,
            permissions_boundary=command.permissions_boundary,
        )
    ]


def update_user(state: State, command: c.UpdateUser, moment: c.Moment) -> list[e.Event]:
    """Rename or move a user. Another spelling of its own name is taken: by itself."""
    user_id = find_user(state, command.user_name)
    profile = known(state, r.USER, user_id)
    new_name = command.new_user_name or profile.user_name
    new_path = command.new_path or profile.path
    if new_name != profile.user_name and state.get(r.USERS, "", new_name.lower()) is not None:
        raise EntityAlreadyExists(f"User with name {new_name} already exists.")
    if (new_name, new_path) == (profile.user_name, profile.path):
        return []
    return [
        e.UserUpdated(
            user_id=user_id,
            user_name=new_name,
            path=new_path,
            previous_user_name=profile.user_name,
            previous_path=profile.path,
            created_at=profile.created_at,
        )
    ]


def delete_user(state: State, command: c.DeleteUser, moment: c.Moment) -> list[e.Event]:
    """Delete a user that nothing hangs from. IAM does not cascade: each removal is the caller's own act."""
    user_id = find_user(state, command.user_name)
    if state.count(r.USER_POLICIES, user_id):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if state.count(r.USER_INLINE_POLICIES, user_id):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    name = known(state, r.USER, user_id).user_name
    boundary = state.get(r.USER_BOUNDARY, user_id)
    return [e.UserDeleted(user_id=user_id, user_name=name, permissions_boundary=boundary)]


def tag_user(state: State, command: c.TagUser, moment: c.Moment) -> list[e.Event]:
    """Set tags. A key in another spelling replaces the spelling and the value."""
    check_tag_keys([tag.key for tag in command.tags], ignore_case=True)
    user_id = find_user(state, command.user_name)
    present = state.members(r.USER_TAGS, user_id)
    tags = new_tags(present, command.tags, str.lower, state.world.quotas.tags_per_resource)
    return [e.UserTagged(user_id=user_id, user_name=known(state, r.USER, user_id).user_name, tags=tags)] if tags else []


def untag_user(state: State, command: c.UntagUser, moment: c.Moment) -> list[e.Event]:
    """Remove tags. A key that is not there is no error."""
    user_id = find_user(state, command.user_name)
    present = state.members(r.USER_TAGS, user_id)
    keys = tuple(dict.fromkeys(key.lower() for key in command.tag_keys if key.lower() in present))
    name = known(state, r.USER, user_id).user_name
    return [e.UserUntagged(user_id=user_id, user_name=name, tag_keys=keys)] if keys else []


def put_user_permissions_boundary(
    state: State, command: c.PutUserPermissionsBoundary, moment: c.Moment
) -> list[e.Event]:
    """Bound the user's permissions by a managed policy, in place of the one before."""
    parse_arn(command.permissions_boundary, InvalidInput)
    user_id = find_user(state, command.user_name)
    _check_boundary(state, command.permissions_boundary)
    previous = state.get(r.USER_BOUNDARY, user_id)
    if previous == command.permissions_boundary:
        return []
    return [
        e.UserPermissionsBoundaryPut(
            user_id=user_id,
            user_name=known(state, r.USER, user_id).user_name,
            permissions_boundary=command.permissions_boundary,
            previous_permissions_boundary=previous,
        )
    ]


def delete_user_permissions_boundary(
    state: State, command: c.DeleteUserPermissionsBoundary, moment: c.Moment
) -> list[e.Event]:
    """Lift the user's boundary. AWS refuses when there is none."""
    user_id = find_user(state, command.user_name)
    name = known(state, r.USER, user_id).user_name
    boundary = state.get(r.USER_BOUNDARY, user_id)
    if boundary is None:
        raise NoSuchEntity(f"The user with name {name} does not have a permissions boundary.")
    return [e.UserPermissionsBoundaryDeleted(user_id=user_id, user_name=name, permissions_boundary=boundary)]


def _check_boundary(state: State, arn: str) -> None:
    if not policy_exists(state, arn) or not is_attachable(arn):
        raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")


# Reads


def get_user(state: State, query: c.GetUser) -> User:
    """One user; without a name the caller, who is the root user. That one has an id and an ARN, and nothing else."""
    if query.user_name is None:
        return User(state.account, "", "", root_arn(state.world.partition, state.account), None)
    return user_at(state, find_user(state, query.user_name))


def list_users(state: State, query: c.ListUsers, after: str) -> Iterator[tuple[str, User]]:
    """Users by name, ignoring case. The prefix need not end where a part of the path does."""
    for member, user_id in state.scan(r.USERS, "", after):
        if known(state, r.USER, user_id).path.startswith(query.path_prefix):
            yield member, user_at(state, user_id)


def list_user_tags(state: State, query: c.ListUserTags, after: str) -> Iterator[tuple[str, r.Tag]]:
    """The tags of a user."""
    tags = state.members(r.USER_TAGS, find_user(state, query.user_name))
    return list_tags(tags.values(), after)
