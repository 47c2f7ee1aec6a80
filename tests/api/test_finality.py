"""A past answer is final: what was answered for an instant is answered again, whatever was in flight."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.actions import IAM
from api.caller import unauthenticated
from api.service import Request, Service
from iam.quotas import Quotas
from tools.data import DataFolder, open_service

ACCOUNT = "123456789012"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on a real log in this process."""
    async with open_service(DataFolder(tmp_path / "data"), None, Quotas()) as opened:
        await opened.start()
        yield opened


async def write(service: Service, action: str, **parameters: str) -> None:
    """One write by the root user."""
    caller = unauthenticated("", ACCOUNT, "aws")
    request = Request(
        caller=caller,
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
