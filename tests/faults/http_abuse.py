"""HTTP abuse: one kind of it for each round, beside clients that only want to be served."""

import asyncio
import math
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec

from faults.abuse import KINDS, Outcome
from faults.client import Address, Client
from faults.server import Server
from faults.trial import Figures, Trial

T = TypeVar("T")

ACCOUNT = "123456789012"
RECORDS = 2000
GOOD_CLIENTS = 8
PAUSE_SECONDS = 0.02  # of a good client between two requests
IDLE_SECONDS = 3.0
ATTACK_SECONDS_MAX = 40.0
MEMORY_MB_MAX = 400.0
RATIO_MAX = 3.0
TESTS = Path(__file__).parents[1]


class _Good:
    """Clients with an ordinary load: two reads for each write."""

    def __init__(self, port: int) -> None:
        self._clients = [Client(ACCOUNT, Address(port)) for _ in range(GOOD_CLIENTS)]
        self.took: list[float] = []  # milliseconds
        self.failed = 0

    async def run(self, stop: asyncio.Event, random: Random) -> None:
        """Until the stop."""
        await asyncio.gather(*(self._one(client, number, stop, random) for number, client in enumerate(self._clients)))

    async def _one(self, client: Client, number: int, stop: asyncio.Event, random: Random) -> None:
        for turn in count():
            if stop.is_set():
                break
            began = time.perf_counter()
            try:
                if turn % 3:
                    reply = await client.call(None, "GetUser", {"UserName": f"good-{number}"})
                else:
                    tags = [{"Key": "turn", "Value": str(time.time_ns())}]
                    reply = await client.call(None, "TagUser", {"UserName": f"good-{number}", "Tags": tags})
                self.failed += reply.status != 200
            except (OSError, EOFError, TimeoutError):
                self.failed += 1
            self.took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(random.uniform(0, 2 * PAUSE_SECONDS))

    async def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients:
            await client.close()


def _play(seed: int, folder: Path) -> Figures:
    with Server(folder / "data") as server:
        server.wait_until_ready()
        return asyncio.run(_abused(server, seed))


async def _abused(server: Server, seed: int) -> Figures:
    kind = list(KINDS)[seed % len(KINDS)]
    random = Random(seed)
    good = _Good(server.port)
    try:
        await _prepare(server.port)
        await _beside(good, random, asyncio.sleep(0.5))  # all is loaded now, and connected
        good.took.clear()
        await _beside(good, random, asyncio.sleep(IDLE_SECONDS))
        idle, good.took = good.took, []
        highest = [server.megabytes()]
        outcome = await _beside(good, random, _attack(kind, server, seed, highest))
    finally:
        await good.close()
    ratio = _p99(good.took) / _p99(idle)
    return {
        "connections": outcome.connections,
        "stalled_open_after_10_s": outcome.stalled_open_after_10_s,
        "refusals": outcome.answered,
        "failures": outcome.failed,
        "good_answered": len(good.took) - good.failed,
        "good_failed": good.failed,
        "good_p99_idle_ms": [_p99(idle)],
        "good_p99_attacked_ms": [_p99(good.took)],
        "ratio": [ratio],
        f"ratio: {kind}": [ratio],
        "rounds_of_ratio_above_3": int(ratio > RATIO_MAX),
        "rss_mb_max": [max(highest)],
        f"rss_mb_max: {kind}": [max(highest)],
        "rounds_above_400_mb": int(max(highest) > MEMORY_MB_MAX),
    }


async def _prepare(port: int) -> None:
    """Users for the good clients, and so many records that a stream of them does not fit into a socket."""

    async def fill(number: int) -> None:
        client = Client(ACCOUNT, Address(port))
        name = f"good-{number}"
        await client.call(None, "CreateUser", {"UserName": name})
        for turn in range(RECORDS // GOOD_CLIENTS):
            statement = {"Sid": f"{turn:01500}", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}
            document = {"Version": "2012-10-17", "Statement": [statement]}
            parameters = {"UserName": name, "PolicyName": "p", "PolicyDocument": document}
            (await client.call(None, "PutUserPolicy", parameters)).data  # noqa: B018  # raises what was refused
        await client.close()

    await asyncio.gather(*(fill(number) for number in range(GOOD_CLIENTS)))


async def _beside(good: _Good, random: Random, body: Coroutine[Any, Any, T]) -> T:
    """Do something while the good clients are at work."""
    stop = asyncio.Event()
    working = asyncio.create_task(good.run(stop, random))
    try:
        return await body
    finally:
        stop.set()
        await working


async def _attack(kind: str, server: Server, seed: int, highest: list[float]) -> Outcome:
    """The attack, in a process of its own. `highest` takes the memory that the server has meanwhile."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "faults.abuse", kind, str(server.port), str(seed)),
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    try:
        async with asyncio.timeout(ATTACK_SECONDS_MAX):
            told = asyncio.create_task(process.communicate())
            while not (await asyncio.wait([told], timeout=0.1))[0]:
                highest.append(server.megabytes())
            return msgspec.json.decode((await told)[0], type=Outcome)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _p99(took: list[float]) -> float:
    return sorted(took)[math.ceil(len(took) * 0.99) - 1]


TRIAL = Trial(
    name="http_abuse",
    about="clients that stall, flood or send what nobody can read, one kind a round, beside clients that do not",
    rounds=10 * len(KINDS),
    play=_play,
    must_be_zero=("stalled_open_after_10_s", "failures", "good_failed", "rounds_above_400_mb"),
    must_not_be_zero=("connections", "good_answered"),
)
