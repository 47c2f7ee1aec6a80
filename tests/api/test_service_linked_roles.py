"""Service-linked roles through boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

SERVICE = "autoscaling.amazonaws.com"
NAME = "AWSServiceRoleForAutoScaling"
POLICY = "arn:aws:iam::aws:policy/aws-service-role/AutoScalingServiceRolePolicy"
TRUST = '{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}'
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
PROTECTED = (
    400,
    "UnmodifiableEntity",
    f"Cannot perform the operation on the protected role '{NAME}' - this role is only modifiable by AWS",
)


@pytest.fixture
def linked(iam: Any) -> Any:
    """A client of an account with the role of a service."""
    iam.create_service_linked_role(AWSServiceName=SERVICE)
    return iam


def test_a_services_role_is_answered_with_lists_in_its_trust_policy(iam: Any, account: Account) -> None:
    """And kept without them; both are so in AWS."""
    created = iam.create_service_linked_role(AWSServiceName=SERVICE)["Role"]
    assert created.keys() == {"Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument"}
    assert (created["RoleName"], created["Path"]) == (NAME, f"/aws-service-role/{SERVICE}/")
    assert created["Arn"] == f"arn:aws:iam::{account.id}:role/aws-service-role/{SERVICE}/{NAME}"
    statement = {"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [SERVICE]}}
    assert created["AssumeRolePolicyDocument"] == {"Version": "2012-10-17", "Statement": [statement]}
    kept = iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert kept == [{"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"}]


def test_a_services_role_carries_the_services_policy(linked: Any) -> None:
    """Which nobody else can attach to anything."""
    attached = linked.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]
    assert attached == [{"PolicyName": "AutoScalingServiceRolePolicy", "PolicyArn": POLICY}]
    assert linked.get_policy(PolicyArn=POLICY)["Policy"]["AttachmentCount"] == 1


def test_a_second_role_of_the_service_needs_a_suffix(linked: Any, refused: Refused) -> None:
    """Where the service allows one."""
    assert refused(linked.create_service_linked_role, AWSServiceName=SERVICE) == (
        400,
        "InvalidInput",
        f"Service role name {NAME} has been taken in this account, please try a different suffix.",
    )
    second = linked.create_service_linked_role(AWSServiceName=SERVICE, CustomSuffix="b", Description="B")["Role"]
    assert second["RoleName"] == f"{NAME}_b"
    assert linked.get_role(RoleName=f"{NAME}_b")["Role"]["Description"] == "B"
    assert refused(linked.create_service_linked_role, AWSServiceName="es.amazonaws.com", CustomSuffix="b") == (
        400,
        "InvalidInput",
        "Custom suffix is not allowed for es.amazonaws.com",
    )


def test_a_services_role_is_protected_from_its_account(linked: Any, refused: Refused) -> None:
    """But for its description and its tags."""
    assert refused(linked.delete_role, RoleName=NAME) == PROTECTED
    assert refused(linked.attach_role_policy, RoleName=NAME, PolicyArn=ADMIN) == PROTECTED
    assert refused(linked.detach_role_policy, RoleName=NAME, PolicyArn=POLICY) == PROTECTED
    assert refused(linked.update_assume_role_policy, RoleName=NAME, PolicyDocument=TRUST) == PROTECTED
    assert refused(linked.update_role, RoleName=NAME, MaxSessionDuration=7200) == PROTECTED
    linked.update_role(RoleName=NAME, Description="Scales.")
    linked.tag_role(RoleName=NAME, Tags=[{"Key": "a", "Value": "b"}])
    role = linked.get_role(RoleName=NAME)["Role"]
    assert (role["Description"], role["Tags"]) == ("Scales.", [{"Key": "a", "Value": "b"}])


def test_ordinary_roles_cannot_live_where_services_roles_do(iam: Any, refused: Refused) -> None:
    """Nobody makes one of them by hand."""
    assert refused(iam.create_role, RoleName="a", Path="/aws-service-role/x/", AssumeRolePolicyDocument=TRUST) == (
        400,
        "InvalidInput",
        "Path prefix '/aws-service-role/' can only be used for AWS Service linked Roles",
    )


def test_a_services_role_is_deleted_by_a_task_that_has_succeeded(
    linked: Any, account: Account, client: Callable[..., Any], refused: Refused
) -> None:
    """The role is gone at once, its policy is free, and before the deletion there was no such task."""
    before = account.events()[-1]["position"]
    task = linked.delete_service_linked_role(RoleName=NAME)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/{SERVICE}/{NAME}/")
    answer = linked.get_service_linked_role_deletion_status(DeletionTaskId=task)
    assert answer["Status"] == "SUCCEEDED"
    assert "Reason" not in answer
    assert refused(linked.get_role, RoleName=NAME)[:2] == (404, "NoSuchEntity")
    assert linked.get_policy(PolicyArn=POLICY)["Policy"]["AttachmentCount"] == 0
    assert refused(linked.delete_service_linked_role, RoleName=NAME)[:2] == (404, "NoSuchEntity")

    then = client(account, url=f"{account.server.url}/at/@{before}")
    assert then.get_role(RoleName=NAME)["Role"]["RoleName"] == NAME
    assert refused(then.get_service_linked_role_deletion_status, DeletionTaskId=task)[:2] == (404, "NoSuchEntity")


def test_a_task_that_never_was_is_not_found(iam: Any, refused: Refused) -> None:
    """NoSuchEntity, as for one of another account."""
    assert refused(iam.get_service_linked_role_deletion_status, DeletionTaskId="task/none")[:2] == (404, "NoSuchEntity")


def test_an_ordinary_role_is_not_deleted_as_a_services(iam: Any, refused: Refused) -> None:
    """It stays."""
    iam.create_role(RoleName="mine", AssumeRolePolicyDocument=TRUST)
    assert refused(iam.delete_service_linked_role, RoleName="mine")[:2] == (404, "NoSuchEntity")
    iam.get_role(RoleName="mine")


@pytest.mark.parametrize("service", ["autoscaling", "example.com", "amazonaws.com"])
def test_what_is_no_service_has_no_role(iam: Any, refused: Refused, service: str) -> None:
    """InvalidInput."""
    assert refused(iam.create_service_linked_role, AWSServiceName=service) == (
        400,
        "InvalidInput",
        f"Cannot find Service Role for {service}",
    )
