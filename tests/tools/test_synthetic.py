"""What `python -m tools.synthetic` makes: a ledger that an auditor finds nothing wrong with, always the same one."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from eventstore.chain import follow
from eventstore.record import EMPTY, Record, Row, open_envelope
from iam.quotas import Quotas
from tools.__main__ import main as iam_ledger
from tools.data import DataFolder, open_service
from tools.synthetic import main, make

EVENTS = 5000
ACCOUNTS = 4
USERS = 8


def silent(done: int) -> None:
    """Nobody watches."""


def rows(folder: Path) -> list[Row]:
    """Every row of the ledger, as it lies in the file."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        return [Row(*row) for row in connection.execute("SELECT * FROM records ORDER BY rowid")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of a few accounts."""
    folder = tmp_path_factory.mktemp("made") / "data"
    make(folder, EVENTS, ACCOUNTS, USERS, 1, silent)
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> list[Row]:
    """Its rows, in the order in which they were written."""
    return rows(folder)


def records(made: list[Row]) -> Iterator[Record[dict[str, object]]]:
    """The records of the accounts."""
    return (open_envelope(row) for row in made if row.account != "aws")


def test_verify_finds_it_sound(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Schema, indexes, chains, and each event follows from the ones before."""
    assert iam_ledger(["verify", "--data", str(folder)]) == 0

    assert f"{ACCOUNTS + 1} ledgers, {EVENTS + 1:,} records" in capsys.readouterr().out


def test_it_holds_so_many_records_in_turns(made: list[Row]) -> None:
    """As many as asked for, beside the catalogue's, and the accounts lie between each other in the file."""
    counts = Counter(row.account for row in made)

    assert counts.pop("aws") == 1
    assert (len(counts), counts.total()) == (ACCOUNTS, EVENTS)
    assert made[0].account == "aws"
    assert [row.account for row in made[1:202:50]] == [*sorted(counts), min(counts)]


def test_time_goes_on_over_months(made: list[Row]) -> None:
    """Across all accounts."""
    times = [row.recorded_at for row in made]

    assert all(earlier < later for earlier, later in pairwise(times))
    assert 200 * 86_400e6 < times[-1] - times[0] < 400 * 86_400e6


def test_it_is_a_mix(made: list[Row]) -> None:
    """Mostly attachments and inline policies, and some calls that changed nothing, by several actors."""
    calls = Counter((record.action, record.outcome) for record in records(made))
    share = {action: calls[action, "changed"] / EVENTS for action, _ in calls}
    attempts = sum(number for (_, outcome), number in calls.items() if outcome != "changed")

    assert 0.4 < share["AttachUserPolicy"] + share["DetachUserPolicy"] < 0.6
    assert 0.15 < share["PutUserPolicy"] + share["DeleteUserPolicy"] < 0.3
    assert 0.02 < attempts / EVENTS < 0.1
    assert {"CreateUser", "DeleteUser", "UpdateUser", "TagUser", "UntagUser", "CreatePolicyVersion"} <= share.keys()
    assert {"SetDefaultPolicyVersion", "DeletePolicyVersion", "PutUserPermissionsBoundary"} <= share.keys()
    assert len({record.actor.arn for record in records(made)}) > ACCOUNTS
    assert len({record.source_ip for record in records(made)}) > 3


def test_a_name_is_taken_again_by_another_user(made: list[Row]) -> None:
    """So that questions about a name have more than one answer."""
    holders = {
        (record.account, record.event["user_name"], record.event["user_id"])
        for record in records(made)
        if record.event is not None and record.event["type"] == "UserCreated"
    }
    assert len(holders) > len({holder[:2] for holder in holders})


def test_a_service_starts_on_it_and_adds_nothing(folder: Path, made: list[Row]) -> None:
    """The release of AWS's managed policies is recorded already."""

    async def start() -> None:
        async with open_service(DataFolder(folder), None, Quotas()) as service:
            await service.start()

    asyncio.run(start())

    assert rows(folder) == made


def test_the_same_seed_makes_the_same_records(tmp_path: Path) -> None:
    """To the byte; another seed makes others."""
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        make(tmp_path / name, 300, 2, 4, seed, silent)

    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    assert rows(tmp_path / "one") != rows(tmp_path / "three")


@pytest.mark.parametrize(("events", "accounts", "users"), [(1, 1, 1), (400, 1, 1), (3, 10, 5)])
def test_the_smallest_are_sound_too(tmp_path: Path, events: int, accounts: int, users: int) -> None:
    """Also where there are fewer records than users, or nobody who may be renamed."""
    make(tmp_path, events, accounts, users, 1, silent)

    heads = dict.fromkeys((row.account for row in rows(tmp_path)), EMPTY)
    for row in rows(tmp_path):
        heads[row.account] = follow(heads[row.account], row)
    assert sum(head.position for head in heads.values()) == events + 1


def test_a_folder_with_a_ledger_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What somebody recorded is never replaced."""
    before = (folder / "ledger.db").read_bytes()

    assert main(["--data", str(folder), "--events", "10"]) == 1

    assert "has a ledger already" in capsys.readouterr().err
    assert (folder / "ledger.db").read_bytes() == before


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left"), 1)])
def test_what_is_broken_off_leaves_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    """Ctrl-C or a full disk in the middle: the folder is as if nothing had been begun."""

    def break_off(progress: object, done: int) -> None:
        raise error

    monkeypatch.setattr("tools.progress.Progress.__call__", break_off)

    assert main(["--data", str(tmp_path), "--events", "10"]) == status
    assert not list(tmp_path.glob("ledger.db*"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--events", "10", "--users", "5001"), "at most 5,000 users"),
        (("--events", "10", "--data", "/dev/null"), "cannot use /dev/null for data"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    """The exit status is 1."""
    assert main(["--data", str(tmp_path / "data"), *flags]) == 1

    assert said in (error := capsys.readouterr().err)
    assert error.count("\n") == 1


@pytest.mark.parametrize(("events", "said"), [("0", "0 is not a number from 1 on"), ("many", "invalid")])
def test_a_number_that_is_none_is_misuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], events: str, said: str
) -> None:
    """The exit status is 2, and no folder is made."""
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(tmp_path / "data"), "--events", events])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
