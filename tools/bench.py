"""`iam-ledger bench`: the service side by side with a handler that does nothing but HTTP, and with other servers.

With `--events` it measures what a long history costs instead: see `tools/bench_history.py`.

All servers run in processes of their own and get the same requests from this one, in short turns, so that a busy
machine slows all alike. The ratios are what to quote; the rates are this machine's.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, closing
from itertools import count, islice
from pathlib import Path
from statistics import median

import msgspec
import uvloop

from eventstore.record import Row
from eventstore.sqlite import SqliteLog
from tools import bench_history, load, workload
from tools.bench_result import AUDIT, BARE, MINISTACK, MOTO, OURS, PAST, READS, WRITES, Comparison, Result
from tools.data import DataFolder, open_log
from tools.failure import Failure
from tools.figures import Figure
from tools.load import ACCOUNT, Turn, ask, get, in_turns, measured, pieces, send
from tools.machine import machine, software
from tools.progress import doing
from tools.servers import Server, bare, ministack, moto, service

CONCURRENCIES = (1, 16, 64)
STREAMS = 50
STREAMED = 2000  # events, all of which every stream gets
STREAM_SECONDS_MAX = 120.0

_INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)"


def run(options: argparse.Namespace) -> int:
    """Measure, and print tables or JSON. Exit status 1 if any request failed."""
    if options.events is not None:
        return bench_history.run(options)
    others = {name: folder for name, folder in ((MOTO, options.moto), (MINISTACK, options.ministack)) if folder}
    try:
        if options.chart is not None:
            options.chart.touch()  # better known now than in some minutes
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(_bench(options.seconds, others))
        if options.chart is not None:
            options.chart.write_text(result.chart(), encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot measure: {error}") from error
    print(result.as_json().decode() if options.json else "\n".join(result.told()))
    return 1 if result.failed() else 0


async def _bench(seconds: float, others: Mapping[str, Path]) -> Result:
    versions = {name: await _version(name, folder) for name, folder in others.items()}
    with tempfile.TemporaryDirectory(prefix="iam-ledger-bench-") as temporary:
        data, beside = Path(temporary, "data"), Path(temporary, "beside.db")
        async with AsyncExitStack() as stack:
            servers = {OURS: service(data), BARE: bare()}
            if MOTO in others:
                servers[MOTO] = moto(others[MOTO])
            if MINISTACK in others:
                servers[MINISTACK] = ministack(others[MINISTACK])
            sides = {name: await stack.enter_async_context(server) for name, server in servers.items()}
            keeping = {name: server.port for name, server in sides.items() if name != BARE}
            for name, port in keeping.items():
                with doing(f"users for {name}"):
                    await workload.prepare(port)
            writes = {
                "AttachUserPolicy": {name: workload.attach() for name in sides},
                "PutUserPolicy": {name: workload.put() for name in sides},
                "CreateUser": {name: workload.create() for name in sides},
            }
            comparisons = await _compare(sides, writes, seconds)
            for port in keeping.values():
                await workload.check(port)
            commit = await _beside_a_commit(keeping[OURS], writes["AttachUserPolicy"][OURS], data, beside, seconds)
            streams = await _streams(keeping[OURS], writes["PutUserPolicy"][OURS])
        with doing("rebuild"), DataFolder(data).lock():
            rebuilt = await bench_history.rebuild_rate(DataFolder(data))
    figures = [streams, Figure("rebuild", rebuilt, "records/s")]
    return Result(machine(), software(), versions, comparisons, commit, figures)


async def _version(package: str, environment: Path) -> str:
    """The version of a package in a virtual environment. Raises Failure where it is not there."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    try:
        process = await asyncio.create_subprocess_exec(
            environment / "bin" / "python", "-c", code, stdout=PIPE, stderr=PIPE
        )
    except OSError as error:
        raise Failure(f"{environment} is no virtual environment: {error.strerror}") from error
    said, _ = await process.communicate()
    if process.returncode:
        raise Failure(f"{package} is not installed in {environment}")
    return said.decode().strip()


async def _compare(
    sides: Mapping[str, Server], writes: Mapping[str, Mapping[str, Iterator[bytes]]], seconds: float
) -> list[Comparison]:
    """All requests by all numbers of clients. What no other server knows is put beside the bare handler only."""
    port = sides[OURS].port
    first = await _head(port)
    alone = {name: sides[name] for name in (OURS, BARE)}
    compared = []
    for clients in CONCURRENCIES:
        for name, by_side in writes.items():
            compared.append(await _side_by_side(WRITES, name, clients, sides, by_side, seconds))
        last = await _head(port)
        for kind, name, asked, requests in (
            (READS, "GetUser", sides, workload.get_user()),
            (READS, "GetUserPolicy", sides, workload.get_policy()),
            (READS, "ListAttachedUserPolicies", sides, workload.list_attached()),
            (PAST, "ListAttachedUserPolicies at an instant", alone, workload.list_attached_at(first, last)),
            (PAST, "/v1/users/…/policies at an instant", alone, workload.policies_at(first, last)),
            (AUDIT, "/v1/events of a user, a page", alone, workload.events_of_users()),
            (AUDIT, "/v1/events of a policy, a page", alone, workload.events_of_policies()),
        ):
            compared.append(await _side_by_side(kind, name, clients, asked, dict.fromkeys(asked, requests), seconds))
    return compared


async def _side_by_side(
    kind: str,
    name: str,
    clients: int,
    sides: Mapping[str, Server],
    requests: Mapping[str, Iterator[bytes]],
    seconds: float,
) -> Comparison:
    before = {side: server.processor_seconds() for side, server in sides.items()}
    with doing(f"{name}, {clients} clients"):
        turns = await in_turns(clients, seconds, *((server.port, requests[side]) for side, server in sides.items()))
    found = dict(zip(sides, turns, strict=True))
    processor = {
        side: (now - then) * 1e6 / found[side].answers
        for side, server in sides.items()
        if (now := server.processor_seconds()) is not None and (then := before[side]) is not None
    }
    return Comparison(kind, name, clients, found, processor)


async def _head(port: int) -> int:
    """The position of the last record."""
    answer = msgspec.json.decode(await ask(port, get("/v1/events?order=desc&limit=1")))
    return int(answer["data"]["events"][0]["position"])


async def _beside_a_commit(port: int, attachments: Iterator[bytes], data: Path, beside: Path, seconds: float) -> Figure:
    """The p50 of AttachUserPolicy by one client, beside one commit of its record into a file of the same schema."""
    async with await SqliteLog.open(beside):
        pass
    with doing("commits"), closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        turns: list[Turn] = []
        commits: list[float] = []
        rows: Iterator[Row] | None = None
        for _ in range(load.TURNS):
            turns.append(await send(1, port, attachments, seconds / load.TURNS))
            rows = rows or _rows_like(await _last_row(data))
            commits.append(_commit(connection, rows, seconds / load.TURNS))
    ours = measured(1, turns)
    name = "AttachUserPolicy, 1 client, p50"
    return Figure(name, ours.p50_ms, "ms", "one bare SQLite commit", median(commits), ours.failed)


async def _last_row(data: Path) -> Row:
    async with await open_log(DataFolder(data).ledger, read_only=True) as log:
        [row] = await log.get(ACCOUNT, [(await log.head(ACCOUNT)).position])
        return row


def _rows_like(row: Row) -> Iterator[Row]:
    """Rows of the same size, one after the other, each of a new command."""
    for position in count(1):
        yield msgspec.structs.replace(
            row,
            position=position,
            recorded_at=row.recorded_at + position,
            command_id=f"{position:0{len(row.command_id)}}",
        )


def _commit(connection: sqlite3.Connection, rows: Iterator[Row], seconds: float) -> float:
    """The median of what a commit takes, in milliseconds, over so many seconds."""
    took = []
    began = now = time.perf_counter()
    while now - began < seconds:
        values = msgspec.structs.astuple(next(rows))
        before = time.perf_counter()
        connection.execute(_INSERT, values)
        now = time.perf_counter()
        took.append((now - before) * 1000)
    return median(took)


async def _streams(port: int, writes: Iterator[bytes]) -> Figure:
    """What many streams of one ledger deliver while it is written to: events per second, of all streams together."""
    joined = [asyncio.Event() for _ in range(STREAMS)]
    with doing("streams"):
        try:
            async with asyncio.timeout(STREAM_SECONDS_MAX), asyncio.TaskGroup() as group:
                for event in joined:
                    group.create_task(_follow(port, event))
                for event in joined:
                    await event.wait()
                began = time.perf_counter()
                writing = group.create_task(send(16, port, islice(writes, STREAMED), STREAM_SECONDS_MAX))
            delivered = STREAMS * STREAMED / (time.perf_counter() - began)
        except TimeoutError as error:
            raise Failure(f"{STREAMS} streams of {STREAMED} events take over {STREAM_SECONDS_MAX:.0f} s") from error
    name = f"{STREAMS} streams of {STREAMED:,} events, as they are written"
    return Figure(name, delivered, "events/s", failed=writing.result().failed)


async def _follow(port: int, joined: asyncio.Event) -> None:
    """Follow the ledger from now on, until all events have come."""
    events = 0
    async with aclosing(pieces(port, get("/v1/events/stream?from=now", accept="text/event-stream"))) as answer:
        async for piece in answer:
            joined.set()
            events += piece.count(b"\ndata: ")
            if events >= STREAMED:
                return
