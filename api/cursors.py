"""Where a page of the native API ended: opaque to callers, and of use only for the question it was given for."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TypeVar

import msgspec

from iam.errors import ValidationError

V = TypeVar("V")


def cursor_of(question: object, beyond: object | None) -> str | None:
    """The cursor of the page that ended at `beyond`, which is its place in the order; None behind the last page."""
    return None if beyond is None else urlsafe_b64encode(msgspec.json.encode((_digest(question), beyond))).decode()


def read_cursor(text: str | None, question: object, kind: type[V]) -> V | None:
    """The place at which the page before ended. ValidationError for a cursor of another question, or none at all."""
    if text is None:
        return None
    try:
        digest, beyond = msgspec.json.decode(urlsafe_b64decode(text), type=tuple[str, kind])  # type: ignore[valid-type]
    except (ValueError, msgspec.DecodeError):
        raise ValidationError(f"cursor: {text} is not one that this service gave.") from None
    if digest != _digest(question):
        raise ValidationError("cursor: it was given for another question. Ask for the first page again.")
    return beyond


def _digest(question: object) -> str:
    """Whatever a question is made of (who is asked about, filters, order), in a few characters."""
    return sha256(msgspec.json.encode(question, order="sorted")).hexdigest()[:16]
