"""The rules of tags, which every kind of entity shares."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from iam.errors import InvalidInput, LimitExceeded
from iam.relations import Tag


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
    """The given tags that say anything new. LimitExceeded when there would be more than `limit` in all."""
    changed = tuple(tag for tag in given if present.get(member(tag.key)) != tag)
    if len(present.keys() | {member(tag.key) for tag in changed}) > limit:
        raise LimitExceeded("The number of tags has reached the maximum limit.")
    return changed


def tag_order(tag: Tag) -> str:
    """Sorts tags as AWS lists them: shorter keys first, then by code point."""
    return f"{len(tag.key):03}{tag.key}"


def list_tags(tags: Iterable[Tag], after: str) -> Iterator[tuple[str, Tag]]:
    """Tags page by page. They are numbered, as a key can be longer than a marker may be."""
    numbered = ((f"{number:03}", tag) for number, tag in enumerate(sorted(tags, key=tag_order)))
    return ((number, tag) for number, tag in numbered if number > after)
