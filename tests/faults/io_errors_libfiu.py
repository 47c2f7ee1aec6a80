"""I/O errors made by libfiu in the real process: system calls of the service fail at random, under load.

`io_errors` knows more, as it sees each step of the disk; this one leaves nothing to a model. Where there is no libfiu
(Debian: `apt-get install fiu-utils`), it cannot be played.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

from faults.calls import Caller, comes_true, settle
from faults.client import Address
from faults.server import Server, is_sound
from faults.trial import Figures, Trial

ACCOUNTS = ("111122223333", "222233334444")
CALLERS = 16
SECONDS = 3.0
SECONDS_MAX = 60


def available() -> bool:
    """Whether libfiu is there."""
    return shutil.which("fiu-run") is not None and shutil.which("fiu-ctrl") is not None


def play(seed: int, folder: Path) -> Figures:
    """A service whose syncs and writes fail for a few seconds, in the ledger and in the projections alike."""
    if not available():
        raise RuntimeError("NOT TRIED: libfiu is not here")
    random = Random(seed)
    prefix = str(folder / "fiu")
    with Server(folder / "data", through=["fiu-run", "-x", "-f", prefix]) as server:
        server.wait_until_ready()

        def control(*commands: str) -> None:
            told = [part for command in commands for part in ("-c", command)]
            subprocess.run(["fiu-ctrl", "-f", prefix, *told, str(server.process.pid)], check=True)

        faults = {
            "posix/io/sync/*": random.choice((0.001, 0.005, 0.02, 0.05)),
            "posix/io/rw/pwrite": random.choice((0.0005, 0.002, 0.01)),
            "posix/io/rw/pwrite64": random.choice((0.0005, 0.002, 0.01)),
        }
        figures = asyncio.run(
            _live(
                random,
                Address(server.port),
                lambda: control(*(f"enable_random name={name},probability={p}" for name, p in faults.items())),
                lambda: control(*(f"disable name={name}" for name in faults)),
            )
        )
        ended_badly = server.stop() != 0
    return {**figures, "ended_badly": int(ended_badly), "unsound": int(not is_sound(folder / "data"))}


async def _live(random: Random, address: Address, begin: Callable[[], None], end: Callable[[], None]) -> dict[str, int]:
    callers = [
        Caller(Random(random.random()), ACCOUNTS[number % len(ACCOUNTS)], f"user-{number}", address)
        for number in range(CALLERS)
    ]
    over = asyncio.Event()
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as calling:
        lives = [calling.create_task(caller.live(over.is_set)) for caller in callers]
        await comes_true(lambda: all(caller.acknowledged for caller in callers))
        await asyncio.to_thread(begin)
        await asyncio.sleep(SECONDS)
        over.set()
        await asyncio.wait(lives)
        await asyncio.to_thread(end)
    errors = sum(caller.refused for caller in callers)
    other_answers = sum(len(caller.other_answers) for caller in callers)
    settled = await settle(callers, address)
    acknowledged = sum(len(caller.acknowledged) for caller in callers)
    return {"acknowledged": acknowledged, "errors": errors, "other_answers": other_answers, **settled}


TRIAL = Trial(
    name="io_errors_libfiu",
    about="I/O errors in the system calls of the real process, made by libfiu",
    rounds=30,
    play=play,
    must_be_zero=("other_answers", "lost", "doubled", "phantom", "ended_badly", "unsound"),
    must_not_be_zero=("acknowledged", "errors"),
)
