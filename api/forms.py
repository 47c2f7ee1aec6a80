"""Parameters as AWS Query sends them: a flat form whose names spell out lists, maps and structures.

`Tags.member.1.Key=team` is the key of the first tag. This module reads the syntax only; what the values may
be is `constraints.py`'s matter. Every fault is a MalformedInput.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from api.model import Kind, Listing, Mapped, Member, Scalar, Shape, Structure
from iam.errors import MalformedInput

Reader: TypeAlias = Callable[[str, str], Any]
"""Turns a text into a value, or raises MalformedInput naming the path."""

FIELDS = 1000
"""A form with more fields than this is refused. No action of AWS can use as many."""

SKIPPED = 10
"""How many list elements a form may leave out in one place; AWS reads each as null."""

_DEPTH = 16  # names deeper than any shape are cut here, so that a hostile name cannot cost much
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_INTEGER = re.compile(r"[+-]?0*[0-9]{1,10}")
_INDEX = re.compile(r"[0-9]+")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def read_form(body: bytes | str) -> dict[str, str]:
    """The fields of an application/x-www-form-urlencoded body or query string.

    Raises MalformedInput for text that is not UTF-8, for broken percent escapes, for a name that occurs
    twice (which of the two AWS would take is not known) and for more than `FIELDS` fields.
    """
    text = body if isinstance(body, str) else _utf8(body, "The request body")
    fields = text.split("&", FIELDS)
    if len(fields) > FIELDS:
        raise MalformedInput(f"The request has more than {FIELDS} parameters")
    form: dict[str, str] = {}
    for field in fields:
        if not field:
            continue
        name, _, value = field.partition("=")
        if "%" in name or "+" in name:
            name = _unescape(name, "A parameter name")
        if name in form:
            raise MalformedInput(f"Parameter {name} occurs more than once")
        form[name] = _unescape(value, name) if "%" in value or "+" in value else value
    if not text.isascii():
        _refuse_surrogates(form)
    return form


def _utf8(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedInput(f"{what} is not valid UTF-8 at byte {error.start}") from None


def _unescape(text: str, what: str) -> str:
    broken = _BROKEN_ESCAPE.search(text)
    if broken is not None:
        raise MalformedInput(f"{what} has a broken percent escape at character {broken.start()}")
    try:
        # The same as unquote_to_bytes, in C: quoted-printable is percent encoding with another sign.
        raw = binascii.a2b_qp(text.encode().replace(b"+", b" ").replace(b"=", b"=3D").replace(b"%", b"="))
    except UnicodeEncodeError as error:
        raise MalformedInput(f"{what} has a lone surrogate at character {error.start}") from None
    return _utf8(raw, what)


def _refuse_surrogates(form: Mapping[str, str]) -> None:
    """A query string decoded leniently elsewhere may hold surrogates, which could never be stored."""
    for name, value in form.items():
        try:
            name.encode()
            value.encode()
        except UnicodeEncodeError:
            shown = name.encode(errors="replace").decode()
            raise MalformedInput(f"Parameter {shown} has a lone surrogate") from None


class Node:
    """A point in the tree that dotted names make: perhaps a value, perhaps more names below."""

    __slots__ = ("below", "value")

    def __init__(self) -> None:
        self.value: str | None = None
        self.below: dict[str, Node] = {}


def tree(form: Mapping[str, str], names: frozenset[str]) -> Node:
    """The part of the form whose first names are in `names`, as a tree."""
    root = Node()
    for name, value in form.items():
        if name.split(".", 1)[0] in names:
            node = root
            for token in name.split(".", _DEPTH):
                node = node.below.setdefault(token, Node())
            node.value = value
    return root


def read_member(member: Member, node: Node, prefix: str) -> Any:
    """What a structure's node says of one member; None if nothing."""
    below = node.below.get(member.wire)
    return _read(member.shape, below, prefix + member.path) if below is not None else None


def _read(shape: Shape, node: Node, path: str) -> Any:
    match shape:
        case Scalar():
            return _read_scalar(shape, node, path)
        case Listing():
            return _read_list(shape, node, path)
        case Structure():
            return _read_structure(shape, node, path)
        case Mapped():
            return _read_map(shape, node, path)


def _read_scalar(scalar: Scalar, node: Node, path: str) -> Any:
    """Names below a scalar are unknown names, which AWS ignores."""
    if node.value is None:
        return None
    read = READERS[scalar.kind]
    return node.value if read is None else read(node.value, path)


def _read_structure(structure: Structure, node: Node, path: str) -> dict[str, Any]:
    if node.value:
        raise MalformedInput(f"Value found where a structure was expected at '{path}'")
    read = ((member.field, read_member(member, node, f"{path}.")) for member in structure.members)
    return {field: value for field, value in read if value is not None}


def _read_list(listing: Listing, node: Node, path: str) -> list[Any] | None:
    container = node if listing.flattened else node.below.get(listing.tag)
    if node.value or (container is not None and container.value):
        raise MalformedInput(f"Value found where a list was expected at '{path}'")
    if container is None:
        return [] if node.value == "" else None
    elements = dict(_indexed(container, scalars=isinstance(listing.element, Scalar)))
    values: list[Any] = []
    for index in sorted(elements):
        _refuse_sparse(index, len(values))
        values.extend([None] * (index - 1 - len(values)))
        values.append(_read_element(listing.element, elements[index], f"{path}.{index}.member"))
    return values


def _read_element(shape: Shape, nodes: list[Node], path: str) -> Any:
    """An element, whose parts may be spread over spellings of one index, such as 1 and 01."""
    node = nodes[0]
    for other in nodes[1:]:
        node = _merged(node, other, path)
    if isinstance(shape, Scalar) and node.below:
        raise MalformedInput("Start of structure found where not expected")
    return _read(shape, node, path)


def _merged(one: Node, other: Node, path: str) -> Node:
    if (one.value is not None and other.value is not None) or one.below.keys() & other.below.keys():
        raise MalformedInput(f"Value at '{path}' occurs more than once")
    merged = Node()
    merged.value = one.value if one.value is not None else other.value
    merged.below = one.below | other.below
    return merged


def _indexed(container: Node, scalars: bool) -> Iterator[tuple[int, list[Node]]]:
    """The nodes of each index. AWS takes a name in place of an index for a list of one empty structure."""
    by_index: dict[int, list[Node]] = {}
    for token, node in container.below.items():
        if _INDEX.fullmatch(token):
            if any(_INDEX.fullmatch(below) for below in node.below):
                raise MalformedInput("Two index elements may not occur back to back")
            by_index.setdefault(_index(token), []).append(node)
        elif token.startswith("-"):
            raise MalformedInput(f"Key {token} may not have a leading '-'")
        elif scalars:
            raise MalformedInput("Start of list found where not expected")
        else:
            by_index.setdefault(1, []).append(Node())
    yield from by_index.items()


def _index(token: str) -> int:
    digits = token.lstrip("0")
    if not digits or len(digits) > 10:
        raise MalformedInput(f"{token} is not a valid index")
    return int(digits)


def _refuse_sparse(index: int, extent: int) -> None:
    skipped = index - max(extent, 1)
    if skipped > SKIPPED:
        raise MalformedInput(f"Excessively sparse input would skip {skipped} list elements")


def _read_map(mapped: Mapped, node: Node, path: str) -> dict[str, Any] | None:
    container = node if mapped.flattened else node.below.get("entry")
    if node.value or (container is not None and container.value):
        raise MalformedInput(f"Value found where a map was expected at '{path}'")
    if container is None:
        return {} if node.value == "" else None
    entries = dict(_indexed(container, scalars=True))
    values: dict[str, Any] = {}
    for number in sorted(entries):
        _refuse_sparse(number, len(values))
        entry = entries[number][0]
        key, value = entry.below.get(mapped.key_tag), entry.below.get(mapped.value_tag)
        if key is None or key.value is None:
            raise MalformedInput(f"Entry {number} of the map at '{path}' has no key")
        if key.value in values:
            raise MalformedInput(f"Key {key.value} occurs more than once in the map at '{path}'")
        values[key.value] = None if value is None else _read(mapped.value, value, f"{path}.{number}.value")
    return values


def read_boolean(text: str, path: str) -> bool:
    """AWS takes true, false, 1 and 0, in these very letters."""
    value = _BOOLEANS.get(text)
    if value is None:
        raise MalformedInput(f"Value at '{path}' is not a boolean")
    return value


def read_integer(text: str, path: str) -> int:
    """A decimal number of 32 bits; AWS takes leading zeros and a plus sign, but no spaces or fractions."""
    value = int(text) if _INTEGER.fullmatch(text) else 2**31
    if not -(2**31) <= value < 2**31:
        raise MalformedInput(f"Value at '{path}' is not an integer of 32 bits")
    return value


def read_timestamp(text: str, path: str) -> datetime:
    """ISO 8601 in UTC unless it says otherwise, or seconds since 1970."""
    try:
        if text.isdecimal() and text.isascii():
            return datetime.fromtimestamp(int(text[:12]), UTC)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise MalformedInput(f"Value at '{path}' is not a timestamp") from None


def read_blob(text: str, path: str) -> bytes:
    """Bytes in base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedInput(f"Value at '{path}' is not base64") from None


READERS: Mapping[Kind, Reader | None] = {
    "string": None,
    "integer": read_integer,
    "boolean": read_boolean,
    "timestamp": read_timestamp,
    "blob": read_blob,
}
"""How a scalar is read; None for strings, which are what they are."""
