"""Tables: what JSON tells in pages, CSV and JSON lines tell in one answer of any length."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from api import flow
from api.connections import Connections
from api.tables import stream_table
from projections.rows import COLUMNS
from tests.api.conftest import Account, Reply, Server, next_number

CSV = {"Accept": "text/csv"}
LINES = {"Accept": "application/x-ndjson"}
USERS = 1050  # more records than a page of JSON has, or than a table takes at once
FORMULA = '=HYPERLINK("http://evil.example","1,2")'


@pytest.fixture(scope="module")
def busy(server: Server) -> Account:
    """An account with more records than a page has, some of them refusals, some by a client with a bad name."""
    account = Account(server, next_number())
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: account.query("CreateUser", UserName=f"user-{number}"), range(USERS)))
    for number in range(20):
        account.query("TagUser", {"User-Agent": FORMULA}, **tag(f"user-{number}"))
    for number in range(5):
        account.query("CreateUser", UserName=f"user-{number}")
    return account


def tag(user: str) -> dict[str, str]:
    """A tag for a user."""
    return {"UserName": user, "Tags.member.1.Key": "k", "Tags.member.1.Value": "ü"}


def lines_of(reply: Reply) -> list[dict[str, Any]]:
    """The records of JSON lines."""
    assert reply.status == 200, reply
    assert reply.headers["Content-Type"] == "application/x-ndjson"
    assert reply.body == b"" or reply.body.endswith(b"\n")
    return [json.loads(line) for line in reply.body.splitlines()]


def rows_of(reply: Reply) -> list[dict[str, str]]:
    """The rows of CSV, by column."""
    assert reply.status == 200, reply
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(reply.body.decode(), newline=""), strict=True)
    assert header == list(COLUMNS)
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


FILTERS = [
    {},
    {"user": "user-7"},
    {"outcome": "refused"},
    {"action": "TagUser"},
    {"user": "user-3", "outcome": "refused"},
    {"user": "nobody"},
    {"type": "UserCreated", "to": "2020-01-01T00:00:00Z"},
    {"type": "UserCreated", "from": "2020-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("filters", FILTERS)
def test_json_lines_are_the_records_of_all_pages(busy: Account, filters: dict[str, str]) -> None:
    """Whatever is asked for, in the same order."""
    reply = busy.get(f"/v1/events?{urlencode(filters)}", LINES)

    assert lines_of(reply) == busy.events(**filters, limit="300")


def test_a_line_is_the_record_as_it_is_stored(busy: Account) -> None:
    """Byte for byte, so that its hash can be recomputed."""
    for position, line in enumerate(busy.get("/v1/events?limit=3", LINES).body.splitlines(), start=1):
        assert busy.get(f"/v1/events/{position}").body.startswith(b'{"success":true,"data":' + line[:-1] + b",")


@pytest.mark.parametrize("filters", FILTERS)
def test_csv_has_a_row_for_each_record_of_all_pages(busy: Account, filters: dict[str, str]) -> None:
    """Under a header, in the same order."""
    rows = rows_of(busy.get(f"/v1/events?{urlencode(filters)}", CSV))
    records = busy.events(**filters, limit="1000")

    assert [(row["position"], row["event_id"]) for row in rows] == [(str(r["position"]), r["id"]) for r in records]
    assert [row["type"] for row in rows] == [record.get("event", {}).get("type", "Attempted") for record in records]


def test_csv_cells_are_quoted_and_harmless(busy: Account) -> None:
    """A user agent that a spreadsheet would run is shown instead."""
    first, *_ = rows_of(busy.get("/v1/events?action=TagUser", CSV))

    assert first["user_agent"] == f"'{FORMULA}"
    assert first["user_name"] == "user-0"


def test_there_are_more_records_than_a_page_has(busy: Account) -> None:
    """Else the tests above would show nothing of pages."""
    assert len(lines_of(busy.get("/v1/events", LINES))) == USERS + 25 > 1000


def test_a_limit_caps_a_table_and_a_cursor_begins_behind(busy: Account) -> None:
    """The limit may be larger than a page's; the cursor is the one of a JSON page."""
    cursor = busy.get("/v1/events?limit=10").data["cursor"]
    rows = rows_of(busy.get(f"/v1/events?limit=1010&{urlencode({'cursor': cursor})}", CSV))

    assert [int(row["position"]) for row in rows] == list(range(11, 1021))


def test_a_table_of_nothing_is_empty(account: Account) -> None:
    """A header alone, and no line at all."""
    assert rows_of(account.get("/v1/events", CSV)) == []
    assert lines_of(account.get("/v1/events", LINES)) == []


@pytest.mark.parametrize("accept", [CSV, LINES])
def test_a_table_that_cannot_be_made_is_refused_in_the_envelope(account: Account, accept: dict[str, str]) -> None:
    """As nothing of it was sent yet, with the status that says so."""
    assert account.get("/v1/events?limit=0", accept).refusal[:2] == (400, "VALIDATION_ERROR")
    assert account.get("/v1/events?cursor=x", accept).refusal[:2] == (400, "VALIDATION_ERROR")


JSON, TABLE, NDJSON = "application/json", "text/csv; charset=utf-8", "application/x-ndjson"


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/*", JSON),
        ("image/png", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("text/csv", TABLE),
        ("Text/CSV; charset=utf-8", TABLE),
        ("text/csv, */*;q=0.1", TABLE),
        ("text/html, text/csv;q=0.5", TABLE),
        ("application/json;q=0.2, application/x-ndjson ; q=0.3", NDJSON),
        ("application/x-ndjson", NDJSON),
        ("text/csv;q=0", JSON),
        ("text/csv;q=x", JSON),
        ("text/csv;q=0.5, application/json", JSON),
        (",;,", JSON),
    ],
)
def test_the_accept_header_chooses(account: Account, accept: str | None, answered: str) -> None:
    """The first of what it likes best; JSON if it says nothing that there is."""
    reply = account.get("/v1/events", {} if accept is None else {"Accept": accept})

    assert (reply.status, reply.headers["Content-Type"]) == (200, answered)


Ask = Callable[[str, AsyncIterator[Any]], Awaitable[tuple[asyncio.StreamReader, web.Server]]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Ask a server of the test's own for a table of these pages, of the columns n and m."""
    connections: list[asyncio.StreamWriter] = []
    asked: list[tuple[str, AsyncIterator[Any]]] = []

    async def handle(http: web.BaseRequest) -> web.StreamResponse:
        format, pages = asked[int(http.path[1:])]
        return await stream_table(http, "request", format, ("n", "m"), pages)  # type: ignore[arg-type]

    server = Connections(handle)
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    async def make(format: str, pages: AsyncIterator[Any]) -> tuple[asyncio.StreamReader, web.Server]:
        reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        connections.append(writer)
        writer.write(b"GET /%d HTTP/1.0\r\nHost: localhost\r\n\r\n" % len(asked))
        asked.append((format, pages))
        return reader, server

    yield make
    for connection in connections:
        connection.transport.abort()
    await runner.cleanup()


async def pages(count: int, last: Any = None) -> AsyncIterator[Any]:
    """So many pages of ten rows, and then the last: a row, or what goes wrong."""
    for number in range(count):
        yield [{"m": "x" * 100, "n": number}] * 10
    if isinstance(last, Exception):
        raise last
    if last is not None:
        yield [last]


async def test_any_value_has_a_place_in_csv(ask: Ask) -> None:
    """Text as it is, the rest as in JSON, nothing for None; columns stand in the order of the header."""
    moment = datetime(2026, 11, 3, 12, tzinfo=UTC)
    reader, _ = await ask("text/csv", pages(0, {"m": [1, {"a": None}], "n": moment}))
    answer = await reader.read()

    assert answer.endswith(b'\r\n\r\nn,m\r\n2026-11-03T12:00:00Z,"[1,{""a"":null}]"\r\n')


@pytest.mark.parametrize("format", ["text/csv", "application/x-ndjson"])
async def test_a_table_that_fails_is_not_taken_for_whole(
    ask: Ask, format: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection breaks, even where its end would be the end of the answer; the log says why."""
    reader, _ = await ask(format, pages(500, RuntimeError("the disk has gone")))

    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert "the disk has gone" in caplog.text


async def test_a_client_that_does_not_read_makes_no_table_grow(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are taken as the client takes them, and it is dropped when it takes none for a while."""
    monkeypatch.setattr(flow, "STALLED_SECONDS", 0.2)
    taken = count()

    async def endless() -> AsyncIterator[Any]:
        while True:
            next(taken)
            yield [{"n": "x" * 10_000, "m": None}]

    reader, server = await ask("text/csv", endless())
    for _ in range(500):
        await asyncio.sleep(0.02)
        if not server.connections:
            break

    assert not server.connections
    assert next(taken) < 10_000  # 100 MB, which no buffers between the two hold
    with pytest.raises(ConnectionResetError):
        await reader.read()


async def test_tables_take_turns_page_by_page(ask: Ask) -> None:
    """Only one is at work at a time, and the next one is another: one that finds nothing for long holds up nobody."""
    order: list[str] = []
    working: set[str] = set()

    async def endless(name: str, page: list[Any]) -> AsyncIterator[Any]:
        while len(order) < 60:
            assert not working
            working.add(name)
            order.append(name)
            await asyncio.sleep(0.001)
            working.remove(name)
            yield page

    row = {"n": 1, "m": 2}
    tables = {"rows": [row], "none": [], "others": [row] * 3}
    readers = [await ask("application/x-ndjson", endless(name, page)) for name, page in tables.items()]
    answers = [await reader.read() for reader, _ in readers]

    assert [order.count(name) for name in tables] == pytest.approx([20] * 3, abs=3)
    assert all(set(order[start : start + 3]) == set(tables) for start in range(10, 55))
    assert [answer.count(b"\n{") for answer in answers] == [order.count("rows"), 0, 3 * order.count("others")]
