"""Managed policies through boto3: the account's own with their versions, and AWS's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from botocore.handlers import json_decode_policies

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
DENY = ALLOW.replace("Allow", "Deny")
CATALOGUE_POLICIES_MIN = 1500


@pytest.fixture
def arn(iam: Any) -> str:
    """The ARN of a policy of the account, named p, which allows everything."""
    created: str = iam.create_policy(PolicyName="p", PolicyDocument=ALLOW)["Policy"]["Arn"]
    return created


def versions_of(iam: Any, arn: str) -> list[tuple[str, bool]]:
    found = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    return [(version["VersionId"], version["IsDefaultVersion"]) for version in found]


def names(iam: Any, **parameters: Any) -> list[str]:
    pages = iam.get_paginator("list_policies").paginate(**parameters)
    return [policy["PolicyName"] for page in pages for policy in page["Policies"]]


def test_a_created_policy_is_answered_without_its_description(iam: Any, account: Account) -> None:
    """With its tags in the order given; GetPolicy adds the description and always has tags."""
    tags = [{"Key": "b", "Value": "1"}, {"Key": "B", "Value": "2"}]
    created = iam.create_policy(PolicyName="p", Path="/a/b/", PolicyDocument=ALLOW, Description="What for", Tags=tags)
    policy = created["Policy"]
    arn = f"arn:aws:iam::{account.id}:policy/a/b/p"
    assert policy["PolicyId"].startswith("ANPA")
    assert len(policy["PolicyId"]) == 21
    assert policy["CreateDate"] == policy["UpdateDate"]
    assert {name: value for name, value in policy.items() if name not in ("PolicyId", "CreateDate", "UpdateDate")} == {
        "PolicyName": "p",
        "Arn": arn,
        "Path": "/a/b/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "Tags": tags,
    }
    shown = iam.get_policy(PolicyArn=arn)["Policy"]
    assert shown["Description"] == "What for"
    assert shown["Tags"] == [{"Key": "B", "Value": "2"}, {"Key": "b", "Value": "1"}]


def test_a_plain_policy_has_no_tags_when_created_and_an_empty_list_when_read(iam: Any, arn: str) -> None:
    """CreatePolicy and ListPolicies leave tags out, GetPolicy does not."""
    assert iam.get_policy(PolicyArn=arn)["Policy"]["Tags"] == []
    assert "Description" not in iam.get_policy(PolicyArn=arn)["Policy"]
    assert "Tags" not in iam.list_policies(Scope="Local")["Policies"][0]


@pytest.mark.parametrize(("name", "path"), [("p", "/"), ("P", "/"), ("p", "/elsewhere/")])
def test_a_policy_name_is_taken_in_every_spelling_and_on_every_path(
    iam: Any, arn: str, refused: Refused, name: str, path: str
) -> None:
    """EntityAlreadyExists names the policy as the caller spelled it."""
    assert refused(iam.create_policy, PolicyName=name, Path=path, PolicyDocument=ALLOW) == (
        409,
        "EntityAlreadyExists",
        f"A policy called {name} already exists. Duplicate names are not allowed.",
    )


@pytest.mark.parametrize(
    "document",
    [
        " \t\r\n" + ALLOW,
        ALLOW.replace('"Resource":"*"', '"Resource":"arn:aws:s3:::b%20/ü+ ÿ"'),
        json.dumps(json.loads(ALLOW), indent=4),
    ],
    ids=["white space", "percent and latin 1", "indented"],
)
def test_a_versions_document_comes_back_character_for_character(iam: Any, document: str) -> None:
    """Percent-encoded on the wire, an object in boto3."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document)["Policy"]["Arn"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert version["Document"] == json.loads(document)
    assert (version["VersionId"], version["IsDefaultVersion"]) == ("v1", True)
    iam.meta.events.unregister("after-call.iam", json_decode_policies)
    raw = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    assert unquote(raw) == document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "Syntax errors in policy."),
        (ALLOW.replace('"Version":"2012-10-17",', ""), "Policy document must be version 2012-10-17 or greater."),
        (ALLOW.replace("2012", "2008"), "Policy document must be version 2012-10-17 or greater."),
    ],
)
def test_a_malformed_document_makes_no_policy_and_no_version(
    iam: Any, arn: str, refused: Refused, document: str, message: str
) -> None:
    """A managed policy needs the present version of the language."""
    malformed = (400, "MalformedPolicyDocument", message)
    assert refused(iam.create_policy, PolicyName="q", PolicyDocument=document) == malformed
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=document) == malformed
    assert names(iam, Scope="Local") == ["p"]
    assert versions_of(iam, arn) == [("v1", True)]


def test_a_document_of_6144_characters_is_the_longest(iam: Any, refused: Refused) -> None:
    """White space is not counted."""
    document = ALLOW.replace('"Action":"*"', f'"Action":"s3:{"G" * (6144 - len(ALLOW) - 2)}"')
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document + " " * 1000)["Policy"]["Arn"]
    longer = document.replace("GG", "GGG", 1)
    exceeded = (409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    assert refused(iam.create_policy, PolicyName="q", PolicyDocument=longer) == exceeded
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=longer) == exceeded


def test_versions_count_up_and_are_listed_newest_first(iam: Any, arn: str) -> None:
    """Numbers of deleted versions are never given again, and the document is never in the answer."""
    for expected in ("v2", "v3"):
        version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY)["PolicyVersion"]
        assert version.keys() == {"VersionId", "IsDefaultVersion", "CreateDate"}
        assert (version["VersionId"], version["IsDefaultVersion"]) == (expected, False)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v3")
    created = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY, SetAsDefault=True)["PolicyVersion"]
    assert (created["VersionId"], created["IsDefaultVersion"]) == ("v4", True)
    assert versions_of(iam, arn) == [("v4", True), ("v2", False), ("v1", False)]
    pages = iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 2})
    assert [[version["VersionId"] for version in page["Versions"]] for page in pages] == [["v4", "v2"], ["v1"]]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v4"


def test_a_sixth_version_is_one_too_many(iam: Any, arn: str, refused: Refused) -> None:
    """The caller deletes one first."""
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW)
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=ALLOW) == (
        409,
        "LimitExceeded",
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an "
        "existing version.",
    )


def test_the_default_version_can_be_set_and_not_deleted(iam: Any, arn: str, refused: Refused) -> None:
    """Exactly one version is the default; setting it again is fine."""
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY)
    for _ in range(2):
        iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
        assert versions_of(iam, arn) == [("v2", True), ("v1", False)]
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v2") == (
        409,
        "DeleteConflict",
        "Cannot delete the default version of a policy.",
    )
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    assert versions_of(iam, arn) == [("v2", True)]


@pytest.mark.parametrize("method", ["get_policy_version", "delete_policy_version", "set_default_policy_version"])
def test_a_version_that_is_not_there_is_not_found(iam: Any, arn: str, refused: Refused, method: str) -> None:
    """The same refusal for a missing version and for a missing policy; a malformed id is ValidationError."""
    for missing in (arn, f"{arn}x"):
        assert refused(getattr(iam, method), PolicyArn=missing, VersionId="v9") == (
            404,
            "NoSuchEntity",
            f"Policy {missing} version v9 does not exist or is not attachable.",
        )
    assert refused(getattr(iam, method), PolicyArn=arn, VersionId="9") == (
        400,
        "ValidationError",
        "1 validation error detected: Value at 'versionId' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?",
    )


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("get_policy", {}),
        ("delete_policy", {}),
        ("list_policy_versions", {}),
        ("list_policy_tags", {}),
        ("create_policy_version", {"PolicyDocument": ALLOW}),
        ("tag_policy", {"Tags": [{"Key": "k", "Value": "v"}]}),
        ("untag_policy", {"TagKeys": ["k"]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_policy_that_is_not_there_is_not_found(
    iam: Any, arn: str, refused: Refused, method: str, parameters: dict[str, Any]
) -> None:
    """The ARN's case and path count; a text that is no ARN is ValidationError."""
    for missing in (f"{arn}x", f"{arn[:-1]}P", f"{arn[:-1]}a/p"):
        told = refused(getattr(iam, method), PolicyArn=missing, **parameters)
        assert told == (404, "NoSuchEntity", f"Policy {missing} was not found.")
    text = "this-is-not-an-arn-at-all"
    told = refused(getattr(iam, method), PolicyArn=text, **parameters)
    assert told == (400, "ValidationError", f"ARN {text} is not valid.")


def test_a_policy_in_use_or_with_more_versions_cannot_be_deleted(iam: Any, arn: str, refused: Refused) -> None:
    """Attachments, boundaries and further versions each keep it."""
    in_use = (409, "DeleteConflict", "Cannot delete a policy attached to entities.")
    iam.create_user(UserName="alice")
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    assert refused(iam.delete_policy, PolicyArn=arn) == in_use
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=arn)
    iam.detach_user_policy(UserName="alice", PolicyArn=arn)
    assert refused(iam.delete_policy, PolicyArn=arn) == in_use
    iam.delete_user_permissions_boundary(UserName="alice")
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY)
    assert refused(iam.delete_policy, PolicyArn=arn) == (
        409,
        "DeleteConflict",
        "This policy has more than one version. Before you delete a policy, you must delete the policy's "
        "versions. The default version is deleted with the policy.",
    )
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)
    assert refused(iam.get_policy, PolicyArn=arn)[:2] == (404, "NoSuchEntity")
    assert names(iam, Scope="Local") == []


def test_policy_tags_distinguish_case(iam: Any, arn: str, refused: Refused) -> None:
    """Keys that differ in case are two; the same key twice in a call is refused; shorter keys are listed first."""
    tags = [{"Key": key, "Value": ""} for key in ("abc", "b", "z", "a", "A")]
    iam.tag_policy(PolicyArn=arn, Tags=tags)
    assert [tag["Key"] for tag in iam.list_policy_tags(PolicyArn=arn)["Tags"]] == ["A", "a", "b", "z", "abc"]
    assert refused(iam.tag_policy, PolicyArn=arn, Tags=[tags[0], tags[0]]) == (
        400,
        "InvalidInput",
        "Duplicate tag keys found.",
    )
    iam.untag_policy(PolicyArn=arn, TagKeys=["a", "absent"])
    assert [tag["Key"] for tag in iam.get_policy(PolicyArn=arn)["Policy"]["Tags"]] == ["A", "b", "z", "abc"]
    pages = iam.get_paginator("list_policy_tags").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 3})
    assert [len(page["Tags"]) for page in pages] == [3, 1]


def test_an_aws_policy_can_be_read_like_any_other(iam: Any) -> None:
    """Its document is the one that AWS has; its versions are listed newest first, the default among them."""
    policy = iam.get_policy(PolicyArn=ADMIN)["Policy"]
    assert (policy["Arn"], policy["Path"], policy["PolicyName"]) == (ADMIN, "/", "AdministratorAccess")
    assert policy["Tags"] == []
    version = iam.get_policy_version(PolicyArn=ADMIN, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert version["IsDefaultVersion"] is True
    assert version["Document"] == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    found = versions_of(iam, READ_ONLY)
    numbers = [int(version_id[1:]) for version_id, _ in found]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 5
    assert [version_id for version_id, is_default in found if is_default] == [
        iam.get_policy(PolicyArn=READ_ONLY)["Policy"]["DefaultVersionId"]
    ]


@pytest.mark.parametrize(
    ("method", "parameters", "verb"),
    [
        ("delete_policy", {}, "delete policies"),
        ("delete_policy_version", {"VersionId": "v1"}, "delete policy versions for policies"),
        ("set_default_policy_version", {"VersionId": "v1"}, "update policies"),
        ("create_policy_version", {"PolicyDocument": ALLOW}, "create versions for policies"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("owner", ["aws", "999999999999"])
def test_policies_of_others_cannot_be_changed(
    iam: Any, refused: Refused, method: str, parameters: dict[str, Any], verb: str, owner: str
) -> None:
    """AccessDenied for AWS's policies and for those of another account."""
    arn = f"arn:aws:iam::{owner}:policy/AdministratorAccess"
    told = refused(getattr(iam, method), PolicyArn=arn, **parameters)
    assert told == (403, "AccessDenied", f"Cannot {verb} outside your own account.")


def test_all_policies_are_listed_by_name_page_by_page(iam: Any, arn: str) -> None:
    """Pages of any size give AWS's and the account's own, each once, by name ignoring case."""
    iam.create_policy(PolicyName="AdministratorAccess", PolicyDocument=ALLOW)
    everything = names(iam, PaginationConfig={"PageSize": 1000})
    assert len(everything) > CATALOGUE_POLICIES_MIN
    assert everything == sorted(everything, key=str.lower)
    assert everything.count("p") == 1
    assert everything.count("AdministratorAccess") == 2
    assert names(iam, PaginationConfig={"PageSize": 97}) == everything
    aws, local = names(iam, Scope="AWS"), names(iam, Scope="Local")
    assert local == ["AdministratorAccess", "p"]
    assert sorted(aws + local, key=str.lower) == everything
    assert len(iam.list_policies()["Policies"]) == 100


def test_a_page_may_end_between_two_policies_of_one_name(iam: Any) -> None:
    """The account's own AdministratorAccess and AWS's both come, in whatever pages."""
    iam.create_policy(PolicyName="AdministratorAccess", PolicyDocument=ALLOW)
    for size in (1, 2, 3):
        pages = iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": size, "MaxItems": 12})
        found = [policy["Arn"] for page in pages for policy in page["Policies"]]
        assert len(set(found)) == len(found) == 12
        assert len([arn for arn in found if arn.endswith("policy/AdministratorAccess")]) == 2


def test_policies_are_listed_by_path_prefix(iam: Any) -> None:
    """A prefix is a whole path; a part of one is refused."""
    iam.create_policy(PolicyName="q", Path="/team/a/", PolicyDocument=ALLOW)
    assert names(iam, PathPrefix="/team/") == ["q"]
    assert "Billing" in names(iam, PathPrefix="/job-function/")
    with pytest.raises(iam.exceptions.ClientError, match="The specified value for pathPrefix is invalid"):
        names(iam, PathPrefix="/team")


def test_only_attached_policies_can_be_asked_for(iam: Any, arn: str) -> None:
    """Boundaries count as attachments; the usage filter tells them apart, and only then means anything."""
    iam.create_user(UserName="alice", PermissionsBoundary=READ_ONLY)
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    assert names(iam, OnlyAttached=True) == ["p", "ReadOnlyAccess"]
    assert names(iam, OnlyAttached=True, PolicyUsageFilter="PermissionsPolicy") == ["p"]
    assert names(iam, OnlyAttached=True, PolicyUsageFilter="PermissionsBoundary") == ["ReadOnlyAccess"]
    assert names(iam, OnlyAttached=True, Scope="Local") == ["p"]
    assert len(names(iam, PolicyUsageFilter="PermissionsBoundary")) > CATALOGUE_POLICIES_MIN
    counts = iam.get_policy(PolicyArn=READ_ONLY)["Policy"]
    assert (counts["AttachmentCount"], counts["PermissionsBoundaryUsageCount"]) == (0, 1)


def test_who_carries_a_policy_is_told_with_ids(iam: Any) -> None:
    """Attachments and boundaries, filtered by use, kind and path; all three lists are always there."""
    ids = {
        name: iam.create_user(UserName=name, Path=path)["User"]["UserId"]
        for name, path in (("carol", "/x/"), ("Bob", "/"), ("alice", "/"))
    }
    iam.attach_user_policy(UserName="carol", PolicyArn=ADMIN)
    iam.attach_user_policy(UserName="alice", PolicyArn=ADMIN)
    iam.put_user_permissions_boundary(UserName="Bob", PermissionsBoundary=ADMIN)
    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=ADMIN)

    def users(**filters: str) -> list[str]:
        answer = iam.list_entities_for_policy(PolicyArn=ADMIN, **filters)
        assert answer["PolicyGroups"] == answer["PolicyRoles"] == []
        assert all(ids[user["UserName"]] == user["UserId"] for user in answer["PolicyUsers"])
        return [user["UserName"] for user in answer["PolicyUsers"]]

    assert users() == ["alice", "Bob", "carol"]
    assert users(EntityFilter="User") == ["alice", "Bob", "carol"]
    assert users(EntityFilter="Role") == users(EntityFilter="AWSManagedPolicy") == []
    assert users(PolicyUsageFilter="PermissionsPolicy") == ["alice", "carol"]
    assert users(PolicyUsageFilter="PermissionsBoundary") == ["alice", "Bob"]
    assert users(PathPrefix="/x/") == ["carol"]
    pages = iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=ADMIN, PaginationConfig={"PageSize": 2})
    assert [[user["UserName"] for user in page["PolicyUsers"]] for page in pages] == [["alice", "Bob"], ["carol"]]


def test_nobody_carries_a_policy_that_is_not_there(iam: Any, refused: Refused) -> None:
    """ListEntitiesForPolicy refuses an unknown ARN."""
    assert refused(iam.list_entities_for_policy, PolicyArn=f"{ADMIN}X") == (
        404,
        "NoSuchEntity",
        f"Policy {ADMIN}X does not exist or is not attachable.",
    )
