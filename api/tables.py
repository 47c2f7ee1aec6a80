"""Lists of any length as tables: CSV, or JSON line by line, sent while they are read."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from aiohttp import hdrs, web

from api import answers, flow
from api.connections import connection_of
from api.instants import Basis
from projections.rows import csv_line

Format = Literal["text/csv", "application/x-ndjson"]

_FORMATS: Mapping[str, Format | None] = {
    "text/csv": "text/csv",
    "application/x-ndjson": "application/x-ndjson",
    "application/json": None,
    "application/*": None,
    "*/*": None,
}

_encode = msgspec.json.Encoder().encode


def table_format(http: web.BaseRequest) -> Format | None:
    """The kind of table that the Accept header likes best; None where that is JSON, or nothing that there is."""
    best, liked = None, 0.0
    for range_ in ",".join(http.headers.getall(hdrs.ACCEPT, ())).split(","):
        kind, *parameters = (text.strip().lower() for text in range_.split(";"))
        quality = next((_quality(text[2:]) for text in parameters if text.startswith("q=")), 1.0)
        if kind in _FORMATS and quality > liked:
            best, liked = _FORMATS[kind], quality
    return best


async def stream_table(
    http: web.BaseRequest,
    request_id: str,
    format: Format,
    columns: Sequence[str],
    rows: AsyncIterator[Any],
    basis: Basis | None = None,
) -> web.StreamResponse:
    """Send rows as they come: mappings with all columns, or for JSON lines anything that msgspec encodes.

    A table has no place for the basis but in its headers.

    Memory does not grow with the table. Tables take turns, piece by piece: however many are asked for, no other request
    waits for more than one. What fails before the first piece is sent is raised; a failure behind that breaks the
    connection, so that no part passes for the whole.
    """
    response = flow.flowing("text/csv; charset=utf-8" if format == "text/csv" else format, request_id)
    if basis is not None:
        response.headers.update(answers.basis_headers(basis.position, basis.instant))
    pieces, turn = _pieces(format, columns, rows), connection_of(http).server.turn
    with flow.whole_or_broken(http, response):
        while (piece := await _next(pieces, turn)) is not None:
            await response.prepare(http)  # at the first piece; then it does nothing
            await flow.send(response, piece)
        await flow.finish(response)
    return response


async def _next(pieces: AsyncIterator[bytes], turn: asyncio.Lock) -> bytes | None:
    """The next piece, once it is this table's turn. Another table's is in a later iteration of the event loop."""
    async with turn:
        return await anext(pieces, None)


async def _pieces(format: Format, columns: Sequence[str], rows: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """The table, cut into pieces of some size; at least one, which may be empty."""
    csv = format == "text/csv"
    gathered = bytearray(_line(columns) if csv else b"")
    async for row in rows:
        gathered += _line([row[column] for column in columns]) if csv else _encode(row) + b"\n"
        if len(gathered) >= flow.PIECE_BYTES:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _line(values: Sequence[Any]) -> bytes:
    """One line of CSV. What is neither text nor a whole number is written as in JSON."""
    plain = [v if v is None or type(v) in (str, int) else _encode(v).decode().strip('"') for v in values]
    return csv_line(plain).encode()


def _quality(text: str) -> float:
    """How much a client likes it, from 0 up; what is no number is no liking."""
    try:
        return float(text)
    except ValueError:
        return 0.0
