"""The file of the projections, and the room that it keeps."""

import os
import sqlite3
from pathlib import Path

import pytest

from projections import store
from projections.store import READERS, Projections


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot take room beforehand")
async def test_the_wal_has_its_room_from_the_start(tmp_path: Path) -> None:
    """What the ledger took before the disk was full can be projected: it needs no more room than there is."""
    projections = Projections(tmp_path / "projections.db")
    try:
        wal = (tmp_path / "projections.db-wal").stat()
        assert wal.st_blocks * 512 >= (store.WAL_PAGES + store.WAL_PAGES_SPARE) * store.WAL_PAGE_BYTES
        await projections.change(lambda connection: connection.execute("UPDATE checkpoints SET position = 0"))
        assert (tmp_path / "projections.db-wal").stat().st_size == wal.st_size
    finally:
        await projections.close()


async def test_a_question_that_ends_with_its_transaction_tells_why(projections: Projections) -> None:
    """As when the disk fails, where SQLite itself rolls back. The next question is answered."""

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    for _ in range(2 * READERS):
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            await projections.read(fail)
    assert await projections.read(lambda connection: connection.execute("SELECT 1").fetchall()) == [(1,)]
