"""What goes back: AWS's XML, or the JSON envelope that every native answer shares."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict, istr

from api import xml
from api.errors import RETRY_AFTER_SECONDS, STATUS, upper_snake
from iam.errors import IamError, MethodNotAllowed, RequestTimeout, RequestTooLarge, ServiceUnavailable

REQUEST_ID = istr("x-amzn-RequestId")
XML = "text/xml"
JSON = "application/json"

_encode = msgspec.json.Encoder().encode


def valid(text: str) -> str:
    """The text of a header or path, fit to be stored and sent: bytes in it that are no UTF-8 become U+FFFD."""
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="replace")


def present(value: Any) -> Any:
    """A result without the members that are None, which AWS leaves out."""
    if isinstance(value, Mapping):
        return {name: present(member) for name, member in value.items() if member is not None}
    return [present(member) for member in value] if isinstance(value, list) else value


def answer(body: bytes, content_type: str, request_id: str, status: int = 200) -> web.Response:
    """A response as AWS sends it, with its request id."""
    headers = CIMultiDict(((REQUEST_ID, request_id), (hdrs.CONTENT_TYPE, content_type)))
    return web.Response(body=body, status=status, headers=headers)


def basis_headers(position: int, instant: datetime) -> dict[str, str]:
    """What an answer in AWS's form was computed at: its body has no place for that."""
    return {"x-iam-ledger-position": str(position), "x-iam-ledger-instant": rfc3339(instant)}


def rfc3339(at: datetime) -> str:
    """A time as every answer of ours writes it: in UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def success(data: Any, request_id: str) -> web.Response:
    """The envelope around a result."""
    return answer(_encode({"success": True, "data": data}), JSON, request_id)


def failure(error: IamError, request_id: str, *, json: bool, namespace: str) -> web.Response:
    """A refusal, in the protocol that the caller speaks."""
    status = STATUS[type(error)]
    if json:
        told: Mapping[str, Any] = {"code": upper_snake(error.code), "message": valid(error.message)}
        response = answer(_encode({"success": False, "error": told}), JSON, request_id, status)
    else:
        kind = "Sender" if status < 500 else "Receiver"
        body = xml.render_error(namespace, kind, error.code, error.message, request_id)
        response = answer(body, XML, request_id, status)
    if isinstance(error, (RequestTimeout, RequestTooLarge)):
        response.force_close()  # the rest of the body is not waited for
    if isinstance(error, MethodNotAllowed):
        response.headers[hdrs.ALLOW] = error.allowed
    if isinstance(error, ServiceUnavailable):
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
