"""The native API under `/v1`: audit questions, answered in the JSON envelope."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from api import answers
from api.instants import parse_time
from api.service import Request, Service
from iam import relations as r
from iam.errors import NoSuchEntity, ValidationError
from iam.users import find_user, user_at
from projections.audit import EventQuery, find_events
from projections.instant import InstantState

PREFIX = "/v1/"
EVENTS_PER_PAGE = 100
EVENTS_PER_PAGE_MAX = 1000

Named = Mapping[str, str]  # the parts of the path that a route names
Handler = Callable[[Service, web.BaseRequest, Request, Named], Awaitable[web.StreamResponse]]

_FILTERS = ("user", "policy", "actor", "request_id", "action", "type", "outcome", "source_ip")


def find(method: str, path: str) -> tuple[Handler, Named]:
    """The handler of a path as it was sent, and the parts that its route names. Raises NoSuchEntity."""
    sent = path.split("/")
    for route, handler in ROUTES.items():
        parts = route.split("/")
        if method == "GET" and len(parts) == len(sent):
            pairs = list(zip(parts, sent, strict=True))
            if all(part == given or (part.startswith("{") and given) for part, given in pairs):
                return handler, {part[1:-1]: unquote(given) for part, given in pairs if part != given}
    raise NoSuchEntity(f"There is nothing at {method} {answers.valid(unquote(path))}.")


async def events(service: Service, http: web.BaseRequest, request: Request, named: Named) -> web.Response:
    """`GET /v1/events`: the account's records, oldest first, a page at a time."""
    asked = _parameters(http, *_FILTERS, "from", "to", "limit", "cursor")
    query = EventQuery(
        **{name: asked[name] for name in _FILTERS if name in asked},
        since=parse_time(asked["from"], "from") if "from" in asked else None,
        until=parse_time(asked["to"], "to") if "to" in asked else None,
    )
    account = request.caller.account
    _, head = await service.accounts.state(account)
    await service.caught_up(account, head.position)
    page = await find_events(
        service.log, service.projections, account, query, _after(asked.get("cursor")), _limit(asked.get("limit"))
    )
    told = {"events": [msgspec.Raw(row.record) for row in page.rows], "cursor": _cursor(page.next_after)}
    return answers.success(told, request.request_id)


async def event(service: Service, http: web.BaseRequest, request: Request, named: Named) -> web.Response:
    """`GET /v1/events/{id or position}`: one record as it is stored."""
    _parameters(http)
    which = named["event"]
    account = request.caller.account
    row = await service.find_record(account, which)
    if row is None:
        raise NoSuchEntity(f"There is no event {which} in account {account}.")
    return answers.success(msgspec.Raw(row.record), request.request_id)


async def user_policies(service: Service, http: web.BaseRequest, request: Request, named: Named) -> web.Response:
    """`GET /v1/users/{name}/policies`: the policy sets at an instant, each with the record that put it there."""
    asked = _parameters(http, "at")
    account = request.caller.account
    basis = await service.resolve(account, asked.get("at"))
    await service.caught_up(account, basis.position)
    sets = await service.projections.read(
        lambda connection: _policy_sets(InstantState(connection, account, service.world, basis.position), named["name"])
    )
    positions = sorted({entry["position"] for entry in (*sets["attached"], *sets["inline"])})
    origins = {row.position: _origin(row.record) for row in await service.log.get(account, positions)}
    for entry in (*sets["attached"], *sets["inline"]):
        entry.update(origins[entry["position"]])
    return answers.success({**sets, "basis": basis}, request.request_id)


def _policy_sets(state: InstantState, name: str) -> dict[str, Any]:
    user_id = name if state.get(r.USER, name) else find_user(state, name)
    user = user_at(state, user_id)
    attached = [
        {"policy_name": policy_name, "policy_arn": arn, "position": position}
        for arn, policy_name, position in state.entries(r.USER_POLICIES, user_id)
    ]
    inline = [
        {"policy_name": policy.policy_name, "policy_document": policy.document, "position": position}
        for _, policy, position in state.entries(r.USER_INLINE_POLICIES, user_id)
    ]
    return {
        "user_name": user.user_name,
        "user_id": user.user_id,
        "arn": user.arn,
        "attached": sorted(attached, key=lambda entry: str(entry["policy_name"]).lower()),
        "inline": sorted(inline, key=lambda entry: str(entry["policy_name"]).lower()),
    }


class _Origin(msgspec.Struct):
    """The part of a record that says who put something there, and when."""

    id: str
    recorded_at: datetime
    actor: Mapping[str, Any]


def _origin(record: bytes) -> dict[str, Any]:
    origin = msgspec.json.decode(record, type=_Origin)
    return {"event_id": origin.id, "since": origin.recorded_at, "by": origin.actor}


def _parameters(http: web.BaseRequest, *known: str) -> dict[str, str]:
    """The query string's parameters. ValidationError for an unknown, repeated or empty one."""
    asked: dict[str, str] = {}
    for name, value in http.query.items():
        if name not in known:
            raise ValidationError(f"There is no parameter {name} here; there are: {', '.join(known) or 'none'}.")
        if name in asked or not value:
            raise ValidationError(f"{name} must be given once, with a value.")
        asked[name] = value
    return asked


def _limit(text: str | None) -> int:
    if text is None:
        return EVENTS_PER_PAGE
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= EVENTS_PER_PAGE_MAX):
        raise ValidationError(f"limit: {text} is not a number from 1 to {EVENTS_PER_PAGE_MAX}.")
    return int(text)


def _cursor(after: int | None) -> str | None:
    return None if after is None else urlsafe_b64encode(f"@{after}".encode()).decode()


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        sign, number = (text := urlsafe_b64decode(cursor).decode("ascii"))[:1], text[1:]
        if sign == "@" and number.isdigit() and len(number) < 19:
            return int(number)
    except ValueError:
        pass
    raise ValidationError(f"cursor: {cursor} is not one that this service gave.")


ROUTES: Mapping[str, Handler] = {
    "/v1/events": events,
    "/v1/events/{event}": event,
    "/v1/users/{name}/policies": user_policies,
}
