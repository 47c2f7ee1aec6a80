"""A disk that is full for a while: writes are refused, reads go on, and nobody has to restart anything.

The service runs on a small file system in memory, in a mount namespace of its own. Another program fills it.
"""

import asyncio
import os
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.parse import quote

from faults.calls import Caller, comes_true, settle
from faults.client import Address, Client
from faults.server import Server, is_sound
from faults.trial import Figures, Trial

ACCOUNTS = ("111122223333", "222233334444")
CALLERS = 8
MEGABYTES = (64, 128)  # of the disk
TIMES_FULL = 2
SECONDS_WITH_ROOM = 0.5
SECONDS_FULL = 1.5
SECONDS_MAX = 60
POLL_SECONDS = 0.005
BYTES_LEFT_MAX = 300_000  # what the other program leaves
MOUNTED = ("sh", "-c", 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"', "sh")


def namespace() -> list[str] | None:
    """What starts a command where it may mount something for itself alone; None where that is not to be had."""
    for command in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        try:
            subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return command
    return None


def play(seed: int, folder: Path) -> Figures:
    """A service whose disk gets full, and gets room again, a few times."""
    unshared = namespace()
    if unshared is None:
        raise RuntimeError("NOT TRIED: nobody here may mount a file system, not even in a namespace of its own")
    random = Random(seed)
    disk = folder / "disk"
    disk.mkdir()
    size = f"{random.randint(*MEGABYTES)}m"
    with Server(disk / "data", through=[*unshared, *MOUNTED, size, str(disk)]) as server:
        server.wait_until_ready()
        # The mount is seen from outside as the process sees it.
        seen = Path(f"/proc/{server.process.pid}/root{disk}")
        figures = asyncio.run(_live(random, Address(server.port), seen))
        kept = os.open(seen, os.O_RDONLY)  # the mount goes with its last user
        try:
            figures["ended_badly"] = int(server.stop() != 0)
            shutil.copytree(f"/proc/self/fd/{kept}/data", folder / "copy")
        finally:
            os.close(kept)
    figures["unsound"] = int(not is_sound(folder / "copy"))
    return figures


async def _live(random: Random, address: Address, disk: Path) -> dict[str, int | list[float]]:
    callers = [
        Caller(Random(random.random()), ACCOUNTS[number % len(ACCOUNTS)], f"user-{number}", address)
        for number in range(CALLERS)
    ]
    reader = _Reader(Random(random.random()), callers[0], address)
    recovery: list[float] = []
    over = asyncio.Event()
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as calling:
        lives = [calling.create_task(caller.live(over.is_set)) for caller in callers]
        await comes_true(lambda: all(caller.acknowledged for caller in callers))
        for _ in range(TIMES_FULL):
            await asyncio.sleep(SECONDS_WITH_ROOM)
            await _be_full(disk / "filler", random, callers, reader)
            recovery.append(await _recover(callers))
        over.set()
        await asyncio.wait(lives)
    return {
        "times_full": TIMES_FULL,
        "refused_503": sum(caller.refused - len(caller.other_answers) for caller in callers),
        "other_answers": sum(len(caller.other_answers) for caller in callers),
        "reads": reader.reads,
        "reads_failed": len(reader.failed),
        "read_s": reader.seconds,
        "ready_while_full": reader.ready,
        "not_ready_while_full": reader.not_ready,
        **await settle(callers, address),
        "acknowledged": _acknowledged(callers),
        "recovery_s": recovery,
        "recovery_over_1_s": sum(seconds > 1 for seconds in recovery),
    }


async def _be_full(filler: Path, random: Random, callers: list[Caller], reader: "_Reader") -> None:
    """Let another program take all room but some bytes, until writes have been refused for a while."""
    refused = sum(caller.refused for caller in callers)
    _fill(filler, random.randrange(BYTES_LEFT_MAX))
    try:
        await comes_true(lambda: sum(caller.refused for caller in callers) > refused)
        await reader.read_for(SECONDS_FULL)
    finally:
        filler.unlink()


async def _recover(callers: list[Caller]) -> float:
    """Seconds until something is written again. There is room from now on."""
    acknowledged, began = _acknowledged(callers), time.monotonic()
    await comes_true(lambda: _acknowledged(callers) > acknowledged)
    return time.monotonic() - began


def _acknowledged(callers: list[Caller]) -> int:
    return sum(len(caller.acknowledged) for caller in callers)


def _fill(path: Path, left: int) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            file.truncate(max(0, file.tell() - left))


class _Reader:
    """Asks all kinds of questions, of the present and of the past."""

    def __init__(self, random: Random, of: Caller, address: Address) -> None:
        self.reads = self.ready = self.not_ready = 0
        self.failed: list[str] = []
        self.seconds: list[float] = []
        self._random = random
        self._user = of.user_name
        self._client = Client(of.account, address)

    async def read_for(self, seconds: float) -> None:
        """Ask, one question after the other."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            await self._read()
            ready = await self._client.get("/readyz")
            self.ready += ready.status == 200
            self.not_ready += ready.status == 503
            await asyncio.sleep(POLL_SECONDS)
        await self._client.close()

    async def _read(self) -> None:
        now = datetime.now(UTC)
        instant = quote(self._random.choice(("@1", now.isoformat(), (now - timedelta(seconds=1)).isoformat())))
        parameters = {"UserName": self._user}
        began = time.monotonic()
        match self._random.choice(("present", "present list", "at", "user", "user at", "events", "checkpoint")):
            case "present":
                reply = await self._client.call(None, "GetUser", parameters)
            case "present list":
                reply = await self._client.call(None, "ListUserPolicies", parameters)
            case "at":
                reply = await self._client.call(None, "ListUsers", {}, path=f"/at/{instant}/")
            case "user":
                reply = await self._client.get(f"/v1/users/{self._user}")
            case "user at":
                reply = await self._client.get(f"/v1/users/{self._user}?at={quote(now.isoformat())}")
            case "events":
                reply = await self._client.get("/v1/events?limit=100")
            case _:
                reply = await self._client.get("/v1/checkpoint")
        self.reads += 1
        self.seconds.append(time.monotonic() - began)
        if reply.status != 200:
            self.failed.append(f"{reply.status} {reply.body.decode()}")


TRIAL = Trial(
    name="disk_full",
    about="the disk gets full: 503, reads go on, writes too once there is room; nothing lost, nothing phantom",
    rounds=30,
    play=play,
    must_be_zero=(
        "other_answers",
        "reads_failed",
        "lost",
        "doubled",
        "phantom",
        "recovery_over_1_s",
        "unsound",
        "ended_badly",
    ),
    must_not_be_zero=("acknowledged", "refused_503", "reads"),
)
