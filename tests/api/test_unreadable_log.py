"""A ledger that gives nothing back any more: callers are told to try again, and the log says why."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply, Server

WHY = "The ledger cannot be read: the service's log says why. The call may be repeated."


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
