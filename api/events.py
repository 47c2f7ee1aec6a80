"""The native API's audit history: the account's records, one by one or by what they speak of."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, get_args

import msgspec
from aiohttp import web

from api import answers
from api.checkpoints import proof_of
from api.instants import Basis, parse_bound
from api.listings import Listing, Page
from api.query_string import choice, parameters
from api.service import Request, Service
from api.tables import Format
from eventstore.record import Outcome, Row, from_microseconds, leaf_hash, microseconds, open_envelope
from iam.effects import Effect, effect
from iam.errors import NoSuchEntity
from projections.audit import EventQuery, find_events
from projections.records import UnknownEvent, read_event
from projections.rows import COLUMNS, row_of

OUTCOMES: Final[tuple[str, ...]] = get_args(Outcome)

_SUBJECTS = ("user", "group", "role", "instance_profile", "policy")
_FILTERS = (*_SUBJECTS, "actor", "request_id", "action", "type", "outcome", "source_ip")

_encode = msgspec.json.Encoder().encode


async def events(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/events`: the account's records in order, a page at a time or all of them as a table."""
    asked = parameters(http, *_FILTERS, "from", "to", "order", "limit", "cursor")
    account = request.caller.account
    query = _query(asked)
    listing = Listing(http, asked, ("events", account, query), int)
    basis = await service.resolve(account, None)
    await service.caught_up(account, basis.position)
    query = await up_to(service, account, query, basis)

    async def find(beyond: int | None, limit: int) -> Page[int]:
        page = await find_events(service.log, service.projections, account, query, beyond, limit)
        return Page([_told(listing.format, row) for row in page.rows], page.next)

    return await listing.answer(request.request_id, find, "events", COLUMNS, basis, {})


async def up_to(service: Service, account: str, query: EventQuery, basis: Basis) -> EventQuery:
    """The query without what lies behind the basis: what comes meanwhile is for another page."""
    last = query.until
    if isinstance(last, datetime):
        last = await service.log.position_at(account, microseconds(last))
    return msgspec.structs.replace(query, until=basis.position if last is None else min(last, basis.position))


async def event(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/events/{id or position}`: one record as it is stored, what it changed, and what proves it.

    The record's own bytes come first and unchanged, up to its closing brace; the hash is over them alone.
    """
    proof = choice(parameters(http, "proof"), "proof", "1")
    which = named["event"]
    account = request.caller.account
    row = await service.find_record(account, which)
    if row is None:
        raise NoSuchEntity(f"There is no event {which} in account {account}.")
    further: dict[str, Any] = {"hash": leaf_hash(row.record).hex()}
    if (changed := await _effect(service, row)) is not None:
        further |= {"before": changed.before, "after": changed.after}
    if proof is not None:
        further["proof"] = {"record": row.record.decode(), **await proof_of(service, account, row.position)}
    return answers.success(msgspec.Raw(row.record[:-1] + b"," + _encode(further)[1:]), request.request_id)


def _query(asked: Mapping[str, str]) -> EventQuery:
    """What is asked for. Raises ValidationError for what no record could have."""
    choice(asked, "outcome", *OUTCOMES)
    return EventQuery(
        **{name: asked[name] for name in _FILTERS if name in asked},
        since=parse_bound(asked, "from"),
        until=parse_bound(asked, "to"),
        descending=choice(asked, "order", "asc", "desc") == "desc",
    )


async def _effect(service: Service, row: Row) -> Effect | None:
    """What the record changed; None for an attempt, and for an event that only a newer program understands."""
    try:
        fact = read_event(row.record)
    except UnknownEvent:
        return None
    if fact is None:
        return None
    at = from_microseconds(row.recorded_at)
    before, after = Basis(row.position - 1, at), Basis(row.position, at)
    return await service.read_at(row.account, partial(effect, fact), before, after)


def _told(format: Format | None, row: Row) -> Any:
    """A record as it is stored, or as the row of a table for CSV."""
    if format == "text/csv":
        return dict(zip(COLUMNS, row_of(open_envelope(row)), strict=True))
    return msgspec.Raw(row.record)
