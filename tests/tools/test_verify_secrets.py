"""`verify` opens every secret that the ledgers name, says which it cannot, and tells nobody what they are."""

import json
import os
import re
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tools.__main__ import main

ACCOUNT = "123456789012"
PASSWORD = "correct horse battery staple"
NAMED: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("CreateAccessKey", {"user_name": "Bob"}),  # record 13
    ("CreateLoginProfile", {"user_name": "Bob", "password": PASSWORD}),
    ("CreateServiceSpecificCredential", {"user_name": "alice", "service_name": "codecommit.amazonaws.com"}),
    ("CreateVirtualMFADevice", {"virtual_mfa_device_name": "phone"}),
    ("CreateAccessKey", {"user_name": "alice"}),
    ("UpdateLoginProfile", {"user_name": "Bob", "password": f"{PASSWORD}!"}),
    ("DeleteLoginProfile", {"user_name": "Bob"}),
)
OPEN = 4  # of these, in the end


@pytest.fixture(scope="session")
def with_secrets(history: Path, tmp_path_factory: pytest.TempPathFactory, carry_out: Callable[..., None]) -> Path:
    """A folder with secrets, which nobody changes."""
    folder = Path(shutil.copytree(history, tmp_path_factory.mktemp("secrets") / "data"))
    carry_out(folder, NAMED, "secrets")
    return folder


@pytest.fixture
def data(with_secrets: Path, tmp_path: Path) -> Path:
    """A copy of it to do things to."""
    return Path(shutil.copytree(with_secrets, tmp_path / "data"))


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Callable[[Path], tuple[int, dict[str, Any]]]:
    """The exit status, and what is told of secrets to a program. What is told to a person begins with SECRETS."""

    def run(folder: Path) -> tuple[int, dict[str, Any]]:
        status = main(["verify", "--data", str(folder)])
        assert main(["verify", "--data", str(folder), "--json"]) == status
        *lines, last = capsys.readouterr().out.splitlines()
        report = json.loads(last)
        assert report["sound"] == (status == 0)
        assert (report["broken"], report["differing"]) == ([], 0)
        assert any(line.startswith("SECRETS ") for line in lines) == (status == 1)
        assert PASSWORD not in "".join(lines) + last
        secrets: dict[str, Any] = report["secrets"]
        return status, secrets

    return run


Verify = Callable[[Path], tuple[int, dict[str, Any]]]


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "secrets.db", isolation_level=None)) as connection:
        connection.execute(statement)


def ids(folder: Path, beginning: str) -> list[str]:
    """The ids of secrets, in the order of their ids."""
    with closing(sqlite3.connect(f"{(folder / 'secrets.db').as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT id FROM secrets WHERE id GLOB ?1 || '*' ORDER BY id", (beginning,))
        return [secret_id for (secret_id,) in rows]


def test_every_secret_is_opened(data: Path, verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are no more are not missed, and nothing appears beside the file."""
    before = sorted(data.iterdir())

    assert verify(data) == (0, {"state": "opened", "opened": OPEN, "lost": 0, "losses": []})

    main(["verify", "--data", str(data)])
    assert f"\nsecrets: {OPEN} opened, 0 missing or unreadable\n" in capsys.readouterr().out
    assert sorted(data.iterdir()) == before


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM secrets WHERE id = '{}'", "is missing"),
        ("UPDATE secrets SET id = id || 'X' WHERE id = '{}'", "is missing"),
        ("UPDATE secrets SET ciphertext = zeroblob(40) WHERE id = '{}'", "does not open"),
        ("UPDATE secrets SET nonce = x'' WHERE id = '{}'", "does not open"),
    ],
)
def test_a_secret_that_is_missing_or_was_altered_is_told(
    data: Path, verify: Verify, statement: str, problem: str
) -> None:
    """With whose it is, and the record that named it."""
    keys = ids(data, "AKIA")
    for key in keys:
        change(data, statement.format(key))

    status, secrets = verify(data)

    told = {loss["id"]: loss for loss in secrets["losses"] if "of" in loss}
    assert (status, sorted(told)) == (1, keys)
    assert sorted((loss["account"], loss["user_name"], loss["position"]) for loss in told.values()) == [
        (ACCOUNT, "Bob", 13),
        (ACCOUNT, "alice", 17),
    ]
    assert all(loss["problem"].startswith(problem) and loss["of"].startswith("AIDA") for loss in told.values())


def test_a_person_reads_whose_secret_it_is(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each, and what to do."""
    change(data, "DELETE FROM secrets WHERE id NOT GLOB 'AKIA*'")

    assert main(["verify", "--data", str(data)]) == 1

    told = capsys.readouterr().out
    lines = re.findall(rf"^SECRETS account {ACCOUNT}, record ([0-9]+): the secret [A-Z2-7]+ (.*)$", told, re.MULTILINE)
    assert sorted(lines) == [("15", "of alice is missing"), ("16", f"of arn:aws:iam::{ACCOUNT}:mfa/phone is missing")]
    assert f"secrets: {OPEN - 2} opened, 2 missing or unreadable\n" in told
    assert told.endswith("the secrets are not: take `secrets.db` and `keys/secrets` from a backup.\n")


def test_a_secret_that_no_record_names_is_only_to_open(data: Path, verify: Verify) -> None:
    """It is left over from a crash, and goes at the next start, which must be able to read it."""
    change(data, "INSERT INTO secrets SELECT '999999999999', id, nonce, ciphertext FROM secrets LIMIT 1")

    status, secrets = verify(data)

    [loss] = secrets["losses"]
    assert (status, secrets["opened"]) == (1, OPEN)
    assert (loss["account"], loss.keys() & {"of", "position"}) == ("999999999999", set())


@pytest.mark.parametrize(("name", "state"), [("secrets.db", "missing"), ("keys/secrets", "without a key")])
def test_a_copy_without_secrets_is_no_failure(
    data: Path, verify: Verify, capsys: pytest.CaptureFixture[str], name: str, state: str
) -> None:
    """An auditor has the ledger alone."""
    (data / name).unlink()

    assert verify(data) == (0, {"state": state, "opened": 0, "lost": 0, "losses": []})

    main(["verify", "--data", str(data)])
    assert f"\nsecrets: {state}, not checked\n" in capsys.readouterr().out


def test_the_key_may_come_from_the_environment(data: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the service; with another one than they were sealed with, nothing opens."""
    key = (data / "keys" / "secrets").read_bytes()
    (data / "keys" / "secrets").unlink()

    monkeypatch.setenv("IAM_LEDGER_SECRETS_KEY", b64encode(key).decode())
    assert verify(data)[0] == 0
    monkeypatch.setenv("IAM_LEDGER_SECRETS_KEY", b64encode(bytes(32)).decode())
    status, secrets = verify(data)
    assert (status, secrets["opened"], secrets["lost"]) == (1, 0, OPEN)


def shorten_key(data: Path) -> None:
    (data / "keys" / "secrets").write_bytes(b"short")


def overwrite(data: Path) -> None:
    (data / "secrets.db").write_bytes(os.urandom(8192))


def empty(data: Path) -> None:
    (data / "secrets.db").write_bytes(b"")


def damage_pages(data: Path) -> None:
    content = bytearray((data / "secrets.db").read_bytes())
    content[4096:4116] = os.urandom(20)
    (data / "secrets.db").write_bytes(content)


@pytest.mark.parametrize("damage", [shorten_key, overwrite, empty, damage_pages])
def test_a_damaged_file_or_key_is_told(data: Path, verify: Verify, damage: Callable[[Path], None]) -> None:
    """In words, and the rest is verified all the same."""
    damage(data)

    status, secrets = verify(data)

    assert (status, secrets["state"], secrets["lost"]) == (1, "damaged", 1)
    assert set(secrets["losses"][0]) == {"problem"}


@contextmanager
def keys_come_and_go(port: int) -> Iterator[list[int]]:
    """Somebody who makes access keys and deletes them, without a pause; how many there were."""
    over, made = Event(), [0]

    def live() -> None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:

            def call(action: str, **parameters: str) -> Any:
                body = json.dumps({"Action": action, "UserName": "coming-and-going", **parameters})
                connection.request("POST", "/", body, {"Content-Type": "application/json"})
                return json.loads(connection.getresponse().read())["data"]

            call("CreateUser")
            for made[0] in count(1):
                key = call("CreateAccessKey")["AccessKey"]["AccessKeyId"]
                call("DeleteAccessKey", AccessKeyId=key)
                if over.is_set():
                    return

    thread = Thread(target=live)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join()


def test_secrets_that_come_and_go_meanwhile_are_no_findings(
    data: Path, verify: Verify, serve: Callable[..., Any], tmp_path: Path
) -> None:
    """Ledger and secrets are read as of one moment, and copied as of one."""
    server = serve(data)
    with keys_come_and_go(server.port) as made:
        for number in range(3):
            assert verify(data)[0] == 0
            assert main(["backup", "--data", str(data), str(tmp_path / f"kept-{number}")]) == 0
    assert made[0] > 1
