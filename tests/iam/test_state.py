"""The fold in memory and the draft on top of it: one interface, one set of answers."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from iam import relations
from iam.relations import (
    ALL,
    USER_INLINE_POLICIES,
    USER_TAGS,
    USERS,
    Change,
    InlinePolicy,
    Relation,
    Tag,
    end,
    end_all,
    put,
)
from iam.state import ENTRY_BYTES, Account, Draft, State, World

ACCOUNT = "123456789012"
OWNERS = ("", "AIDA1")
MEMBERS = ("", "a", "B", "b", "é", "\U0001f642", "\uffee")
RELATIONS: tuple[Relation[Any], ...] = (USERS, USER_TAGS, USER_INLINE_POLICIES)
KEYS = [(relation, owner) for relation in RELATIONS for owner in OWNERS]

Model = dict[tuple[Relation[Any], str], dict[str, Any]]


def value(relation: Relation[Any], number: int) -> Any:
    """Some value of the relation's type; documents differ in length."""
    return {
        USERS: f"AIDA{number}",
        USER_TAGS: Tag("key", f"{number}"),
        USER_INLINE_POLICIES: InlinePolicy("name", "x" * number),
    }[relation]


class Steps:
    """Changes that make sense one after the other: nothing ends that has not begun."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.model: Model = {key: {} for key in KEYS}

    def next(self) -> Change:
        """Draw a change, and let the model have it."""
        relation, owner = self.draw(st.sampled_from(KEYS))
        entries = self.model[relation, owner]
        kind = self.draw(st.sampled_from(["put", "put", "put", "end", "end all"]))
        if kind == "end all":
            entries.clear()
            return end_all(relation, owner)
        if kind == "end" and entries:
            member = self.draw(st.sampled_from(sorted(entries)))
            del entries[member]
            return end(relation, owner, member)
        member = self.draw(st.sampled_from(MEMBERS))
        entries[member] = value(relation, self.draw(st.integers(0, 9)))
        return put(relation, owner, member, entries[member])


def copy(model: Model) -> Model:
    return {key: dict(entries) for key, entries in model.items()}


def assert_answers(state: State, model: Mapping[tuple[Relation[Any], str], dict[str, Any]]) -> None:
    """Every question that can be put to a state is answered as the plain dictionaries say."""
    for (relation, owner), entries in model.items():
        assert state.members(relation, owner) == entries
        assert state.count(relation, owner) == len(entries)
        for member in MEMBERS:
            assert state.get(relation, owner, member) == entries.get(member)
            behind = [(other, entries[other]) for other in sorted(entries) if other > member]
            assert list(state.scan(relation, owner, member)) == behind


@for_all(st.data())
def test_an_account_answers_as_plain_dictionaries_do(world: World, data: st.DataObject) -> None:
    """Whatever began and ended, and also where a scan has put the members in order before."""
    steps = Steps(data.draw)
    account = Account(ACCOUNT, world)

    for _ in range(data.draw(st.integers(1, 4))):
        account.apply([steps.next() for _ in range(data.draw(st.integers(0, 8)))])
        assert_answers(account, steps.model)
    assert {(relation, owner) for relation, owner, _ in account.owners()} == {
        key for key, entries in steps.model.items() if entries
    }


@for_all(st.data())
def test_an_account_knows_its_size(world: World, data: st.DataObject) -> None:
    """A sum over what there is; what ended leaves nothing behind."""
    steps = Steps(data.draw)
    account = Account(ACCOUNT, world)
    account.apply([steps.next() for _ in range(data.draw(st.integers(0, 20)))])

    documents = sum(
        len(inline.document) for owner in OWNERS for inline in steps.model[USER_INLINE_POLICIES, owner].values()
    )
    assert account.bytes == ENTRY_BYTES * sum(map(len, steps.model.values())) + documents
    account.apply(end_all(relation, owner) for relation, owner in KEYS)
    assert account.bytes == 0


@for_all(st.data())
def test_a_draft_answers_as_an_account_and_leaves_its_base_alone(world: World, data: st.DataObject) -> None:
    """Until it is committed: then the base is what the draft was."""
    steps = Steps(data.draw)
    base = Account(ACCOUNT, world)
    base.apply([steps.next() for _ in range(data.draw(st.integers(0, 8)))])
    before = copy(steps.model)
    draft = Draft(base)

    for _ in range(data.draw(st.integers(0, 3))):
        draft.apply([steps.next() for _ in range(data.draw(st.integers(0, 5)))])
        assert_answers(draft, steps.model)
    assert_answers(base, before)
    draft.commit()
    assert_answers(base, steps.model)


def test_what_a_draft_showed_before_does_not_change_under_the_reader(world: World) -> None:
    """Members taken from a draft stay as they were when the draft goes on."""
    draft = Draft(Account(ACCOUNT, world))
    draft.apply([put(USERS, "", "alice", "AIDA1")])
    seen = draft.members(USERS, "")
    draft.apply([put(USERS, "", "bob", "AIDA2"), end(USERS, "", "alice")])

    assert seen == {"alice": "AIDA1"}
    assert draft.members(USERS, "") == {"bob": "AIDA2"}


def test_a_fact_that_cannot_be_stops_the_fold(world: World) -> None:
    """Ending what never began means that the log itself is wrong."""
    account = Account(ACCOUNT, world)
    account.apply([put(USERS, "", "alice", "AIDA1")])

    with pytest.raises(KeyError):
        account.apply([end(USERS, "", "bob")])
    with pytest.raises(KeyError):
        account.apply([end(USER_TAGS, "AIDA1", "key")])


def test_nothing_is_known_of_an_account_that_never_was(world: World) -> None:
    """Asking does not make it exist."""
    account = Account(ACCOUNT, world)

    assert_answers(account, {key: {} for key in KEYS})
    assert list(account.owners()) == []
    assert account.bytes == 0


def test_relations_are_known_by_their_stored_names() -> None:
    """The names are in the projections' tables, so no two are the same."""
    assert len(ALL) == len([value for value in vars(relations).values() if isinstance(value, Relation)])
    assert all(relation.name == name for name, relation in ALL.items())
