"""Backups of a service that is written to, some of them killed: whole or not there, and as good as the original."""

import asyncio
import signal
import sys
import time
from pathlib import Path
from random import Random

from faults.caller import Acknowledged, Caller, records_of
from faults.client import Address, Client
from faults.server import Server, is_sound
from faults.trial import Figures, Trial
from tools import synthetic

ACCOUNT = "111122223333"
RECORDS = 10_000  # of other accounts, so that copying takes a while
OTHERS, USERS = 20, 20
CALLERS = 16
SECONDS_BEFORE = (0.1, 0.6)
KILLED = 0.6  # of the rounds: a backup that is killed, before the one that is not
SECONDS_UNTIL_KILLED = (0.0, 1.0)
REPEATS = 50  # of calls that were answered before the backup, to the service over the copy
SECONDS_MAX = 120


def play(seed: int, folder: Path) -> Figures:
    """One service under load, a backup of it, and a service over the copy."""
    synthetic.make(folder / "data", RECORDS, OTHERS, USERS, seed, lambda done: None)
    return asyncio.run(_play(Random(seed), folder))


async def _play(random: Random, folder: Path) -> Figures:
    data, copy, killed = folder / "data", folder / "copy", folder / "killed"
    over = asyncio.Event()
    ended_early = halves = 0
    async with asyncio.timeout(SECONDS_MAX):
        with Server(data) as server:
            address = Address((await asyncio.to_thread(server.wait_until_ready)).port)
            callers = [Caller(Random(random.random()), ACCOUNT, f"user-{n}", address) for n in range(CALLERS)]
            async with asyncio.TaskGroup() as calling:
                for caller in callers:
                    calling.create_task(caller.live(over.is_set))
                await asyncio.sleep(random.uniform(*SECONDS_BEFORE))
                if random.random() < KILLED:
                    ended_early = int(await _backup(data, killed, random.uniform(*SECONDS_UNTIL_KILLED)) < 0)
                    halves = int(killed.exists() and not is_sound(killed))
                before = [call for caller in callers for call in caller.acknowledged]
                began = time.monotonic()
                failed = await _backup(data, copy) != 0
                seconds = time.monotonic() - began
                during = sum(len(caller.acknowledged) for caller in callers) - len(before)
                over.set()
        told = {_place(call) for caller in callers for call in caller.acknowledged}
        with Server(copy) as restored:
            address.port = (await asyncio.to_thread(restored.wait_until_ready)).port
            records = await records_of(ACCOUNT, address)
            there = {(record["command_id"], record["id"], record["position"]) for record in records}
            differently = await _repeat(random.sample(before, min(REPEATS, len(before))), address)
            failed |= restored.stop() != 0
    return {
        "backups": 1,
        "failed": int(failed),
        "killed": ended_early,
        "halves": halves,  # under the final name
        "acknowledged_before": len(before),
        "acknowledged_during": during,
        "records": len(records),
        "lost": len({_place(call) for call in before} - there),
        "unknown": len(there - told),
        "gaps": sum(record["position"] != place for place, record in enumerate(records, 1)),
        "answered_differently": differently + sum(caller.answered_differently for caller in callers),
        "unforeseen_answers": sum(len(caller.unforeseen) for caller in callers),
        "unsound": int(not is_sound(copy)),
        "backup_s": [seconds],
    }


async def _backup(data: Path, destination: Path, seconds: float | None = None) -> int:
    """Make a backup, killed after so many seconds if it is not done by then. Returns the exit status."""
    command = [sys.executable, "-m", "tools", "backup", "--data", str(data), str(destination)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(seconds):
            return await process.wait()
    except TimeoutError:
        return -signal.SIGKILL
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _repeat(calls: list[Acknowledged], address: Address) -> int:
    """Send calls again under their ids. Returns how many are not answered with their first result."""
    client = Client(ACCOUNT, address)
    replies = [await client.call(call.command_id, call.action, call.parameters) for call in calls]
    await client.close()
    return sum(
        reply.status != 200 or (reply.data["id"], reply.data["position"]) != (call.event_id, call.position)
        for reply, call in zip(replies, calls, strict=True)
    )


def _place(call: Acknowledged) -> tuple[str, str, int]:
    return call.command_id, call.event_id, call.position


TRIAL = Trial(
    name="backup_under_load",
    about="back up a service that is written to, some backups killed, and serve from the copy",
    rounds=100,
    play=play,
    must_be_zero=(
        "failed",
        "halves",
        "lost",
        "unknown",
        "gaps",
        "answered_differently",
        "unforeseen_answers",
        "unsound",
    ),
    must_not_be_zero=("backups", "acknowledged_before", "acknowledged_during"),
)
