"""The native API's audit history: the account's records, one by one or by what they speak of."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, get_args

import msgspec
from aiohttp import web

from api import answers
from api.caller import Caller
from api.checkpoints import Proof, proof_of
from api.instants import Basis, parse_bound
from api.listings import Listing, Page
from api.routes import CURSOR, INSTANT, LIMIT, OF_A_CALL, ORDER, Parameter, Route, Table
from api.service import Request, Service
from api.tables import Format
from eventstore.record import Outcome, Record, Row, from_microseconds, leaf_hash, microseconds, open_envelope
from iam.effects import Effect, effect
from iam.errors import NoSuchEntity
from iam.events import AnyEvent
from projections.audit import EventQuery, find_events
from projections.records import UnknownEvent, read_event
from projections.rows import COLUMNS, row_of

_FILTERS: Final = (
    Parameter(name="user", meaning="a user name, meaning everyone who ever bore it, or a user id"),
    Parameter(name="group", meaning="a group's name or id, as `user`"),
    Parameter(name="role", meaning="a role's name or id, as `user`"),
    Parameter(name="instance_profile", meaning="an instance profile's name or id, as `user`"),
    Parameter(name="policy", meaning="the ARN of a managed policy"),
    Parameter(
        name="resource",
        meaning="what else has an id: that of an access key, a service-specific credential, a signing certificate, an "
        "SSH public key or a server certificate, whose name will do, too; an MFA device's serial number; the ARN of an "
        "identity provider",
    ),
    Parameter(name="actor", meaning="the unique id of whoever asked"),
    Parameter(name="request_id", meaning="the `x-amzn-RequestId` that the call was answered with"),
    Parameter(name="action", meaning="AWS's name of the call, such as `AttachUserPolicy`"),
    Parameter(
        name="type",
        meaning="the event's type, such as `UserPolicyAttached`. A call that changed nothing is `Attempted`; "
        "`AttemptsRepeated` stands for several that were counted together",
    ),
    Parameter(name="outcome", meaning="what became of the call", words=get_args(Outcome)),
    Parameter(name="source_ip", meaning="the address that the call came from"),
)

_POSITION = re.compile("@([0-9]{1,18})")
_encode = msgspec.json.Encoder().encode


class StoredRecord(Record[AnyEvent], frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A record as it is stored."""


class RecordPage(msgspec.Struct, frozen=True):
    """Records, each as it is stored; the cursor of the next page, if there is more; and what the page is of."""

    events: Sequence[StoredRecord]
    cursor: str | None
    basis: Basis


class RecordInFull(StoredRecord, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A record as it is stored, and then its hash, what it changed, and what proves it."""

    hash: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    proof: Proof | None = None


EVENTS: Final = Route(
    method="GET",
    path="/v1/events",
    about="The account's records, each exactly as it is stored; refused and unchanged calls are among them. All "
    "conditions hold together. A page may be short or empty and still have a `cursor`; the last has `null`. `basis` is "
    "the position and the instant of the answer: whoever pages on gets to see what came meanwhile. With "
    "`Accept: text/csv` or `Accept: application/x-ndjson` the answer is a table of all that meet the conditions, of "
    "any length; one that fails on the way ends with a broken connection, never as if it were whole. A line of JSON is "
    "a record as it is stored. In CSV, text that a spreadsheet would take for a formula has an apostrophe in front.",
    parameters=(
        *_FILTERS,
        Parameter(
            name="from",
            meaning="recorded at or after this instant, an RFC 3339 time or `@position`. It may lie ahead",
            pattern=INSTANT,
        ),
        Parameter(name="to", meaning="recorded at or before this instant", pattern=INSTANT),
        ORDER,
        LIMIT,
        CURSOR,
    ),
    data=(RecordPage,),
    table=Table(COLUMNS, StoredRecord),
)

EVENT: Final = Route(
    method="GET",
    path="/v1/events/{event}",
    about="One record, by its event id or its position: its own members as they are stored, then more. `hash` is the "
    "record's: SHA-256, in hexadecimal, over a zero byte and the stored bytes, which are those of `data` up to "
    '`,"hash"` and a closing brace. `before` and `after` are the things that the event changed, as they were and as '
    "they became; a call that changed nothing has neither.",
    parameters=(
        Parameter(name="event", meaning="the record's event id, or its position", place="path", required=True),
        Parameter(
            name="proof",
            meaning="then `proof` shows by RFC 6962 that the record is in the ledger: the `record` as a text of the "
            "exact bytes that are hashed, `leaf_hash`, `leaf_index` (from 0), `tree_size` and `path`, in base64, and a "
            "signed `checkpoint` with the root",
            words=("1",),
        ),
    ),
    data=(RecordInFull,),
    refusals=(*OF_A_CALL, NoSuchEntity),
)


async def events(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/events`: the account's records in order, a page at a time or all of them as a table."""
    account = request.caller.account
    query = _query(asked)
    listing = Listing(http, asked, ("events", account, query), int)
    basis = await service.resolve(account, None)
    await service.caught_up(account, basis.position)
    query = await up_to(service, account, query, basis)

    async def find(beyond: int | None, limit: int) -> Page[int]:
        page = await find_events(service.log, service.projections, account, query, beyond, limit)
        return Page([_told(listing.format, row) for row in page.rows], page.next)

    return await listing.answer(
        request.request_id, find, lambda rows, cursor: RecordPage(rows, cursor, basis), COLUMNS, basis
    )


async def up_to(service: Service, account: str, query: EventQuery, basis: Basis) -> EventQuery:
    """The query without what lies behind the basis: what comes meanwhile is for another page."""
    last = query.until
    if isinstance(last, datetime):
        last = await service.log.position_at(account, microseconds(last))
    return msgspec.structs.replace(query, until=basis.position if last is None else min(last, basis.position))


async def event(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/events/{id or position}`: one record as it is stored, what it changed, and what proves it.

    The record's own bytes come first and unchanged, up to its closing brace; the hash is over them alone.
    """
    which = asked["event"]
    account = request.caller.account
    numbered = _POSITION.fullmatch(which)
    row = await service.find_record(account, which if numbered is None else numbered[1])
    if row is None:
        raise NoSuchEntity(f"There is no event {which} in account {account}.")
    further: dict[str, Any] = {"hash": leaf_hash(row.record).hex()}
    if (changed := await _effect(service, request.caller, row)) is not None:
        further |= {"before": changed.before, "after": changed.after}
    if "proof" in asked:
        further["proof"] = await proof_of(service, row)
    return answers.success(msgspec.Raw(row.record[:-1] + b"," + _encode(further)[1:]), request.request_id)


def _query(asked: Mapping[str, str]) -> EventQuery:
    """What is asked for. Raises ValidationError for bounds that are no instants."""
    return EventQuery(
        **{filter.name: asked[filter.name] for filter in _FILTERS if filter.name in asked},
        since=parse_bound(asked, "from"),
        until=parse_bound(asked, "to"),
        descending=asked.get("order") == "desc",
    )


async def _effect(service: Service, caller: Caller, row: Row) -> Effect | None:
    """What the record changed; None for an attempt, and for an event that only a newer program understands."""
    try:
        fact = read_event(row.record)
    except UnknownEvent:
        return None
    if fact is None:
        return None
    at = from_microseconds(row.recorded_at)
    before, after = Basis(row.position - 1, at), Basis(row.position, at)
    return await service.read_at(caller, partial(effect, fact), before, after)


def _told(format: Format | None, row: Row) -> Any:
    """A record as it is stored, or as the row of a table for CSV."""
    if format == "text/csv":
        return dict(zip(COLUMNS, row_of(open_envelope(row)), strict=True))
    return msgspec.Raw(row.record)
