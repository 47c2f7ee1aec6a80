"""One process writes a data folder, and the next one may as soon as that one is gone, however it went."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventstore.lock import FolderLock, Locked

HOLD = """
import sys
from pathlib import Path
from eventstore.lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
TRY = """
import sys, time
from pathlib import Path
from eventstore.lock import FolderLock, Locked
started = time.monotonic()
try:
    FolderLock(Path(sys.argv[1]))
except Locked as locked:
    print(time.monotonic() - started, locked.pid, locked, sep="\\n")
"""

Hold = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Start another process that holds the folder until its input ends."""
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_at_once(tmp_path: Path, hold: Hold) -> None:
    """Within a second, and the message names the holder, the folder and the way out."""
    holder = hold()
    second = subprocess.run([sys.executable, "-c", TRY, str(tmp_path)], capture_output=True, text=True, check=True)
    seconds, pid, message = second.stdout.splitlines()
    assert float(seconds) < 1
    assert pid == str(holder.pid)
    assert message == (
        f"{tmp_path} is in use by process {holder.pid}: stop that one first, or use another --data folder"
    )


def test_the_lock_dies_with_its_holder(tmp_path: Path, hold: Hold) -> None:
    """After kill -9 the file still lies there, naming the dead, and the next one gets in."""
    holder = hold()
    holder.kill()
    holder.wait()
    assert (tmp_path / "lock").read_text() == f"{holder.pid}\n"
    FolderLock(tmp_path).release()


def test_a_released_lock_lets_the_next_one_in(tmp_path: Path, hold: Hold) -> None:
    """When the holder leaves in good order, its folder is free."""
    holder = hold()
    with pytest.raises(Locked):
        FolderLock(tmp_path)
    holder.communicate()
    with FolderLock(tmp_path):
        pass


def test_a_lock_excludes_within_one_process_too(tmp_path: Path) -> None:
    """The second lock on a folder is refused until the first is released; releasing twice is harmless."""
    first = FolderLock(tmp_path)
    for _ in range(2):
        with pytest.raises(Locked):
            FolderLock(tmp_path)
    first.release()
    second = FolderLock(tmp_path)
    first.release()
    with pytest.raises(Locked):
        FolderLock(tmp_path)
    second.release()


def test_a_holder_that_cannot_be_named_is_unknown(tmp_path: Path) -> None:
    """A lock file without a process id, as in the instant before it is written, is still a lock."""
    with FolderLock(tmp_path):
        (tmp_path / "lock").write_text("")
        with pytest.raises(Locked, match="process unknown"):
            FolderLock(tmp_path)


def test_a_longer_process_id_leaves_no_digits_behind(tmp_path: Path) -> None:
    """What an earlier holder wrote is gone when the next one writes."""
    (tmp_path / "lock").write_text("99999999999999\n")
    with FolderLock(tmp_path), pytest.raises(Locked) as refusal:
        FolderLock(tmp_path)
    assert refusal.value.pid.isdigit()
    assert len(refusal.value.pid) < 14


def test_a_folder_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    """The lock makes no folder."""
    with pytest.raises(FileNotFoundError):
        FolderLock(tmp_path / "missing")
