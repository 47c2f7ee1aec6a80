"""The body of a request: all of it, within bounds of size and time, or a clear refusal."""

import asyncio
from contextlib import nullcontext
from functools import lru_cache

from aiohttp import hdrs, web

from api import connections
from api.connections import connection_of
from iam.errors import InvalidInput, MalformedInput, RequestTimeout, RequestTooLarge, ServiceUnavailable

BODY_BYTES_MAX = 1024 * 1024  # aiohttp's own bound on what `read` takes in
SMALL_BODY_BYTES_MAX = 64 * 1024  # any number of these may arrive at once


async def read_body(request: web.BaseRequest) -> bytes:
    """Read the body.

    Raises RequestTooLarge, RequestTimeout, InvalidInput for a compressed one, and ServiceUnavailable where too many
    large ones are arriving.
    """
    if not request.body_exists:
        return b""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING)
    if encoding is not None and encoding.lower() != "identity":
        raise InvalidInput(f"A body with Content-Encoding {encoding} is not read: send it as it is.")
    length = request.content_length  # None where it comes in chunks
    if length is not None and length > BODY_BYTES_MAX:
        raise _too_large()
    try:
        if request.content.is_eof():  # all of it came with the headers; nothing to wait for
            body = request.content.read_nowait()
            if len(body) > BODY_BYTES_MAX:
                raise _too_large()
            return body
        connection = connection_of(request)
        small = length is not None and length <= SMALL_BODY_BYTES_MAX
        with nullcontext() if small else connection.server.large_body():
            async with asyncio.timeout_at(connection.due):
                return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except TimeoutError:
        seconds = connections.REQUEST_SECONDS_MAX
        raise RequestTimeout(f"The request did not arrive within {seconds:g} seconds.") from None
    except ServiceUnavailable:
        connection.drop()
        raise
    except web.RequestPayloadError as error:
        raise MalformedInput(f"The request body cannot be read: {error}") from None
    except ConnectionError:
        raise MalformedInput("The request body was cut short.") from None


def _too_large() -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than {BODY_BYTES_MAX} bytes.")


def media_type(request: web.BaseRequest) -> str | None:
    """What the body is said to be, without parameters and in lower case; None if nothing is said."""
    return _media_type(request.headers.get(hdrs.CONTENT_TYPE))


@lru_cache(maxsize=64)
def _media_type(header: str | None) -> str | None:
    return header.partition(";")[0].strip().lower() if header is not None else None
