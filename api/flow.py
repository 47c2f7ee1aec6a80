"""Answers whose length nobody knows yet: sent piece by piece, no faster than the client takes them."""

import asyncio
import logging
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from aiohttp import hdrs, web
from multidict import CIMultiDict

from api.answers import REQUEST_ID
from api.connections import reset

logger = logging.getLogger(__name__)

PIECE_BYTES = 64 * 1024
STALLED_SECONDS = 60.0


def flowing(content_type: str, request_id: str) -> web.StreamResponse:
    """An answer without a length. Nothing is sent before it is prepared."""
    return web.StreamResponse(headers=CIMultiDict(((REQUEST_ID, request_id), (hdrs.CONTENT_TYPE, content_type))))


async def send(response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece; returns when the client has taken most of what was sent before.

    Raises ConnectionError when the client is gone, or has taken nothing for STALLED_SECONDS.
    """
    await _taken(response.write(piece))


async def finish(response: web.StreamResponse) -> None:
    """Say that this was all. Raises ConnectionError as `send` does."""
    await _taken(response.write_eof())


async def finish_at_once(http: web.BaseRequest, response: web.StreamResponse) -> None:
    """Say that there is no more. A client that is behind is not waited for: its connection breaks."""
    if http.transport is not None and not http.transport.is_closing():
        low, _ = http.transport.get_write_buffer_limits()
        if http.transport.get_write_buffer_size() > low:
            reset(http.transport)
        else:
            await response.write_eof()


@contextmanager
def whole_or_broken(http: web.BaseRequest, response: web.StreamResponse) -> Iterator[None]:
    """If the body fails, break the connection, so that what was sent so far is not taken for the whole.

    Where nothing was sent yet, what the body raises is raised.
    """
    try:
        yield
    except BaseException as error:
        if not response.prepared:
            raise
        if http.transport is not None and not http.transport.is_closing():
            reset(http.transport)
        if not isinstance(error, Exception):
            raise
        if not isinstance(error, ConnectionError):  # which is the client's doing
            logger.exception("an answer was cut off", extra={"request_id": response.headers.get(REQUEST_ID)})


async def _taken(writing: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(STALLED_SECONDS):
            await writing
    except TimeoutError:
        raise ConnectionAbortedError("the client has stopped reading") from None
