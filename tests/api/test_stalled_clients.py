"""Clients that keep the service waiting, hold too much of it, or do not take their answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

import api.connections
from api.app import build_server
from api.connections import Connection, Connections
from iam.quotas import Quotas
from tools.data import MEMORY, DataFolder, open_service

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
HEAD = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER_BYTES = 16 * 1024 * 1024  # more than the operating system takes on its way


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, request: bytes) -> bytes:
        """Send a request; the head of its answer and what came with it."""
        self.writer.write(request)
        return await self.reader.read(65536)

    async def rest(self) -> bytes:
        """All that comes until the service closes the connection."""
        came = b""
        with suppress(ConnectionError):
            while piece := await self.reader.read(65536):
                came += piece
        return came

    async def drip(self, text: bytes) -> bytes:
        """Send a byte at a time, as long as the connection stands; all that comes."""
        rest = asyncio.create_task(self.rest())
        for byte in text:
            self.writer.write(bytes([byte]))
            if (await asyncio.wait([rest], timeout=0.02))[0]:
                break
        return await rest


Connect = Callable[[], "asyncio.Future[Client]"]


@pytest.fixture(autouse=True)
async def patience() -> AsyncIterator[None]:
    """What is waited for here comes soon, or the test has failed."""
    async with asyncio.timeout(20):
        yield


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients have a moment only."""
    monkeypatch.setattr(api.connections, "REQUEST_SECONDS_MAX", 0.2)


@asynccontextmanager
async def listening(server: web.Server) -> AsyncIterator[Connect]:
    """The server on a port, and how to connect to it. It ends with its clients' connections open."""
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    async with AsyncExitStack() as opened:
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()

        async def connect() -> Client:
            reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
            opened.callback(writer.close)
            return Client(reader, writer)

        yield connect  # type: ignore[misc]


@pytest.fixture
async def connect(tmp_path: Path) -> AsyncIterator[Connect]:
    """Connections to a service in this process."""
    async with open_service(DataFolder(tmp_path), MEMORY, Quotas()) as service:
        await service.start()
        async with listening(build_server(service, "123456789012")) as make:
            yield make
            service.followers.close()


@pytest.mark.usefixtures("short")
async def test_headers_that_drip_are_not_waited_for(connect: Connect) -> None:
    """408, however busily they drip."""
    client = await connect()
    assert (await client.drip(HEAD.encode() + b"X: " + b"x" * 500)).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.usefixtures("short")
async def test_a_second_request_has_no_more_time_than_the_first(connect: Connect) -> None:
    """Its time begins with its first byte."""
    client = await connect()
    assert (await client.ask(HEALTH)).startswith(b"HTTP/1.1 200 ")
    assert (await client.drip(HEALTH[:-2] + b"X: " + b"x" * 500)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.usefixtures("short")
async def test_a_connection_that_says_nothing_is_closed(connect: Connect) -> None:
    """Without an answer, as nothing was asked."""
    assert await (await connect()).rest() == b""


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("accept", ["", JSON], ids=["XML", "JSON"])
@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_body_that_drips_is_not_waited_for(connect: Connect, accept: str, framing: str) -> None:
    """408 in the caller's protocol, and the connection is closed."""
    client = await connect()
    client.writer.write(f"{HEAD}Accept: {accept}\r\n{framing}\r\n\r\n".encode())
    answer = await client.drip(b"3e8\r\n" + b"x" * 500 if "chunked" in framing else b"x" * 500)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert (b'"REQUEST_TIMEOUT"' if accept else b"<Code>RequestTimeout</Code>") in answer


@pytest.mark.usefixtures("short")
async def test_a_body_that_nobody_asked_for_is_not_waited_for_either(connect: Connect) -> None:
    """The answer goes out, and then the connection ends."""
    client = await connect()
    client.writer.write(HEALTH[:-2] + b"Content-Length: 1000\r\n\r\n")
    assert (await client.rest()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("short")
async def test_a_connection_may_rest_between_requests(connect: Connect) -> None:
    """Longer than a request may take to arrive."""
    client = await connect()
    for _ in range(2):
        assert (await client.ask(HEALTH)).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(0.7)
    assert (await client.ask(HEALTH)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("short")
async def test_it_may_not_rest_for_ever(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    """Then it is closed, and a client that comes back makes another."""
    monkeypatch.setattr(api.connections, "IDLE_SECONDS_MAX", 0.3)
    client = await connect()
    assert (await client.ask(HEALTH)).startswith(b"HTTP/1.1 200 ")
    assert await client.rest() == b""


@pytest.mark.usefixtures("short")
async def test_a_stream_may_last(connect: Connect) -> None:
    """It is the service that keeps the client waiting, not the other way round."""
    client = await connect()
    assert (await client.ask(b"GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    await asyncio.sleep(0.7)
    body = b"Action=CreateUser&Version=2010-05-08&UserName=alice"
    assert (await (await connect()).ask(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)).startswith(
        b"HTTP/1.1 200 "
    )
    await client.reader.readuntil(b"event: UserCreated")


async def test_an_oversized_body_is_refused_before_it_comes(connect: Connect) -> None:
    """413 in the caller's protocol."""
    length = 2**40
    for accept, code in (("", b"<Code>RequestEntityTooLarge</Code>"), (JSON, b'"REQUEST_ENTITY_TOO_LARGE"')):
        client = await connect()
        client.writer.write(f"{HEAD}Accept: {accept}\r\nContent-Length: {length}\r\n\r\n".encode())
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert code in answer


async def test_ten_thousand_headers_are_refused(connect: Connect) -> None:
    """400, whatever they say."""
    client = await connect()
    client.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n")
    assert (await client.rest())[8:].startswith(b" 400 ")


async def test_few_but_large_headers_are_refused(connect: Connect) -> None:
    """431 once there are too many bytes in all."""
    client = await connect()
    for _ in range(100):
        client.writer.write(b"GET / HTTP/1.1\r\n" if _ == 0 else b"X-A: " + b"a" * 20_000 + b"\r\n")
        await asyncio.sleep(0)
    assert (await client.rest())[:13] in (b"HTTP/1.1 431 ", b"")  # the reset may overtake it


async def test_pipelined_requests_are_answered_in_order(connect: Connect) -> None:
    """All of them, though the client sends them at once."""
    client = await connect()
    client.writer.write(HEALTH * 99 + HEALTH[:-2] + b"Connection: close\r\n\r\n")
    assert (await client.rest()).count(b"HTTP/1.1 200 OK") == 100


async def test_a_flood_behind_a_stream_breaks_the_connection(connect: Connect) -> None:
    """What nobody will read for a long time is not kept."""
    client = await connect()
    client.writer.write(b"GET /v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for _ in range(100):
        client.writer.write(b"GET / HTTP/1.1\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n")
    await client.rest()


async def test_one_connection_too_many_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """503 at once, with a Retry-After; those that stand are served, and room that is left is used again."""
    monkeypatch.setattr(api.connections, "CONNECTIONS_MAX", 2)
    async with open_service(DataFolder(tmp_path), MEMORY, Quotas()) as service:
        await service.start()
        async with listening(build_server(service, "123456789012")) as connect:
            first, second = await connect(), await connect()
            for client in (first, second):
                assert (await client.ask(HEALTH)).startswith(b"HTTP/1.1 200 ")
            answer = await (await connect()).rest()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: 1\r\n" in answer
            assert (await first.ask(HEALTH)).startswith(b"HTTP/1.1 200 ")
            second.writer.close()
            answer = b""
            while not answer.startswith(b"HTTP/1.1 200 "):
                answer = await (await connect()).ask(HEALTH)


@pytest.mark.usefixtures("short")
async def test_large_bodies_wait_for_room_and_small_ones_never(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    """Where as many as memory has room for are arriving, the next large one is answered 503."""
    monkeypatch.setattr(api.connections, "LARGE_BODIES_MAX", 1)
    monkeypatch.setattr(api.connections, "REQUEST_SECONDS_MAX", 1.0)
    first, second, small = await connect(), await connect(), await connect()
    large = f"{HEAD}Accept: {JSON}\r\nContent-Length: 900000\r\n\r\n".encode()
    first.writer.write(large)
    await asyncio.sleep(0.1)
    assert (await second.ask(large)).startswith(b"HTTP/1.1 503 ")
    small.writer.write(f"{HEAD}Accept: {JSON}\r\nContent-Length: 9\r\n\r\n".encode())
    await asyncio.sleep(0.1)
    assert b"MISSING_ACTION" in await small.ask(b"UserName=")
    assert (await first.rest()).startswith(b"HTTP/1.1 408 ")
    third = await connect()
    third.writer.write(large)
    await asyncio.sleep(0.1)
    assert b"MISSING_ACTION" in await third.ask(b"UserName=".ljust(900_000, b"a"))


async def test_what_there_is_no_room_for_is_not_taken_in(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    """Nobody waits for the rest of it: the connection ends with the answer."""
    monkeypatch.setattr(api.connections, "LARGE_BODIES_MAX", 0)
    monkeypatch.setattr(api.connections, "LINGERING_SECONDS_MAX", 3600.0)
    client = await connect()

    assert (await client.ask(f"{HEAD}Content-Length: 900000\r\n\r\n".encode())).startswith(b"HTTP/1.1 503 ")
    async with asyncio.timeout(10):
        await client.rest()


@pytest.mark.usefixtures("short")
async def test_what_a_client_sends_fast_is_taken_in_small_pieces(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    """Whoever sends megabytes at once holds up the others no longer than a piece of them takes."""
    pieces: list[int] = []
    received = Connection.data_received

    def measured(connection: Connection, data: bytes) -> None:
        pieces.append(len(data))
        received(connection, data)

    monkeypatch.setattr(Connection, "data_received", measured)
    client = await connect()
    answer = await client.ask(f"{HEAD}Content-Length: 8000000\r\n\r\n".encode() + bytes(8_000_000))

    assert answer.startswith(b"HTTP/1.1 413 ")
    with suppress(ConnectionError):
        await client.writer.drain()
    assert sum(pieces) > 500_000
    assert max(pieces) <= 2 * api.connections.SOCKET_BYTES


async def _large(http: web.BaseRequest) -> web.Response:
    return web.Response(body=bytes(ANSWER_BYTES))


@pytest.mark.usefixtures("short")
async def test_an_answer_that_nobody_takes_is_given_up() -> None:
    """The connection breaks, and the memory is free."""
    server = Connections(_large)
    async with listening(server) as connect:
        client = await connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(HEALTH)
        await asyncio.sleep(0.1)
        assert server.connections
        while server.connections:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("short")
async def test_an_answer_that_is_taken_slowly_arrives_whole() -> None:
    """As long as something is taken all the time."""
    async with listening(Connections(_large)) as connect:
        client = await connect()
        client.writer.write(HEALTH[:-2] + b"Connection: close\r\n\r\n")
        taken = 0
        while piece := await client.reader.read(400_000):
            taken += len(piece)
            await asyncio.sleep(0.02)
    assert taken > ANSWER_BYTES
