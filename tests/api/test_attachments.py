"""Who carried a managed policy: at an instant, and ever. Held against a fold of the account's own records."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from api.attachments import COLUMNS, HISTORY_COLUMNS

if TYPE_CHECKING:
    from tests.api.conftest import Account, Server

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
JOB = "arn:aws:iam::aws:policy/job-function/Billing"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
PLAIN = ("user_id", "user_name", "kind", "id", "name")
LINES = {"Accept": "application/x-ndjson"}
CSV = {"Accept": "text/csv"}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def busy(server: Server) -> Account:
    """An account where policies came and went, by users that were renamed and deleted."""
    from tests.api.conftest import Account, next_number

    account = Account(server, next_number())
    for action, parameters in (
        ("CreateUser", {"UserName": "alice", "Path": "/eng/"}),
        ("CreateUser", {"UserName": "bob", "PermissionsBoundary": ADMIN}),
        ("AttachUserPolicy", {"UserName": "alice", "PolicyArn": ADMIN}),
        ("AttachUserPolicy", {"UserName": "alice", "PolicyArn": ADMIN}),
        ("AttachUserPolicy", {"UserName": "bob", "PolicyArn": ADMIN}),
        ("UpdateUser", {"UserName": "alice", "NewUserName": "alicia", "NewPath": "/ops/"}),
        ("DetachUserPolicy", {"UserName": "alicia", "PolicyArn": ADMIN}),
        ("CreateUser", {"UserName": "alice"}),
        ("AttachUserPolicy", {"UserName": "alice", "PolicyArn": ADMIN}),
        ("AttachUserPolicy", {"UserName": "alicia", "PolicyArn": ADMIN}),
        ("PutUserPermissionsBoundary", {"UserName": "bob", "PermissionsBoundary": READ_ONLY}),
        ("PutUserPermissionsBoundary", {"UserName": "bob", "PermissionsBoundary": ADMIN}),
        ("CreatePolicy", {"PolicyName": "reader", "Path": "/a/b/", "PolicyDocument": ALLOW}),
        ("AttachUserPolicy", {"UserName": "bob", "PolicyArn": own(account)}),
        ("DetachUserPolicy", {"UserName": "bob", "PolicyArn": own(account)}),
        ("DeletePolicy", {"PolicyArn": own(account)}),
        ("CreatePolicy", {"PolicyName": "reader", "Path": "/a/b/", "PolicyDocument": ALLOW}),
        ("AttachUserPolicy", {"UserName": "alice", "PolicyArn": own(account)}),
        ("AttachUserPolicy", {"UserName": "bob", "PolicyArn": JOB}),
        ("DetachUserPolicy", {"UserName": "bob", "PolicyArn": ADMIN}),
        ("DeleteUserPermissionsBoundary", {"UserName": "bob"}),
        ("DetachUserPolicy", {"UserName": "bob", "PolicyArn": JOB}),
        ("UpdateUser", {"UserName": "bob", "NewUserName": "bobby"}),
        ("DeleteUser", {"UserName": "bobby"}),
        ("DetachUserPolicy", {"UserName": "nobody", "PolicyArn": ADMIN}),
    ):
        account.json(action, **parameters)
    return account


def own(account: Account) -> str:
    """The ARN of the account's own policy."""
    return f"arn:aws:iam::{account.id}:policy/a/b/reader"


def arns(account: Account) -> tuple[str, ...]:
    """The policies that were carried."""
    return ADMIN, READ_ONLY, JOB, own(account)


def path(arn: str, history: bool = False, **asked: str) -> str:
    """Where to ask about a policy. Its slashes and colons travel raw."""
    return f"/v1/policies/{arn}/attachments{'/history' if history else ''}?{urlencode(asked)}"


def end(record: Row) -> Row:
    """What an answer tells of a record that began or ended something."""
    told = {name: record[name] for name in ("position", "source_ip", "action")}
    return {**told, "event_id": record["id"], "at": record["recorded_at"], "actor": record["actor"]}


def folded(account: Account, arn: str) -> list[Row]:
    """All periods in which the policy was carried, read from the records alone."""
    records = account.events()
    names: dict[str, dict[int, str]] = {}
    held: dict[tuple[str, str], Row] = {}
    periods: list[Row] = []
    boundary_of: dict[str, str | None] = {}
    for record in records:
        event = record.get("event", {})
        user, kind = event.get("user_id"), event.get("type")
        if "user_name" in event:
            names.setdefault(user, {})[record["position"]] = event["user_name"]
        if kind in ("UserCreated", "UserPermissionsBoundaryPut"):
            boundary_of[user] = event.get("permissions_boundary")
        elif kind in ("UserPermissionsBoundaryDeleted", "UserDeleted"):
            boundary_of[user] = None
        now = {("boundary", holder) for holder, boundary in boundary_of.items() if boundary == arn}
        now |= {key for key in held if key[0] == "attached"}
        if event.get("policy_arn") == arn and kind == "UserPolicyAttached":
            now.add(("attached", user))
        if event.get("policy_arn") == arn and kind == "UserPolicyDetached":
            now.remove(("attached", user))
        for key in now - held.keys():
            held[key] = {"via": key[0], "kind": "user", "id": key[1], "user_id": key[1]}
            held[key] |= {"from": end(record), "to": None}
            periods.append(held[key])
        for key in held.keys() - now:
            held.pop(key)["to"] = end(record)
    for period in periods:
        called = names[period["user_id"]]
        then = max(position for position in called if position <= period["from"]["position"])
        period.update(user_name=called[then], latest_user_name=called[max(called)])
        period.update(name=period["user_name"], latest_name=period["latest_user_name"])
    return periods


def pages(account: Account, arn: str, history: bool, **asked: str) -> list[Row]:
    """The rows of all pages."""
    found: list[Row] = []
    cursor: dict[str, str] = {}
    while True:
        data = account.get(path(arn, history, **asked, **cursor)).data
        assert data["policy_arn"] == arn
        assert len(data["attachments"]) <= int(asked.get("limit", 100))
        found += data["attachments"]
        if data["cursor"] is None:
            return found
        cursor = {"cursor": data["cursor"]}


@pytest.mark.parametrize("limit", ["1", "2", "100"])
def test_history_has_every_period_of_everyone(busy: Account, limit: str) -> None:
    """From which record to which, oldest first or newest first, in pages of any size."""
    for arn in arns(busy):
        expected = folded(busy, arn)
        assert expected
        assert pages(busy, arn, True, limit=limit) == expected
        assert pages(busy, arn, True, limit=limit, order="desc") == expected[::-1]


def test_history_tells_who_by_whom_and_from_when_to_when(busy: Account) -> None:
    """Names are those of the beginning and of now, or the last one; what holds has no end."""
    told = [
        (
            row["via"],
            row["user_name"],
            row["latest_user_name"],
            row["from"]["position"],
            row["to"] and row["to"]["position"],
        )
        for row in pages(busy, ADMIN, True)
    ]
    assert told == [
        ("boundary", "bob", "bobby", 2, 11),
        ("attached", "alice", "alicia", 3, 7),
        ("attached", "bob", "bobby", 5, 20),
        ("attached", "alice", "alice", 9, None),
        ("attached", "alicia", "alicia", 10, None),
        ("boundary", "bob", "bobby", 12, 21),
    ]
    actor = {"id": busy.id, "arn": f"arn:aws:iam::{busy.id}:root", "access_key_id": busy.id, "source": "api"}
    first = pages(busy, ADMIN, True, limit="1")[0]
    begun = first["from"]
    assert (begun["actor"], begun["source_ip"], begun["action"]) == (actor, "127.0.0.1", "CreateUser")


def test_attachments_at_any_instant_are_the_periods_that_hold_then(busy: Account) -> None:
    """By position and by time, in pages of any size; users are called as they were called then."""
    for record in busy.events():
        position = record["position"]
        for arn in arns(busy)[:3]:
            expected = [
                {
                    **{name: row[name] for name in ("via", "kind", "id", "user_id")},
                    "position": row["from"]["position"],
                    "event_id": row["from"]["event_id"],
                    "since": row["from"]["at"],
                    "actor": row["from"]["actor"],
                    "source_ip": row["from"]["source_ip"],
                    "action": row["from"]["action"],
                }
                for row in folded(busy, arn)
                if row["from"]["position"] <= position and (row["to"] is None or row["to"]["position"] > position)
            ]
            for at in (f"@{position}", record["recorded_at"]):
                rows = pages(busy, arn, False, at=at, limit="1")
                assert all(row.pop("name") == row["user_name"] for row in rows)
                user = {row["user_id"]: (row.pop("user_name"), row.pop("path")) for row in rows}
                assert rows == expected
                for user_id, (name, user_path) in user.items():
                    profile = busy.get(f"/v1/users/{user_id}?at={quote(at)}").data
                    assert (profile["user_name"], profile["path"]) == (name, user_path)


def test_a_user_is_called_as_it_was_called_then(busy: Account) -> None:
    """Name and path."""

    def called(at: str) -> list[tuple[str, str, str]]:
        return [(row["via"], row["user_name"], row["path"]) for row in pages(busy, ADMIN, False, at=at)]

    assert called("@5") == [("boundary", "bob", "/"), ("attached", "alice", "/eng/"), ("attached", "bob", "/")]
    assert called("@6")[1] == ("attached", "alicia", "/ops/")


def test_the_slashes_of_an_arn_may_be_encoded(busy: Account) -> None:
    """Raw, encoded as a part of a path, and with all that can be encoded."""
    for history in (False, True):
        raw = busy.get(path(own(busy), history)).data
        assert raw["attachments"][-1]["user_name"] == "alice"
        for encoded in (quote(own(busy), safe=""), quote(own(busy), safe="/")):
            assert busy.get(path(encoded, history)).data["attachments"] == raw["attachments"]


def test_a_policy_has_attachments_only_while_it_exists(busy: Account) -> None:
    """Before and between it is not found; its history stays, also of the policy that had its ARN before."""
    for at, status in (("@0", 404), ("@12", 404), ("@13", 200), ("@15", 200), ("@16", 404), ("@17", 200)):
        assert busy.get(path(own(busy), at=at)).status == status
    gone = busy.get(path(own(busy), at="@16")).refusal
    assert gone == (404, "NO_SUCH_ENTITY", f"Policy {own(busy)} was not found.")
    assert [row["user_name"] for row in pages(busy, own(busy), True)] == ["bob", "alice"]


def test_a_policy_that_never_was_has_no_history(account: Account) -> None:
    """Also in an account that never was, where AWS's policies are carried by nobody."""
    for arn in (own(account), f"{ADMIN}s", "arn:aws:s3:::bucket"):
        assert account.get(path(arn)).refusal == (404, "NO_SUCH_ENTITY", f"Policy {arn} was not found.")
        assert account.get(path(arn, True)).data["attachments"] == []
    data = account.get(path(ADMIN)).data
    assert (data["attachments"], data["cursor"], data["basis"]["position"]) == ([], None, 0)


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize(
    "arn", ["x", "policy/AdministratorAccess", "arn:aws:iam::aws", "arn:aws:iam::aws:", "%FF", "%20"]
)
def test_what_is_no_arn_is_refused_as_aws_does(account: Account, arn: str, history: bool) -> None:
    """InvalidInput."""
    status, code, message = account.get(path(arn, history)).refusal
    assert (status, code) == (400, "INVALID_INPUT")
    assert message.startswith("ARN ")
    assert message.endswith(" is not valid.")


@pytest.mark.parametrize(
    ("history", "asked", "message"),
    [
        (False, "at=now", "at: now is neither a time with its offset"),
        (False, "at=@99", "at: @99 is above the head of the ledger, @"),
        (False, "at=2999-01-01T00:00:00Z", "at: 2999-01-01T00:00:00Z is in the future."),
        (False, "order=desc", "There is no parameter order here; there are: at, limit, cursor."),
        (False, "limit=0", "limit: 0 is not a number from 1 to 1000."),
        (False, "cursor=x", "cursor: x is not one that this service gave."),
        (True, "at=@1", "There is no parameter at here; there are: order, limit, cursor."),
        (True, "order=up", "order: up is not asc or desc."),
        (True, "limit=1001", "limit: 1001 is not a number from 1 to 1000."),
        (True, "limit=1&limit=1", "limit must be given once, with a value."),
        (True, "cursor=x", "cursor: x is not one that this service gave."),
    ],
)
def test_a_bad_parameter_is_refused_by_name(busy: Account, history: bool, asked: str, message: str) -> None:
    """VALIDATION_ERROR."""
    status, code, told = busy.get(path(ADMIN, history) + asked).refusal
    assert (status, code) == (400, "VALIDATION_ERROR")
    assert told.startswith(message)


def test_a_cursor_serves_its_own_question_alone(busy: Account) -> None:
    """Another policy, another instant, another order or the other list refuses it."""
    questions: list[tuple[str, bool, dict[str, str]]] = [
        (ADMIN, False, {}),
        (ADMIN, False, {"at": "@5"}),
        (ADMIN, True, {}),
        (ADMIN, True, {"order": "desc"}),
        (own(busy), True, {}),
    ]
    cursors = [busy.get(path(arn, history, **asked, limit="1")).data["cursor"] for arn, history, asked in questions]
    assert None not in cursors
    for number, (arn, history, asked) in enumerate(questions):
        for other, cursor in enumerate(cursors):
            reply = busy.get(path(arn, history, **asked, cursor=cursor))
            assert (reply.status == 200) == (number == other)
            if number != other:
                assert reply.refusal[:2] == (400, "VALIDATION_ERROR")


def test_all_pages_of_attachments_are_of_one_instant(account: Account) -> None:
    """Who comes or goes while somebody pages is not half in it."""
    for name in ("a", "b", "c", "d"):
        account.json("CreateUser", UserName=name)
        account.json("AttachUserPolicy", UserName=name, PolicyArn=ADMIN)
    first = account.get(path(ADMIN, limit="2")).data
    account.json("DetachUserPolicy", UserName="c", PolicyArn=ADMIN)
    account.json("CreateUser", UserName="e")
    account.json("AttachUserPolicy", UserName="e", PolicyArn=ADMIN)
    second = account.get(path(ADMIN, cursor=first["cursor"])).data

    assert [row["user_name"] for row in first["attachments"] + second["attachments"]] == ["a", "b", "c", "d"]
    assert first["basis"]["position"] == second["basis"]["position"] == 8
    assert second["cursor"] is None


@pytest.mark.parametrize(("order", "names"), [("asc", "abcde"), ("desc", "dcba")])
def test_pages_of_history_go_on_while_events_arrive(account: Account, order: str, names: str) -> None:
    """Each period comes once; the end of one is told as of the page that it is on."""
    for name in ("a", "b", "c", "d"):
        account.json("CreateUser", UserName=name)
        account.json("AttachUserPolicy", UserName=name, PolicyArn=ADMIN)
    first = account.get(path(ADMIN, True, limit="1", order=order)).data
    account.json("DetachUserPolicy", UserName="b", PolicyArn=ADMIN)
    account.json("CreateUser", UserName="e")
    account.json("AttachUserPolicy", UserName="e", PolicyArn=ADMIN)
    second = account.get(path(ADMIN, True, order=order, cursor=first["cursor"])).data

    rows = first["attachments"] + second["attachments"]
    assert "".join(row["user_name"] for row in rows) == names
    assert [row["user_name"] for row in rows if row["to"] is not None] == ["b"]
    assert (first["basis"]["position"], second["basis"]["position"]) == (8, 11)


def cells(row: Row, prefix: str = "") -> Row:
    """A record as the columns of a table have it."""
    by = row["actor"]
    told = {name: row[name] for name in ("position", "event_id", "action")}
    actor = {"actor_id": by["id"], "actor_arn": by["arn"], **{name: by[name] for name in ("access_key_id", "source")}}
    return {f"{prefix}{name}": str(value) for name, value in {**told, **actor}.items()}


def table_of(reply: Any, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of CSV, by column."""
    assert reply.status == 200, reply
    header, *rows = csv.reader(io.StringIO(reply.body.decode(), newline=""), strict=True)
    assert tuple(header) == columns
    return [dict(zip(columns, row, strict=True)) for row in rows]


def test_attachments_are_told_as_tables_too(busy: Account) -> None:
    """The same rows as in JSON; the basis is in the headers."""
    rows = busy.get(path(ADMIN, at="@12")).data["attachments"]
    reply = busy.get(path(ADMIN, at="@12"), LINES)
    assert [json.loads(line) for line in reply.body.splitlines()] == rows
    assert reply.headers["x-iam-ledger-position"] == "12"
    table = table_of(busy.get(path(ADMIN, at="@12", limit="3"), CSV), COLUMNS)
    assert len(table) == 3 < len(rows)
    for row, line in zip(rows, table, strict=False):
        plain = {name: row[name] for name in ("via", *PLAIN, "path", "since")}
        assert line == {**plain, **cells(row), "source_ip": row["source_ip"]}


def test_history_is_told_as_tables_too(busy: Account) -> None:
    """The same rows as in JSON; what holds has empty cells for its end."""
    rows = pages(busy, ADMIN, True, order="desc")
    lines = busy.get(path(ADMIN, True, order="desc"), LINES).body.splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = table_of(busy.get(path(ADMIN, True, order="desc"), CSV), HISTORY_COLUMNS)
    assert len(table) == len(rows)
    for row, line in zip(rows, table, strict=True):
        expected = {name: row[name] for name in ("via", *PLAIN, "latest_user_name", "latest_name")}
        for name in ("from", "to"):
            told = row[name]
            if told is None:
                expected |= {column: "" for column in HISTORY_COLUMNS if column.startswith(f"{name}_")}
            else:
                expected |= {
                    **cells(told, f"{name}_"),
                    f"{name}_at": told["at"],
                    f"{name}_source_ip": told["source_ip"],
                }
        assert line == expected


def test_a_table_of_history_goes_through_all_pages(busy: Account, account: Account) -> None:
    """A limit caps it, and it is as long as the history is."""
    assert len(busy.get(path(ADMIN, True, limit="4"), LINES).body.splitlines()) == 4
    cursor = busy.get(path(ADMIN, True, limit="2")).data["cursor"]
    assert len(busy.get(path(ADMIN, True, cursor=cursor), LINES).body.splitlines()) == 4
    assert busy.get(path("x", True), CSV).refusal[:2] == (400, "INVALID_INPUT")
    assert table_of(account.get(path(ADMIN, True), CSV), HISTORY_COLUMNS) == []


def test_groups_and_roles_carry_policies_too(account: Account) -> None:
    """Each under its kind, id and name, also in the history and in tables, where it is nobody's user."""
    trust = ALLOW.replace('"Resource":"*"', '"Principal":{"AWS":"*"}').replace(
        '"Action":"*"', '"Action":"sts:AssumeRole"'
    )
    group = account.json("CreateGroup", GroupName="devs", Path="/eng/").data["Group"]["GroupId"]
    made = account.json("CreateRole", RoleName="ci", AssumeRolePolicyDocument=trust, PermissionsBoundary=ADMIN).data
    role = made["Role"]["RoleId"]
    account.json("AttachGroupPolicy", GroupName="devs", PolicyArn=ADMIN)
    account.json("AttachRolePolicy", RoleName="ci", PolicyArn=ADMIN)
    account.json("UpdateGroup", GroupName="devs", NewGroupName="staff")
    account.json("DetachRolePolicy", RoleName="ci", PolicyArn=ADMIN)

    then = pages(account, ADMIN, False, at="@4", limit="1")
    assert [(row["via"], row["kind"], row["id"], row["name"], row["path"], row["position"]) for row in then] == [
        ("boundary", "role", role, "ci", "/", 2),
        ("attached", "group", group, "devs", "/eng/", 3),
        ("attached", "role", role, "ci", "/", 4),
    ]
    ever = pages(account, ADMIN, True)
    assert [(row["kind"], row["name"], row["latest_name"], row["to"] and row["to"]["position"]) for row in ever] == [
        ("role", "ci", "ci", None),
        ("group", "devs", "staff", None),
        ("role", "ci", "ci", 6),
    ]
    assert not any("user_id" in row for row in then + ever)
    for history, columns in ((False, COLUMNS), (True, HISTORY_COLUMNS)):
        table = table_of(account.get(path(ADMIN, history), CSV), columns)
        assert [row["id"] for row in table][:2] == [role, group]
        assert {(row["user_id"], row["user_name"]) for row in table} == {("", "")}
