"""Lists that can be left and taken up again: every item comes with the key after which to go on."""

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")


def listing(items: Iterable[T], key: Callable[[T], str], after: str) -> Iterator[tuple[str, T]]:
    """Items with their keys, in the order of the keys, beginning behind `after`. For lists a quota keeps short."""
    keyed = sorted(((key(item), item) for item in items), key=itemgetter(0))
    return ((position, item) for position, item in keyed if position > after)
