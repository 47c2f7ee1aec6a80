"""The native API's view of one managed policy: who carried it, at an instant and ever."""

import sqlite3
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from api import answers
from api.instants import Basis
from api.listings import Listing, Page
from api.routes import AT, CURSOR, LIMIT, OF_A_CALL, ORDER, POLICY, TABLE, Route, Table
from api.service import Request, Service
from api.tables import Format
from eventstore.record import Actor, Record, open_envelope
from iam.arns import parse_arn
from iam.errors import InvalidInput, NoSuchEntity
from iam.identities import KINDS, USER, Kind
from iam.policies import find_policy
from iam.relations import Relation
from iam.state import known
from projections.holders import names_of
from projections.instant import InstantState
from projections.periods import Period, Place, find_periods

Via = Literal["attached", "boundary"]

_WAYS: Final[Mapping[Relation[str], tuple[Kind, Via]]] = {
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

Carried = tuple[int, Via, str]  # position of the record that began it, via, the carrier's id
Carrier = tuple[Carried, Kind, Any]  # and its profile
Named = tuple[Period, str, str]  # and the carrier's name when it began, and the latest
Envelope = Record[dict[str, Any]]


class Attachment(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Who carries a policy, and the record since which that is so. `user_id` and `user_name` are there for users."""

    via: Via
    kind: Literal["user", "group", "role"]
    id: str
    name: str
    user_id: str | None = None
    user_name: str | None = None
    path: str
    position: int
    event_id: str
    since: datetime
    actor: Actor
    source_ip: str
    action: str


class AttachmentPage(msgspec.Struct, frozen=True):
    """Who carries a policy, the oldest first; the cursor of the next page, if there is more; and what they are of."""

    policy_arn: str
    attachments: Sequence[Attachment]
    cursor: str | None
    basis: Basis


class End(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The record that began or ended something: when, by whom, from where."""

    position: int
    event_id: str
    at: datetime
    actor: Actor
    source_ip: str
    action: str


class AttachmentPeriod(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    rename={"begin": "from", "end": "to"},
):
    """Who carried a policy, and the records from which and to which; `to` is null while it holds.

    `name` is of when it began. The members that speak of a user are there for users.
    """

    via: Via
    kind: Literal["user", "group", "role"]
    id: str
    name: str
    latest_name: str
    user_id: str | None = None
    user_name: str | None = None
    latest_user_name: str | None = None
    begin: End
    end: End | None


class AttachmentHistory(msgspec.Struct, frozen=True):
    """Who ever carried a policy, a page of it."""

    policy_arn: str
    attachments: Sequence[AttachmentPeriod]
    cursor: str | None
    basis: Basis


ATTACHMENTS: Final = Route(
    method="GET",
    path="/v1/policies/{arn}/attachments",
    about="Who carried a managed policy, AWS's or the account's own, at an instant: `via` is `attached` or `boundary`, "
    "`kind` is `user`, `group` or `role`, with its `id`, and its `name` and `path` of then. Each has the `position` "
    "and `event_id` of the record since which that is so, `since` when, and that record's `actor`, `source_ip` and "
    f"`action`; the oldest come first. All pages are of the instant of the first, which `basis` tells. {TABLE}",
    parameters=(POLICY, AT, LIMIT, CURSOR),
    data=(AttachmentPage,),
    table=Table(COLUMNS, Attachment),
    refusals=(*OF_A_CALL, NoSuchEntity, InvalidInput),
)

HISTORY: Final = Route(
    method="GET",
    path="/v1/policies/{arn}/attachments/history",
    about="Who ever carried a managed policy, also one that was deleted: one row for each carrier and period. `from` "
    "and `to` tell the records that began and ended it (`position`, `event_id`, `at` when, `actor`, `source_ip`, "
    "`action`); `to` is `null` while it holds. `name` is what the user, group or role was called when it began, "
    f"`latest_name` what it is called now or was called last. A page may be short. {TABLE}",
    parameters=(POLICY, ORDER, LIMIT, CURSOR),
    data=(AttachmentHistory,),
    table=Table(HISTORY_COLUMNS, AttachmentPeriod),
    refusals=(*OF_A_CALL, NoSuchEntity, InvalidInput),
)


async def attachments(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/policies/{arn}/attachments`: who carried the policy at an instant, and the records that made it so.

    The first page says at which instant all of them are.
    """
    arn = _arn(asked)
    account = request.caller.account
    listing = Listing(http, asked, ("attachments", account, arn, asked.get("at")), tuple[int, Carried])
    pinned = None if listing.beyond is None else f"@{listing.beyond[0]}"
    basis = await service.resolve(account, asked.get("at", pinned))
    await service.caught_up(account, basis.position)  # not in `find`: a table would wait for it in its turn

    carried: list[Carried] = []  # all of it, in order: read by the first `find`, though a table has many pages

    async def find(beyond: tuple[int, Carried] | None, limit: int) -> Page[tuple[int, Carried]]:
        def carriers(state: InstantState) -> tuple[list[Carrier], bool]:
            carried[:] = carried or _carried(state, arn)
            rest = carried if beyond is None else carried[bisect_right(carried, beyond[1]) :]
            return [_carrier(state, each) for each in rest[:limit]], len(rest) > limit

        found, more = await service.read_at(request.caller, carriers, basis)
        records = await _records(service, account, {position for (position, _, _), _, _ in found})
        rows = [_attachment(listing.format, *carrier, records[carrier[0][0]]) for carrier in found]
        return Page(rows, (basis.position, found[-1][0]) if more else None)

    return await listing.answer(
        request.request_id, find, lambda rows, cursor: AttachmentPage(arn, rows, cursor, basis), COLUMNS, basis
    )


async def history(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/policies/{arn}/attachments/history`: who ever carried the policy, each from when to when, by whom."""
    arn = _arn(asked)
    descending = asked.get("order") == "desc"
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

    return await listing.answer(
        request.request_id,
        find,
        lambda rows, cursor: AttachmentHistory(arn, rows, cursor, basis),
        HISTORY_COLUMNS,
        basis,
    )


def _arn(asked: Mapping[str, str]) -> str:
    parse_arn(asked["arn"], InvalidInput)
    return asked["arn"]


def _carried(state: InstantState, arn: str) -> list[Carried]:
    """Who carries the policy, in the order in which they came to."""
    if state.world.catalogue.policy(arn) is None:
        find_policy(state, arn)
    return sorted(
        (position, via, carrier)
        for relation, (_, via) in _WAYS.items()
        for carrier, _, position in state.entries(relation, arn)
    )


def _carrier(state: InstantState, carried: Carried) -> Carrier:
    kind = _KINDS[carried[2][:4]]
    return carried, kind, known(state, kind.profiles, carried[2])


def _names(names: Sequence[tuple[int, str]], position: int) -> tuple[str, str]:
    """What a carrier was called at a position, and what it was called last."""
    then = bisect_right(names, position, key=lambda name: name[0]) - 1
    return names[then][1], names[-1][1]


async def _records(service: Service, account: str, positions: set[int]) -> Mapping[int, Envelope]:
    rows = await service.log.get(account, sorted(positions))
    return {row.position: open_envelope(row) for row in rows}


def _attachment(
    format: Format | None, carried: Carried, kind: Kind, profile: Any, record: Envelope
) -> Attachment | dict[str, Any]:
    """Who carries the policy, and the record since which that is so; for CSV, as cells."""
    _, via, carrier = carried
    name = kind.name(profile)
    user = {"user_id": carrier, "user_name": name} if kind is USER else {}
    who = {"via": via, "kind": kind.noun, "id": carrier, "name": name, "path": profile.path, **user}
    if format == "text/csv":
        cells = _cells(record)
        return {**dict.fromkeys(COLUMNS), **who, **cells, "since": cells["at"]}
    return Attachment(
        **who,
        position=record.position,
        event_id=record.id,
        since=record.recorded_at,
        actor=record.actor,
        source_ip=record.source_ip,
        action=record.action,
    )


def _period(
    format: Format | None, period: Period, then: str, latest: str, records: Mapping[int, Envelope]
) -> AttachmentPeriod | dict[str, Any]:
    """Who carried the policy, and the records from which and to which that was so; for CSV, as cells."""
    begin, end = records[period.begun], None if period.ended is None else records[period.ended]
    kind, via = _BY_NAME[period.relation]
    user = {"user_id": period.member, "user_name": then, "latest_user_name": latest} if kind is USER else {}
    who: dict[str, Any] = {
        "via": via,
        "kind": kind.noun,
        "id": period.member,
        "name": then,
        "latest_name": latest,
        **user,
    }
    if format == "text/csv":
        cells = {
            f"{name}_{column}": cell
            for name, record in (("from", begin), ("to", end))
            if record is not None
            for column, cell in _cells(record).items()
        }
        return {**dict.fromkeys(HISTORY_COLUMNS), **who, **cells}
    return AttachmentPeriod(**who, begin=_end(begin), end=None if end is None else _end(end))


def _end(record: Envelope) -> End:
    return End(
        position=record.position,
        event_id=record.id,
        at=record.recorded_at,
        actor=record.actor,
        source_ip=record.source_ip,
        action=record.action,
    )


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
