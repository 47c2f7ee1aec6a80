"""What a row of the table of actions is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from iam.commands import Command, Moment, Query
from iam.events import Event
from iam.state import State

Reply: TypeAlias = Mapping[str, Any]


class Write(msgspec.Struct, frozen=True):
    """An action that changes something.

    `result` makes the reply, out of the event that was recorded, the account and the partition. Most have none.
    """

    command: type[Command]
    decide: Callable[[State, Any, Moment], list[Event]]
    result: Callable[[Any, str, str], Reply] | None = None


class Read(msgspec.Struct, frozen=True):
    """An action that answers one thing."""

    query: type[Query]
    read: Callable[[State, Any], Any]
    reply: Callable[[Any], Reply]


class Listing(msgspec.Struct, frozen=True):
    """An action that answers page by page. `read` goes on behind a key; `reply` takes the items of a page.

    `about` answers what stands on every page beside the items. A wide one goes over things of the whole account, not
    of one user or policy.
    """

    query: type[Query]
    read: Callable[[State, Any, str], Iterator[tuple[str, Any]]]
    reply: Callable[[Sequence[Any]], Reply]
    about: Callable[[State, Any], Reply] | None = None
    wide: bool = False


Action: TypeAlias = Write | Read | Listing


def under(name: str, item: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Reply]:
    """The reply of a list operation: its items under one name."""
    return lambda found: {name: [item(each) for each in found]}
