"""A log says whether an append would succeed, without one."""

import shutil
from pathlib import Path

import pytest

from eventstore.log import NotWritten
from eventstore.sqlite import SqliteLog


async def test_a_log_that_is_well_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither a file nor a lock."""
    async with await SqliteLog.open(tmp_path / "ledger.db") as log:
        before = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
        await log.check()
        await log.check()
        assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == before


async def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """Although the log's own files stand open."""
    folder = tmp_path / "gone"
    folder.mkdir()
    async with await SqliteLog.open(folder / "ledger.db") as log:
        shutil.rmtree(folder)
        with pytest.raises(NotWritten, match="the disk takes nothing: No such file or directory"):
            await log.check()


async def test_a_log_that_is_only_read_takes_nothing(tmp_path: Path) -> None:
    """It is not open for writing."""
    async with await SqliteLog.open(tmp_path / "ledger.db"):
        pass
    async with await SqliteLog.open_read_only(tmp_path / "ledger.db") as log:
        with pytest.raises(NotWritten):
            await log.check()
