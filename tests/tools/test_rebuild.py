"""What `rebuild` makes, and what it leaves alone."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from projections.store import Projections
from projections.tables import forget
from tools.__main__ import main

CONTENTS = (
    "SELECT * FROM entries_history",
    "SELECT * FROM events",
    "SELECT * FROM documents",
    "SELECT account, kind, name, position FROM audit_index JOIN things ON id = thing",
    "SELECT * FROM checkpoints",
    "SELECT * FROM sqlite_schema WHERE type = 'view'",
)


def rows(path: Path) -> dict[str, list[Any]]:
    """All that the projections hold, without the numbers that stand for what repeats."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return {
            sql: sorted((row[:-2] if "schema" in sql else row for row in connection.execute(sql)), key=repr)
            for sql in CONTENTS
        }


def test_the_rows_are_the_same_as_before(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the service projected as it went is what a rebuild makes."""
    before = rows(data / "projections.db")
    files = sorted(data.iterdir())

    assert main(["rebuild", "--data", str(data)]) == 0

    assert rows(data / "projections.db") == before
    assert sorted(data.iterdir()) == files
    printed = capsys.readouterr()
    assert printed.out.startswith("13 records in ")
    assert printed.err == ""


@pytest.mark.parametrize("content", [None, b"", b"damaged" * 1000])
def test_missing_or_damaged_projections_are_made_anew(data: Path, content: bytes | None) -> None:
    """Nothing of the old file is needed."""
    before = rows(data / "projections.db")
    (data / "projections.db").unlink()
    if content is not None:
        (data / "projections.db").write_bytes(content)

    assert main(["rebuild", "--data", str(data)]) == 0

    assert rows(data / "projections.db") == before


def test_a_file_that_was_missing_is_for_its_owner_only(data: Path) -> None:
    """As all in the folder: it tells who may do what."""
    (data / "projections.db").unlink()

    assert main(["rebuild", "--data", str(data)]) == 0

    assert (data / "projections.db").stat().st_mode & 0o777 == 0o600


def test_who_has_the_file_open_goes_on(data: Path) -> None:
    """The tables are swapped inside of the file: the same connection sees what was made anew."""
    with closing(sqlite3.connect(data / "projections.db", isolation_level=None)) as reader:
        before = reader.execute("SELECT * FROM user_policies ORDER BY policy_name").fetchall()
        reader.execute("DELETE FROM current_entries")
        assert reader.execute("SELECT * FROM user_policies").fetchall() == []

        assert main(["rebuild", "--data", str(data)]) == 0

        assert reader.execute("SELECT * FROM user_policies ORDER BY policy_name").fetchall() == before != []


@pytest.mark.parametrize("error", [KeyboardInterrupt, sqlite3.OperationalError("disk full")])
def test_an_interrupted_rebuild_leaves_what_was_there(
    data: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The old rows answer until the new ones are complete, and the next rebuild begins again."""
    before = rows(data / "projections.db")
    files = sorted(data.iterdir())

    async def stop(projections: Projections) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Projections, "swap", stop)
        assert main(["rebuild", "--data", str(data)]) in (1, 130)
    assert rows(data / "projections.db") == before
    assert sorted(data.iterdir()) == files

    assert main(["rebuild", "--data", str(data)]) == 0
    assert rows(data / "projections.db") == before


def test_damage_that_shows_only_when_rows_are_read_is_no_obstacle(data: Path) -> None:
    """A file whose pages are garbage behind a sound header is made anew."""
    before = rows(data / "projections.db")
    content = (data / "projections.db").read_bytes()
    (data / "projections.db").write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))

    assert main(["rebuild", "--data", str(data)]) == 0

    assert rows(data / "projections.db") == before


def lose_pages(path: Path) -> None:
    """Zeros instead of all that the file holds."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))


def garble_text(path: Path) -> None:
    """A byte in a record that no text has."""
    path.write_bytes(path.read_bytes().replace(b'"UserPolicyPut"', b'"UserPolicy\xffut"'))


def lose_record(path: Path) -> None:
    """One record less."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER records_are_never_deleted")
        connection.execute("DELETE FROM records WHERE position = 5")


@pytest.mark.parametrize("damage", [lose_pages, garble_text, lose_record])
def test_a_damaged_ledger_does_not_cost_the_projections_too(
    data: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    """The line says which file is damaged, and what the other one tells of it stays."""
    before = rows(data / "projections.db")
    damage(data / "ledger.db")

    assert main(["rebuild", "--data", str(data)]) == 1

    assert "ledger.db is damaged" in capsys.readouterr().err
    assert rows(data / "projections.db") == before


@pytest.mark.parametrize("damage", [garble_text, lose_record])
def test_a_service_does_not_start_on_a_ledger_that_it_cannot_read_on(
    data: Path, command: Callable[..., Any], damage: Callable[[Path], None]
) -> None:
    """It says so and ends, and does not try for ever to catch up."""
    with closing(sqlite3.connect(data / "projections.db", isolation_level=None)) as connection:
        forget(connection, "123456789012")
    damage(data / "ledger.db")

    done = command("serve", "--data", str(data), "--port", "0")

    assert done.returncode == 1
    assert "`iam-ledger verify` says more" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_refuses_while_the_folder_is_served(
    data: Path, serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the process to stop."""
    server = serve(data)

    assert main(["rebuild", "--data", str(data)]) == 1
    assert f"in use by process {server.process.pid}:" in capsys.readouterr().err


def test_a_start_without_projections_makes_them(data: Path, serve: Callable[..., Any]) -> None:
    """Delete the file and the next start has the same answers."""
    before = rows(data / "projections.db")
    (data / "projections.db").unlink()

    server = serve(data)
    server.process.terminate()

    assert server.process.wait(timeout=10) == 0
    assert rows(data / "projections.db") == before
