"""What `backup` copies, from a folder at rest and from one that is written to, and what a restored copy answers."""

import ctypes
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tools import backup
from tools.__main__ import main

WRITERS = 4
PAUSE_SECONDS = 0.01  # between the calls of a writer, or the account is full of users before the test is over
FILES = ("keys", "keys/checkpoint", "keys/request-digest", "keys/secrets", "ledger.db", "secrets.db", "uses.db")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1

Serve = Callable[..., Any]


def call(port: int, action: str, command_id: str, key: str = "", **parameters: str | int) -> dict[str, Any]:
    """The data of the answer to a call in the JSON envelope; with a key, as its user."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        body = json.dumps({"Action": action, **parameters})
        headers = {"Content-Type": "application/json", "Idempotency-Key": command_id}
        if key:
            headers["Authorization"] = f"Credential={key}/20261103/us-east-1/iam/aws4_request"
        connection.request("POST", "/", body, headers)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        assert answer["success"], answer
        data: dict[str, Any] = answer["data"]
        return data


def get(port: int, path: str) -> dict[str, Any]:
    """The data of an answer of the native API."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        data: dict[str, Any] = answer["data"]
        return data


def contents(folder: Path) -> dict[str, tuple[int, int] | None]:
    """What lies in a folder: size and time of each file."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def records(ledger: Path) -> list[tuple[Any, ...]]:
    """All records of a file that nobody writes to."""
    with closing(sqlite3.connect(f"{ledger.as_uri()}?immutable=1", uri=True)) as connection:
        return connection.execute("SELECT account, position, record FROM records ORDER BY 1, 2").fetchall()


def test_what_is_precious_is_copied_and_nothing_else(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ledger, secrets and keys as they are, for their owner only; what follows from the ledger is left out."""
    before = contents(data)

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0

    kept = tmp_path / "kept"
    assert tuple(contents(kept)) == FILES
    assert records(kept / "ledger.db") == records(data / "ledger.db")
    for key in FILES[1:4]:
        assert (kept / key).read_bytes() == (data / key).read_bytes()
    assert [path for path in (kept, *kept.rglob("*")) if path.stat().st_mode & 0o077] == []
    assert contents(data) == before
    printed = capsys.readouterr()
    assert printed.out.startswith("2 ledgers, 13 records in ")
    assert printed.err == ""


def test_the_summary_for_a_program(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was copied, and from when on it may lack something."""
    (tmp_path / "kept").mkdir()

    assert main(["backup", "--json", "--data", str(data), str(tmp_path / "kept")]) == 0

    told = json.loads(capsys.readouterr().out)
    size = sum(path.stat().st_size for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert told.keys() == {"folder", "began_at", "ledgers", "records", "secrets", "uses", "bytes", "seconds"}
    assert (told["folder"], told["bytes"]) == (str(tmp_path / "kept"), size)
    assert (told["ledgers"], told["records"], told["secrets"], told["uses"]) == (2, 13, 0, 0)
    assert told["began_at"].endswith("Z")


@pytest.fixture
def load() -> Iterator[Callable[[int], dict[str, dict[str, Any]]]]:
    """Has users made without end, until the test is over. Returns the answers by name, as they come."""
    end = Event()
    with ThreadPoolExecutor(WRITERS) as writers:

        def start(port: int) -> dict[str, dict[str, Any]]:
            acknowledged: dict[str, dict[str, Any]] = {}

            def write(writer: int) -> None:
                for number in count():
                    if end.wait(PAUSE_SECONDS):
                        return
                    name = f"user-{writer}-{number}"
                    acknowledged[name] = call(port, "CreateUser", f"make {name}", UserName=name)

            for writer in range(WRITERS):
                writers.submit(write, writer)
            return acknowledged

        yield start
        end.set()


def wait_for(acknowledged: Mapping[str, Any], number: int) -> None:
    """Until so many calls were answered."""
    for _ in range(20_000):
        if len(acknowledged) >= number:
            return
        Event().wait(0.001)
    raise AssertionError(f"{len(acknowledged)} calls were answered, and then none")


def test_a_copy_made_under_load_has_all_that_was_answered_before_it_began(
    data: Path, serve: Serve, load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy goes page by page, with writes between them, and still is of one moment; served, it answers as before.

    A repeat of an earlier call gets its first result, as the key of request digests came along.
    """
    monkeypatch.setattr(backup, "PAGES_PER_STEP", 1)
    steps: list[int] = []
    monkeypatch.setattr(backup, "BYTES_PER_SYNC", 4096)
    server = serve(data)
    acknowledged = load(server.port)
    sync = os.fdatasync

    def sync_after_a_write(file: int) -> None:
        wait_for(acknowledged, len(acknowledged) + 1)
        steps.append(len(acknowledged))
        sync(file)

    monkeypatch.setattr(os, "fdatasync", sync_after_a_write)
    wait_for(acknowledged, 40)
    before = dict(acknowledged)

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0

    assert steps[0] < steps[-1], "nothing was written meanwhile"
    assert main(["verify", "--data", str(tmp_path / "kept")]) == 0
    restored = serve(tmp_path / "kept")
    kept = {user["UserName"] for user in call(restored.port, "ListUsers", "list", MaxItems=1000)["Users"]}
    assert before.keys() <= kept
    for name in (min(before), max(before)):
        assert call(restored.port, "CreateUser", f"make {name}", UserName=name) == before[name]


def test_a_copy_is_a_prefix_of_what_the_ledger_becomes(
    data: Path, serve: Serve, load: Callable[..., Any], tmp_path: Path
) -> None:
    """Nothing was skipped, whatever was written while it was made."""
    server = serve(data)
    wait_for(load(server.port), 20)

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0

    kept = records(tmp_path / "kept" / "ledger.db")
    with closing(sqlite3.connect(f"{(data / 'ledger.db').as_uri()}?mode=ro", uri=True)) as connection:
        later = set(connection.execute("SELECT account, position, record FROM records"))
    assert set(kept) <= later
    for account in ("123456789012", "aws"):
        positions = [position for owner, position, _ in kept if owner == account]
        assert positions == list(range(1, len(positions) + 1))


def test_after_a_kill_the_newest_records_are_copied_from_the_wal(data: Path, serve: Serve, tmp_path: Path) -> None:
    """They are in no other file until SQLite has moved them."""
    server = serve(data)
    made = call(server.port, "CreateUser", "late", UserName="late")
    server.process.kill()
    server.process.wait(10)
    assert (data / "ledger.db-wal").stat().st_size

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0

    assert ("123456789012", made["position"]) in {row[:2] for row in records(tmp_path / "kept" / "ledger.db")}
    assert tuple(contents(tmp_path / "kept")) == FILES


def test_every_key_that_the_copied_ledger_names_has_its_secret(
    data: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One made while the backup begins, and one deleted once all was copied: repeated, both calls show theirs."""
    server = serve(data)
    made = {"early": call(server.port, "CreateAccessKey", "early", UserName="Bob")}
    copy_files = backup._copy_files

    def copy_amid_changes(*arguments: Any) -> Any:
        made["late"] = made.get("late") or call(server.port, "CreateAccessKey", "late", UserName="Bob")
        heads = copy_files(*arguments)
        early = made["early"]["AccessKey"]["AccessKeyId"]
        call(server.port, "DeleteAccessKey", "delete", UserName="Bob", AccessKeyId=early)
        return heads

    monkeypatch.setattr(backup, "_copy_files", copy_amid_changes)

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0

    restored = serve(tmp_path / "kept")
    assert {name: call(restored.port, "CreateAccessKey", name, UserName="Bob") for name in made} == made


@pytest.fixture
def used(data: Path, serve: Serve) -> tuple[str, dict[str, Any]]:
    """A key that was used before the service was stopped, and what is told of that."""
    server = serve(data)
    key = str(call(server.port, "CreateAccessKey", "make", UserName="Bob")["AccessKey"]["AccessKeyId"])
    call(server.port, "GetUser", "use", key)
    told = call(server.port, "GetAccessKeyLastUsed", "ask", AccessKeyId=key)
    assert told["AccessKeyLastUsed"].keys() == {"LastUsedDate", "ServiceName", "Region"}
    server.process.terminate()
    assert server.process.wait(10) == 0
    return key, told


@pytest.mark.parametrize("running", [False, True])
def test_when_keys_were_last_used_is_in_a_backup(
    data: Path,
    serve: Serve,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    used: tuple[str, dict[str, Any]],
    running: bool,
) -> None:
    """A service on the copy tells it as before."""
    key, told = used
    if running:
        serve(data)

    assert main(["backup", "--json", "--data", str(data), str(tmp_path / "kept")]) == 0

    assert json.loads(capsys.readouterr().out)["uses"] == 1
    restored = serve(tmp_path / "kept")
    assert call(restored.port, "GetAccessKeyLastUsed", "ask", AccessKeyId=key) == told


def overwrite_uses(data: Path) -> None:
    (data / "uses.db").write_bytes(os.urandom(8192))


def cut_uses(data: Path) -> None:
    os.truncate(data / "uses.db", 4096)


def replace_uses(data: Path) -> None:
    shutil.copy(data / "secrets.db", data / "uses.db")


def make_folder_of_uses(data: Path) -> None:
    (data / "uses.db").unlink()
    (data / "uses.db").mkdir()


@pytest.mark.parametrize("damage", [overwrite_uses, cut_uses, replace_uses, make_folder_of_uses])
def test_when_keys_were_last_used_is_left_out_where_it_cannot_be_read(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    """The backup says so, and is good all the same: nothing depends on it."""
    damage(data)

    assert main(["backup", "--json", "--data", str(data), str(tmp_path / "kept")]) == 0

    printed = capsys.readouterr()
    assert json.loads(printed.out)["uses"] is None
    assert printed.err.startswith(f"iam-ledger backup: {data / 'uses.db'} is left out: ")
    assert printed.err.count("\n") == 1
    assert tuple(contents(tmp_path / "kept")) == FILES[:-1]


def test_a_folder_without_uses_is_copied(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As one from before there were any; nothing is missed."""
    (data / "uses.db").unlink()

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0

    assert capsys.readouterr().err == ""
    assert tuple(contents(tmp_path / "kept")) == FILES[:-1]


def test_a_folder_from_before_there_were_secrets_is_copied(data: Path, tmp_path: Path) -> None:
    """It has neither the file of secrets nor their key, nor could anybody use one."""
    for name in ("secrets.db", "keys/secrets", "uses.db"):
        (data / name).unlink()

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0

    assert tuple(contents(tmp_path / "kept")) == ("keys", "keys/checkpoint", "keys/request-digest", "ledger.db")


def test_a_restored_ledger_beside_newer_projections_is_what_counts(
    data: Path, serve: Serve, tmp_path: Path, command: Callable[..., Any]
) -> None:
    """They know records that are gone, and others were written in their place: so they are made anew."""
    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0
    server = serve(data)
    call(server.port, "CreateUser", "gone", UserName="gone")
    assert "gone" in str(get(server.port, "/v1/events?user=gone"))
    server.process.terminate()
    assert server.process.wait(10) == 0

    for name in FILES[1:]:
        shutil.copy(tmp_path / "kept" / name, data / name)
    server = serve(data)

    assert get(server.port, "/v1/events?user=gone")["events"] == []
    call(server.port, "CreateUser", "new", UserName="new")
    assert len(get(server.port, "/v1/events?user=new")["events"]) == 1
    server.process.terminate()
    assert server.process.wait(10) == 0
    verified = command("verify", "--data", str(data))
    assert (verified.returncode, "compared with the fold, 0 differences" in verified.stdout) == (0, True)


def _bound_by_permissions() -> None:
    """Take from root what lets it write where nobody may; others have never had it."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def test_a_folder_that_nobody_may_write_to_is_copied(data: Path, tmp_path: Path) -> None:
    """Such as one on a medium that can only be read."""
    before = contents(data)
    data.chmod(0o500)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "tools", "backup", "--data", str(data), str(tmp_path / "kept")],
            preexec_fn=_bound_by_permissions,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    finally:
        data.chmod(0o700)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert records(tmp_path / "kept" / "ledger.db") == records(data / "ledger.db")
    assert contents(data) == before


def make_file(path: Path) -> None:
    path.write_text("here already")


def fill_folder(path: Path) -> None:
    path.mkdir()
    (path / "something").touch()


@pytest.mark.parametrize(
    ("name", "prepare", "said"),
    [
        ("kept", make_file, "is not an empty folder"),
        ("kept", fill_folder, "is not an empty folder"),
        ("there/is/none", None, "there is no folder"),
        ("data", None, "is in the data folder"),
        ("data/kept", None, "is in the data folder"),
        ("data/keys/../kept", None, "is in the data folder"),
        ("data/link/kept", lambda path: path.parent.symlink_to(path.parent.parent), "is in the data folder"),
        ("k" * 250, None, "File name too long"),
    ],
)
def test_where_no_backup_can_be_is_said_in_a_line(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    prepare: Callable[[Path], None] | None,
    said: str,
) -> None:
    """Nothing is overwritten, and no folder is made that was perhaps to be a mounted disk."""
    if prepare is not None:
        prepare(tmp_path / name)
    before = contents(tmp_path)

    assert main(["backup", "--data", str(data), str(tmp_path / name)]) == 1

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert contents(tmp_path) == before


def test_without_a_ledger_there_is_nothing_to_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty backup would be worse than none."""
    assert main(["backup", "--data", str(tmp_path), str(tmp_path / "kept")]) == 1

    assert "there is no ledger in" in capsys.readouterr().err
    assert contents(tmp_path) == {}


def test_a_ledger_that_was_copied_without_its_keys_can_be_copied_again(data: Path, tmp_path: Path) -> None:
    """A service would make new ones; the records are what matters."""
    shutil.rmtree(data / "keys")

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 0

    assert tuple(contents(tmp_path / "kept")) == ("keys", "ledger.db", "secrets.db", "uses.db")


def lose_pages(data: Path) -> None:
    path = data / "ledger.db"
    path.write_bytes(path.read_bytes()[:8192] + bytes(path.stat().st_size - 8192))


def rewrite(data: Path) -> None:
    with closing(sqlite3.connect(data / "ledger.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER records_are_never_changed")
        rewritten = "CAST(replace(CAST(record AS TEXT), 'runs things', 'ran a thing') AS BLOB)"
        connection.execute(f"UPDATE records SET record = {rewritten} WHERE position = 2")


def shorten_key(data: Path) -> None:
    (data / "keys" / "checkpoint").write_bytes(b"short")


def change_secrets(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "secrets.db", isolation_level=None)) as connection:
        connection.execute(statement)


def lose_secret(data: Path) -> None:
    change_secrets(data, "DELETE FROM secrets")


def alter_secret(data: Path) -> None:
    change_secrets(data, "UPDATE secrets SET ciphertext = zeroblob(40)")


def leave_altered_secret(data: Path) -> None:
    change_secrets(data, "INSERT INTO secrets VALUES ('999999999999', 'AKIA', x'00', x'00')")


def replace_secrets_key(data: Path) -> None:
    (data / "keys" / "secrets").write_bytes(bytes(32))


def overwrite_secrets(data: Path) -> None:
    (data / "secrets.db").write_bytes(os.urandom(8192))


@pytest.mark.parametrize(
    "damage",
    [
        lose_pages,
        rewrite,
        shorten_key,
        lose_secret,
        alter_secret,
        leave_altered_secret,
        replace_secrets_key,
        overwrite_secrets,
    ],
)
def test_what_is_damaged_is_no_backup(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    carry_out: Callable[..., None],
    damage: Callable[[Path], None],
) -> None:
    """One finds out when it is made, not when it is needed."""
    carry_out(data, [("CreateAccessKey", {"user_name": "Bob"})], "key")
    damage(data)

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 1

    assert capsys.readouterr().err.startswith("iam-ledger backup: ")
    assert list(tmp_path.iterdir()) == [data]


@pytest.mark.parametrize("name", ["_copy_files", "_copy_ledger", "_copy_key", "_check", "sync_folder"])
@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 1), (sqlite3.OperationalError("full"), 1)],
)
def test_a_backup_that_does_not_end_well_leaves_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, status: int
) -> None:
    """Under the final name there is a whole one or none, and nothing lies about beside it."""
    before = contents(tmp_path)

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(backup, name, fail)

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == status

    assert contents(tmp_path) == before


def test_a_copy_that_lacks_what_was_there_is_no_backup(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its chains are sound, and still something is missing: so it is held against the heads from before."""
    copy_files = backup._copy_files

    def copy_and_lose(*arguments: Any) -> Any:
        heads = copy_files(*arguments)
        with closing(sqlite3.connect(arguments[1].ledger, isolation_level=None)) as connection:
            protection = connection.execute(
                "SELECT sql FROM sqlite_schema WHERE name = 'records_are_never_deleted'"
            ).fetchone()
            connection.execute("DROP TRIGGER records_are_never_deleted")
            connection.execute("DELETE FROM records WHERE account = '123456789012' AND position = 12")
            connection.execute(*protection)
        return heads

    monkeypatch.setattr(backup, "_copy_files", copy_and_lose)

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 1

    assert "the copy lacks record 12 of ledger 123456789012" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [data]


def test_a_disk_that_is_too_small_is_noticed_first(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service may write to the same one, and is not to stand on a full disk for the sake of a backup."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))  # type: ignore[attr-defined]

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 1

    assert "only 10 are free" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [data]


def test_the_room_is_for_the_ledger_and_the_secrets(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each alone would fit."""
    sizes = [(data / name).stat().st_size for name in ("ledger.db", "secrets.db")]
    usage = shutil._ntuple_diskusage(10**9, 0, sum(sizes) - 1)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    assert main(["backup", "--data", str(data), str(tmp_path / "kept")]) == 1

    assert f"have {sum(sizes):,} bytes, and only {sum(sizes) - 1:,} are free" in capsys.readouterr().err
