"""What the service model demands of parameters, as tests that answer yes or no and build no text.

Values come here typed, keyed by field names, with None for a null list element. `violations.py` says what
is wrong with a value that fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from api.model import POLICY_DOCUMENT, Listing, Mapped, Operation, Scalar, Shape, Structure, translate
from iam.errors import InvalidInput

Test: TypeAlias = Callable[[Any], bool]

_PATTERN_IN_LIST: Mapping[str, str] = {
    POLICY_DOCUMENT: r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]+",
}
"""Shapes that AWS holds to another pattern in a list than the model says."""


@dataclass(frozen=True, slots=True)
class Mistyped:
    """Stands where JSON has a value of the wrong type; `wanted` says which type belongs there."""

    wanted: str


def mistyped(value: Any) -> bool:
    """Whether a value of the wrong JSON type stands anywhere in it. `acceptable` must not see such values."""
    if isinstance(value, dict):
        return any(map(mistyped, value.values()))
    if isinstance(value, list):
        return any(map(mistyped, value))
    return isinstance(value, Mistyped)


@cache
def acceptable(shape: Shape, listed: bool = False) -> Test:
    """Whether a value of the shape meets every rule; `listed` for an element of a list."""
    match shape:
        case Structure():
            return _structure_test(shape)
        case Listing():
            return _list_test(shape)
        case Mapped():
            return _map_test(shape)
        case Scalar():
            return _scalar_test(shape, listed)


def must_not_be_empty(operation: Operation) -> tuple[str, ...]:
    """The fields of the lists that a Tag or Untag action cannot do without."""
    if operation.input is None or not operation.name.startswith(("Tag", "Untag")):
        return ()
    members = operation.input.members
    return tuple(m.field for m in members if m.required and isinstance(m.shape, Listing))


def empty_list() -> InvalidInput:
    """AWS's whole answer to an empty list of tags; the space at the end is AWS's."""
    return InvalidInput("Error occurred while validating input. ")


def _structure_test(structure: Structure) -> Test:
    members = tuple((m.field, m.required, acceptable(m.shape)) for m in structure.members)

    def test(value: Mapping[str, Any] | None) -> bool:
        if value is None:
            return False
        for name, required, accepts in members:
            item = value.get(name)
            if item is None:
                if required:
                    return False
            elif not accepts(item):
                return False
        return True

    return test


def _list_test(listing: Listing) -> Test:
    accepts = acceptable(listing.element, True)
    fits = _bounds_test(listing.minimum, listing.maximum)

    def test(value: Sequence[Any]) -> bool:
        return fits(len(value)) and all(item is not None and accepts(item) for item in value)

    return test


def _map_test(mapped: Mapped) -> Test:
    accepts_key, accepts_value = acceptable(mapped.key), acceptable(mapped.value)
    fits = _bounds_test(mapped.minimum, mapped.maximum)

    def test(value: Mapping[str, Any]) -> bool:
        return fits(len(value)) and all(
            accepts_key(key) and item is not None and accepts_value(item) for key, item in value.items()
        )

    return test


def _bounds_test(minimum: int | None, maximum: int | None) -> Test:
    low = minimum if minimum is not None else -(2**63)
    high = maximum if maximum is not None else 2**63
    return lambda number: low <= number <= high


def _scalar_test(scalar: Scalar, listed: bool) -> Test:
    if scalar.kind == "integer":
        return _bounds_test(scalar.minimum, scalar.maximum)
    if scalar.kind != "string":
        return lambda _: True
    if scalar.enum is not None:
        return frozenset(scalar.enum).__contains__
    low = scalar.minimum or 0
    high = scalar.maximum if scalar.maximum is not None else 2**63
    fits = _matcher(scalar, listed)
    if fits is None:
        return lambda text: low <= len(text) <= high
    return lambda text: low <= len(text) <= high and fits(text) is not None


def pattern_of(scalar: Scalar, listed: bool) -> str | None:
    """The pattern, as AWS writes it, that the scalar is held to."""
    return _PATTERN_IN_LIST.get(scalar.name, scalar.pattern) if listed else scalar.pattern


def _matcher(scalar: Scalar, listed: bool) -> Callable[[str], object] | None:
    pattern = pattern_of(scalar, listed)
    if pattern is None or pattern == scalar.pattern:
        return scalar.matches
    return translate(pattern).fullmatch


def matches(scalar: Scalar, text: str) -> bool:
    """Whether the whole text has the form that the model asks for; its length is another matter."""
    return scalar.matches is None or scalar.matches(text) is not None
