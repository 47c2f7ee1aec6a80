"""Replies of the AWS Query protocol: a result as XML, or a refusal as XML.

The model's output shape says which elements there are and in which order; a writer is compiled for each
shape when it is first used.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, TypeAlias
from urllib.parse import quote

from api.model import POLICY_DOCUMENT, Listing, Mapped, Operation, Scalar, Shape, Structure

Write: TypeAlias = Callable[[Any, str, str, list[str]], None]
"""Appends a value's XML to the pieces, given its opening and its closing tag."""


def render(operation: Operation, result: Mapping[str, Any] | None, request_id: str) -> bytes:
    """A successful reply with the result, keyed by AWS's member names; None is an empty result.

    Members that are absent or None are left out, empty lists are empty elements. Raises KeyError for a key
    that the operation's output shape does not have.
    """
    before, after, opening, closing, write = _envelope(operation)
    pieces = [before]
    write(result or {}, opening, closing, pieces)
    pieces += ("<ResponseMetadata><RequestId>", escape(request_id), after)
    return "".join(pieces).encode()


def render_error(namespace: str, kind: str, code: str, message: str, request_id: str) -> bytes:
    """A refusal. `kind` is Sender if the caller is at fault, Receiver if the service is. No text is no element."""
    text = f"<Message>{escape(message)}</Message>" if message else ""
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{kind}</Type><Code>{escape(code)}</Code>{text}</Error>'
        f"<RequestId>{escape(request_id)}</RequestId></ErrorResponse>"
    ).encode()


_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def escape(text: str) -> str:
    """The text as XML character data that reads back the same.

    A carriage return is written as a reference, as XML readers turn a bare one into a newline. Characters
    that XML 1.0 cannot carry in any spelling become U+FFFD, so that the reply stays well-formed.
    """
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda match: _ENTITIES.get(match[0], "\ufffd"), text)


@cache
def _envelope(operation: Operation) -> tuple[str, str, str, str, Write]:
    """What stands before and after the result, the result's tags, and its writer."""
    name, wrapper = operation.name, operation.result_wrapper
    before = f'<{name}Response xmlns="{operation.service.namespace}">'
    after = f"</RequestId></ResponseMetadata></{name}Response>"
    if operation.output is None:
        return before, after, "", "", _writer(Structure(f"{name}Response", ()))
    opening, closing = (f"<{wrapper}>", f"</{wrapper}>") if wrapper else ("", "")
    return before, after, opening, closing, _writer(operation.output)


@cache
def _writer(shape: Shape) -> Write:
    match shape:
        case Structure():
            return _structure_writer(shape)
        case Listing():
            return _list_writer(shape)
        case Mapped():
            return _map_writer(shape)
        case Scalar():
            return _scalar_writer(shape)


def _structure_writer(structure: Structure) -> Write:
    names = frozenset(member.name for member in structure.members)
    members = tuple((m.name, f"<{m.wire}>", f"</{m.wire}>", _writer(m.shape)) for m in structure.members)

    def write(value: Mapping[str, Any], opening: str, closing: str, pieces: list[str]) -> None:
        pieces.append(opening)
        written = 0
        for name, start, end, write_member in members:
            item = value.get(name)
            if item is not None:
                written += 1
                write_member(item, start, end, pieces)
        pieces.append(closing)
        if written != len(value) and not names.issuperset(value):
            unknown = ", ".join(sorted(set(value) - names))
            raise KeyError(f"{structure.name} has no {unknown}")

    return write


def _list_writer(listing: Listing) -> Write:
    write_element = _writer(listing.element)
    start, end = f"<{listing.tag}>", f"</{listing.tag}>"

    def write(value: Sequence[Any], opening: str, closing: str, pieces: list[str]) -> None:
        pieces.append(opening)
        for item in value:
            write_element(item, start, end, pieces)
        pieces.append(closing)

    def write_flat(value: Sequence[Any], opening: str, closing: str, pieces: list[str]) -> None:
        for item in value:
            write_element(item, opening, closing, pieces)

    return write_flat if listing.flattened else write


def _map_writer(mapped: Mapped) -> Write:
    write_key, write_value = _writer(mapped.key), _writer(mapped.value)
    key_tags = f"<{mapped.key_tag}>", f"</{mapped.key_tag}>"
    value_tags = f"<{mapped.value_tag}>", f"</{mapped.value_tag}>"

    def write_entries(value: Mapping[str, Any], opening: str, closing: str, pieces: list[str]) -> None:
        for key, item in value.items():
            pieces.append(opening)
            write_key(key, *key_tags, pieces)
            write_value(item, *value_tags, pieces)
            pieces.append(closing)

    def write(value: Mapping[str, Any], opening: str, closing: str, pieces: list[str]) -> None:
        pieces.append(opening)
        write_entries(value, "<entry>", "</entry>", pieces)
        pieces.append(closing)

    return write_entries if mapped.flattened else write


def _scalar_writer(scalar: Scalar) -> Write:
    text = _SPELLINGS[scalar.kind] if scalar.name != POLICY_DOCUMENT else percent_encoded

    def write(value: Any, opening: str, closing: str, pieces: list[str]) -> None:
        pieces.append(f"{opening}{text(value)}{closing}")

    return write


_ENCODED = tuple((chr(code), f"%{code:02X}") for code in range(128) if quote(chr(code), safe="-_.~") != chr(code))


def percent_encoded(document: str) -> str:
    """A policy document: AWS percent-encodes all but RFC 3986's unreserved characters.

    A report may have megabytes of them, and `quote` takes a tenth of a second for each.
    """
    if not document.isascii():
        return quote(document, safe="-_.~")
    encoded = document.replace("%", "%25")
    for character, code in _ENCODED:
        if character != "%" and character in encoded:
            encoded = encoded.replace(character, code)
    return encoded


def _boolean(value: bool) -> str:
    return "true" if value else "false"


@lru_cache(maxsize=4096)
def _timestamp(moment: datetime) -> str:
    """UTC in whole seconds; what is asked for often is remembered. ValueError for a moment without a time zone."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone")
        moment = moment.astimezone(UTC)
    return f"{moment.isoformat()[:19]}Z"


def _blob(value: bytes) -> str:
    return base64.b64encode(value).decode()


_SPELLINGS: Mapping[str, Callable[[Any], str]] = {
    "string": escape,
    "integer": str,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}
