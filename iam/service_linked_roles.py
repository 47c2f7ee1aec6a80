"""Service-linked roles: those that a service of AWS acts in, and that only it may change."""

from hashlib import sha256
from typing import Final

import msgspec

from iam import relations as r
from iam.boundaries import boundary_of
from iam.commands import Command, Moment, Query
from iam.errors import InvalidInput, NoSuchEntity, ValidationError
from iam.events import Event
from iam.events.roles import ServiceLinkedRoleCreated, ServiceLinkedRoleDeleted
from iam.identities import ROLE, SERVICE_ROLE_PATH
from iam.linked_services import linked_service
from iam.policies import AWS, policy_exists
from iam.roles import check_number
from iam.state import State, known
from iam.uuids import in_form

SUCCEEDED: Final = "SUCCEEDED"
ROLE_NAME_LENGTH: Final = 64


class CreateServiceLinkedRole(Command, frozen=True, gc=False, kw_only=True):
    aws_service_name: str
    description: str = ""
    custom_suffix: str | None = None


class DeleteServiceLinkedRole(Command, frozen=True, gc=False, kw_only=True):
    role_name: str


class GetServiceLinkedRoleDeletionStatus(Query, frozen=True, gc=False, kw_only=True):
    deletion_task_id: str


def trust_of(service: str) -> str:
    """The trust policy that lets a service assume its role."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": [statement]}).decode()


def create_service_linked_role(state: State, command: CreateServiceLinkedRole, moment: Moment) -> list[Event]:
    """Make the role that a service names, with the managed policy that AWS has for it if the catalogue has it.

    Raises InvalidInput for what is no service, a suffix that the service does not allow, and a name that is taken;
    ValidationError for a name that is too long for a role.
    """
    service, suffix = command.aws_service_name, command.custom_suffix
    linked = linked_service(service)
    if linked is None:
        raise InvalidInput(f"Cannot find Service Role for {service}")
    if suffix and not linked.suffix_allowed:
        raise InvalidInput(f"Custom suffix is not allowed for {service}")
    role_name = f"{linked.role_name}_{suffix}" if suffix else linked.role_name
    if len(role_name) > ROLE_NAME_LENGTH:
        raise ValidationError(
            "1 validation error detected: Value at 'roleName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {ROLE_NAME_LENGTH}"
        )
    if state.get(r.ROLES, "", role_name.lower()):
        raise InvalidInput(
            f"Service role name {role_name} has been taken in this account, please try a different suffix."
        )
    check_number(state)
    arn = f"arn:{state.world.partition}:iam::{AWS}:policy{SERVICE_ROLE_PATH}{linked.policy_name}"
    has_policy = linked.policy_name is not None and policy_exists(state, arn)
    return [
        ServiceLinkedRoleCreated(
            role_id=moment.new_id(ROLE.id_prefix),
            role_name=role_name,
            path=f"{SERVICE_ROLE_PATH}{service}/",
            created_at=moment.at,
            aws_service_name=service,
            assume_role_policy_document=trust_of(service),
            description=command.description,
            policy_arn=arn if has_policy else None,
            policy_name=linked.policy_name if has_policy else None,
        )
    ]


def delete_service_linked_role(state: State, command: DeleteServiceLinkedRole, moment: Moment) -> list[Event]:
    """Delete a service's role at once: no service is here that could still use it. Raises NoSuchEntity."""
    role_id = ROLE.find(state, command.role_name)
    profile = known(state, r.ROLE, role_id)
    if not profile.path.startswith(SERVICE_ROLE_PATH):
        raise NoSuchEntity(f"The service-linked role with name {command.role_name} cannot be found.")
    task = in_form(int(sha256(moment.new_id("").encode()).hexdigest()[:32], 16))
    return [
        ServiceLinkedRoleDeleted(
            role_id=role_id,
            role_name=profile.role_name,
            deletion_task_id=f"task{profile.path}{profile.role_name}/{task}",
            policy_arns=tuple(sorted(state.members(r.ROLE_POLICIES, role_id))),
            permissions_boundary=boundary_of(state, ROLE, role_id),
        )
    ]


def get_deletion_status(state: State, query: GetServiceLinkedRoleDeletionStatus) -> str:
    """How the deletion went. Raises NoSuchEntity for a task that never was."""
    if state.get(r.DELETION_TASKS, "", query.deletion_task_id) is None:
        raise NoSuchEntity(f"The deletion task with id {query.deletion_task_id} cannot be found.")
    return SUCCEEDED
