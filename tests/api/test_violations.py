"""Parameters that break the service model are refused in the words and the order of AWS."""

from collections.abc import Callable
from typing import Any

import pytest

from api.model import load
from api.parameters import from_form
from iam.errors import IamError, ValidationError

IAM = load("iam", "2010-05-08")
STS = load("sts", "2011-06-15")
ARN = "arn:aws:iam::123456789012:policy/p"
NULL = "Member must not be null"
TAG_KEYS = (
    "Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have "
    "length greater than or equal to 1, Member must satisfy regular expression pattern: "
    r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+, Member must not be null]"
)
NAME = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
PATH = "It must begin and end with / and contain only alphanumeric characters and/or / characters."
PREFIX = "It must begin with the / character and contain only alphanumeric characters and/or / characters."


def form(name: str, **fields: str) -> dict[str, Any]:
    return from_form(IAM.operations[name], fields)


def tags(*pairs: tuple[str, str]) -> dict[str, str]:
    return {f"Tags.member.{place}": value for place, value in pairs}


def detected(*violations: tuple[str, str]) -> str:
    plural = "" if len(violations) == 1 else "s"
    told = "; ".join(f"Value at '{path}' failed to satisfy constraint: {text}" for path, text in violations)
    return f"{len(violations)} validation error{plural} detected: {told}"


def refused(kind: type[IamError], read: Callable[[], object]) -> str:
    with pytest.raises(IamError) as refusal:
        read()
    assert type(refusal.value) is kind, refusal.value
    return refusal.value.message


@pytest.mark.parametrize(
    ("name", "fields", "violations"),
    [
        ("DeleteUser", {}, [("userName", NULL)]),
        ("AttachUserPolicy", {"PolicyArn": ARN}, [("userName", NULL)]),
        (
            "CreateUser",
            {"UserName": "a" * 65},
            [("userName", "Member must have length less than or equal to 64")],
        ),
        ("GetUser", {"UserName": ""}, [("userName", "Member must have length greater than or equal to 1")]),
        (
            "GetPolicy",
            {"PolicyArn": ARN[:19]},
            [("policyArn", "Member must have length greater than or equal to 20")],
        ),
        (
            "SetDefaultPolicyVersion",
            {"PolicyArn": ARN, "VersionId": "1"},
            [
                (
                    "versionId",
                    r"Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?",
                )
            ],
        ),
        (
            "UpdateAccessKey",
            {"UserName": "u", "AccessKeyId": "A" * 20, "Status": "active"},
            [("status", "Member must satisfy enum value set")],
        ),
        (
            "TagUser",
            {"UserName": "u", **tags(("1.Key", ""), ("1.Value", "v"))},
            [
                ("tags.1.member.key", "Member must have length greater than or equal to 1"),
                (
                    "tags.1.member.key",
                    r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+",
                ),
            ],
        ),
        (
            "TagUser",
            {"UserName": "u", **tags(("1.Key", "team"), ("1.Value", "bad\nvalue"))},
            [
                (
                    "tags.1.member.value",
                    r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*",
                )
            ],
        ),
        (
            "TagUser",
            {
                "UserName": "u",
                **tags(*((f"{n}.{part}", "x") for n in range(1, 52) for part in ("Key", "Value"))),
            },
            [("tags", "Member must have length less than or equal to 50")],
        ),
        (
            "UntagUser",
            {"UserName": "u", "TagKeys.member.1": "a", "TagKeys.member.2": ""},
            [("tagKeys", TAG_KEYS)],
        ),
        (
            "UpdateAccountPasswordPolicy",
            {"MinimumPasswordLength": "129", "PasswordReusePrevention": "25", "MaxPasswordAge": "1096"},
            [
                ("minimumPasswordLength", "Member must have value less than or equal to 128"),
                ("passwordReusePrevention", "Member must have value less than or equal to 24"),
                ("maxPasswordAge", "Member must have value less than or equal to 1095"),
            ],
        ),
        (
            "CreateOpenIDConnectProvider",
            {"Url": "u" * 256, "ClientIDList.member.1": "c" * 256, "ThumbprintList.member.1": "t"},
            [
                (
                    "clientIDList",
                    "Member must satisfy constraint: [Member must have length less than or equal to 255, "
                    "Member must have length greater than or equal to 1]",
                ),
                (
                    "thumbprintList",
                    "Member must satisfy constraint: [Member must have length less than or equal to 40, "
                    "Member must have length greater than or equal to 40]",
                ),
                ("url", "Member must have length less than or equal to 255"),
            ],
        ),
        (
            "GetAccountAuthorizationDetails",
            {"Filter.member.1": "user"},
            [
                (
                    "filter",
                    "Member must satisfy constraint: [Member must satisfy enum value set: "
                    "[LocalManagedPolicy, User, AWSManagedPolicy, Role, Group]]",
                )
            ],
        ),
    ],
)
def test_violations_are_told_together_in_the_words_and_order_of_aws(
    name: str, fields: dict[str, str], violations: list[tuple[str, str]]
) -> None:
    """Each with its path, and a list of strings with all rules of its elements at once."""
    assert refused(ValidationError, lambda: form(name, **fields)) == detected(*violations)


def test_characters_are_counted_and_not_bytes() -> None:
    """128 letters of any script are a tag key."""
    key = "é" * 128
    assert form("TagUser", UserName="u", **tags(("1.Key", key), ("1.Value", "")))["tags"][0]["key"] == key


@pytest.mark.parametrize("value", ["zoé", "alice\n", "a b", "a/b", "\u0661"])
@pytest.mark.parametrize(
    ("name", "field", "path", "others"),
    [
        ("GetUser", "UserName", "userName", {}),
        ("UpdateUser", "NewUserName", "newUserName", {"UserName": "u"}),
        ("GetGroup", "GroupName", "groupName", {}),
        ("GetRole", "RoleName", "roleName", {}),
        ("GetUserPolicy", "PolicyName", "policyName", {"UserName": "u"}),
    ],
)
def test_a_name_with_other_characters_has_a_sentence_of_its_own(
    value: str, name: str, field: str, path: str, others: dict[str, str]
) -> None:
    """Names are ASCII, and a newline at the end does not pass."""
    message = f"The specified value for {path} is invalid. {NAME}"
    assert refused(ValidationError, lambda: form(name, **{field: value}, **others)) == message


@pytest.mark.parametrize(
    "path", ["/team", "team/", "/ space/", "/del\x7f/", "/é/", "//", "/team/\n", "/line\n/", "team"]
)
def test_a_path_that_is_none_is_refused(path: str) -> None:
    """It begins and ends with a slash and has printable ASCII between."""
    message = f"The specified value for path is invalid. {PATH}"
    assert refused(ValidationError, lambda: form("CreateUser", UserName="u", Path=path)) == message
    message = f"The specified value for newPath is invalid. {PATH}"
    assert refused(ValidationError, lambda: form("UpdateUser", UserName="u", NewPath=path)) == message


@pytest.mark.parametrize("path", ["/", "/team/", "/a//b/", "/~!/", "///"])
def test_a_path_may_have_slashes_in_a_row(path: str) -> None:
    """Only two slashes alone are not a path."""
    assert form("CreateUser", UserName="u", Path=path)["path"] == path


def test_a_policy_path_takes_fewer_characters() -> None:
    """Managed policies have narrower paths than users."""
    fields = {"PolicyName": "p", "PolicyDocument": "{}"}
    assert form("CreatePolicy", Path="/a/b/", **fields)["path"] == "/a/b/"
    for path in ("/~/", "/a//b/"):
        message = f"The specified value for path is invalid. {PATH}"
        assert refused(ValidationError, lambda path=path: form("CreatePolicy", Path=path, **fields)) == message


def test_a_path_prefix_begins_with_a_slash() -> None:
    """It need not end with one, except for policies, where AWS looks at the characters before the length."""
    assert form("ListUsers", PathPrefix="/test-life") == {"path_prefix": "/test-life"}
    message = f"The specified value for pathPrefix is invalid. {PREFIX}"
    assert refused(ValidationError, lambda: form("ListUsers", PathPrefix="x")) == message
    assert refused(ValidationError, lambda: form("ListPolicies", PathPrefix="/test-life")) == message
    assert refused(ValidationError, lambda: form("ListPolicies", PathPrefix="x" * 513)) == message
    too_long = detected(("pathPrefix", "Member must have length less than or equal to 512"))
    assert refused(ValidationError, lambda: form("ListPolicies", PathPrefix=f"/{'x' * 512}/")) == too_long
    assert refused(ValidationError, lambda: form("ListUsers", PathPrefix="x" * 513)) == too_long


def test_documents_and_key_ids_have_sentences_too() -> None:
    """The field's own name is in it."""
    ascii_only = "is invalid. It must contain only printable ASCII characters."
    fields = {"UserName": "u", "PolicyName": "p", "PolicyDocument": "{\u2019}"}
    message = f"The specified value for policyDocument {ascii_only}"
    assert refused(ValidationError, lambda: form("PutUserPolicy", **fields)) == message
    fields = {"RoleName": "r", "AssumeRolePolicyDocument": "\0"}
    message = f"The specified value for assumeRolePolicyDocument {ascii_only}"
    assert refused(ValidationError, lambda: form("CreateRole", **fields)) == message
    message = "The specified value for accessKeyId is invalid. It must contain only alphanumeric characters."
    fields = {"AccessKeyId": "A" * 19 + "-"}
    assert refused(ValidationError, lambda: form("DeleteAccessKey", **fields)) == message


def test_a_sentence_waits_until_nothing_else_is_wrong() -> None:
    """The template lists violations of the model; a sentence does not fit in, so it comes alone, later."""
    assert refused(ValidationError, lambda: form("GetUserPolicy", UserName="a b")) == detected(("policyName", NULL))
    both = {"UserName": "a b", "PolicyName": "c d"}
    assert refused(ValidationError, lambda: form("GetUserPolicy", **both)).count("The specified value") == 1


def test_sts_has_patterns_only() -> None:
    """The sentences are IAM's."""
    fields = {"Name": "a b"}
    assert refused(ValidationError, lambda: from_form(STS.operations["GetFederationToken"], fields)) == detected(
        ("name", r"Member must satisfy regular expression pattern: [\w+=,.@-]*")
    )
