"""A closed-loop HTTP client for benchmarks: each connection sends its next request when the answer is there.

Speaks just enough HTTP/1.1 for answers with a Content-Length, so that little of what is measured is the client.
Answers in chunks are read one at a time, by `pieces`.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from typing import cast
from urllib.parse import quote, urlencode

import msgspec

from tools.failure import Failure

TURNS = 10  # short ones, so that what else the machine does falls on all sides alike
ACCOUNT = "123456789012"


def call(action: str, *, account: str = ACCOUNT, path: str = "/", **parameters: str) -> bytes:
    """A call of IAM as an SDK sends it, by the root user of the account."""
    body = urlencode({"Action": action, "Version": "2010-05-08", **parameters}, quote_via=quote).encode()
    return (
        _head(f"POST {path}", account)
        + (
            "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
            "User-Agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python#3.11.7\r\n"
            "X-Amz-Date: 20261122T000000Z\r\n"
            f"amz-sdk-invocation-id: {uuid.uuid4()}\r\namz-sdk-request: attempt=1\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        + body
    )


def get(path: str, account: str, accept: str = "application/json") -> bytes:
    """A GET of the native API, by the root user of the account."""
    return _head(f"GET {path}", account) + f"Accept: {accept}\r\n\r\n".encode()


def _head(method_and_path: str, account: str) -> bytes:
    return (
        f"{method_and_path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={account}/20261122/us-east-1/iam/aws4_request, "
        f"SignedHeaders=content-type;host;x-amz-date, Signature={'0' * 64}\r\n"
    ).encode()


class Measured(msgspec.Struct, frozen=True):
    """One measurement: requests answered per second, latencies in milliseconds, answers that were not 200."""

    concurrency: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


class Run(msgspec.Struct):
    """What one or more turns of one client saw: latencies in seconds, answers, and how long it all took."""

    concurrency: int
    answers: int = 0
    latencies: list[float] = []
    seconds: float = 0.0
    failed: int = 0

    def measured(self) -> Measured:
        """The figures of all turns together."""
        ordered = sorted(self.latencies) or [0.0]
        rate = self.answers / self.seconds if self.seconds else 0.0
        p50, p99 = (ordered[len(ordered) * percent // 100] * 1000 for percent in (50, 99))
        return Measured(self.concurrency, rate, p50, p99, self.failed)


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], deadline: float, latencies: list[float]) -> None:
        self._requests = requests
        self._deadline = deadline
        self._latencies = latencies
        self._buffer = b""
        self._sent = 0.0
        self.answers = 0
        self.failed = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        request = next(self._requests, None) if self._sent < self._deadline else None
        if request is None:
            self._finish()
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        _, _, length = head.lower().partition(b"content-length: ")
        if len(body) < int(length.partition(b"\r\n")[0] or 0):
            return
        if self.answers:  # the first one's wait is for all connections to be taken, not for an answer
            self._latencies.append(time.perf_counter() - self._sent)
        self.answers += 1
        self.failed += not head.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


async def send(run: Run, port: int, requests: Iterator[bytes], seconds: float) -> None:
    """Take a turn: send requests to 127.0.0.1 for so many seconds, or until they run out."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    connections = []
    for _ in range(run.concurrency):
        _, connection = await loop.create_connection(
            lambda: _Connection(requests, began + seconds, run.latencies), "127.0.0.1", port
        )
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    run.seconds += time.perf_counter() - began
    run.answers += sum(connection.answers for connection in connections)
    run.failed += sum(connection.failed for connection in connections)


async def in_turns(concurrency: int, seconds: float, *sides: tuple[int, Iterator[bytes]]) -> list[Measured]:
    """Measure sides, each a port of 127.0.0.1 and what it is asked, for so many seconds each, in short turns."""
    runs = [Run(concurrency) for _ in sides]
    for _ in range(TURNS):
        for run, (port, requests) in zip(runs, sides, strict=True):
            await send(run, port, requests, seconds / TURNS)
    return [run.measured() for run in runs]


async def pieces(port: int, request: bytes) -> AsyncGenerator[bytes, None]:
    """The chunks of one answer, each when it is there. Raises Failure if the answer is not 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise Failure(f"the service answers {head.splitlines()[0].decode()} to {request.splitlines()[0].decode()}")
        while size := int(await reader.readline(), 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
    finally:
        writer.close()
