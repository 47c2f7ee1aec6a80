"""What a row of the table of actions is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from iam.commands import Command, Moment, Query
from iam.events import Event
from iam.state import State

Reply: TypeAlias = Mapping[str, Any]


class Secret(msgspec.Struct, frozen=True):
    """What an action keeps in `secrets.db`, under an id of its own that the event names (`iam.relations.SECRETS`).

    Before the command is decided, `make` makes it out of the parameters; None is that there is none. The id that the
    decision asks for by this prefix is the one under which it is kept. `show` puts it into the reply.
    """

    id_prefix: str
    make: Callable[[Mapping[str, Any]], str | None]
    show: Callable[[Reply, str], Reply] | None = None


class Proof(msgspec.Struct, frozen=True):
    """That the caller must know a secret. Where it does, the command's `proven` is the id of that secret."""

    of: Callable[[State, Any], str | None]  # the id of the secret to be known
    given: Callable[[Any], str]
    matches: Callable[[str, str], bool]  # what was given, what is kept


class Write(msgspec.Struct, frozen=True):
    """An action that changes something.

    `result` makes the reply, out of the event that was recorded, the account and the partition. Most have none.
    """

    command: type[Command]
    decide: Callable[[State, Any, Moment], list[Event]]
    result: Callable[[Any, str, str], Reply] | None = None
    secret: Secret | None = None
    proof: Proof | None = None


class Read(msgspec.Struct, frozen=True):
    """An action that answers one thing. `wide`: see Listing."""

    query: type[Query]
    read: Callable[[State, Any], Any]
    reply: Callable[[Any], Reply]
    wide: bool = False


class Listing(msgspec.Struct, frozen=True):
    """An action that answers page by page. `read` goes on behind a key; `reply` takes the items of a page.

    `about` answers what stands on every page beside the items. A wide one goes over many things: those of the whole
    account, or all policies that apply to a user. At an instant it is asked on a reading thread. Of the present every
    one is asked on the event loop, which alone changes that state: there it must be fast without help.
    """

    query: type[Query]
    read: Callable[[State, Any, str], Iterator[tuple[str, Any]]]
    reply: Callable[[Sequence[Any]], Reply]
    about: Callable[[State, Any], Reply] | None = None
    wide: bool = False


class Start(msgspec.Struct, frozen=True):
    """An action that has the account's credential report made. `read` makes the reply: was there a report before?

    The report is of the time of this call; the one before is forgotten. The service remembers that time, in memory, of
    the accounts that asked last, and nothing else. At an instant of the past there always is a report, which is of that
    instant.
    """

    read: Callable[[bool], Reply]


class Report(msgspec.Struct, frozen=True):
    """An action that answers the account's credential report. `reply` takes what was read and when that was so."""

    read: Callable[[State], Any]
    reply: Callable[[Any, datetime], Reply]


Action: TypeAlias = Write | Read | Listing | Start | Report


def under(name: str, item: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Reply]:
    """The reply of a list operation: its items under one name."""
    return lambda found: {name: [item(each) for each in found]}
