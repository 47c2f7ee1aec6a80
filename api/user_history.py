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
from api.routes import CURSOR, INSTANT, LIMIT, OF_A_CALL, ORDER, TABLE, USER, Parameter, Route, Table
from api.service import Request, Service
from api.users import flat
from eventstore.record import Actor, Record, Restored, Row
from iam.effects import effect
from iam.errors import NoSuchEntity
from iam.events import AnyEvent
from iam.state import State, World
from projections.audit import EventQuery, find_events
from projections.holders import Holder, holder, was_held
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
)


class UserChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one user: the record of it, and those things that it touched, as `iam.effects` shows them."""

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
    "tags, boundary, name and path, creation and deletion. Each has its record's `position`, `event_id`, times, "
    "`actor`, `source_ip`, `user_agent`, `action` and `type`, and the things that it touched, `before` and `after` it. "
    "What a restore did has `restored_from`. `users` tells of the users that the changes of the page are of, with all "
    "names that they bore. It tells of the user's own changes: that an attached policy got another document is told by "
    f"`diff`, and by that policy's events. {TABLE}",
    parameters=(
        USER,
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

    What a page costs follows what is on it; so it tells of the users that its changes are of, not of all others.
    """
    account, name = request.caller.account, asked["name"]
    query = EventQuery(
        user=name,
        outcome="changed",
        since=parse_bound(asked, "from"),
        until=parse_bound(asked, "to"),
        descending=asked.get("order") == "desc",
    )
    listing = Listing(http, asked, ("history", account, query), int)
    basis = await service.resolve(account, None)
    query = await up_to(service, account, query, basis)
    await service.caught_up(account, basis.position)
    if not await service.projections.read(lambda connection: was_held(connection, account, name, basis.position)):
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    users: list[Holder] = []  # that the changes of a page are of; `find` fills it

    async def find(beyond: int | None, limit: int) -> Page[int]:
        page = await find_events(service.log, service.projections, account, query, beyond, limit)
        changes, users[:] = await service.projections.read(
            lambda connection: _read(connection, account, service.world, page.rows, basis)
        )
        if listing.format == "text/csv":
            return Page([flat(msgspec.structs.asdict(change), COLUMNS) for change in changes], page.next)
        return Page(changes, page.next)

    return await listing.answer(
        request.request_id, find, lambda rows, cursor: UserHistory(users, rows, cursor, basis), COLUMNS, basis
    )


def _read(
    connection: sqlite3.Connection, account: str, world: World, rows: Sequence[Row], basis: Basis
) -> tuple[list[UserChange], list[Holder]]:
    """The changes that these records tell of, and the users that they are of, in the order of their creation."""
    changes = [_change(connection, world, row) for row in rows]
    ids = {change.user_id for change in changes}
    users = [holder(connection, account, user_id, basis.position) for user_id in ids]
    return changes, sorted(users, key=lambda user: user.names[0].begin.position)


def _change(connection: sqlite3.Connection, world: World, row: Row) -> UserChange:
    before, after = (InstantState(connection, row.account, world, row.position - step) for step in (1, 0))
    return user_change(read_record(row.record), before, after)


def user_change(record: Record[AnyEvent], before: State, after: State) -> UserChange:
    """What the record of a user's event changed, between the state before it and the one after."""
    event: Any = record.event
    shown = effect(event, before, after)
    return UserChange(
        position=record.position,
        event_id=record.id,
        recorded_at=record.recorded_at,
        effective_at=record.effective_at,
        user_id=event.user_id,
        user_name=event.user_name,
        action=record.action,
        type=event.__struct_config__.tag,
        before=shown.before,
        after=shown.after,
        actor=record.actor,
        source_ip=record.source_ip,
        user_agent=record.user_agent,
        restored_from=record.restored_from,
    )
