"""Lists of any length as tables: CSV, or JSON line by line, sent while they are read, page by page."""

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
    pages: AsyncIterator[Sequence[Any]],
    basis: Basis | None = None,
) -> web.StreamResponse:
    """Send pages of rows as they come. A row is a mapping with all columns, or for JSON lines anything msgspec encodes.

    A table has no place for the basis but in its headers.

    Memory does not grow with the table. Tables take turns, page by page, also by those that are empty: however many
    are asked for, no other request waits for more than one page. What fails before anything is sent is raised; a
    failure behind that breaks the connection, so that no part passes for the whole.
    """
    response = flow.flowing("text/csv; charset=utf-8" if format == "text/csv" else format, request_id)
    if basis is not None:
        response.headers.update(answers.basis_headers(basis.position, basis.instant))
    turn = connection_of(http).server.turn
    texts = _texts(format, columns, pages)
    piece = bytearray()
    with flow.whole_or_broken(http, response):
        while (text := await _next(texts, turn)) is not None:
            piece += text
            if len(piece) >= flow.PIECE_BYTES:
                await response.prepare(http)  # at the first piece; then it does nothing
                await flow.send(response, bytes(piece))
                piece.clear()
        await response.prepare(http)
        await flow.send(response, bytes(piece))
        await flow.finish(response)
    return response


async def _next(texts: AsyncIterator[bytes], turn: asyncio.Lock) -> bytes | None:
    """The next page, once it is this table's turn. Another table's is in a later iteration of the event loop."""
    async with turn:
        return await anext(texts, None)


async def _texts(format: Format, columns: Sequence[str], pages: AsyncIterator[Sequence[Any]]) -> AsyncIterator[bytes]:
    """The header, where there is one, and then each page."""
    if format == "text/csv":
        yield _line(columns)
        async for page in pages:
            yield b"".join([_line([row[column] for column in columns]) for row in page])
    else:
        async for page in pages:
            yield b"".join([_encode(row) + b"\n" for row in page])


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
