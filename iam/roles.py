"""Roles: who may assume them, from creation to deletion, and their tags."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from iam import relations as r
from iam.boundaries import boundary_of, check_form, check_policy
from iam.commands import Command, Moment, Query
from iam.errors import DeleteConflict, InvalidInput, LimitExceeded
from iam.events import Event
from iam.events.roles import (
    AssumeRolePolicyUpdated,
    RoleCreated,
    RoleDeleted,
    RoleDescriptionUpdated,
    RoleTagged,
    RoleUntagged,
    RoleUpdated,
)
from iam.identities import ROLE, SERVICE_ROLE_PATH
from iam.state import State, known
from iam.tags import ListThingTags, Tagged, TagThing, UntagThing, check_tag_keys, tags_of
from iam.trust_documents import check_trust, is_again, shown_trust

SESSION_SECONDS = 3600


class CreateRole(Command, frozen=True, gc=False, kw_only=True):
    role_name: str
    assume_role_policy_document: str
    path: str = "/"
    description: str = ""
    max_session_duration: int = SESSION_SECONDS
    permissions_boundary: str | None = None
    tags: tuple[r.Tag, ...] = ()


class UpdateRole(Command, frozen=True, gc=False, kw_only=True):
    role_name: str
    description: str | None = None
    max_session_duration: int | None = None


class UpdateRoleDescription(Command, frozen=True, gc=False, kw_only=True):
    role_name: str
    description: str


class UpdateAssumeRolePolicy(Command, frozen=True, gc=False, kw_only=True):
    role_name: str
    policy_document: str


class DeleteRole(Command, frozen=True, gc=False, kw_only=True):
    role_name: str


class GetRole(Query, frozen=True, gc=False, kw_only=True):
    role_name: str


class ListRoles(Query, frozen=True, gc=False, kw_only=True):
    path_prefix: str = "/"


class Role(msgspec.Struct, frozen=True, gc=False):
    """A role at an instant, without its permissions policies."""

    role_id: str
    role_name: str
    path: str
    arn: str
    created_at: datetime
    assume_role_policy_document: str
    description: str = ""
    max_session_duration: int = SESSION_SECONDS
    tags: tuple[r.Tag, ...] = ()
    permissions_boundary: str | None = None


def role_at(state: State, role_id: str) -> Role:
    """The role as GetRole shows it."""
    profile = known(state, r.ROLE, role_id)
    return Role(
        role_id,
        profile.role_name,
        profile.path,
        ROLE.arn(state, role_id),
        profile.created_at,
        shown_trust(state, known(state, r.ROLE_TRUST, role_id)),
        profile.description,
        profile.max_session_duration,
        tags_of(state, r.ROLE_TAGS, role_id),
        boundary_of(state, ROLE, role_id),
    )


def _role_of(state: State, asked: Any) -> str:
    return ROLE.find(state, asked.role_name)


TAGGED = Tagged(r.ROLE_TAGS, _role_of, ROLE.told, RoleTagged, RoleUntagged)


class TagRole(TagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    role_name: str


class UntagRole(UntagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    role_name: str


class ListRoleTags(ListThingTags, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    role_name: str


# Decisions


def create_role(state: State, command: CreateRole, moment: Moment) -> list[Event]:
    """A role's name is free if no role has it in any spelling, on any path. One path belongs to services."""
    check_tag_keys([tag.key for tag in command.tags], ignore_case=True)
    if command.path.startswith(SERVICE_ROLE_PATH):
        raise InvalidInput(f"Path prefix '{SERVICE_ROLE_PATH}' can only be used for AWS Service linked Roles")
    if command.permissions_boundary:
        check_form(command.permissions_boundary)
    ROLE.check_free(state, command.role_name)
    principals = check_trust(state, command.assume_role_policy_document)
    check_number(state)
    if command.permissions_boundary:
        check_policy(state, command.permissions_boundary, ROLE)
    return [
        RoleCreated(
            role_id=moment.new_id(ROLE.id_prefix),
            role_name=command.role_name,
            path=command.path,
            created_at=moment.at,
            assume_role_policy_document=command.assume_role_policy_document,
            description=command.description,
            max_session_duration=command.max_session_duration,
            tags=command.tags,
            permissions_boundary=command.permissions_boundary,
            principals=principals,
        )
    ]


def check_number(state: State) -> None:
    """Raises LimitExceeded where the account can have no further role."""
    if state.count(r.ROLES, "") >= (quota := state.world.quotas.roles_per_account):
        raise LimitExceeded(f"Cannot exceed quota for RolesPerAccount: {quota}")


def update_role(state: State, command: UpdateRole, moment: Moment) -> list[Event]:
    """Describe a role, or say how long its sessions may last; what is left out stays.

    Of a service-linked role only the description can change.
    """
    find = ROLE.find if command.max_session_duration is None else ROLE.find_modifiable
    role_id = find(state, command.role_name)
    profile = known(state, r.ROLE, role_id)
    description = profile.description if command.description is None else command.description
    duration = command.max_session_duration or profile.max_session_duration
    if (description, duration) == (profile.description, profile.max_session_duration):
        return []
    return [
        RoleUpdated(
            role_id=role_id,
            role_name=profile.role_name,
            path=profile.path,
            created_at=profile.created_at,
            description=description,
            max_session_duration=duration,
        )
    ]


def update_role_description(state: State, command: UpdateRoleDescription, moment: Moment) -> list[Event]:
    """Describe a role, be it a service's. An event even where the words are the same: it holds the answer."""
    role_id = ROLE.find(state, command.role_name)
    profile = known(state, r.ROLE, role_id)
    return [
        RoleDescriptionUpdated(
            role_id=role_id,
            role_name=profile.role_name,
            path=profile.path,
            created_at=profile.created_at,
            assume_role_policy_document=shown_trust(state, known(state, r.ROLE_TRUST, role_id)),
            description=command.description,
            max_session_duration=profile.max_session_duration,
        )
    ]


def update_assume_role_policy(state: State, command: UpdateAssumeRolePolicy, moment: Moment) -> list[Event]:
    """Let another trust policy say who may assume the role.

    The one that it has is not checked again as GetRole shows it: whom it names may be gone. The same text is another
    policy where it means somebody else by now.
    """
    role_id = ROLE.find_modifiable(state, command.role_name)
    if is_again(state, known(state, r.ROLE_TRUST, role_id), command.policy_document):
        return []
    principals = check_trust(state, command.policy_document)
    return [
        AssumeRolePolicyUpdated(
            **ROLE.told(state, role_id), policy_document=command.policy_document, principals=principals
        )
    ]


def delete_role(state: State, command: DeleteRole, moment: Moment) -> list[Event]:
    """Delete a role that has no policies and is in no instance profile. The order of the refusals is not known."""
    role_id = ROLE.find_modifiable(state, command.role_name)
    if state.count(r.ROLE_INSTANCE_PROFILES, role_id):
        raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
    if state.count(r.ROLE_POLICIES, role_id):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if state.count(r.ROLE_INLINE_POLICIES, role_id):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")
    return [RoleDeleted(**ROLE.told(state, role_id), permissions_boundary=boundary_of(state, ROLE, role_id))]


# Reads


def get_role(state: State, query: GetRole) -> Role:
    """One role."""
    return role_at(state, ROLE.find(state, query.role_name))


def list_roles(state: State, query: ListRoles, after: str) -> Iterator[tuple[str, Role]]:
    """Roles by name, ignoring case. The prefix need not end where a part of the path does."""
    for member, role_id in state.scan(r.ROLES, "", after):
        if known(state, r.ROLE, role_id).path.startswith(query.path_prefix):
            yield member, role_at(state, role_id)
