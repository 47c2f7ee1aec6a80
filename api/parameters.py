"""The parameters of a request, from a form or from JSON, read and held to the service model.

First everything is read: a value that cannot be read at all is MalformedInput. Then all rules of the model
are checked together: ValidationError. Which entities exist, and who may ask, is for others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from api.constraints import acceptable, empty_list, mistyped, must_not_be_empty
from api.forms import READERS, Reader, read_form, read_member, tree
from api.json_bodies import read_json, read_members
from api.model import Member, Operation, Scalar, Structure
from api.violations import refusal

__all__ = ["from_form", "from_json", "read_form", "read_json"]


def from_form(operation: Operation, form: Mapping[str, str]) -> dict[str, Any]:
    """The operation's parameters by field name (`{"user_name": "alice"}`), absent ones absent.

    Raises MalformedInput, ValidationError, or InvalidInput for a Tag or Untag action's empty list, in this
    order. Fields that the operation does not have, such as Action, are ignored.
    """
    plan = _plan(operation)
    values: dict[str, Any] = {}
    root = None
    for wire, field, path, read, member in plan.members:
        if member is None:
            text = form.get(wire)
            if text is not None:
                values[field] = text if read is None else read(text, path)
        else:
            if root is None:
                root = tree(form, plan.nested)
            value = read_member(member, root, "")
            if value is not None:
                values[field] = value
    return _checked(plan, values)


def from_json(operation: Operation, body: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """The same parameters out of the members of a JSON object, as `read_json` gives them.

    Null counts as absent. A policy document may be an object; its value is then the object's source text.
    Raises what `from_form` raises for the same values, and ValidationError for a wrong JSON type.
    """
    plan = _plan(operation)
    values = read_members(plan.structure, body, "")
    if mistyped(values):
        raise refusal(operation, values)
    return _checked(plan, values)


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that reading one operation's parameters takes, worked out once.

    A row of `members` is wire name, field, path and reader for a scalar, with the member itself for others.
    """

    operation: Operation
    structure: Structure
    members: tuple[tuple[str, str, str, Reader | None, Member | None], ...]
    nested: frozenset[str]
    accepts: Callable[[Any], bool]
    not_empty: tuple[str, ...]


@cache
def _plan(operation: Operation) -> _Plan:
    structure = operation.input or Structure(f"{operation.name}Request", ())
    nested = frozenset(m.wire for m in structure.members if not isinstance(m.shape, Scalar))
    members = tuple(_row(member) for member in structure.members)
    return _Plan(operation, structure, members, nested, acceptable(structure), must_not_be_empty(operation))


def _row(member: Member) -> tuple[str, str, str, Reader | None, Member | None]:
    if isinstance(member.shape, Scalar):
        return member.wire, member.field, member.path, READERS[member.shape.kind], None
    return member.wire, member.field, member.path, None, member


def _checked(plan: _Plan, values: dict[str, Any]) -> dict[str, Any]:
    if not plan.accepts(values):
        raise refusal(plan.operation, values)
    for field in plan.not_empty:
        if not values[field]:
            raise empty_list()
    return values
