"""The body of a request: all of it, within bounds of size and time, or a clear refusal."""

import asyncio
from functools import lru_cache

from aiohttp import hdrs, web

from iam.errors import InvalidInput, MalformedInput, RequestTimeout, RequestTooLarge

BODY_BYTES_MAX = 1024 * 1024  # aiohttp's own bound on what `read` takes in
BODY_SECONDS_MAX = 8.0


async def read_body(request: web.BaseRequest) -> bytes:
    """Read the body. Raises RequestTooLarge, RequestTimeout, or InvalidInput for a compressed one."""
    if not request.body_exists:
        return b""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING)
    if encoding is not None and encoding.lower() != "identity":
        raise InvalidInput(f"A body with Content-Encoding {encoding} is not read: send it as it is.")
    try:
        if request.content.is_eof():  # all of it came with the headers; nothing to wait for
            body = request.content.read_nowait()
            if len(body) > BODY_BYTES_MAX:
                raise _too_large()
            return body
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except TimeoutError:
        raise RequestTimeout(f"The request body did not arrive within {BODY_SECONDS_MAX:g} seconds.") from None
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
