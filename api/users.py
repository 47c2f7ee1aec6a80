"""The native API's view of one user at an instant, by name or by id: all of it, its policy sets, its differences."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec.structs import asdict

from api import answers
from api.instants import Basis
from api.routes import AT, INSTANT, OF_A_CALL, TABLE, USER, Parameter, Route, Table
from api.service import Request, Service
from api.tables import Format, stream_table, table_format
from eventstore.record import Actor
from iam import relations as r
from iam.arns import policy_path_and_name
from iam.document_diff import BeforeAfter
from iam.errors import NoSuchEntity
from iam.state import State
from iam.user_details import UserDetails, governing_documents, user_details
from iam.user_diff import GoverningVersion, UserDiff, diff_users
from iam.users import User, find_holder, user_at
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


class UserInFull(UserDetails, frozen=True, gc=False, kw_only=True):
    """A user at an instant, with all documents that govern it."""

    documents: Sequence[EffectiveDocument]
    basis: Basis


class HeldPolicy(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A policy of a user and the record that put it there. An attached one has an ARN, an inline one a document."""

    policy_name: str
    policy_arn: str | None = None
    policy_document: str | None = None
    position: int
    event_id: str
    since: datetime
    actor: Actor
    source_ip: str
    action: str


class PolicySets(msgspec.Struct, frozen=True, kw_only=True):
    """The policies of a user at an instant, ordered by name, ignoring case."""

    user_name: str
    user_id: str
    arn: str
    attached: Sequence[HeldPolicy]
    inline: Sequence[HeldPolicy]
    basis: Basis


class PolicyRow(HeldPolicy, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A policy of a user, in a table."""

    user_id: str
    user_name: str
    via: Literal["attached", "inline"]


class UserDifference(UserDiff, frozen=True, gc=False, kw_only=True, rename={"begin": "from", "end": "to"}):
    """What is different about the user that a name means, between two instants."""

    user_id: BeforeAfter[str | None]
    begin: Basis
    end: Basis


USER_IN_FULL: Final = Route(
    method="GET",
    path="/v1/users/{name}",
    about="Everything about a user, by name or id, at an instant: ids, names, tags, permissions boundary, policies. "
    "`documents` are all that govern it, each with how it comes to the user, `via`: `attached`, `inline` or "
    "`boundary`. A managed policy says what its default version says, which `version_id` names. `basis` is the "
    "position and the instant of the answer. A name means its holder at that instant.",
    parameters=(USER, AT),
    data=(UserInFull,),
    refusals=(*OF_A_CALL, NoSuchEntity),
)

POLICIES: Final = Route(
    method="GET",
    path="/v1/users/{name}/policies",
    about="The attached and the inline policies of a user, by name or id, at an instant. Each entry has the `position` "
    "and `event_id` of the record that put it there, `since` when, and that record's `actor`, `source_ip` and "
    "`action`. `basis` is the position and the instant of the answer. A name means its holder at that instant. "
    f"{TABLE}",
    parameters=(USER, AT),
    data=(PolicySets,),
    table=Table(POLICY_COLUMNS, PolicyRow),
    refusals=(*OF_A_CALL, NoSuchEntity),
)

DIFF: Final = Route(
    method="GET",
    path="/v1/users/{name}/diff",
    about="What differs about a user between two instants. The name means its holder at each of them: `user_id` has "
    "both, and `replaced` says that they are two. `created` and `deleted` mean that there is a user at one end only. "
    "Policy documents are compared statement by statement; `managed_changed` are managed policies that the user "
    "carries at both ends, and that say something else. `from` and `to` in the answer are the position and the instant "
    "of each end.",
    parameters=(
        USER,
        Parameter(
            name="from",
            meaning="an instant, which is an RFC 3339 time or `@position`",
            required=True,
            pattern=INSTANT,
        ),
        Parameter(
            name="to", meaning="another instant, which may be earlier; the present if not given", pattern=INSTANT
        ),
    ),
    data=(UserDifference,),
    refusals=(*OF_A_CALL, NoSuchEntity),
)


async def user(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}`: everything about the user at an instant, with all documents that govern it."""
    account = request.caller.account
    everything = partial(_everything, name=asked["name"])
    (details, documents), basis = await service.ask(account, asked.get("at"), everything, wide=True)
    told = UserInFull(**asdict(details), documents=documents, basis=basis)
    return answers.success(told, request.request_id)


def _everything(state: InstantState, name: str) -> tuple[UserDetails, list[EffectiveDocument]]:
    details = user_details(state, find_holder(state, name))
    return details, list(_documents(state, details))


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
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/policies`: the policy sets at an instant, each with the record that put it there."""
    account = request.caller.account
    sets = partial(_policy_sets, name=asked["name"])
    (user, attached, inline), basis = await service.ask(account, asked.get("at"), sets)
    positions = sorted({entry["position"] for entry in (*attached, *inline)})
    origins = {row.position: _origin(row.record) for row in await service.log.get(account, positions)}
    told = PolicySets(
        user_name=user.user_name,
        user_id=user.user_id,
        arn=user.arn,
        attached=[HeldPolicy(**entry, **origins[entry["position"]]) for entry in attached],
        inline=[HeldPolicy(**entry, **origins[entry["position"]]) for entry in inline],
        basis=basis,
    )
    if (format := table_format(http)) is not None:
        rows = _rows(format, told)
        return await stream_table(http, request.request_id, format, POLICY_COLUMNS, rows, basis)
    return answers.success(told, request.request_id)


_Entries = list[dict[str, Any]]


def _policy_sets(state: InstantState, name: str) -> tuple[User, _Entries, _Entries]:
    """The user, what is attached to it, and what is embedded in it, each with the position of its record."""
    user_id = find_holder(state, name)
    attached: _Entries = [
        {"policy_name": policy_name, "policy_arn": arn, "position": position}
        for arn, policy_name, position in state.entries(r.USER_POLICIES, user_id)
    ]
    inline: _Entries = [
        {"policy_name": policy.policy_name, "policy_document": policy.document, "position": position}
        for _, policy, position in state.entries(r.USER_INLINE_POLICIES, user_id)
    ]
    return user_at(state, user_id), sorted(attached, key=_name), sorted(inline, key=_name)


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry["policy_name"]).lower()


class _Origin(msgspec.Struct):
    """The part of a record that says who put something there, when, from where and how."""

    id: str
    recorded_at: datetime
    actor: Actor
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


async def _rows(format: Format, sets: PolicySets) -> AsyncIterator[PolicyRow | dict[str, Any]]:
    """The policies as rows of a table; as JSON lines they are the entries, each with its user."""
    vias: Mapping[Literal["attached", "inline"], Sequence[HeldPolicy]] = {
        "attached": sets.attached,
        "inline": sets.inline,
    }
    for via, entries in vias.items():
        for entry in entries:
            row = PolicyRow(**asdict(entry), user_id=sets.user_id, user_name=sets.user_name, via=via)
            yield flat(asdict(row), POLICY_COLUMNS) if format == "text/csv" else row


def flat(entry: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """What an answer tells, as cells of the columns: what is told of the actor stands in cells of its own."""
    actor = msgspec.to_builtins(entry["actor"])
    cells = {"actor_id": actor["id"], "actor_arn": actor["arn"], **actor, **entry}
    row = {column: cells.get(column) for column in columns}
    return {name: answers.rfc3339(cell) if isinstance(cell, datetime) else cell for name, cell in row.items()}


async def diff(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/diff`: what differs between whom the name meant at one instant and at another."""
    account = request.caller.account
    before = await service.resolve(account, asked["from"], "from")
    after = await service.resolve(account, asked.get("to"), "to")
    ids, difference = await service.read_at(account, partial(_diff, name=asked["name"]), before, after)
    told = UserDifference(**asdict(difference), user_id=ids, begin=before, end=after)
    return answers.success(told, request.request_id)


def _diff(before: InstantState, after: InstantState, name: str) -> tuple[BeforeAfter[str | None], UserDiff]:
    old, new = _end(before, name), _end(after, name)
    if old.details is None and new.details is None:
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    ids: BeforeAfter[str | None] = BeforeAfter(
        None if old.details is None else old.details.user_id, None if new.details is None else new.details.user_id
    )
    return ids, diff_users(old.details, new.details, old.governing, new.governing)


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
