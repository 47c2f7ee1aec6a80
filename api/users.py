"""The native API's view of one user at an instant, by name or by id: all of it, its policy sets, its differences."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

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
from iam.groups import groups_of
from iam.identities import GROUP, USER, Kind
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
    "group_id",
    "group_name",
    "group_position",
    "group_event_id",
    "group_since",
)
"""The last ones are of the group that a policy comes through, and of the record that made the user a member."""


async def user(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}`: everything about the user at an instant, with all documents that govern it."""
    asked = parameters(http, "at")
    account = request.caller.account
    told, basis = await service.ask(account, asked.get("at"), partial(_everything, name=named["name"]), wide=True)
    details, governing, entries = told
    await _tell_origins(service, account, entries)
    documents = [_document(entry, governing) for entry in entries]
    return answers.success(
        {**msgspec.structs.asdict(details), "documents": documents, "basis": basis}, request.request_id
    )


Governing = Mapping[str, GoverningVersion]


def _everything(state: InstantState, name: str) -> tuple[UserDetails, Governing, list[dict[str, Any]]]:
    details = user_details(state, find_holder(state, name))
    own, inherited = _policies_of(state, USER, details.user_id), _inherited(state, details.user_id)
    return details, governing_documents(state, details), [*own, *inherited, *_boundary_of(state, details.user_id)]


def _document(entry: dict[str, Any], governing: Governing) -> dict[str, Any]:
    """An entry with what it says: of a managed policy its default version.

    None for one of AWS's that the program's catalogue does not have. An inline policy has no ARN and no versions.
    """
    arn = entry.get("policy_arn")
    version_id, document = governing.get(arn, (None, None)) if arn else (None, entry["policy_document"])
    said = {"policy_arn": arn, "version_id": version_id, "policy_document": document}
    return {"via": entry["via"], "policy_name": entry["policy_name"], **said, **entry, **said}


async def policies(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/policies`: the policy sets at an instant, each with the record that put it there."""
    asked = parameters(http, "at")
    account = request.caller.account
    sets, basis = await service.ask(account, asked.get("at"), partial(_policy_sets, name=named["name"]))
    await _tell_origins(service, account, (*sets["attached"], *sets["inline"], *sets["inherited"]))
    if (format := table_format(http)) is not None:
        return await stream_table(http, request.request_id, format, POLICY_COLUMNS, _rows(format, sets), basis)
    for entry in (*sets["attached"], *sets["inline"]):
        del entry["via"], entry["group"]  # where they stand says it
    return answers.success({**sets, "basis": basis}, request.request_id)


def _policy_sets(state: InstantState, name: str) -> dict[str, Any]:
    user_id = find_holder(state, name)
    user = user_at(state, user_id)
    own = _policies_of(state, USER, user_id)
    return {
        "user_name": user.user_name,
        "user_id": user.user_id,
        "arn": user.arn,
        "attached": [entry for entry in own if entry["via"] == "attached"],
        "inline": [entry for entry in own if entry["via"] == "inline"],
        "inherited": _inherited(state, user_id),
    }


# An entry is a policy with the way it comes to the user: `via`, the `group` that it comes through if one does, and the
# position of the record that put it there; a group has that of the record that made the user its member.


def _policies_of(
    state: InstantState, kind: Kind, owner: str, group: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The policies that hang on a user or a group: the managed ones by name, then the inline ones."""
    attached = [
        {"via": "attached", "policy_name": policy_name, "policy_arn": arn, "group": group, "position": position}
        for arn, policy_name, position in state.entries(kind.policies, owner)
    ]
    inline = [
        {
            "via": "inline",
            "policy_name": policy.policy_name,
            "policy_document": policy.document,
            "group": group,
            "position": position,
        }
        for _, policy, position in state.entries(kind.inline_policies, owner)
    ]
    return [*sorted(attached, key=_by_name), *sorted(inline, key=_by_name)]


def _boundary_of(state: InstantState, user_id: str) -> Iterator[dict[str, Any]]:
    for _, arn, position in state.entries(r.USER_BOUNDARY, user_id):
        name = policy_path_and_name(arn)[1]
        yield {"via": "boundary", "policy_name": name, "policy_arn": arn, "group": None, "position": position}


def _inherited(state: InstantState, user_id: str) -> list[dict[str, Any]]:
    """The policies that come through groups, by the names of the groups."""
    joined = {group_id: position for group_id, _, position in state.entries(r.USER_GROUPS, user_id)}
    return [
        entry
        for group in groups_of(state, user_id)
        for entry in _policies_of(
            state,
            GROUP,
            group.group_id,
            {"group_id": group.group_id, "group_name": group.group_name, "position": joined[group.group_id]},
        )
    ]


def _by_name(entry: Mapping[str, Any]) -> str:
    return str(entry["policy_name"]).lower()


async def _tell_origins(service: Service, account: str, entries: Iterable[dict[str, Any]]) -> None:
    """Tell with each entry, and with the membership that it rests on, the record that put it there."""
    entries = list(entries)
    positions = {entry["position"] for entry in entries}
    positions |= {entry["group"]["position"] for entry in entries if entry["group"]}
    rows = await service.log.get(account, sorted(positions))
    origins = {row.position: _origin(row.record) for row in rows}
    for entry in entries:
        entry.update(origins[entry["position"]])
        if group := entry["group"]:
            entry["group"] = {**group, **origins[group["position"]]}


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
    for entry in (*sets["attached"], *sets["inline"], *sets["inherited"]):
        row = {**who, **entry}
        if format != "text/csv":
            yield row
            continue
        group = {f"group_{name.removeprefix('group_')}": cell for name, cell in (entry["group"] or {}).items()}
        yield flat({**row, **group}, POLICY_COLUMNS)


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
