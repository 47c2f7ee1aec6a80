"""A closed-loop HTTP client for benchmarks: each connection sends its next request when the answer is there.

Speaks just enough HTTP/1.1 for answers with a Content-Length, so that little of what is measured is the client.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import cast

import msgspec


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
