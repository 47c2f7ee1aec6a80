"""Callers of a service that refuses at times: they repeat some of what was refused at once, and leave the rest.

At the end everything is repeated that was left, and held against the records: what was acknowledged is there; what was
refused is there only if its repeat says so.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from faults.caller import records_of
from faults.client import Address, Client, Reply

PAUSE_SECONDS = 0.02  # between two calls of a caller, so that they do not only wait for each other
POLL_SECONDS = 0.005
TRIES_MAX = 500
UNAVAILABLE = b'"code":"SERVICE_UNAVAILABLE"'

Call = tuple[str, dict[str, Any]]  # action and parameters


async def comes_true(condition: Callable[[], bool]) -> None:
    """Return when it holds, whatever makes it hold."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(POLL_SECONDS)


def is_refusal(reply: Reply) -> bool:
    """Whether an answer is what it should be when nothing can be written: 503, and when to try again."""
    return reply.status == 503 and UNAVAILABLE in reply.body and b"\r\nretry-after: " in reply.head.lower()


class Caller:
    """A client that puts policies into a user of its own, one call after the other."""

    def __init__(self, random: Random, account: str, user_name: str, address: Address) -> None:
        self.account = account
        self.user_name = user_name
        self.acknowledged: dict[str, tuple[str, int]] = {}  # event id and position by command id
        self.left: dict[str, Call] = {}  # refused and not repeated yet
        self.refused = 0
        self.other_answers: list[str] = []
        self._random = random
        self._client = Client(account, address)

    async def live(self, until: Callable[[], bool]) -> None:
        """Make the user, and change it until it is time."""
        try:
            await self._insist(self._command_id(), ("CreateUser", {"UserName": self.user_name}))
            while not until():
                command_id, call = self._command_id(), self._next()
                refused = not await self.send(command_id, call)
                while refused and not until() and self._random.random() < 0.9:
                    await asyncio.sleep(PAUSE_SECONDS)
                    refused = not await self.send(command_id, call)
                await asyncio.sleep(PAUSE_SECONDS * self._random.random())
        finally:
            await self._client.close()

    async def send(self, command_id: str, call: Call) -> bool:
        """Whether a call was acknowledged. What was refused is kept."""
        reply = await self._client.call(command_id, *call)
        if reply.status == 200:
            self.acknowledged[command_id] = reply.data["id"], reply.data["position"]
            self.left.pop(command_id, None)
            return True
        self.left[command_id] = call
        self.refused += 1
        if not is_refusal(reply):
            self.other_answers.append(f"{call[0]}: {reply.status} {reply.body.decode()}")
        return False

    async def repeat_what_is_left(self) -> None:
        """Have all done that was refused."""
        try:
            for command_id, call in tuple(self.left.items()):
                await self._insist(command_id, call)
        finally:
            await self._client.close()

    async def _insist(self, command_id: str, call: Call) -> None:
        for _ in range(TRIES_MAX):
            if await self.send(command_id, call):
                return
            await asyncio.sleep(PAUSE_SECONDS)
        raise RuntimeError(f"{call[0]} is refused for ever")

    def _command_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def _next(self) -> Call:
        allowed = (
            f'{{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::{self._random.randbytes(200).hex()}/*"}}'
        )
        document = f'{{"Version":"2012-10-17","Statement":[{allowed}]}}'
        name = self._random.choice(("reports", "uploads"))
        return "PutUserPolicy", {"UserName": self.user_name, "PolicyName": name, "PolicyDocument": document}


async def settle(callers: list[Caller], address: Address) -> dict[str, int]:
    """Repeat what was left, and hold all of it against the records. The fault is over."""
    figures = Counter({"lost": 0, "doubled": 0, "phantom": 0})
    for account in {caller.account for caller in callers}:
        ours = [caller for caller in callers if caller.account == account]
        left = {command_id for caller in ours for command_id in caller.left}
        before = {record["command_id"]: record["id"] for record in await records_of(account, address)}
        for caller in ours:
            await caller.repeat_what_is_left()
        told = {command_id: where for caller in ours for command_id, where in caller.acknowledged.items()}
        records = await records_of(account, address)
        there = {(record["command_id"], record["id"], record["position"]) for record in records}
        figures["lost"] += sum((command_id, *where) not in there for command_id, where in told.items())
        figures["doubled"] += sum(n - 1 for n in Counter(record["command_id"] for record in records).values())
        figures["phantom"] += sum(told[id_][0] != before[id_] for id_ in left & before.keys())
    return dict(figures)
