"""One user under `/v1/users/{name}`: all of it at any instant, what differs between two, and what happened to it."""

from __future__ import annotations

import csv
import io
import json
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.api.conftest import Account

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ORIGIN = ("position", "event_id", "since", "actor", "source_ip", "action")
UNKNOWN = (404, "NO_SUCH_ENTITY", "The user with name nobody cannot be found.")


def document(*actions: str) -> str:
    """A policy that allows these actions."""
    statement = [{"Sid": "One", "Effect": "Allow", "Action": list(actions), "Resource": "*"}]
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def do(account: Account, action: str, **parameters: Any) -> Any:
    """A write that succeeds: what it answers."""
    return account.json(action, **parameters).data


@pytest.fixture
def alice(account: Account) -> Account:
    """An account with a user alice, since @1."""
    do(account, "CreateUser", UserName="alice")
    return account


def user_id(account: Account, name: str = "alice", at: str | None = None) -> str:
    return str(account.get(f"/v1/users/{name}{f'?at={at}' if at else ''}").data["user_id"])


def history(account: Account, name: str = "alice", **asked: str | int) -> list[dict[str, Any]]:
    """All changes, however many pages they are on."""
    changes: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = "&".join(
            f"{key}={quote(str(value))}" for key, value in {**asked, "cursor": cursor or ""}.items() if value
        )
        page = account.get(f"/v1/users/{name}/history?{query}").data
        changes += page["changes"]
        cursor = page["cursor"]
        if cursor is None:
            return changes


# Everything about a user


def test_a_user_is_told_with_every_document_that_governs_it(account: Account) -> None:
    """Of managed policies the default version, whether they are attached or bound; of inline ones the text as put."""
    made = do(account, "CreatePolicy", PolicyName="own", Path="/team/", PolicyDocument=document("s3:GetObject"))
    arn = made["Policy"]["Arn"]
    do(account, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document("s3:*"), SetAsDefault=True)
    tags = [{"Key": "team", "Value": "audit"}]
    do(account, "CreateUser", UserName="alice", Path="/eng/", Tags=tags, PermissionsBoundary=ADMIN)
    do(account, "PutUserPolicy", UserName="alice", PolicyName="logs", PolicyDocument=document("logs:*"))
    do(account, "AttachUserPolicy", UserName="alice", PolicyArn=arn)

    told = account.get("/v1/users/ALICE").data

    origins = [{name: each.pop(name) for name in ORIGIN} for each in told["documents"]]
    assert [origin["position"] for origin in origins] == [5, 4, 3]
    created = {"action": "CreateUser", "since": account.events(action="CreateUser")[0]["recorded_at"]}
    assert origins[2].items() >= created.items()
    boundary = told["documents"].pop()
    assert json.loads(boundary.pop("policy_document"))["Statement"][0]["Action"] == "*"
    assert boundary == {
        "via": "boundary",
        "policy_name": "AdministratorAccess",
        "policy_arn": ADMIN,
        "version_id": "v1",
        "group": None,
    }
    assert told.pop("basis")["position"] == 5
    assert told == {
        "user_id": user_id(account),
        "user_name": "alice",
        "path": "/eng/",
        "arn": f"arn:aws:iam::{account.id}:user/eng/alice",
        "created_at": account.events(action="CreateUser")[0]["effective_at"],
        "tags": [{"key": "team", "value": "audit"}],
        "permissions_boundary": ADMIN,
        "attached": [{"policy_name": "own", "policy_arn": arn}],
        "inline": [{"policy_name": "logs", "policy_document": document("logs:*")}],
        "groups": [],
        "documents": [
            {
                "via": "attached",
                "policy_name": "own",
                "policy_arn": arn,
                "version_id": "v2",
                "policy_document": document("s3:*"),
                "group": None,
            },
            {
                "via": "inline",
                "policy_name": "logs",
                "policy_arn": None,
                "version_id": None,
                "policy_document": document("logs:*"),
                "group": None,
            },
        ],
    }


def test_what_comes_through_groups_is_told_with_both_records_that_it_rests_on(alice: Account) -> None:
    """That which put the policy on the group, and that which made the user a member; whichever came first."""
    arn = do(alice, "CreatePolicy", PolicyName="own", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    group = do(alice, "CreateGroup", GroupName="Devs", Path="/eng/")["Group"]["GroupId"]
    do(alice, "AttachGroupPolicy", GroupName="Devs", PolicyArn=arn)  # @4
    joined = do(alice, "AddUserToGroup", GroupName="Devs", UserName="alice")  # @5
    do(alice, "PutGroupPolicy", GroupName="Devs", PolicyName="logs", PolicyDocument=document("logs:*"))  # @6
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=arn)

    told = alice.get("/v1/users/alice").data
    sets = alice.get("/v1/users/alice/policies").data
    rows = alice.get("/v1/users/alice/policies", {"Accept": "text/csv"})

    assert told["groups"] == [
        {
            "group_id": group,
            "group_name": "Devs",
            "path": "/eng/",
            "attached": [{"policy_name": "own", "policy_arn": arn}],
            "inline": [{"policy_name": "logs", "policy_document": document("logs:*")}],
        }
    ]
    own, attached, inline = told["documents"]
    assert (own["position"], own["group"]) == (7, None)
    for entry, position, text in ((attached, 4, document("s3:*")), (inline, 6, document("logs:*"))):
        assert (entry["position"], entry["policy_document"]) == (position, text)
        assert entry["group"]["group_id"] == group
        assert entry["group"]["group_name"] == "Devs"
        assert entry["group"]["event_id"] == joined["id"]
        assert entry["group"]["position"] == 5
    assert (attached["version_id"], inline["version_id"]) == ("v1", None)
    assert [(entry["policy_name"], entry["position"]) for entry in sets["inherited"]] == [("own", 4), ("logs", 6)]
    assert [entry["policy_name"] for entry in sets["attached"]] == ["own"]
    cells = list(csv.DictReader(io.StringIO(rows.body.decode())))
    assert [(cell["via"], cell["position"], cell["group_name"], cell["group_position"]) for cell in cells] == [
        ("attached", "7", "", ""),
        ("attached", "4", "Devs", "5"),
        ("inline", "6", "Devs", "5"),
    ]
    assert alice.get("/v1/users/alice?at=@3").data["groups"] == []


def test_the_documents_are_those_that_governed_then(alice: Account) -> None:
    """A new default version governs from its record on, and not before."""
    arn = do(alice, "CreatePolicy", PolicyName="own", PolicyDocument=document("s3:Get*"))["Policy"]["Arn"]
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=arn)
    later = do(alice, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document("s3:*"), SetAsDefault=True)

    def governing(at: str) -> list[tuple[str, str]]:
        told = alice.get(f"/v1/users/alice?at={quote(at)}").data
        return [(governing["version_id"], governing["policy_document"]) for governing in told["documents"]]

    assert governing("@2") == []
    assert governing("@3") == [("v1", document("s3:Get*"))]
    assert governing("@4") == governing(later["created_at"]) == [("v2", document("s3:*"))]


def test_a_name_means_its_holder_then_and_an_id_always_the_same_user(alice: Account) -> None:
    """Through a new name, a deletion, and another user of the old name."""
    first = user_id(alice)
    do(alice, "UpdateUser", UserName="alice", NewUserName="bob")
    do(alice, "CreateUser", UserName="Alice")
    second = user_id(alice)
    do(alice, "DeleteUser", UserName="bob")

    assert first != second
    assert [user_id(alice, "alice", f"@{position}") for position in (1, 3, 4)] == [first, second, second]
    assert alice.get("/v1/users/alice?at=@2").refusal[:2] == (404, "NO_SUCH_ENTITY")
    assert user_id(alice, "bob", "@3") == user_id(alice, first, "@3") == first
    assert alice.get(f"/v1/users/{first}?at=@1").data["user_name"] == "alice"
    assert alice.get(f"/v1/users/{first}").refusal[:2] == (404, "NO_SUCH_ENTITY")


@pytest.mark.parametrize("route", ["", "/policies", "/history", "/diff?from=@0", "/policies?at=@0", "?at=@1"])
def test_a_user_that_never_was_is_not_found(alice: Account, route: str) -> None:
    """In AWS's words, everywhere."""
    assert alice.get(f"/v1/users/nobody{route}").refusal == UNKNOWN
    assert alice.get(f"/v1/users/AIDAAAAAAAAAAAAAAAAAA{route}").refusal[:2] == UNKNOWN[:2]


NO_INSTANT = "is neither a time with its offset, such as 2026-11-03T14:03:00Z, nor `@` and a position."


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("?at=yesterday", f"at: yesterday {NO_INSTANT}"),
        ("?at=@2", "at: @2 is above the head of the ledger, @1."),
        ("?at=9999-01-01T00:00:00Z", "at: 9999-01-01T00:00:00Z is in the future."),
        ("?at=", "at must be given once, with a value."),
        ("?at=@1&at=@1", "at must be given once, with a value."),
        ("?when=@1", "There is no parameter when here; there are: at."),
        ("/policies?when=@1", "There is no parameter when here; there are: at."),
        ("/diff", "from must be given: an instant, which is an RFC 3339 time or `@position`."),
        ("/diff?to=@1", "from must be given: an instant, which is an RFC 3339 time or `@position`."),
        ("/diff?from=@2", "from: @2 is above the head of the ledger, @1."),
        ("/diff?from=@1&to=@2", "to: @2 is above the head of the ledger, @1."),
        ("/diff?from=then", f"from: then {NO_INSTANT}"),
        ("/diff?from=@1&to=now", f"to: now {NO_INSTANT}"),
        ("/diff?from=@1&to=9999-01-01T00:00:00Z", "to: 9999-01-01T00:00:00Z is in the future."),
        ("/diff?from=@1&at=@1", "There is no parameter at here; there are: from, to."),
        ("/history?from=then", f"from: then {NO_INSTANT}"),
        ("/history?to=@x", f"to: @x {NO_INSTANT}"),
        ("/history?order=up", "order: up is not asc or desc."),
        ("/history?limit=0", "limit: 0 is not a number from 1 to 1000."),
        ("/history?limit=1001", "limit: 1001 is not a number from 1 to 1000."),
        ("/history?cursor=abc", "cursor: abc is not one that this service gave."),
        ("/history?user=a", "There is no parameter user here; there are: from, to, order, limit, cursor."),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(alice: Account, asked: str, message: str) -> None:
    """With what is wrong about it, and what there is."""
    assert alice.get(f"/v1/users/alice{asked}").refusal == (400, "VALIDATION_ERROR", message)


def test_what_a_thing_is_stands_before_the_record_that_put_it_there(alice: Account) -> None:
    """For people, who read from the top: a policy begins with its name, a difference with whose it is."""
    do(alice, "CreateGroup", GroupName="devs")
    do(alice, "AddUserToGroup", GroupName="devs", UserName="alice")
    do(alice, "AttachGroupPolicy", GroupName="devs", PolicyArn=ADMIN)
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    do(alice, "PutUserPolicy", UserName="alice", PolicyName="logs", PolicyDocument=document("logs:*"))
    policy = ["policy_name", "policy_arn"]
    how = ["via", "version_id", "policy_document", "group"]

    sets = alice.get("/v1/users/alice/policies").data
    told = alice.get("/v1/users/alice").data
    differs = alice.get("/v1/users/alice/diff?from=@1").data
    row = alice.get("/v1/users/alice/policies", {"Accept": "application/x-ndjson"}).body.splitlines()[0]

    assert [*sets["attached"][0]] == [*policy, *ORIGIN]
    assert [*sets["inline"][0]] == ["policy_name", "policy_document", *ORIGIN]
    assert [*sets["inherited"][0]] == [*policy, *ORIGIN, "via", "group"]
    assert [*sets["inherited"][0]["group"]] == ["group_id", "group_name", *ORIGIN]
    assert [*told["documents"][0]] == [*policy, *how, *ORIGIN]
    assert [*json.loads(row)] == ["user_id", "user_name", "via", *policy, *ORIGIN]
    assert [*differs][:3] == ["user_id", "from", "to"]


# The policy sets as a table


def test_the_policy_sets_are_told_as_a_table_too(alice: Account) -> None:
    """The same entries, attached ones first; the basis is in the headers."""
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    do(alice, "PutUserPolicy", UserName="alice", PolicyName="logs", PolicyDocument=document("logs:*"))
    do(alice, "DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    sets = alice.get("/v1/users/alice/policies?at=@3").data

    lines = alice.get("/v1/users/alice/policies?at=@3", {"Accept": "application/x-ndjson"})
    table = alice.get("/v1/users/alice/policies?at=@3", {"Accept": "text/csv"})

    who = {"user_id": sets["user_id"], "user_name": "alice"}
    assert [json.loads(line) for line in lines.body.splitlines()] == [
        *({**who, "via": "attached", **entry} for entry in sets["attached"]),
        *({**who, "via": "inline", **entry} for entry in sets["inline"]),
    ]
    for reply in (lines, table):
        assert reply.headers["x-iam-ledger-position"] == "3"
        assert reply.headers["x-iam-ledger-instant"] == sets["basis"]["instant"]
    attached, inline = csv.DictReader(io.StringIO(table.body.decode()))
    assert attached == {
        **who,
        "via": "attached",
        "policy_name": "AdministratorAccess",
        "policy_arn": ADMIN,
        "policy_document": "",
        "position": "2",
        "event_id": sets["attached"][0]["event_id"],
        "since": sets["attached"][0]["since"],
        "action": "AttachUserPolicy",
        "actor_id": alice.id,
        "actor_arn": f"arn:aws:iam::{alice.id}:root",
        "access_key_id": alice.id,
        "source": "api",
        "source_ip": "127.0.0.1",
        **dict.fromkeys(("group_id", "group_name", "group_position", "group_event_id", "group_since"), ""),
    }
    assert (inline["policy_name"], inline["policy_document"]) == ("logs", document("logs:*"))


# What differs


def test_what_differs_between_two_instants_is_told_by_what_it_is(alice: Account) -> None:
    """Names, tags, policies, boundary; a document by what changed in it."""
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    do(alice, "PutUserPolicy", UserName="alice", PolicyName="logs", PolicyDocument=document("logs:*"))
    do(alice, "PutUserPolicy", UserName="alice", PolicyName="old", PolicyDocument=document("sqs:*"))
    do(alice, "TagUser", UserName="alice", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "1"}])
    before = alice.events()[-1]["recorded_at"]
    do(alice, "DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=READ_ONLY)
    do(alice, "PutUserPolicy", UserName="alice", PolicyName="logs", PolicyDocument=document("logs:Get*", "logs:*"))
    do(alice, "PutUserPolicy", UserName="alice", PolicyName="new", PolicyDocument=document("sns:*"))
    do(alice, "DeleteUserPolicy", UserName="alice", PolicyName="old")
    do(alice, "TagUser", UserName="alice", Tags=[{"Key": "a", "Value": "2"}, {"Key": "c", "Value": "3"}])
    do(alice, "UntagUser", UserName="alice", TagKeys=["b"])
    do(alice, "PutUserPermissionsBoundary", UserName="alice", PermissionsBoundary=ADMIN)
    do(alice, "UpdateUser", UserName="alice", NewUserName="bob", NewPath="/eng/")
    who = user_id(alice, "bob")

    told = alice.get(f"/v1/users/{who}/diff?from={before}&to=@14").data

    [inline] = told.pop("inline_changed")
    assert (inline["policy_name"], inline["before"]) == ("logs", document("logs:*"))
    assert inline["document_diff"]["changed"][0]["elements"] == {"Action": {"added": ["logs:Get*"]}}
    assert told == {
        "user_id": {"before": who, "after": who},
        "created": False,
        "deleted": False,
        "replaced": False,
        "user_name": {"before": "alice", "after": "bob"},
        "path": {"before": "/", "after": "/eng/"},
        "permissions_boundary": {"before": None, "after": ADMIN},
        "attached": [{"policy_name": "ReadOnlyAccess", "policy_arn": READ_ONLY}],
        "detached": [{"policy_name": "AdministratorAccess", "policy_arn": ADMIN}],
        "inline_added": [{"policy_name": "new", "policy_document": document("sns:*")}],
        "inline_removed": [{"policy_name": "old", "policy_document": document("sqs:*")}],
        "tags_added": [{"key": "c", "value": "3"}],
        "tags_removed": [{"key": "b", "value": "1"}],
        "tags_changed": [{"key": "a", "before": "1", "after": "2"}],
        "managed_changed": [],
        "groups_joined": [],
        "groups_left": [],
        "inherited_added": [],
        "inherited_removed": [],
        "inherited_changed": [],
        "from": {"position": 5, "instant": before},
        "to": {"position": 14, "instant": alice.events()[-1]["recorded_at"]},
    }
    assert alice.get(f"/v1/users/{who}/diff?from={before}").data["to"]["position"] == 14
    back = alice.get(f"/v1/users/{who}/diff?from=@14&to=@5").data
    assert (back["attached"], back["detached"]) == (told["detached"], told["attached"])
    none = alice.get(f"/v1/users/{who}/diff?from=@14").data
    assert {name for name, value in none.items() if value} == {"user_id", "from", "to"}


def test_a_managed_policy_that_says_something_else_is_a_difference(alice: Account) -> None:
    """Although nothing about the user itself has changed."""
    arn = do(alice, "CreatePolicy", PolicyName="own", PolicyDocument=document("s3:Get*"))["Policy"]["Arn"]
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=arn)
    do(alice, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document("s3:*"))
    assert alice.get("/v1/users/alice/diff?from=@3").data["managed_changed"] == []
    do(alice, "SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v2")

    [changed] = alice.get("/v1/users/alice/diff?from=@3").data["managed_changed"]

    assert (changed["policy_arn"], changed["version"]) == (arn, {"before": "v1", "after": "v2"})
    elements = changed["document_diff"]["changed"][0]["elements"]
    assert elements == {"Action": {"added": ["s3:*"], "removed": ["s3:Get*"]}}


def test_a_name_is_resolved_at_each_end_of_a_difference(alice: Account) -> None:
    """So it can be created, deleted, or replaced by another user; an id never is another user."""
    first = user_id(alice)
    do(alice, "UpdateUser", UserName="alice", NewUserName="bob")
    do(alice, "CreateUser", UserName="alice")
    second = user_id(alice)

    def told(name: str, start: int, end: int) -> tuple[Any, ...]:
        diff = alice.get(f"/v1/users/{name}/diff?from=@{start}&to=@{end}").data
        kinds = [kind for kind in ("created", "deleted", "replaced") if diff[kind]]
        return diff["user_id"]["before"], diff["user_id"]["after"], *kinds

    assert told("alice", 0, 1) == (None, first, "created")
    assert told("alice", 1, 2) == (first, None, "deleted")
    assert told("alice", 1, 3) == (first, second, "replaced")
    assert told("bob", 1, 3) == (None, first, "created")
    assert told(first, 1, 3) == (first, first)
    assert alice.get("/v1/users/bob/diff?from=@0&to=@1").refusal[:2] == UNKNOWN[:2]


# History


def test_every_kind_of_change_is_in_the_history_with_what_was_before_and_after(account: Account) -> None:
    """Only the things that a change touches are shown."""
    steps: list[tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
        ("TagUser", "UserTagged", {"Tags": [{"Key": "a", "Value": "1"}]}, {}, {"tags": [{"key": "a", "value": "1"}]}),
        ("UntagUser", "UserUntagged", {"TagKeys": ["a"]}, {"tags": [{"key": "a", "value": "1"}]}, {}),
        (
            "AttachUserPolicy",
            "UserPolicyAttached",
            {"PolicyArn": ADMIN},
            {},
            {"attached": [{"policy_name": "AdministratorAccess", "policy_arn": ADMIN}]},
        ),
        (
            "DetachUserPolicy",
            "UserPolicyDetached",
            {"PolicyArn": ADMIN},
            {"attached": [{"policy_name": "AdministratorAccess", "policy_arn": ADMIN}]},
            {},
        ),
        (
            "PutUserPolicy",
            "UserPolicyPut",
            {"PolicyName": "logs", "PolicyDocument": document("logs:*")},
            {},
            {"inline": [{"policy_name": "logs", "policy_document": document("logs:*")}]},
        ),
        (
            "PutUserPolicy",
            "UserPolicyPut",
            {"PolicyName": "LOGS", "PolicyDocument": document("logs:Get*")},
            {"inline": [{"policy_name": "logs", "policy_document": document("logs:*")}]},
            {"inline": [{"policy_name": "logs", "policy_document": document("logs:Get*")}]},
        ),
        (
            "DeleteUserPolicy",
            "UserPolicyDeleted",
            {"PolicyName": "logs"},
            {"inline": [{"policy_name": "logs", "policy_document": document("logs:Get*")}]},
            {},
        ),
        (
            "PutUserPermissionsBoundary",
            "UserPermissionsBoundaryPut",
            {"PermissionsBoundary": ADMIN},
            {},
            {"permissions_boundary": ADMIN},
        ),
        (
            "PutUserPermissionsBoundary",
            "UserPermissionsBoundaryPut",
            {"PermissionsBoundary": READ_ONLY},
            {"permissions_boundary": ADMIN},
            {"permissions_boundary": READ_ONLY},
        ),
        (
            "DeleteUserPermissionsBoundary",
            "UserPermissionsBoundaryDeleted",
            {},
            {"permissions_boundary": READ_ONLY},
            {},
        ),
    ]
    do(account, "CreateUser", UserName="alice", Tags=[{"Key": "k", "Value": "v"}])
    for action, _, parameters, _, _ in steps:
        do(account, action, UserName="alice", **parameters)
    do(account, "UpdateUser", UserName="alice", NewUserName="bob", NewPath="/eng/")
    do(account, "DeleteUser", UserName="bob")

    created, *between, updated, deleted = history(account)

    for change, (action, kind, _, before, after) in zip(between, steps, strict=True):
        assert (change["action"], change["type"], change["before"], change["after"]) == (action, kind, before, after)
    profile = {"user_id": created["user_id"], "user_name": "alice", "path": "/", "created_at": created["effective_at"]}
    renamed = {**profile, "user_name": "bob", "path": "/eng/"}
    tags = [{"key": "k", "value": "v"}]
    assert (created["before"], created["after"]) == ({}, {"user": profile, "tags": tags})
    assert (updated["before"], updated["after"]) == ({"user": profile}, {"user": renamed})
    assert (deleted["before"], deleted["after"]) == ({"user": renamed, "tags": tags}, {})
    assert [change["user_name"] for change in (created, updated, deleted)] == ["alice", "bob", "bob"]


def test_the_history_of_a_user_has_what_its_permissions_came_from(alice: Account) -> None:
    """Its groups while it is in them, and its policies while it carries them; in both orders, in pages of any size."""
    arn = do(alice, "CreatePolicy", PolicyName="own", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    group = do(alice, "CreateGroup", GroupName="devs")["Group"]["GroupId"]
    do(alice, "AttachGroupPolicy", GroupName="devs", PolicyArn=arn)  # @4
    do(alice, "AddUserToGroup", GroupName="devs", UserName="alice")
    do(alice, "CreateUser", UserName="bob")
    do(alice, "AddUserToGroup", GroupName="devs", UserName="bob")
    do(alice, "PutGroupPolicy", GroupName="devs", PolicyName="logs", PolicyDocument=document("logs:*"))  # @8
    do(alice, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document("s3:Get*"), SetAsDefault=True)
    do(alice, "UpdateGroup", GroupName="devs", NewGroupName="staff")
    do(alice, "RemoveUserFromGroup", GroupName="staff", UserName="alice")
    do(alice, "DetachGroupPolicy", GroupName="staff", PolicyArn=arn)  # @12

    changes = history(alice)

    assert [(change["position"], change["through"]) for change in changes] == [
        (1, None),
        (5, {"group_id": group, "group_name": "devs"}),
        (8, {"group_id": group, "group_name": "devs"}),
        (9, {"policy_id": changes[3]["through"]["policy_id"], "policy_arn": arn}),
        (10, {"group_id": group, "group_name": "staff"}),
        (11, {"group_id": group, "group_name": "staff"}),
    ]
    assert {change["user_name"] for change in changes} == {"alice"}
    assert changes[2]["after"] == {"inline": [{"policy_name": "logs", "policy_document": document("logs:*")}]}
    assert history(alice, limit=1) == changes
    assert history(alice, limit=2, order="desc") == changes[::-1]
    assert [change["position"] for change in history(alice, "bob")] == [6, 7, 8, 9, 10, 12]


def test_a_change_says_who_made_it_when_and_from_where(alice: Account) -> None:
    """As its record does."""
    alice.json("AttachUserPolicy", {"User-Agent": "terraform/1.9"}, UserName="alice", PolicyArn=ADMIN)
    [record] = alice.events(action="AttachUserPolicy")

    [change] = history(alice, **{"from": "@2"})

    assert change["event_id"] == record["id"]
    assert change["actor"] == record["actor"]
    assert change["restored_from"] is None
    for field in ("position", "recorded_at", "effective_at", "source_ip", "user_agent", "action"):
        assert change[field] == record[field], field
    assert change["user_agent"] == "terraform/1.9"


def test_calls_that_changed_nothing_are_no_history(alice: Account) -> None:
    """Neither those that were refused nor those that found it so already; nor what happened to others."""
    do(alice, "UntagUser", UserName="alice", TagKeys=["absent"])
    assert alice.json("DetachUserPolicy", UserName="alice", PolicyArn=ADMIN).status == 404
    do(alice, "CreateUser", UserName="bob")
    do(alice, "CreatePolicy", PolicyName="alice", PolicyDocument=document("s3:*"))

    assert [change["position"] for change in history(alice)] == [1]
    assert len(alice.events()) == 5


def test_the_history_of_a_name_is_that_of_all_who_ever_bore_it(alice: Account) -> None:
    """With their time under other names, each told apart by its id."""
    first = user_id(alice)
    do(alice, "UpdateUser", UserName="alice", NewPath="/eng/")
    do(alice, "UpdateUser", UserName="alice", NewUserName="bob")
    do(alice, "CreateUser", UserName="Alice")
    second = user_id(alice)
    do(alice, "DeleteUser", UserName="alice")
    do(alice, "AttachUserPolicy", UserName="bob", PolicyArn=ADMIN)
    times = [None, *(event["effective_at"] for event in alice.events())]

    def mark(position: int) -> dict[str, Any]:
        return {"position": position, "at": times[position]}

    told = alice.get("/v1/users/ALICE/history").data

    assert [(change["position"], change["user_id"]) for change in told["changes"]] == [
        (1, first),
        (2, first),
        (3, first),
        (4, second),
        (5, second),
        (6, first),
    ]
    of_first = {
        "user_id": first,
        "names": [
            {"user_name": "alice", "from": mark(1), "to": mark(3)},
            {"user_name": "bob", "from": mark(3), "to": None},
        ],
        "created_at": times[1],
        "deleted_at": None,
    }
    of_second = {
        "user_id": second,
        "names": [{"user_name": "Alice", "from": mark(4), "to": mark(5)}],
        "created_at": times[4],
        "deleted_at": times[5],
    }
    assert told["users"] == [of_first, of_second]
    assert alice.get("/v1/users/alice/history?order=desc").data["users"] == [of_first, of_second]
    assert alice.get("/v1/users/alice/history?from=@4&to=@5").data["users"] == [of_second]
    assert [change["position"] for change in history(alice, "bob")] == [1, 2, 3, 6]
    assert [change["position"] for change in history(alice, first)] == [1, 2, 3, 6]
    assert [change["position"] for change in history(alice, second)] == [4, 5]
    assert told["basis"]["position"] == 6


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_of_a_history_join_without_a_gap(alice: Account, order: str) -> None:
    """Also while more is recorded: oldest first meets it at the end, newest first does not."""
    for number in range(6):
        do(alice, "TagUser", UserName="alice", Tags=[{"Key": "n", "Value": str(number)}])
        do(alice, "CreateUser", UserName=f"other{number}")
    known = [change["position"] for change in history(alice)]
    found = []
    cursor = ""
    while cursor is not None:
        mark = f"&cursor={cursor}" if cursor else ""
        page = alice.get(f"/v1/users/alice/history?limit=3&order={order}{mark}").data
        assert len(page["changes"]) <= 3
        found += [change["position"] for change in page["changes"]]
        cursor = page["cursor"]
        if len(found) == 3:
            do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)

    assert found == ([*known, 14] if order == "asc" else known[::-1])


def test_a_cursor_serves_only_the_question_that_it_came_from(alice: Account) -> None:
    """Another order, another name or another span is another question; another size of page is not."""
    do(alice, "CreateUser", UserName="bob")
    for number in range(3):
        do(alice, "TagUser", UserName="alice", Tags=[{"Key": "n", "Value": str(number)}])
    cursor = alice.get("/v1/users/alice/history?limit=1").data["cursor"]
    message = "cursor: it was given for another question. Ask for the first page again."

    for other in ("alice/history?order=desc", "bob/history?limit=1", "alice/history?from=@2"):
        assert alice.get(f"/v1/users/{other}&cursor={cursor}").refusal == (400, "VALIDATION_ERROR", message)
    page = alice.get(f"/v1/users/alice/history?limit=2&cursor={cursor}").data
    assert [change["position"] for change in page["changes"]] == [3, 4]


def test_a_history_is_of_a_span_of_instants(alice: Account) -> None:
    """Both ends count, by position or by time; they may lie ahead."""
    for number in range(4):
        do(alice, "TagUser", UserName="alice", Tags=[{"Key": "n", "Value": str(number)}])
    times = ["", *(event["recorded_at"] for event in alice.events())]

    def positions(**asked: str) -> list[int]:
        return [change["position"] for change in history(alice, **asked)]

    assert positions(**{"from": "@2", "to": "@4"}) == [2, 3, 4]
    assert positions(**{"from": times[2], "to": times[4]}) == [2, 3, 4]
    assert positions(**{"from": times[2].replace("Z", "+00:00"), "to": "@3"}) == [2, 3]
    assert positions(**{"from": "@4", "to": "9999-01-01T00:00:00Z", "order": "desc"}) == [5, 4]
    assert positions(**{"from": "@6"}) == []
    assert positions(**{"from": "@4", "to": "@3"}) == []
    assert positions(to="0001-01-01T00:00:00Z") == []


def test_a_history_of_any_length_is_told_as_a_table(account: Account) -> None:
    """All of it in one answer, with the same changes as the pages; `limit` and `order` hold."""
    do(account, "CreateUser", UserName="alice")
    for number in range(60):
        do(account, "TagUser", UserName="alice", Tags=[{"Key": "n", "Value": str(number)}])
        do(account, "UntagUser", UserName="alice", TagKeys=["n"])
    changes = history(account, limit=50)
    assert len(changes) == 121

    lines = account.get("/v1/users/alice/history", {"Accept": "application/x-ndjson"})
    table = account.get("/v1/users/alice/history?order=desc&limit=110", {"Accept": "text/csv"})

    assert [json.loads(line) for line in lines.body.splitlines()] == changes
    assert lines.headers["x-iam-ledger-position"] == table.headers["x-iam-ledger-position"] == "121"
    rows = list(csv.DictReader(io.StringIO(table.body.decode())))
    assert [int(row["position"]) for row in rows] == list(range(121, 11, -1))
    for row, change in zip(rows, changes[::-1], strict=False):
        assert json.loads(row["before"]) == change["before"]
        assert json.loads(row["after"]) == change["after"]
        assert (row["actor_id"], row["source"], row["source_ip"]) == (account.id, "api", "127.0.0.1")
        assert (row["event_id"], row["restored_from"]) == (change["event_id"], "")


def test_a_history_adds_up_to_what_the_user_was(account: Account) -> None:
    """At every position, what its changes leave behind is what `/v1/users` answers at that position."""
    chance = Random(7)
    do(account, "CreateUser", UserName="alice", Tags=[{"Key": "a", "Value": "0"}])
    who = user_id(account)
    for _ in range(60):
        tag = {"Key": chance.choice("aAb"), "Value": chance.choice("xy")}
        action, parameters = chance.choice(
            [
                ("AttachUserPolicy", {"PolicyArn": chance.choice([ADMIN, READ_ONLY])}),
                ("DetachUserPolicy", {"PolicyArn": chance.choice([ADMIN, READ_ONLY])}),
                (
                    "PutUserPolicy",
                    {
                        "PolicyName": chance.choice(["p", "P", "q"]),
                        "PolicyDocument": document(chance.choice("ab") + ":*"),
                    },
                ),
                ("DeleteUserPolicy", {"PolicyName": chance.choice("pq")}),
                ("TagUser", {"Tags": [tag]}),
                ("UntagUser", {"TagKeys": [tag["Key"]]}),
                ("PutUserPermissionsBoundary", {"PermissionsBoundary": chance.choice([ADMIN, READ_ONLY])}),
                ("DeleteUserPermissionsBoundary", {}),
            ]
        )
        account.json(action, UserName="alice", **parameters)  # many of them are refused
    lists = {"tags": "key", "attached": "policy_arn", "inline": "policy_name"}
    seen: dict[str, Any] = {"permissions_boundary": None, **{section: {} for section in lists}}
    changes = history(account, who)
    assert len(changes) > 20

    for change in changes:
        before, after = change["before"], change["after"]
        assert before.get("permissions_boundary", seen["permissions_boundary"]) == seen["permissions_boundary"]
        if "permissions_boundary" in {**before, **after}:
            seen["permissions_boundary"] = after.get("permissions_boundary")
        for section, key in lists.items():
            for entry in before.get(section, ()):
                assert seen[section].pop(entry[key]) == entry
            seen[section] |= {entry[key]: entry for entry in after.get(section, ())}
        told = account.get(f"/v1/users/{who}?at=@{change['position']}").data
        assert told["permissions_boundary"] == seen["permissions_boundary"]
        for section, key in lists.items():
            assert {entry[key]: entry for entry in told[section]} == seen[section]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["alice", "ALICE"]) | TEXT.filter(bool),
    st.sampled_from(["", "/policies", "/history", "/diff"]),
    st.dictionaries(
        st.sampled_from(["at", "from", "to", "order", "limit", "cursor"]),
        st.sampled_from(["@0", "@1", "@2", "2026-01-01T00:00:00Z", "desc", "1"]) | TEXT,
        max_size=3,
    ),
)
def test_no_question_about_a_user_makes_the_service_fail(
    alice: Account, name: str, route: str, asked: dict[str, str]
) -> None:
    """It is answered, or refused for what is wrong about it."""
    for accept in ("application/json", "text/csv", "application/x-ndjson"):
        reply = alice.get(f"/v1/users/{quote(name, safe='')}{route}?{urlencode(asked)}", {"Accept": accept})
        assert reply.status in (200, 400, 404)
