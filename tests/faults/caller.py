"""Callers as SDKs make them: each repeats a call under its id until it is answered, and keeps a ledger of the answers.

Each has a user of its own, so it knows what must have become of it, whatever the others do.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import quote

import msgspec

from faults.client import Address, Client

RETRY_SECONDS = 0.01
REPEATED = 0.05  # of the calls: sent once more although they were answered
PAGE = 1000

ARNS = tuple(
    f"arn:aws:iam::aws:policy/{name}"
    for name in ("AdministratorAccess", "IAMUserChangePassword", "AmazonSQSFullAccess", "AmazonSNSFullAccess")
)
INLINE = ("reports", "uploads", "queue")
TAGS = ("team", "cost-center", "environment")


class Acknowledged(msgspec.Struct, frozen=True):
    """A call that was answered with success: under which id it was sent, and which record it was told to be."""

    command_id: str
    action: str
    parameters: dict[str, Any]  # of the action, the name of the user among them
    event_id: str
    position: int


class Caller:
    """A client that changes a user of its own, one call after the other. All of it follows from `random`."""

    def __init__(self, random: Random, account: str, user_name: str, address: Address) -> None:
        self.account = account
        self.user_name = user_name
        self.acknowledged: list[Acknowledged] = []
        self.unforeseen: list[str] = []  # answers that are neither a success nor a request to try again
        self.repeated = 0
        self.answered_differently = 0  # repeats that were not answered with their first result
        self._random = random
        self._client = Client(account, address)
        self._attached: set[str] = set()
        self._inline: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._boundary: str | None = None

    async def live(self, until: Callable[[], bool], pause: float = 0.0) -> None:
        """Make the user, and change it until it is time; `pause` seconds lie between two calls."""
        try:
            await self._done("CreateUser", {})
            while not until():
                if self.acknowledged and self._random.random() < REPEATED:
                    await self._repeat(self._random.choice(self.acknowledged))
                else:
                    await self._done(*self._next())
                await asyncio.sleep(pause)
        finally:
            await self._client.close()

    async def differences(self) -> int:
        """In how many things the user is not what this caller has made of it."""
        try:
            reply = await self._client.get(f"/v1/users/{self.user_name}")
        finally:
            await self._client.close()
        if reply.status == 404:
            return 1
        told = reply.data
        pairs = (
            ({policy["policy_arn"] for policy in told["attached"]}, self._attached),
            ({policy["policy_name"]: policy["policy_document"] for policy in told["inline"]}, self._inline),
            ({tag["key"]: tag["value"] for tag in told["tags"]}, self._tags),
            (told["permissions_boundary"], self._boundary),
        )
        return sum(found != expected for found, expected in pairs)

    async def _done(self, action: str, parameters: dict[str, Any]) -> None:
        """Have a call done, once, however often it must be sent."""
        parameters = {"UserName": self.user_name, **parameters}
        command_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        told = await self._answer(command_id, action, parameters)
        if told is not None:
            self.acknowledged.append(Acknowledged(command_id, action, parameters, told["id"], told["position"]))

    async def _repeat(self, call: Acknowledged) -> None:
        """Send again what was answered long ago. The answer must be the same."""
        told = await self._answer(call.command_id, call.action, call.parameters)
        self.repeated += 1
        self.answered_differently += told is None or (told["id"], told["position"]) != (call.event_id, call.position)

    async def _answer(self, command_id: str, action: str, parameters: dict[str, Any]) -> Any:
        while True:
            try:
                reply = await self._client.call(command_id, action, parameters)
            except (OSError, EOFError):
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if reply.status == 200:
                return reply.data
            if reply.status != 503:
                self.unforeseen.append(f"{action}: {reply.status} {reply.body.decode()}")
                return None
            await asyncio.sleep(RETRY_SECONDS)

    def _next(self) -> tuple[str, dict[str, Any]]:
        """A call that changes something, and is not refused."""
        match self._random.choice(("attached", "inline", "inline", "tags", "boundary")):
            case "attached":
                arn = self._random.choice(ARNS)
                action = "DetachUserPolicy" if arn in self._attached else "AttachUserPolicy"
                self._attached ^= {arn}
                return action, {"PolicyArn": arn}
            case "inline":
                name = self._random.choice(INLINE)
                if self._inline.pop(name, None) is not None and self._random.random() < 0.5:
                    return "DeleteUserPolicy", {"PolicyName": name}
                self._inline[name] = self._document()
                return "PutUserPolicy", {"PolicyName": name, "PolicyDocument": self._inline[name]}
            case "tags":
                key = self._random.choice(TAGS)
                if self._tags.pop(key, None) is not None and self._random.random() < 0.5:
                    return "UntagUser", {"TagKeys": [key]}
                self._tags[key] = self._word()
                return "TagUser", {"Tags": [{"Key": key, "Value": self._tags[key]}]}
            case _:
                if self._boundary is not None:
                    self._boundary = None
                    return "DeleteUserPermissionsBoundary", {}
                self._boundary = self._random.choice(ARNS)
                return "PutUserPermissionsBoundary", {"PermissionsBoundary": self._boundary}

    def _document(self) -> str:
        allowed = f'{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::{self._word()}/*"}}'
        return f'{{"Version":"2012-10-17","Statement":[{allowed}]}}'

    def _word(self) -> str:
        return f"{self._random.getrandbits(64):016x}"


class Compared(msgspec.Struct):
    """What callers were told, held against the records of their account."""

    acknowledged: int = 0
    lost: int = 0  # answered with success, and not there as they were told
    doubled: int = 0  # further records of a call that can only have one
    unknown: int = 0  # records of calls that nobody made
    gaps: int = 0  # records that do not stand one behind the position before


async def compare(callers: list[Caller], address: Address) -> Compared:
    """Hold callers' ledgers against what the API says. All their calls were answered, and nobody else made any."""
    compared = Compared()
    for account in {caller.account for caller in callers}:
        told = [call for caller in callers if caller.account == account for call in caller.acknowledged]
        records = await records_of(account, address)
        there = {(record["command_id"], record["id"], record["position"]) for record in records}
        times = Counter(record["command_id"] for record in records)
        compared.acknowledged += len(told)
        compared.lost += sum((call.command_id, call.event_id, call.position) not in there for call in told)
        compared.doubled += sum(number - 1 for number in times.values())
        compared.unknown += len(times.keys() - {call.command_id for call in told})
        compared.gaps += sum(record["position"] != place for place, record in enumerate(records, 1))
    return compared


async def records_of(account: str, address: Address) -> list[dict[str, Any]]:
    """All records of an account, in the order that the API gives."""
    client = Client(account, address)
    found: list[dict[str, Any]] = []
    cursor = ""
    try:
        while True:
            page = (await client.get(f"/v1/events?limit={PAGE}{cursor}")).data
            found += page["events"]
            if page["cursor"] is None:
                return found
            cursor = f"&cursor={quote(page['cursor'], safe='')}"
    finally:
        await client.close()
