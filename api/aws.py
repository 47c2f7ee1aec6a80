"""AWS's own API: the Query protocol with XML replies, and the same actions in the JSON envelope.

At `/` it is of the present, at `/at/{instant}/` of the past, which can only be read.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from api import actions, answers, pages, xml
from api.actions import Listing, Read, Report, Start, Write
from api.body import media_type, read_body
from api.caller import Caller, asked_by
from api.errors import STATUS
from api.forms import READERS
from api.instants import Basis
from api.model import Operation, Scalar, load
from api.parameters import from_form, from_json, read_form, read_json
from api.routes import COMMAND_ID, INSTANT, Parameter, Route
from api.service import Request, Service
from eventstore.record import Record
from iam.commands import Query
from iam.errors import (
    InstantIsReadOnly,
    InvalidAction,
    MalformedInput,
    MethodNotAllowed,
    MissingAction,
    NotYetImplemented,
    ReportNotPresent,
    RestoreConflict,
)
from iam.events import AnyEvent
from iam.state import State

PRODUCT_PAGE = "https://aws.amazon.com/iam"
FAULT_NAMESPACE = "http://webservices.amazon.com/AWSFault/2005-15-09"
UNKNOWN_OPERATION = b"<UnknownOperationException/>"

IAM = load("iam", "2010-05-08")
STS = load("sts", "2011-06-15")

FORM = "application/x-www-form-urlencoded"

REPORTS_MAX: Final = 10_000
"""Of so many accounts it is remembered when their credential report was made, whether they have records or not."""

PRESENT: Final = Route(
    method="POST",
    path="/",
    about="AWS's API, in XML or in the JSON envelope. GET does as well.",
    parameters=(COMMAND_ID,),
    data=(dict[str, Any],),
    other=answers.XML,
    refusals=tuple(error for error in STATUS if error not in (MethodNotAllowed, RestoreConflict, InstantIsReadOnly)),
)

PAST: Final = Route(
    method="POST",
    path="/at/{instant}/",
    about="The same as of then: every action that reads, for unmodified AWS clients. The instant is an RFC 3339 time "
    "with its offset, such as `2026-11-03T14:03:00Z` or `20261103T140300Z`, or `@position`; the colon may be "
    "raw or percent-encoded, the last slash may be left out. Actions that write are refused as "
    "`InstantIsReadOnly`. The headers `x-iam-ledger-position` and `x-iam-ledger-instant` say what the answer "
    "was computed at; with JSON, `basis` does. Before an account's first record it is empty; above its head or "
    "in the future is an error. AWS's own dates have whole seconds: `created_at` in JSON and `/v1` are exact.",
    parameters=(
        Parameter(
            name="instant", meaning="an RFC 3339 time or `@position`", place="path", required=True, pattern=INSTANT
        ),
    ),
    data=(dict[str, Any],),
    other=answers.XML,
    refusals=(*PRESENT.refusals, InstantIsReadOnly),
)

_PLACE = re.compile(
    # Slashes are taken all at once: shared out in every way they could be, many of them would take seconds.
    r"(?:[a-z]+://[^/]*)?(?P<past>/++(?:a|%61)(?:t|%74)(?:/++(?P<instant>[^/]*))?)?(?P<rest>(?:/++(?:%23.*)?)?)",
    re.IGNORECASE,
)


class Place(msgspec.Struct, frozen=True):
    """Where AWS's API is asked: at an instant, or in the present, which is None; and the target without the instant."""

    instant: str | None
    target: str


_ROOT: Final = Place(None, "/")


class Call(msgspec.Struct, frozen=True):
    """One action with its parameters, whichever protocol it came in."""

    operation: Operation
    parameters: dict[str, Any]


class Done(msgspec.Struct, frozen=True):
    """What came of a call: the result's members; the record if it was a write; the basis if it was of an instant."""

    result: Mapping[str, Any]
    record: Record[AnyEvent] | None = None
    basis: Basis | None = None


def find_place(target: str) -> Place | None:
    """Where a request's target, as it was sent, leads to in AWS's API; None where that is not.

    SDKs send an instant with and without a slash at the end. It may be spelled with further slashes, escapes or the
    host: what means the past is never done to the present.
    """
    if target == "/":
        return _ROOT
    path, mark, query = target.partition("?")
    found = _PLACE.fullmatch(path)
    if found is None:
        return None
    instant = answers.valid(unquote(found["instant"] or "")) if found["past"] else None
    return Place(instant, f"{found['rest'] or '/'}{mark}{query}")


async def read_call(http: web.BaseRequest, target: str, *, json: bool) -> Call | None:
    """What the request asks; None if it names no action. Raises the refusals of an unreadable request."""
    fields = {} if target == "/" else _fields_of_url(target)
    body = await read_body(http)
    if not body:
        return _call_of_form(fields, json=json)
    match media_type(http):
        case "application/x-www-form-urlencoded":
            form = read_form(body)
            return _call_of_form({**fields, **form} if fields else form, json=json)
        case "application/json":
            return _call_of_json(fields, read_json(body))
        case None:
            raise MalformedInput(f"The request has a body but no Content-Type: {FORM} and application/json are read.")
        case other:
            raise MalformedInput(f"Content-Type {other} is not read: {FORM} and application/json are.")


def _fields_of_url(target: str) -> dict[str, str]:
    """The fields in the query string and in a path such as `/%23Action=ListUsers`."""
    path, _, query = target.partition("?")
    _, found, in_path = path.partition("/%23")
    return {**read_form(query), **(read_form(in_path) if found else {})}


def _call_of_form(form: Mapping[str, str], *, json: bool) -> Call | None:
    action = form.get("Action")
    if not action:
        return None
    operation = _operation(action, form.get("Version"), json=json)
    return Call(operation, from_form(operation, form))


def _call_of_json(fields: Mapping[str, str], body: Mapping[str, msgspec.Raw]) -> Call | None:
    told = {**fields, **{name: _text(name, body[name]) for name in ("Action", "Version") if name in body}}
    action = told.get("Action")
    if not action:
        return None
    operation = _operation(action, told.get("Version"), json=True)
    return Call(operation, from_json(operation, {**_typed(operation, fields), **body}))


def _typed(operation: Operation, fields: Mapping[str, str]) -> dict[str, msgspec.Raw]:
    """Fields of the URL as the members of a JSON object, numbers and booleans as such."""
    typed: dict[str, msgspec.Raw] = {}
    for member in operation.input.members if operation.input else ():
        if member.wire in fields:
            read = READERS[member.shape.kind] if isinstance(member.shape, Scalar) else None
            value = read(fields[member.wire], member.path) if read else fields[member.wire]
            typed[member.wire] = msgspec.Raw(msgspec.json.encode(value))
    return typed


def _text(name: str, raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.ValidationError:
        raise MalformedInput(f"{name} must be a string") from None


def _operation(action: str, version: str | None, *, json: bool) -> Operation:
    """The operation of this name. The JSON protocol is ours, and does without a Version."""
    for service in (IAM, STS):
        if version == service.version or (json and version is None):
            operation = service.operations.get(action)
            if operation is not None:
                return operation
    shown = "NO_VERSION_SPECIFIED" if version is None else version
    raise InvalidAction(f"Could not find operation {action} for version {shown}")


async def perform(service: Service, request: Request, call: Call, instant: str | None) -> Done:
    """Do what the call asks, or answer it as of an instant. Raises InstantIsReadOnly for a write there."""
    name = call.operation.name
    if call.operation.service is STS:
        if name != "GetCallerIdentity":
            raise NotYetImplemented(f"sts:{name} is not implemented yet.")
        actor = request.caller.actor
        basis = None if instant is None else await service.resolve(request.caller.account, instant)
        return Done({"UserId": actor.id, "Account": request.caller.account, "Arn": actor.arn}, basis=basis)
    action = actions.IAM.get(name)
    if action is None:
        raise NotYetImplemented(f"iam:{name} is not implemented. {actions.why_not_here(name)}")
    if isinstance(action, Write):
        if instant is not None:
            raise InstantIsReadOnly(f"{name} cannot be called at {instant}: the past can only be read. Call it at /.")
        record = (await service.write(request, name, action, call.parameters)).records[0]
        if action.result is None:
            return Done({}, record)
        result = action.result(record.event, record.account, request.caller.partition)
        if action.secret is not None and action.secret.show is not None:
            result = action.secret.show(result, await service.keeper.shown(record))
        return Done(result, record)
    if isinstance(action, Start | Report):
        return await _perform_on_report(service, request.caller, action, instant)
    query = asked_by(request.caller.actor, action.query, call.parameters)
    if instant is None:
        return Done(_read(action, await service.present(request.caller), query, call.parameters))
    result, basis = await service.ask(
        request.caller, instant, lambda state: _read(action, state, query, call.parameters), wide=action.wide
    )
    return Done(result, basis=basis)


async def _perform_on_report(service: Service, caller: Caller, action: Start | Report, instant: str | None) -> Done:
    """Have the credential report made, or answer it. Raises ReportNotPresent, with AWS's empty message."""
    account = caller.account
    if instant is not None:
        basis = await service.resolve(account, instant)
    elif isinstance(action, Start):
        basis = await service.resolve(account, None)
        there_was_one = service.reports.pop(account, None) is not None
        service.reports[account] = basis  # behind the others
        if len(service.reports) > REPORTS_MAX:
            del service.reports[next(iter(service.reports))]
        return Done(action.read(there_was_one))
    elif account in service.reports:
        basis = service.reports[account]
    else:
        raise ReportNotPresent("")
    shown_basis = None if instant is None else basis
    if isinstance(action, Start):
        return Done(action.read(True), basis=shown_basis)
    content = await service.read_at(caller, action.read, basis, with_uses=instant is None)
    return Done(action.reply(content, basis.instant), basis=shown_basis)


def _read(action: Read | Listing, state: State, query: Query, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result of a read action, whatever instant the state is of."""
    if isinstance(action, Read):
        return action.reply(action.read(state, query))
    after = pages.start_of(query, parameters.get("marker"))
    items, more = pages.page(query, action.read(state, query, after), parameters.get("max_items"))
    about = action.about(state, query) if action.about is not None else {}
    return {**about, **action.reply(items), **more}


async def handle(
    service: Service, http: web.BaseRequest, request: Request, place: Place, *, json: bool
) -> web.Response:
    """Answer a request at a place. Refusals are raised."""
    request_id = request.request_id
    call = await read_call(http, place.target, json=json)
    if call is None:
        return _no_action(place, request_id, json=json)
    done = await perform(service, request, call, place.instant)
    if json:
        return answers.success({**_told(done), **answers.present(done.result)}, request_id)
    response = answers.answer(xml.render(call.operation, done.result, request_id), answers.XML, request_id)
    if done.basis is not None:
        response.headers.update(answers.basis_headers(done.basis.position, done.basis.instant))
    return response


def _told(done: Done) -> Mapping[str, Any]:
    """What the JSON envelope says beside AWS's own members."""
    if done.basis is not None:
        return {"basis": done.basis}
    record = done.record
    if record is None:
        return {}
    return {
        "id": record.id,
        "position": record.position,
        "created_at": record.recorded_at,
        "outcome": record.outcome,
    }


def _no_action(place: Place, request_id: str, *, json: bool) -> web.Response:
    if json:
        raise MissingAction("The request must name an Action.")
    if place.instant is None:
        return web.Response(status=302, headers={"Location": PRODUCT_PAGE, "x-amzn-RequestId": request_id})
    return answers.answer(UNKNOWN_OPERATION, answers.XML, request_id, 404)


def nothing(http: web.BaseRequest, message: str, request_id: str) -> web.Response:
    """The answer in XML at a path where nothing is: AWS's one element, or to a call what an SDK shows of the message.

    Never NoSuchEntity, which a client that looks at the past would take for an answer.
    """
    if not http.body_exists and "Action" not in http.query:
        return answers.answer(UNKNOWN_OPERATION, answers.XML, request_id, 404)
    body = xml.render_error(FAULT_NAMESPACE, "Sender", "UnknownOperationException", message, request_id)
    return answers.answer(body, answers.XML, request_id, 404)
