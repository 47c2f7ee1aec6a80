"""Lists that can be left and taken up again: every item comes with the key after which to go on."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")

KEY_LENGTH = 51  # code points: with a number behind them and in UTF-8, no more than a marker of AWS's has room for


def listing(items: Iterable[T], key: Callable[[T], str], after: str) -> Iterator[tuple[str, T]]:
    """Items with their keys, in the order of the keys, beginning behind `after`. For lists a quota keeps short."""
    keyed = sorted(((key(item), item) for item in items), key=itemgetter(0))
    return ((position, item) for position, item in keyed if position > after)


def by_age(at: datetime, id_: str) -> str:
    """The key of an item that came at this time: the oldest come first, those of the same time in the order of ids."""
    return f"{at.isoformat(timespec='microseconds')} {id_}"


def short_keys(keyed: Iterable[tuple[str, T]], after: str) -> Iterator[tuple[str, T]]:
    """Items that come in the order of their keys, under keys that fit into a marker, beginning behind `after`.

    Keys that are too long are cut, and those cut alike are numbered. For lists a quota keeps short.
    """
    for start, alike in groupby(keyed, key=lambda item: item[0][:KEY_LENGTH]):
        for number, (key, item) in enumerate(alike):
            position = key if key == start else f"{start}{number:04}"
            if position > after:
                yield position, item
