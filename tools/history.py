"""`iam-ledger history`: what happened to everyone who ever bore a name, told from the ledger alone.

What happened to the groups that they were in, and to the policies that they carried, is told too. The ledger is read
twice: to find out who bore the name, and then where something happened. Memory holds the account, a number for each
change of a user, a group or a policy, and the records of one page.
"""

import argparse
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any

import msgspec

from api.instants import Basis
from api.user_history import UserChange, user_change
from eventstore.record import Record
from iam import relations as r
from iam.events import AnyEvent
from iam.permission_sources import users_through
from iam.state import Account, Draft, State
from projections.holders import Holder, Mark, Name
from projections.records import read_event
from tools.failure import Failure
from tools.progress import Progress
from tools.reading import Ledger
from tools.telling import show, tell, tell_time
from tools.terminal import Style, Terminal, print_json, terminal, visible

Told = Mapping[str, "array[int]"]  # by the id of a group or a policy: where the events of it are


class Life(msgspec.Struct):
    """A user that bore the name: what it was called, and where its changes are on the ledger.

    `places` are positions in order. A negative number stands between them for so many calls that were refused.
    `sources` are the groups that it was ever in, and the policies that changed while it carried them.
    """

    user_id: str
    created_at: datetime
    names: list[Name]
    places: "array[int]"
    sources: set[str] = msgspec.field(default_factory=set)
    deleted_at: datetime | None = None

    def changes(self) -> list[int]:
        """The positions of its changes."""
        return [place for place in self.places if place > 0]


class _Said(msgspec.Struct, frozen=True):
    """Of a call that changed nothing, whom it named and how often it came."""

    parameters: Mapping[str, Any]
    repeated: int = 0


class _Envelope(msgspec.Struct, frozen=True):
    """Of a record, what its event does not tell."""

    outcome: str
    recorded_at: datetime
    attempt: _Said | None = None


_read_envelope = msgspec.json.Decoder(_Envelope).decode


def run(options: argparse.Namespace) -> int:
    """Print the changes of each user that bore the name, oldest first; or all in the order of the ledger as JSON."""
    ledger = Ledger(options.data, options.account)
    with ledger.damage_is_told():
        basis = ledger.resolve(None, "at")
        lives, told = _lives(ledger, options.user, basis.position)
        if not lives:
            raise Failure(f"account {visible(ledger.account)} never had a user {visible(options.user)}")
        if options.json:
            _print_json(ledger, basis, lives, told)
            return 0
        with terminal() as out:
            for number, life in enumerate(lives):
                if number:
                    out.line()
                _print_life(out, ledger, life, told)
    return 0


# Reading


def _lives(ledger: Ledger, name: str, head: int) -> tuple[list[Life], Told]:
    """Everyone who bore the name or has it for an id, in the order of their creation; and where sources changed."""
    with Progress(2 * head) as progress:
        user_ids = set()
        for position, record in ledger.stored(0, head):
            progress(position)
            event = read_event(record)
            user_id = getattr(event, "user_id", "")
            if user_id and (user_id == name or getattr(event, "user_name", "").lower() == name.lower()):
                user_ids.add(user_id)
        lives: dict[str, Life] = {}
        told: Told = defaultdict(lambda: array("q"))
        if user_ids:
            state = Account(ledger.account, ledger.world)
            for position, record in ledger.stored(0, head):
                progress(head + position)
                event = read_event(record)
                if event is None:
                    _note_refusal(lives, state, _read_envelope(record))
                    continue
                state.apply(event.changes())
                if (user_id := getattr(event, "user_id", "")) in user_ids:
                    _note_change(lives, state, user_id, position, record)
                    lives[user_id].sources.update(_named(event))
                elif not user_id and (named := _named(event)):
                    for source in named:
                        told[source].append(position)
                    for user_id in users_through(state, event) & lives.keys():
                        lives[user_id].places.append(position)
                        lives[user_id].sources.update(named)
    return list(lives.values()), told


def _named(event: Any) -> list[str]:
    """The ids of the group and the policy that an event is about, if it is about one."""
    return [getattr(event, field) for field in ("group_id", "policy_id") if hasattr(event, field)]


def _note_change(lives: dict[str, Life], state: State, user_id: str, position: int, record: bytes) -> None:
    profile = state.get(r.USER, user_id)
    life = lives.get(user_id)
    called = life.names[-1].user_name if life else None
    if profile is None or profile.user_name != called:
        mark = Mark(position, _read_envelope(record).recorded_at)
        if life is not None:
            life.names[-1] = msgspec.structs.replace(life.names[-1], end=mark)
        if profile is None:
            lives[user_id].deleted_at = mark.at
        elif life is None:
            lives[user_id] = Life(user_id, profile.created_at, [Name(profile.user_name, mark, None)], array("q"))
        else:
            life.names.append(Name(profile.user_name, mark, None))
    lives[user_id].places.append(position)


def _note_refusal(lives: Mapping[str, Life], state: State, envelope: _Envelope) -> None:
    """Count a refused call with whom its name meant then, if that is one of them."""
    if envelope.attempt is None or envelope.outcome not in ("refused", "denied"):
        return
    name = envelope.attempt.parameters.get("user_name")
    user_id = state.get(r.USERS, "", name.lower()) if isinstance(name, str) else None
    if user_id is not None and user_id in lives:
        places = lives[user_id].places
        before = places.pop() if places[-1] < 0 else 0
        places.append(before - (envelope.attempt.repeated or 1))


def _changes(
    ledger: Ledger, lives: Sequence[Life], told: Told
) -> Iterator[tuple[Record[AnyEvent], AnyEvent, Account, list[str]]]:
    """The records of these lives with their events, each with what was right before it, and whom it changed."""
    places = [zip(life.changes(), repeat(life.user_id)) for life in lives]
    changes = groupby(merge(*places), key=itemgetter(0))
    sources = {source for life in lives for source in life.sources}
    folded = merge(*(life.changes() for life in lives), *(told[source] for source in sources))
    state = Account(ledger.account, ledger.world)
    following, whom = next(changes, (0, iter(())))
    for record in ledger.records([position for position, _ in groupby(folded)]):
        if record.event is None:
            raise LookupError(f"record {record.position} has no event")
        if record.position == following:
            yield record, record.event, state, [user_id for _, user_id in whom]
            following, whom = next(changes, (0, iter(())))
        state.apply(record.event.changes())


# For a program


def _print_json(ledger: Ledger, basis: Basis, lives: Sequence[Life], told: Told) -> None:
    """One object with a line for each change, so that memory need not hold them all."""
    users = [Holder(life.user_id, life.names, life.created_at, life.deleted_at) for life in lives]
    opening = msgspec.json.encode({"account": ledger.account, "basis": basis, "users": users})
    print_json(opening.removesuffix(b"}") + b',"changes":[')
    left = sum(len(life.changes()) for life in lives)
    for record, event, state, user_ids in _changes(ledger, lives, told):
        for change in _user_changes(record, event, state, user_ids):
            left -= 1
            print_json(msgspec.json.encode(change) + (b"," if left else b""))
    print_json(b"]}")


def _user_changes(
    record: Record[AnyEvent], event: AnyEvent, before: State, user_ids: Sequence[str]
) -> Iterator[UserChange]:
    """The same that `GET /v1/users/{name}/history` answers."""
    after = Draft(before)
    after.apply(event.changes())
    for user_id in user_ids:
        yield user_change(record, user_id, before, after)


# For a person


def _print_life(out: Terminal, ledger: Ledger, life: Life, told: Told) -> None:
    out.line((life.user_id, "bold"))
    for name in life.names:
        when = f"from {_place(name.begin)} to {_place(name.end)}" if name.end else f"since {_place(name.begin)}"
        out.line((name.user_name, "bold"), f"  {when}", indent=2)
    changes = _changes(ledger, [life], told)
    for number in life.places:
        out.line()
        if number < 0:
            out.line((f"{-number:,} refused call{'s' if number < -1 else ''}", "dim"), indent=4)
        else:
            record, event, before, _ = next(changes)
            _print_change(out, record, event, before)


def _print_change(out: Terminal, record: Record[AnyEvent], event: AnyEvent, before: State) -> None:
    telling = tell(event, before)
    position: tuple[str, Style] = (f"@{record.position}", "yellow")
    out.line(position, (f"  {tell_time(record.recorded_at)}  ", "dim"), (telling.phrase, "bold"))
    show(out, telling.details, indent=4)
    out.line((_origin(record), "dim"), indent=4)


def _origin(record: Record[AnyEvent]) -> str:
    """Who did it with which call, and from where; an ARN of the same account by what comes after the account."""
    actor = record.actor
    prefix, own, name = actor.arn.partition(f"::{record.account}:")
    words = [record.action, "by", name if own and prefix.endswith(":iam") else actor.arn]
    if record.source_ip:
        words += ["from", record.source_ip]
    if products := record.user_agent.split():
        partners = products[0].startswith("APN/") and len(products) > 2  # such as HashiCorp, which comes next
        words += ["with", products[2 if partners else 0]]
    if record.restored_from is not None:
        words[-1] += ","
        words += ["restored from", f"@{record.restored_from.position}"]
    return " ".join(words)


def _place(mark: Mark) -> str:
    return f"{tell_time(mark.at)} (@{mark.position})"
