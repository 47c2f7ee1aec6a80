"""Files that give nothing back any more, or not what was written: callers are told what, and the log says why."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply, Server

WHY = "The ledger cannot be read: the service's log says why. The call may be repeated."
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"

damages = pytest.mark.parametrize(
    "damage",
    [
        "x'00'",
        "x'ff' || record",
        "substr(record, 1, 40)",
        "replace(CAST(record AS TEXT), 'Attached', 'Attache\"')",
        "x''",
    ],
    ids=["zero", "no text", "cut", "no JSON", "empty"],
)


def damaged(account: Account, position: int, damage: str) -> str:
    """Write over a record of the account as no program of ours does. Returns what a caller is to be told of it."""
    with closing(sqlite3.connect(account.server.folder / "ledger.db")) as connection:
        connection.execute("DROP TRIGGER IF EXISTS records_are_never_changed")
        connection.execute(
            f"UPDATE records SET record = CAST({damage} AS BLOB) WHERE account = ? AND position = ?",
            (account.id, position),
        )
        connection.commit()
    return f"The ledger cannot be read: record {position} of {account.id} is damaged. The service's log says more."


def test_a_file_that_is_damaged_under_the_running_service_is_no_fault_of_the_caller(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """503 with Retry-After in each protocol, for reads and for writes, now and in the past; the traceback is logged."""
    server = start_server(tmp_path / "data")
    account = new_account(server)
    account.query("CreateUser", UserName="alice")
    server.stop()  # all is in the file
    server = start_server(tmp_path / "data")
    account, unknown = new_account(server, account.id), new_account(server)
    path = tmp_path / "data" / "ledger.db"
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
    assert account.query("CreateUser", UserName="bob").refusal[:2] == (503, "ServiceUnavailable")

    answers: list[Reply] = [
        unknown.query("ListUsers"),
        unknown.query("CreateUser", UserName="alice"),
        unknown.json("ListUsers"),
        unknown.get("/v1/events"),
        unknown.get("/v1/users/alice?at=@1"),
    ]

    assert [answer.refusal for answer in answers[:2]] == [(503, "ServiceUnavailable", WHY)] * 2
    assert [answer.refusal for answer in answers[2:]] == [(503, "SERVICE_UNAVAILABLE", WHY)] * 3
    assert {answer.headers["Retry-After"] for answer in answers} == {"1"}
    log = server.log.read_text()
    assert all(str(answer.headers["x-amzn-RequestId"]) in log for answer in answers)
    assert log.count("eventstore.sqlite.Unreadable") >= len(answers)


@damages
def test_a_record_that_is_damaged_under_the_running_service_is_named(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account], damage: str
) -> None:
    """By whatever would tell of it, and never told: 503 with account and position, and the traceback is logged."""
    account = new_account(start_server(tmp_path / "data"))
    for name in ("alice", "bob", "carol"):
        account.query("CreateUser", UserName=name)
    account.query("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)  # 4
    account.query("CreateUser", UserName="dave")
    assert account.get("/v1/users/alice/history").status == 200
    event_id = account.events()[3]["id"]
    why = damaged(account, 4, damage)

    answers: list[Reply] = [
        account.get("/v1/events"),
        account.get("/v1/events", {"Accept": "text/csv"}),
        account.get("/v1/events", {"Accept": "application/x-ndjson"}),
        account.get("/v1/events?user=alice&order=desc"),
        account.get("/v1/events/4"),
        account.get("/v1/events/4?proof=1"),
        account.get(f"/v1/events/{event_id}"),
        account.get("/v1/events/stream?from=@4"),
        account.get("/v1/users/alice"),
        account.get("/v1/users/alice/policies"),
        account.get("/v1/users/alice/history"),
        account.get(f"/v1/policies/{ADMIN}/attachments"),
    ]

    assert [answer.refusal for answer in answers] == [(503, "SERVICE_UNAVAILABLE", why)] * len(answers)
    assert {answer.headers["Retry-After"] for answer in answers} == {"1"}
    log = account.server.log.read_text()
    assert all(str(answer.headers["x-amzn-RequestId"]) in log for answer in answers)
    named = f"eventstore.log.DamagedRecord: ledger {account.id}, record 4: the stored bytes do not have the stored hash"
    assert log.count(named) >= len(answers)


def test_a_stream_tells_all_before_a_damaged_record_and_then_names_it(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """The connection breaks there; the client comes back behind the last one that it saw, and is told why."""
    account = new_account(start_server(tmp_path / "data"))
    for name in ("alice", "bob", "carol"):
        account.query("CreateUser", UserName=name)
    why = damaged(account, 3, "x'00'")

    told = b""
    with socket.create_connection(("127.0.0.1", account.server.port), timeout=20) as connection:
        head = f"GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: {account.authorization}\r\n\r\n"
        connection.sendall(head.encode())
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                told += piece

    assert re.findall(rb"^id: ([0-9]+)$", told, re.MULTILINE) == [b"1", b"2"]
    assert not told.endswith(b"0\r\n\r\n")
    again = account.get("/v1/events/stream", {"Last-Event-ID": "2"})
    assert again.refusal == (503, "SERVICE_UNAVAILABLE", why)
    assert f"ledger {account.id}, record 3: the stored bytes" in account.server.log.read_text()


def test_around_a_damaged_record_all_is_told(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """The records before it and behind it, what AWS's API answers, now and then; and the account goes on."""
    account = new_account(start_server(tmp_path / "data"))
    for name in ("alice", "bob", "carol"):
        account.query("CreateUser", UserName=name)
    assert account.get("/v1/users/carol").status == 200
    damaged(account, 2, "x'00'")

    assert [event["position"] for event in account.get("/v1/events?to=@1").data["events"]] == [1]
    assert [event["position"] for event in account.get("/v1/events?from=@3").data["events"]] == [3]
    assert account.get("/v1/events/3").status == 200
    assert account.query("GetUser", UserName="bob").status == 200
    assert account.get("/v1/users/bob?at=@1").status == 404
    assert account.query("CreateUser", UserName="dave").status == 200


def test_an_account_that_cannot_be_folded_says_which_record_is_damaged(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """To reads and to writes, in each protocol. Other accounts are none the wiser."""
    server = start_server(tmp_path / "data")
    account, other = new_account(server), new_account(server)
    account.query("CreateUser", UserName="alice")
    server.stop()
    server = start_server(tmp_path / "data")
    account, other = new_account(server, account.id), new_account(server, other.id)
    why = damaged(account, 1, "x'00'")

    for action in ("ListUsers", "CreateUser"):
        parameters = {"UserName": "bob"} if action == "CreateUser" else {}
        assert account.query(action, **parameters).refusal == (503, "ServiceUnavailable", why)
        assert account.json(action, **parameters).refusal == (503, "SERVICE_UNAVAILABLE", why)
        assert other.query(action, **parameters).status == 200


def test_a_repeat_of_a_damaged_command_fails_alone(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """Whatever is written together with it is written, as the damaged bytes are only looked at to repeat them."""
    server = start_server(tmp_path / "data")
    account, other = new_account(server), new_account(server)
    account.query("CreateUser", {"amz-sdk-invocation-id": "first"}, UserName="alice")
    other.query("CreateUser", UserName="someone")
    server.stop()  # so that the log alone knows the command
    server = start_server(tmp_path / "data")
    account, other = new_account(server, account.id), new_account(server, other.id)
    assert account.query("ListUsers").status == 200
    why = damaged(account, 1, "replace(CAST(record AS TEXT), 'alice', 'malic')")

    with ThreadPoolExecutor(16) as threads:
        calls = [threads.submit(other.query, "CreateUser", UserName=f"user-{number}") for number in range(40)]
        repeats = [
            threads.submit(account.query, "CreateUser", {"amz-sdk-invocation-id": "first"}, UserName="alice")
            for _ in range(8)
        ]
        calls += [threads.submit(account.query, "CreateUser", UserName=f"user-{number}") for number in range(40)]

    assert {repeat.result().refusal for repeat in repeats} == {(503, "ServiceUnavailable", why)}
    assert {call.result().status for call in calls} == {200}


def test_a_damaged_head_keeps_no_service_from_starting(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """Its hash tells where the ledger goes on, for its own account, too."""
    server = start_server(tmp_path / "data")
    account, other = new_account(server), new_account(server)
    for name in ("alice", "bob"):
        account.query("CreateUser", UserName=name)
    account.get("/v1/users/bob")  # so that the projections know
    server.stop()
    damaged(account, 2, "x'00'")
    server = start_server(tmp_path / "data")

    for caller in (new_account(server, account.id), new_account(server, other.id)):
        assert caller.query("CreateUser", UserName="carol").status == 200
        assert caller.get("/v1/users/carol").status == 200


def test_projections_that_are_damaged_under_the_running_service_are_no_fault_of_the_caller(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """503 with Retry-After in each protocol, and the traceback is logged."""
    why = "The projections cannot be read: the service's log says why. `iam-ledger rebuild` makes them anew."
    server = start_server(tmp_path / "data")
    account = new_account(server)
    account.query("CreateUser", UserName="alice")
    server.stop()  # all is in the file
    server = start_server(tmp_path / "data")
    account = new_account(server, account.id)
    path = tmp_path / "data" / "projections.db"
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))

    xml: list[Reply] = [account.get("/at/@1?Action=ListUsers&Version=2010-05-08")]
    json: list[Reply] = [
        account.get("/v1/users/alice"),
        account.get("/v1/users/alice?at=@1"),
        account.get("/v1/events?user=alice"),
        account.get("/v1/users/alice/history", {"Accept": "text/csv"}),
    ]

    assert [answer.refusal for answer in xml] == [(503, "ServiceUnavailable", why)]
    assert [answer.refusal for answer in json] == [(503, "SERVICE_UNAVAILABLE", why)] * len(json)
    assert {answer.headers["Retry-After"] for answer in (*xml, *json)} == {"1"}
    log = server.log.read_text()
    assert all(str(answer.headers["x-amzn-RequestId"]) in log for answer in (*xml, *json))
