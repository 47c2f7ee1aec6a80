"""Parameters as a JSON object: the names of the service model, typed values, lists as arrays.

A body is read one level at a time and keeps the exact source text below, because a policy document may be
given as an object and must then be stored as it was written.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from api.constraints import Mistyped
from api.forms import READERS, read_integer
from api.model import POLICY_DOCUMENT, Listing, Mapped, Scalar, Shape, Structure
from iam.errors import MalformedInput

COMMAS_MAX = 10_000  # counted in texts too: one comma in thirteen characters of the longest policy document

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE = msgspec.json.Decoder()


def read_json(body: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, each as its source text.

    Raises MalformedInput for anything but one JSON object in UTF-8, for a key that occurs twice in one
    object at any depth (programs disagree on which of the two counts), for nesting too deep to read, and for more
    values than any request has: the event loop would be busy with them for long.
    """
    if body.count(b",") > COMMAS_MAX:
        raise MalformedInput(f"The request body has more than {COMMAS_MAX} commas")
    try:
        json.loads(body, object_pairs_hook=_refuse_repetition, parse_constant=_refuse_constant)
        return _OBJECT.decode(body)
    except RecursionError:
        raise MalformedInput("The request body is nested too deeply") from None
    except msgspec.ValidationError:
        raise MalformedInput("The request body is not a JSON object") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise MalformedInput(f"The request body is not valid JSON: {error}") from None


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            shown = key.encode(errors="replace").decode()
            raise MalformedInput(f"Key {shown} occurs more than once in a JSON object")
        seen.add(key)


def _refuse_constant(name: str) -> None:
    raise MalformedInput(f"The request body is not valid JSON: {name} is not a number")


def read_value(shape: Shape, raw: bytes | memoryview, path: str) -> Any:
    """The value of one parameter, None for null, `Mistyped` where its JSON type is wrong.

    Raises MalformedInput for what the form would refuse likewise, such as an integer of more than 32 bits.
    """
    source = bytes(raw).strip(b" \t\r\n")
    if source == b"null":
        return None
    match shape:
        case Scalar():
            return _read_scalar(shape, source, path)
        case Structure():
            return _read_structure(shape, source, path)
        case Listing():
            if source[:1] != b"[":
                return Mistyped("a list")
            items = enumerate(_decode(_ARRAY, source, path), 1)
            return [read_value(shape.element, item, f"{path}.{number}.member") for number, item in items]
        case Mapped():
            if source[:1] != b"{":
                return Mistyped("an object")
            entries = enumerate(_decode(_OBJECT, source, path).items(), 1)
            return {key: read_value(shape.value, item, f"{path}.{n}.value") for n, (key, item) in entries}


def _read_structure(structure: Structure, source: bytes, path: str) -> Any:
    if source[:1] != b"{":
        return Mistyped("an object")
    return read_members(structure, _decode(_OBJECT, source, path), f"{path}.")


def read_members(structure: Structure, body: Mapping[str, msgspec.Raw], prefix: str) -> dict[str, Any]:
    """The structure's members that the object has; others are ignored, as the form ignores them."""
    values = {}
    for member in structure.members:
        raw = body.get(member.wire)
        if raw is not None:
            value = read_value(member.shape, raw, prefix + member.path)
            if value is not None:
                values[member.field] = value
    return values


def _read_scalar(scalar: Scalar, source: bytes, path: str) -> Any:
    if scalar.name == POLICY_DOCUMENT and source[:1] == b"{":
        return _text(source, path)
    if scalar.kind == "boolean":
        return source == b"true" if source in (b"true", b"false") else Mistyped("a boolean")
    if scalar.kind == "integer":
        digits = source.removeprefix(b"-")
        return read_integer(source.decode(), path) if digits.isdigit() else Mistyped("an integer")
    if source[:1] != b'"':
        return Mistyped("a string")
    text = _decode(_VALUE, source, path)
    read = READERS[scalar.kind]
    return text if read is None else read(text, path)


def _decode(decoder: msgspec.json.Decoder[Any], source: bytes, path: str) -> Any:
    try:
        return decoder.decode(source)
    except (msgspec.DecodeError, ValueError) as error:
        raise MalformedInput(f"Value at '{path}' is not valid JSON: {error}") from None


def _text(source: bytes, path: str) -> str:
    try:
        return source.decode()
    except UnicodeDecodeError:
        raise MalformedInput(f"Value at '{path}' is not valid UTF-8") from None
