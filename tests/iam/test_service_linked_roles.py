"""Service-linked roles: what they are called, what they carry, and how they go."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest

from iam.attached_policies import ListAttachedRolePolicies, list_attached_policies
from iam.commands import Moment
from iam.errors import InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from iam.events.roles import ServiceLinkedRoleCreated
from iam.linked_services import SERVICES, linked_service
from iam.quotas import Quotas
from iam.relations import Tag
from iam.roles import CreateRole, GetRole, TagRole, get_role
from iam.service_linked_roles import (
    CreateServiceLinkedRole,
    DeleteServiceLinkedRole,
    GetServiceLinkedRoleDeletionStatus,
    create_service_linked_role,
    delete_service_linked_role,
    get_deletion_status,
)
from iam.state import Account, World

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
POLICY = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
SUPPORT = CreateServiceLinkedRole(aws_service_name="support.amazonaws.com", description="Helps.")
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"support.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)


def test_the_services_policy_is_that_of_the_accounts_partition(world: World) -> None:
    """AWS has it in each, under another ARN."""
    account = Account("123456789012", world.within("aws-cn"))
    [created] = create_service_linked_role(account, SUPPORT, Moment(NOW, str))
    assert isinstance(created, ServiceLinkedRoleCreated)
    assert created.policy_arn == POLICY.replace("arn:aws:", "arn:aws-cn:")


def test_a_services_role_is_created_with_the_services_policy(given: Callable[..., Any]) -> None:
    """On a path and with a trust policy that name the service."""
    given().when(create_service_linked_role, SUPPORT).then(
        ServiceLinkedRoleCreated(
            role_id="AROA1",
            role_name="AWSServiceRoleForSupport",
            path="/aws-service-role/support.amazonaws.com/",
            created_at=NOW,
            aws_service_name="support.amazonaws.com",
            assume_role_policy_document=TRUST,
            description="Helps.",
            policy_arn=POLICY,
            policy_name="AWSSupportServiceRolePolicy",
        )
    )
    account = given(SUPPORT).account
    role = get_role(account, GetRole(role_name="AWSServiceRoleForSupport"))
    assert role.arn.endswith(":role/aws-service-role/support.amazonaws.com/AWSServiceRoleForSupport")
    attached = list_attached_policies(account, ListAttachedRolePolicies(role_name=role.role_name), "")
    assert [policy.policy_arn for _, policy in attached] == [POLICY]


@pytest.mark.parametrize(
    ("service", "suffix", "name"),
    [
        ("autoscaling.amazonaws.com", None, "AWSServiceRoleForAutoScaling"),
        ("autoscaling.amazonaws.com", "mine", "AWSServiceRoleForAutoScaling_mine"),
        ("es.amazonaws.com", None, "AWSServiceRoleForAmazonElasticsearchService"),
        ("spot.amazonaws.com", None, "AWSServiceRoleForEC2Spot"),
        ("elasticbeanstalk.amazonaws.com", None, "AWSServiceRoleForElasticBeanstalk"),
        (
            "custom-resource.application-autoscaling.amazonaws.com",
            None,
            "AWSServiceRoleForApplicationAutoScaling_CustomResource",
        ),
        ("other.amazonaws.com", "mine", "AWSServiceRoleForother_mine"),
        ("one-thing.some.amazonaws.com.cn", None, "AWSServiceRoleForsome_OneThing"),
    ],
)
def test_a_services_role_has_the_services_name(
    given: Callable[..., Any], service: str, suffix: str | None, name: str
) -> None:
    """From the table, or made from the service's own; a policy that the catalogue lacks is not attached."""
    command = CreateServiceLinkedRole(aws_service_name=service, custom_suffix=suffix)
    [event] = given().when(create_service_linked_role, command).events

    assert (event.role_name, event.path) == (name, f"/aws-service-role/{service}/")
    assert event.policy_arn is None


@pytest.mark.parametrize(
    ("service", "suffix", "message"),
    [
        ("support", None, "Cannot find Service Role for support"),
        *(
            (f"{label}.amazonaws.com", None, f"Cannot find Service Role for {label}.amazonaws.com")
            for label in ("", ".", "..", ".ecs", "ecs.", "a..b", "-a", "a-", "a_b", "a+b", "ECS")
        ),
        ("es.amazonaws.com", "x", "Custom suffix is not allowed for es.amazonaws.com"),
        (
            "support.amazonaws.com",
            None,
            "Service role name AWSServiceRoleForSupport has been taken in this account, please try a different suffix.",
        ),
    ],
)
def test_a_role_that_no_service_can_have_is_refused(
    given: Callable[..., Any], service: str, suffix: str | None, message: str
) -> None:
    """InvalidInput, also where the name is taken: by an ordinary role, in another case."""
    taken = CreateRole(role_name="AWSSERVICEROLEFORSUPPORT", assume_role_policy_document=TRUST)
    command = CreateServiceLinkedRole(aws_service_name=service, custom_suffix=suffix)

    given(taken).when(create_service_linked_role, command).refused(InvalidInput, message)


def test_a_name_that_is_too_long_for_a_role_is_refused(given: Callable[..., Any]) -> None:
    """It could never be asked for."""
    command = CreateServiceLinkedRole(aws_service_name="autoscaling.amazonaws.com", custom_suffix="x" * 36)

    given().when(create_service_linked_role, command).refused(
        ValidationError,
        "1 validation error detected: Value at 'roleName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64",
    )


def test_services_roles_count_among_the_accounts_roles(given: Callable[..., Any]) -> None:
    """The quota is one for all roles."""
    command = CreateServiceLinkedRole(aws_service_name="ecs.amazonaws.com")

    given(SUPPORT, quotas=Quotas(roles_per_account=1)).when(create_service_linked_role, command).refused(
        LimitExceeded, "Cannot exceed quota for RolesPerAccount: 1"
    )


def test_a_services_role_is_deleted_with_all_that_hung_on_it(
    given: Callable[..., Any], contents: Callable[..., Any]
) -> None:
    """Nothing is left but the task, which has succeeded, and the name is free again."""
    name = "AWSServiceRoleForSupport"
    begun = given(SUPPORT, TagRole(role_name=name, tags=(Tag("a", ""),)))
    [event] = begun.when(delete_service_linked_role, DeleteServiceLinkedRole(role_name=name.upper())).events
    account = begun.also(event).account

    assert re.fullmatch(
        r"task/aws-service-role/support\.amazonaws\.com/AWSServiceRoleForSupport"
        r"/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        event.deletion_task_id,
    )
    assert contents(account) == {("deletion_tasks", ""): {event.deletion_task_id: "AROA1"}}
    status = GetServiceLinkedRoleDeletionStatus(deletion_task_id=event.deletion_task_id)
    assert get_deletion_status(account, status) == "SUCCEEDED"
    assert begun.when(create_service_linked_role, SUPPORT).events


@pytest.mark.parametrize("name", ["nothing", "reader"])
def test_only_a_services_role_is_deleted_so(given: Callable[..., Any], name: str) -> None:
    """An ordinary role is not found, as if it were not there."""
    reader = CreateRole(role_name="reader", assume_role_policy_document=TRUST)
    outcome = given(reader).when(delete_service_linked_role, DeleteServiceLinkedRole(role_name=name))

    assert outcome.refusal[0] is NoSuchEntity


def test_a_task_that_never_was_is_not_found(given: Callable[..., Any]) -> None:
    """Whatever it looks like."""
    with pytest.raises(NoSuchEntity, match="The deletion task with id task/none cannot be found"):
        get_deletion_status(given(SUPPORT).account, GetServiceLinkedRoleDeletionStatus(deletion_task_id="task/none"))


def test_every_policy_of_the_table_is_in_the_catalogue() -> None:
    """Under the path that is kept for such roles; role names are no longer than IAM lets them be."""
    index = json.loads((files("iam") / "catalogue_data" / "index.json").read_bytes())
    reserved = {name for name, path, *_ in index["policies"] if path == "/aws-service-role/"}

    assert {service.policy_name for service in SERVICES.values() if service.policy_name} <= reserved
    assert max(len(service.role_name) for service in SERVICES.values()) <= 64
    assert linked_service("ecs.amazonaws.com") == SERVICES["ecs"]
