"""Servers in processes of their own, for benchmarks: on any free port, and ended with the `async with`."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tools.failure import Failure


class Server(msgspec.Struct, frozen=True):
    """A server that is ready: its port and process, and how many seconds it took from the start of the process."""

    port: int
    process_id: int
    seconds_to_ready: float

    def megabytes(self) -> float | None:
        """The memory that the process has now; None where the system does not tell, as only Linux does."""
        try:
            pages = int(Path(f"/proc/{self.process_id}/statm").read_text().split()[1])
        except FileNotFoundError:
            return None
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@asynccontextmanager
async def service(data: Path) -> AsyncIterator[Server]:
    """`iam-ledger serve` over this folder. Raises Failure if it does not start."""
    command = [sys.executable, "-m", "tools", "serve", "--data", str(data), "--port", "0"]
    command += ["--quota", "PoliciesPerUser=2000"]  # so that every attachment can be a new one
    async with running(command) as server:
        yield server


@asynccontextmanager
async def running(command: list[str]) -> AsyncIterator[Server]:
    """A command that prints its address on the loopback interface once it serves. Raises Failure if it does not."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IAM_LEDGER_")}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment)
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        _, found, rest = line.partition("http://127.0.0.1:")
        if not found:
            raise Failure("a server did not start")
        yield Server(int(rest.split()[0]), process.pid, time.perf_counter() - began)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
