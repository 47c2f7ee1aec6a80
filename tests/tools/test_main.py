"""The command from outside: its flags, its refusals, and how `serve` begins and ends."""

import json
import re
import signal
import socket
import subprocess
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from api import openapi
from tools.__main__ import _parser, main

WRITES_MAX = 2000
VERBS = ("serve", "verify", "rebuild", "replay", "export", "bench")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., Any]


def create_user(port: int, name: str) -> int:
    """The HTTP status of the call."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        body = urlencode({"Action": "CreateUser", "Version": "2010-05-08", "UserName": name})
        connection.request("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each flag is named with its twin in the environment."""
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])

    assert ended.value.code == 0
    assert "$IAM_LEDGER_" in " ".join(capsys.readouterr().out.split())


def test_the_program_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The one of the package, which is the one that `/openapi.json` and `/metrics` tell."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert capsys.readouterr().out == f"iam-ledger {project['version']}\n"
    assert openapi.document(())["info"]["version"] == project["version"]


@pytest.mark.parametrize(
    ("verb", "name", "value", "expected"),
    [
        ("serve", "data", "/srv/iam", Path("/srv/iam")),
        ("serve", "host", "::1", "::1"),
        ("serve", "port", "9090", 9090),
        ("serve", "auth", "sigv4", "sigv4"),
        ("serve", "account", "111122223333", "111122223333"),
        ("serve", "log", "memory:", "memory:"),
        ("serve", "quota", "PoliciesPerUser=20,PolicySize=9000", ["PoliciesPerUser=20", "PolicySize=9000"]),
        ("verify", "json", "1", True),
        ("verify", "json", "0", False),
        ("verify", "checkpoint", "kept.txt", "kept.txt"),
        ("verify", "public_key", "key.txt", "key.txt"),
        ("replay", "account", "111122223333", "111122223333"),
        ("replay", "user", "alice", "alice"),
        ("replay", "at", "@3", "@3"),
        ("rebuild", "data", "/srv/iam", Path("/srv/iam")),
        ("export", "account", "111122223333", "111122223333"),
        ("export", "from", "2026-11-03T14:03:00Z", "2026-11-03T14:03:00Z"),
        ("export", "to", "@7", "@7"),
        ("export", "format", "csv", "csv"),
        ("bench", "seconds", "0.5", 0.5),
    ],
)
def test_every_flag_has_a_twin_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, verb: str, name: str, value: str, expected: object
) -> None:
    """The twin stands in for a flag that is not given."""
    monkeypatch.setenv(f"IAM_LEDGER_{name.upper()}", value)

    assert getattr(_parser().parse_args([verb]), name) == expected


def test_a_flag_wins_over_its_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nearer to the person counts."""
    monkeypatch.setenv("IAM_LEDGER_PORT", "9090")

    assert _parser().parse_args(["serve", "--port", "7070"]).port == 7070


@pytest.mark.parametrize(
    ("flags", "variables", "status", "said"),
    [
        (("--quota", "Nonsense=3"), {}, 1, "there is no quota"),
        (("--host", "0.0.0.0"), {}, 1, "only loopback addresses are served"),
        (("--auth", "sigv4"), {}, 1, "does not exist yet"),
        (("--account", "12"), {}, 1, "an account has 12 digits"),
        (("--log", "postgres://x"), {}, 1, "only memory:"),
        (("--data", "/dev/null"), {}, 1, "cannot use /dev/null for data"),
        (("--port", "70000"), {}, 2, "70000 is not a port"),
        (("--auth", "maybe"), {}, 2, "maybe is none of off, sigv4"),
        ((), {"IAM_LEDGER_AUTH": "maybe"}, 2, "maybe is none of off, sigv4"),
        ((), {"IAM_LEDGER_PORT": "many"}, 2, "many is not a port"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(
    command: Run, tmp_path: Path, flags: tuple[str, ...], variables: dict[str, str], status: int, said: str
) -> None:
    """Misuse is 2, the rest 1; nobody ever sees a traceback."""
    ended = command("serve", "--data", str(tmp_path), *flags, **{"IAM_LEDGER_PORT": "0", **variables})

    assert ended.returncode == status
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert status == 2 or ended.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", [("replay",), ("export",), ("history", "alice"), ("diff", "alice", "--from", "@1")])
@pytest.mark.parametrize("account", ["12345678901", "1234567890123", "AWS", "١٢٣٤٥٦٧٨٩٠١٢", "123456789012\n"])
def test_an_account_that_is_none_is_misuse(
    capsys: pytest.CaptureFixture[str], verb: tuple[str, ...], account: str
) -> None:
    """Rather than an account that has no records; the ledger `aws` is one."""
    assert _parser().parse_args([*verb, "--account", "aws"]).account == "aws"
    with pytest.raises(SystemExit) as ended:
        main([*verb, "--account", account])

    assert ended.value.code == 2
    assert f"argument --account: {account!r} is no account" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [("replay",), ("history", "alice"), ("diff", "alice")])
def test_only_an_export_is_of_every_account(capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]) -> None:
    """An empty account means all of them there, and nothing elsewhere."""
    assert _parser().parse_args(["export", "--account", ""]).account == ""
    with pytest.raises(SystemExit) as ended:
        main([*verb, "--account", ""])

    assert ended.value.code == 2
    assert "argument --account: '' is no account" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ledger.db", "projections.db", "secrets.db", "keys/request-digest", "keys/secrets"])
def test_a_folder_that_cannot_be_read_is_said_in_a_line(command: Run, tmp_path: Path, name: str) -> None:
    """Here a folder lies where a file should be."""
    (tmp_path / name).mkdir(parents=True)

    ended = command("serve", "--port", "0", "--data", str(tmp_path))

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "iam-ledger serve: cannot " in ended.stderr


def test_a_busy_port_is_said_in_a_line(command: Run, tmp_path: Path) -> None:
    """Somebody else listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        ended = command("serve", "--port", str(port), "--data", str(tmp_path))

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"iam-ledger serve: cannot listen on 127.0.0.1 port {port}: ")
    assert ended.stderr.count("\n") == 1


def test_a_second_server_on_a_folder_names_the_first(command: Run, data: Path, serve: Serve) -> None:
    """It gives up at once, before it reads anything."""
    server = serve(data)
    began = time.monotonic()

    ended = command("serve", "--port", "0", "--data", str(data))

    assert time.monotonic() - began < 3  # the most of it is Python's start
    assert ended.returncode == 1
    assert f"in use by process {server.process.pid}:" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_banner_has_all_that_a_client_needs(data: Path, serve: Serve) -> None:
    """Endpoints, a key, and the region by both its names: some SDKs read the one, some the other."""
    server = serve(data)
    server.process.send_signal(signal.SIGTERM)
    exported = re.findall(r"(?<= )(AWS_\w+)=(\S+)", server.process.stdout.read())

    assert dict(exported) == {
        "AWS_ENDPOINT_URL_IAM": f"http://127.0.0.1:{server.port}",
        "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{server.port}",
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_cleanly(data: Path, serve: Serve, ending: signal.Signals) -> None:
    """Status 0 within seconds, no files of SQLite's own left, nothing said in alarm."""
    server = serve(data)
    assert create_user(server.port, "late") == 200

    server.process.send_signal(ending)

    assert server.process.wait(timeout=5) == 0
    assert "Traceback" not in server.process.stderr.read()
    assert not list(data.glob("*-wal"))


def test_nothing_acknowledged_is_lost_when_the_service_is_killed(
    data: Path, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """After kill -9 in the middle of writes and a restart, every answered call is there and the chain is whole."""
    acknowledged: list[str] = []

    def write_until_it_fails(port: int, writer: str) -> None:
        for number in range(WRITES_MAX):
            try:
                if create_user(port, f"{writer}-{number}") == 200:
                    acknowledged.append(f"{writer}-{number}")
            except (OSError, HTTPException):
                return

    for life in range(2):
        server = serve(data)
        expected = len(acknowledged) + 40
        with ThreadPoolExecutor(4) as writers:
            for writer in range(4):
                writers.submit(write_until_it_fails, server.port, f"user-{life}-{writer}")
            while len(acknowledged) < expected:
                time.sleep(0.001)
            server.process.kill()
        server.process.wait(timeout=5)

    assert main(["verify", "--data", str(data)]) == 0
    server = serve(data)
    capsys.readouterr()
    assert main(["replay", "--data", str(data)]) == 0
    names = {user["user_name"] for user in json.loads(capsys.readouterr().out)["users"]}
    assert len(acknowledged) >= 80
    assert set(acknowledged) <= names
    assert main(["verify", "--data", str(data)]) == 0


def test_nobody_else_reads_what_lies_in_the_folder(tmp_path: Path, serve: Serve) -> None:
    """The folder, its files and the keys are their owner's alone."""
    serve(tmp_path / "data")

    found = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
    assert len(found) > 4
    assert [path for path in found if path.stat().st_mode & 0o077] == []


def test_damaged_projections_are_made_anew_at_the_start(data: Path, serve: Serve) -> None:
    """What follows from the ledger is not worth a repair."""
    path = data / "projections.db"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * (size - 100))

    assert create_user(serve(data).port, "late") == 200


def test_a_damaged_ledger_is_said_in_a_line(command: Run, data: Path) -> None:
    """The service does not start on it; verify says more."""
    path = data / "ledger.db"
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * (path.stat().st_size - 100))

    ended = command("serve", "--port", "0", "--data", str(data))

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "ledger.db" in ended.stderr


@pytest.mark.parametrize("name", ["request-digest", "checkpoint", "secrets"])
def test_a_damaged_key_is_said_in_a_line(command: Run, data: Path, name: str) -> None:
    """A new one would not recognise the calls that the old one did, sign what auditors believe, or open secrets."""
    (data / "keys" / name).write_bytes(b"short")

    ended = command("serve", "--port", "0", "--data", str(data))

    assert ended.returncode == 1
    assert name in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("flags", [(), ("--log", "memory:")])
def test_a_key_in_the_environment_that_is_none_is_said_in_a_line(
    command: Run, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    """Whoever gives one means it; another is not made up."""
    ended = command(
        "serve", "--port", "0", "--data", str(tmp_path / "data"), *flags, IAM_LEDGER_CHECKPOINT_KEY="bm90IGEga2V5"
    )

    assert ended.returncode == 1
    assert ended.stderr == "iam-ledger serve: IAM_LEDGER_CHECKPOINT_KEY is not 32 bytes in base64\n"
