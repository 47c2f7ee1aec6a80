"""The native API under `/v1`: which path leads where. Every answer is in the JSON envelope unless it says otherwise."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from api import answers, attachments, checkpoints, events, restores, stream, user_history, users
from api.query_string import parameters
from api.routes import Route
from api.service import Request, Service
from iam.errors import MethodNotAllowed, NoSuchEntity

PREFIX = "/v1/"

Asked = Mapping[str, str]  # what the path and the query string say, by the names of the route's parameters
Handler = Callable[[Service, web.BaseRequest, Request, Asked], Awaitable[web.StreamResponse]]

_HANDLERS: tuple[tuple[Route, Handler], ...] = (
    (checkpoints.CHECKPOINT, checkpoints.checkpoint),
    (events.EVENTS, events.events),
    (stream.STREAM, stream.stream),
    (events.EVENT, events.event),
    (attachments.ATTACHMENTS, attachments.attachments),
    (attachments.HISTORY, attachments.history),
    (users.USER_IN_FULL, users.user),
    (users.POLICIES, users.policies),
    (user_history.HISTORY, user_history.history),
    (users.DIFF, users.diff),
    (restores.RESTORE, restores.restore),
)

ROUTES: Final = tuple(route for route, _ in _HANDLERS)
"""In the order in which they are tried."""


async def answer(service: Service, http: web.BaseRequest, request: Request, path: str) -> web.StreamResponse:
    """The answer at a path, which is as it was sent.

    Raises NoSuchEntity where nothing is, MethodNotAllowed where something is for another method, ValidationError for
    parameters that the route does not have, and what its handler raises.
    """
    route, handler, named = _find(http.method, path)
    return await handler(service, http, request, {**named, **parameters(http, route)})


def _find(method: str, path: str) -> tuple[Route, Handler, Asked]:
    """The route of a path, its handler, and the parts of the path that the route names."""
    allowed: dict[str, None] = {}
    for route, pattern, handler in _PATTERNS:
        if (found := pattern.fullmatch(path)) is not None:
            if route.method == method:
                named = {name: answers.valid(unquote(part)) for name, part in found.groupdict().items()}
                return route, handler, named
            allowed[route.method] = None
    if allowed:
        raise not_allowed(method, path, ", ".join(allowed))
    raise nothing_at(method, path)


def nothing_at(method: str, path: str) -> NoSuchEntity:
    """The refusal of a path where nothing is."""
    return NoSuchEntity(f"There is nothing at {method} {answers.valid(unquote(path))}.")


def not_allowed(method: str, path: str, allowed: str) -> MethodNotAllowed:
    """The refusal of a method that a path is not for."""
    return MethodNotAllowed(f"{answers.valid(unquote(path))} is not for {method}, but for {allowed}.", allowed)


def _pattern(path: str) -> re.Pattern[str]:
    """Paths of routes hold nothing that a regular expression would take otherwise."""
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path.replace("{arn}", "(?P<arn>.+)")))


_PATTERNS = [(route, _pattern(route.path), handler) for route, handler in _HANDLERS]
