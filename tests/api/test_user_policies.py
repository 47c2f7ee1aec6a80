"""Policies of users through boto3: managed ones attached and detached, inline ones put, read and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from botocore.handlers import json_decode_policies

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
BILLING = "arn:aws:iam::aws:policy/job-function/Billing"
RESERVED = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
NO_POLICY = (404, "NoSuchEntity", "The user policy with name absent cannot be found.")


def denying(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": action, "Resource": "*"}})


@pytest.fixture
def alice(iam: Any) -> Any:
    """A client of an account in which there is a user alice."""
    iam.create_user(UserName="alice")
    return iam


def attached_to_alice(iam: Any) -> list[str]:
    return [policy["PolicyName"] for policy in iam.list_attached_user_policies(UserName="alice")["AttachedPolicies"]]


def test_an_attached_policy_is_listed_until_it_is_detached(alice: Any) -> None:
    """By policy name, with its ARN, and counted at the policy."""
    for arn in (READ_ONLY, BILLING, ADMIN):
        alice.attach_user_policy(UserName="ALICE", PolicyArn=arn)
    listed = alice.list_attached_user_policies(UserName="alice")
    assert listed["AttachedPolicies"] == [
        {"PolicyName": "AdministratorAccess", "PolicyArn": ADMIN},
        {"PolicyName": "Billing", "PolicyArn": BILLING},
        {"PolicyName": "ReadOnlyAccess", "PolicyArn": READ_ONLY},
    ]
    assert listed["IsTruncated"] is False
    assert alice.get_policy(PolicyArn=ADMIN)["Policy"]["AttachmentCount"] == 1
    alice.detach_user_policy(UserName="alice", PolicyArn=ADMIN)
    assert attached_to_alice(alice) == ["Billing", "ReadOnlyAccess"]
    assert alice.get_policy(PolicyArn=ADMIN)["Policy"]["AttachmentCount"] == 0


def test_attached_policies_are_listed_in_pages_and_by_path_prefix(alice: Any) -> None:
    """The prefix is that of the policies' paths."""
    for arn in (READ_ONLY, BILLING, ADMIN):
        alice.attach_user_policy(UserName="alice", PolicyArn=arn)
    pages = alice.get_paginator("list_attached_user_policies").paginate(
        UserName="alice", PaginationConfig={"PageSize": 2}
    )
    assert [len(page["AttachedPolicies"]) for page in pages] == [2, 1]
    chosen = alice.list_attached_user_policies(UserName="alice", PathPrefix="/job-function/")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in chosen] == ["Billing"]


def test_attaching_twice_is_fine_and_changes_nothing(alice: Any, account: Account) -> None:
    """The count stays one; the second call is on record as unchanged."""
    alice.attach_user_policy(UserName="alice", PolicyArn=ADMIN)
    alice.attach_user_policy(UserName="alice", PolicyArn=ADMIN)
    assert alice.get_policy(PolicyArn=ADMIN)["Policy"]["AttachmentCount"] == 1
    assert [event["outcome"] for event in account.events(action="AttachUserPolicy")] == ["changed", "unchanged"]


def test_a_policy_that_is_not_there_cannot_be_attached(alice: Any, refused: Refused, account: Account) -> None:
    """Neither AWS's nor the account's own; ARNs are case-sensitive."""
    for arn in (f"{ADMIN}X", f"arn:aws:iam::{account.id}:policy/absent", ADMIN.replace("Admin", "admin")):
        assert refused(alice.attach_user_policy, UserName="alice", PolicyArn=arn) == (
            404,
            "NoSuchEntity",
            f"Policy {arn} does not exist or is not attachable.",
        )
    assert attached_to_alice(alice) == []


@pytest.mark.parametrize("action", ["AttachUserPolicy", "DetachUserPolicy"])
def test_a_policy_arn_must_be_one(alice: Any, account: Account, action: str) -> None:
    """ValidationError, also when it is too short to be looked at."""
    text = "AdministratorAccess-is-no-arn"
    told = account.query(action, UserName="alice", PolicyArn=text).refusal
    assert told == (400, "ValidationError", f"ARN {text} is not valid.")
    assert account.query(action, UserName="alice", PolicyArn="AdministratorAccess").refusal == (
        400,
        "ValidationError",
        "1 validation error detected: Value at 'policyArn' failed to satisfy constraint: "
        "Member must have length greater than or equal to 20",
    )


@pytest.mark.parametrize("arn", [RESERVED, "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"])
def test_policies_that_aws_keeps_for_itself_cannot_be_carried(alice: Any, refused: Refused, arn: str) -> None:
    """Those of service-linked roles and of root sessions, attached or as a boundary."""
    kept = (400, "PolicyNotAttachable", "Cannot attach AWS reserved policy to an IAM user.")
    assert refused(alice.attach_user_policy, UserName="alice", PolicyArn=arn) == kept
    assert refused(alice.put_user_permissions_boundary, UserName="alice", PermissionsBoundary=arn) == kept


def test_a_policy_that_is_not_attached_cannot_be_detached(alice: Any, refused: Refused) -> None:
    """NoSuchEntity, whether the policy exists or not; Terraform takes that for done."""
    for arn in (ADMIN, f"{ADMIN}X"):
        assert refused(alice.detach_user_policy, UserName="alice", PolicyArn=arn) == (
            404,
            "NoSuchEntity",
            f"Policy {arn} was not found.",
        )


def test_an_eleventh_policy_exceeds_the_quota(alice: Any, refused: Refused) -> None:
    """Ten managed policies per user; attaching one of the ten again is still fine."""
    policies = alice.list_policies(Scope="AWS", PathPrefix="/", MaxItems=40)["Policies"]
    arns = [policy["Arn"] for policy in policies if "service-role" not in policy["Path"]][:11]
    for arn in arns[:10]:
        alice.attach_user_policy(UserName="alice", PolicyArn=arn)
    assert refused(alice.attach_user_policy, UserName="alice", PolicyArn=arns[10]) == (
        409,
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerUser: 10",
    )
    alice.attach_user_policy(UserName="alice", PolicyArn=arns[0])
    assert len(attached_to_alice(alice)) == 10


def test_the_user_is_looked_up_before_the_policy(iam: Any, refused: Refused) -> None:
    """With both unknown the user is named."""
    told = refused(iam.attach_user_policy, UserName="nobody", PolicyArn=f"{ADMIN}X")
    assert told == (404, "NoSuchEntity", "The user with name nobody cannot be found.")


@pytest.mark.parametrize(
    "document",
    [
        ALLOW,
        '{ "Statement" : [ ],\n "Version":"2012-10-17" }'.replace(
            "[ ]", '[{"Effect":"Allow","NotAction":"a:b", "Resource":"*"}]'
        ),
        "\r\n\t" + ALLOW + "\r\n",
        ALLOW.replace("*", "s3:Get%20%2A+&=;", 1).replace('"Resource":"*"', '"Resource":"arn:aws:s3:::b/a b%C3%BC+~"'),
        ALLOW.replace('"Resource":"*"', '"Resource":"arn:aws:s3:::ünïcödé-ÿ/<&>\'"'),
        ALLOW.replace('"Resource":"*"', r'"Resource":"arn:aws:s3:::\u00fc\/\u4e2d"'),
        ALLOW.replace(
            '"Resource":"*"', '"Resource":"*","Condition":{"StringLike":{"aws:x":["${aws:username}","\xa0"]}}'
        ),
    ],
    ids=["plain", "spaces", "outer white space", "percent", "latin 1", "escapes", "condition"],
)
def test_an_inline_document_comes_back_character_for_character(alice: Any, account: Account, document: str) -> None:
    """Percent-encoded in the answer, and whole in the record, in the envelope and in the audit."""
    alice.meta.events.unregister("after-call.iam", json_decode_policies)
    alice.put_user_policy(UserName="alice", PolicyName="inline", PolicyDocument=document)
    raw = alice.get_user_policy(UserName="alice", PolicyName="inline")["PolicyDocument"]
    assert unquote(raw) == document
    assert set(raw) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")
    assert account.json("GetUserPolicy", UserName="alice", PolicyName="inline").data["PolicyDocument"] == document
    assert account.events(action="PutUserPolicy")[0]["event"]["policy_document"] == document
    assert account.get("/v1/users/alice/policies").data["inline"][0]["policy_document"] == document


def test_boto3_reads_an_inline_document_as_an_object(alice: Any) -> None:
    """Also where it contains percent signs."""
    document = ALLOW.replace('"Resource":"*"', '"Resource":"arn:aws:s3:::a%2Fb/%"')
    alice.put_user_policy(UserName="alice", PolicyName="inline", PolicyDocument=document)
    answer = alice.get_user_policy(UserName="ALICE", PolicyName="inline")
    assert answer["PolicyDocument"] == json.loads(document)
    assert (answer["UserName"], answer["PolicyName"]) == ("alice", "inline")


def test_inline_policy_names_ignore_case(alice: Any) -> None:
    """Put replaces, List keeps the first spelling, Get echoes the caller's, Delete takes any."""
    alice.put_user_policy(UserName="alice", PolicyName="MixedName", PolicyDocument=ALLOW)
    alice.put_user_policy(UserName="alice", PolicyName="mixedname", PolicyDocument=denying("s3:*"))
    assert alice.list_user_policies(UserName="alice")["PolicyNames"] == ["MixedName"]
    answer = alice.get_user_policy(UserName="alice", PolicyName="MIXEDNAME")
    assert (answer["PolicyName"], answer["PolicyDocument"]) == ("MIXEDNAME", json.loads(denying("s3:*")))
    alice.delete_user_policy(UserName="alice", PolicyName="mIxEdNaMe")
    assert alice.list_user_policies(UserName="alice")["PolicyNames"] == []


def test_putting_the_same_document_again_changes_nothing(alice: Any, account: Account) -> None:
    """One event, then an unchanged attempt; another white space is another document."""
    for document in (ALLOW, ALLOW, ALLOW + " "):
        alice.put_user_policy(UserName="alice", PolicyName="inline", PolicyDocument=document)
    outcomes = [event["outcome"] for event in account.events(action="PutUserPolicy")]
    assert outcomes == ["changed", "unchanged", "changed"]


def test_inline_policies_are_listed_by_name_in_pages(alice: Any) -> None:
    """Names only, ignoring case in their order."""
    for name in ("c", "B", "a", "D"):
        alice.put_user_policy(UserName="alice", PolicyName=name, PolicyDocument=ALLOW)
    listed = alice.list_user_policies(UserName="alice")
    assert (listed["PolicyNames"], listed["IsTruncated"]) == (["a", "B", "c", "D"], False)
    pages = alice.get_paginator("list_user_policies").paginate(UserName="alice", PaginationConfig={"PageSize": 3})
    assert [page["PolicyNames"] for page in pages] == [["a", "B", "c"], ["D"]]


def test_inline_and_attached_policies_are_separate_sets(alice: Any) -> None:
    """Each list shows its own kind only."""
    alice.attach_user_policy(UserName="alice", PolicyArn=ADMIN)
    alice.put_user_policy(UserName="alice", PolicyName="inline", PolicyDocument=ALLOW)
    assert alice.list_user_policies(UserName="alice")["PolicyNames"] == ["inline"]
    assert attached_to_alice(alice) == ["AdministratorAccess"]


@pytest.mark.parametrize("method", ["get_user_policy", "delete_user_policy"])
def test_an_inline_policy_that_is_not_there_is_not_found(alice: Any, refused: Refused, method: str) -> None:
    """NoSuchEntity of the policy."""
    assert refused(getattr(alice, method), UserName="alice", PolicyName="absent") == NO_POLICY


def test_a_deleted_inline_policy_is_gone(alice: Any, refused: Refused) -> None:
    """Deleting it a second time is NoSuchEntity."""
    alice.put_user_policy(UserName="alice", PolicyName="absent", PolicyDocument=ALLOW)
    alice.delete_user_policy(UserName="alice", PolicyName="absent")
    assert refused(alice.get_user_policy, UserName="alice", PolicyName="absent") == NO_POLICY
    assert refused(alice.delete_user_policy, UserName="alice", PolicyName="absent") == NO_POLICY


def test_the_size_quota_is_on_all_inline_policies_together(alice: Any, refused: Refused) -> None:
    """2048 characters, white space and the replaced document not counted."""
    document = denying("s3:" + "G" * (2048 - len("".join(denying("s3:").split()))))
    alice.put_user_policy(UserName="alice", PolicyName="full", PolicyDocument=document + " " * 5000)
    exceeded = (409, "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user alice")
    assert refused(alice.put_user_policy, UserName="alice", PolicyName="more", PolicyDocument=ALLOW) == exceeded
    longer = document.replace("GG", "GGG", 1)
    assert refused(alice.put_user_policy, UserName="alice", PolicyName="FULL", PolicyDocument=longer) == exceeded
    alice.put_user_policy(UserName="alice", PolicyName="FULL", PolicyDocument=document.replace("GG", "HH", 1))
    assert alice.list_user_policies(UserName="alice")["PolicyNames"] == ["full"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "Syntax errors in policy."),
        ("[]", "Syntax errors in policy."),
        ('"text"', "Syntax errors in policy."),
        (ALLOW.replace('"Effect"', '"Effekt"'), "Syntax errors in policy."),
        (ALLOW.replace('"Effect":"Allow"', '"Effect":"Allow","Effect":"Allow"'), "Syntax errors in policy."),
        (ALLOW.replace("Allow", "allow"), "The policy failed legacy parsing"),
        (ALLOW.replace('"Action":"*",', ""), "Policy statement must contain actions."),
        (ALLOW.replace(',"Resource":"*"', ""), "Policy statement must contain resources."),
        (ALLOW.replace('"Resource":"*"', '"Resource":"bucket"'), 'Resource bucket must be in ARN format or "*".'),
        (
            ALLOW.replace('"Action":"*"', '"Action":"GetObject"'),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (ALLOW.replace('"Action"', '"Principal":"*","Action"'), "Policy document should not specify a principal."),
    ],
)
def test_a_malformed_document_is_refused_and_nothing_put(
    alice: Any, refused: Refused, document: str, message: str
) -> None:
    """MalformedPolicyDocument with AWS's text for the first thing wrong."""
    told = refused(alice.put_user_policy, UserName="alice", PolicyName="inline", PolicyDocument=document)
    assert told == (400, "MalformedPolicyDocument", message)
    assert alice.list_user_policies(UserName="alice")["PolicyNames"] == []


def test_an_inline_document_needs_no_version(alice: Any) -> None:
    """Absent and 2008-10-17 are fine inline."""
    for number, document in enumerate((ALLOW.replace('"Version":"2012-10-17",', ""), ALLOW.replace("2012", "2008"))):
        alice.put_user_policy(UserName="alice", PolicyName=f"p{number}", PolicyDocument=document)
    assert len(alice.list_user_policies(UserName="alice")["PolicyNames"]) == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"PolicyName": "a b"},
            "The specified value for policyName is invalid. It must contain only alphanumeric characters and/or "
            "the following: +=,.@_-",
        ),
        (
            {"PolicyName": "a" * 129},
            "1 validation error detected: Value at 'policyName' failed to satisfy constraint: "
            "Member must have length less than or equal to 128",
        ),
        (
            {"PolicyDocument": ALLOW.replace("*", "\u4e2d")},
            "The specified value for policyDocument is invalid. It must contain only printable ASCII characters.",
        ),
        (
            {"PolicyDocument": " " * 131073},
            "1 validation error detected: Value at 'policyDocument' failed to satisfy constraint: "
            "Member must have length less than or equal to 131072",
        ),
    ],
    ids=["name", "long name", "beyond latin 1", "long document"],
)
def test_inline_parameters_that_break_the_model_are_refused(
    alice: Any, refused: Refused, parameters: Mapping[str, str], message: str
) -> None:
    """ValidationError in AWS's words."""
    given = {"UserName": "alice", "PolicyName": "inline", "PolicyDocument": ALLOW, **parameters}
    assert refused(alice.put_user_policy, **given) == (400, "ValidationError", message)
