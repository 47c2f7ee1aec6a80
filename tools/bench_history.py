"""`iam-ledger bench --events N`: what a long history costs, on a made ledger of N records and one of a tenth of them.

What is compared is measured in short turns, so that whatever else the machine does falls on both alike. Questions
about the past are of instants from all over the history. The servers run in processes of their own.
"""

import argparse
import asyncio
import shutil
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, closing, contextmanager
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import median

import msgspec
import uvloop

from api.answers import rfc3339
from eventstore.log import Log, all_heads, size
from eventstore.record import from_microseconds, open_envelope
from iam import relations as r
from iam.attached_policies import ListAttachedUserPolicies, list_attached_policies
from iam.identities import USER
from iam.policies import AWS, is_reserved
from iam.state import State, World
from iam.user_details import user_details
from projections.instant import InstantState
from projections.loading import rebuild
from projections.records import UnknownEvent
from projections.store import Projections
from tools import load, synthetic
from tools.data import DataFolder, catalogue, open_log
from tools.failure import Failure
from tools.figures import Figure
from tools.load import TURNS, Measured, call, get, in_turns, pieces, send
from tools.progress import Progress
from tools.replay import fold
from tools.servers import Server, service
from tools.undisturbed import connect

ACCOUNTS = 200  # fewer where a tenth of the history would leave them with next to nothing
RECORDS_PER_ACCOUNT = 500  # then at least
USERS = (
    50  # of an account; fewer so that in a tenth of the history, too, each has about as many policies as it ever has
)
RECORDS_PER_USER = 1000
SEED = 1
LEDGER_BYTES, PROJECTIONS_BYTES = 1400, 500  # on disk for each record, about
QUESTIONS = 1000
AUDITED_ACCOUNTS = 20
RECORDS_LOOKED_AT = 500  # of an account, for who and what there is to ask about
BYTES_AT_ONCE = 4 * 1024 * 1024
STREAMED_MAX = 1_000_000
CLIENTS = 64
WARM_UP_SECONDS = 60.0  # at most; it ends when every question was asked once
STARTS = 3
WRITER = "writer-"  # begins the names of the users that are written to; nothing is asked about them
WRITERS_PER_ACCOUNT = 10

TENTH = "a tenth of the history"
NOW = "now"


class Question(msgspec.Struct, frozen=True):
    """A user that there was at an instant: once the record at the position, which came at this time, was the last."""

    account: str
    user_name: str
    position: int
    at: str


class Ledger(msgspec.Struct, frozen=True):
    """A made ledger with its projections, and what is asked of it."""

    folder: DataFolder
    heads: Mapping[str, int]  # position of each account's last record
    now: Sequence[Question]
    past: Sequence[Question]


def run(options: argparse.Namespace) -> int:
    """Measure, and print a table or JSON. Exit status 1 if any request failed."""
    with _folder(options.data) as folder:
        try:
            figures = _measure(folder, options.events, options.seconds)
        except (sqlite3.Error, msgspec.MsgspecError, UnknownEvent, OSError, EOFError) as error:
            raise Failure(f"the ledgers in {folder} cannot be measured: {error}") from error
    if options.json:
        print(msgspec.json.encode([figure.as_json() for figure in figures]).decode())
    else:
        print("\n".join(figure.told() for figure in figures))
    return 1 if any(figure.failed for figure in figures) else 0


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """Where the ledgers are made: in the folder that keeps them, or in one that goes at the end."""
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="iam-ledger-bench-") as temporary:
            yield Path(temporary)
        return
    if DataFolder(kept).ledger.exists():
        raise Failure(f"{kept} is the data folder of a service; give another one with --data")
    yield kept


def _measure(folder: Path, events: int, seconds: float) -> list[Figure]:
    accounts = min(ACCOUNTS, events // RECORDS_PER_ACCOUNT)
    users = max(synthetic.ADMINS, min(USERS, events // accounts // RECORDS_PER_USER))
    sizes = (events, events // 10)
    folders = [DataFolder(folder / f"{records}-records-{accounts}-accounts-{users}-users") for records in sizes]
    _check_space(folder, folders, sizes)
    figures = []
    for data, records in zip(folders, sizes, strict=True):
        if not data.ledger.exists():
            _say(f"making a ledger of {records:,} records in {accounts} accounts of {users} users")
            with Progress(records) as progress:
                began = time.perf_counter()
                synthetic.make(data.folder, records, accounts, users, SEED, progress)
                figures.append(
                    Figure(f"make {records:,} records", records / (time.perf_counter() - began), "records/s")
                )
    world = World(catalogue())
    replayed, rebuilt = [], []
    for data in folders:
        _say(f"replay and rebuild of {data.folder}")
        _read_through(data.ledger)
        replayed.append(asyncio.run(_replay(data, world)))
        with data.lock():
            rebuilt.append(asyncio.run(rebuild_rate(data)))
    figures.append(Figure("replay", replayed[0], "records/s", TENTH, replayed[1]))
    figures.append(Figure("rebuild", rebuilt[0], "records/s", TENTH, rebuilt[1]))
    large, small = (asyncio.run(_look(data, world)) for data in folders)
    figures += _in_process(large, small, world, seconds)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures += runner.run(_over_http(large, small, world, seconds))
    return figures


def _check_space(folder: Path, folders: Sequence[DataFolder], sizes: Sequence[int]) -> None:
    """Say how much disk it takes. Raises Failure where there is less."""
    needed = sum(
        records * (PROJECTIONS_BYTES if data.ledger.exists() else LEDGER_BYTES + PROJECTIONS_BYTES)
        for data, records in zip(folders, sizes, strict=True)
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise Failure(f"cannot use {folder}: {error.strerror}") from error
    _say(f"this takes about {needed / 1e9:,.2f} GB in {folder}, where {free / 1e9:,.0f} GB are free")
    if free < needed:
        raise Failure(f"there is not enough room in {folder}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _read_through(path: Path) -> None:
    """Have the system keep a file in memory, as far as there is room: what is measured next is not the disk."""
    with path.open("rb", buffering=0) as file, Progress(path.stat().st_size, "bytes") as progress:
        while file.read(BYTES_AT_ONCE):
            progress(file.tell())


async def _replay(data: DataFolder, world: World) -> float:
    """Fold every ledger as `iam-ledger replay` does. Records per second."""
    async with await open_log(data.ledger, read_only=True) as log:
        with Progress(await size(log)) as progress:
            began = time.perf_counter()
            done = 0
            async for account, head in all_heads(log):
                await fold(log, world, account, head.position)
                progress(done := done + head.position)
            return done / (time.perf_counter() - began)


async def rebuild_rate(data: DataFolder) -> float:
    """Make the projections from nothing as `iam-ledger rebuild` does. Records per second."""
    for suffix in ("", "-wal", "-shm"):
        data.projections.with_name(data.projections.name + suffix).unlink(missing_ok=True)
    async with await open_log(data.ledger, read_only=True) as log:
        projections = Projections(data.projections)
        try:
            with Progress(await size(log)) as progress:
                began = time.perf_counter()
                return await rebuild(log, projections, progress) / (time.perf_counter() - began)
        finally:
            await projections.close()


async def _look(data: DataFolder, world: World) -> Ledger:
    """Find out by chance what is there to be asked about; by the same chance every time."""
    async with await open_log(data.ledger, read_only=True) as log:
        heads = {account: head.position async for account, head in all_heads(log) if account != AWS}
    chance = Random(SEED)
    now = [(account, heads[account]) for account in chance.choices([*heads], k=QUESTIONS)]
    past = [(account, chance.randint(1, head)) for account, head in now]
    with closing(connect(data.projections, at_rest=False)) as connection:
        asked = [[_question(connection, world, *place, chance) for place in places] for places in (now, past)]
    return Ledger(data, heads, *asked)


def _question(connection: sqlite3.Connection, world: World, account: str, position: int, chance: Random) -> Question:
    """About one of the users that there were once the record at the position was the last."""
    users = InstantState(connection, account, world, position).members(r.USERS, "")
    name = chance.choice(sorted(name for name in users if not name.startswith(WRITER)))
    [(at,)] = connection.execute(
        "SELECT recorded_at FROM event_rows WHERE account = ? AND position = ?", (account, position)
    )
    return Question(account, name, position, rfc3339(from_microseconds(at)))


def _in_process(large: Ledger, small: Ledger, world: World, seconds: float) -> list[Figure]:
    """One question at a time as the service asks it on a reading thread: each in one read transaction."""
    figures = []
    with (
        closing(connect(large.folder.projections, at_rest=False)) as of_large,
        closing(connect(small.folder.projections, at_rest=False)) as of_small,
    ):
        for name, read in (("attached policies", _attached), ("whole user", _details)):
            _say(f"in process: {name}")
            sides = (
                (of_large, large.now),
                (of_large, large.past),
                (of_small, small.now),
                (of_small, small.past),
            )
            now, past, small_now, small_past = _microseconds(
                [_asking(connection, world, read, questions) for connection, questions in sides], seconds
            )
            figures += [
                Figure(f"in process, {name}, past", past, "µs", NOW, now),
                Figure(f"in process, {name}, past, {TENTH}", small_past, "µs", NOW, small_now),
                Figure(f"in process, {name}, past", past, "µs", TENTH, small_past),
            ]
    return figures


def _attached(state: State, user_name: str) -> object:
    return list(list_attached_policies(state, ListAttachedUserPolicies(user_name=user_name), ""))


def _details(state: State, user_name: str) -> object:
    return user_details(state, USER.find(state, user_name))


def _asking(
    connection: sqlite3.Connection, world: World, read: Callable[[State, str], object], questions: Sequence[Question]
) -> Callable[[], None]:
    """Asks the next question, whenever it is called. Each was asked once already."""
    upcoming = cycle(questions)

    def ask() -> None:
        question = next(upcoming)
        connection.execute("BEGIN")
        read(InstantState(connection, question.account, world, question.position), question.user_name)
        connection.execute("ROLLBACK")

    for _ in questions:
        ask()
    return ask


def _microseconds(asks: Sequence[Callable[[], None]], seconds: float) -> list[float]:
    """What one call of each takes, measured for so many seconds each, in short turns."""
    spent, calls = [0.0] * len(asks), [0] * len(asks)
    for _ in range(TURNS):
        for which, ask in enumerate(asks):
            began = now = time.perf_counter()
            while now - began < seconds / TURNS:
                ask()
                calls[which] += 1
                now = time.perf_counter()
            spent[which] += now - began
    return [each / count * 1e6 for each, count in zip(spent, calls, strict=True)]


async def _over_http(large: Ledger, small: Ledger, world: World, seconds: float) -> list[Figure]:
    figures = []
    async with AsyncExitStack() as stack:
        _say("start of the service")
        starts: list[list[float]] = [[], []]
        for _ in range(STARTS - 1):
            for ledger, took in zip((large, small), starts, strict=True):
                async with service(ledger.folder.folder) as server:
                    took.append(server.seconds_to_ready)
        of_large, of_small = [
            await stack.enter_async_context(service(ledger.folder.folder)) for ledger in (large, small)
        ]
        starts[0].append(of_large.seconds_to_ready)
        starts[1].append(of_small.seconds_to_ready)
        figures.append(Figure("start to ready", median(starts[0]), "s", TENTH, median(starts[1])))
        figures += _memory("memory after start", of_large.megabytes(), TENTH, of_small.megabytes())
        for ledger, server in ((large, of_large), (small, of_small)):
            await _make_tiles(ledger, server.port)
        figures += await _policies(large, of_large.port, small, of_small.port, seconds)
        figures += await _audit(large, of_large.port, seconds)
        figures += await _stream(large, of_large)
        empty = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="iam-ledger-bench-")))
        of_empty = await stack.enter_async_context(service(empty))
        figures.append(await _write(large, of_large.port, of_empty.port, world, seconds))
    return figures


async def _make_tiles(ledger: Ledger, port: int) -> None:
    """Have all Merkle tiles made. After a rebuild the service does so by itself, beside what would be measured."""
    _say(f"checkpoints of {ledger.folder.folder}")
    with Progress(len(ledger.heads), "ledgers") as progress:
        for done, account in enumerate(ledger.heads):
            progress(done)
            await load.ask(port, get("/v1/checkpoint", account))


def _memory(name: str, megabytes: float | None, compared_with: str, other: float | None) -> list[Figure]:
    """A line about memory, where the system tells."""
    return [] if megabytes is None else [Figure(name, megabytes, "MB", compared_with, other)]


async def _policies(large: Ledger, port: int, small: Ledger, small_port: int, seconds: float) -> list[Figure]:
    """A user's policies now and then, in AWS's form and in ours, at many clients."""
    figures = []
    for name, ask, by_time, by_position in (
        ("ListAttachedUserPolicies", _list_now, _list_at_time, _list_at_position),
        ("/v1/users/…/policies", _sets_now, _sets_at_time, _sets_at_position),
    ):
        _say(f"over HTTP: {name}")
        sides = [
            (port, [ask(question) for question in large.now]),
            (port, [by_time(question) for question in large.past]),
            (port, [by_position(question) for question in large.past]),
            (small_port, [ask(question) for question in small.now]),
            (small_port, [by_time(question) for question in small.past]),
        ]
        for asked, requests in sides:
            await send(CLIENTS, asked, iter(requests), WARM_UP_SECONDS)
        measured = await in_turns(CLIENTS, seconds, *((asked, cycle(requests)) for asked, requests in sides))
        now, at_time, at_position, small_now, small_at_time = measured
        figures += [
            _rates(f"{name} at a time", at_time, NOW, now),
            _rates(f"{name} at a position", at_position, NOW, now),
            _rates(f"{name} at a time, {TENTH}", small_at_time, NOW, small_now),
            _rates(f"{name} at a time", at_time, TENTH, small_at_time),
        ]
    return figures


def _rates(name: str, measured: Measured, compared_with: str, other: Measured) -> Figure:
    rates = measured.requests_per_second, other.requests_per_second
    return Figure(name, rates[0], "req/s", compared_with, rates[1], measured.failed + other.failed)


def _list_now(question: Question) -> bytes:
    return _list("/", question)


def _list_at_time(question: Question) -> bytes:
    return _list(f"/at/{question.at}/", question)


def _list_at_position(question: Question) -> bytes:
    return _list(f"/at/@{question.position}/", question)


def _list(path: str, question: Question) -> bytes:
    return call("ListAttachedUserPolicies", account=question.account, path=path, UserName=question.user_name)


def _sets_now(question: Question) -> bytes:
    return get(f"/v1/users/{question.user_name}/policies", question.account)


def _sets_at_time(question: Question) -> bytes:
    return get(f"/v1/users/{question.user_name}/policies?at={question.at}", question.account)


def _sets_at_position(question: Question) -> bytes:
    return get(f"/v1/users/{question.user_name}/policies?at=@{question.position}", question.account)


async def _audit(ledger: Ledger, port: int, seconds: float) -> list[Figure]:
    """The first page from the beginning of a ledger, and from its end, by one client."""
    by: dict[str, tuple[list[bytes], list[bytes]]] = {}
    async with await open_log(ledger.folder.ledger, read_only=True) as log:
        for account, head in islice(ledger.heads.items(), AUDITED_ACCOUNTS):
            for name, first, last in await _pages(log, account, head):
                from_first, from_last = by.setdefault(name, ([], []))
                from_first.append(get(f"/v1/events?{first}", account))
                from_last.append(get(f"/v1/events?{last}&order=desc", account))
    figures = []
    for name, sides in by.items():
        _say(f"audit by {name}")
        for requests in sides:
            await send(1, port, iter(requests), WARM_UP_SECONDS)
        first_page, last_page = await in_turns(1, seconds, *((port, cycle(requests)) for requests in sides))
        failed = first_page.failed + last_page.failed
        figures.append(
            Figure(
                f"audit by {name}, at the end", last_page.p50_ms, "ms", "at the beginning", first_page.p50_ms, failed
            )
        )
    return figures


async def _pages(log: Log, account: str, head: int) -> list[tuple[str, str, str]]:
    """What to ask for: by what, and how for the beginning and for the end of the ledger."""
    early = [open_envelope(row) for row in await log.read(account, 0, RECORDS_LOOKED_AT)]
    [late] = [open_envelope(row) for row in await log.get(account, [head])]
    actor = next(record.actor for record in early if record.actor.id != account)  # one who goes on to the end
    policy = next(
        str(record.event["policy_arn"])
        for record in early
        if record.event is not None and account in record.event.get("policy_arn", "")
    )
    both = {
        "user": f"user={actor.arn.rpartition('/')[2]}",
        "policy": f"policy={policy}",
        "actor": f"actor={actor.id}",
        "action (scans)": "action=AttachUserPolicy",
        "outcome (scans)": "outcome=refused",
        "address (scans, finds none)": "source_ip=192.0.2.255",
    }
    requests = ("request id", f"request_id={early[0].request_id}", f"request_id={late.request_id}")
    return [requests, *((name, filters, filters) for name, filters in both.items())]


async def _stream(ledger: Ledger, server: Server) -> list[Figure]:
    """Take out whole ledgers, one account after the other, and watch the memory of the service."""
    figures = []
    for name, path, accept, mark in (
        ("JSON lines", "/v1/events", "application/x-ndjson", b"\n"),
        ("server-sent events", "/v1/events/stream?from=beginning", "text/event-stream", b"\ndata: "),
    ):
        _say(f"records out as {name}")
        before = most = server.megabytes()
        records = 0
        began = time.perf_counter()
        for account, head in ledger.heads.items():
            records += await _take_out(server.port, get(path, account, accept), mark, head)
            most = max(most or 0.0, server.megabytes() or 0.0)
            if records >= STREAMED_MAX:
                break
        figures.append(Figure(f"out as {name}, {records:,}", records / (time.perf_counter() - began), "records/s"))
        figures += _memory(f"most memory meanwhile, {name}", before and most, "before", before)
    return figures


async def _take_out(port: int, request: bytes, mark: bytes, wanted: int) -> int:
    """Read an answer until it has so many records. Raises Failure if it ends before. Returns how many came."""
    records = 0
    async with aclosing(pieces(port, request)) as answer:
        async for piece in answer:
            records += piece.count(mark)
            if records >= wanted:
                return records
    raise Failure(f"only {records:,} of {wanted:,} records came out")


async def _write(ledger: Ledger, port: int, empty_port: int, world: World, seconds: float) -> Figure:
    """Durable writes, each followed into the projections, beside those to a service without any history."""
    _say("durable writes")
    prefix = f"{WRITER}{uuid.uuid4().hex[:8]}-"  # others than in the run before
    users = [(account, f"{prefix}{number}") for number in range(WRITERS_PER_ACCOUNT) for account in ledger.heads]
    arns = [policy.arn for policy in world.catalogue.policies() if not is_reserved(policy.arn)]
    for asked in (port, empty_port):
        creations = (call("CreateUser", account=account, UserName=name) for account, name in users)
        await send(CLIENTS, asked, creations, WARM_UP_SECONDS)

    def attachments() -> Iterator[bytes]:
        for arn in arns:
            for account, name in users:
                yield call("AttachUserPolicy", account=account, UserName=name, PolicyArn=arn)

    measured, empty = await in_turns(CLIENTS, seconds, (port, attachments()), (empty_port, attachments()))
    return _rates("AttachUserPolicy, durable", measured, "without any history", empty)
