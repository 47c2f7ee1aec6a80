"""Long lists of the native API: a page at a time with a cursor, or the whole of it as a table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from aiohttp import web

from api import answers
from api.cursors import cursor_of, read_cursor
from api.instants import Basis
from api.query_string import number
from api.routes import ROWS_MAX, ROWS_PER_PAGE, ROWS_PER_PAGE_MAX
from api.tables import stream_table, table_format

ROWS_AT_ONCE = 100  # of a table: telling them in CSV takes 3 ms, in which nobody else is answered

P = TypeVar("P")  # a place in the order of a list


class Page(msgspec.Struct, Generic[P], frozen=True):
    """Rows as they are told, and the place beyond which the next page begins; None when there is no more."""

    rows: Sequence[Any]
    next: P | None


class Listing(Generic[P]):
    """How much of a list a request asks for, from where on, and in which form."""

    def __init__(self, http: web.BaseRequest, asked: Mapping[str, str], question: object, place: type[P]) -> None:
        """Read `limit`, `cursor` and the Accept header. ValidationError for a cursor of another question."""
        self.format = table_format(http)
        self.beyond = read_cursor(asked.get("cursor"), question, place)
        default, largest = (ROWS_PER_PAGE, ROWS_PER_PAGE_MAX) if self.format is None else (ROWS_MAX, ROWS_MAX)
        self._limit = number(asked.get("limit"), "limit", default, largest)
        self._question = question
        self._http = http

    async def answer(
        self,
        request_id: str,
        find: Callable[[P | None, int], Awaitable[Page[P]]],
        tell: Callable[[Sequence[Any], str | None], Any],
        columns: Sequence[str],
        basis: Basis,
    ) -> web.StreamResponse:
        """The page that was asked for, as `tell` makes it of its rows and the next page's cursor, or the table.

        `find` takes the place beyond which a page begins and how many rows it may have. Its rows have the form that
        was asked for: mappings with all columns for CSV, else what msgspec encodes.
        """
        if self.format is not None:
            return await stream_table(self._http, request_id, self.format, columns, self._all(find), basis)
        page = await find(self.beyond, self._limit)
        return answers.success(tell(page.rows, cursor_of(self._question, page.next)), request_id)

    async def _all(self, find: Callable[[P | None, int], Awaitable[Page[P]]]) -> AsyncIterator[Sequence[Any]]:
        beyond, left = self.beyond, self._limit
        while left:
            page = await find(beyond, min(left, ROWS_AT_ONCE))
            yield page.rows
            if (beyond := page.next) is None:
                return
            left -= len(page.rows)
