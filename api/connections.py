"""Connections and their limits: how many there are, how long a client may keep one waiting, how much it may send ahead.

aiohttp waits for its clients for ever. Here a request has REQUEST_SECONDS_MAX to arrive, from its first byte to the
last of its body, and a new connection as long to begin one. An answer must be taken, at least TAKEN_BYTES_MIN of it in
each REQUEST_SECONDS_MAX; those that flow (`api/flow.py`) see to that themselves. Between two requests a connection may
rest for IDLE_SECONDS_MAX, longer than the usual proxy keeps it, so that it is not closed under the next request.

One timer for each connection looks after all of this, seldom; a request only leaves word of where it stands.
"""

import asyncio
import math
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from struct import pack
from typing import cast

from aiohttp import EMPTY_PAYLOAD, StreamReader, web

from iam.errors import ServiceUnavailable

CONNECTIONS_MAX = 2000
FILES_RESERVED = 100  # descriptors that connections leave to the log and the projections
REQUEST_SECONDS_MAX = 8.0
IDLE_SECONDS_MAX = 75.0
LINGERING_SECONDS_MAX = 1.0  # what is still sent to an answered request is read and dropped, so that the answer arrives
TAKEN_BYTES_MIN = 64 * 1024
HEADER_BYTES_MAX = 32 * 1024  # of the request line, and of each header
BODY_BYTES_AHEAD = 64 * 1024  # a little more of a body than this is taken in before a handler asks for it
SOCKET_BYTES = 64 * 1024  # what the system takes in for us; one that sends fast is read in pieces of about this
AHEAD_BYTES_MAX = 512 * 1024  # what has arrived of requests that nobody handles yet
LARGE_BODIES_MAX = 64

_RESET_AT_CLOSE = pack("ii", 1, 0)  # struct linger: on, zero seconds

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connections(web.Server):
    """aiohttp's server, with these limits. What is over CONNECTIONS_MAX is answered 503 unread."""

    def __init__(self, respond: Respond) -> None:
        super().__init__(self._answer)
        self._respond = respond
        self.turn = asyncio.Lock()  # to make the next piece of a table: see api/tables.py
        self._large_bodies = 0
        self._open = 0
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        unlimited = files == resource.RLIM_INFINITY
        self._open_max = CONNECTIONS_MAX if unlimited else max(1, min(CONNECTIONS_MAX, files - FILES_RESERVED))

    def __call__(self) -> asyncio.Protocol:  # type: ignore[override]  # whoever is refused needs nothing of aiohttp's
        """What talks to a client that has connected."""
        return Connection(self) if self._open < self._open_max else _Refusal()

    async def _answer(self, http: web.BaseRequest) -> web.StreamResponse:
        connection = connection_of(http)
        connection.begin(http.content)
        try:
            return await self._respond(http)
        finally:
            connection.end()

    @contextmanager
    def large_body(self) -> Iterator[None]:
        """Read a large body. Raises ServiceUnavailable where LARGE_BODIES_MAX are being read: memory is bounded."""
        if self._large_bodies >= LARGE_BODIES_MAX:
            raise ServiceUnavailable("Too many large requests are arriving. The call may be repeated.")
        self._large_bodies += 1
        try:
            yield
        finally:
            self._large_bodies -= 1

    def count(self, change: int) -> None:
        """A connection was opened (1) or has ended (-1)."""
        self._open += change


class Connection(web.RequestHandler):
    """One client's connection, with a watch on how long it keeps us waiting."""

    __slots__ = ("_ahead", "_answering", "_content", "_line", "_time", "_timer", "_unsent", "due", "server")

    def __init__(self, server: Connections) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # which aiohttp takes for none
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS_MAX,
            lingering_time=LINGERING_SECONDS_MAX,
            max_line_size=HEADER_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            read_bufsize=BODY_BYTES_AHEAD,
        )
        self.server = server
        self.due = math.inf  # by the event loop's clock: until when the client has time; inf where we wait for nothing
        self._time = loop.time
        self._answering = False  # a handler is at work, which itself sees to what it waits for
        self._content: StreamReader = EMPTY_PAYLOAD  # the body of the last request that began to be handled
        self._ahead = 0  # bytes that belong to no such request
        self._unsent = 0  # what the client had not taken at the last look; 0 where we wait for a request instead

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._line = cast(asyncio.Transport, transport)  # aiohttp lets go of its own when it begins to close
        self._line.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        self.server.count(1)
        self.due = self._time() + REQUEST_SECONDS_MAX
        self._timer = asyncio.get_running_loop().call_at(self.due, self._look)

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        self._timer.cancel()
        self.server.count(-1)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if data and self._content.is_eof():
            self._ahead += len(data)
            if self._ahead > AHEAD_BYTES_MAX:
                return self._part(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            if self.due == math.inf and not self._answering:  # the first bytes of a request
                self.due = self._time() + REQUEST_SECONDS_MAX
        return super().data_received(data)

    def pause_writing(self) -> None:
        """See asyncio.Protocol. The client leaves more than a little of its answers to us."""
        super().pause_writing()
        if not self._answering:
            self._expect_taking()

    def begin(self, content: StreamReader) -> None:
        """A request with this body is being handled. What is missing of the body must arrive by `due`."""
        self._answering = True
        self._content = content
        self._ahead = 0
        if self.due == math.inf:  # it came while another one was being answered
            self.due = self._time() + REQUEST_SECONDS_MAX

    def drop(self) -> None:
        """Close the connection once the request is answered, and take in no more of its body."""
        self._lingering_time = 0.0  # aiohttp's own

    def end(self) -> None:
        """The request is answered, but for sending what there is to be sent."""
        self._answering = False
        self.due, self._unsent = math.inf, 0

    def _look(self) -> None:
        """Part from a client that has had its time. Look again when it will have had it."""
        now = self._time()
        if not self._answering:
            unsent = self._line.get_write_buffer_size()
            if now >= self.due:
                if not self._unsent:
                    self._part(HTTPStatus.REQUEST_TIMEOUT)
                elif unsent > self._unsent - TAKEN_BYTES_MIN:
                    reset(self._line)
                self.due, self._unsent = math.inf, 0
            if unsent and self.due == math.inf:
                self._expect_taking()
        next_look = self.due if now < self.due < math.inf else now + REQUEST_SECONDS_MAX
        self._timer = asyncio.get_running_loop().call_at(next_look, self._look)

    def _expect_taking(self) -> None:
        """Let us see by `due` how much the client has taken of what waits for it."""
        self.due, self._unsent = self._time() + REQUEST_SECONDS_MAX, self._line.get_write_buffer_size()

    def _part(self, status: HTTPStatus) -> None:
        """Close the connection; a client that had begun a request, and can hear it, is told why."""
        if self._answering or self._line.get_write_buffer_size():
            reset(self._line)
            return
        if self._ahead and not self._line.is_closing():
            self._line.write(_last_words(status))
        self.force_close()


class _Refusal(asyncio.Protocol):
    """What a client meets that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        line = cast(asyncio.Transport, transport)
        line.write(_last_words(HTTPStatus.SERVICE_UNAVAILABLE, "Retry-After: 1\r\n"))
        line.close()


def reset(line: asyncio.Transport) -> None:
    """Break a connection, and drop what the client has not taken.

    A plain close would look like the end of an answer in HTTP/1.0, which has no other; and a client that takes nothing
    would not even hear of it, while the operating system keeps what there is for it.
    """
    line.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    line.abort()


def connection_of(http: web.BaseRequest) -> Connection:
    """The connection that a request came on."""
    connection = http.protocol
    assert isinstance(connection, Connection)
    return connection


def _last_words(status: HTTPStatus, headers: str = "") -> bytes:
    """An answer to a request that nobody has read. It has no body, as the protocol is not known."""
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
    )
