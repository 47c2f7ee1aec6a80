"""Instance profiles: what hands a role to the instances of EC2. Each has one role at most."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from iam import relations as r
from iam.arns import iam_arn
from iam.commands import Command, Moment, Query
from iam.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity
from iam.events import Event
from iam.events.instance_profiles import (
    InstanceProfileCreated,
    InstanceProfileDeleted,
    InstanceProfileTagged,
    InstanceProfileUntagged,
    RoleAddedToInstanceProfile,
    RoleRemovedFromInstanceProfile,
)
from iam.identities import ROLE
from iam.pages import listing
from iam.roles import Role, role_at
from iam.state import State, known
from iam.tags import ListThingTags, Tagged, TagThing, UntagThing, check_tag_keys, tags_of

NOUN = "instance-profile"  # in ARNs
ROLES_MAX = 1  # AWS raises it for nobody


class CreateInstanceProfile(Command, frozen=True, gc=False, kw_only=True):
    instance_profile_name: str
    path: str = "/"
    tags: tuple[r.Tag, ...] = ()


class DeleteInstanceProfile(Command, frozen=True, gc=False, kw_only=True):
    instance_profile_name: str


class AddRoleToInstanceProfile(Command, frozen=True, gc=False, kw_only=True):
    instance_profile_name: str
    role_name: str


class RemoveRoleFromInstanceProfile(Command, frozen=True, gc=False, kw_only=True):
    instance_profile_name: str
    role_name: str


class GetInstanceProfile(Query, frozen=True, gc=False, kw_only=True):
    instance_profile_name: str


class ListInstanceProfiles(Query, frozen=True, gc=False, kw_only=True):
    path_prefix: str = "/"


class ListInstanceProfilesForRole(Query, frozen=True, gc=False, kw_only=True):
    role_name: str


class InstanceProfile(msgspec.Struct, frozen=True, gc=False):
    """An instance profile at an instant, with its role."""

    instance_profile_id: str
    instance_profile_name: str
    path: str
    arn: str
    created_at: datetime
    roles: tuple[Role, ...] = ()
    tags: tuple[r.Tag, ...] = ()


def find_profile(state: State, name: str) -> str:
    """The id of the instance profile with this name, in whatever case. Raises NoSuchEntity."""
    profile_id = state.get(r.INSTANCE_PROFILES, "", name.lower())
    if profile_id is None:
        raise NoSuchEntity(f"Instance Profile {name} cannot be found.")
    return profile_id


def profile_at(state: State, profile_id: str) -> InstanceProfile:
    """The instance profile with this id, which must exist."""
    profile = known(state, r.INSTANCE_PROFILE, profile_id)
    return InstanceProfile(
        profile_id,
        profile.instance_profile_name,
        profile.path,
        iam_arn(state.world.partition, state.account, NOUN, profile.path, profile.instance_profile_name),
        profile.created_at,
        tuple(role_at(state, role_id) for role_id in state.members(r.INSTANCE_PROFILE_ROLES, profile_id)),
        tags_of(state, r.INSTANCE_PROFILE_TAGS, profile_id),
    )


def _told(state: State, profile_id: str) -> dict[str, str]:
    """The id and the name as events tell them."""
    name = known(state, r.INSTANCE_PROFILE, profile_id).instance_profile_name
    return {"instance_profile_id": profile_id, "instance_profile_name": name}


def _profile_of(state: State, asked: Any) -> str:
    return find_profile(state, asked.instance_profile_name)


TAGGED = Tagged(
    r.INSTANCE_PROFILE_TAGS, _profile_of, _told, InstanceProfileTagged, InstanceProfileUntagged, ignore_case=False
)


class TagInstanceProfile(TagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    instance_profile_name: str


class UntagInstanceProfile(UntagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    instance_profile_name: str


class ListInstanceProfileTags(ListThingTags, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    instance_profile_name: str


# Decisions


def create_instance_profile(state: State, command: CreateInstanceProfile, moment: Moment) -> list[Event]:
    """The name is free if no instance profile has it in any spelling, on any path."""
    check_tag_keys([tag.key for tag in command.tags], ignore_case=False)
    name = command.instance_profile_name
    if state.get(r.INSTANCE_PROFILES, "", name.lower()):
        raise EntityAlreadyExists(f"Instance Profile {name} already exists.")
    if state.count(r.INSTANCE_PROFILES, "") >= (quota := state.world.quotas.instance_profiles_per_account):
        raise LimitExceeded(f"Cannot exceed quota for InstanceProfilesPerAccount: {quota}")
    return [
        InstanceProfileCreated(
            instance_profile_id=moment.new_id("AIPA"),
            instance_profile_name=name,
            path=command.path,
            created_at=moment.at,
            tags=command.tags,
        )
    ]


def delete_instance_profile(state: State, command: DeleteInstanceProfile, moment: Moment) -> list[Event]:
    """Delete an instance profile that has no role."""
    profile_id = find_profile(state, command.instance_profile_name)
    if state.count(r.INSTANCE_PROFILE_ROLES, profile_id):
        raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
    return [InstanceProfileDeleted(**_told(state, profile_id))]


def add_role_to_instance_profile(state: State, command: AddRoleToInstanceProfile, moment: Moment) -> list[Event]:
    """Give the profile its role. The quota comes first, so that adding the same role again is refused too."""
    profile_id = find_profile(state, command.instance_profile_name)
    role_id = ROLE.find_modifiable(state, command.role_name)
    if state.count(r.INSTANCE_PROFILE_ROLES, profile_id) >= ROLES_MAX:
        raise LimitExceeded(f"Cannot exceed quota for InstanceSessionsPerInstanceProfile: {ROLES_MAX}")
    return [RoleAddedToInstanceProfile(**_told(state, profile_id), **ROLE.told(state, role_id))]


def remove_role_from_instance_profile(
    state: State, command: RemoveRoleFromInstanceProfile, moment: Moment
) -> list[Event]:
    """Take the role out of the profile. AWS refuses when it is not in there."""
    profile_id = find_profile(state, command.instance_profile_name)
    role_id = ROLE.find_modifiable(state, command.role_name)
    if state.get(r.INSTANCE_PROFILE_ROLES, profile_id, role_id) is None:
        raise NoSuchEntity(
            f"Role {command.role_name} in Instance Profile {command.instance_profile_name} cannot be found."
        )
    return [RoleRemovedFromInstanceProfile(**_told(state, profile_id), **ROLE.told(state, role_id))]


# Reads


def get_instance_profile(state: State, query: GetInstanceProfile) -> InstanceProfile:
    """One instance profile."""
    return profile_at(state, find_profile(state, query.instance_profile_name))


def list_instance_profiles(
    state: State, query: ListInstanceProfiles, after: str
) -> Iterator[tuple[str, InstanceProfile]]:
    """Instance profiles by name, ignoring case. The prefix need not end where a part of the path does."""
    for member, profile_id in state.scan(r.INSTANCE_PROFILES, "", after):
        if known(state, r.INSTANCE_PROFILE, profile_id).path.startswith(query.path_prefix):
            yield member, profile_at(state, profile_id)


def list_instance_profiles_for_role(
    state: State, query: ListInstanceProfilesForRole, after: str
) -> Iterator[tuple[str, InstanceProfile]]:
    """The instance profiles that a role is in, by name."""
    profiles = profiles_of(state, ROLE.find(state, query.role_name))
    return listing(profiles, lambda profile: profile.instance_profile_name.lower(), after)


def profiles_of(state: State, role_id: str) -> list[InstanceProfile]:
    """The instance profiles that the role of this id is in, by name ignoring case."""
    profiles = (profile_at(state, profile_id) for profile_id in state.members(r.ROLE_INSTANCE_PROFILES, role_id))
    return sorted(profiles, key=lambda profile: profile.instance_profile_name.lower())
