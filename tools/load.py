"""A closed-loop HTTP client for benchmarks: each connection sends its next request when the answer is there.

Speaks just enough HTTP/1.1 for answers with a Content-Length, and makes requests of parts that are ready, so that
little of what is measured is the client. How much of a core it took is measured too.
Answers in chunks are read one at a time, by `pieces`.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import lru_cache
from itertools import count
from statistics import median
from typing import cast
from urllib.parse import quote

import msgspec

from tools.failure import Failure

TURNS = 10  # short ones, so that what else the machine does falls on all sides alike
PATIENCE_SECONDS = 10.0  # with an answer that does not come, once the turn is over
ACCOUNT = "123456789012"

_RUN = secrets.token_hex(4)  # no two runs share an id
_numbers = count()


def call(action: str, *, account: str = ACCOUNT, path: str = "/", **parameters: str) -> bytes:
    """A call of IAM as an SDK sends it, by the root user of the account, with an invocation id of its own."""
    values = "".join([f"&{name}={_quoted(value)}" for name, value in parameters.items()])
    body = f"Action={action}&Version=2010-05-08{values}"
    return (
        f"{_head(f'POST {path}', account)}{_SDK}"
        f"amz-sdk-invocation-id: {_RUN}-0000-4000-8000-{next(_numbers):012x}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def get(path: str, account: str = ACCOUNT, accept: str = "application/json") -> bytes:
    """A GET of the native API, by the root user of the account."""
    return f"{_head(f'GET {path}', account)}Accept: {accept}\r\n\r\n".encode()


@lru_cache(100_000)
def _quoted(value: str) -> str:
    return quote(value, safe="")


@lru_cache(1000)
def _head(method_and_path: str, account: str) -> str:
    return (
        f"{method_and_path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={account}/20261122/us-east-1/iam/aws4_request, "
        f"SignedHeaders=content-type;host;x-amz-date, Signature={'0' * 64}\r\n"
    )


_SDK = (
    "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
    "User-Agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python#3.11.7\r\n"
    "X-Amz-Date: 20261122T000000Z\r\namz-sdk-request: attempt=1\r\n"
)


class Turn(msgspec.Struct, frozen=True):
    """What some clients saw in one turn.

    `latencies` are in seconds, ascending, without the first of each client, which waits until it is let in.
    `failed` counts answers other than 200 and those that never came; `client_seconds` is the processor time of
    this process meanwhile.
    """

    seconds: float
    answers: int
    failed: int
    latencies: Sequence[float]
    client_seconds: float

    def percentile(self, percent: int) -> float:
        """The latency in milliseconds that so many of a hundred do not exceed; 0 where there is none."""
        return self.latencies[len(self.latencies) * percent // 100] * 1000 if self.latencies else 0.0


class Measured(msgspec.Struct, frozen=True):
    """The median of some turns: requests answered per second, latencies in milliseconds; and all answers and failures.

    `client_busy` is the share of one core that the client took.
    """

    concurrency: int
    answers: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    client_busy: float


def measured(concurrency: int, turns: Sequence[Turn]) -> Measured:
    """The figures of some turns of the same. Raises Failure where one of them had no answer."""
    if not all(turn.answers for turn in turns):
        raise Failure("there was nothing left to ask, or no answer came: measure for another time with --seconds")
    timed = [turn for turn in turns if turn.latencies] or turns
    return Measured(
        concurrency=concurrency,
        answers=sum(turn.answers for turn in turns),
        requests_per_second=median(turn.answers / turn.seconds for turn in turns),
        p50_ms=median(turn.percentile(50) for turn in timed),
        p99_ms=median(turn.percentile(99) for turn in timed),
        failed=sum(turn.failed for turn in turns),
        client_busy=median(turn.client_seconds / turn.seconds for turn in turns),
    )


class _Client(asyncio.Protocol):
    """One client. Where the server closes after an answer, it connects anew, as a part of the next request."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self._port = port
        self._requests = requests
        self._deadline = 0.0
        self._buffer = b""
        self._sent = 0.0
        self._waits = False  # for an answer
        self._connects = False  # anew, once the connection is closed
        self.latencies: list[float] = []
        self.answers = 0
        self.failed = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        """Raises OSError if nobody listens."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, deadline: float) -> None:
        """Send one request after the other, until the deadline."""
        self._deadline = deadline
        self._send(time.perf_counter())

    def _send(self, now: float) -> None:
        self._sent = now
        request = next(self._requests, None) if self._sent < self._deadline else None
        if request is None:
            self.finish()
        else:
            self._waits = True
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        lower = head.lower()
        _, _, length = lower.partition(b"content-length: ")
        if len(body) < int(length.partition(b"\r\n")[0] or 0):
            return
        now = time.perf_counter()
        if self.answers:  # the first one's wait is for the server to take all connections
            self.latencies.append(now - self._sent)
        self.answers += 1
        self.failed += not head.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        self._waits = False
        if b"\r\nconnection: close" in lower:
            self._connects = True
            self._transport.close()
        else:
            self._send(now)

    def connection_lost(self, error: Exception | None) -> None:
        if self._connects and not self.done.done():
            self._connects = False
            self._connecting = asyncio.create_task(self._connect_anew())
        else:
            self.finish()

    async def _connect_anew(self) -> None:
        now = time.perf_counter()
        try:
            await self.connect()
        except OSError:
            self._waits = True
            self.finish()
        else:
            self._send(now)

    def finish(self) -> None:
        """Be done. A request that still waits for its answer has failed."""
        if not self.done.done():
            self.failed += self._waits
            self.done.set_result(None)
        self._transport.close()


async def send(clients: int, port: int, requests: Iterator[bytes], seconds: float) -> Turn:
    """Take a turn: so many clients send requests to 127.0.0.1 for so many seconds, or until they run out.

    Who then waits for an answer is given PATIENCE_SECONDS. Raises OSError if nobody listens.
    """
    all_clients = [_Client(port, requests) for _ in range(clients)]
    for client in all_clients:
        await client.connect()
    began, busy = time.perf_counter(), time.process_time()
    for client in all_clients:
        client.begin(began + seconds)
    await asyncio.wait([client.done for client in all_clients], timeout=seconds + PATIENCE_SECONDS)
    for client in all_clients:
        client.finish()
    return Turn(
        seconds=time.perf_counter() - began,
        answers=sum(client.answers for client in all_clients),
        failed=sum(client.failed for client in all_clients),
        latencies=sorted(latency for client in all_clients for latency in client.latencies),
        client_seconds=time.process_time() - busy,
    )


async def in_turns(clients: int, seconds: float, *sides: tuple[int, Iterator[bytes]]) -> list[Measured]:
    """Measure sides, each a port of 127.0.0.1 and what it is asked, for so many seconds each, in short turns.

    The order turns round each time: what one side still does after its turn falls on both of its neighbours.
    Raises Failure where nothing is left to ask, and OSError if nobody listens.
    """
    turns: list[list[Turn]] = [[] for _ in sides]
    order = list(zip(turns, sides, strict=True))
    for _ in range(TURNS):
        for of_side, (port, requests) in order:
            of_side.append(await send(clients, port, requests, seconds / TURNS))
        order.reverse()
    return [measured(clients, of_side) for of_side in turns]


async def pieces(port: int, request: bytes) -> AsyncGenerator[bytes, None]:
    """The chunks of one answer, each when it is there. Raises Failure if the answer is not 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await _head_of_answer(reader, request)
        while size := int(await reader.readline(), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
    finally:
        writer.close()


async def ask(port: int, request: bytes) -> bytes:
    """The body of one answer, which has a length. Raises Failure if it is not 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await _head_of_answer(reader, request)
        _, _, length = head.lower().partition(b"content-length: ")
        return await reader.readexactly(int(length.partition(b"\r\n")[0]))
    finally:
        writer.close()


async def _head_of_answer(reader: asyncio.StreamReader, request: bytes) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise Failure(f"the server answers {head.splitlines()[0].decode()} to {request.splitlines()[0].decode()}")
    return head
