"""`/v1/events`: every question against a plain filter over all records, and one record with all that is known of it."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from eventstore.merkle import is_included
from eventstore.notes import read

if TYPE_CHECKING:
    from tests.api.conftest import Account, Server

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ü","Resource":"*"}}'
LINES = {"Accept": "application/x-ndjson"}
FILTERS = (
    ("user", "alice"),
    ("user", "ALICIA"),
    ("user", "nobody"),
    ("policy", ADMIN),
    ("policy", READ_ONLY),
    ("actor", "{account}"),
    ("actor", "AIDA"),
    ("request_id", "{request}"),
    ("action", "CreateUser"),
    ("action", "NoSuchAction"),
    ("type", "UserPolicyAttached"),
    ("type", "Attempted"),
    ("type", "NoSuchType"),
    ("outcome", "changed"),
    ("outcome", "unchanged"),
    ("outcome", "refused"),
    ("outcome", "denied"),
    ("source_ip", "127.0.0.1"),
    ("source_ip", "192.0.2.1"),
    ("from", "@4"),
    ("from", "@0"),
    ("from", "{time}"),
    ("from", "@99999"),
    ("to", "@9"),
    ("to", "@0"),
    ("to", "{time}"),
    ("to", "9999-12-31T00:00:00Z"),
)
PAIRS = [pair for pair in combinations(FILTERS, 2) if pair[0][0] != pair[1][0]]

Record = dict[str, Any]


@pytest.fixture(scope="module")
def busy(server: Server) -> Account:
    """An account where much has happened: two who were alice, refusals, calls that changed nothing."""
    from tests.api.conftest import Account, next_number

    account = Account(server, next_number())
    for action, parameters in (
        ("CreateUser", {"UserName": "alice"}),
        ("CreateUser", {"UserName": "bob", "PermissionsBoundary": ADMIN}),
        ("AttachUserPolicy", {"UserName": "alice", "PolicyArn": ADMIN}),
        ("AttachUserPolicy", {"UserName": "Alice", "PolicyArn": ADMIN}),
        ("PutUserPolicy", {"UserName": "alice", "PolicyName": "u", "PolicyDocument": ALLOW}),
        ("UpdateUser", {"UserName": "alice", "NewUserName": "alicia"}),
        ("CreateUser", {"UserName": "alice"}),
        ("AttachUserPolicy", {"UserName": "alice", "PolicyArn": READ_ONLY}),
        ("DetachUserPolicy", {"UserName": "alice", "PolicyArn": ADMIN}),
        ("AttachUserPolicy", {"UserName": "nobody", "PolicyArn": READ_ONLY}),
        ("PutUserPermissionsBoundary", {"UserName": "bob", "PermissionsBoundary": READ_ONLY}),
        ("DetachUserPolicy", {"UserName": "alicia", "PolicyArn": ADMIN}),
        ("DeleteUser", {"UserName": "alicia"}),
        ("TagUser", {"UserName": "bob", "Tags": [{"Key": "k", "Value": "ü"}]}),
    ):
        account.json(action, **parameters)
    return account


def all_lines(account: Account, **asked: str) -> list[bytes]:
    """The records that a table of JSON lines has, as bytes."""
    reply = account.get(f"/v1/events?{urlencode(asked)}", LINES)
    assert reply.status == 200, reply
    return reply.body.splitlines()


def meets(record: Record, name: str, value: str, everything: list[Record]) -> bool:
    """Whether a record is what the filter asks for, read from the records alone."""
    event, attempt = record.get("event", {}), record.get("attempt", {})
    told = {**attempt.get("parameters", {}), **event}
    if name == "user":
        events = [other.get("event", {}) for other in everything]
        bearers = {e["user_id"] for e in events if e.get("user_name", "").lower() == value.lower()}
        bearers |= {e["user_id"] for e in events if e.get("previous_user_name", "").lower() == value.lower()}
        return told["user_id"] in bearers if event else told["user_name"].lower() == value.lower()
    if name == "policy":
        arns = ("policy_arn", "permissions_boundary", "previous_permissions_boundary")
        return value in (told.get(arn) for arn in arns)
    if name == "actor":
        return bool(record["actor"]["id"] == value)
    if name == "type":
        return value == (event["type"] if event else attempt.get("type", "Attempted"))
    if name in ("from", "to"):
        at, bound = (record["position"], int(value[1:])) if value[0] == "@" else (record["recorded_at"], value)
        return bool(at >= bound if name == "from" else at <= bound)
    return bool(record.get(name) == value)


@pytest.fixture
def fill(busy: Account) -> Callable[[str], str]:
    """What a placeholder of a filter stands for."""
    record = busy.get("/v1/events/8").data
    known = {"{account}": busy.id, "{request}": record["request_id"], "{time}": record["recorded_at"]}
    return lambda value: known.get(value, value)


@pytest.mark.parametrize("name", sorted({name for name, _ in FILTERS}))
def test_any_two_filters_find_what_a_plain_filter_finds(busy: Account, fill: Callable[[str], str], name: str) -> None:
    """In either order, in pages and as a table."""
    everything = [json.loads(line) for line in all_lines(busy)]
    assert len(everything) == 14
    for pair in (pair for pair in PAIRS if pair[0][0] == name):
        asked = {name: fill(value) for name, value in pair}
        expected = [
            record
            for record in everything
            if all(meets(record, name, value, everything) for name, value in asked.items())
        ]

        assert busy.events(**asked, limit="2") == expected, asked
        assert busy.events(**asked, limit="3", order="desc") == expected[::-1], asked
        assert [json.loads(line) for line in all_lines(busy, **asked, order="desc")] == expected[::-1], asked


def test_a_filter_alone_finds_what_a_plain_filter_finds(busy: Account, fill: Callable[[str], str]) -> None:
    """Each of them, so that the pairs above do not all come out empty."""
    everything = [json.loads(line) for line in all_lines(busy)]
    found = {}
    for name, value in FILTERS:
        found[name, value] = busy.events(**{name: fill(value)})
        assert found[name, value] == [r for r in everything if meets(r, name, fill(value), everything)]
    assert {key for key, records in found.items() if not records} == {
        ("actor", "AIDA"),
        ("action", "NoSuchAction"),
        ("type", "NoSuchType"),
        ("outcome", "denied"),
        ("source_ip", "192.0.2.1"),
        ("from", "@99999"),
        ("to", "@0"),
    }


def test_attempts_are_found_by_type(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    """Those on record one by one, and those that were only counted."""
    from tests.api.conftest import Account

    account = Account(start_server(tmp_path / "data"), "123123123123")
    account.json("CreateUser", UserName="alice")
    for _ in range(4):
        account.json("DeleteUser", UserName="bob")
    account.server.stop()
    account = Account(start_server(tmp_path / "data"), account.id)

    assert [record["position"] for record in account.events(type="Attempted")] == [2]
    [counted] = account.events(type="AttemptsRepeated", user="bob", action="DeleteUser", outcome="refused")
    assert counted["attempt"]["repeated"] == 3


def test_an_answer_says_what_it_was_computed_at(account: Account) -> None:
    """The head of the ledger, and a time at or after its last record; an empty account is at 0."""
    assert account.get("/v1/events").data["basis"]["position"] == 0
    written = account.json("CreateUser", UserName="alice").data
    basis = account.get("/v1/events?order=desc").data["basis"]

    assert basis["position"] == 1
    assert basis["instant"] >= written["created_at"]
    table = account.get("/v1/events", LINES)
    assert table.headers["x-iam-ledger-position"] == "1"


@pytest.mark.parametrize(("order", "expected"), [("asc", [1, 2, 3, 4, 5, 6]), ("desc", [4, 3, 2, 1])])
def test_pages_go_on_while_events_arrive(account: Account, order: str, expected: list[int]) -> None:
    """From the oldest on, the new ones come at the end; from the newest on, nothing moves."""
    for number in range(4):
        account.json("CreateUser", UserName=f"user-{number}")
    seen: list[int] = []
    bases: list[int] = []
    cursor = None
    for number in range(20):
        page = account.get(f"/v1/events?limit=2&order={order}{f'&cursor={quote(cursor)}' if cursor else ''}").data
        seen += [record["position"] for record in page["events"]]
        bases.append(page["basis"]["position"])
        cursor = page["cursor"]
        if cursor is None:
            break
        if number == 0:
            account.json("CreateUser", UserName="new-1")
            account.json("CreateUser", UserName="new-2")

    assert seen == expected
    assert bases == [4] + [6] * (len(bases) - 1)


QUESTIONS = (
    {},
    {"order": "desc"},
    {"user": "alice"},
    {"policy": ADMIN},
    {"actor": "alice"},
    {"request_id": "alice"},
    {"action": "CreateUser"},
    {"type": "UserCreated"},
    {"outcome": "changed"},
    {"source_ip": "127.0.0.1"},
    {"from": "@1"},
    {"from": "2020-01-01T00:00:00Z"},
    {"to": "@5"},
    {"to": "@6"},
)


def test_a_cursor_serves_its_own_question_alone(busy: Account, account: Account) -> None:
    """Another filter, another value, another order or another account is refused by name."""
    cursors = [busy.get(f"/v1/events?limit=1&{urlencode(asked)}").data["cursor"] for asked in QUESTIONS]
    for asked, cursor in zip(QUESTIONS, cursors, strict=True):
        for other in cursors:
            if other is None:
                continue
            reply = busy.get(f"/v1/events?{urlencode({**asked, 'cursor': other})}")
            assert (reply.status == 200) == (other == cursor), (asked, other)
            if other != cursor:
                assert reply.refusal[1] == "VALIDATION_ERROR"
                assert reply.refusal[2].startswith("cursor: ")
    assert sum(cursor is not None for cursor in cursors) > 8
    assert busy.get(f"/v1/events?{urlencode({'limit': '3', 'order': 'asc', 'cursor': cursors[0]})}").status == 200
    assert account.get(f"/v1/events?{urlencode({'cursor': cursors[0]})}").refusal[:2] == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("place", [-1, 0, 2**63, 10**40, 1.5, "1", None, [], {}, [1, "", ""]])
def test_a_cursor_that_somebody_made_is_answered(busy: Account, order: str, place: object) -> None:
    """With a page or with a refusal."""
    cursor = busy.get(f"/v1/events?limit=1&order={order}").data["cursor"]
    digest, _ = json.loads(urlsafe_b64decode(cursor))
    made = urlsafe_b64encode(json.dumps([digest, place]).encode()).decode()

    reply = busy.get(f"/v1/events?order={order}&{urlencode({'cursor': made})}")

    if isinstance(place, int):
        assert len(reply.data["events"]) == (14 if (place < 1) == (order == "asc") else 0)
    else:
        assert reply.refusal == (400, "VALIDATION_ERROR", f"cursor: {made} is not one that this service gave.")


NO_INSTANT = "is neither a time with its offset, such as 2026-11-03T14:03:00Z, nor `@` and a position."


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("order=up", "order: up is not asc or desc."),
        ("order=ASC", "order: ASC is not asc or desc."),
        ("order=", "order must be given once, with a value."),
        ("order=asc&order=desc", "order must be given once, with a value."),
        ("outcome=maybe", "outcome: maybe is not changed or unchanged or refused or denied."),
        ("from=@", f"from: @ {NO_INSTANT}"),
        ("from=@-1", f"from: @-1 {NO_INSTANT}"),
        ("to=@1234567890123456789", f"to: @1234567890123456789 {NO_INSTANT}"),
        ("to=5", f"to: 5 {NO_INSTANT}"),
        ("from=2026-11-03T14:03:00", f"from: 2026-11-03T14:03:00 {NO_INSTANT}"),
        ("to=0001-01-01T00:00:00%2B14:00", "to: 0001-01-01T00:00:00+14:00 is outside the calendar."),
        ("limit=0", "limit: 0 is not a number from 1 to 1000."),
        ("since=@1", "There is no parameter since here; there are: "),
    ],
)
def test_a_bad_parameter_is_refused_by_name(busy: Account, asked: str, message: str) -> None:
    """In JSON and before any line of a table."""
    for headers in ({}, LINES):
        status, code, told = busy.get(f"/v1/events?{asked}", headers).refusal
        if "limit" in asked and headers:
            message = "limit: 0 is not a number from 1 to 999999999."
        assert (status, code) == (400, "VALIDATION_ERROR")
        assert told.startswith(message)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("proof=0", "proof: 0 is not 1."),
        ("proof=true", "proof: true is not 1."),
        ("proof=", "proof must be given once, with a value."),
        ("at=@1", "There is no parameter at here; there are: proof."),
    ],
)
def test_a_bad_parameter_of_one_event_is_refused_by_name(busy: Account, asked: str, message: str) -> None:
    """Whatever the event."""
    assert busy.get(f"/v1/events/1?{asked}").refusal == (400, "VALIDATION_ERROR", message)


def test_an_event_begins_with_the_record_as_it_is_stored(busy: Account) -> None:
    """So the hash can be recomputed from the answer, and is what the next record holds."""
    bodies = [busy.get(f"/v1/events/{position}").body for position in range(1, 15)]
    for line, body in zip(all_lines(busy), bodies, strict=True):
        assert body.startswith(b'{"success":true,"data":' + line[:-1] + b',"hash":"')
        assert json.loads(body)["data"]["hash"] == sha256(b"\0" + line).hexdigest()
    for body, following in pairwise(bodies):
        assert json.loads(following)["data"]["previous"] == json.loads(body)["data"]["hash"]


def test_an_event_shows_what_it_changed(busy: Account) -> None:
    """As it was right before and right after; what changed nothing shows neither."""

    def change(position: int) -> tuple[Any, Any]:
        data = busy.get(f"/v1/events/{position}").data
        return data["before"], data["after"]

    admin = {"attached": [{"policy_name": "AdministratorAccess", "policy_arn": ADMIN}]}
    assert change(1)[0] == {}
    assert change(1)[1]["user"]["user_name"] == "alice"
    assert change(2)[1]["permissions_boundary"] == ADMIN
    assert change(3) == ({}, admin)
    assert change(5) == ({}, {"inline": [{"policy_name": "u", "policy_document": ALLOW}]})
    before, after = change(6)
    assert (before["user"]["user_name"], after["user"]["user_name"]) == ("alice", "alicia")
    assert change(11) == ({"permissions_boundary": ADMIN}, {"permissions_boundary": READ_ONLY})
    assert change(12) == (admin, {})
    assert change(14) == ({}, {"tags": [{"key": "k", "value": "ü"}]})
    for position in (4, 9, 10, 13):
        assert busy.get(f"/v1/events/{position}").data.keys().isdisjoint({"before", "after", "proof", "event"})


@pytest.mark.parametrize("position", [1, 4, 14])
def test_a_proof_leads_from_the_record_to_the_checkpoint(busy: Account, position: int) -> None:
    """The text in it is exactly what is hashed."""
    data = busy.get(f"/v1/events/{position}?proof=1").data
    proof = data["proof"]
    head = read(proof["checkpoint"])
    leaf = b64decode(proof["leaf_hash"])

    assert proof["record"].encode() == all_lines(busy)[position - 1]
    assert sha256(b"\0" + proof["record"].encode()).digest() == leaf == bytes.fromhex(data["hash"])
    assert (proof["leaf_index"], proof["tree_size"], head.account) == (position - 1, head.size, busy.id)
    path = [b64decode(node) for node in proof["path"]]
    assert is_included(leaf, position - 1, head.size, path, head.root)


def test_an_event_is_the_same_by_id_and_by_position(busy: Account) -> None:
    """With all that is told of it. A position may be written as an instant has it."""
    by_position = busy.get("/v1/events/11").data
    for which in (by_position["id"], "@11", "%4011", "@0011"):
        assert busy.get(f"/v1/events/{which}").data == by_position
    assert busy.get(f"/v1/events/@{by_position['id']}").status == 404


def test_what_has_an_id_of_its_own_is_found_by_it(account: Account) -> None:
    """A key, a device and a provider: what made them, what changed them, what ended them, and what was refused."""
    account.json("CreateUser", UserName="alice")
    key = account.json("CreateAccessKey", UserName="alice").data["AccessKey"]["AccessKeyId"]
    device = account.json("CreateVirtualMFADevice", VirtualMFADeviceName="phone").data["VirtualMFADevice"]
    provider = account.json("CreateOpenIDConnectProvider", Url="https://example.com").data["OpenIDConnectProviderArn"]
    account.json("UpdateAccessKey", UserName="alice", AccessKeyId=key, Status="Inactive")
    account.json("DeleteAccessKey", UserName="alice", AccessKeyId=key)
    account.json("DeleteVirtualMFADevice", SerialNumber=device["SerialNumber"])
    account.json("DeleteVirtualMFADevice", SerialNumber=device["SerialNumber"])

    def found(resource: str) -> list[str]:
        events = account.get(f"/v1/events?{urlencode({'resource': resource})}").data["events"]
        return [f"{event['action']} {event['outcome']}" for event in events]

    assert found(key) == ["CreateAccessKey changed", "UpdateAccessKey changed", "DeleteAccessKey changed"]
    assert found(device["SerialNumber"]) == [
        "CreateVirtualMFADevice changed",
        "DeleteVirtualMFADevice changed",
        "DeleteVirtualMFADevice refused",
    ]
    assert found(provider) == ["CreateOpenIDConnectProvider changed"]
    assert found("AKIAUNKNOWN") == []
