"""What happened to whoever bore a name, change by change, with what each thing was before and after."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from api.events import up_to
from api.instants import Basis, parse_bound
from api.listings import Listing, Page
from api.routes import CURSOR, INSTANT, LIMIT, OF_A_CALL, ORDER, TABLE, USER_NAME, Parameter, Route, Table
from api.service import Request, Service
from api.users import flat
from eventstore.record import Actor, Record, Restored
from iam import relations as r
from iam.effects import effect
from iam.errors import NoSuchEntity
from iam.events import AnyEvent
from iam.state import State, World, known
from projections.audit import EventQuery, find_span
from projections.changes import Place, Span, find_changes
from projections.holders import Holder, holder, holders_of
from projections.instant import InstantState
from projections.records import read_record

COLUMNS: Final = (
    "position",
    "event_id",
    "recorded_at",
    "effective_at",
    "user_id",
    "user_name",
    "action",
    "type",
    "before",
    "after",
    "actor_id",
    "actor_arn",
    "access_key_id",
    "source",
    "source_ip",
    "user_agent",
    "restored_from",
    "through",
)


class UserChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one user: the record of it, and those things that it touched, as `iam.effects` shows them.

    `through` is the group or the policy that changed, or the group that the user joined or left; None where the change
    is of the user alone.
    """

    position: int
    event_id: str
    recorded_at: datetime
    effective_at: datetime
    user_id: str
    user_name: str  # as it was called then; a new name belongs to the change that gave it
    action: str
    type: str
    before: dict[str, Any]
    after: dict[str, Any]
    actor: Actor
    source_ip: str
    user_agent: str
    restored_from: Restored | None
    through: Mapping[str, str] | None


class UserHistory(msgspec.Struct, frozen=True):
    """The users that the changes are of; the changes; the cursor of the next page, if there is more."""

    users: Sequence[Holder]
    changes: Sequence[UserChange]
    cursor: str | None
    basis: Basis


HISTORY: Final = Route(
    method="GET",
    path="/v1/users/{name}/history",
    about="All changes of all users that ever bore the name, or of the user with this id, oldest first: of policies, "
    "tags, boundary, groups, name and path, creation and deletion; and what happened to their groups while they were "
    "members, and to versions of the account's policies while they carried them: `through` names that group or policy. "
    "Each has its record's `position`, `event_id`, times, `actor`, `source_ip`, `user_agent`, `action` and `type`, and "
    "the things that it touched, `before` and `after` it. What a restore did has `restored_from`. `users` tells of the "
    f"users that the changes of the page are of, with all names that they bore. {TABLE}",
    parameters=(
        USER_NAME,
        Parameter(
            name="from",
            meaning="recorded at or after this instant, an RFC 3339 time or `@position`",
            pattern=INSTANT,
        ),
        Parameter(name="to", meaning="recorded at or before this instant", pattern=INSTANT),
        ORDER,
        LIMIT,
        CURSOR,
    ),
    data=(UserHistory,),
    table=Table(COLUMNS, UserChange),
    refusals=(*OF_A_CALL, NoSuchEntity),
)


async def history(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/history`: all changes of all users that ever bore the name, a page at a time or as a table.

    Changes of the groups that they were in, and of the policies that they carried, are among them. What a page costs
    follows what is on it; so it tells of the users that its changes are of, not of all others.
    """
    account, name, world = request.caller.account, asked["name"], service.world_of(request.caller)
    query = EventQuery(
        user=name,
        since=parse_bound(asked, "from"),
        until=parse_bound(asked, "to"),
        descending=asked.get("order") == "desc",
    )
    listing = Listing(http, asked, ("history", account, query), tuple[int, str])
    basis = await service.resolve(account, None)
    query = await up_to(service, account, query, basis)
    await service.caught_up(account, basis.position)
    ids = await service.projections.read(lambda connection: holders_of(connection, account, name, basis.position))
    if not ids:
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    users: list[Holder] = []  # that the changes of a page are of; `find` fills it

    first, last = await find_span(service.log, account, query)
    span = Span(first, last, query.descending)

    async def find(beyond: Place | None, limit: int) -> Page[Place]:
        def places(connection: sqlite3.Connection) -> tuple[Sequence[Place], Place | None]:
            return find_changes(connection, account, world, ids, span, beyond, limit)

        found, following = await service.projections.read(places)
        rows = await service.log.get(account, sorted({position for position, _ in found}))
        records = {row.position: read_record(row.record) for row in rows}
        changes, users[:] = await service.projections.read(
            lambda connection: _read(connection, account, world, found, records, basis)
        )
        if listing.format == "text/csv":
            return Page([flat(msgspec.structs.asdict(change), COLUMNS) for change in changes], following)
        return Page(changes, following)

    return await listing.answer(
        request.request_id, find, lambda rows, cursor: UserHistory(users, rows, cursor, basis), COLUMNS, basis
    )


def _read(
    connection: sqlite3.Connection,
    account: str,
    world: World,
    places: Sequence[Place],
    records: Mapping[int, Record[AnyEvent]],
    basis: Basis,
) -> tuple[list[UserChange], list[Holder]]:
    """The changes at these places, and the users that they are of, in the order of their creation."""
    changes = [_change(connection, world, records[position], user_id) for position, user_id in places]
    users = [holder(connection, account, user_id, basis.position) for user_id in {user_id for _, user_id in places}]
    return changes, sorted(users, key=lambda user: user.names[0].begin.position)


def _change(connection: sqlite3.Connection, world: World, record: Record[AnyEvent], user_id: str) -> UserChange:
    before, after = (InstantState(connection, record.account, world, record.position - step) for step in (1, 0))
    return user_change(record, user_id, before, after)


def user_change(record: Record[AnyEvent], user_id: str, before: State, after: State) -> UserChange:
    """What the record changed for a user, between the state before it and the one after."""
    event: Any = record.event
    shown = effect(event, before, after)
    own = getattr(event, "user_id", None) == user_id
    return UserChange(
        position=record.position,
        event_id=record.id,
        recorded_at=record.recorded_at,
        effective_at=record.effective_at,
        user_id=user_id,
        user_name=event.user_name if own else known(before, r.USER, user_id).user_name,
        action=record.action,
        type=event.__struct_config__.tag,
        before=shown.before,
        after=shown.after,
        actor=record.actor,
        source_ip=record.source_ip,
        user_agent=record.user_agent,
        restored_from=record.restored_from,
        through=_through(event),
    )


def _through(event: Any) -> dict[str, str] | None:
    for fields in (("group_id", "group_name"), ("policy_id", "policy_arn")):
        if hasattr(event, fields[0]):
            return {field: getattr(event, field) for field in fields}
    return None
