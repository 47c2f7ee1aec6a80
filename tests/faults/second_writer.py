"""Two that write one folder: the second server is turned away, and where two writers are forced onto one file, it stays
one ledger."""

import asyncio
import time
from pathlib import Path
from random import Random

import msgspec

from eventstore.sqlite import SqliteLog
from eventstore.writer import Answer, Command, Unavailable
from faults.client import Address, Client
from faults.counters import CounterWriter, Number, Raised, look, raising, writing
from faults.server import Server
from faults.trial import Figures, Trial

CALLERS = 16
COMMANDS = 20  # of each caller
ACCOUNTS = ("111122223333", "444455556666")
SENT_TO_BOTH = 0.2  # of the commands


def play(seed: int, folder: Path) -> Figures:
    """A second server on a folder, and then two writers on one file."""
    random = Random(seed)
    return {**asyncio.run(_two_servers(folder / "data")), **asyncio.run(_two_writers(random, folder / "ledger.db"))}


async def _two_servers(data: Path) -> dict[str, int | float | list[float]]:
    with Server(data) as first:
        address = Address(first.wait_until_ready().port)
        began = time.monotonic()
        named = _refusal(data)
        seconds = time.monotonic() - began
        client = Client(ACCOUNTS[0], address)
        healthy = (await client.get("/readyz")).status == 200
        await client.close()
    return {
        "refused": int(named is not None),
        "let_in": int(named is None),
        "not_named": int(named is not None and f"is in use by process {first.process.pid}:" not in named),
        "first_disturbed": int(not healthy),
        "kept_out_after_the_first": int(_refusal(data) is not None),
        "refused_after_s": [seconds],
    }


def _refusal(data: Path) -> str | None:
    """What a server says that may not serve the folder; None from one that serves it."""
    with Server(data) as server:
        try:
            server.wait_until_ready()
        except RuntimeError as refusal:
            return str(refusal)
    return None


async def _two_writers(random: Random, path: Path) -> dict[str, int | float | list[float]]:
    answers: list[Answer[Raised]] = []
    differently = given_up = 0

    async def insist(writer: CounterWriter, command: Command[Number, Raised]) -> Answer[Raised]:
        nonlocal given_up
        while True:
            try:
                return await writer.submit(command)
            except Unavailable:
                given_up += 1

    async def call(random: Random) -> None:
        nonlocal differently
        for _ in range(COMMANDS):
            command = raising(random, random.choice(ACCOUNTS), by=random.randint(1, 2))
            asked = writers if random.random() < SENT_TO_BOTH else [random.choice(writers)]
            told = await asyncio.gather(*(insist(writer, command) for writer in asked))
            differently += any(answer.records != told[0].records for answer in told)
            answers.extend(told)

    async with (
        await SqliteLog.open(path) as one,
        await SqliteLog.open(path) as other,
        writing(one) as (first, counters),
        writing(other) as (second, others),
    ):
        writers = [first, second]
        async with asyncio.TaskGroup() as callers:
            for _ in range(CALLERS):
                callers.create_task(call(Random(random.random())))
        found = await look(one, ACCOUNTS, answers)
    return {
        "collisions": counters.reloads + others.reloads,
        "given_up": given_up,
        "answers": len(answers),
        **msgspec.structs.asdict(found),
        "answered_differently": differently,
    }


TRIAL = Trial(
    name="second_writer",
    about="a second server on a folder is turned away; two writers forced onto one file stay dense",
    rounds=200,
    play=play,
    must_be_zero=(
        "let_in",
        "not_named",
        "first_disturbed",
        "kept_out_after_the_first",
        "lost",
        "doubled",
        "gaps",
        "answered_differently",
    ),
    must_not_be_zero=("refused", "collisions", "answers"),
)
