"""A past answer is final: what was answered for an instant is answered again, whatever was in flight."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from api.actions import IAM
from api.caller import unauthenticated
from api.service import Request, Service
from eventstore.memory import MemoryLog
from eventstore.notes import SigningKey
from eventstore.record import Row
from eventstore.secrets import Secrets
from eventstore.uses import Uses
from iam import users
from iam.quotas import Quotas
from iam.state import State, World
from iam.users import ListUsers
from iam.uses import Use
from projections.store import Projections
from tools.data import DataFolder, open_service

if TYPE_CHECKING:
    from tests.api.conftest import Account

ACCOUNT = "123456789012"
ROOT = unauthenticated("", ACCOUNT, "aws")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on a real log in this process."""
    async with open_service(DataFolder(tmp_path / "data"), None, Quotas()) as opened:
        await opened.start()
        yield opened


async def write(service: Service, action: str, **parameters: str) -> None:
    """One write by the root user."""
    request = Request(
        caller=ROOT,
        request_id=f"{action}-{parameters}",
        command_id=None,
        source_ip="127.0.0.1",
        user_agent="test",
    )
    await service.write(request, action, IAM[action], parameters)  # type: ignore[arg-type]


async def test_an_instant_asked_while_its_writes_are_in_flight_is_answered_for_good(service: Service) -> None:
    """Sixteen callers write while others ask about this very moment; asked again, each answer is the same."""
    answers = []

    async def ask() -> None:
        for _ in range(40):
            answers.append(await service.resolve(ACCOUNT, None))
            await asyncio.sleep(0)

    async def create(caller: int) -> None:
        for number in range(20):
            await write(service, "CreateUser", user_name=f"user-{caller}-{number}")

    await asyncio.gather(*(create(caller) for caller in range(16)), ask(), ask(), ask())

    assert len({basis.position for basis in answers}) > 3
    for basis in answers:
        assert (await service.resolve(ACCOUNT, basis.instant.isoformat())).position == basis.position


async def test_records_are_stamped_after_every_instant_that_was_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the clock goes back a day."""
    await write(service, "CreateUser", user_name="alice")
    basis = await service.resolve(ACCOUNT, None)
    monkeypatch.setattr(service._writer, "_clock", lambda: datetime(2020, 1, 1, tzinfo=UTC))
    await write(service, "CreateUser", user_name="bob")

    assert (await service.resolve(ACCOUNT, basis.instant.isoformat())).position == basis.position == 1


class LateLog(MemoryLog):
    """A log whose rows are `there` before `append` returns, which waits for the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def append(self, rows: Sequence[Row]) -> None:
        await super().append(rows)
        self.there.set()
        await self.gate.wait()


@pytest.mark.parametrize("way", ["ask", "ask widely", "resolve and read"])
async def test_a_record_on_the_log_that_is_not_answered_yet_is_waited_for(
    tmp_path: Path, world: World, way: str
) -> None:
    """Whoever learns of the position from the log gets the state with that record, not the one before it."""
    log = LateLog()
    service = Service(
        log,
        Projections(tmp_path / "projections.db"),
        world,
        bytes(32),
        SigningKey(bytes(32)),
        await Secrets.open(None, bytes(32)),
        Uses(None, Use),
    )

    def names(state: State) -> list[str]:
        return [user.user_name for _, user in users.list_users(state, ListUsers(), "")]

    async def read() -> tuple[list[str], int]:
        if way == "resolve and read":
            basis = await service.resolve(ACCOUNT, "@2")
            return await service.read_at(ROOT, names, basis), basis.position
        found, basis = await service.ask(ROOT, "@2", names, wide=way == "ask widely")
        return found, basis.position

    try:
        await service.start()
        await write(service, "CreateUser", user_name="alice")
        await service.caught_up(ACCOUNT, 1)
        log.gate.clear()
        log.there.clear()
        writing = asyncio.create_task(write(service, "CreateUser", user_name="bob"))
        await log.there.wait()
        reading = asyncio.create_task(read())
        await asyncio.wait([reading], timeout=0.1)
        log.gate.set()
        assert await reading == (["alice", "bob"], 2)
        await writing
    finally:
        log.gate.set()
        await service.stop()


# The same over HTTP


def call(connection: HTTPConnection, account: Account, path: str, action: str, **parameters: Any) -> Any:
    """The data of a JSON answer, over a connection that is kept."""
    told = {"Authorization": account.authorization, "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps({"Action": action, **parameters}), told)
    answer = json.loads(connection.getresponse().read())
    assert answer["success"], answer
    return answer["data"]


def list_users(connection: HTTPConnection, account: Account, instant: str) -> Any:
    """All users at an instant, with the basis."""
    return call(connection, account, f"/at/{instant}/", "ListUsers", MaxItems=1000)


def folded(events: list[dict[str, Any]], instant: str) -> tuple[int, set[tuple[str, str]]]:
    """The last position up to the instant, and who was there then, from the account's records alone."""
    users: dict[str, str] = {}
    position = 0
    for record in events:
        if datetime.fromisoformat(record["recorded_at"]) > datetime.fromisoformat(instant):
            break
        position, event = record["position"], record["event"]
        if event["type"] == "UserDeleted":
            del users[event["user_id"]]
        else:
            users[event["user_id"]] = event["user_name"]
    return position, set(users.items())


def test_what_was_answered_while_writes_were_in_flight_is_answered_for_ever(account: Account) -> None:
    """Readers ask about the very milliseconds that writers write in, and again when all is done."""
    call_at = ("127.0.0.1", account.server.port)
    done = Event()

    def write(writer: int) -> None:
        with closing(HTTPConnection(*call_at, timeout=20)) as connection:
            for number in range(40):
                name = f"user-{writer}-{number}"
                call(connection, account, "/", "CreateUser", UserName=name)
                if number % 4 == 1:
                    call(connection, account, "/", "UpdateUser", UserName=name, NewUserName=f"{name}-renamed")
                if number % 4 == 2:
                    call(connection, account, "/", "DeleteUser", UserName=name)

    def read(reader: int) -> dict[str, Any]:
        answers = {}
        chance = Random(reader)
        with closing(HTTPConnection(*call_at, timeout=20)) as connection:
            while not done.is_set():
                at = datetime.now(UTC) - timedelta(microseconds=chance.randrange(2000))
                instant = f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
                answers[instant] = list_users(connection, account, instant)
        return answers

    with ThreadPoolExecutor(7) as threads:
        readers = [threads.submit(read, reader) for reader in range(3)]
        try:
            for writer in [threads.submit(write, writer) for writer in range(4)]:
                writer.result(60)
        finally:
            done.set()
        answered = {instant: answer for reader in readers for instant, answer in reader.result(60).items()}

    assert len({answer["basis"]["position"] for answer in answered.values()}) > 1
    events = sorted(account.events(), key=lambda event: int(event["position"]))
    assert len(events) == 4 * (40 + 10 + 10)
    with closing(HTTPConnection(*call_at, timeout=20)) as connection:
        for instant, answer in answered.items():
            assert list_users(connection, account, instant) == answer
            users = {(user["UserId"], user["UserName"]) for user in answer["Users"]}
            assert (answer["basis"]["position"], users) == folded(events, instant)
