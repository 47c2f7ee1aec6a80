"""The native API's view of one user at an instant, by name or by id: all of it, its policy sets, its differences."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from api import answers
from api.query_string import parameters
from api.service import Request, Service
from api.tables import Format, stream_table, table_format
from iam import relations as r
from iam.arns import policy_path_and_name
from iam.document_diff import BeforeAfter
from iam.errors import NoSuchEntity, ValidationError
from iam.state import State
from iam.user_details import UserDetails, governing_documents, user_details
from iam.user_diff import GoverningVersion, diff_users
from iam.users import find_holder, user_at
from projections.instant import InstantState

POLICY_COLUMNS: Final = (
    "user_id",
    "user_name",
    "via",
    "policy_name",
    "policy_arn",
    "policy_document",
    "position",
    "event_id",
    "since",
    "action",
    "actor_id",
    "actor_arn",
    "access_key_id",
    "source",
    "source_ip",
)


class EffectiveDocument(msgspec.Struct, frozen=True, gc=False):
    """A policy document that says what a user may do, and how it comes to the user.

    An inline policy has no ARN and no versions. The document of a managed policy is that of its default version;
    it is None for a policy of AWS that the program's catalogue does not have.
    """

    via: Literal["attached", "inline", "boundary"]
    policy_name: str
    policy_arn: str | None
    version_id: str | None
    policy_document: str | None


async def user(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}`: everything about the user at an instant, with all documents that govern it."""
    asked = parameters(http, "at")
    account = request.caller.account
    everything, basis = await service.ask(account, asked.get("at"), partial(_everything, name=named["name"]), wide=True)
    return answers.success({**everything, "basis": basis}, request.request_id)


def _everything(state: InstantState, name: str) -> dict[str, Any]:
    details = user_details(state, find_holder(state, name))
    return {**msgspec.structs.asdict(details), "documents": list(_documents(state, details))}


def _documents(state: State, details: UserDetails) -> Iterable[EffectiveDocument]:
    governing = governing_documents(state, details)
    for policy in details.attached:
        version_id, document = governing.get(policy.policy_arn, (None, None))
        yield EffectiveDocument("attached", policy.policy_name, policy.policy_arn, version_id, document)
    for inline in details.inline:
        yield EffectiveDocument("inline", inline.policy_name, None, None, inline.policy_document)
    if (arn := details.permissions_boundary) is not None:
        version_id, document = governing.get(arn, (None, None))
        yield EffectiveDocument("boundary", policy_path_and_name(arn)[1], arn, version_id, document)


async def policies(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/policies`: the policy sets at an instant, each with the record that put it there."""
    asked = parameters(http, "at")
    account = request.caller.account
    sets, basis = await service.ask(account, asked.get("at"), partial(_policy_sets, name=named["name"]))
    entries = (*sets["attached"], *sets["inline"])
    positions = sorted({entry["position"] for entry in entries})
    origins = {row.position: _origin(row.record) for row in await service.log.get(account, positions)}
    for entry in entries:
        entry.update(origins[entry["position"]])
    if (format := table_format(http)) is not None:
        rows = _rows(format, sets)
        return await stream_table(http, request.request_id, format, POLICY_COLUMNS, rows, basis)
    return answers.success({**sets, "basis": basis}, request.request_id)


def _policy_sets(state: InstantState, name: str) -> dict[str, Any]:
    user_id = find_holder(state, name)
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
    """The part of a record that says who put something there, when, from where and how."""

    id: str
    recorded_at: datetime
    actor: Mapping[str, Any]
    action: str
    source_ip: str = ""


def _origin(record: bytes) -> dict[str, Any]:
    origin = msgspec.json.decode(record, type=_Origin)
    return {
        "event_id": origin.id,
        "since": origin.recorded_at,
        "actor": origin.actor,
        "source_ip": origin.source_ip,
        "action": origin.action,
    }


async def _rows(format: Format, sets: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    """The policies as rows of a table; as JSON lines they are the entries, each with its user."""
    who = {"user_id": sets["user_id"], "user_name": sets["user_name"]}
    for via in ("attached", "inline"):
        for entry in sets[via]:
            row = {**who, "via": via, **entry}
            yield flat(row, POLICY_COLUMNS) if format == "text/csv" else row


def flat(entry: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """What an answer tells, as cells of the columns: what is told of the actor stands in cells of its own."""
    actor = msgspec.to_builtins(entry["actor"])
    cells = {"actor_id": actor["id"], "actor_arn": actor["arn"], **actor, **entry}
    row = {column: cells.get(column) for column in columns}
    return {name: answers.rfc3339(cell) if isinstance(cell, datetime) else cell for name, cell in row.items()}


async def diff(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/diff`: what differs between whom the name meant at one instant and at another."""
    asked = parameters(http, "from", "to")
    if "from" not in asked:
        raise ValidationError("from: an instant must be given, from which the difference is to be told.")
    account = request.caller.account
    before = await service.resolve(account, asked["from"], "from")
    after = await service.resolve(account, asked.get("to"), "to")
    difference = await service.read_at(account, partial(_diff, name=named["name"]), before, after)
    return answers.success({**difference, "from": before, "to": after}, request.request_id)


def _diff(before: InstantState, after: InstantState, name: str) -> dict[str, Any]:
    old, new = _end(before, name), _end(after, name)
    if old.details is None and new.details is None:
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    ids = BeforeAfter(old.details and old.details.user_id, new.details and new.details.user_id)
    difference = diff_users(old.details, new.details, old.governing, new.governing)
    return {"user_id": ids, **msgspec.structs.asdict(difference)}


class _End(msgspec.Struct, frozen=True):
    """Whom the name means at one end, if anybody, with what the managed policies say that it carries."""

    details: UserDetails | None = None
    governing: Mapping[str, GoverningVersion] = {}


def _end(state: InstantState, name: str) -> _End:
    try:
        details = user_details(state, find_holder(state, name))
    except NoSuchEntity:
        return _End()
    return _End(details, governing_documents(state, details))
