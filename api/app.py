"""The routes, and what every request goes through: the guard, the caller, its answer or its refusal."""

import logging
from datetime import UTC, datetime

from aiohttp import hdrs, web
from multidict import istr

from api import answers, aws, native
from api.body import media_type
from api.guard import check_browser
from api.service import Request, Service
from eventstore.record import timed_id
from iam.errors import IamError, InvalidAction, ServiceFailure, ServiceUnavailable, ValidationError

logger = logging.getLogger(__name__)

HEALTH = "/healthz"
READINESS = "/readyz"
HEADER_BYTES_MAX = 32 * 1024
COMMAND_ID_CHARACTERS_MAX = 128
COMMAND_ID_HEADERS = (istr("amz-sdk-invocation-id"), istr("Idempotency-Key"))


def build_server(service: Service, default_account: str) -> web.Server:
    """The HTTP server over a service, which it does not start or stop.

    aiohttp's server without its application: AWS's API has one path, and finding it must cost nothing.
    """
    return web.Server(
        Responder(service, default_account).respond,
        access_log=None,
        auto_decompress=False,
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
    )


class Responder:
    """Turns a request into an answer, whatever goes wrong on the way."""

    def __init__(self, service: Service, default_account: str) -> None:
        self._service = service
        self._default_account = default_account

    async def respond(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer natively where a route of ours leads, and otherwise as AWS does."""
        request_id = timed_id(datetime.now(UTC))
        if http.raw_path != "/":
            path = http.raw_path.partition("?")[0]
            if path in (HEALTH, READINESS):
                return self._condition(http, path, request_id)
            if path.startswith(native.PREFIX):
                return await self._natively(http, path, request_id)
        return await self._as_aws(http, request_id)

    async def _as_aws(self, http: web.BaseRequest, request_id: str) -> web.StreamResponse:
        """A request of AWS's API, answered in XML or, where it asks for that, in the JSON envelope."""
        json = _wants_json(http)
        try:
            if http.method not in (hdrs.METH_GET, hdrs.METH_POST):
                return web.Response(status=405, headers={"Allow": "GET, POST", "x-amzn-RequestId": request_id})
            request = await self._request(http, request_id)
            return await aws.handle(self._service, http, request, json=json)
        except Exception as error:
            return answers.failure(_known(error), request_id, json=json, namespace=_namespace(error))

    async def _natively(self, http: web.BaseRequest, path: str, request_id: str) -> web.StreamResponse:
        """A request of the native API, answered in the JSON envelope."""
        try:
            request = await self._request(http, request_id)
            handler, named = native.find(http.method, path)
            return await handler(self._service, http, request, named)
        except Exception as error:
            return answers.failure(_known(error), request_id, json=True, namespace="")

    def _condition(self, http: web.BaseRequest, path: str, request_id: str) -> web.Response:
        """Whether the process answers, or whether it serves."""
        try:
            check_browser(http)
            if http.method != hdrs.METH_GET:
                raise native.not_allowed(http.method, path, hdrs.METH_GET)
            if path == READINESS and not self._service.ready:
                raise ServiceUnavailable("The service is starting or stopping.")
        except IamError as error:
            return answers.failure(error, request_id, json=True, namespace="")
        if path == HEALTH:
            return answers.success({"healthy": True}, request_id)
        return answers.success({"ready": True, "read_only": self._service.accounts.read_only}, request_id)

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


def _known(error: Exception) -> IamError:
    """The refusal to answer with: itself, or ServiceFailure for what nobody foresaw."""
    if isinstance(error, IamError):
        return error
    logger.error("a request failed", exc_info=error)
    return ServiceFailure("The service has failed at this request. Its log says why.")


def _namespace(error: Exception) -> str:
    return aws.FAULT_NAMESPACE if isinstance(error, InvalidAction) else aws.IAM.namespace
