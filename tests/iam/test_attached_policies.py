"""Attaching and detaching managed policies."""

from collections.abc import Callable
from typing import Any

import pytest

from iam.attached_policies import (
    AttachUserPolicy,
    DetachUserPolicy,
    ListAttachedUserPolicies,
    attach_policy,
    detach_policy,
    list_attached_policies,
)
from iam.errors import IamError, LimitExceeded, NoSuchEntity, PolicyNotAttachable, ValidationError
from iam.events.users import UserPolicyAttached, UserPolicyDetached
from iam.policies import CreatePolicy
from iam.quotas import Quotas
from iam.users import CreateUser

ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
BILLING = "arn:aws:iam::aws:policy/job-function/Billing"
RESERVED = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
READS = "arn:aws:iam::123456789012:policy/team/Reads"
ABSENT = "arn:aws:iam::123456789012:policy/absent"

ALICE = CreateUser(user_name="Alice")
POLICY = CreatePolicy(policy_name="Reads", path="/team/", policy_document=ALLOW)


def attach(arn: str, user: str = "alice") -> AttachUserPolicy:
    return AttachUserPolicy(user_name=user, policy_arn=arn)


def detach(arn: str, user: str = "alice") -> DetachUserPolicy:
    return DetachUserPolicy(user_name=user, policy_arn=arn)


@pytest.mark.parametrize(("arn", "name"), [(READS, "Reads"), (ADMIN, "AdministratorAccess"), (BILLING, "Billing")])
def test_a_policy_of_the_account_or_of_aws_is_attached(given: Callable[..., Any], arn: str, name: str) -> None:
    """The event spells the user as stored, whatever the caller wrote."""
    given(ALICE, POLICY).when(attach_policy, attach(arn, "ALICE")).then(
        UserPolicyAttached(user_id="AIDA1", user_name="Alice", policy_arn=arn, policy_name=name)
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (attach("x", "nobody"), ValidationError, "ARN x is not valid."),
        (attach(ABSENT, "nobody"), NoSuchEntity, "The user with name nobody cannot be found."),
        (attach(ABSENT), NoSuchEntity, f"Policy {ABSENT} does not exist or is not attachable."),
        (
            attach(READS.replace("Reads", "READS")),
            NoSuchEntity,
            "Policy arn:aws:iam::123456789012:policy/team/READS does not exist or is not attachable.",
        ),
        (
            attach(READS.replace("/team", "")),
            NoSuchEntity,
            "Policy arn:aws:iam::123456789012:policy/Reads does not exist or is not attachable.",
        ),
        (attach(RESERVED), PolicyNotAttachable, "Cannot attach AWS reserved policy to an IAM user."),
        (attach(READS), LimitExceeded, "Cannot exceed quota for PoliciesPerUser: 1"),
    ],
    ids=["no ARN", "unknown user", "unknown policy", "other case", "other path", "reserved", "quota"],
)
def test_refusals_of_attaching_stand_in_their_order(
    given: Callable[..., Any], command: AttachUserPolicy, refusal: type[IamError], message: str
) -> None:
    """The user has one policy and may have no other, so every row has the fault of the last one too."""
    full = given(ALICE, POLICY, attach(ADMIN), quotas=Quotas(policies_per_user=1))

    full.when(attach_policy, command).refused(refusal, message)


def test_attaching_again_changes_nothing(given: Callable[..., Any]) -> None:
    """Also where the quota is used up, and in another spelling of the user's name."""
    full = given(ALICE, attach(ADMIN), quotas=Quotas(policies_per_user=1))

    full.when(attach_policy, attach(ADMIN, "aLICE")).nothing()


def test_a_policy_is_detached_once(given: Callable[..., Any]) -> None:
    """Not attached any more is the refusal of one that never was."""
    given(ALICE, attach(ADMIN)).when(detach_policy, detach(ADMIN, "ALICE")).then(
        UserPolicyDetached(user_id="AIDA1", user_name="Alice", policy_arn=ADMIN)
    )
    given(ALICE, attach(ADMIN), detach(ADMIN)).when(detach_policy, detach(ADMIN)).refused(
        NoSuchEntity, f"Policy {ADMIN} was not found."
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (detach("x", "nobody"), ValidationError, "ARN x is not valid."),
        (detach(ABSENT, "nobody"), NoSuchEntity, "The user with name nobody cannot be found."),
        (detach(ABSENT), NoSuchEntity, f"Policy {ABSENT} was not found."),
        (detach(READS), NoSuchEntity, f"Policy {READS} was not found."),
    ],
    ids=["no ARN", "unknown user", "unknown policy", "not attached"],
)
def test_refusals_of_detaching_stand_in_their_order(
    given: Callable[..., Any], command: DetachUserPolicy, refusal: type[IamError], message: str
) -> None:
    """Not attached and not existing are one refusal."""
    given(ALICE, POLICY).when(detach_policy, command).refused(refusal, message)


def attached(account: Any, prefix: str = "/", after: str = "") -> list[str]:
    query = ListAttachedUserPolicies(user_name="ALICE", path_prefix=prefix)
    return [policy.policy_arn for _, policy in list_attached_policies(account, query, after)]


def test_attached_policies_are_listed_by_name(given: Callable[..., Any]) -> None:
    """Ignoring case and path; the account's own comes before AWS's of the same name."""
    own = CreatePolicy(policy_name="billing", policy_document=ALLOW)
    own_arn = "arn:aws:iam::123456789012:policy/billing"
    account = given(ALICE, POLICY, own, *map(attach, (READS, BILLING, ADMIN, own_arn))).account

    assert attached(account) == [ADMIN, own_arn, BILLING, READS]


def test_attached_policies_are_chosen_by_the_path_of_the_policy(given: Callable[..., Any]) -> None:
    """The user's path plays no part."""
    account = given(ALICE, POLICY, *map(attach, (READS, BILLING, ADMIN))).account

    assert attached(account, "/team/") == [READS]
    assert attached(account, "/job-function/") == [BILLING]
    assert attached(account, "/none/") == []


def test_the_list_of_attached_policies_goes_on_behind_its_key(given: Callable[..., Any]) -> None:
    """Also when the policy at which the page ended was detached since."""
    user = given(ALICE, POLICY, *map(attach, (READS, BILLING)))
    query = ListAttachedUserPolicies(user_name="alice")
    after = next(list_attached_policies(user.account, query, ""))[0]

    assert attached(user.also(detach(BILLING), attach(ADMIN)).account, after=after) == [READS]
