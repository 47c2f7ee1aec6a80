"""The account's records as server-sent events, those to come too.

Ids are positions, and only durable records are sent. So a client that reconnects with the last id it saw misses
nothing and sees nothing twice, whatever happened to the service meanwhile.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web
from multidict import istr

from api import flow
from api.followers import FOLLOWERS_MAX
from api.routes import Parameter, Route
from api.service import Request, Service
from iam.errors import ValidationError

HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 1000

_LAST_EVENT_ID = istr("Last-Event-ID")
_BUFFERING = istr("X-Accel-Buffering")
_POSITION = re.compile("[0-9]{1,18}", re.ASCII)

STREAM: Final = Route(
    method="GET",
    path="/v1/events/stream",
    about="The account's records as server-sent events, and then each new one as soon as it is durable. `id` is the "
    "position, `event` the type of the event, or the outcome of a call that changed nothing, and `data` the record as "
    "it is stored. A client that reconnects with a `Last-Event-ID` header, as browsers do by themselves, goes on "
    "behind that position: nothing is lost or repeated, even if the service was killed meanwhile. A comment comes "
    f"every {HEARTBEAT_SECONDS:g} seconds when nothing else does. A client that reads nothing for "
    f"{flow.STALLED_SECONDS:g} seconds is dropped. There can be {FOLLOWERS_MAX:,} streams at once; one more is "
    "answered 503.",
    parameters=(
        Parameter(
            name="from",
            meaning="`beginning`, `now`, or `@n` to begin with record n",
            pattern="beginning|now|@[0-9]{1,18}",
            default="beginning",
        ),
        Parameter(
            name=str(_LAST_EVENT_ID),
            meaning="the position that was seen last; then `from` does not count",
            place="header",
            pattern=_POSITION.pattern,
        ),
    ),
    other="text/event-stream",
)


async def stream(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/events/stream`: records from a place on, until the client goes or the service stops."""
    begin = asked.get("from", "beginning")
    account = request.caller.account
    head = (await service.log.head(account)).position
    seen = http.headers.get(_LAST_EVENT_ID)
    position = _beginning(begin, head) if seen is None else _seen(seen, head)
    await service.log.get(account, [position + 1])  # where it is damaged, that is answered, and no stream begins
    response = flow.flowing("text/event-stream", request.request_id)
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    response.headers[_BUFFERING] = "no"  # nginx would hold events back
    with flow.whole_or_broken(http, response):
        async with service.followers.joined():
            await response.prepare(http)
            await flow.send(response, b"retry: %d\n\n" % RETRY_MILLISECONDS)
            await _follow(service, account, position, response)
        await flow.finish_at_once(http, response)
    return response


async def _follow(service: Service, account: str, position: int, response: web.StreamResponse) -> None:
    """Send what is behind the position, and then what comes. Only a failure or `joined` ends it."""
    while True:
        page = await service.followers.page(account, position)
        position, more = page.position, page.more
        if page.text:
            await flow.send(response, page.text)
        del page  # it may be long until more comes
        while not more.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await more.wait()
            except TimeoutError:
                await flow.send(response, b":\n\n")  # so that proxies keep it open, and to find out who is gone


def _beginning(text: str, head: int) -> int:
    """The position behind which a stream begins that `from` asks for. Raises ValidationError."""
    if text == "beginning":
        return 0
    if text == "now":
        return head
    if not (text.startswith("@") and _POSITION.fullmatch(text, 1)):
        raise ValidationError(f"from: {text} is not beginning, now, or @ and a position.")
    if int(text[1:]) > head + 1:
        raise ValidationError(f"from: {text} is above the head of the ledger, @{head}.")
    return max(0, int(text[1:]) - 1)


def _seen(text: str, head: int) -> int:
    """The position that a client has seen last. Raises ValidationError."""
    if not _POSITION.fullmatch(text):
        raise ValidationError(f"{_LAST_EVENT_ID}: {text} is not the id of an event of a stream.")
    if int(text) > head:
        raise ValidationError(f"{_LAST_EVENT_ID}: {text} is above the head of the ledger, @{head}.")
    return int(text)
