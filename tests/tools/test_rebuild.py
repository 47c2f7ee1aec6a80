"""What `rebuild` makes, and what it leaves alone."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from projections.projector import Projector
from tools.__main__ import main

TABLES = ("current_entries", "past_entries", "documents", "audit_index", "checkpoints")


def rows(path: Path) -> dict[str, list[Any]]:
    """All that the projections hold."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


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


def test_the_wal_of_the_old_file_does_not_meet_the_new_one(data: Path) -> None:
    """A killed service leaves one behind; its changes are gone with the old file."""
    before = rows(data / "projections.db")
    writer = sqlite3.connect(data / "projections.db", isolation_level=None)
    writer.execute("DELETE FROM current_entries")
    wal = (data / "projections.db-wal").read_bytes()
    shm = (data / "projections.db-shm").read_bytes()
    writer.close()
    (data / "projections.db-wal").write_bytes(wal)
    (data / "projections.db-shm").write_bytes(shm)

    assert main(["rebuild", "--data", str(data)]) == 0

    assert not (data / "projections.db-wal").exists()
    assert rows(data / "projections.db") == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, sqlite3.OperationalError("disk full")])
def test_an_interrupted_rebuild_leaves_the_old_file(
    data: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The half-built file is removed, and the old one is as it was, to the byte."""
    before = (data / "projections.db").read_bytes()
    files = sorted(data.iterdir())
    project = Projector._project_some

    async def project_and_stop(projector: Projector) -> None:
        await project(projector)
        raise error

    monkeypatch.setattr(Projector, "_project_some", project_and_stop)

    assert main(["rebuild", "--data", str(data)]) in (1, 130)
    assert (data / "projections.db").read_bytes() == before
    assert sorted(data.iterdir()) == files


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
