"""The rules of tags, which every kind of entity shares."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from iam.commands import Command, Moment, Query
from iam.errors import InvalidInput, LimitExceeded
from iam.events import Event
from iam.pages import short_keys
from iam.relations import Relation, Tag
from iam.state import State


class Tagged(msgspec.Struct, frozen=True, eq=False):
    """A kind of thing that has tags.

    `find` gives the owner of the tags that a command or a query is about, or raises why there is none; `told` what
    the events `added` and `removed` tell of it. Where case is ignored, a key in another spelling is the same key.
    """

    relation: Relation[Tag]
    find: Callable[[State, Any], str]
    told: Callable[[State, str], Mapping[str, str]]
    added: Callable[..., Event]
    removed: Callable[..., Event]
    ignore_case: bool = True

    def member(self, key: str) -> str:
        """What the state keeps a tag under."""
        return key.lower() if self.ignore_case else key


class TagThing(Command, frozen=True, gc=False, kw_only=True):
    """Set tags."""

    tagged: ClassVar[Tagged]
    tags: tuple[Tag, ...]


class UntagThing(Command, frozen=True, gc=False, kw_only=True):
    """Remove tags."""

    tagged: ClassVar[Tagged]
    tag_keys: tuple[str, ...]


class ListThingTags(Query, frozen=True, gc=False, kw_only=True):
    """The tags of one thing."""

    tagged: ClassVar[Tagged]


def tag_thing(state: State, command: TagThing, moment: Moment) -> list[Event]:
    """Set tags. Where case is ignored, a key in another spelling replaces the spelling and the value."""
    tagged = command.tagged
    check_tag_keys([tag.key for tag in command.tags], ignore_case=tagged.ignore_case)
    owner = tagged.find(state, command)
    present = state.members(tagged.relation, owner)
    tags = new_tags(present, command.tags, tagged.member, state.world.quotas.tags_per_resource)
    return [tagged.added(**tagged.told(state, owner), tags=tags)] if tags else []


def untag_thing(state: State, command: UntagThing, moment: Moment) -> list[Event]:
    """Remove tags. A key that is not there is no error."""
    tagged = command.tagged
    owner = tagged.find(state, command)
    present = state.members(tagged.relation, owner)
    keys = tuple(dict.fromkeys(member for key in command.tag_keys if (member := tagged.member(key)) in present))
    return [tagged.removed(**tagged.told(state, owner), tag_keys=keys)] if keys else []


def list_thing_tags(state: State, query: ListThingTags, after: str) -> Iterator[tuple[str, Tag]]:
    """The tags of one thing, in AWS's order."""
    tagged = query.tagged
    return list_tags(state.members(tagged.relation, tagged.find(state, query)).values(), after)


def tags_of(state: State, relation: Relation[Tag], owner: str) -> tuple[Tag, ...]:
    """All tags of the owner, in AWS's order."""
    return tuple(sorted(state.members(relation, owner).values(), key=tag_order))


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
    """Tags page by page, in AWS's order."""
    return short_keys(((tag_order(tag), tag) for tag in sorted(tags, key=tag_order)), after)
