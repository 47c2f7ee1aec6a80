"""The data folder: what has to be on disk before the first call is acknowledged."""

import os
from pathlib import Path

import pytest

from tools.data import DataFolder


def test_a_new_data_folder_outlasts_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is made is not on disk until the one that it lies in is synced; files are the same."""
    synced: list[int] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", noting)
    folder = DataFolder(tmp_path / "deep" / "data")
    folder.create()
    folder.digest_key()
    folder.signing_key()
    keys = folder.folder / "keys"
    for path in (tmp_path, tmp_path / "deep", folder.folder, keys, keys / "request-digest", keys / "checkpoint"):
        assert path.stat().st_ino in synced, path

    synced.clear()
    folder.create()
    assert not synced
