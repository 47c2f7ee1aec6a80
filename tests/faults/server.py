"""The service in a process of its own: started over a folder, killed or stopped, and asked how much it holds."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SECONDS_TO_STOP_MAX = 20


def is_sound(data: Path) -> bool:
    """Whether `iam-ledger verify` finds nothing wrong with a folder that no service has open."""
    return (
        subprocess.run([sys.executable, "-m", "tools", "verify", "--data", str(data)], capture_output=True).returncode
        == 0
    )


class Server:
    """`iam-ledger serve` over a folder, on any free port. Leaving the `with` kills what is still there of it.

    `port` and `seconds_to_ready`, counted from the start of the process, are known once it is ready.
    What it says on stderr is appended to the file `log`, beside the folder.
    """

    port: int
    seconds_to_ready: float

    def __init__(
        self, data: Path, *flags: str, environment: Mapping[str, str] | None = None, through: Sequence[str] = ()
    ) -> None:
        """Start the process. `environment` is set beside what this process has; `through` is what execs the command."""
        self.log = data.with_suffix(".log")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("IAM_LEDGER_")}
        command = [*through, sys.executable, "-m", "tools", "serve", "--data", str(data), "--port", "0", *flags]
        self._began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**inherited, **(environment or {})},
                start_new_session=True,
            )

    def wait_until_ready(self) -> Self:
        """Return when it serves. Raises RuntimeError, with its status and all that is in `log`, if it ends instead."""
        assert self.process.stdout is not None
        banner = self.process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)", banner)
        if found is None:
            status = self.process.wait(SECONDS_TO_STOP_MAX)
            raise RuntimeError(f"the service ended with status {status}: {banner}{self.log.read_text()}")
        self.port = int(found[1])
        self.seconds_to_ready = time.monotonic() - self._began
        return self

    def kill(self) -> None:
        """kill -9, and wait until it is gone. Killing it again is harmless."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        """End it as an operator does; the exit status. Raises subprocess.TimeoutExpired if it does not end."""
        self.process.terminate()
        return self.process.wait(SECONDS_TO_STOP_MAX)

    def megabytes(self) -> float:
        """The memory that the process has now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_seconds(self) -> float:
        """How long the process has computed, on all processors together."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        """How many files and sockets the process has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()
