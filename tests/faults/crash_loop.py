"""kill -9 under load: what was acknowledged is there once, where it was told to be, after every restart."""

import asyncio
from pathlib import Path
from random import Random

import msgspec

from faults.caller import Caller, compare
from faults.client import Address
from faults.server import Server, is_sound
from faults.trial import Figures, Trial

KILLS = 5  # of one folder
CALLERS = 24
ACCOUNTS = ("111122223333", "444455556666")
SECONDS_SERVED = (0.05, 1.5)  # until it is killed
KILLED_STARTING = 0.1  # of the kills
SECONDS_STARTING = (0.0, 0.4)  # until it is killed
SECONDS_MAX = 120


def play(seed: int, folder: Path) -> Figures:
    """A folder that lives through some kills. At the end all calls are answered, and compared with what is there."""
    return asyncio.run(live(Random(seed), folder / "data", KILLS))


async def live(random: Random, data: Path, kills: int, *flags: str) -> Figures:
    """Kill a server with these flags so many times, and tell what became of the calls."""
    address = Address(port=0)
    callers = [
        Caller(Random(random.random()), ACCOUNTS[number % len(ACCOUNTS)], f"user-{number}", address)
        for number in range(CALLERS)
    ]
    over = asyncio.Event()
    restarts: list[float] = []
    computed: list[float] = []
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as calling:
        calls = [calling.create_task(caller.live(over.is_set)) for caller in callers]
        for kill in range(kills):
            with Server(data, *flags) as server:
                if kill and random.random() < KILLED_STARTING:
                    await asyncio.sleep(random.uniform(*SECONDS_STARTING))
                    continue
                address.port = (await asyncio.to_thread(server.wait_until_ready)).port
                if kill:
                    restarts.append(server.seconds_to_ready)
                    computed.append(server.cpu_seconds())
                await asyncio.sleep(random.uniform(*SECONDS_SERVED))
        with Server(data, *flags) as server:
            address.port = (await asyncio.to_thread(server.wait_until_ready)).port
            restarts.append(server.seconds_to_ready)
            computed.append(server.cpu_seconds())
            over.set()
            await asyncio.wait(calls)
            compared = await compare(callers, address)
            differences = sum([await caller.differences() for caller in callers])
            ended_badly = server.stop() != 0
    return {
        "kills": kills,
        **msgspec.structs.asdict(compared),
        "repeated": sum(caller.repeated for caller in callers),
        "answered_differently": sum(caller.answered_differently for caller in callers),
        "unforeseen_answers": sum(len(caller.unforeseen) for caller in callers),
        "differences": differences,
        "unsound": int(ended_badly or not is_sound(data)),
        "restart_to_ready_s": restarts,
        "restart_cpu_s": computed,  # of that; the rest is waiting for the disk and for other processes
    }


TRIAL = Trial(
    name="crash_loop",
    about="kill -9 under HTTP load, restart, and compare what was acknowledged with what is there",
    rounds=100,
    play=play,
    must_be_zero=(
        "lost",
        "doubled",
        "unknown",
        "gaps",
        "answered_differently",
        "unforeseen_answers",
        "differences",
        "unsound",
    ),
    must_not_be_zero=("kills", "acknowledged", "repeated"),
)
