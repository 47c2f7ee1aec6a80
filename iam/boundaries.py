"""Permissions boundaries of users and roles: a managed policy that bounds what others can permit."""

from collections.abc import Mapping
from typing import Any, ClassVar

from iam.arns import POLICY, parse_arn
from iam.commands import Command, Moment
from iam.errors import InvalidInput, NoSuchEntity
from iam.events import Event, roles, users
from iam.identities import ROLE, USER, Kind
from iam.policies import check_attachable, policy_exists
from iam.relations import Relation
from iam.state import State, known


class PutPermissionsBoundary(Command, frozen=True, gc=False, kw_only=True):
    """Bound an identity's permissions."""

    kind: ClassVar[Kind]
    permissions_boundary: str


class PutUserPermissionsBoundary(PutPermissionsBoundary, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class PutRolePermissionsBoundary(PutPermissionsBoundary, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


class DeletePermissionsBoundary(Command, frozen=True, gc=False, kw_only=True):
    """Lift an identity's boundary."""

    kind: ClassVar[Kind]


class DeleteUserPermissionsBoundary(DeletePermissionsBoundary, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class DeleteRolePermissionsBoundary(DeletePermissionsBoundary, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


_PUT: Mapping[Kind, Any] = {USER: users.UserPermissionsBoundaryPut, ROLE: roles.RolePermissionsBoundaryPut}
_DELETED: Mapping[Kind, Any] = {USER: users.UserPermissionsBoundaryDeleted, ROLE: roles.RolePermissionsBoundaryDeleted}


def put_permissions_boundary(state: State, command: PutPermissionsBoundary, moment: Moment) -> list[Event]:
    """Bound the identity's permissions by a managed policy, in place of the one before."""
    kind, arn = command.kind, command.permissions_boundary
    check_form(arn)
    owner = kind.find_modifiable(state, kind.name_in(command))
    check_policy(state, arn, kind)
    previous = boundary_of(state, kind, owner)
    if previous == arn:
        return []
    told = kind.told(state, owner)
    return [_PUT[kind](**told, permissions_boundary=arn, previous_permissions_boundary=previous)]


def delete_permissions_boundary(state: State, command: DeletePermissionsBoundary, moment: Moment) -> list[Event]:
    """Lift the identity's boundary. AWS refuses when there is none."""
    kind = command.kind
    owner = kind.find_modifiable(state, kind.name_in(command))
    boundary = boundary_of(state, kind, owner)
    if boundary is None:
        name = kind.name(known(state, kind.profiles, owner))
        raise NoSuchEntity(f"The {kind.noun} with name {name} does not have a permissions boundary.")
    return [_DELETED[kind](**kind.told(state, owner), permissions_boundary=boundary)]


def boundary_of(state: State, kind: Kind, owner: str) -> str | None:
    """The ARN of the policy that bounds the identity of this id, if one does."""
    relation: Relation[str] | None = kind.boundaries
    return state.get(relation, owner) if relation is not None else None


def check_form(arn: str) -> None:
    """Raises InvalidInput for a boundary that is no ARN, or the ARN of something of IAM that is no policy: recorded."""
    parsed = parse_arn(arn, InvalidInput)
    if parsed.service == "iam" and not parsed.resource.startswith(f"{POLICY}/"):
        raise InvalidInput(f"ARN {arn} is not valid.")


def check_policy(state: State, arn: str, kind: Kind) -> None:
    """Raises NoSuchEntity for a boundary that is no policy, and PolicyNotAttachable for one AWS keeps for itself."""
    if not policy_exists(state, arn):
        raise NoSuchEntity(f"Scope ARN: {arn} does not exist or is not attachable.")
    check_attachable(arn, kind)
