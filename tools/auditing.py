"""The audit behind `iam-ledger verify`: the ledgers' chains, and the projections beside a fold of their own.

Nothing here trusts the file: whatever is wrong with it becomes a finding. It reads each ledger once, in pages, and
follows the chain and folds the events as it goes. The projections are looked at in one read transaction per
account, begun before the ledger is read, so that a running service may write meanwhile.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import msgspec

from eventstore.chain import BrokenChain, follow
from eventstore.record import EMPTY, Head, Record, Row, open_envelope
from eventstore.sqlite import APPLICATION_ID
from eventstore.sqlite import SCHEMA_VERSION as LEDGER_VERSION
from iam.events import AnyEvent
from iam.state import World
from projections.records import UnknownEvent, read_record
from projections.store import SCHEMA_VERSION as PROJECTIONS_VERSION
from projections.store import START, Checkpoint, checkpoint_of, checkpoints
from tools.comparing import Comparison
from tools.undisturbed import connect

RECORDS_PER_PAGE = 1000
FINDINGS_SHOWN = 10
LOWEST = -(2**63)

_TAGS = {str(event.__struct_config__.tag) for event in get_args(AnyEvent)}
_KINDS = (str, int, int, str, int, bytes, bytes)
_ROWS = (
    "SELECT account, position, recorded_at, command_id, command_index, record, hash FROM records"
    " WHERE account = ? AND position > ? ORDER BY position LIMIT ?"
)


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something wrong, and where. Without an account it is about the file."""

    problem: str
    account: str | None = None
    position: int | None = None

    def __str__(self) -> str:
        place = "" if self.position is None else f", record {self.position}"
        return f"ledger {self.account}{place}: {self.problem}" if self.account is not None else self.problem


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

    @property
    def sound(self) -> bool:
        """Nothing is wrong with what is there."""
        return not self.broken and not self.differing

    def differ(self, account: str, problem: str) -> None:
        """Count a difference between the projections and the fold, and keep the first few."""
        self.differing += 1
        if len(self.differences) < FINDINGS_SHOWN:
            self.differences.append(Finding(problem, account))


def audit(ledger: Path, projections: Path, at_rest: dict[Path, bool], world: World) -> Report:
    """Audit the files of a data folder. `at_rest` says of each whether nobody writes to it."""
    report = Report()
    try:
        with closing(connect(ledger, at_rest=at_rest[ledger])) as connection:
            report.broken += [Finding(f"{ledger.name}: {problem}") for problem in _file_problems(connection)]
            _Audit(connection, report, world).run(projections, at_rest[projections])
    except (sqlite3.Error, MemoryError) as error:
        report.broken.append(Finding(f"{ledger.name} cannot be read: {_one_line(error)}"))
    return report


def _file_problems(connection: sqlite3.Connection) -> Iterator[str]:
    """What SQLite itself finds wrong, and whether it is a ledger with all that protects one."""
    [(application_id,)] = connection.execute("PRAGMA application_id")
    [(version,)] = connection.execute("PRAGMA user_version")
    if application_id != APPLICATION_ID:
        yield "it is not marked as a ledger of iam-ledger"
    elif version != LEDGER_VERSION:
        yield f"it has format {version}; this program reads format {LEDGER_VERSION}"
    try:
        found = connection.execute(f"PRAGMA integrity_check({FINDINGS_SHOWN})").fetchall()
        yield from (_one_line(line) for (line,) in found if line != "ok")
        yield from _schema_problems(connection)
    except (sqlite3.Error, MemoryError) as error:
        yield f"it is damaged: {_one_line(error)}"


def _schema_problems(connection: sqlite3.Connection) -> Iterator[str]:
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(files("eventstore").joinpath("schema.sql").read_text())
        expected = _schema(fresh)
    found = _schema(connection)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing from its schema"
        elif name not in expected:
            yield f"{name} does not belong to its schema"
        elif found[name] != expected[name]:
            yield f"{name} is not as this program made it"


def _schema(connection: sqlite3.Connection) -> dict[str, str]:
    """What there is, by kind and name; comments and white space do not count."""
    rows = connection.execute("SELECT type || ' ' || name, tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema")
    return {
        name: " ".join(" ".join(line.partition("--")[0] for line in sql.splitlines()).split()) for name, sql in rows
    }


class _Audit:
    """One pass over everything, into a report."""

    def __init__(self, ledger: sqlite3.Connection, report: Report, world: World) -> None:
        self._ledger = ledger
        self._projections: sqlite3.Connection | None = None
        self._report = report
        self._world = world

    def run(self, projections: Path, at_rest: bool) -> None:
        report = self._report
        known: dict[str, Checkpoint] = {}
        try:
            self._projections = _open_projections(projections, at_rest, report)
            if self._projections is not None:
                known = checkpoints(self._projections)
        except (sqlite3.Error, MemoryError) as error:
            report.projections = "damaged"
            report.differ("", f"{projections.name} cannot be read: {_one_line(error)}")
        try:
            for account in self._accounts():
                report.ledgers += 1
                known.pop(account, None)
                self._audit_ledger(account)
            for account in known if self._projections is not None else ():
                report.differ(account, "the projections know this ledger, and there is none")
        finally:
            if self._projections is not None:
                self._projections.close()
