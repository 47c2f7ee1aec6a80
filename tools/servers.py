"""Servers in processes of their own, for benchmarks: on any free port of the loopback interface, ended at the end."""

import asyncio
import os
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tools.failure import Failure

START_SECONDS = 60.0  # at most, of servers of others
STOP_SECONDS = 10.0


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

    def processor_seconds(self) -> float | None:
        """The processor time that the process has taken; None where the system does not tell, as only Linux does."""
        try:
            _, _, fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")
        except FileNotFoundError:
            return None
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def service(data: Path) -> AsyncIterator[Server]:
    """`iam-ledger serve` over this folder. Raises Failure if it does not start."""
    command = [sys.executable, "-m", "tools", "serve", "--data", str(data), "--port", "0"]
    for quota in ("PoliciesPerUser=2000", "UsersPerAccount=10000000"):  # so that every write can be of something new
        command += ["--quota", quota]
    async with running(command) as server:
        yield server


@asynccontextmanager
async def bare() -> AsyncIterator[Server]:
    """The handler of `tools/bare.py`. Raises Failure if it does not start."""
    async with running([sys.executable, "-m", "tools.bare"]) as server:
        yield server


@asynccontextmanager
async def moto(environment: Path) -> AsyncIterator[Server]:
    """moto's server from this virtual environment. Raises Failure if it does not start."""
    port = _free_port()
    command = [str(environment.absolute() / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    async with _listening(command, port, {}) as server:
        yield server


@asynccontextmanager
async def ministack(environment: Path) -> AsyncIterator[Server]:
    """ministack from this virtual environment. Raises Failure if it does not start."""
    port = _free_port()
    told = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LOG_LEVEL": "WARNING"}
    async with _listening([str(environment.absolute() / "bin" / "ministack")], port, told) as server:
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
        await _end(process)


@asynccontextmanager
async def _listening(command: list[str], port: int, variables: Mapping[str, str]) -> AsyncIterator[Server]:
    """A command of others, ready when it listens. It has a folder of its own to write to, which goes at the end."""
    name = Path(command[0]).name
    with tempfile.TemporaryDirectory(prefix="iam-ledger-bench-") as folder:
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, **variables}
        began = time.perf_counter()
        output = os.open(Path(folder, "output"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=output, stderr=STDOUT, cwd=folder, env=environment
            )
        except OSError as error:
            raise Failure(f"cannot start {command[0]}: {error.strerror}") from error
        finally:
            os.close(output)
        try:
            while not await _listens(port):
                if process.returncode is not None or time.perf_counter() - began > START_SECONDS:
                    said = Path(folder, "output").read_text(errors="replace").splitlines()
                    raise Failure(f"{name} does not start: {said[-1] if said else 'it says nothing'}")
                await asyncio.sleep(0.05)
            yield Server(port, process.pid, time.perf_counter() - began)
        finally:
            await _end(process)


async def _end(process: Process) -> None:
    """Ask it to end, and make it end if it does not."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _free_port() -> int:
    """One that is free now; somebody may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
