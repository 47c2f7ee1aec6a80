"""AWS's pagination: Marker and MaxItems in, IsTruncated and Marker out."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import Any

import msgspec

from iam.commands import Query
from iam.errors import ValidationError

ITEMS_PER_PAGE = 100


def start_of(query: Query, marker: str | None) -> str:
    """The key behind which the page begins. A marker serves only the query that it came from."""
    if marker is None:
        return ""
    try:
        selection, after = msgspec.json.decode(urlsafe_b64decode(marker), type=tuple[str, str])
    except (ValueError, msgspec.DecodeError):
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
    marker = urlsafe_b64encode(msgspec.json.encode((_selection(query), items[limit - 1][0]))).decode()
    return [item for _, item in items[:limit]], {"IsTruncated": True, "Marker": marker}


def _selection(query: Query) -> str:
    return sha256(repr(query).encode()).hexdigest()[:16]
