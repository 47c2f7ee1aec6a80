"""The audit behind `iam-ledger verify`: the ledgers' chains, and the projections beside a fold of their own.

Nothing here trusts the file: whatever is wrong with it becomes a finding. It reads each ledger once, in pages, and
follows the chain and folds the events as it goes. The projections are looked at in one read transaction per
account, begun before the ledger is read, so that a running service may write meanwhile.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import get_args

import msgspec

from eventstore.chain import BrokenChain, follow
from eventstore.record import EMPTY, Head, Record, Row, open_envelope
from eventstore.sqlite import APPLICATION_ID
from eventstore.sqlite import SCHEMA_VERSION as LEDGER_VERSION
from iam.events import AnyEvent
from iam.state import World
from projections.records import UnknownEvent, read_record
from projections.store import SCHEMA_VERSION as PROJECTIONS_VERSION
from projections.tables import checkpoints, create
from tools.comparing import Comparison, Fold
from tools.opening import Opened, Opening
from tools.progress import Progress, doing
from tools.trees import Continuation, TileComparison
from tools.undisturbed import connect

RECORDS_PER_PAGE = 1000
FINDINGS_SHOWN = 10
LOWEST = -(2**63)

UNREADABLE = (sqlite3.Error, MemoryError, UnicodeError)

_TAGS = {str(event.__struct_config__.tag) for event in get_args(AnyEvent)}
_KINDS = (str, int, int, str, int, bytes, bytes)
_ROWS = (
    "SELECT account, position, recorded_at, command_id, command_index, record, hash FROM records"
    " WHERE account = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?"
)


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something wrong, and where. Without an account it is about the file."""

    problem: str
    account: str | None = None
    position: int | None = None

    def __str__(self) -> str:
        place = "" if self.position is None else f", record {self.position}"
        return f"ledger {self.account}{place}: {self.problem}" if self.account is not None else self.problem


class Continuity(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint held against the ledger: it continues the one of the checkpoint, or the problem says why not."""

    origin: str
    size: int  # records
    root: str  # base64
    own_key: bool  # its signature was checked with the service's own key
    problem: str | None = None


class Report(msgspec.Struct):
    """What an audit found."""

    ledgers: int = 0
    records: int = 0
    seconds: float = 0.0
    heads: dict[str, Head] = {}
    broken: list[Finding] = []  # the file, and the first wrong record of each ledger
    unknown_events: list[Finding] = []  # the first of each ledger
    projections: str = "compared"
    records_behind: int = 0
    differing: int = 0
    differences: list[Finding] = []  # the first few
    unrecorded: int = 0  # ledgers of which the projections know records that are not there
    secrets: Opened = msgspec.field(default_factory=Opened)
    checkpoint: Continuity | None = None

    @property
    def sound(self) -> bool:
        """Nothing is wrong with what is there."""
        held = self.checkpoint is None or self.checkpoint.problem is None
        return held and not self.broken and not self.differing and not self.secrets.lost

    def differ(self, account: str | None, problem: str) -> None:
        """Count a difference between the projections and the fold, and keep the first few."""
        self.differing += 1
        if len(self.differences) < FINDINGS_SHOWN:
            self.differences.append(Finding(problem, account))


def audit(
    ledger: Path,
    projections: Path,
    at_rest: Mapping[Path, bool],
    world: World,
    secrets: Opening,
    continuation: Continuation | None = None,
) -> Report:
    """Audit the files of a data folder. `at_rest` says of each whether nobody writes to it.

    A continuation is given every sound row of every ledger.
    """
    report = Report(secrets=secrets.opened)
    try:
        with (
            closing(connect(ledger, at_rest=at_rest[ledger])) as connection,
            _projections(projections, at_rest[projections], report) as projected,
        ):
            with doing(f"checking the structure of {ledger.name}"):
                report.broken += [Finding(f"{ledger.name}: {problem}") for problem in _ledger_problems(connection)]
            _Audit(connection, projected, report, world, secrets, continuation).run()
            secrets.check_others()
    except UNREADABLE as error:
        report.broken.append(Finding(f"{ledger.name} cannot be read: {_line(error)}"))
    return report


def _ledger_problems(connection: sqlite3.Connection) -> Iterator[str]:
    """What SQLite itself finds wrong, and whether it is a ledger with all that protects one."""
    [(application_id,)] = connection.execute("PRAGMA application_id")
    [(version,)] = connection.execute("PRAGMA user_version")
    if application_id != APPLICATION_ID:
        yield "it is not marked as a ledger of iam-ledger"
    elif version != LEDGER_VERSION:
        yield f"it has format {version}; this program reads format {LEDGER_VERSION}"
    try:
        yield from _damage(connection)
        yield from _schema_problems(connection)
    except UNREADABLE as error:
        yield f"it is damaged: {_line(error)}"


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    """What SQLite finds wrong with the pages."""
    # Not quick_check: only this one compares the indexes, through which rows are found, with the tables.
    for (line,) in connection.execute(f"PRAGMA integrity_check({FINDINGS_SHOWN})"):
        if line != "ok":
            yield _line(line)


def _schema_problems(connection: sqlite3.Connection) -> Iterator[str]:
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(files("eventstore").joinpath("schema.sql").read_text())
        expected = _schema(fresh)
    found = _schema(connection)
    yield from _changed(expected, found)
    for name in sorted(found.keys() - expected.keys()):
        yield f"the {name} does not belong there"


def _changed(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name, sql in sorted(expected.items()):
        if name not in found:
            yield f"the {name} is missing"
        elif found[name] != sql:
            yield f"the {name} is not as this program makes it"


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    """What there is, by kind and name. Comments and white space do not count, nor do the quotes of a renamed table."""
    rows = connection.execute("SELECT type || ' ' || name, tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema")
    return {name: " ".join(re.sub("--.*", "", sql).replace('"', "").split()) for name, sql in rows}


@contextmanager
def _projections(path: Path, at_rest: bool, report: Report) -> Iterator[sqlite3.Connection | None]:
    """A connection to the projections, None where there is nothing to compare; the report says why."""
    if not path.exists():
        report.projections = "missing"
        yield None
        return
    connection = None
    try:
        connection = connect(path, at_rest=at_rest)
        report.projections = _usable(connection, report)
    except UNREADABLE as error:
        report.projections = "damaged"
        report.differ(None, f"they cannot be read: {_line(error)}")
    try:
        yield connection if report.projections == "compared" else None
    finally:
        if connection is not None:
            connection.close()


def _usable(connection: sqlite3.Connection, report: Report) -> str:
    """Whether the projections can be compared: "compared", or why not."""
    [(version,)] = connection.execute("PRAGMA user_version")
    if version != PROJECTIONS_VERSION:
        return "of another version"
    with doing("checking the structure of the projections"):
        damage = list(_damage(connection))
    for problem in damage:
        report.differ(None, problem)
    if damage:
        return "damaged"
    with closing(sqlite3.connect(":memory:")) as fresh:
        create(fresh)
        for problem in _changed(_schema(fresh), _schema(connection)):  # whoever reads the file may add to it
            report.differ(None, problem)
    return "compared"


class _Audit:
    """One pass over all ledgers, into a report."""

    def __init__(
        self,
        ledger: sqlite3.Connection,
        projections: sqlite3.Connection | None,
        report: Report,
        world: World,
        secrets: Opening,
        continuation: Continuation | None,
    ) -> None:
        self._ledger = ledger
        self._projections = projections
        self._report = report
        self._world = world
        self._secrets = secrets
        self._continuation = continuation

    def run(self) -> None:
        """Audit every ledger, and look for projections of ledgers that there are none of."""
        report = self._report
        known: set[str] = set()
        try:
            if self._projections is not None:
                known = set(checkpoints(self._projections))
        except UNREADABLE as error:
            report.differ(None, f"they cannot be read: {_line(error)}")
        with Progress(self._size()) as progress:
            for account in self._accounts():
                report.ledgers += 1
                known.discard(account)
                self._audit_ledger(account, progress)
        for account in sorted(known):
            report.differ(account, "they know this ledger, and there is none")
            report.unrecorded += 1

    def _accounts(self) -> Iterator[str]:
        account = ""
        while True:
            [(following,)] = self._ledger.execute("SELECT min(account) FROM records WHERE account > ?", (account,))
            if following is None:
                return
            if not isinstance(following, str) or following <= account:
                raise sqlite3.DatabaseError("the accounts are out of order")
            account = following
            yield account

    def _size(self) -> int:
        """How many records there seem to be, for the one who waits."""
        try:
            return sum(map(self._last_position, self._accounts()))
        except (*UNREADABLE, TypeError):
            return 0

    def _last_position(self, account: str) -> int:
        [(last,)] = self._ledger.execute("SELECT max(position) FROM records WHERE account = ?", (account,))
        position: int = last
        return position

    def _audit_ledger(self, account: str, progress: Progress) -> None:
        report = self._report
        contents = _Contents(account, self._projections, report, self._world)
        head = EMPTY
        try:
            with self._secrets.at_the_moment_of(lambda: self._last_position(account)) as last:
                for row in self._rows(account, last):
                    head = follow(head, row)
                    report.records += 1
                    progress(report.records)
                    contents.take(row, head)
                    if self._continuation is not None:
                        self._continuation.take(row)
                report.heads[account] = head
                contents.end(head, self._secrets)
        except BrokenChain as broken:
            report.broken.append(Finding(broken.problem, account, broken.position))
        except UNREADABLE as error:
            report.broken.append(Finding(f"it cannot be read: {_line(error)}", account, head.position + 1))
        finally:
            contents.close()

    def _rows(self, account: str, last: int) -> Iterator[Row]:
        """The rows up to a position, whatever is written meanwhile."""
        after = LOWEST
        while page := self._ledger.execute(_ROWS, (account, after, last, RECORDS_PER_PAGE)).fetchall():
            for values in page:
                if tuple(map(type, values)) != _KINDS:
                    raise BrokenChain(account, values[1], "a column does not hold what it should")
                yield Row(*values)
            after = page[-1][1]


class _Contents:
    """What the records of one ledger say: folded, and compared with the projections at their checkpoint."""

    def __init__(self, account: str, projections: sqlite3.Connection | None, report: Report, world: World) -> None:
        self._account = account
        self._report = report
        self._fold: Fold | None = Fold(account, world)
        self._comparison: Comparison | None = None
        self._tiles: TileComparison | None = None
        self._compared: int | None = None  # the position of the checkpoint
        try:
            if projections is not None:
                self._comparison = Comparison(projections, account, world)
                self._tiles = TileComparison(projections, account)
                self._conclude(EMPTY)
        except UNREADABLE as error:
            report.differ(account, f"they cannot be read: {_line(error)}")

    def take(self, row: Row, head: Head) -> None:
        """Take in the next record, which continues the chain. Raises BrokenChain if it cannot have happened."""
        record = self._read(row) if self._fold is not None else None
        if self._fold is None or record is None:
            return
        try:
            past = self._fold.apply(record)
        except (LookupError, ValueError, TypeError) as error:
            problem = f"its event does not follow from the ones before: {type(error).__name__} {error}"
            raise BrokenChain(row.account, row.position, problem) from error
        if self._comparison is not None and self._tiles is not None:
            self._differ(chain(self._comparison.take(record, past, self._fold), self._tiles.take(row.hash)))
            self._conclude(head)

    def _read(self, row: Row) -> Record[AnyEvent] | None:
        """The record, or None if only a newer program knows its event: then the fold ends here."""
        try:
            return read_record(row.record)
        except UnknownEvent as error:
            kind = str((open_envelope(row).event or {}).get("type"))
            if kind in _TAGS:
                raise BrokenChain(row.account, row.position, f"its event {kind} cannot be read") from error
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BrokenChain(row.account, row.position, f"it cannot be read: {error}") from error
        self._report.unknown_events.append(Finding(f"event {kind} is not known", row.account, row.position))
        self._fold = None
        self.close()
        return None

    def _conclude(self, head: Head) -> None:
        """Compare, if the projections' checkpoint is here, and be done with them."""
        if self._comparison is None or self._tiles is None or self._fold is None:
            return
        if self._comparison.checkpoint.position != head.position:
            return
        if self._comparison.checkpoint.hash != head.hash:
            self._report.differ(
                self._account, f"the checkpoint @{head.position} of the projections is of another ledger"
            )
            self._report.unrecorded += 1
        else:
            self._differ(chain(self._comparison.conclude(self._fold), self._tiles.conclude()))
        self._compared = head.position
        self.close()

    def _differ(self, problems: Iterator[str]) -> None:
        try:
            for problem in problems:
                self._report.differ(self._account, problem)
        except UNREADABLE as error:
            self._report.differ(self._account, f"they cannot be read: {_line(error)}")
            self.close()

    def end(self, head: Head, secrets: Opening) -> None:
        """The ledger ends here, sound."""
        if self._fold is not None:
            secrets.check(self._fold)
        if self._comparison is not None:
            position = self._comparison.checkpoint.position
            self._report.differ(self._account, f"they know record {position}, and there is none")
            self._report.unrecorded += 1
        if self._compared is not None:
            self._report.records_behind += head.position - self._compared

    def close(self) -> None:
        """Let go of the projections."""
        if self._comparison is not None:
            self._comparison.close()
            self._comparison = None


def _line(text: object) -> str:
    return " ".join(str(text).split())
