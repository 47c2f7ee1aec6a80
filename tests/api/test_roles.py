"""Roles through boto3: what AWS promises of their operations holds here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
TRUST = (
    '{"Version": "2012-10-17",\n "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, '
    '"Action": "sts:AssumeRole"}]}'
)
OTHER_TRUST = TRUST.replace("ec2", "lambda")
BARE = {"Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument"}
NOT_FOUND = (404, "NoSuchEntity", "The role with name nothing cannot be found.")
LONG = (
    "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must have {} than or equal to {}"
)
NAME_FORM = "It must contain only alphanumeric characters and/or the following: +=,.@_-"


@pytest.fixture
def reader(iam: Any) -> Any:
    """A client of an account with a role `reader`."""
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)
    return iam


def test_a_created_role_is_answered_without_description_and_duration(iam: Any, account: Account) -> None:
    """With tags in the order given and the boundary; GetRole adds the rest, and an empty last use."""
    tags = [{"Key": "team", "Value": "a b"}, {"Key": "a", "Value": ""}]
    created = iam.create_role(
        RoleName="Reader",
        Path="/ci/",
        AssumeRolePolicyDocument=TRUST,
        Description="Reads.",
        MaxSessionDuration=7200,
        Tags=tags,
        PermissionsBoundary=ADMIN,
    )["Role"]
    assert created.keys() == {*BARE, "Tags", "PermissionsBoundary"}
    assert abs(created["CreateDate"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert (created["RoleId"][:4], len(created["RoleId"])) == ("AROA", 21)
    assert created["Arn"] == f"arn:aws:iam::{account.id}:role/ci/Reader"
    assert created["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert created["Tags"] == tags
    assert created["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": ADMIN}
    described = {"Description": "Reads.", "MaxSessionDuration": 7200, "RoleLastUsed": {}, "Tags": tags[::-1]}
    assert iam.get_role(RoleName="READER")["Role"] == {**created, **described}


def test_a_role_without_tags_boundary_and_description_has_none_of_these_members(reader: Any) -> None:
    """The session duration and the empty last use are always there."""
    role = reader.get_role(RoleName="reader")["Role"]
    assert role.keys() == {*BARE, "MaxSessionDuration", "RoleLastUsed"}
    assert (role["MaxSessionDuration"], role["RoleLastUsed"], role["Path"]) == (3600, {}, "/")


def test_listed_roles_have_no_tags_boundary_or_last_use(iam: Any) -> None:
    """But descriptions and durations; by name, in pages."""
    iam.create_role(
        RoleName="b", Path="/ci/", AssumeRolePolicyDocument=TRUST, Description="B", PermissionsBoundary=ADMIN
    )
    iam.create_role(RoleName="A", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "k", "Value": "v"}])
    assert [(role["RoleName"], role.keys()) for role in iam.list_roles()["Roles"]] == [
        ("A", {*BARE, "MaxSessionDuration"}),
        ("b", {*BARE, "MaxSessionDuration", "Description"}),
    ]
    assert [role["RoleName"] for role in iam.list_roles(PathPrefix="/ci")["Roles"]] == ["b"]
    pages = iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1})
    assert [[role["RoleName"] for role in page["Roles"]] for page in pages] == [["A"], ["b"]]


def test_a_trust_policy_comes_back_character_for_character(reader: Any, account: Account) -> None:
    """Percent-encoded in XML, whole in the envelope and in the record."""
    assert account.json("GetRole", RoleName="reader").data["Role"]["AssumeRolePolicyDocument"] == TRUST
    assert (
        account.query("GetRole", RoleName="reader")
        .text("GetRoleResult/Role/AssumeRolePolicyDocument")
        .startswith("%7B%22Version%22%3A%20%222012-10-17%22%2C%0A%20")
    )
    assert account.events(action="CreateRole")[0]["event"]["assume_role_policy_document"] == TRUST


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"RoleName": "a b"}, f"The specified value for roleName is invalid. {NAME_FORM}"),
        ({"RoleName": "a" * 65}, LONG.format("roleName", "length less", 64)),
        ({"MaxSessionDuration": 3599}, LONG.format("maxSessionDuration", "value greater", 3600)),
        ({"MaxSessionDuration": 43201}, LONG.format("maxSessionDuration", "value less", 43200)),
        ({"Description": "x" * 1001}, LONG.format("description", "length less", 1000)),
        (
            {"AssumeRolePolicyDocument": "€"},
            "The specified value for assumeRolePolicyDocument is invalid. It must contain only printable ASCII "
            "characters.",
        ),
        (
            {"Path": "ci"},
            "The specified value for path is invalid. It must begin and end with / and contain only "
            "alphanumeric characters and/or / characters.",
        ),
    ],
    ids=["space", "long name", "short session", "long session", "long description", "euro", "relative path"],
)
def test_parameters_that_break_the_model_are_refused(
    account: Account, parameters: dict[str, Any], message: str
) -> None:
    """ValidationError in AWS's words, and no role."""
    whole = {"RoleName": "a", "AssumeRolePolicyDocument": TRUST, **parameters}
    asked = {name: str(value) for name, value in whole.items()}
    assert account.query("CreateRole", **asked).refusal == (400, "ValidationError", message)
    assert account.events() == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("some policy", "This policy contains invalid Json"),
        (TRUST.replace("sts:AssumeRole", "s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
        (TRUST.replace('"Effect"', '"Resource": "*", "Effect"'), "Has prohibited field Resource"),
    ],
    ids=["no JSON", "action", "resource"],
)
def test_a_bad_trust_policy_is_refused(reader: Any, refused: Refused, document: str, message: str) -> None:
    """MalformedPolicyDocument, in creation and in update."""
    refusal = (400, "MalformedPolicyDocument", message)
    assert refused(reader.create_role, RoleName="other", AssumeRolePolicyDocument=document) == refusal
    assert refused(reader.update_assume_role_policy, RoleName="reader", PolicyDocument=document) == refusal


def test_a_trust_policy_over_the_quota_is_refused(reader: Any, refused: Refused) -> None:
    """2048 characters, white space not counted."""
    size = len("".join(TRUST.split()))
    full = TRUST.replace("ec2", "e" * (3 + 2048 - size))
    reader.update_assume_role_policy(RoleName="reader", PolicyDocument=full + " " * 3000)
    assert refused(
        reader.update_assume_role_policy, RoleName="reader", PolicyDocument=full.replace("ee", "eee", 1)
    ) == (409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")


def test_a_name_is_taken_in_every_spelling(reader: Any, refused: Refused) -> None:
    """EntityAlreadyExists names the role as the caller spelled it."""
    assert refused(reader.create_role, RoleName="READER", Path="/else/", AssumeRolePolicyDocument=TRUST) == (
        409,
        "EntityAlreadyExists",
        "Role with name READER already exists.",
    )


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("get_role", {}),
        ("delete_role", {}),
        ("update_role", {"Description": "x"}),
        ("update_role_description", {"Description": "x"}),
        ("update_assume_role_policy", {"PolicyDocument": TRUST}),
        ("tag_role", {"Tags": [{"Key": "a", "Value": ""}]}),
        ("untag_role", {"TagKeys": ["a"]}),
        ("list_role_tags", {}),
    ],
)
def test_a_role_that_is_not_there_is_not_found(
    iam: Any, refused: Refused, method: str, parameters: dict[str, Any]
) -> None:
    """NoSuchEntity, everywhere alike."""
    assert refused(getattr(iam, method), RoleName="nothing", **parameters) == NOT_FOUND


def test_an_updated_role_keeps_what_was_not_named(reader: Any) -> None:
    """UpdateRole answers an empty structure, UpdateRoleDescription the role."""
    assert reader.update_role(RoleName="reader", MaxSessionDuration=7200).keys() == {"ResponseMetadata"}
    reader.update_role(RoleName="reader", Description="Reads.")
    role = reader.get_role(RoleName="reader")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("Reads.", 7200)
    answered = reader.update_role_description(RoleName="READER", Description="Reads all.")["Role"]
    assert answered.keys() == {*BARE, "Description", "MaxSessionDuration"}
    assert reader.get_role(RoleName="reader")["Role"] == {**answered, "RoleLastUsed": {}}
    assert reader.update_role_description(RoleName="reader", Description="Reads all.")["Role"] == answered


def test_the_empty_result_of_update_role_is_in_the_xml(reader: Any, account: Account) -> None:
    """Some SDKs fail without the element."""
    assert account.query("UpdateRole", RoleName="reader").text("UpdateRoleResult") == ""


def test_role_tags_ignore_case(reader: Any, refused: Refused) -> None:
    """A key in another spelling replaces the first; two spellings in one request are refused."""
    reader.tag_role(RoleName="reader", Tags=[{"Key": "somekey", "Value": "1"}, {"Key": "b", "Value": ""}])
    reader.tag_role(RoleName="reader", Tags=[{"Key": "Somekey", "Value": "2"}])
    tags = [{"Key": "b", "Value": ""}, {"Key": "Somekey", "Value": "2"}]
    answer = reader.list_role_tags(RoleName="reader")
    assert (answer["Tags"], answer["IsTruncated"]) == (tags, False)
    assert reader.get_role(RoleName="reader")["Role"]["Tags"] == tags
    twice = [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]
    assert refused(reader.tag_role, RoleName="reader", Tags=twice) == (
        400,
        "InvalidInput",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )
    reader.untag_role(RoleName="reader", TagKeys=["SOMEKEY", "absent"])
    assert reader.list_role_tags(RoleName="reader")["Tags"] == tags[:1]


def test_a_role_that_something_hangs_from_is_not_deleted(reader: Any, refused: Refused) -> None:
    """DeleteConflict, until all of it is gone."""
    reader.attach_role_policy(RoleName="reader", PolicyArn=ADMIN)
    reader.put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=ALLOW)
    reader.create_instance_profile(InstanceProfileName="web")
    reader.add_role_to_instance_profile(InstanceProfileName="web", RoleName="reader")
    start = "Cannot delete entity, must"
    for message, remove in (
        ("remove roles from instance profile", {"remove_role_from_instance_profile": {"InstanceProfileName": "web"}}),
        ("detach all policies", {"detach_role_policy": {"PolicyArn": ADMIN}}),
        ("delete policies", {"delete_role_policy": {"PolicyName": "own"}}),
    ):
        assert refused(reader.delete_role, RoleName="reader") == (409, "DeleteConflict", f"{start} {message} first.")
        for method, parameters in remove.items():
            getattr(reader, method)(RoleName="reader", **parameters)
    reader.delete_role(RoleName="reader")
    assert reader.list_roles()["Roles"] == []


def test_a_principal_must_be_there_when_it_is_trusted(iam: Any, account: Account, refused: Refused) -> None:
    """As AWS has it for users and roles of the account; what other accounts have is not known."""
    arn = f"arn:aws:iam::{account.id}:user/alice"
    trusting = json.dumps({"Statement": {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}})
    assert refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=trusting) == (
        400,
        "MalformedPolicyDocument",
        f'Invalid principal in policy: "AWS":"{arn}"',
    )
    iam.create_user(UserName="alice")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trusting)


def test_a_trust_policy_follows_those_whom_it_names(
    iam: Any, account: Account, client: Callable[..., Any], refused: Refused
) -> None:
    """Through a new name and a deletion, in every read, now and at each instant; the record has it as it was given."""
    arn = f"arn:aws:iam::{account.id}:"

    def trusting(*names: str) -> dict[str, Any]:
        return {"Statement": {"Effect": "Allow", "Principal": {"AWS": list(names)}, "Action": "sts:AssumeRole"}}

    def shown(at: str = "") -> list[Any]:
        asked = client(account, url=f"{account.server.url}{at}")
        role = asked.get_role(RoleName="r")["Role"]
        [listed] = [each for each in asked.list_roles()["Roles"] if each["RoleName"] == "r"]
        [profile] = asked.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"]
        [detail] = [
            each for each in asked.get_account_authorization_details()["RoleDetailList"] if each["RoleName"] == "r"
        ]
        [inner] = detail["InstanceProfileList"]
        told = [role, listed, *profile["Roles"], detail, *inner["Roles"]]
        assert all(each["AssumeRolePolicyDocument"] == role["AssumeRolePolicyDocument"] for each in told)
        return role["AssumeRolePolicyDocument"]["Statement"]["Principal"]["AWS"]

    user_id = iam.create_user(UserName="alice")["User"]["UserId"]
    iam.create_role(RoleName="helper", AssumeRolePolicyDocument=TRUST)
    both = json.dumps(trusting(f"{arn}user/alice", f"{arn}role/helper", account.id))
    created = iam.create_role(RoleName="r", AssumeRolePolicyDocument=both)["Role"]
    assert created["AssumeRolePolicyDocument"] == json.loads(both)
    iam.create_instance_profile(InstanceProfileName="p")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    expected = {5: shown()}
    iam.update_user(UserName="alice", NewUserName="bob", NewPath="/eng/")
    expected[6] = shown()
    iam.create_user(UserName="alice")
    iam.delete_user(UserName="bob")
    expected[8] = shown()
    gone = iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"]
    answered = iam.update_role_description(RoleName="r", Description="Trusts.")["Role"]["AssumeRolePolicyDocument"]

    others = [f"{arn}role/helper", account.id]
    assert list(expected.values()) == [
        [f"{arn}user/alice", *others],
        [f"{arn}user/eng/bob", *others],
        [user_id, *others],
    ]
    assert answered == gone
    assert {position: shown(f"/at/@{position}") for position in expected} == expected
    assert account.events(action="CreateRole", role="r")[0]["event"]["assume_role_policy_document"] == both

    as_shown = account.json("GetRole", RoleName="r").data["Role"]["AssumeRolePolicyDocument"]
    assert account.json("UpdateAssumeRolePolicy", RoleName="r", PolicyDocument=as_shown).data["outcome"] == "unchanged"
    named = json.dumps(trusting(user_id))
    assert refused(iam.update_assume_role_policy, RoleName="r", PolicyDocument=named) == (
        400,
        "MalformedPolicyDocument",
        f'Invalid principal in policy: "AWS":"{user_id}"',
    )
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=both)
    assert shown() == [f"{arn}user/alice", *others]


def test_roles_carry_policies_and_a_boundary_as_users_do(reader: Any, account: Account) -> None:
    """Attached, inline, bounded; each shows where the others of its kind show."""
    reader.attach_role_policy(RoleName="reader", PolicyArn=ADMIN)
    reader.put_role_policy(RoleName="READER", PolicyName="own", PolicyDocument=ALLOW)
    reader.put_role_permissions_boundary(RoleName="reader", PermissionsBoundary=ADMIN)
    assert [p["PolicyArn"] for p in reader.list_attached_role_policies(RoleName="reader")["AttachedPolicies"]] == [
        ADMIN
    ]
    inline = reader.get_role_policy(RoleName="reader", PolicyName="OWN")
    assert (inline["RoleName"], inline["PolicyDocument"]) == ("reader", json.loads(ALLOW))
    [holder] = reader.list_entities_for_policy(PolicyArn=ADMIN, EntityFilter="Role")["PolicyRoles"]
    assert holder == {"RoleName": "reader", "RoleId": reader.get_role(RoleName="reader")["Role"]["RoleId"]}
    reader.delete_role_permissions_boundary(RoleName="reader")
    assert "PermissionsBoundary" not in reader.get_role(RoleName="reader")["Role"]
