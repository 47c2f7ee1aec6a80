"""Users through boto3: what AWS promises of their operations holds here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
NOT_FOUND = (404, "NoSuchEntity", "The user with name nobody cannot be found.")
NAME_FORM = "It must contain only alphanumeric characters and/or the following: +=,.@_-"


def test_a_created_user_is_answered_with_what_it_was_given(iam: Any, account: Account) -> None:
    """Path, tags in the order given and the boundary are in the answer, with an id, an ARN and the present date."""
    tags = [{"Key": "team", "Value": "a b"}, {"Key": "a", "Value": ""}]
    user = iam.create_user(UserName="alice", Path="/a/b/", Tags=tags, PermissionsBoundary=ADMIN)["User"]
    assert abs(user.pop("CreateDate") - datetime.now(UTC)) < timedelta(minutes=1)
    user_id = user.pop("UserId")
    assert user_id.startswith("AIDA")
    assert len(user_id) == 21
    assert user == {
        "Path": "/a/b/",
        "UserName": "alice",
        "Arn": f"arn:aws:iam::{account.id}:user/a/b/alice",
        "Tags": tags,
        "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": ADMIN},
    }


def test_a_user_without_tags_and_boundary_has_neither_member(iam: Any) -> None:
    """CreateUser and GetUser leave them out, and the path is the root."""
    created = iam.create_user(UserName="alice")["User"]
    assert created.keys() == {"Path", "UserName", "UserId", "Arn", "CreateDate"}
    assert created["Path"] == "/"
    assert iam.get_user(UserName="alice")["User"] == created


@pytest.mark.parametrize("name", ["ALICE", "Alice", "alice"])
def test_a_user_is_found_in_any_spelling(iam: Any, name: str) -> None:
    """The answer has the stored spelling."""
    created = iam.create_user(UserName="Alice")["User"]
    assert iam.get_user(UserName=name)["User"] == created


def test_without_a_name_the_user_is_the_caller(iam: Any, account: Account) -> None:
    """The root user has the account's number for an id."""
    user = iam.get_user()["User"]
    assert (user["UserId"], user["Arn"]) == (account.id, f"arn:aws:iam::{account.id}:root")


@pytest.mark.parametrize(("name", "path"), [("alice", "/"), ("ALICE", "/"), ("Alice", "/elsewhere/")])
def test_a_name_is_taken_in_every_spelling_and_on_every_path(iam: Any, refused: Refused, name: str, path: str) -> None:
    """EntityAlreadyExists names the user as the caller spelled it."""
    iam.create_user(UserName="alice")
    assert refused(iam.create_user, UserName=name, Path=path) == (
        409,
        "EntityAlreadyExists",
        f"User with name {name} already exists.",
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"UserName": "a b"}, f"The specified value for userName is invalid. {NAME_FORM}"),
        ({"UserName": "é"}, f"The specified value for userName is invalid. {NAME_FORM}"),
        ({"UserName": "a\n"}, f"The specified value for userName is invalid. {NAME_FORM}"),
        (
            {"UserName": "a" * 65},
            "1 validation error detected: Value at 'userName' failed to satisfy constraint: "
            "Member must have length less than or equal to 64",
        ),
        (
            {"UserName": "a", "Path": "a/"},
            "The specified value for path is invalid. It must begin and end with / and contain only "
            "alphanumeric characters and/or / characters.",
        ),
        (
            {"UserName": "a", "Path": "/" + "a" * 511 + "/"},
            "1 validation error detected: Value at 'path' failed to satisfy constraint: "
            "Member must have length less than or equal to 512",
        ),
        (
            {"UserName": "a", "Tags": [{"Key": "k", "Value": "v" * 257}]},
            "1 validation error detected: Value at 'tags.1.member.value' failed to satisfy constraint: "
            "Member must have length less than or equal to 256",
        ),
    ],
    ids=["space", "accent", "newline", "long name", "relative path", "long path", "long tag"],
)
def test_parameters_that_break_the_model_are_refused(
    iam: Any, account: Account, refused: Refused, parameters: dict[str, Any], message: str
) -> None:
    """ValidationError in AWS's words, and no user."""
    assert refused(iam.create_user, **parameters) == (400, "ValidationError", message)
    assert iam.list_users()["Users"] == []
    assert account.events() == []


@pytest.mark.parametrize("path", ["/", "/a//b/", "/!\"#$%&'()*,-.~/"])
def test_odd_paths_that_aws_takes_are_kept(iam: Any, account: Account, path: str) -> None:
    """A path is stored as it is, and the ARN contains it."""
    iam.create_user(UserName="alice", Path=path)
    user = iam.get_user(UserName="alice")["User"]
    assert (user["Path"], user["Arn"]) == (path, f"arn:aws:iam::{account.id}:user{path}alice")


def test_a_renamed_and_moved_user_keeps_everything_else(iam: Any, account: Account, refused: Refused) -> None:
    """Id, date, tags, boundary and policies stay; the ARN follows; the old name is nobody's."""
    before = iam.create_user(UserName="alice", Tags=[{"Key": "k", "Value": "v"}], PermissionsBoundary=READ_ONLY)["User"]
    iam.attach_user_policy(UserName="alice", PolicyArn=ADMIN)
    iam.put_user_policy(UserName="alice", PolicyName="inline", PolicyDocument=ALLOW)
    iam.update_user(UserName="ALICE", NewUserName="bob", NewPath="/new/")
    after = iam.get_user(UserName="bob")["User"]
    arn = f"arn:aws:iam::{account.id}:user/new/bob"
    assert after == {**before, "UserName": "bob", "Path": "/new/", "Arn": arn}
    assert [p["PolicyArn"] for p in iam.list_attached_user_policies(UserName="bob")["AttachedPolicies"]] == [ADMIN]
    assert iam.list_user_policies(UserName="bob")["PolicyNames"] == ["inline"]
    assert refused(iam.get_user, UserName="alice")[:2] == (404, "NoSuchEntity")
    iam.create_user(UserName="alice")


def test_an_update_that_says_nothing_new_changes_nothing(iam: Any, account: Account) -> None:
    """UpdateUser without a new name or path succeeds, and so does one with the present ones."""
    iam.create_user(UserName="alice")
    iam.update_user(UserName="alice")
    iam.update_user(UserName="alice", NewUserName="alice", NewPath="/")
    assert [event["outcome"] for event in account.events()] == ["changed", "unchanged", "unchanged"]


@pytest.mark.parametrize("new_name", ["bob", "BOB", "ALICE"])
def test_a_user_cannot_take_a_name_that_is_taken(iam: Any, refused: Refused, new_name: str) -> None:
    """Not another user's, and not another spelling of its own."""
    iam.create_user(UserName="alice")
    iam.create_user(UserName="bob")
    assert refused(iam.update_user, UserName="alice", NewUserName=new_name) == (
        409,
        "EntityAlreadyExists",
        f"User with name {new_name} already exists.",
    )


def test_a_deleted_user_is_gone_and_its_successor_is_another(iam: Any, refused: Refused) -> None:
    """The name is free again, the id is not."""
    first = iam.create_user(UserName="alice")["User"]
    iam.delete_user(UserName="ALICE")
    assert refused(iam.get_user, UserName="alice")[:2] == (404, "NoSuchEntity")
    assert iam.list_users()["Users"] == []
    assert iam.create_user(UserName="alice")["User"]["UserId"] != first["UserId"]


def test_a_user_that_still_carries_policies_cannot_be_deleted(iam: Any, refused: Refused) -> None:
    """Managed policies are named first, then inline ones; tags and a boundary do not count."""
    iam.create_user(UserName="alice", Tags=[{"Key": "k", "Value": "v"}], PermissionsBoundary=ADMIN)
    iam.attach_user_policy(UserName="alice", PolicyArn=ADMIN)
    iam.put_user_policy(UserName="alice", PolicyName="inline", PolicyDocument=ALLOW)
    attached = (409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
    inline = (409, "DeleteConflict", "Cannot delete entity, must delete policies first.")
    assert refused(iam.delete_user, UserName="alice") == attached
    iam.detach_user_policy(UserName="alice", PolicyArn=ADMIN)
    assert refused(iam.delete_user, UserName="alice") == inline
    iam.delete_user_policy(UserName="alice", PolicyName="inline")
    iam.delete_user(UserName="alice")


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("get_user", {}),
        ("update_user", {"NewPath": "/a/"}),
        ("delete_user", {}),
        ("tag_user", {"Tags": [{"Key": "k", "Value": "v"}]}),
        ("untag_user", {"TagKeys": ["k"]}),
        ("list_user_tags", {}),
        ("put_user_permissions_boundary", {"PermissionsBoundary": ADMIN}),
        ("delete_user_permissions_boundary", {}),
        ("attach_user_policy", {"PolicyArn": ADMIN}),
        ("detach_user_policy", {"PolicyArn": ADMIN}),
        ("list_attached_user_policies", {}),
        ("put_user_policy", {"PolicyName": "p", "PolicyDocument": ALLOW}),
        ("get_user_policy", {"PolicyName": "p"}),
        ("delete_user_policy", {"PolicyName": "p"}),
        ("list_user_policies", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nobody_is_not_found(iam: Any, refused: Refused, method: str, parameters: dict[str, Any]) -> None:
    """Every operation on a user that does not exist is NoSuchEntity of the user."""
    assert refused(getattr(iam, method), UserName="nobody", **parameters) == NOT_FOUND


def test_users_are_listed_by_name_without_tags_and_boundary(iam: Any) -> None:
    """The order ignores case."""
    for name in ("carol", "Bob", "alice", "dave"):
        iam.create_user(UserName=name, Tags=[{"Key": "k", "Value": "v"}], PermissionsBoundary=ADMIN)
    listed = iam.list_users()
    assert [user["UserName"] for user in listed["Users"]] == ["alice", "Bob", "carol", "dave"]
    assert all(user.keys() == {"Path", "UserName", "UserId", "Arn", "CreateDate"} for user in listed["Users"])
    assert listed["IsTruncated"] is False
    assert "Marker" not in listed


def test_users_are_listed_in_pages_and_by_path_prefix(iam: Any) -> None:
    """A prefix need not end at a slash; pages of any size give every user once, also past a changed page size."""
    names = [f"user-{number:02}" for number in range(25)]
    for number, name in enumerate(names):
        iam.create_user(UserName=name, Path="/odd-ones/" if number % 2 else "/even/")
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 7})
    sizes = [len(page["Users"]) for page in pages]
    assert sizes == [7, 7, 7, 4]
    first = iam.list_users(MaxItems=10)
    assert first["IsTruncated"] is True
    rest = iam.list_users(MaxItems=100, Marker=first["Marker"])
    assert [user["UserName"] for user in first["Users"] + rest["Users"]] == names
    odd = iam.get_paginator("list_users").paginate(PathPrefix="/odd", PaginationConfig={"PageSize": 5})
    assert [user["UserName"] for page in odd for user in page["Users"]] == names[1::2]
    assert iam.list_users(PathPrefix="/none")["Users"] == []


def test_a_page_goes_on_where_it_ended_although_users_come_and_go(iam: Any) -> None:
    """Neither a deletion nor a creation before the marker shifts what follows."""
    for name in ("b", "c", "d", "e"):
        iam.create_user(UserName=name)
    marker = iam.list_users(MaxItems=2)["Marker"]
    iam.delete_user(UserName="c")
    iam.create_user(UserName="a")
    assert [user["UserName"] for user in iam.list_users(Marker=marker)["Users"]] == ["d", "e"]


@pytest.mark.parametrize("marker", ["garbage", "AAAA", "W10=", "é"])
def test_a_marker_that_nobody_gave_is_refused(iam: Any, refused: Refused, marker: str) -> None:
    """Invalid Marker."""
    assert refused(iam.list_users, Marker=marker) in (
        (400, "ValidationError", "Invalid Marker."),
        (
            400,
            "ValidationError",
            "1 validation error detected: Value at 'marker' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\u0020-\u00FF]+",
        ),
    )


def test_a_marker_of_another_selection_is_refused(iam: Any, refused: Refused) -> None:
    """Markers bind to the operation and its filters."""
    for name in ("a", "b"):
        iam.create_user(UserName=name)
    marker = iam.list_users(MaxItems=1)["Marker"]
    invalid = (400, "ValidationError", "Invalid Marker.")
    assert refused(iam.list_users, PathPrefix="/a", Marker=marker) == invalid
    assert refused(iam.list_policies, Marker=marker) == invalid


@pytest.mark.parametrize(
    ("size", "bound"), [("0", "greater than or equal to 1"), ("1001", "less than or equal to 1000")]
)
def test_a_page_size_out_of_range_is_refused(account: Account, size: str, bound: str) -> None:
    """From 1 to 1000."""
    assert account.query("ListUsers", MaxItems=size).refusal == (
        400,
        "ValidationError",
        "1 validation error detected: Value at 'maxItems' failed to satisfy constraint: "
        f"Member must have value {bound}",
    )


def test_tags_are_set_replaced_removed_and_listed(iam: Any) -> None:
    """Keys ignore case: another spelling replaces key and value. Removing what is not there is fine."""
    iam.create_user(UserName="alice", Tags=[{"Key": "b", "Value": "1"}])
    iam.tag_user(UserName="alice", Tags=[{"Key": "B", "Value": "2"}, {"Key": "größe@1", "Value": "x y"}])
    assert iam.list_user_tags(UserName="alice")["Tags"] == [
        {"Key": "B", "Value": "2"},
        {"Key": "größe@1", "Value": "x y"},
    ]
    iam.untag_user(UserName="alice", TagKeys=["b", "absent"])
    assert iam.get_user(UserName="alice")["User"]["Tags"] == [{"Key": "größe@1", "Value": "x y"}]
    iam.untag_user(UserName="alice", TagKeys=["GRÖSSE@1", "größe@1"])
    assert "Tags" not in iam.get_user(UserName="alice")["User"]
    assert iam.list_user_tags(UserName="alice")["Tags"] == []


def test_tags_are_listed_in_pages(iam: Any) -> None:
    """All fifty, each once."""
    tags = [{"Key": f"key-{number}", "Value": str(number)} for number in range(50)]
    iam.create_user(UserName="alice", Tags=tags)
    pages = iam.get_paginator("list_user_tags").paginate(UserName="alice", PaginationConfig={"PageSize": 20})
    listed = [tag for page in pages for tag in page["Tags"]]
    assert sorted(listed, key=str) == sorted(tags, key=str)


@pytest.mark.parametrize(
    ("keys", "status", "code", "message"),
    [
        (
            ["k", "K"],
            400,
            "InvalidInput",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        (["AWS:k", "k", "k"], 400, "InvalidInput", "Tag keys beginning with aws: are reserved for system use."),
        ([], 400, "InvalidInput", "Error occurred while validating input. "),
        (
            [f"k{number}" for number in range(50)],
            409,
            "LimitExceeded",
            "The number of tags has reached the maximum limit.",
        ),
        (
            [f"k{number}" for number in range(51)],
            400,
            "ValidationError",
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: "
            "Member must have length less than or equal to 50",
        ),
    ],
    ids=["twice", "reserved", "none", "too many together", "too many at once"],
)
def test_tags_against_the_rules_are_refused(
    iam: Any, refused: Refused, keys: list[str], status: int, code: str, message: str
) -> None:
    """In AWS's words, and the tags stay as they were."""
    iam.create_user(UserName="alice", Tags=[{"Key": "first", "Value": ""}])
    tags = [{"Key": key, "Value": ""} for key in keys]
    assert refused(iam.tag_user, UserName="alice", Tags=tags) == (status, code, message)
    assert iam.list_user_tags(UserName="alice")["Tags"] == [{"Key": "first", "Value": ""}]


def test_a_boundary_is_put_replaced_and_lifted(iam: Any, refused: Refused) -> None:
    """GetUser shows the last one; lifting it a second time is NoSuchEntity."""
    iam.create_user(UserName="alice")
    for arn in (ADMIN, ADMIN, READ_ONLY):
        iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=arn)
    boundary = iam.get_user(UserName="alice")["User"]["PermissionsBoundary"]
    assert boundary == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": READ_ONLY}
    iam.delete_user_permissions_boundary(UserName="alice")
    assert "PermissionsBoundary" not in iam.get_user(UserName="alice")["User"]
    assert refused(iam.delete_user_permissions_boundary, UserName="alice")[:2] == (404, "NoSuchEntity")


@pytest.mark.parametrize("create", [True, False], ids=["CreateUser", "PutUserPermissionsBoundary"])
def test_a_boundary_must_be_a_policy_that_exists(iam: Any, refused: Refused, create: bool) -> None:
    """A text that is no ARN is InvalidInput, an ARN of nothing NoSuchEntity."""
    if not create:
        iam.create_user(UserName="alice")
    method = iam.create_user if create else iam.put_user_permissions_boundary
    text, absent = "this-is-not-an-arn-at-all", f"{ADMIN}X"
    assert refused(method, UserName="alice", PermissionsBoundary=text) == (
        400,
        "InvalidInput",
        f"ARN {text} is not valid.",
    )
    assert refused(method, UserName="alice", PermissionsBoundary=absent) == (
        404,
        "NoSuchEntity",
        f"Scope ARN: {absent} does not exist or is not attachable.",
    )


def test_the_caller_is_the_root_user_of_its_account(client: Callable[..., Any], account: Account) -> None:
    """GetCallerIdentity of the same service, in STS's own version."""
    identity = client(account, "sts").get_caller_identity()
    told = {name: identity[name] for name in ("UserId", "Account", "Arn")}
    assert told == {"UserId": account.id, "Account": account.id, "Arn": f"arn:aws:iam::{account.id}:root"}
