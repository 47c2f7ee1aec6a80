"""An account's state: through what it is read, and the fold that holds the present."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from iam.arns import DEFAULT_PARTITION
from iam.catalogue import Catalogue
from iam.quotas import Quotas
from iam.relations import Change, Relation, V
from iam.uses import Use

ENTRY_BYTES = 300  # what an entry costs in memory beside its document, measured


class World(msgspec.Struct, frozen=True, eq=False):
    """What is the same for every account of a partition: its name, the quotas, the AWS managed policies.

    An account that has no records yet is in no partition; the name is empty there. `uses` has the last use of each
    access key, by its id, where the present is asked. It grows meanwhile, so nothing may be decided by it. No record
    tells of a use: at an instant there are none.
    """

    catalogue: Catalogue
    quotas: Quotas = Quotas()
    partition: str = DEFAULT_PARTITION
    uses: Mapping[str, Use] = {}

    def within(self, partition: str) -> "World":
        """The same in another partition."""
        if partition == self.partition:
            return self
        return World(self.catalogue.within(partition), self.quotas, partition, self.uses)


class State(Protocol):
    """An account at an instant. Every decision and every read goes through these four questions."""

    account: str
    world: World

    def get(self, relation: Relation[V], owner: str, member: str = "") -> V | None:
        """The value of an entry, or None."""

    def members(self, relation: Relation[V], owner: str) -> Mapping[str, V]:
        """All entries of an owner, in no particular order. Not to be changed."""

    def scan(self, relation: Relation[V], owner: str, after: str = "") -> Iterator[tuple[str, V]]:
        """The entries whose member comes after the given one, in order of code points."""

    def count(self, relation: Relation[Any], owner: str) -> int:
        """How many entries the owner has."""


def known(state: State, relation: Relation[V], owner: str) -> V:
    """The value of an entry that must be there. A KeyError means that the log itself is wrong."""
    value = state.get(relation, owner)
    if value is None:
        raise KeyError(f"{relation.name} of {owner}")
    return value


class Account:
    """The fold of a ledger, in memory. Only the one who folds changes it."""

    def __init__(self, account: str, world: World) -> None:
        self.account = account
        self.world = world
        self.bytes = 0
        self._owners: dict[tuple[Relation[Any], str], dict[str, Any]] = {}
        self._ordered: dict[tuple[Relation[Any], str], list[str]] = {}  # members of owners that were scanned

    def get(self, relation: Relation[V], owner: str, member: str = "") -> V | None:
        """See State.get."""
        entries = self._owners.get((relation, owner))
        return None if entries is None else entries.get(member)

    def members(self, relation: Relation[V], owner: str) -> Mapping[str, V]:
        """See State.members."""
        return self._owners.get((relation, owner), {})

    def scan(self, relation: Relation[V], owner: str, after: str = "") -> Iterator[tuple[str, V]]:
        """See State.scan."""
        entries = self._owners.get((relation, owner))
        if not entries:
            return
        order = self._ordered.get((relation, owner))
        if order is None:
            order = self._ordered[relation, owner] = sorted(entries)
        for member in order[bisect_right(order, after) :]:
            yield member, entries[member]

    def count(self, relation: Relation[Any], owner: str) -> int:
        """See State.count."""
        return len(self._owners.get((relation, owner), ()))

    def owners(self) -> Iterator[tuple[Relation[Any], str, Mapping[str, Any]]]:
        """Everything there is: relation, owner, entries."""
        for (relation, owner), entries in self._owners.items():
            yield relation, owner, entries

    def apply(self, changes: Iterable[Change]) -> None:
        """Let entries begin and end."""
        for change in changes:
            key = (change.relation, change.owner)
            if change.member is None:
                for member in tuple(self._owners.get(key, ())):
                    self._end(key, member)
            elif change.value is None:
                self._end(key, change.member)
            else:
                self._put(key, change.member, change.value)

    def _put(self, key: tuple[Relation[Any], str], member: str, value: Any) -> None:
        entries = self._owners.get(key)
        if entries is None:
            entries = self._owners[key] = {}
        previous = entries.get(member)
        entries[member] = value
        self.bytes += _size(key[0], value)
        if previous is not None:
            self.bytes -= _size(key[0], previous)
        elif (order := self._ordered.get(key)) is not None:
            insort(order, member)

    def _end(self, key: tuple[Relation[Any], str], member: str) -> None:
        entries = self._owners[key]
        self.bytes -= _size(key[0], entries.pop(member))
        if not entries:
            del self._owners[key]
            self._ordered.pop(key, None)
        elif (order := self._ordered.get(key)) is not None:
            del order[bisect_left(order, member)]


class Draft:
    """A state on top of another one, which it leaves as it is: decided, and not durable yet."""

    def __init__(self, base: State) -> None:
        self.account = base.account
        self.world = base.world
        self._base = base
        self._changes: list[Change] = []
        self._touched: dict[tuple[Relation[Any], str], dict[str, Any]] = {}  # None: ended here

    def get(self, relation: Relation[V], owner: str, member: str = "") -> V | None:
        """See State.get."""
        touched = self._touched.get((relation, owner))
        if touched is not None and member in touched:
            value: V | None = touched[member]
            return value
        return self._base.get(relation, owner, member)

    def members(self, relation: Relation[V], owner: str) -> Mapping[str, V]:
        """See State.members."""
        touched = self._touched.get((relation, owner))
        members = self._base.members(relation, owner)
        if touched is None:
            return members
        return {member: value for member, value in {**members, **touched}.items() if value is not None}

    def scan(self, relation: Relation[V], owner: str, after: str = "") -> Iterator[tuple[str, V]]:
        """See State.scan."""
        return ((member, value) for member, value in sorted(self.members(relation, owner).items()) if member > after)

    def count(self, relation: Relation[Any], owner: str) -> int:
        """See State.count."""
        count = self._base.count(relation, owner)
        for member, value in self._touched.get((relation, owner), {}).items():
            count += (value is not None) - (self._base.get(relation, owner, member) is not None)
        return count

    def apply(self, changes: Iterable[Change]) -> None:
        """Let entries begin and end, here only."""
        for change in changes:
            self._changes.append(change)
            touched = self._touched.setdefault((change.relation, change.owner), {})
            if change.member is None:
                touched.update(dict.fromkeys(self.members(change.relation, change.owner)))
            else:
                touched[change.member] = change.value

    def commit(self) -> None:
        """Make the state below, an account or a draft, what this one is. The draft is not used afterwards."""
        assert isinstance(self._base, Account | Draft)  # on other states a draft is only tried
        self._base.world = self.world  # the first record settles the partition
        self._base.apply(self._changes)


def _size(relation: Relation[Any], value: Any) -> int:
    return ENTRY_BYTES + (len(value.document) if relation.documented else 0)
