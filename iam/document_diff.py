"""What changed between two policy documents: statement by statement and element by element, never line by line.

The order of statements means nothing. Nor does the order of values in a list, a value that is repeated, whether a
lone one stands in brackets, or the case of actions. A `Sid` that is empty says as little as none.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Generic, TypeVar

import msgspec

V = TypeVar("V")
Scalar = str | bool | int | float
Element = Scalar | list[Scalar] | dict[str, dict[str, Scalar | list[Scalar]]]
Values = dict[tuple[type, Scalar], Scalar]  # what a value means → how it is written

SINGLE: Final = ("Effect", "Sid")
"""Elements of one value, which is replaced. All others list values, which come and go."""


class BeforeAfter(msgspec.Struct, Generic[V], frozen=True, gc=False):
    """What something was, and what it became."""

    before: V
    after: V


class ElementDiff(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What changed in one element: the values that were added to a list and removed from it.

    `Effect` and `Sid` have `before` and `after` instead; so has a list that only one end has. None is an end
    without the element.
    """

    before: Scalar | list[Scalar] | None = None
    after: Scalar | list[Scalar] | None = None
    added: tuple[Scalar, ...] = ()
    removed: tuple[Scalar, ...] = ()


class StatementDiff(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What changed in one statement: its number in each document, from 1, and its elements ordered by name.

    `sid` is the one it has at both ends. Conditions are named like `Condition.StringEquals.aws:username`.
    """

    statement: BeforeAfter[int]
    elements: dict[str, ElementDiff]
    sid: str | None = None


class DocumentDiff(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What changed between two documents that do not mean the same.

    Statements that were added or removed are given as they are written, in the order of their document; changed
    ones in the order of the document before. Where either end is no policy document, only `text` is set.
    """

    version: BeforeAfter[str | None] | None = None
    id: BeforeAfter[str | None] | None = None
    added: tuple[dict[str, Element], ...] = ()
    removed: tuple[dict[str, Element], ...] = ()
    changed: tuple[StatementDiff, ...] = ()
    text: BeforeAfter[str] | None = None


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    """A policy document, loosely: whether it is valid was asked when it was stored, by the rules of then."""

    statement: dict[str, Element] | list[dict[str, Element]]
    version: str | None = None
    id: str | None = None


class _Statement(msgspec.Struct, frozen=True):
    """A statement, ready to be compared."""

    number: int
    written: dict[str, Element]
    sid: str | None
    elements: dict[str, Values]
    meaning: frozenset[tuple[str, tuple[type, Scalar] | None]]  # each element with each of its values


_DECODER = msgspec.json.Decoder(_Document)


def diff_documents(before: str, after: str) -> DocumentDiff | None:
    """What changed between two policy documents; None if they mean the same. Never raises.

    Statements are matched by their Sid first, then the most alike first. Text that is no policy document is compared
    as it is.
    """
    if before == after:
        return None
    try:
        old, new = _DECODER.decode(before), _DECODER.decode(after)
    except ValueError:
        return DocumentDiff(text=BeforeAfter(before, after))
    old_statements, new_statements = _statements(old), _statements(new)
    matches = _match(old_statements, new_statements)
    matched = {after.number for after in matches.values()}
    diff = DocumentDiff(
        version=None if old.version == new.version else BeforeAfter(old.version, new.version),
        id=None if old.id == new.id else BeforeAfter(old.id, new.id),
        added=tuple(statement.written for statement in new_statements if statement.number not in matched),
        removed=tuple(statement.written for statement in old_statements if statement.number not in matches),
        changed=tuple(
            _diff_statements(statement, matches[statement.number])
            for statement in old_statements
            if statement.number in matches and statement.meaning != matches[statement.number].meaning
        ),
    )
    return None if diff == DocumentDiff() else diff


def _match(before: Sequence[_Statement], after: Sequence[_Statement]) -> dict[int, _Statement]:
    """The statement that each one has become, by the number before. The most alike are matched first."""
    counts = [Counter(statement.sid for statement in statements) for statements in (before, after)]
    sids = {sid for sid in counts[0] if sid and counts[0][sid] == counts[1][sid] == 1}
    pairs = ((_likeness(one, other, sids), one, other) for one in before for other in after)
    alike = sorted((pair for pair in pairs if pair[0]), key=lambda pair: (-pair[0], pair[1].number, pair[2].number))
    matches: dict[int, _Statement] = {}
    taken: set[int] = set()
    for _, one, other in alike:
        if one.number not in matches and other.number not in taken:
            matches[one.number] = other
            taken.add(other.number)
    return matches


def _likeness(one: _Statement, other: _Statement, sids: set[str]) -> float:
    """2 for the same Sid where it is unique, 1 for the same meaning, else the share of what both say.

    It is 0 where they share no action, resource or condition: an Effect in common is nothing.
    """
    if one.sid in sids and one.sid == other.sid:
        return 2.0
    if one.meaning == other.meaning:
        return 1.0
    shared = one.meaning & other.meaning
    if all(name in SINGLE for name, _ in shared):
        return 0.0
    return len(shared) / len(one.meaning | other.meaning)


def _diff_statements(before: _Statement, after: _Statement) -> StatementDiff:
    elements = {}
    for name in sorted(before.elements.keys() | after.elements.keys()):
        old, new = before.elements.get(name), after.elements.get(name)
        if old is None or new is None or (name in SINGLE and old.keys() != new.keys()):
            elements[name] = ElementDiff(before=_whole(name, old), after=_whole(name, new))
        elif old.keys() != new.keys():
            added = tuple(value for key, value in new.items() if key not in old)
            removed = tuple(value for key, value in old.items() if key not in new)
            elements[name] = ElementDiff(added=added, removed=removed)
    sid = before.sid if before.sid == after.sid else None
    return StatementDiff(BeforeAfter(before.number, after.number), elements, sid)


def _whole(name: str, values: Values | None) -> Scalar | list[Scalar] | None:
    if values is None:
        return None
    written = list(values.values())
    return written[0] if name in SINGLE and len(written) == 1 else written


def _statements(document: _Document) -> list[_Statement]:
    written = document.statement
    return [
        _statement(number, statement)
        for number, statement in enumerate(written if isinstance(written, list) else [written], start=1)
    ]


def _statement(number: int, written: dict[str, Element]) -> _Statement:
    elements = dict(_elements(written))
    sid = written.get("Sid")
    return _Statement(
        number=number,
        written=written,
        sid=sid if isinstance(sid, str) and sid else None,
        elements=elements,
        meaning=frozenset((name, key) for name, values in elements.items() for key in values or (None,)),
    )


def _elements(statement: dict[str, Element]) -> Iterator[tuple[str, Values]]:
    """The elements with what they list; each key of each operator of a condition is one of its own."""
    for name, element in statement.items():
        if isinstance(element, dict):
            for operator, keys in element.items():
                for key, values in keys.items():
                    yield f"{name}.{operator}.{key}", _values(values)
        elif name != "Sid" or element != "":
            yield name, _values(element, ignore_case=name in ("Action", "NotAction"))


def _values(written: Scalar | list[Scalar], *, ignore_case: bool = False) -> Values:
    """The values by what they mean. `true`, `1` and `"1"` are told apart."""
    values: Values = {}
    for value in written if isinstance(written, list) else (written,):
        meant = value.lower() if ignore_case and isinstance(value, str) else value
        values.setdefault((type(value), meant), value)
    return values
