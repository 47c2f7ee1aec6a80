"""Two files and one promise: a secret is there before the event that names it, and not for long without one."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from api.actions import IAM, Write
from api.aws import Call, load, perform
from api.caller import unauthenticated
from api.service import Request, Service
from eventstore.log import NotWritten, OutcomeUnknown
from eventstore.record import Row
from eventstore.secrets import SecretsError
from iam.errors import IamError, InvalidClientTokenId, ServiceUnavailable
from iam.quotas import Quotas
from tools.data import DataFolder, open_service

ACCOUNT = "123456789012"
MODEL = load("iam", "2010-05-08")


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Service]:
    """A service on real files in this process."""
    async with open_service(DataFolder(folder), None, Quotas()) as service:
        await service.start()
        yield service


async def call(service: Service, action: str, command_id: str | None = None, **parameters: Any) -> Any:
    """One call by the root user: what it is answered."""
    request = Request(
        caller=unauthenticated("", ACCOUNT, "aws"),
        request_id=str(uuid4()),
        command_id=command_id,
        source_ip="127.0.0.1",
        user_agent="test",
    )
    assert isinstance(IAM[action], Write)
    return (await perform(service, request, Call(MODEL.operations[action], parameters), None)).result


async def kept(service: Service) -> list[str]:
    return [secret_id for _, secret_id in await service.keeper.secrets.names()]


async def test_a_secret_is_durable_when_its_event_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen by another connection, at the moment in which the log is asked to append."""
    seen: list[tuple[str, int]] = []
    async with started(tmp_path) as service:
        await call(service, "CreateUser", user_name="alice")
        append = service.log.append

        async def watched(rows: Sequence[Row]) -> None:
            with closing(sqlite3.connect(f"file:{tmp_path / 'secrets.db'}?mode=ro", uri=True)) as reader:
                [(count,)] = reader.execute("SELECT count(*) FROM secrets")
            seen.extend((str(row.record), count) for row in rows)
            await append(rows)

        monkeypatch.setattr(service.log, "append", watched)
        await call(service, "CreateAccessKey", user_name="alice")
        await call(service, "CreateLoginProfile", user_name="alice", password="secret")
        await call(service, "DeleteLoginProfile", user_name="alice")
        assert len(await kept(service)) == 1

    assert [count for _, count in seen] == [1, 2, 2]
    assert ["Created" in record for record, _ in seen] == [True, True, False]


@pytest.mark.parametrize(
    ("failure", "is_written"),
    [
        (NotWritten("the disk is full"), False),
        (OutcomeUnknown("I/O error"), False),
        (OutcomeUnknown("I/O error"), True),
    ],
)
async def test_a_call_of_unknown_outcome_gets_its_secret_when_it_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, *, is_written: bool
) -> None:
    """Whether or not it was written; what nothing names in the end is gone with the next start."""
    async with started(tmp_path) as service:
        await call(service, "CreateUser", user_name="alice")
        append = service.log.append

        async def failing(rows: Sequence[Row]) -> None:
            monkeypatch.setattr(service.log, "append", append)
            if is_written:
                await append(rows)
            raise failure

        monkeypatch.setattr(service.log, "append", failing)
        first = None
        try:
            first = await call(service, "CreateAccessKey", "once", user_name="alice")
        except ServiceUnavailable:
            assert len(await kept(service)) == 1
        key = (await call(service, "CreateAccessKey", "once", user_name="alice"))["AccessKey"]
        assert first is None or first["AccessKey"] == key
    async with started(tmp_path) as service:
        assert await kept(service) == [key["AccessKeyId"]]
        assert (await call(service, "CreateAccessKey", "once", user_name="alice"))["AccessKey"] == key


async def test_where_a_secret_cannot_be_kept_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event, and the call may be repeated."""
    async with started(tmp_path) as service:
        await call(service, "CreateUser", user_name="alice")

        async def full(*_: object) -> None:
            raise SecretsError("a secret could not be kept: database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(service.keeper.secrets, "put", full)
            with pytest.raises(ServiceUnavailable, match="disk is full"):
                await call(service, "CreateAccessKey", "once", user_name="alice")
        assert (await service.log.head(ACCOUNT)).position == 1
        assert (await call(service, "CreateAccessKey", "once", user_name="alice"))["AccessKey"]["SecretAccessKey"]


async def test_a_call_that_fails_for_an_unforeseen_reason_keeps_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that could not be decided is not written, whatever went wrong."""

    def wrong(*_: object) -> list[Any]:
        raise RuntimeError("not foreseen")

    async with started(tmp_path) as service:
        await call(service, "CreateUser", user_name="alice")
        with monkeypatch.context() as patch:
            action = IAM["CreateAccessKey"]
            patch.setitem(IAM, "CreateAccessKey", msgspec.structs.replace(action, decide=wrong))
            with pytest.raises(RuntimeError, match="not foreseen"):
                await call(service, "CreateAccessKey", user_name="alice")
        assert await kept(service) == []
        assert (await service.log.head(ACCOUNT)).position == 1


async def test_a_secret_that_could_not_be_deleted_is_deleted_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is answered: what was asked for has happened."""

    async def failing(*_: object) -> None:
        raise SecretsError("secrets could not be deleted: disk I/O error")

    async with started(tmp_path) as service:
        await call(service, "CreateUser", user_name="alice")
        key = (await call(service, "CreateAccessKey", user_name="alice"))["AccessKey"]["AccessKeyId"]
        with monkeypatch.context() as patch:
            patch.setattr(service.keeper.secrets, "delete", failing)
            await call(service, "DeleteAccessKey", user_name="alice", access_key_id=key)
            with pytest.raises(IamError, match="The user with name x cannot be found"):
                await call(service, "CreateAccessKey", user_name="x")
        assert len(await kept(service)) == 2
        with pytest.raises(InvalidClientTokenId):
            await service.caller(f"Credential={key}/", "210987654321")
    async with started(tmp_path) as service:
        assert await kept(service) == []


async def test_an_account_that_is_not_known_to_the_last_keeps_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of a newer program may name them."""
    async with started(tmp_path) as service:
        await service.keeper.secrets.put(ACCOUNT, "AKIAIOSFODNN7EXAMPLE", "of an event to come")
    known: Callable[[str], bool] = lambda account: account != ACCOUNT  # noqa: E731
    async with open_service(DataFolder(tmp_path), None, Quotas()) as service:
        with monkeypatch.context() as patch:
            patch.setattr(service.projector, "knows", known)
            await service.start()
        assert await kept(service) == ["AKIAIOSFODNN7EXAMPLE"]
    async with started(tmp_path) as service:
        assert await kept(service) == []
