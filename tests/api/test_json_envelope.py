"""The JSON envelope and the native API.

Every action of AWS's IAM API can be called with JSON: with a JSON body, or with a form and the header
`Accept: application/json`. The action is named in the body, in the query string, or in the path as
`/%23Action=PutUserPolicy`. Names and types of parameters are those of AWS's model; a policy document may be a
text or an object. An answer is `{"success": true, "data": …}`, where a write's data has at least `id` (of the
event), `position` and `created_at` (when it was recorded, RFC 3339 in UTC); a refusal is
`{"success": false, "error": {"code": …, "message": …}}` with the HTTP status, the code in UPPER_SNAKE and the
message of AWS. What `/v1` answers has the same envelope: the records of the account under `/v1/events`, and the
policy sets of a user, now or at any instant, under `/v1/users/{name}/policies`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply, Server

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
NO_INSTANT = "is neither a time with its offset, such as 2026-11-03T14:03:00Z, nor `@` and a position."
PUT = {"UserName": "alice", "PolicyName": "inline", "PolicyDocument": ALLOW}


@pytest.fixture
def alice(account: Account) -> Account:
    """An account in which there is a user alice: one record."""
    account.json("CreateUser", UserName="alice")
    return account


def json_body(account: Account) -> Reply:
    return account.json("PutUserPolicy", **PUT)


def json_body_and_query(account: Account) -> Reply:
    return post(account, "/?Action=PutUserPolicy", json.dumps(PUT), "application/json; charset=utf-8")


def json_body_and_path(account: Account) -> Reply:
    return post(account, "/%23Action=PutUserPolicy", json.dumps(PUT), "application/json")


def form_body(account: Account) -> Reply:
    return account.form({"Action": "PutUserPolicy", "Version": "2010-05-08", **PUT}, {"Accept": "application/json"})


def form_body_without_version(account: Account) -> Reply:
    return account.form({"Action": "PutUserPolicy", **PUT}, {"Accept": "application/json"})


def form_body_and_path(account: Account) -> Reply:
    target = "/%23Action=PutUserPolicy&Version=2010-05-08"
    return post(account, target, urlencode(PUT), "application/x-www-form-urlencoded", {"Accept": "application/json"})


def query_string_alone(account: Account) -> Reply:
    return post(account, f"/?{urlencode({'Action': 'PutUserPolicy', **PUT})}", "", "application/json")


def post(
    account: Account, target: str, body: str, content_type: str, headers: Mapping[str, str] | None = None
) -> Reply:
    told = {"Authorization": account.authorization, "Content-Type": content_type, **(headers or {})}
    return account.server.send("POST", target, body.encode(), told)


@pytest.mark.parametrize(
    "put",
    [
        json_body,
        json_body_and_query,
        json_body_and_path,
        form_body,
        form_body_without_version,
        form_body_and_path,
        query_string_alone,
    ],
)
def test_a_write_answers_its_event_in_every_way_of_asking(alice: Account, put: Callable[[Account], Reply]) -> None:
    """Id, position and time are those of the record, which `/v1/events` finds by id and by position."""
    data = put(alice).data
    assert data["position"] == 2
    assert INSTANT.fullmatch(data["created_at"])
    record = alice.get(f"/v1/events/{data['id']}").data
    assert record == alice.get("/v1/events/2").data
    assert (record["id"], record["recorded_at"]) == (data["id"], data["created_at"])
    assert record["event"]["policy_document"] == ALLOW


def test_a_write_answers_the_result_of_aws_as_well(account: Account) -> None:
    """CreateUser has its User beside the event's id."""
    data = account.json("CreateUser", UserName="alice", Tags=[{"Key": "k", "Value": "ü"}]).data
    assert data.keys() >= {"id", "position", "created_at", "User"}
    assert data["User"]["Tags"] == [{"Key": "k", "Value": "ü"}]
    assert data["User"]["UserName"] == "alice"


def test_a_write_that_changed_nothing_has_an_event_too(alice: Account) -> None:
    """Attaching twice: another id, and the outcome says so."""
    first = alice.json("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN).data
    second = alice.json("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN).data
    assert (first["outcome"], second["outcome"]) == ("changed", "unchanged")
    assert first["id"] != second["id"]


def test_a_policy_document_may_be_an_object_and_keeps_its_text(alice: Account) -> None:
    """What is stored is the source text of the object, spaces and all."""
    document = (
        '{ "Version": "2012-10-17",\n  "Statement": {"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::ü"} }'
    )
    body = f'{{"Action":"PutUserPolicy","UserName":"alice","PolicyName":"inline","PolicyDocument":{document}}}'
    assert post(alice, "/", body, "application/json").data["outcome"] == "changed"
    answer = alice.json("GetUserPolicy", UserName="alice", PolicyName="inline").data
    assert answer == {"UserName": "alice", "PolicyName": "inline", "PolicyDocument": document}


def test_a_json_body_may_be_answered_in_xml(alice: Account) -> None:
    """Where the request says that it accepts that."""
    reply = alice.json("GetUser", {"Accept": "text/xml"}, UserName="alice")
    assert reply.text("GetUserResult/User/UserName") == "alice"


def test_pages_in_json_are_those_of_aws(account: Account) -> None:
    """MaxItems and Marker, IsTruncated."""
    for name in ("a", "b", "c"):
        account.json("CreateUser", UserName=name)
    first = account.json("ListUsers", MaxItems=2).data
    assert first["IsTruncated"] is True
    second = account.json("ListUsers", MaxItems=2, Marker=first["Marker"]).data
    assert [user["UserName"] for user in first["Users"] + second["Users"]] == ["a", "b", "c"]
    assert second["IsTruncated"] is False


REFUSALS: list[tuple[str, dict[str, str], str]] = [
    ("GetUser", {"UserName": "nobody"}, "NO_SUCH_ENTITY"),
    ("CreateUser", {"UserName": "alice"}, "ENTITY_ALREADY_EXISTS"),
    ("CreateUser", {"UserName": "a b"}, "VALIDATION_ERROR"),
    ("CreateUser", {}, "VALIDATION_ERROR"),
    ("PutUserPolicy", {**PUT, "PolicyDocument": "{"}, "MALFORMED_POLICY_DOCUMENT"),
    ("PutUserPolicy", {**PUT, "PolicyDocument": ALLOW.replace("*", f"s3:{'G' * 2048}", 1)}, "LIMIT_EXCEEDED"),
    ("AttachUserPolicy", {"UserName": "alice", "PolicyArn": f"{ADMIN}X"}, "NO_SUCH_ENTITY"),
    ("DetachUserPolicy", {"UserName": "alice", "PolicyArn": ADMIN}, "NO_SUCH_ENTITY"),
    ("DeletePolicy", {"PolicyArn": ADMIN}, "ACCESS_DENIED"),
    ("CreateUser", {"UserName": "b", "PermissionsBoundary": "this-is-no-arn-at-all"}, "INVALID_INPUT"),
    ("ListDelegationRequests", {}, "NOT_IMPLEMENTED"),
    ("FrobUser", {}, "INVALID_ACTION"),
]


@pytest.mark.parametrize(("action", "parameters", "code"), REFUSALS)
def test_json_refuses_what_xml_refuses(alice: Account, action: str, parameters: dict[str, str], code: str) -> None:
    """The same status and message; the code in UPPER_SNAKE."""
    as_json = alice.json(action, {}, Version="2010-05-08", **parameters)
    as_xml = alice.query(action, **parameters)
    status, xml_code, message = as_xml.refusal
    assert as_json.refusal == (status, code, message)
    assert code.replace("_", "") == xml_code.upper()


def test_json_without_an_action_is_refused(account: Account) -> None:
    """MISSING_ACTION, not a redirection; an empty action counts as none."""
    told = (400, "MISSING_ACTION", "The request must name an Action.")
    assert post(account, "/", "{}", "application/json").refusal == told
    assert post(account, "/", '{"Action":""}', "application/json").refusal == told
    assert account.get("/", {"Accept": "application/json"}).refusal == told


@pytest.mark.parametrize(
    ("parameters", "paths"),
    [
        ({"UserName": 1}, {"userName": "a string"}),
        ({"UserName": "a", "Tags": "x"}, {"tags": "a list"}),
        ({"UserName": "a", "Tags": ["x"]}, {"tags.1.member": "an object"}),
        ({"UserName": ["a"], "Path": True}, {"userName": "a string", "path": "a string"}),
    ],
)
def test_json_of_the_wrong_type_is_refused_by_name(
    account: Account, parameters: dict[str, Any], paths: dict[str, str]
) -> None:
    """VALIDATION_ERROR with every path and what belongs there."""
    status, code, message = account.json("CreateUser", **parameters).refusal
    assert (status, code) == (400, "VALIDATION_ERROR")
    for path, kind in paths.items():
        assert f"Value at '{path}' failed to satisfy constraint: Member must be {kind}" in message


def test_the_policy_sets_say_who_put_what_where_and_when(alice: Account) -> None:
    """Each policy with the record that put it there; the answer with the position it was computed at."""
    attached = alice.json("AttachUserPolicy", UserName="alice", PolicyArn=READ_ONLY).data
    alice.json("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    put = alice.json("PutUserPolicy", **PUT).data
    sets = alice.get("/v1/users/ALICE/policies").data
    actor = {"id": alice.id, "arn": f"arn:aws:iam::{alice.id}:root", "access_key_id": alice.id, "source": "api"}
    assert (sets["user_name"], sets["arn"]) == ("alice", f"arn:aws:iam::{alice.id}:user/alice")
    assert [policy["policy_name"] for policy in sets["attached"]] == ["AdministratorAccess", "ReadOnlyAccess"]
    assert sets["attached"][1] == {
        "policy_name": "ReadOnlyAccess",
        "policy_arn": READ_ONLY,
        "position": 2,
        "event_id": attached["id"],
        "since": attached["created_at"],
        "actor": actor,
        "source_ip": "127.0.0.1",
        "action": "AttachUserPolicy",
    }
    assert sets["inline"] == [
        {
            "policy_name": "inline",
            "policy_document": ALLOW,
            "position": 4,
            "event_id": put["id"],
            "since": put["created_at"],
            "actor": actor,
            "source_ip": "127.0.0.1",
            "action": "PutUserPolicy",
        }
    ]
    assert sets["basis"]["position"] == 4
    assert INSTANT.fullmatch(sets["basis"]["instant"])
    assert alice.get(f"/v1/users/{sets['user_id']}/policies").data["attached"] == sets["attached"]


def test_the_policy_sets_of_the_past_are_those_of_the_past(alice: Account) -> None:
    """By position and by time, in every spelling of a time, also for a user deleted since."""
    attached = alice.json("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN).data
    put = alice.json("PutUserPolicy", **PUT).data
    alice.json("DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    alice.json("DeleteUserPolicy", UserName="alice", PolicyName="inline")
    alice.json("DeleteUser", UserName="alice")

    def names(at: str) -> list[str]:
        data = alice.get(f"/v1/users/alice/policies?at={at}").data
        return [policy["policy_name"] for policy in (*data["attached"], *data["inline"])]

    assert [names(f"@{position}") for position in range(1, 6)] == [
        [],
        ["AdministratorAccess"],
        ["AdministratorAccess", "inline"],
        ["inline"],
        [],
    ]
    assert names(quote(attached["created_at"])) == ["AdministratorAccess"]
    assert names(put["created_at"]) == ["AdministratorAccess", "inline"]
    assert names(put["created_at"].replace("Z", "+00:00")) == ["AdministratorAccess", "inline"]
    basis = alice.get(f"/v1/users/alice/policies?at={put['created_at']}").data["basis"]
    assert basis == {"position": 3, "instant": put["created_at"]}
    gone = (404, "NO_SUCH_ENTITY", "The user with name alice cannot be found.")
    assert alice.get("/v1/users/alice/policies").refusal == gone
    assert alice.get("/v1/users/alice/policies?at=@6").refusal == gone
    assert alice.get("/v1/users/alice/policies?at=@0").refusal == gone


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("@2", "at: @2 is above the head of the ledger, @1."),
        ("@-1", f"at: @-1 {NO_INSTANT}"),
        ("yesterday", f"at: yesterday {NO_INSTANT}"),
        ("2026-11-03T14:03:00", f"at: 2026-11-03T14:03:00 {NO_INSTANT}"),
        ("9999-01-01T00:00:00Z", "at: 9999-01-01T00:00:00Z is in the future."),
        ("0001-01-01T00:00:00%2B12:00", "at: 0001-01-01T00:00:00+12:00 is outside the calendar."),
        ("", "at must be given once, with a value."),
        ("@1&at=@1", "at must be given once, with a value."),
        ("@1&when=@1", "There is no parameter when here; there are: at."),
    ],
)
def test_an_instant_that_is_none_is_refused_by_name(alice: Account, at: str, message: str) -> None:
    """Above the head, in the future, without an offset, or no instant at all."""
    assert alice.get(f"/v1/users/alice/policies?at={at}").refusal == (400, "VALIDATION_ERROR", message)


def test_events_are_found_by_what_they_are_about(alice: Account) -> None:
    """By user in any spelling or by id, by policy, action, type, outcome, request and source address."""
    user_id = alice.json("GetUser", UserName="alice").data["User"]["UserId"]
    alice.json("CreateUser", UserName="bob")
    alice.json("AttachUserPolicy", UserName="bob", PolicyArn=ADMIN)
    request_id = alice.json("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN).headers["x-amzn-RequestId"]
    alice.json("DeleteUser", UserName="bob")

    def positions(**filters: str) -> list[int]:
        return [event["position"] for event in alice.events(**filters)]

    assert positions() == [1, 2, 3, 4, 5]
    assert positions(user="ALICE") == positions(user=user_id) == [1, 4]
    assert positions(policy=ADMIN) == [3, 4]
    assert positions(action="CreateUser") == [1, 2]
    assert positions(type="UserPolicyAttached", user="bob") == [3]
    assert positions(outcome="refused") == positions(user="bob", outcome="refused") == [5]
    assert positions(request_id=request_id) == [4]
    assert positions(source_ip="127.0.0.1") == [1, 2, 3, 4, 5]
    assert positions(actor=alice.id) == [1, 2, 3, 4, 5]
    assert positions(user="nobody") == positions(source_ip="10.0.0.1") == []


def test_a_users_events_include_those_under_its_other_names(alice: Account) -> None:
    """A name means all who ever bore it, with what they did under other names."""
    alice.json("UpdateUser", UserName="alice", NewUserName="alicia")
    alice.json("TagUser", UserName="alicia", Tags=[{"Key": "k", "Value": "v"}])
    for name in ("alice", "alicia"):
        assert [event["position"] for event in alice.events(user=name)] == [1, 2, 3]


def test_events_are_found_by_time(alice: Account) -> None:
    """Both ends are inclusive, to the microsecond."""
    times = [alice.json("CreateUser", UserName=f"user{number}").data["created_at"] for number in range(3)]
    found = alice.events(**{"from": times[0], "to": times[1]})
    assert [event["recorded_at"] for event in found] == times[:2]
    assert [event["position"] for event in alice.events(**{"from": times[1], "action": "CreateUser"})] == [3, 4]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert alice.events(**{"from": tomorrow}) == []
    assert len(alice.events(to=tomorrow)) == 4


def test_a_cursor_leads_to_the_end_while_writes_arrive(alice: Account) -> None:
    """Every record once and in order, also those recorded after the first page was read."""
    for number in range(10):
        alice.json("CreateUser", UserName=f"before{number}")

    def write() -> None:
        for number in range(30):
            alice.json("CreateUser", UserName=f"meanwhile{number}")

    positions: list[int] = []
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write)
        cursor: str | None = ""
        while cursor is not None:
            page = alice.get(f"/v1/events?limit=3{f'&cursor={cursor}' if cursor else ''}").data
            assert len(page["events"]) <= 3
            positions += [event["position"] for event in page["events"]]
            cursor = page["cursor"]
        writing.result()
    assert positions == list(range(1, len(positions) + 1))
    assert len(positions) >= 11
    assert [event["position"] for event in alice.events(limit="7")] == list(range(1, 42))


def test_a_cursor_serves_a_filtered_question(alice: Account) -> None:
    """Pages of one, each with the next match."""
    for number in range(4):
        alice.json("TagUser", UserName="alice", Tags=[{"Key": "k", "Value": str(number)}])
        alice.json("CreateUser", UserName=f"other{number}")
    found = alice.events(user="alice", limit="1")
    assert [event["position"] for event in found] == [1, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("colour=red", "There is no parameter colour here; there are: "),
        ("user=", "user must be given once, with a value."),
        ("user=a&user=b", "user must be given once, with a value."),
        ("limit=0", "limit: 0 is not a number from 1 to 1000."),
        ("limit=1001", "limit: 1001 is not a number from 1 to 1000."),
        ("limit=ten", "limit: ten is not a number from 1 to 1000."),
        ("limit=%D9%A1", "limit: \u0661 is not a number from 1 to 1000."),
        ("cursor=abc", "cursor: abc is not one that this service gave."),
        ("cursor=%C3%A9", "cursor: é is not one that this service gave."),
        ("from=now", f"from: now {NO_INSTANT}"),
        ("to=2026-11-03", f"to: 2026-11-03 {NO_INSTANT}"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_by_name(account: Account, asked: str, message: str) -> None:
    """VALIDATION_ERROR that says which parameter."""
    status, code, told = account.get(f"/v1/events?{asked}").refusal
    assert (status, code) == (400, "VALIDATION_ERROR")
    assert told.startswith(message)


@pytest.mark.parametrize(
    "which",
    [
        "0",
        "2",
        "99999999999999999999",
        "@0",
        "@2",
        "@",
        "@1.5",
        "@@1",
        "x",
        "01890000-0000-7000-8000-000000000000",
        "%20",
        "%C3%A9",
    ],
)
def test_an_event_that_is_not_there_is_not_found(alice: Account, which: str) -> None:
    """By no position and no id."""
    assert alice.get(f"/v1/events/{which}").refusal[:2] == (404, "NO_SUCH_ENTITY")
    assert alice.get(f"/v1/events/{which}?x=1").refusal[:2] == (400, "VALIDATION_ERROR")


def test_the_events_of_others_are_not_shown(alice: Account, new_account: Callable[..., Account]) -> None:
    """Neither in the list nor by id."""
    event_id = alice.events()[0]["id"]
    other = new_account()
    assert other.events() == []
    assert other.get(f"/v1/events/{event_id}").status == 404
    assert alice.get(f"/v1/events/{event_id.upper()}").status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1"), ("GET", "/v1/"), ("GET", "/v1/nothing"), ("POST", "/v1"), ("POST", "/v1/users")],
)
def test_a_native_path_that_is_not_there_is_not_found(account: Account, method: str, path: str) -> None:
    """In the envelope, naming what was asked."""
    reply = account.server.send(method, path, b"" if method == "POST" else None)
    assert reply.refusal == (404, "NO_SUCH_ENTITY", f"There is nothing at {method} {path}.")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/metrics", "GET"),
        ("/openapi.json", "GET"),
        ("/v1/checkpoint", "GET"),
        ("/v1/events?limit=1", "GET"),
        ("/v1/events/stream", "GET"),
        ("/v1/events/1", "GET"),
        (f"/v1/policies/{ADMIN}/attachments", "GET"),
        (f"/v1/policies/{ADMIN}/attachments/history", "GET"),
        ("/v1/users/alice", "GET"),
        ("/v1/users/%C3%A9/policies", "GET"),
        ("/v1/users/alice/restore", "POST"),
    ],
)
def test_another_method_is_not_allowed_at_a_path_that_is_there(account: Account, path: str, allowed: str) -> None:
    """405 with those that are, in the envelope; HEAD counts, but for probes, and has no body."""
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"} - {*allowed.split(", ")}:
        reply = account.server.send(method, path, headers={"Authorization": account.authorization})
        assert (reply.status, reply.headers["Allow"]) == (405, allowed)
        assert "x-amzn-RequestId" in reply.headers
        if method == "HEAD":
            assert reply.body == b""
        else:
            asked = unquote(path.partition("?")[0])
            told = f"{asked} is not for {method}, but for {allowed}."
            assert reply.refusal == (405, "METHOD_NOT_ALLOWED", told)
    assert account.events() == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_how_the_service_is_can_be_probed_by_head(account: Account, path: str) -> None:
    """As load balancers do: with status and headers of a GET, and without a body."""
    got = account.get(path)
    head = account.server.send("HEAD", path)
    assert (head.status, head.headers["Content-Type"]) == (200, got.headers["Content-Type"])
    assert int(head.headers["Content-Length"]) > 0
    answer = account.server.send_bytes(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
    foreign = account.server.send("HEAD", path, headers={"Host": "example.com"})
    assert (foreign.status, foreign.body) == (403, b"")


def test_a_refused_write_is_on_record_with_what_was_asked(alice: Account) -> None:
    """Code, message and parameters; a refused read is not."""
    alice.json("DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    alice.json("GetUser", UserName="nobody")
    (event,) = alice.events(outcome="refused")
    assert event["attempt"] == {
        "parameters": {"user_name": "alice", "policy_arn": ADMIN},
        "code": "NoSuchEntity",
        "message": f"Policy {ADMIN} was not found.",
    }


def test_a_record_says_who_asked_from_where_and_with_what(account: Account) -> None:
    """Actor, address, user agent, request id and action."""
    reply = account.json(
        "CreateUser", {"User-Agent": "my-program/1.0 (ü)".encode().decode("latin-1")}, UserName="alice"
    )
    record = account.get("/v1/events/1").data
    told = {name: record[name] for name in ("action", "source_ip", "user_agent", "request_id", "account", "position")}
    assert told == {
        "action": "CreateUser",
        "source_ip": "127.0.0.1",
        "user_agent": "my-program/1.0 (ü)",
        "request_id": reply.headers["x-amzn-RequestId"],
        "account": account.id,
        "position": 1,
    }


def test_the_service_says_that_it_is_well_and_ready(server: Server) -> None:
    """In the envelope, without a caller."""
    assert server.send("GET", "/healthz").data == {"healthy": True}
    assert server.send("GET", "/readyz").data["ready"] is True


def test_numbers_in_the_url_count_as_such_beside_a_json_body(alice: Account) -> None:
    """What the query string says is read as a query string, whatever the body is."""
    body = json.dumps({"Action": "ListUsers"})

    assert post(alice, "/?MaxItems=5", body, "application/json").status == 200
    assert post(alice, "/?MaxItems=five", body, "application/json").status == 400
