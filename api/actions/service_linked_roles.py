"""Actions on service-linked roles."""

import json
from collections.abc import Mapping

from msgspec.structs import replace

from api.actions.action import Action, Read, Reply, Write
from api.actions.roles import bare_role, told_role
from iam.events.roles import ServiceLinkedRoleCreated, ServiceLinkedRoleDeleted
from iam.service_linked_roles import (
    CreateServiceLinkedRole,
    DeleteServiceLinkedRole,
    GetServiceLinkedRoleDeletionStatus,
    create_service_linked_role,
    delete_service_linked_role,
    get_deletion_status,
)


def _created(event: ServiceLinkedRoleCreated, account: str, partition: str) -> Reply:
    """AWS answers the trust policy with its action and service in lists, though the role has them without."""
    statement = {
        "Action": ["sts:AssumeRole"],
        "Effect": "Allow",
        "Principal": {"Service": [event.aws_service_name]},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = replace(told_role(event, account, partition), assume_role_policy_document=trust)
    return {"Role": {**bare_role(role), "Description": event.description or None}}


def _deleted(event: ServiceLinkedRoleDeleted, account: str, partition: str) -> Reply:
    return {"DeletionTaskId": event.deletion_task_id}


ACTIONS: Mapping[str, Action] = {
    "CreateServiceLinkedRole": Write(CreateServiceLinkedRole, create_service_linked_role, _created),
    "DeleteServiceLinkedRole": Write(DeleteServiceLinkedRole, delete_service_linked_role, _deleted),
    "GetServiceLinkedRoleDeletionStatus": Read(
        GetServiceLinkedRoleDeletionStatus, get_deletion_status, lambda status: {"Status": status}
    ),
}
