"""GetAccountAuthorizationDetails through boto3: all of an account at once, now and at an instant."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
LISTS = ("UserDetailList", "RoleDetailList", "GroupDetailList", "Policies")


def document(number: int) -> dict[str, Any]:
    """A document, different for each number."""
    statement = {"Sid": f"S{number}", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def text(number: int) -> str:
    """The same as JSON, with a character that must be encoded twice."""
    return json.dumps(document(number))


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
}


@pytest.fixture
def lived(iam: Any, account: Account) -> str:
    """A little of everything. The answer is the ARN of the account's own policy in use."""
    arn: str = iam.create_policy(PolicyName="ops", PolicyDocument=text(1), Description="d")["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text(2), SetAsDefault=True)
    iam.create_policy(PolicyName="unused", PolicyDocument=text(3))
    iam.create_user(UserName="bare")
    iam.create_user(UserName="Alice", Path="/eng/", Tags=[{"Key": "k", "Value": "v"}], PermissionsBoundary=ADMIN)
    iam.create_group(GroupName="team")
    iam.add_user_to_group(GroupName="team", UserName="Alice")
    iam.put_user_policy(UserName="Alice", PolicyName="own", PolicyDocument=text(4))
    iam.attach_user_policy(UserName="Alice", PolicyArn=arn)
    iam.put_group_policy(GroupName="team", PolicyName="shared", PolicyDocument=text(5))
    iam.attach_group_policy(GroupName="team", PolicyArn=AUDIT)
    iam.create_role(
        RoleName="web", AssumeRolePolicyDocument=json.dumps(TRUST), Description="d", MaxSessionDuration=7200
    )
    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    return arn


def test_everything_is_told_in_four_lists(iam: Any, account: Account, lived: str) -> None:
    """Members are there and left out as AWS has them."""
    told = iam.get_account_authorization_details()
    assert told["IsTruncated"] is False
    assert "Marker" not in told

    alice, bare = told["UserDetailList"]
    assert {name: alice[name] for name in alice if name not in ("UserId", "CreateDate")} == {
        "Path": "/eng/",
        "UserName": "Alice",
        "Arn": f"arn:aws:iam::{account.id}:user/eng/Alice",
        "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": document(4)}],
        "GroupList": ["team"],
        "AttachedManagedPolicies": [{"PolicyName": "ops", "PolicyArn": lived}],
        "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": ADMIN},
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    assert bare.keys() == {
        *("Path", "UserName", "UserId", "Arn", "CreateDate"),
        *("GroupList", "AttachedManagedPolicies", "Tags"),
    }
    assert (bare["GroupList"], bare["AttachedManagedPolicies"], bare["Tags"]) == ([], [], [])

    [group] = told["GroupDetailList"]
    assert group["GroupPolicyList"] == [{"PolicyName": "shared", "PolicyDocument": document(5)}]
    assert group["AttachedManagedPolicies"] == [{"PolicyName": "SecurityAudit", "PolicyArn": AUDIT}]
    assert group.keys() == {
        *("Path", "GroupName", "GroupId", "Arn", "CreateDate"),
        *("GroupPolicyList", "AttachedManagedPolicies"),
    }

    [role] = told["RoleDetailList"]
    assert role.keys() == {
        *("Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument"),
        *("InstanceProfileList", "RolePolicyList", "AttachedManagedPolicies", "Tags", "RoleLastUsed"),
    }
    assert (role["AssumeRolePolicyDocument"], role["RolePolicyList"], role["RoleLastUsed"]) == (TRUST, [], {})
    [profile] = role["InstanceProfileList"]
    assert profile["InstanceProfileName"] == "web"
    assert [each["RoleName"] for each in profile["Roles"]] == ["web"]

    policies = {policy["PolicyName"]: policy for policy in told["Policies"]}
    assert policies.keys() == {"ops", "unused", "AdministratorAccess", "SecurityAudit"}
    ops = policies["ops"]
    assert ops.keys() == {
        *("PolicyName", "PolicyId", "Arn", "Path", "DefaultVersionId", "AttachmentCount"),
        *("PermissionsBoundaryUsageCount", "IsAttachable", "CreateDate", "UpdateDate", "PolicyVersionList"),
    }
    assert [(each["VersionId"], each["IsDefaultVersion"], each["Document"]) for each in ops["PolicyVersionList"]] == [
        ("v2", True, document(2)),
        ("v1", False, document(1)),
    ]
    assert (policies["AdministratorAccess"]["AttachmentCount"]) == 0
    assert policies["AdministratorAccess"]["PermissionsBoundaryUsageCount"] == 1
    numbers = [int(each["VersionId"][1:]) for each in policies["SecurityAudit"]["PolicyVersionList"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 5
    assert all(each["Document"]["Statement"] for each in policies["SecurityAudit"]["PolicyVersionList"])


def test_documents_travel_percent_encoded(account: Account, lived: str) -> None:
    """As RFC 3986 has it, without a plus sign or a bare slash."""
    body = account.query("GetAccountAuthorizationDetails").body.decode()
    assert "<PolicyDocument>%7B%22Version%22%3A%20%222012-10-17%22%2C%20" in body
    assert "<AssumeRolePolicyDocument>%7B%22Version" in body


@pytest.mark.parametrize(
    ("chosen", "counts"),
    [
        (["User"], (2, 0, 0, 0)),
        (["Role"], (0, 1, 0, 0)),
        (["Group", "User"], (2, 0, 1, 0)),
        (["LocalManagedPolicy"], (0, 0, 0, 2)),
        (["AWSManagedPolicy"], (0, 0, 0, 2)),
        (["AWSManagedPolicy", "LocalManagedPolicy"], (0, 0, 0, 4)),
    ],
)
def test_a_filter_leaves_lists_empty(iam: Any, lived: str, chosen: list[str], counts: tuple[int, ...]) -> None:
    """But there."""
    told = iam.get_account_authorization_details(Filter=chosen)
    assert tuple(len(told[name]) for name in LISTS) == counts


def test_pages_go_over_all_lists_together(iam: Any, lived: str) -> None:
    """Users first, then roles, groups and policies; whatever the size of the pages."""
    whole = iam.get_account_authorization_details()
    del whole["ResponseMetadata"]
    for size in (1, 3, 8):
        pages = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": size})
        parts = list(pages)
        counts = [sum(len(part[name]) for name in LISTS) for part in parts]
        assert all(count == size for count in counts[:-1])
        assert {name: [each for part in parts for each in part[name]] for name in LISTS} == {
            name: whole[name] for name in LISTS
        }
        order = [name for part in parts for name in LISTS for _ in part[name]]
        assert order == sorted(order, key=LISTS.index)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"Filter": ["Unknown"]},
            "1 validation error detected: Value at 'filter' failed to satisfy constraint: Member must satisfy "
            "constraint: [Member must satisfy enum value set: "
            "[LocalManagedPolicy, User, AWSManagedPolicy, Role, Group]]",
        ),
        ({"Marker": "not-an-aws-marker", "Filter": ["User"]}, "Marker and Filter do not match"),
        (
            {"MaxItems": 1001},
            "1 validation error detected: Value at 'maxItems' failed to satisfy constraint: "
            "Member must have value less than or equal to 1000",
        ),
    ],
)
def test_what_aws_does_not_take_is_refused(iam: Any, refused: Refused, asked: dict[str, Any], message: str) -> None:
    """In AWS's recorded words."""
    assert refused(iam.get_account_authorization_details, **asked) == (400, "ValidationError", message)


def test_a_marker_serves_its_filter_only(iam: Any, lived: str, refused: Refused) -> None:
    """As AWS says."""
    marker = iam.get_account_authorization_details(Filter=["User"], MaxItems=1)["Marker"]
    assert refused(iam.get_account_authorization_details, Filter=["Role"], Marker=marker) == (
        400,
        "ValidationError",
        "Marker and Filter do not match",
    )
    rest = iam.get_account_authorization_details(Filter=["User"], Marker=marker)
    assert [user["UserName"] for user in rest["UserDetailList"]] == ["bare"]


def test_the_past_is_told_as_it_was(iam: Any, account: Account, client: Callable[..., Any], lived: str) -> None:
    """At an instant before everything was taken apart."""
    then = iam.get_account_authorization_details()
    head = account.events(order="desc", limit="1")[0]["position"]
    iam.update_user(UserName="Alice", NewUserName="Bob")
    iam.remove_user_from_group(GroupName="team", UserName="Bob")
    iam.detach_user_policy(UserName="Bob", PolicyArn=lived)
    iam.detach_group_policy(GroupName="team", PolicyArn=AUDIT)
    iam.delete_policy_version(PolicyArn=lived, VersionId="v1")
    past = client(account, url=f"{account.server.url}/at/@{head}").get_account_authorization_details()
    assert {name: past[name] for name in LISTS} == {name: then[name] for name in LISTS}


def test_policies_are_found_by_how_users_groups_and_roles_use_them(iam: Any, lived: str) -> None:
    """All filters of ListPolicies and ListEntitiesForPolicy, over identities of each kind."""

    def policies(**asked: Any) -> set[str]:
        return {policy["PolicyName"] for policy in iam.list_policies(OnlyAttached=True, **asked)["Policies"]}

    iam.create_role(
        RoleName="bound", AssumeRolePolicyDocument=json.dumps(TRUST), Path="/ci/", PermissionsBoundary=lived
    )
    nested = iam.create_policy(PolicyName="deep", Path="/ci/", PolicyDocument=text(6))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="bound", PolicyArn=nested)
    assert policies() == {"ops", "deep", "AdministratorAccess", "SecurityAudit"}
    assert policies(PolicyUsageFilter="PermissionsPolicy") == {"ops", "deep", "SecurityAudit"}
    assert policies(PolicyUsageFilter="PermissionsBoundary") == {"ops", "AdministratorAccess"}
    assert policies(Scope="Local") == {"ops", "deep"}
    assert policies(Scope="AWS", PolicyUsageFilter="PermissionsBoundary") == {"AdministratorAccess"}
    assert policies(PathPrefix="/ci/") == {"deep"}
    unused = iam.list_policies(Scope="Local", PolicyUsageFilter="PermissionsBoundary")["Policies"]
    assert {policy["PolicyName"] for policy in unused} == {"ops", "unused", "deep"}

    def holders(**asked: Any) -> list[str]:
        told = iam.list_entities_for_policy(PolicyArn=lived, **asked)
        return [each[f"{kind}Name"] for kind in ("User", "Group", "Role") for each in told[f"Policy{kind}s"]]

    iam.attach_group_policy(GroupName="team", PolicyArn=lived)
    assert holders() == ["Alice", "team", "bound"]
    assert holders(EntityFilter="Role") == ["bound"]
    assert holders(EntityFilter="Group") == ["team"]
    assert holders(EntityFilter="LocalManagedPolicy") == holders(EntityFilter="AWSManagedPolicy") == []
    assert holders(PathPrefix="/ci/") == ["bound"]
    assert holders(PolicyUsageFilter="PermissionsPolicy") == ["Alice", "team"]
    assert holders(PolicyUsageFilter="PermissionsBoundary") == ["bound"]
    assert holders(PolicyUsageFilter="PermissionsBoundary", EntityFilter="User") == []
