"""The native API's view of one user at an instant, by name or by id: all of it, its policy sets, its differences."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec.structs import asdict

from api import answers
from api.instants import Basis
from api.routes import AT, INSTANT, OF_A_CALL, TABLE, USER_NAME, Parameter, Route, Table
from api.service import Request, Service
from api.tables import Format, stream_table, table_format
from eventstore.record import Actor
from iam import relations as r
from iam.arns import policy_path_and_name
from iam.document_diff import BeforeAfter
from iam.errors import NoSuchEntity
from iam.groups import groups_of
from iam.identities import GROUP, USER, Kind
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
    "group_id",
    "group_name",
    "group_position",
    "group_event_id",
    "group_since",
)
"""The last ones are of the group that a policy comes through, and of the record that made the user a member."""


class Origin(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The record that put something there: when, by whom, from where.

    Fields by keyword come after all others, so that what extends this begins with what it is.
    """

    position: int
    event_id: str
    since: datetime
    actor: Actor
    source_ip: str
    action: str


class ThroughGroup(Origin, frozen=True, gc=False):
    """The group that a policy comes through, and the record that made the user its member."""

    group_id: str
    group_name: str


class EffectiveDocument(Origin, frozen=True, gc=False):
    """A policy document that says what a user may do, how it comes to the user, and the record that put it there.

    An inline policy has no ARN and no versions. The document of a managed policy is that of its default version;
    it is None for a policy of AWS that the program's catalogue does not have.
    """

    policy_name: str
    policy_arn: str | None
    via: Literal["attached", "inline", "boundary"]
    version_id: str | None
    policy_document: str | None
    group: ThroughGroup | None


class UserInFull(UserDetails, frozen=True, gc=False, kw_only=True):
    """A user at an instant, with all documents that govern it."""

    documents: Sequence[EffectiveDocument]
    basis: Basis


class HeldPolicy(Origin, frozen=True, gc=False, omit_defaults=True):
    """A policy of a user and the record that put it there. An attached one has an ARN, an inline one a document."""

    policy_name: str
    policy_arn: str | None = None
    policy_document: str | None = None


class InheritedPolicy(HeldPolicy, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A policy that comes to a user through a group."""

    via: Literal["attached", "inline"]
    group: ThroughGroup


class PolicySets(msgspec.Struct, frozen=True, kw_only=True):
    """The policies of a user at an instant, its own and its groups', ordered by name, ignoring case."""

    user_name: str
    user_id: str
    arn: str
    attached: Sequence[HeldPolicy]
    inline: Sequence[HeldPolicy]
    inherited: Sequence[InheritedPolicy]
    basis: Basis


class PolicyRow(Origin, frozen=True, gc=False, omit_defaults=True):
    """A policy of a user, in a table. `group` is there for those that come through one."""

    user_id: str
    user_name: str
    via: Literal["attached", "inline"]
    policy_name: str
    policy_arn: str | None = None
    policy_document: str | None = None
    group: ThroughGroup | None = None


class UserDifference(UserDiff, frozen=True, gc=False, rename={"begin": "from", "end": "to"}):
    """What is different about the user that a name means, between two instants. They come first, as in `Origin`."""

    user_id: BeforeAfter[str | None]
    begin: Basis
    end: Basis


USER_IN_FULL: Final = Route(
    method="GET",
    path="/v1/users/{name}",
    about="Everything about a user, by name or id, at an instant: ids, names, tags, permissions boundary, policies, "
    "and `groups` with theirs. `documents` are all that govern it, each with how it comes to the user: `via` is "
    "`attached`, `inline` or `boundary`, and `group` the one that it comes through, or null. Each has the record that "
    "put it there, and `group` the one that made the user a member: `position`, `event_id`, `since`, `actor`, "
    "`source_ip`, `action`. A managed policy says what its default version says, which `version_id` names. `basis` is "
    "the position and the instant of the answer. A name means its holder at that instant.",
    parameters=(USER_NAME, AT),
    data=(UserInFull,),
    refusals=(*OF_A_CALL, NoSuchEntity),
)

POLICIES: Final = Route(
    method="GET",
    path="/v1/users/{name}/policies",
    about="The attached and the inline policies of a user, by name or id, at an instant. Each entry has the `position` "
    "and `event_id` of the record that put it there, `since` when, and that record's `actor`, `source_ip` and "
    "`action`. `inherited` are those that come through groups: `group` has the same of the record that made the user a "
    f"member. `basis` is the position and the instant of the answer. A name means its holder at that instant. {TABLE}",
    parameters=(USER_NAME, AT),
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
    "carries at both ends, by whatever path, and that say something else. `inherited_added`, `inherited_removed` and "
    "`inherited_changed` are policies that come through groups. `from` and `to` in the answer are the position and "
    "the instant of each end.",
    parameters=(
        USER_NAME,
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
    (details, governing, entries), basis = await service.ask(request.caller, asked.get("at"), everything, wide=True)
    await _tell_origins(service, account, entries)
    documents = [_document(entry, governing) for entry in entries]
    return answers.success(UserInFull(**asdict(details), documents=documents, basis=basis), request.request_id)


# An entry is a policy with the way it comes to the user: `via`, the `group` that it comes through if one does, and the
# position of the record that put it there; a group has that of the record that made the user its member.
_Entry = dict[str, Any]
_Governing = Mapping[str, GoverningVersion]


def _everything(state: InstantState, name: str) -> tuple[UserDetails, _Governing, list[_Entry]]:
    details = user_details(state, find_holder(state, name))
    own, inherited = _policies_of(state, USER, details.user_id), _inherited(state, details.user_id)
    return details, governing_documents(state, details), [*own, *inherited, *_boundary_of(state, details.user_id)]


def _document(entry: _Entry, governing: _Governing) -> EffectiveDocument:
    arn = entry.get("policy_arn")
    version_id, document = governing.get(arn, (None, None)) if arn else (None, entry["policy_document"])
    said = {"policy_arn": arn, "version_id": version_id, "policy_document": document}
    return EffectiveDocument(**{**entry, **said})


async def policies(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/policies`: the policy sets at an instant, each with the record that put it there."""
    account = request.caller.account
    (user, own, inherited), basis = await service.ask(
        request.caller, asked.get("at"), partial(_policy_sets, name=asked["name"])
    )
    await _tell_origins(service, account, (*own, *inherited))
    if (format := table_format(http)) is not None:
        rows = _rows(format, user, (*own, *inherited))
        return await stream_table(http, request.request_id, format, POLICY_COLUMNS, rows, basis)
    told = PolicySets(
        user_name=user.user_name,
        user_id=user.user_id,
        arn=user.arn,
        attached=[_held(entry) for entry in own if entry["via"] == "attached"],
        inline=[_held(entry) for entry in own if entry["via"] == "inline"],
        inherited=[InheritedPolicy(**entry) for entry in inherited],
        basis=basis,
    )
    return answers.success(told, request.request_id)


def _held(entry: _Entry) -> HeldPolicy:
    """One of the user's own. Where it stands in the answer says how it comes to the user."""
    return HeldPolicy(**{name: value for name, value in entry.items() if name not in ("via", "group")})


def _policy_sets(state: InstantState, name: str) -> tuple[User, list[_Entry], list[_Entry]]:
    """The user, its own policies, and those of its groups."""
    user_id = find_holder(state, name)
    return user_at(state, user_id), _policies_of(state, USER, user_id), _inherited(state, user_id)


def _policies_of(state: InstantState, kind: Kind, owner: str, group: Mapping[str, Any] | None = None) -> list[_Entry]:
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


def _boundary_of(state: InstantState, user_id: str) -> Iterator[_Entry]:
    for _, arn, position in state.entries(r.USER_BOUNDARY, user_id):
        name = policy_path_and_name(arn)[1]
        yield {"via": "boundary", "policy_name": name, "policy_arn": arn, "group": None, "position": position}


def _inherited(state: InstantState, user_id: str) -> list[_Entry]:
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


async def _tell_origins(service: Service, account: str, entries: Iterable[_Entry]) -> None:
    """Tell with each entry, and with the membership that it rests on, the record that put it there."""
    entries = list(entries)
    positions = {entry["position"] for entry in entries}
    positions |= {entry["group"]["position"] for entry in entries if entry["group"]}
    rows = await service.log.get(account, sorted(positions))
    origins = {row.position: _origin(row.record) for row in rows}
    for entry in entries:
        entry.update(origins[entry["position"]])
        if group := entry["group"]:
            entry["group"] = ThroughGroup(**group, **origins[group["position"]])


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


async def _rows(format: Format, user: User, entries: Iterable[_Entry]) -> AsyncIterator[Sequence[Any]]:
    """The policies as the one page of a table; as JSON lines they are the entries, each with its user."""
    rows = [PolicyRow(**entry, user_id=user.user_id, user_name=user.user_name) for entry in entries]
    yield [_cells(row) for row in rows] if format == "text/csv" else rows


def _cells(row: PolicyRow) -> dict[str, Any]:
    through = {} if row.group is None else asdict(row.group)
    group = {f"group_{name.removeprefix('group_')}": cell for name, cell in through.items()}
    return flat({**asdict(row), **group}, POLICY_COLUMNS)


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
    ids, difference = await service.read_at(request.caller, partial(_diff, name=asked["name"]), before, after)
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
