"""The routes, and what every request goes through: the guard, the caller, its answer or its refusal."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Final, Literal

import msgspec
from aiohttp import hdrs, web
from multidict import istr

from api import answers, aws, native, openapi
from api.body import media_type
from api.connections import Connections
from api.errors import unforeseen
from api.guard import check_browser
from api.metrics import CONTENT_TYPE, METRICS, Metrics
from api.routes import COMMAND_ID, COMMAND_ID_CHARACTERS_MAX, Route
from api.service import Request, Service
from eventstore.record import timed_id
from iam.errors import AccessDenied, IamError, InvalidAction, ServiceUnavailable, ValidationError

logger = logging.getLogger(__name__)

COMMAND_ID_HEADERS = (istr("amz-sdk-invocation-id"), istr(COMMAND_ID.name))


class Healthy(msgspec.Struct, frozen=True):
    """The process answers."""

    healthy: Literal[True] = True


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Requests are served; `read_only` names accounts with events of a newer program, and what was met."""

    ready: Literal[True] = True
    read_only: Mapping[str, str]


HEALTH: Final = Route(
    method="GET",
    path="/healthz",
    about="The process answers. Always 200. HEAD does as well.",
    data=(Healthy,),
    refusals=(AccessDenied,),
)

READINESS: Final = Route(
    method="GET",
    path="/readyz",
    about="200 once requests are served, 503 before and after. `read_only` names the accounts, among those in memory, "
    "that hold events of a newer program, and what was met. HEAD does as well.",
    data=(Ready,),
    refusals=(AccessDenied, ServiceUnavailable),
)

OPENAPI: Final = Route(
    method="GET",
    path="/openapi.json",
    about="All routes for programs, in OpenAPI 3.1.",
    other=answers.JSON,
    refusals=(AccessDenied,),
)

ROUTES: Final = (aws.PRESENT, aws.PAST, HEALTH, READINESS, METRICS, OPENAPI, *native.ROUTES)
"""All that there is. What is under no path of it is answered 404."""

_OF_ITSELF: Final = frozenset(route.path for route in (HEALTH, READINESS, METRICS, OPENAPI))
_PROBED: Final = frozenset((HEALTH.path, READINESS.path))  # by load balancers, which may send HEAD


def build_server(service: Service, default_account: str) -> Connections:
    """The HTTP server over a service, which it does not start or stop.

    aiohttp's server without its application: AWS's API has one path, and finding it must cost nothing.
    """
    return Connections(Responder(service, default_account).respond)


class Responder:
    """Turns a request into an answer, whatever goes wrong on the way."""

    def __init__(self, service: Service, default_account: str) -> None:
        self._service = service
        self._default_account = default_account
        self._metrics = Metrics(service)

    async def respond(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, and count the answer."""
        response = await self._answer(http, timed_id(datetime.now(UTC)))
        self._metrics.answers[response.status] += 1
        return response

    async def _answer(self, http: web.BaseRequest, request_id: str) -> web.StreamResponse:
        """Answer natively where a route of ours leads, and otherwise as AWS does."""
        if http.raw_path != "/":
            path = http.raw_path.partition("?")[0]
            if path in _OF_ITSELF:
                return await self._of_itself(http, path, request_id)
            if f"{path}/".startswith(native.PREFIX):
                return await self._natively(http, path, request_id)
        return await self._as_aws(http, request_id)

    async def _as_aws(self, http: web.BaseRequest, request_id: str) -> web.StreamResponse:
        """A request of AWS's API, or at a path of nobody's: in XML or, where it asks for that, in the JSON envelope."""
        json = _wants_json(http)
        try:
            place = aws.find_place(http.raw_path)
            if place is None:
                return _nothing(http, request_id, json=json)
            if http.method not in (hdrs.METH_GET, hdrs.METH_POST):
                return web.Response(status=405, headers={"Allow": "GET, POST", "x-amzn-RequestId": request_id})
            request = await self._request(http, request_id)
            return await aws.handle(self._service, http, request, place, json=json)
        except Exception as error:
            return answers.failure(_known(error, request_id), request_id, json=json, namespace=_namespace(error))

    async def _natively(self, http: web.BaseRequest, path: str, request_id: str) -> web.StreamResponse:
        """A request of the native API, answered in the JSON envelope."""
        try:
            request = await self._request(http, request_id)
            return await native.answer(self._service, http, request, path)
        except Exception as error:
            return answers.failure(_known(error, request_id), request_id, json=True, namespace="")

    async def _of_itself(self, http: web.BaseRequest, path: str, request_id: str) -> web.Response:
        """What the service says of itself, to whomever and also before it is ready."""
        try:
            check_browser(http)
            allowed = (hdrs.METH_GET, hdrs.METH_HEAD) if path in _PROBED else (hdrs.METH_GET,)
            if http.method not in allowed:
                raise native.not_allowed(http.method, path, ", ".join(allowed))
            if path == METRICS.path:
                return answers.answer(self._metrics.text(), CONTENT_TYPE, request_id)
            if path == OPENAPI.path:
                return answers.answer(_document(), answers.JSON, request_id)
            if path == HEALTH.path:
                return answers.success(Healthy(), request_id)
            await self._service.check()
            return answers.success(Ready(read_only=self._service.accounts.read_only), request_id)
        except Exception as error:
            return answers.failure(_known(error, request_id), request_id, json=True, namespace="")

    async def _request(self, http: web.BaseRequest, request_id: str) -> Request:
        check_browser(http)
        if not self._service.ready:
            raise ServiceUnavailable("The service is starting or stopping.")
        headers = http.headers
        authorization = answers.valid(headers.get(hdrs.AUTHORIZATION, ""))
        return Request(
            caller=await self._service.caller(authorization, self._default_account),
            request_id=request_id,
            command_id=_command_id(http),
            source_ip=http.remote or "",
            user_agent=answers.valid(headers.get(hdrs.USER_AGENT, "")),
        )


@cache
def _document() -> bytes:
    return msgspec.json.encode(openapi.document(ROUTES))


def _nothing(http: web.BaseRequest, request_id: str, *, json: bool) -> web.Response:
    """A path that nobody has is neither the present nor the past, however much it looks like one of them."""
    check_browser(http)
    refusal = native.nothing_at(http.method, http.raw_path.partition("?")[0])
    if json:
        raise refusal
    return aws.nothing(http, refusal.message, request_id)


def _command_id(http: web.BaseRequest) -> str | None:
    for header in COMMAND_ID_HEADERS:
        command_id = http.headers.get(header)
        if command_id is not None:
            if not command_id.isascii() or not 1 <= len(command_id) <= COMMAND_ID_CHARACTERS_MAX:
                raise ValidationError(f"{header} must have 1 to {COMMAND_ID_CHARACTERS_MAX} ASCII characters.")
            return command_id
    return None


def _wants_json(http: web.BaseRequest) -> bool:
    accepted = http.headers.get(hdrs.ACCEPT, "")
    return "application/json" in accepted or ("xml" not in accepted and media_type(http) == "application/json")


def _known(error: Exception, request_id: str) -> IamError:
    """The refusal to answer with: itself, or what stands for an error that nobody foresaw."""
    if isinstance(error, IamError):
        return error
    logger.error("a request failed", exc_info=error, extra={"request_id": request_id})
    return unforeseen(error)


def _namespace(error: Exception) -> str:
    return aws.FAULT_NAMESPACE if isinstance(error, InvalidAction) else aws.IAM.namespace
