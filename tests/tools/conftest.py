"""A small history in a data folder, the command as a person runs it, and a server that is always ended."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from api.actions import IAM, Write
from api.caller import unauthenticated
from api.service import Request
from iam.quotas import Quotas
from tools.data import DataFolder, open_service

ACCOUNT = "123456789012"
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'
OTHER_DOCUMENT = DOCUMENT.replace("Get", "Put")
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
OPS = f"arn:aws:iam::{ACCOUNT}:policy/ops"

HISTORY: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("CreateUser", {"user_name": "Alice", "path": "/team/", "tags": [{"key": "Team", "value": "red"}]}),
    ("CreatePolicy", {"policy_name": "ops", "policy_document": DOCUMENT, "description": "runs things"}),
    ("AttachUserPolicy", {"user_name": "alice", "policy_arn": READ_ONLY}),
    ("AttachUserPolicy", {"user_name": "alice", "policy_arn": OPS}),
    ("PutUserPolicy", {"user_name": "alice", "policy_name": "Reader", "policy_document": DOCUMENT}),
    ("PutUserPolicy", {"user_name": "alice", "policy_name": "reader", "policy_document": OTHER_DOCUMENT}),
    ("CreatePolicyVersion", {"policy_arn": OPS, "policy_document": OTHER_DOCUMENT, "set_as_default": True}),
    ("DetachUserPolicy", {"user_name": "alice", "policy_arn": READ_ONLY}),
    ("AttachUserPolicy", {"user_name": "alice", "policy_arn": OPS}),
    ("UpdateUser", {"user_name": "alice", "new_user_name": "Bob"}),
    ("CreateUser", {"user_name": "alice", "permissions_boundary": READ_ONLY}),
    ("TagUser", {"user_name": "alice", "tags": [{"key": "é", "value": "ü"}]}),
)


async def _carry_out(folder: Path, calls: Sequence[tuple[str, Mapping[str, Any]]], ids: str) -> None:
    async with open_service(DataFolder(folder), None, Quotas()) as service:
        await service.start()
        for number, (action, parameters) in enumerate(calls):
            request = Request(
                caller=unauthenticated("", ACCOUNT, "aws"),
                request_id=f"{ids}-{number}",
                command_id=f"{ids}-{number}",
                source_ip="127.0.0.1",
                user_agent="tests",
            )
            operation = IAM[action]
            assert isinstance(operation, Write)
            await service.write(request, action, operation, parameters)


@pytest.fixture(scope="session")
def carry_out() -> Callable[..., None]:
    """Has calls of the account carried out, in a service over a folder. Their ids begin with a word new to it."""
    return lambda folder, calls, ids="request": asyncio.run(_carry_out(folder, calls, ids))


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory, carry_out: Callable[..., None]) -> Path:
    """A folder nobody changes."""
    folder = tmp_path_factory.mktemp("history")
    carry_out(folder, HISTORY)
    return folder


@pytest.fixture
def data(history: Path, tmp_path: Path) -> Path:
    """A copy of the history to do things to."""
    return Path(shutil.copytree(history, tmp_path / "data"))


def _environment(**variables: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("IAM_LEDGER_")} | variables


class Server:
    """`iam-ledger serve` in a process of its own."""

    def __init__(self, folder: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "tools", "serve", "--data", str(folder), "--port", "0", *flags]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line.partition("http://127.0.0.1:")[2].split()[0])

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=10)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers over a folder, and ends them with the test."""
    servers: list[Server] = []

    def start(folder: Path, *flags: str) -> Server:
        servers.append(Server(folder, *flags))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command() -> Run:
    """Runs the command in a process of its own, with these arguments and environment."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "tools", *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            env=_environment(**variables),
            check=False,
        )

    return run
