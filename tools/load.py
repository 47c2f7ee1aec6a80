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


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], deadline: float, latencies: list[float]) -> None:
        self._requests = requests
        self._deadline = deadline
        self._latencies = latencies
        self._buffer = b""
        self._sent = 0.0
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
        self._latencies.append(time.perf_counter() - self._sent)
        self.failed += not head.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self._transport.close()


async def measure(port: int, requests: Iterator[bytes], concurrency: int, seconds: float) -> Measured:
    """Send requests to 127.0.0.1 for so many seconds, or until they run out."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    began = time.perf_counter()
    connections = []
    for _ in range(concurrency):
        _, connection = await loop.create_connection(
            lambda: _Connection(requests, began + seconds, latencies), "127.0.0.1", port
        )
        connections.append(connection)
    await asyncio.gather(*(connection.done for connection in connections))
    took = time.perf_counter() - began
    latencies.sort()
    if not latencies:
        return Measured(concurrency, 0, 0, 0, concurrency)
    return Measured(
        concurrency,
        len(latencies) / took,
        latencies[len(latencies) // 2] * 1000,
        latencies[len(latencies) * 99 // 100] * 1000,
        sum(connection.failed for connection in connections),
    )
