"""AWS's pagination: Marker and MaxItems in, IsTruncated and Marker out."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import Any

from iam.commands import Query
from iam.errors import ValidationError

ITEMS_PER_PAGE = 100
SELECTION_BYTES = 8  # with a key of up to 232 bytes, in base64, these are the 320 characters that a marker may have


def start_of(query: Query, marker: str | None) -> str:
    """The key behind which the page begins. A marker serves only the query that it came from."""
    if marker is None:
        return ""
    try:
        found = urlsafe_b64decode(marker)
        selection, after = found[:SELECTION_BYTES], found[SELECTION_BYTES:].decode()
    except ValueError:
        raise ValidationError(query.wrong_marker) from None
    if selection != _selection(query):
        raise ValidationError(query.wrong_marker)
    return after


def page(query: Query, found: Iterator[tuple[str, Any]], size: int | None) -> tuple[list[Any], dict[str, Any]]:
    """The items of one page, and the members that say whether and from where there is more."""
    limit = size or ITEMS_PER_PAGE
    items = list(islice(found, limit + 1))
    if len(items) <= limit:
        return [item for _, item in items], {"IsTruncated": False}
    marker = urlsafe_b64encode(_selection(query) + items[limit - 1][0].encode()).decode()
    return [item for _, item in items[:limit]], {"IsTruncated": True, "Marker": marker}


def _selection(query: Query) -> bytes:
    return sha256(repr(query).encode()).digest()[:SELECTION_BYTES]
