"""The native API under `/v1`: which path leads where. Every answer is in the JSON envelope unless it says otherwise."""

import re
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

from aiohttp import web

from api import answers, attachments, checkpoints, events, restores, stream, user_history, users
from api.service import Request, Service
from iam.errors import MethodNotAllowed, NoSuchEntity

PREFIX = "/v1/"

Named = Mapping[str, str]  # the parts of the path that a route names
Handler = Callable[[Service, web.BaseRequest, Request, Named], Awaitable[web.StreamResponse]]

ROUTES: Mapping[str, Handler] = {
    "GET /v1/checkpoint": checkpoints.checkpoint,
    "GET /v1/events": events.events,
    "GET /v1/events/stream": stream.stream,
    "GET /v1/events/{event}": events.event,
    "GET /v1/policies/{arn}/attachments": attachments.attachments,
    "GET /v1/policies/{arn}/attachments/history": attachments.history,
    "GET /v1/users/{name}": users.user,
    "GET /v1/users/{name}/policies": users.policies,
    "GET /v1/users/{name}/history": user_history.history,
    "GET /v1/users/{name}/diff": users.diff,
    "POST /v1/users/{name}/restore": restores.restore,
}
"""Method and path. `{arn}` spans slashes, as ARNs have paths in them; every other name is one part of the path."""


def find(method: str, path: str) -> tuple[Handler, Named]:
    """The handler of a path as it was sent, and the parts that its route names.

    Raises NoSuchEntity where there is none, and MethodNotAllowed where there is one for another method.
    """
    allowed: dict[str, None] = {}
    for known, pattern, handler in _PATTERNS:
        if (found := pattern.fullmatch(path)) is not None:
            if known == method:
                return handler, {name: answers.valid(unquote(part)) for name, part in found.groupdict().items()}
            allowed[known] = None
    if allowed:
        raise not_allowed(method, path, ", ".join(allowed))
    raise NoSuchEntity(f"There is nothing at {method} {answers.valid(unquote(path))}.")


def not_allowed(method: str, path: str, allowed: str) -> MethodNotAllowed:
    """The refusal of a method that a path is not for."""
    return MethodNotAllowed(f"{answers.valid(unquote(path))} is not for {method}, but for {allowed}.", allowed)


def _pattern(path: str) -> re.Pattern[str]:
    """Paths of routes hold nothing that a regular expression would take otherwise."""
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path.replace("{arn}", "(?P<arn>.+)")))


_PATTERNS = [
    (method, _pattern(path), handler) for route, handler in ROUTES.items() for method, path in [route.split(" ")]
]
