"""The live stream: every record once, in order, whatever happens to the service and however slowly others read."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from api import flow, followers, stream
from api.actions import IAM, Write
from api.app import build_server
from api.caller import unauthenticated
from api.service import Request, Service
from eventstore.log import OutcomeUnknown
from eventstore.record import Row
from iam.quotas import Quotas
from tools.data import DataFolder, open_service

STREAM = "/v1/events/stream"
DEFAULT_ACCOUNT = "123456789012"


class Follower:
    """A client of the stream: events as (id, event, data)."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response
        self.preamble = self._block()

    def __iter__(self) -> Iterator[tuple[int, str, bytes]]:
        while block := self._block():
            if block != [b":"]:
                fields = dict(line.split(b": ", 1) for line in block)
                assert list(fields) == [b"id", b"event", b"data"]
                yield int(fields[b"id"]), fields[b"event"].decode(), fields[b"data"]

    def take(self, count: int) -> list[tuple[int, str, bytes]]:
        """The next so many events."""
        events = iter(self)
        return [next(events) for _ in range(count)]

    def positions(self, count: int) -> list[int]:
        """The ids of the next so many events."""
        return [position for position, _, _ in self.take(count)]

    def _block(self) -> list[bytes]:
        lines = []
        while (line := self.response.readline()) not in (b"\n", b""):
            assert line.endswith(b"\n")
            lines.append(line[:-1])
        return lines


@contextmanager
def following(account: Any, query: str = "", **headers: str) -> Iterator[Follower]:
    """An open stream of the account."""
    with closing(HTTPConnection("127.0.0.1", account.server.port, timeout=20)) as connection:
        told = {"Authorization": account.authorization, **{name.replace("_", "-"): v for name, v in headers.items()}}
        connection.request("GET", STREAM + query, headers=told)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        with closing(response):
            yield Follower(response)


def create(account: Any, *names: str) -> None:
    """Users, one record each."""
    for name in names:
        assert account.query("CreateUser", UserName=name).status == 200


def test_an_event_is_a_record_as_it_is_stored(account: Any) -> None:
    """Its id is the position, its name the type of the event, or the outcome of a call that changed nothing."""
    create(account, "alice", "bob")
    assert account.query("CreateUser", UserName="alice").status == 409
    with following(account) as follower:
        taken = follower.take(3)

    assert [(position, kind) for position, kind, _ in taken] == [(1, "UserCreated"), (2, "UserCreated"), (3, "refused")]
    for position, _, data in taken:
        assert account.get(f"/v1/events/{position}").body.startswith(b'{"success":true,"data":' + data[:-1] + b",")


def test_a_stream_says_how_it_is_to_be_treated(account: Any) -> None:
    """No cache keeps it, no proxy holds it back, and a client that loses it comes back after a second."""
    with following(account) as follower:
        headers = follower.response.headers

        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Accel-Buffering"] == "no"
        assert headers["x-amzn-RequestId"]
        assert follower.preamble == [b"retry: 1000"]


@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("", {}, [1, 2, 3, 4]),
        ("?from=beginning", {}, [1, 2, 3, 4]),
        ("?from=@0", {}, [1, 2, 3, 4]),
        ("?from=@1", {}, [1, 2, 3, 4]),
        ("?from=@3", {}, [3, 4]),
        ("?from=@4", {}, [4]),
        ("?from=now", {}, [4]),
        ("", {"Last_Event_ID": "0"}, [1, 2, 3, 4]),
        ("", {"Last_Event_ID": "2"}, [3, 4]),
        ("?from=now", {"Last_Event_ID": "1"}, [2, 3, 4]),
        ("?from=beginning", {"last_event_id": "3"}, [4]),
    ],
)
def test_a_stream_begins_where_it_is_told(
    account: Any, query: str, headers: dict[str, str], expected: list[int]
) -> None:
    """Three records are there, the fourth comes later. What the client has seen goes before what it asks for."""
    create(account, "a", "b", "c")
    with following(account, query, **headers) as follower:
        create(account, "d")

        assert follower.positions(len(expected)) == expected


@pytest.mark.parametrize(
    ("query", "headers", "message"),
    [
        ("?from=@3", {}, "from: @3 is above the head of the ledger, @1."),
        ("?from=@", {}, "from: @ is not beginning, now, or @ and a position."),
        ("?from=@-1", {}, "from: @-1 is not beginning, now, or @ and a position."),
        ("?from=1", {}, "from: 1 is not beginning, now, or @ and a position."),
        ("?from=%D9%A1", {}, "from: ١ is not beginning, now, or @ and a position."),  # noqa: RUF001
        ("?from=", {}, "from must be given once, with a value."),
        ("?at=@1", {}, "There is no parameter at here; there are: from."),
        ("", {"Last-Event-ID": "2"}, "Last-Event-ID: 2 is above the head of the ledger, @1."),
        ("", {"Last-Event-ID": "x"}, "Last-Event-ID: x is not the id of an event of a stream."),
        ("", {"Last-Event-ID": ""}, "Last-Event-ID:  is not the id of an event of a stream."),
        ("", {"Last-Event-ID": "-1"}, "Last-Event-ID: -1 is not the id of an event of a stream."),
        ("", {"Last-Event-ID": "9" * 19}, f"Last-Event-ID: {'9' * 19} is not the id of an event of a stream."),
    ],
)
def test_a_stream_that_cannot_begin_is_refused(account: Any, query: str, headers: dict[str, str], message: str) -> None:
    """With the reason, instead of an empty stream."""
    create(account, "alice")

    assert account.get(STREAM + query, headers).refusal == (400, "VALIDATION_ERROR", message)


def test_another_site_cannot_make_a_browser_listen(account: Any) -> None:
    """The guard stands before the stream as before everything."""
    assert account.get(STREAM, {"Origin": "http://evil.example"}).refusal[0] == 403


def test_an_account_without_records_is_followed_from_its_first(account: Any, new_account: Callable[..., Any]) -> None:
    """Listening makes no record, and what others do is not heard."""
    other = new_account()
    with following(account) as follower:
        create(other, "eve")
        assert account.events() == []
        create(account, "alice")
        [(position, _, data)] = follower.take(1)

        assert position == 1
        assert json.loads(data)["event"]["user_name"] == "alice"


def test_fifty_streams_of_an_account_see_everything(account: Any) -> None:
    """Each in order, while several callers write."""
    writers, each = 4, 25
    total = writers * each
    with ThreadPoolExecutor(50 + writers) as threads:

        def follow(number: int) -> list[int]:
            with following(account, "?from=beginning" if number % 2 else "") as follower:
                return follower.positions(total)

        seen = [threads.submit(follow, number) for number in range(50)]
        for writer in range(writers):
            threads.submit(create, account, *(f"user-{writer}-{number}" for number in range(each)))

        for positions in seen:
            assert positions.result(60) == list(range(1, total + 1))


def test_nothing_is_lost_or_repeated_when_the_service_is_killed(
    start_server: Callable[..., Any], new_account: Callable[..., Any], tmp_path: Path
) -> None:
    """A client that comes back with the last id it saw has, at the end, every position once, in order."""
    account = new_account(start_server(tmp_path / "data"))
    ending = threading.Event()
    seen: list[int] = []
    hashes: list[str] = []

    def write(caller: int) -> None:
        number = 0
        while not ending.is_set():
            with suppress(OSError, HTTPException):
                account.query("CreateUser", UserName=f"user-{caller}-{number}")
                number += 1

    def follow() -> None:
        while not ending.is_set() or seen[-1] < head[0]:
            headers = {"Last_Event_ID": str(seen[-1])} if seen else {}
            with suppress(OSError, HTTPException), following(account, **headers) as follower:
                for position, _, data in follower:
                    seen.append(position)
                    hashes.append(json.loads(data)["previous"])
                    if ending.is_set() and seen[-1] >= head[0]:
                        return

    head = [0]
    with ThreadPoolExecutor(3) as threads:
        tasks = [threads.submit(write, 0), threads.submit(write, 1), threads.submit(follow)]
        try:
            for kill in range(3):
                reached = len(seen)
                while len(seen) < reached + 40:
                    assert not tasks[2].done()
                    ending.wait(0.01)
                account.server._process.kill() if kill < 2 else account.server._process.terminate()
                account.server._process.wait(20)
                account.server = start_server(tmp_path / "data")
            head[0] = len(account.events())
        finally:
            ending.set()
        for task in tasks:
            task.result(30)

    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= head[0] > 120
    assert hashes == [event["previous"] for event in account.events()][: len(hashes)]


def test_clients_that_do_not_read_hold_up_nobody_and_cost_no_memory(
    start_server: Callable[..., Any], new_account: Callable[..., Any], tmp_path: Path
) -> None:
    """Ten of them while 2,000 records of 20 kB each are written; a queue for each would take 400 MB."""
    server = start_server(tmp_path / "data")
    account = new_account(server)
    create(account, "alice")
    large = {"User-Agent": "x" * 20_000}
    request = f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {account.authorization}\r\n\r\n".encode()

    def tag(value: int) -> int:
        tagging = {"UserName": "alice", "Tags.member.1.Key": "k", "Tags.member.1.Value": str(value)}
        status: int = account.query("TagUser", large, **tagging).status
        return status

    clients = [socket.socket() for _ in range(10)]
    try:
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(request)
        before = resident_bytes(server)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(tag, range(2000)))
        grown = resident_bytes(server) - before
    finally:
        for client in clients[1:]:
            client.close()

    assert answers == [200] * 2000
    assert grown < 50_000_000
    clients[0].settimeout(20)
    with closing(clients[0]), clients[0].makefile("rb") as late:
        ids = (int(line[4:]) for line in late if line.startswith(b"id: "))
        assert [next(ids) for _ in range(2001)] == list(range(1, 2002))


def resident_bytes(server: Any) -> int:
    """The memory of the service's process."""
    status = Path(f"/proc/{server._process.pid}/status").read_text()
    [kilobytes] = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) * 1024


def test_a_service_that_stops_ends_its_streams(
    start_server: Callable[..., Any], new_account: Callable[..., Any], tmp_path: Path
) -> None:
    """Those of idle clients end as an answer ends, which they would not if they were only given up at the last."""
    server = start_server(tmp_path / "data")
    account = new_account(server)
    create(account, "alice")
    with following(account) as first, following(account, "?from=now") as second:
        assert first.positions(1) == [1]
        server._process.terminate()

        assert list(first) == list(second) == []
        assert first.response.read() == second.response.read() == b""
    assert server._process.wait(20) == 0


async def until(condition: Callable[[], bool]) -> None:
    """Return when it holds, and still does after a moment."""
    for _ in range(500):
        if condition():
            await asyncio.sleep(0.05)
            if condition():
                return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


class Here:
    """A service in this process, behind a port."""

    def __init__(self, service: Service, runner: web.ServerRunner) -> None:
        assert runner.server is not None
        self.service = service
        self.server = runner.server
        self.port = runner.addresses[0][1]
        self.connections: list[asyncio.StreamWriter] = []

    async def open(self, account: str = DEFAULT_ACCOUNT) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which the stream was asked for; what comes back is behind the headers."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=connection)
        self.connections.append(writer)
        writer.write(
            f"GET {STREAM} HTTP/1.0\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 Credential={account}/x"
            "\r\n\r\n".encode()
        )
        self.head = (await reader.readuntil(b"\r\n\r\n")).decode()
        return reader, writer

    async def deserted(self) -> None:
        """Return when nobody follows any more."""
        await until(lambda: not self.service.followers._ends)

    def waits(self) -> bool:
        """The client takes nothing more of what the service has for it."""
        return all(connection.writing_paused for connection in self.server.connections)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    """A service whose constants a test may change."""
    async with open_service(DataFolder(tmp_path / "data"), None, Quotas()) as service:
        await service.start()
        runner = web.ServerRunner(build_server(service, DEFAULT_ACCOUNT), shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            served = Here(service, runner)
            yield served
            for connection in served.connections:
                connection.transport.abort()
        finally:
            service.followers.close()
            await runner.cleanup()


async def write(service: Service, name: str) -> None:
    """One user of the default account."""
    caller = unauthenticated("", DEFAULT_ACCOUNT, "aws")
    request = Request(caller=caller, request_id=name, command_id=None, source_ip="", user_agent="x" * 20_000)
    operation = IAM["CreateUser"]
    assert isinstance(operation, Write)
    await service.write(request, "CreateUser", operation, {"user_name": name})


async def test_what_is_written_while_the_log_is_read_is_not_missed(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking and waiting there is no gap, also for one who comes while another one looks."""
    read = here.service.log.read
    joined = asyncio.Event()

    async def read_slowly(account: str, after: int = 0, limit: int = 1000) -> list[Row]:
        rows = await read(account, after, limit)
        if not joined.is_set():
            await write(here.service, "alice")
            await joined.wait()
        return rows

    monkeypatch.setattr(here.service.log, "read", read_slowly)
    first, _ = await here.open()
    for _ in range(500):
        if await here.service.log.get(DEFAULT_ACCOUNT, [1]):
            break
        await asyncio.sleep(0.01)
    second, _ = await here.open()
    await second.readuntil(b"retry: 1000\n\n")
    joined.set()

    async with asyncio.timeout(10):
        await first.readuntil(b"id: 1\n")
        await second.readuntil(b"id: 1\n")


async def test_an_idle_stream_stays_alive(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment now and then, which clients pass over, and after it the next record."""
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.01)
    reader, _ = await here.open()
    assert await reader.readuntil(b"\n\n") == b"retry: 1000\n\n"
    assert await reader.readuntil(b"\n\n") == b":\n\n"
    await write(here.service, "alice")
    while (block := await reader.readuntil(b"\n\n")) == b":\n\n":
        pass

    assert block.startswith(b"id: 1\nevent: UserCreated\ndata: {")


async def test_a_client_that_goes_away_is_noticed(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next comment at the latest; nothing is kept of it."""
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.01)
    _, writer = await here.open()
    assert len(here.service.followers._ends) == 1
    writer.transport.abort()
    await here.deserted()

    assert not here.service.accounts._growth


async def test_a_client_that_does_not_read_is_dropped(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has taken nothing for a while, though there was something to take."""
    monkeypatch.setattr(flow, "STALLED_SECONDS", 0.05)
    await asyncio.gather(*(write(here.service, f"user-{number}") for number in range(600)))
    reader, _ = await here.open()
    await here.deserted()

    with pytest.raises(ConnectionResetError):
        await reader.read()


async def test_a_stop_does_not_wait_for_a_client_that_does_not_read(here: Here) -> None:
    """Its connection is broken, so that it does not take what it has for all."""
    await asyncio.gather(*(write(here.service, f"user-{number}") for number in range(600)))
    reader, _ = await here.open()
    await until(here.waits)
    here.service.followers.close()
    await until(lambda: not here.server.connections)

    with pytest.raises(ConnectionResetError):
        await reader.read()


async def test_a_page_that_has_been_read_is_not_given_again(here: Here) -> None:
    """Not even before the event loop comes round: who asked for it without waiting would ask for ever."""
    reading = here.service.followers._reading
    asking = [asyncio.ensure_future(here.service.followers.page(DEFAULT_ACCOUNT, 0)) for _ in range(3)]
    seen = 0
    while not all(one.done() for one in asking):
        assert not any(task.done() for task in reading.values())
        seen = max(seen, len(reading))
        await asyncio.sleep(0)

    assert seen == 1
    assert not reading


async def test_there_are_only_so_many_streams(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is asked to come again, and can when another has ended."""
    monkeypatch.setattr(followers, "FOLLOWERS_MAX", 2)
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.01)
    _, first = await here.open()
    _, second = await here.open()
    reader, _ = await here.open()
    refusal = await reader.read()

    assert here.head.startswith("HTTP/1.0 503 ")
    assert b'"code":"SERVICE_UNAVAILABLE"' in refusal

    first.close()
    second.close()
    await here.deserted()
    await here.open()

    assert here.head.startswith("HTTP/1.0 200 ")


async def test_a_log_that_cannot_be_read_ends_the_stream(
    here: Here, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection breaks, and the log says why; the client comes back for the rest."""

    async def fail(account: str, after: int = 0, limit: int = 1000) -> list[Row]:
        raise OSError("the disk has gone")

    monkeypatch.setattr(here.service.log, "read", fail)
    reader, _ = await here.open()

    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert "the disk has gone" in caplog.text


async def test_records_that_were_found_after_an_unknown_outcome_are_sent(here: Here) -> None:
    """An append that seemed to fail may have happened; who follows hears of it when the account is read again."""
    await write(here.service, "alice")
    reader, _ = await here.open()
    await reader.readuntil(b"id: 1\n")
    append = here.service.log.append

    async def lose_the_answer(rows: Any) -> None:
        await append(rows)
        raise OutcomeUnknown("the answer was lost")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.service.log, "append", lose_the_answer)
        await write(here.service, "bob")

    async with asyncio.timeout(10):
        await reader.readuntil(b"id: 2\n")
