"""The body of a request: all of it, within bounds of size and time, or a clear refusal."""

import asyncio

from aiohttp import hdrs, web

from iam.errors import InvalidInput, MalformedInput, RequestTimeout, RequestTooLarge

BODY_BYTES_MAX = 1024 * 1024
BODY_SECONDS_MAX = 8.0


async def read_body(request: web.Request) -> bytes:
    """Read the body. Raises RequestTooLarge, RequestTimeout, or InvalidInput for a compressed one."""
    if not request.body_exists:
        return b""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING)
    if encoding is not None and encoding.lower() != "identity":
        raise InvalidInput(f"A body with Content-Encoding {encoding} is not read: send it as it is.")
    try:
        if request.content.is_eof():
            return await request.read()  # all of it came with the headers; nothing to wait for
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise RequestTooLarge(f"The request body is larger than {BODY_BYTES_MAX} bytes.") from None
    except TimeoutError:
        raise RequestTimeout(f"The request body did not arrive within {BODY_SECONDS_MAX:g} seconds.") from None
    except web.RequestPayloadError as error:
        raise MalformedInput(f"The request body cannot be read: {error}") from None
    except ConnectionError:
        raise MalformedInput("The request body was cut short.") from None
