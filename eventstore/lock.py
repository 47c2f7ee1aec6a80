"""One process writes a data folder. The lock is the operating system's, so it dies with its holder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class Locked(Exception):
    """Another process holds the folder. `pid` is its process id, where it could be read."""

    def __init__(self, folder: Path, pid: str) -> None:
        self.pid = pid
        super().__init__(f"{folder} is in use by process {pid}: stop that one first, or use another --data folder")


class FolderLock:
    """Holds a data folder until released. The file itself means nothing; only the lock on it does."""

    def __init__(self, folder: Path) -> None:
        """Take the lock at once. Raises Locked, naming the holder, and OSError where the folder is not writable."""
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise Locked(folder, holder) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in. Releasing twice is harmless."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
