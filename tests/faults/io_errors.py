"""I/O errors under the running service: writes and syncs of the ledger fail at random, and a failed sync forgets.

The service runs in this process over a recorded disk. What it acknowledged must be in the ledger at the end, and in
the images that power cuts at any moment leave; what it answered with an error must be what its repeat says.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from api.actions import IAM, Write
from api.caller import unauthenticated
from api.service import Request, Service
from eventstore import sqlite
from eventstore.chain import BrokenChain, follow
from eventstore.log import Log, LogError, all_heads, read_all
from eventstore.record import EMPTY, Record, open_envelope
from eventstore.sqlite import SqliteLog
from faults.disk import Disk, PowerCut, Step
from faults.trial import Figures, Trial
from iam.errors import ServiceUnavailable
from iam.quotas import Quotas
from projections.accounts import Accounts
from tools.data import DataFolder, open_service

ACCOUNTS = ("111122223333", "222233334444", "333344445555")
CLIENTS = 12
CALLS = 50  # of each client
TRIES_MAX = 1_000
IMAGES = 10
PAGES_PER_CHECKPOINT = 60  # so that there are many, however short a round is
ERRORS = {"write": (sqlite3.SQLITE_IOERR | 3 << 8, sqlite3.SQLITE_FULL), "sync": (sqlite3.SQLITE_IOERR | 4 << 8,)}

DOCUMENT = '{"Version":"2012-10-17","Id":"ID","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'

Key = tuple[str, str]  # account and command id


class Faults:
    """Which writes and syncs fail: for a while hardly any, for a while some, for a moment most of them."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._left = 0
        self._rate = 0.0
        self.armed = False

    def __call__(self, kind: str, name: str) -> int:
        if not self.armed:
            return 0
        if not self._left:
            self._left, self._rate = self._chance.choice(((200, 0.0), (300, 0.002), (100, 0.02), (8, 0.5)))
        self._left -= 1
        rate = self._rate if kind == "write" else min(1.0, self._rate * 5)  # there are far fewer syncs
        return self._chance.choice(ERRORS[kind]) if self._chance.random() < rate else 0


class Calls:
    """What was asked, and what was answered."""

    def __init__(self, service: Service, disk: Disk) -> None:
        self._service = service
        self._disk = disk
        self.acknowledged: dict[Key, Sequence[Record[Any]]] = {}
        self.unknown: dict[Key, tuple[str, dict[str, Any]]] = {}  # answered with an error, and not repeated yet
        self.errors = 0

    async def call(self, key: Key, action: str, parameters: dict[str, Any]) -> bool | None:
        """One call, as it comes in over HTTP. None if it failed, else whether it was answered as a repeat."""
        account, command_id = key
        write = IAM[action]
        assert isinstance(write, Write)
        request = Request(
            caller=unauthenticated(f"Credential={account}/", account, "aws"),
            request_id=command_id,
            command_id=command_id,
            source_ip="127.0.0.1",
            user_agent="io-errors",
        )
        try:
            answer = await self._service.write(request, action, write, parameters)
        except ServiceUnavailable:
            self.errors += 1
            self.unknown[key] = action, parameters
            return None
        self._disk.note(Step("acknowledged", name=answer.records[0].id))
        self.acknowledged[key] = answer.records
        self.unknown.pop(key, None)
        return answer.replayed


def play(seed: int, folder: Path) -> Figures:
    """One life of the service among errors, and the images of a few power cuts in it."""
    chance = Random(seed)
    (folder / "data").mkdir()
    faults = Faults(chance)
    disk = Disk(folder / "data", faults)
    figures: dict[str, int | float | list[float]] = {}
    logging.disable(logging.CRITICAL)  # it tells of each error, as it should
    try:
        with (
            disk.in_use(),
            patch.object(sqlite, "PAGES_PER_CHECKPOINT", PAGES_PER_CHECKPOINT),
            patch.object(SqliteLog, "append", _noting(disk, SqliteLog.append, "accepted")),
            patch.object(Accounts, "reload_all", _noting(disk, Accounts.reload_all, "verified")),
        ):
            acknowledged = asyncio.run(_live(disk, faults, chance, figures))
    finally:
        logging.disable(logging.NOTSET)
    figures["commits"] = sum(step.kind == "accepted" for step in disk.steps)
    figures["write_failures"] = sum(step.kind == "write failed" for step in disk.steps)
    figures["sync_failures"] = sum(step.kind == "sync failed" for step in disk.steps)
    figures["accepted_unverified"] = _accepted_unverified(disk.steps)
    figures["images"] = figures["images_lossy"] = 0
    for number in range(IMAGES):
        image = folder / f"image-{number}"
        image.mkdir()
        steps = disk.steps[: chance.randint(len(disk.steps) // 5, len(disk.steps))]
        for name, content in PowerCut(steps, chance).image().items():
            (image / name).write_bytes(content)
        told = {step.name for step in steps if step.kind == "acknowledged"}
        sound = asyncio.run(_has(image / "ledger.db", [acknowledged[id_] for id_ in told]))
        figures["images"] += 1
        figures["images_lossy"] += not sound
    return figures


async def _live(disk: Disk, faults: Faults, chance: Random, figures: dict[str, Any]) -> dict[str, Record[Any]]:
    """Calls and repeats among errors; then, without errors, what became of each. The acknowledged records by id."""
    async with open_service(DataFolder(disk.folder), None, Quotas()) as service:
        await service.start()
        calls = Calls(service, disk)
        faults.armed = True
        reading = asyncio.create_task(_read_elsewhere(disk, chance))
        await asyncio.gather(*(_client(calls, number, Random(chance.random())) for number in range(CLIENTS)))
        reading.cancel()
        await asyncio.wait([reading])
        faults.armed = False
        figures["acknowledged"], figures["errors"], figures["phantom"] = len(calls.acknowledged), calls.errors, 0
        await calls.call(("000000000000", "last"), "CreateUser", {"user_name": "last"})  # reopens the log if need be
        for key, (action, parameters) in tuple(calls.unknown.items()):
            there = bool(await service.log.find(*key))
            figures["phantom"] += await calls.call(key, action, parameters) is not there
        figures["lost"] = figures["doubled"] = 0
        for key, records in calls.acknowledged.items():
            rows = await service.log.find(*key)
            figures["lost"] += not rows
            figures["doubled"] += len(rows) > len(records)
        records = [record for records in calls.acknowledged.values() for record in records]
        figures["lost"] += not await _holds(service.log, records)
    return {record.id: record for record in records}


async def _client(calls: Calls, number: int, chance: Random) -> None:
    """A caller with a user of its own. It repeats some of what failed at once, and leaves the rest."""
    account, user = chance.choice(ACCOUNTS), {"user_name": f"user-{number}"}
    for _ in range(TRIES_MAX):
        if await calls.call((account, f"create-{number}"), "CreateUser", user) is not None:
            break
    for call in range(CALLS):
        document = DOCUMENT.replace("ID", chance.randbytes(chance.randrange(250)).hex())
        policy = {**user, "policy_name": f"policy-{call % 3}", "policy_document": document}
        key = account, f"put-{number}-{call}"
        for _ in range(TRIES_MAX):
            if await calls.call(key, "PutUserPolicy", policy) is not None or chance.random() < 0.5:
                break


async def _read_elsewhere(disk: Disk, chance: Random) -> None:
    """Another program, that reads the ledger for a moment again and again: then a checkpoint cannot copy all."""
    while True:
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"{(disk.folder / 'ledger.db').as_uri()}?mode=ro")) as other,
        ):
            other.execute("BEGIN")
            other.execute("SELECT 1 FROM records LIMIT 1")
            await asyncio.sleep(chance.random() * 0.05)
        await asyncio.sleep(chance.random() * 0.05)


def _noting(disk: Disk, method: Callable[..., Awaitable[None]], kind: str) -> Callable[..., Awaitable[None]]:
    """The method, which puts a step at the end of the record when it has succeeded."""

    async def noted(*arguments: Any) -> None:
        await method(*arguments)
        disk.note(Step(kind))

    return noted


def _accepted_unverified(steps: Sequence[Step]) -> int:
    """How many appends succeeded between a sync that failed and the reopening behind it."""
    unverified, accepted = False, 0
    for step in steps:
        unverified = (unverified or step.kind == "sync failed") and step.kind != "verified"
        accepted += unverified and step.kind == "accepted"
    return accepted


async def _has(path: Path, records: Sequence[Record[Any]]) -> bool:
    """Whether a file is sound, and holds these records."""
    try:
        async with await SqliteLog.open(path) as log:
            return await _holds(log, records)
    except (LogError, sqlite3.Error):
        return False


async def _holds(log: Log, records: Sequence[Record[Any]]) -> bool:
    """Whether each ledger is a chain, and holds these records where they were told to be."""
    found: dict[tuple[str, int], str] = {}
    async for account, _ in all_heads(log):
        head = EMPTY
        async for row in read_all(log, account):
            try:
                head = follow(head, row)
            except BrokenChain:
                return False
            found[account, row.position] = open_envelope(row).id
    return all(found.get((record.account, record.position)) == record.id for record in records)


TRIAL = Trial(
    name="io_errors",
    about="I/O errors: writes and syncs of the ledger fail at random, and what a failed sync was for is forgotten",
    rounds=100,
    play=play,
    must_be_zero=("lost", "doubled", "phantom", "accepted_unverified", "images_lossy"),
    must_not_be_zero=("acknowledged", "commits", "errors", "write_failures", "sync_failures"),
)
