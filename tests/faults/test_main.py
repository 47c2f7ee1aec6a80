"""A trial that is ended early takes its processes with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SECONDS_MAX = 30


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_its_trial(tmp_path: Path, number: signal.Signals) -> None:
    """Whether it is ended by a program or by Ctrl-C. What was played until then is told."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "faults", "second_writer"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as trial:
        try:
            until = time.monotonic() + SECONDS_MAX
            while not (servers := children(trial.pid)) and time.monotonic() < until:
                time.sleep(0.05)
            trial.send_signal(number)
            told, _ = trial.communicate(timeout=SECONDS_MAX)
        finally:
            trial.kill()
    assert servers
    assert b"second_writer" in told
    assert not any(Path(f"/proc/{server}").exists() for server in servers)
    assert list(tmp_path.iterdir()) == []
