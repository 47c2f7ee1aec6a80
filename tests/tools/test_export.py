"""What `export` prints, in each format, whatever happens meanwhile."""

import asyncio
import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from api.actions import IAM, Write
from api.caller import unauthenticated
from api.service import Request, Service
from eventstore.record import leaf_hash
from iam.quotas import Quotas
from projections.rows import COLUMNS
from tools import synthetic
from tools.__main__ import main
from tools.data import DataFolder, open_service

ACCOUNT = "123456789012"
HISTORY_RECORDS = 12
EVENTS = 3000

Export = Callable[..., bytes]


@pytest.fixture
def export(history: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Export:
    """Runs the verb on the history and answers what it prints."""

    def run(*flags: str, folder: Path = history) -> bytes:
        assert main(["export", "--data", str(folder), *flags]) == 0
        return capfdbinary.readouterr().out

    return run


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with more records than a page has, or a pipe takes at once."""
    folder = tmp_path_factory.mktemp("large")
    synthetic.make(folder, EVENTS, 2, 5, 1, lambda done: None)
    return folder


def stored(folder: Path, condition: str = "true") -> list[bytes]:
    """The bytes of the records, in order of account and position."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        rows = connection.execute(f"SELECT record FROM records WHERE {condition} ORDER BY account, position")
        return [record for (record,) in rows]


@contextmanager
def tampering(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection that may change the history."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.create_function("leaf_hash", 1, leaf_hash)
        connection.execute("DROP TRIGGER records_are_never_changed")
        connection.execute("DROP TRIGGER records_are_never_deleted")
        yield connection
        connection.commit()


def test_json_lines_are_the_records_as_they_are_stored(export: Export, history: Path) -> None:
    """To the byte, every account, one record on a line."""
    assert export().splitlines() == stored(history)


def test_more_than_a_page_is_exported_whole(export: Export, large: Path) -> None:
    """In order of account and position, nothing twice."""
    assert export(folder=large).splitlines() == stored(large)


def test_one_account_can_be_chosen(export: Export, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger of the catalogue is an account of its own. An empty name is every account, whatever the twin says."""
    assert export("--account", ACCOUNT).splitlines() == stored(history, f"account = '{ACCOUNT}'")
    assert export("--account", "aws").splitlines() == stored(history, "account = 'aws'")
    monkeypatch.setenv("IAM_LEDGER_ACCOUNT", ACCOUNT)
    assert export("--account", "") == b"".join(record + b"\n" for record in stored(history))


def test_times_bound_what_is_exported(export: Export, history: Path) -> None:
    """Both ends are included; a time without records is an empty export."""
    times = [json.loads(record)["recorded_at"] for record in stored(history, f"account = '{ACCOUNT}'")]

    chosen = export("--account", ACCOUNT, "--from", times[2], "--to", times[5])

    assert [json.loads(line)["position"] for line in chosen.splitlines()] == [3, 4, 5, 6]
    assert export("--from", "0001-01-01T00:00:00Z", "--to", "9999-01-01T00:00:00Z") == export()
    assert export("--from", times[5], "--to", times[2]) == b""
    assert export("--to", "2001-01-01T00:00:00Z", "--format", "csv").decode() == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    ("flags", "positions"),
    [
        (("--from", "@3", "--to", "@6"), [3, 4, 5, 6]),
        (("--from", "@11"), [11, 12]),
        (("--to", "@2"), [1, 2]),
        (("--from", "@0", "--to", "@0001"), [1]),
        (("--to", "@0"), []),
        (("--from", "@5", "--to", "@4"), []),
        (("--from", "@13"), []),
        (("--from", "@12", "--to", "@999999999999999999"), [12]),
        (("--from", "0001-01-01T00:00:00Z", "--to", "@2"), [1, 2]),
        (("--from", "@12", "--to", "9999-01-01T00:00:00Z"), [12]),
    ],
)
def test_positions_bound_what_is_exported_of_an_account(
    export: Export, history: Path, flags: tuple[str, ...], positions: list[int]
) -> None:
    """Both ends are included, as with times, and may lie ahead. The one may be a time and the other a position."""
    assert [json.loads(line)["position"] for line in export("--account", ACCOUNT, *flags).splitlines()] == positions


@pytest.mark.parametrize("flag", ["--from", "--to"])
def test_a_position_is_of_one_ledger(history: Path, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    """Each account counts its own, so the account must be named."""
    assert main(["export", "--data", str(history), flag, "@3"]) == 1
    assert capsys.readouterr() == (
        "",
        f"iam-ledger export: {flag}: @3 is a position in the ledger of one account, which --account must name\n",
    )


def test_csv_has_a_header_and_a_row_for_each_record(export: Export, history: Path) -> None:
    """Also for calls that changed nothing, and for the catalogue's."""
    rows = list(csv.DictReader(io.StringIO(export("--format", "csv").decode(), newline=""), strict=True))

    assert tuple(rows[0]) == COLUMNS
    assert [(row["account"], int(row["position"])) for row in rows] == [
        (record["account"], record["position"]) for record in map(json.loads, stored(history))
    ]
    assert [row["outcome"] for row in rows].count("unchanged") == 1
    assert rows[2]["policy_arn"] == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    assert rows[-1]["type"] == "CatalogueInstalled"


def test_cloudtrail_is_one_object_with_a_record_on_a_line(export: Export) -> None:
    """A mixed ledger, in CloudTrail's own form; the catalogue's ledger has none and is left out."""
    text = export("--format", "cloudtrail")
    told = json.loads(text)["Records"]

    assert [json.loads(line.rstrip(b",")) for line in text.splitlines()[1:-1]] == told
    assert [event["eventName"] for event in told] == [
        "CreateUser",
        "CreatePolicy",
        "AttachUserPolicy",
        "AttachUserPolicy",
        "PutUserPolicy",
        "PutUserPolicy",
        "CreatePolicyVersion",
        "DetachUserPolicy",
        "AttachUserPolicy",
        "UpdateUser",
        "CreateUser",
        "TagUser",
    ]
    assert {event["recipientAccountId"] for event in told} == {ACCOUNT}
    assert told[9]["requestParameters"] == {"userName": "Alice", "newUserName": "Bob"}


@pytest.mark.parametrize("format", ["csv", "cloudtrail"])
def test_a_long_life_has_each_form(export: Export, large: Path, format: str) -> None:
    """Nothing that happens to a few accounts over months is beyond a format: a line for each, and two around them."""
    text = export("--format", format, folder=large)

    assert text.count(b"\n") == EVENTS + 2


def test_no_records_are_still_an_object(export: Export) -> None:
    """An empty export can be parsed like any other."""
    assert json.loads(export("--account", "aws", "--format", "cloudtrail")) == {"Records": []}


def test_it_leaves_no_files_behind(export: Export, data: Path) -> None:
    """It reads the ledger alone, and writes nothing."""
    (data / "projections.db").unlink()
    before = sorted(data.iterdir())

    export(folder=data)

    assert sorted(data.iterdir()) == before


def test_a_served_folder_can_be_exported(export: Export, data: Path, serve: Callable[..., Any]) -> None:
    """It reads beside the service, which goes on."""
    server = serve(data)

    assert len(export(folder=data).splitlines()) == HISTORY_RECORDS + 1
    assert server.process.poll() is None


async def create_user(service: Service, name: str) -> None:
    """Have a call carried out for the account."""
    request = Request(
        caller=unauthenticated("", ACCOUNT, "aws"),
        request_id=name,
        command_id=name,
        source_ip="127.0.0.1",
        user_agent="tests",
    )
    operation = IAM["CreateUser"]
    assert isinstance(operation, Write)
    await service.write(request, "CreateUser", operation, {"user_name": name})


class Interrupting(io.RawIOBase):
    """A standard output that lets something happen when it is written to for the fourth time."""

    def __init__(self, happen: Callable[[], None]) -> None:
        self.written: list[bytes] = []
        self._happen = happen

    def write(self, data: Any) -> int:
        self.written.append(bytes(data))
        if len(self.written) == 4:
            self._happen()
        return len(data)


def exported_through(output: Interrupting, monkeypatch: pytest.MonkeyPatch, data: Path) -> int:
    """The exit status of an export in small pages to this output."""
    monkeypatch.setattr("tools.export.RECORDS_PER_PAGE", 2)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, write_through=True))  # type: ignore[type-var]
    return main(["export", "--data", str(data)])


def test_records_written_meanwhile_neither_double_nor_disturb(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service starts, writes and ends in the middle: what had been recorded at the beginning is exported, once."""
    before = stored(data)

    async def serve_a_while() -> None:
        async with open_service(DataFolder(data), None, Quotas()) as service:
            await service.start()
            for number in range(20):
                await create_user(service, f"late-{number}")

    output = Interrupting(lambda: asyncio.run(serve_a_while()))

    assert exported_through(output, monkeypatch, data) == 0
    assert b"".join(output.written).splitlines() == before
    assert len(stored(data)) == len(before) + 20


def test_ctrl_c_ends_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the status that says so."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    assert exported_through(Interrupting(interrupt), monkeypatch, data) == 130


def test_a_reader_that_has_seen_enough_is_no_error(large: Path) -> None:
    """As in `iam-ledger export | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tools", "export", "--data", str(large)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("folder", ["history", "large"])
def test_a_full_disk_is_said_in_a_line(folder: str, request: pytest.FixtureRequest) -> None:
    """Whether it shows at once or at the end."""
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "tools", "export", "--data", str(request.getfixturevalue(folder))],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (1, "iam-ledger export: cannot write: No space left on device\n")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--account", "999999999999"), "account 999999999999 has no records"),
        (("--from", "yesterday"), "--from: yesterday is neither a time with its offset"),
        (("--to", "2026-11-03T14:03:00"), "--to: 2026-11-03T14:03:00 is neither a time with its offset"),
        (("--data", "nowhere"), "there is no ledger in nowhere"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_line(
    history: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    """One line, exit status 1, nothing on stdout."""
    assert main(["export", "--data", str(history), *flags]) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert said in printed.err


@pytest.mark.parametrize("format", ["jsonl", "csv", "cloudtrail"])
def test_a_damaged_record_is_said_in_a_line(data: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:
    """It is named, and so is the verb that tells more. It is never told as if it were what was written."""
    with tampering(data) as connection:
        connection.execute("UPDATE records SET record = CAST(replace(record, 'Alice', 'Malice') AS BLOB)")

    assert main(["export", "--data", str(data), "--format", format]) == 1
    printed = capsys.readouterr()
    assert f"is damaged, see `iam-ledger verify`: ledger {ACCOUNT}, record 1: the stored bytes" in printed.err
    assert printed.err.count("\n") == 1
    assert "Malice" not in printed.out


@pytest.mark.parametrize("format", ["csv", "cloudtrail"])
def test_a_record_that_is_none_is_said_in_a_line(data: Path, capsys: pytest.CaptureFixture[str], format: str) -> None:
    """Also where somebody gave it a hash that fits."""
    with tampering(data) as connection:
        connection.execute("UPDATE records SET record = x'00', hash = leaf_hash(x'00') WHERE position = 4")

    assert main(["export", "--data", str(data), "--format", format]) == 1
    assert f"ledger {ACCOUNT}, record 4 is damaged, see `iam-ledger verify`" in capsys.readouterr().err


def test_missing_records_are_said_in_a_line(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export that ends early never passes for a whole one."""

    def cut() -> None:
        with tampering(data) as connection:
            connection.execute("DELETE FROM records WHERE position > 4")

    assert exported_through(Interrupting(cut), monkeypatch, data) == 1
    assert "is missing" in capsys.readouterr().err


def test_an_event_of_a_newer_program_has_no_call(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is exported as it is stored, but nobody knows which call of AWS it was."""
    praised = "CAST(replace(CAST(record AS TEXT), 'UserTagged', 'UserPraised') AS BLOB)"
    with tampering(data) as connection:
        connection.execute(f"UPDATE records SET record = {praised}, hash = leaf_hash({praised})")

    assert main(["export", "--data", str(data), "--format", "csv"]) == 0
    assert "UserPraised" in capsys.readouterr().out
    assert main(["export", "--data", str(data), "--format", "cloudtrail"]) == 1
    assert "a newer version of this program may know it" in capsys.readouterr().err
