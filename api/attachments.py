"""The native API's view of one managed policy: who carried it, at an instant and ever."""

import sqlite3
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from aiohttp import web

from api import answers
from api.listings import Listing, Page
from api.query_string import choice, parameters
from api.service import Request, Service
from api.tables import Format
from eventstore.record import Record, open_envelope
from iam.arns import parse_arn
from iam.errors import InvalidInput
from iam.identities import KINDS, USER, Kind
from iam.policies import find_policy
from iam.relations import Relation
from iam.state import known
from projections.holders import names_of
from projections.instant import InstantState
from projections.periods import Period, Place, find_periods

_WAYS: Final[Mapping[Relation[str], tuple[Kind, str]]] = {
    **{kind.carriers: (kind, "attached") for kind in KINDS},
    **{kind.bounded: (kind, "boundary") for kind in KINDS if kind.bounded is not None},
}
"""How a policy can be carried: the relation that says so, by which kind of identity, and its name in answers."""

_BY_NAME: Final = {relation.name: way for relation, way in _WAYS.items()}
_KINDS: Final = {kind.id_prefix: kind for kind in KINDS}
_ACTOR = ("action", "actor_id", "actor_arn", "access_key_id", "source", "source_ip")
_ENDS = tuple(f"{end}_{column}" for end in ("from", "to") for column in ("position", "event_id", "at", *_ACTOR))

_IDENTITY = ("kind", "id", "name")
COLUMNS: Final = ("via", "user_id", "user_name", "path", "position", "event_id", "since", *_ACTOR, *_IDENTITY)
HISTORY_COLUMNS: Final = ("via", "user_id", "user_name", "latest_user_name", *_ENDS, *_IDENTITY, "latest_name")

Carried = tuple[int, str, str]  # position of the record that began it, via, the carrier's id
Carrier = tuple[Carried, Kind, Any]  # and its profile
Named = tuple[Period, str, str]  # and the carrier's name when it began, and the latest
Envelope = Record[dict[str, Any]]


async def attachments(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/policies/{arn}/attachments`: who carried the policy at an instant, and the records that made it so.

    The first page says at which instant all of them are.
    """
    asked = parameters(http, "at", "limit", "cursor")
    arn = _arn(named)
    account = request.caller.account
    listing = Listing(http, asked, ("attachments", account, arn, asked.get("at")), tuple[int, Carried])
    pinned = None if listing.beyond is None else f"@{listing.beyond[0]}"
    basis = await service.resolve(account, asked.get("at", pinned))

    async def find(beyond: tuple[int, Carried] | None, limit: int) -> Page[tuple[int, Carried]]:
        def carriers(state: InstantState) -> tuple[list[Carrier], bool]:
            return _carriers(state, arn, beyond and beyond[1], limit)

        found, more = await service.read_at(account, carriers, basis)
        records = await _records(service, account, {position for (position, _, _), _, _ in found})
        rows = [_attachment(listing.format, *carrier, records[carrier[0][0]]) for carrier in found]
        return Page(rows, (basis.position, found[-1][0]) if more else None)

    return await listing.answer(request.request_id, find, "attachments", COLUMNS, basis, {"policy_arn": arn})


async def history(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/policies/{arn}/attachments/history`: who ever carried the policy, each from when to when, by whom."""
    asked = parameters(http, "order", "limit", "cursor")
    arn = _arn(named)
    descending = choice(asked, "order", "asc", "desc") == "desc"
    account = request.caller.account
    listing = Listing(http, asked, ("attachments/history", account, arn, descending), tuple[int, str, str])
    basis = await service.resolve(account, None)
    await service.caught_up(account, basis.position)

    async def find(beyond: Place | None, limit: int) -> Page[Place]:
        def named_periods(connection: sqlite3.Connection) -> tuple[list[Named], Place | None]:
            page = find_periods(
                connection, account, tuple(_WAYS), arn, basis.position, beyond, limit, descending=descending
            )
            called = cache(lambda kind, member: names_of(connection, account, kind, member, basis.position))
            named = [
                (period, *_names(called(_BY_NAME[period.relation][0], period.member), period.begun))
                for period in page.rows
            ]
            return named, page.next

        found, following = await service.projections.read(named_periods)
        ends = {end for period, _, _ in found for end in (period.begun, period.ended) if end is not None}
        records = await _records(service, account, ends)
        return Page([_period(listing.format, *each, records) for each in found], following)

    return await listing.answer(request.request_id, find, "attachments", HISTORY_COLUMNS, basis, {"policy_arn": arn})


def _arn(named: Mapping[str, str]) -> str:
    parse_arn(named["arn"], InvalidInput)
    return named["arn"]


def _carriers(state: InstantState, arn: str, beyond: Carried | None, limit: int) -> tuple[list[Carrier], bool]:
    """Who carries the policy, in the order in which they came to, and whether there are more of them."""
    if state.world.catalogue.policy(arn) is None:
        find_policy(state, arn)
    carried = sorted(
        (position, via, carrier)
        for relation, (_, via) in _WAYS.items()
        for carrier, _, position in state.entries(relation, arn)
    )
    rest = carried if beyond is None else carried[bisect_right(carried, beyond) :]
    found = [(each, _KINDS[each[2][:4]]) for each in rest[:limit]]
    return [(each, kind, known(state, kind.profiles, each[2])) for each, kind in found], len(rest) > limit


def _names(names: Sequence[tuple[int, str]], position: int) -> tuple[str, str]:
    """What a carrier was called at a position, and what it was called last."""
    then = bisect_right(names, position, key=lambda name: name[0]) - 1
    return names[then][1], names[-1][1]


async def _records(service: Service, account: str, positions: set[int]) -> Mapping[int, Envelope]:
    rows = await service.log.get(account, sorted(positions))
    return {row.position: open_envelope(row) for row in rows}


def _attachment(format: Format | None, carried: Carried, kind: Kind, profile: Any, record: Envelope) -> dict[str, Any]:
    """Who carries the policy, and the record since which that is so."""
    _, via, carrier = carried
    name = kind.name(profile)
    told = {"via": via, "kind": kind.noun, "id": carrier, "name": name, "path": profile.path}
    if kind is USER or format == "text/csv":
        told |= {"user_id": carrier, "user_name": name} if kind is USER else {"user_id": None, "user_name": None}
    if format == "text/csv":
        cells = _cells(record)
        return {**told, **cells, "since": cells["at"]}
    return {
        **told,
        "position": record.position,
        "event_id": record.id,
        "since": record.recorded_at,
        "actor": record.actor,
        "source_ip": record.source_ip,
        "action": record.action,
    }


def _period(
    format: Format | None, period: Period, then: str, latest: str, records: Mapping[int, Envelope]
) -> dict[str, Any]:
    """Who carried the policy, and the records from which and to which that was so."""
    ends = {"from": records[period.begun], "to": None if period.ended is None else records[period.ended]}
    kind, via = _BY_NAME[period.relation]
    told = {"via": via, "kind": kind.noun, "id": period.member, "name": then, "latest_name": latest}
    if kind is USER:
        told |= {"user_id": period.member, "user_name": then, "latest_user_name": latest}
    if format == "text/csv":
        cells = {
            f"{end}_{column}": cell
            for end, record in ends.items()
            if record is not None
            for column, cell in _cells(record).items()
        }
        return {**dict.fromkeys(HISTORY_COLUMNS), **told, **cells}
    return {**told, **{end: record and _end(record) for end, record in ends.items()}}


def _end(record: Envelope) -> dict[str, Any]:
    """The part of a record that says what began or ended something: when, by whom, from where."""
    return {
        "position": record.position,
        "event_id": record.id,
        "at": record.recorded_at,
        "actor": record.actor,
        "source_ip": record.source_ip,
        "action": record.action,
    }


def _cells(record: Envelope) -> dict[str, Any]:
    """The same for a table."""
    actor = record.actor
    return {
        "position": record.position,
        "event_id": record.id,
        "at": answers.rfc3339(record.recorded_at),
        "action": record.action,
        "actor_id": actor.id,
        "actor_arn": actor.arn,
        "access_key_id": actor.access_key_id,
        "source": actor.source,
        "source_ip": record.source_ip or None,
    }
