"""An hour of everything at once: memory, open files and the WAL stay as they are once all caches are filled."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import Random
from statistics import fmean

import msgspec

from faults.caller import ARNS, Caller
from faults.client import Address, Client
from faults.server import Server, is_sound
from faults.trial import Figures, Trial

SECONDS = 3600.0
SAMPLES = 360
WARM_UP = SAMPLES // 3  # by then the 50,000 command ids that the writer remembers are there, and SQLite's pages

CALLERS, CALL_PAUSE = 8, 0.05  # how many there are, and how many seconds lie between two requests of one
READERS, READ_PAUSE = 8, 0.02
FOLLOWERS, FOLLOWED_SECONDS = 8, (1.0, 20.0)  # of streams, and how long each is read before another is opened
GUEST_PAUSE = 0.1
REQUESTS_ON_A_CONNECTION = 200  # at most, by a reader

ACCOUNT = "111122223333"
GUESTS = "444455556666"

# More than half a million requests lie between the thirds that are compared: if each of them left one small object
# behind, of 16 bytes or more, that would be beyond this.
MEGABYTES_GROWN_MAX = 8.0
DESCRIPTORS_GROWN_MAX = 8.0  # of about 40; streams come and go
WAL_GROWN_MAX = 8.0  # MB; of two files that are written from the start again, once read into the database


class Sample(msgspec.Struct, frozen=True):
    """How the service was at one moment."""

    rss_mb: float
    descriptors: int
    wal_mb: float


class Load(msgspec.Struct):
    """What was asked of the service, and what came of it."""

    requests: int = 0
    failed: int = 0  # answers that are not what the request must get
    streamed: int = 0


def growth(samples: Sequence[float]) -> float:
    """By how much the mean of the last third of the samples is above that of the first third."""
    third = len(samples) // 3
    return fmean(samples[-third:]) - fmean(samples[:third])


def play(seed: int, folder: Path, seconds: float = SECONDS) -> Figures:
    """One server under mixed load, looked at in equal intervals."""
    return asyncio.run(_play(Random(seed), folder / "data", seconds))


async def _play(random: Random, data: Path, seconds: float) -> Figures:
    load = Load()
    with Server(data) as server:
        address = Address((await asyncio.to_thread(server.wait_until_ready)).port)
        over = asyncio.Event()
        callers = [Caller(Random(random.random()), ACCOUNT, f"user-{number}", address) for number in range(CALLERS)]
        roles = [caller.live(over.is_set, CALL_PAUSE) for caller in callers]
        roles += [_read(Random(random.random()), address, callers, load, over.is_set) for _ in range(READERS)]
        roles.append(_come_and_go(address, load, over.is_set))
        streams = [_follow(Random(random.random()), address, load) for _ in range(FOLLOWERS)]
        async with asyncio.TaskGroup() as running:
            for role in roles:
                running.create_task(role)
            followers = [running.create_task(stream) for stream in streams]
            samples = [await _sample(server, data, seconds / SAMPLES) for _ in range(SAMPLES)]
            over.set()
            for follower in followers:
                follower.cancel()
        ended_badly = server.stop() != 0
    measured = samples[WARM_UP:]
    hours = seconds / 3600 * len(measured) / SAMPLES * 2 / 3  # between the middles of the thirds
    megabytes = growth([sample.rss_mb for sample in measured])
    descriptors = growth([sample.descriptors for sample in measured])
    wal = growth([sample.wal_mb for sample in measured])
    return {
        "minutes": round(seconds / 60, 1),
        "writes": sum(len(caller.acknowledged) for caller in callers),
        "other_requests": load.requests,
        "streamed_events": load.streamed,
        "failed": load.failed + sum(len(caller.unforeseen) + caller.answered_differently for caller in callers),
        "unsound": int(ended_badly or not is_sound(data)),
        "rss_mb": [sample.rss_mb for sample in measured],
        "descriptors": [float(sample.descriptors) for sample in measured],
        "wal_mb": [sample.wal_mb for sample in measured],
        "rss_mb_per_hour": round(megabytes / hours, 2),
        "descriptors_per_hour": round(descriptors / hours, 2),
        "wal_mb_per_hour": round(wal / hours, 2),
        "memory_grows": int(megabytes > MEGABYTES_GROWN_MAX),
        "descriptors_grow": int(descriptors > DESCRIPTORS_GROWN_MAX),
        "wal_grows": int(wal > WAL_GROWN_MAX),
    }


async def _sample(server: Server, data: Path, seconds: float) -> Sample:
    await asyncio.sleep(seconds)
    wals = (data / f"{name}.db-wal" for name in ("ledger", "projections"))
    wal = sum(path.stat().st_size for path in wals if path.exists())
    return Sample(server.megabytes(), server.descriptors(), wal / 1e6)


async def _read(random: Random, address: Address, callers: list[Caller], load: Load, until: Callable[[], bool]) -> None:
    """Ask about callers' users, now and as of records that they made."""
    client = Client(ACCOUNT, address)
    while not until():
        await asyncio.sleep(READ_PAUSE)
        caller = random.choice(callers)
        if not caller.acknowledged:
            continue
        at = f"@{random.choice(caller.acknowledged).position}"
        name = caller.user_name
        match random.choice(("call", "call", "aws", "user", "policies", "events", "history", "checkpoint", "missing")):
            case "call":
                reply = await client.call(None, "ListAttachedUserPolicies", {"UserName": name})
            case "aws":
                reply = await client.get(f"/at/{at}/?Action=GetUser&Version=2010-05-08&UserName={name}")
            case "user":
                reply = await client.get(f"/v1/users/{name}?at={at}")
            case "policies":
                reply = await client.get(f"/v1/users/{name}/policies?at={at}")
            case "events":
                reply = await client.get(f"/v1/events?order=desc&limit=20&user={name}")
            case "history":
                reply = await client.get(f"/v1/users/{name}/history?limit=20")
            case "checkpoint":
                reply = await client.get("/v1/checkpoint")
            case _:
                reply = await client.get("/v1/users/nobody")
                load.failed -= reply.status == 404  # which is right
        load.requests += 1
        load.failed += reply.status != 200
        if random.random() < 1 / REQUESTS_ON_A_CONNECTION:
            await client.close()
    await client.close()


async def _follow(random: Random, address: Address, load: Load) -> None:
    """Read a stream for a while, and then another, until cancelled."""
    client = Client(ACCOUNT, address)
    while True:
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(random.uniform(*FOLLOWED_SECONDS)),
                contextlib.aclosing(client.flow("/v1/events/stream?from=now")) as pieces,
            ):
                async for piece in pieces:
                    load.streamed += piece.count(b"id: ")
                load.failed += 1  # it should go on
                await asyncio.sleep(1)


async def _come_and_go(address: Address, load: Load, until: Callable[[], bool]) -> None:
    """Make users, each with a name that nobody had, and delete them; and ask for what is refused."""
    client = Client(GUESTS, address)
    numbers = count(1)
    while not until():
        guest = {"UserName": f"guest-{next(numbers)}"}
        for action, parameters, status in (
            ("CreateUser", guest, 200),
            ("AttachUserPolicy", {**guest, "PolicyArn": ARNS[0]}, 200),
            ("DeleteUser", guest, 409),
            ("DetachUserPolicy", {**guest, "PolicyArn": ARNS[0]}, 200),
            ("DeleteUser", guest, 200),
            ("DeleteUser", {"UserName": "nobody"}, 404),
        ):
            reply = await client.call(None, action, parameters)
            load.requests += 1
            load.failed += reply.status != status
            await asyncio.sleep(GUEST_PAUSE)
    await client.close()


TRIAL = Trial(
    name="soak",
    about="an hour of mixed load on one server: memory, open files and the WAL stay flat",
    rounds=1,
    play=play,
    must_be_zero=("failed", "unsound", "memory_grows", "descriptors_grow", "wal_grows"),
    must_not_be_zero=("writes", "other_requests", "streamed_events"),
)
