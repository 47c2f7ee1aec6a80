"""`/readyz` says what the service can do at this moment, and what else is asked is answered as far as it can be."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web

import eventstore.writer
from api.app import build_server
from api.service import Service
from eventstore.log import LogError, NotWritten, OutcomeUnknown
from eventstore.memory import MemoryLog
from iam.quotas import Quotas
from projections.store import Projections
from tools.data import MEMORY, DataFolder, open_service

CREATE = {"Action": "CreateUser", "UserName": "alice"}
LIST = {"Action": "ListUsers"}


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> list[LogError]:
    """What goes wrong with the log's medium, if anything; the last one goes first, and stays."""
    found: list[LogError] = []
    append = MemoryLog.append

    async def check(self: MemoryLog) -> None:
        if found:
            raise found[-1]

    async def append_unless(self: MemoryLog, rows: Any) -> None:
        await check(self)
        await append(self, rows)

    monkeypatch.setattr(MemoryLog, "check", check)
    monkeypatch.setattr(MemoryLog, "append", append_unless)
    monkeypatch.setattr(eventstore.writer, "TRIED_SECONDS", 0.0)
    return found


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service that has not been started."""
    async with open_service(DataFolder(tmp_path), MEMORY, Quotas()) as made:
        yield made


@pytest.fixture
async def ask(service: Service) -> AsyncIterator[Any]:
    """Ask it over HTTP: the status and the envelope. With parameters, it is a call."""
    runner = web.ServerRunner(build_server(service, "123456789012"))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:

        async def send(target: str, parameters: dict[str, str] | None = None, method: str = "") -> tuple[int, Any]:
            method = method or ("GET" if parameters is None else "POST")
            async with session.request(method, target, json=parameters) as reply:
                if reply.status == 503:
                    assert reply.headers["Retry-After"] == "1"
                body = await reply.read()
                return reply.status, msgspec.json.decode(body) if body else None

        yield send
    await runner.cleanup()


def refused(message: str) -> tuple[int, Any]:
    """The answer of a service that is not ready."""
    return 503, {"success": False, "error": {"code": "SERVICE_UNAVAILABLE", "message": message}}


READY = 200, {"success": True, "data": {"ready": True, "read_only": {}}}


async def test_a_service_that_starts_says_how_much_is_left(
    service: Service, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked while it catches up, it tells the records that are still to be read; then it is ready."""
    told = []
    assert await ask("/readyz") == refused("The service is starting.")

    async def catch_up(self: Service, progress: Any) -> None:
        progress(1234)
        told.append(await ask("/readyz"))

    monkeypatch.setattr(Service, "_catch_up", catch_up)
    await service.start()
    assert told == [refused("The service is starting: 1234 records are still to be read into the projections.")]
    assert await ask("/readyz") == READY


async def test_a_ledger_that_cannot_be_written_is_told_although_nobody_writes(
    service: Service, ask: Any, trouble: list[LogError]
) -> None:
    """The log is asked for itself, so a service that gets no writes is found out, and found well again."""
    await service.start()
    trouble.append(NotWritten("database or disk is full"))
    assert await ask("/readyz") == refused(
        "The ledger cannot be written: database or disk is full. What it holds can be read."
    )
    assert (await ask("/", LIST))[0] == 200
    trouble.clear()
    assert await ask("/readyz") == READY


async def test_a_write_that_was_refused_tells_as_well(
    service: Service, ask: Any, trouble: list[LogError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came of the last write is not asked for twice."""
    await service.start()
    monkeypatch.setattr(eventstore.writer, "TRIED_SECONDS", 60.0)
    assert (await ask("/", CREATE))[0] == 200
    trouble.append(NotWritten("database or disk is full"))
    assert await ask("/readyz") == READY
    assert (await ask("/", {**CREATE, "UserName": "bob"}))[0] == 503
    assert (await ask("/readyz"))[0] == 503
    trouble.clear()
    assert (await ask("/", {**CREATE, "UserName": "bob"}))[0] == 200
    assert await ask("/readyz") == READY


async def test_a_log_that_has_to_be_reopened_is_reopened_for_the_asking(
    service: Service, ask: Any, trouble: list[LogError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is taken out of service because of it comes back without a write. The past is final then."""
    await service.start()
    assert (await ask("/", CREATE))[0] == 200
    reopen = MemoryLog.reopen

    async def cannot(self: MemoryLog) -> None:
        raise OutcomeUnknown("disk I/O error")

    trouble.append(OutcomeUnknown("disk I/O error"))
    monkeypatch.setattr(MemoryLog, "reopen", cannot)
    assert (await ask("/", {**CREATE, "UserName": "bob"}))[0] == 503
    assert await ask("/readyz") == refused(
        "The ledger cannot be written: the log could not be reopened. What it holds can be read."
    )
    assert (await ask("/", LIST))[0] == 200
    assert (await ask("/v1/users/alice"))[0] == 503
    trouble.clear()
    monkeypatch.setattr(MemoryLog, "reopen", reopen)
    assert await ask("/readyz") == READY
    assert (await ask("/v1/users/alice"))[0] == 200


async def test_projections_that_cannot_be_written_are_told(
    service: Service, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes go on, and what the projections know is answered."""
    await service.start()
    assert (await ask("/", CREATE))[0] == 200
    assert (await ask("/v1/users/alice"))[0] == 200
    write = Projections.write

    async def fail(self: Projections, *_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Projections, "write", fail)
    monkeypatch.setattr("projections.projector.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("api.service.CAUGHT_UP_SECONDS_MAX", 0.1)
    assert (await ask("/", {**CREATE, "UserName": "bob"}))[0] == 200
    assert (await ask("/v1/users/bob"))[0] == 503
    assert await ask("/readyz") == refused("The projections cannot be written: database or disk is full.")
    assert (await ask("/v1/users/alice?at=@1"))[0] == 200
    monkeypatch.setattr(Projections, "write", write)
    monkeypatch.setattr("api.service.CAUGHT_UP_SECONDS_MAX", 5.0)
    assert (await ask("/v1/users/bob"))[0] == 200
    assert await ask("/readyz") == READY


async def test_a_service_that_stops_says_so(service: Service, ask: Any) -> None:
    """No load balancer sends anything there any more."""
    await service.start()
    await service.stop()
    assert await ask("/readyz") == refused("The service is stopping.")
    assert await ask("/readyz", method="HEAD") == (503, None)
    assert await ask("/healthz", method="HEAD") == (200, None)
