"""The routes, and what every request goes through: the guard, the caller, its answer or its refusal."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import hdrs, web

from api import answers, aws, native
from api.body import BODY_BYTES_MAX
from api.caller import unauthenticated
from api.guard import check_browser
from api.service import Request, Service
from eventstore.record import timed_id
from iam.errors import IamError, InvalidAction, NoSuchEntity, ServiceFailure, ServiceUnavailable, ValidationError

logger = logging.getLogger(__name__)

COMMAND_ID_CHARACTERS_MAX = 128
COMMAND_ID_HEADERS = ("amz-sdk-invocation-id", "Idempotency-Key")

Handler = Callable[[Service, web.Request, Request], Awaitable[web.Response]]
HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(service: Service, default_account: str) -> web.Application:
    """The application over a service. It does not start or stop the service."""
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    respond = Responder(service, default_account)
    app.router.add_route("*", "/", respond.as_aws)  # found without a search, unlike what follows
    app.router.add_get("/healthz", respond.health)
    app.router.add_get("/readyz", respond.readiness)
    app.router.add_get("/v1/events", respond.natively(native.events))
    app.router.add_get("/v1/events/{event}", respond.natively(native.event))
    app.router.add_get("/v1/users/{name}/policies", respond.natively(native.user_policies))
    app.router.add_route("*", "/v1/{rest:.*}", respond.natively(_no_such_path))
    app.router.add_route("*", "/{rest:.*}", respond.as_aws)
    return app


class Responder:
    """Turns a request into an answer, whatever goes wrong on the way."""

    def __init__(self, service: Service, default_account: str) -> None:
        self._service = service
        self._default_account = default_account

    async def as_aws(self, http: web.Request) -> web.StreamResponse:
        """A request of AWS's API, answered in XML or, where it asks for that, in the JSON envelope."""
        request_id = timed_id(datetime.now(UTC))
        json = _wants_json(http)
        try:
            if http.method not in (hdrs.METH_GET, hdrs.METH_POST):
                return web.Response(status=405, headers={"Allow": "GET, POST", "x-amzn-RequestId": request_id})
            request = self._request(http, request_id)
            return await aws.handle(self._service, http, request, json=json)
        except Exception as error:
            return answers.failure(_known(error), request_id, json=json, namespace=_namespace(error))

    def natively(self, handler: Handler) -> HttpHandler:
        """A request of the native API, answered in the JSON envelope."""

        async def respond(http: web.Request) -> web.StreamResponse:
            request_id = timed_id(datetime.now(UTC))
            try:
                return await handler(self._service, http, self._request(http, request_id))
            except Exception as error:
                return answers.failure(_known(error), request_id, json=True, namespace="")

        return respond

    async def health(self, http: web.Request) -> web.Response:
        """The process answers."""
        return answers.success({"healthy": True}, timed_id(datetime.now(UTC)))

    async def readiness(self, http: web.Request) -> web.Response:
        """Requests are served, and nothing is known that would keep a write from being recorded."""
        request_id = timed_id(datetime.now(UTC))
        if not self._service.ready:
            error = ServiceUnavailable("The service is starting or stopping.")
            return answers.failure(error, request_id, json=True, namespace="")
        return answers.success({"ready": True, "read_only": self._service.accounts.read_only}, request_id)

    def _request(self, http: web.Request, request_id: str) -> Request:
        check_browser(http)
        if not self._service.ready:
            raise ServiceUnavailable("The service is starting or stopping.")
        headers = http.headers
        partition = self._service.world.partition
        return Request(
            caller=unauthenticated(
                answers.valid(headers.get(hdrs.AUTHORIZATION, "")), self._default_account, partition
            ),
            request_id=request_id,
            command_id=_command_id(http),
            source_ip=http.remote or "",
            user_agent=answers.valid(headers.get(hdrs.USER_AGENT, "")),
        )


def _command_id(http: web.Request) -> str | None:
    for header in COMMAND_ID_HEADERS:
        command_id = http.headers.get(header)
        if command_id is not None:
            if not command_id.isascii() or not 1 <= len(command_id) <= COMMAND_ID_CHARACTERS_MAX:
                raise ValidationError(f"{header} must have 1 to {COMMAND_ID_CHARACTERS_MAX} ASCII characters.")
            return command_id
    return None


def _wants_json(http: web.Request) -> bool:
    accepted = http.headers.get(hdrs.ACCEPT, "")
    return "application/json" in accepted or (http.content_type == "application/json" and "xml" not in accepted)


def _known(error: Exception) -> IamError:
    """The refusal to answer with: itself, or ServiceFailure for what nobody foresaw."""
    if isinstance(error, IamError):
        return error
    logger.error("a request failed", exc_info=error)
    return ServiceFailure("The service has failed at this request. Its log says why.")


def _namespace(error: Exception) -> str:
    return aws.FAULT_NAMESPACE if isinstance(error, InvalidAction) else aws.IAM.namespace


async def _no_such_path(service: Service, http: web.Request, request: Request) -> web.Response:
    raise NoSuchEntity(f"There is nothing at {http.method} {http.path}.")
