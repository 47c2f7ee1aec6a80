"""The rules of tags, which every kind of entity shares."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from iam.errors import InvalidInput, LimitExceeded
from iam.relations import Tag

MARKER_LENGTH = 51  # code points: in UTF-8 and base64 within the 320 characters of a marker


def check_tag_keys(keys: Sequence[str], *, ignore_case: bool) -> None:
    """Refuse reserved and repeated keys. InvalidInput; needs no look-up, so it comes before any."""
    if any(key.lower().startswith("aws:") for key in keys):
        raise InvalidInput("Tag keys beginning with aws: are reserved for system use.")
    if len({key.lower() if ignore_case else key for key in keys}) < len(keys):
        hint = " Please note that Tag keys are case insensitive." if ignore_case else ""
        raise InvalidInput(f"Duplicate tag keys found.{hint}")


def new_tags(
    present: Mapping[str, Tag], given: Iterable[Tag], member: Callable[[str], str], limit: int
) -> tuple[Tag, ...]:
    """The given tags that say anything new. LimitExceeded when they add a key to what are `limit` keys or more."""
    changed = tuple(tag for tag in given if present.get(member(tag.key)) != tag)
    if len(present.keys() | {member(tag.key) for tag in changed}) > max(limit, len(present)):
        raise LimitExceeded("The number of tags has reached the maximum limit.")
    return changed


def tag_order(tag: Tag) -> str:
    """Sorts tags as AWS lists them: shorter keys first, then by code point."""
    return f"{len(tag.key):03}{tag.key}"


def list_tags(tags: Iterable[Tag], after: str) -> Iterator[tuple[str, Tag]]:
    """Tags page by page. Keys longer than a marker may be are cut, and those cut alike are numbered."""
    for start, alike in groupby(sorted(tags, key=tag_order), key=lambda tag: tag_order(tag)[:MARKER_LENGTH]):
        for number, tag in enumerate(alike):
            if (position := f"{start}{number:02}") > after:
                yield position, tag
