"""`verify --checkpoint`: a ledger continues the one that somebody kept a checkpoint of, or that is found out."""

import asyncio
import json
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from api.actions import IAM, Write
from api.caller import unauthenticated
from api.checkpoints import Proof, proof_of
from api.service import Request as ServiceRequest
from api.service import Service
from eventstore.merkle import EMPTY_ROOT, TILE
from eventstore.notes import SigningKey, TreeHead, read
from eventstore.record import leaf_hash
from iam.quotas import Quotas
from tools.__main__ import main
from tools.data import DataFolder, open_service

ACCOUNT = "123456789012"
RECORDS = 12
STRANGER = SigningKey(bytes(32))

Serve = Callable[..., Any]


@dataclass(frozen=True)
class Kept:
    """What an auditor took home: the checkpoint, and the key that checks it."""

    note: str
    key: str

    @property
    def head(self) -> TreeHead:
        """What the checkpoint says."""
        return read(self.note)


async def first_proof(service: Service) -> Proof:
    """The proof of the account's first record, which has a checkpoint of the whole ledger in it."""
    [row] = await service.log.get(ACCOUNT, [1])
    return await proof_of(service, row)


async def taken(folder: Path) -> Kept:
    """A checkpoint of what is in the folder now."""
    async with open_service(DataFolder(folder), None, Quotas()) as service:
        await service.start()
        note = (await first_proof(service)).checkpoint
        return Kept(note, service.signing_key.public(read(note).origin).text)


@pytest.fixture(scope="session")
def kept(history: Path) -> Kept:
    """A checkpoint of the whole history."""
    return asyncio.run(taken(history))


Verify = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def verify(data: Path, kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs the verb with a checkpoint and its key, and answers its status and its JSON, with what was refused in it."""

    def run(note: str = kept.note, key: str | None = kept.key, folder: Path = data) -> tuple[int, dict[str, Any]]:
        file = tmp_path / "kept.txt"
        file.write_text(note)
        given = [] if key is None else ["--public-key", key]
        status = main(["verify", "--data", str(folder), "--checkpoint", str(file), *given, "--json"])
        told = capsys.readouterr()
        return status, json.loads(told.out) if told.out else {"refused": told.err}

    return run


def tamper(path: Path, *statements: str) -> None:
    """Carry out statements that no trigger hinders, and leave the file as a careful forger would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)


def rewrite(folder: Path, old: bytes, new: bytes, account: str = ACCOUNT) -> None:
    """Replace a text in a ledger, and make all hashes anew, so that the chain is whole again."""
    statements = []
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        rows = connection.execute(
            "SELECT position, record, hash FROM records WHERE account = ? ORDER BY position", (account,)
        ).fetchall()
    previous = {}
    for position, record, hash_ in rows:
        forged = record.replace(old, new)
        for before, after in previous.items():
            forged = forged.replace(before, after)
        previous = {hash_.hex().encode(): leaf_hash(forged).hex().encode()}
        statements.append(
            f"UPDATE records SET record = x'{forged.hex()}', hash = x'{leaf_hash(forged).hex()}'"
            f" WHERE account = '{account}' AND position = {position}"
        )
    tamper(folder / "ledger.db", *statements)
    (folder / "projections.db").unlink()


def is_sound_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    """What verify says without a checkpoint."""
    status = main(["verify", "--data", str(folder)])
    assert "Records cut off the end" in capsys.readouterr().out
    return status == 0


def test_a_ledger_continues_its_checkpoint(verify: Verify, kept: Kept) -> None:
    """The root over its records, read from the ledger alone, is the one that was signed."""
    status, report = verify()

    assert (status, report["sound"]) == (0, True)
    assert report["checkpoint"] == {
        "origin": kept.head.origin,
        "size": RECORDS,
        "root": b64encode(kept.head.root).decode(),
        "own_key": False,
        "problem": None,
    }


def test_a_person_is_told_what_was_shown_and_what_was_not(
    data: Path, kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many records, which root, and the limits of that; more limits where the folder's own key is used."""
    file = tmp_path / "kept.txt"
    file.write_text(kept.note)
    flags = ["verify", "--data", str(data), "--checkpoint", str(file)]

    assert main([*flags, "--public-key", kept.key]) == 0
    told = capsys.readouterr().out
    root = b64encode(kept.head.root).decode()
    assert f"The ledger continues the one of the checkpoint: 12 records, root {root}\n" in told
    assert "Of what was recorded since" in told
    assert "own key" not in told
    assert main(flags) == 0
    assert "own key" in capsys.readouterr().out


def test_a_ledger_that_has_grown_continues_its_older_checkpoint(
    data: Path, verify: Verify, kept: Kept, serve: Serve
) -> None:
    """And while it is served; the newer checkpoint, as the service answers it in JSON, holds as well."""
    server = serve(data)
    told = b'{"Action": "CreateUser", "UserName": "later"}'
    address = f"http://127.0.0.1:{server.port}"
    with urlopen(Request(f"{address}/", told, {"Content-Type": "application/json"})):
        pass
    with urlopen(f"{address}/v1/checkpoint") as answer:
        newer = answer.read().decode()

    assert verify()[0] == 0
    status, report = verify(newer)
    assert (status, report["checkpoint"]["size"]) == (0, RECORDS + 1)
    assert json.loads(newer)["data"]["public_key"] == kept.key


def test_the_folders_own_key_proves_less(data: Path, verify: Verify) -> None:
    """It is used where no other is given, and that is said."""
    status, report = verify(key=None)

    assert (status, report["checkpoint"]["own_key"]) == (0, True)
    (data / "keys" / "checkpoint").unlink()
    status, report = verify(key=None)
    assert status == 1
    assert "--public-key" in report["refused"]
    assert not (data / "keys" / "checkpoint").exists()


def test_a_copy_of_the_ledger_alone_can_be_verified(data: Path, verify: Verify, kept: Kept, tmp_path: Path) -> None:
    """With nothing but the checkpoint and the public key, which may be in a file."""
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "ledger.db").write_bytes((data / "ledger.db").read_bytes())
    key = tmp_path / "key.txt"
    key.write_text(f"{kept.key}\n")

    status, report = verify(key=str(key), folder=copy)

    assert (status, report["sound"], report["projections"]) == (0, True, "missing")
    assert [path.name for path in copy.iterdir()] == ["ledger.db"]


def test_a_cut_tail_is_found(data: Path, verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the checkpoint nobody could know."""
    tamper(data / "ledger.db", f"DELETE FROM records WHERE account = '{ACCOUNT}' AND position > 9")
    (data / "projections.db").unlink()
    assert is_sound_alone(data, capsys)

    status, report = verify()

    assert (status, report["sound"], report["broken"]) == (1, False, [])
    assert report["checkpoint"]["problem"] == f"of its 12 records of {ACCOUNT}, the ledger has the first 9 only"


def test_a_ledger_that_is_gone_is_found(data: Path, verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    """The longest tail is the whole ledger."""
    tamper(data / "ledger.db", f"DELETE FROM records WHERE account = '{ACCOUNT}'")
    (data / "projections.db").unlink()
    assert is_sound_alone(data, capsys)

    assert "the first 0 only" in verify()[1]["checkpoint"]["problem"]


def test_a_rewritten_chain_is_found(data: Path, verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    """The address was changed, and every hash from there on made anew: the chain is whole, the root is another."""
    rewrite(data, b'"127.0.0.1"', b'"192.0.2.1"')
    assert is_sound_alone(data, capsys)

    status, report = verify()

    assert (status, report["broken"]) == (1, [])
    assert report["checkpoint"]["problem"] == f"the first 12 records of {ACCOUNT} are not the ones it was made of"


def test_a_log_made_anew_is_found(data: Path, verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    """Its first record is not the one that the log was named after."""
    rewrite(data, b'"iam-ledger"', b'"iam-legder"', "aws")
    assert is_sound_alone(data, capsys)

    assert "it is of the log" in verify()[1]["checkpoint"]["problem"]


def test_a_broken_chain_is_told_beside(data: Path, verify: Verify) -> None:
    """What cannot be read cannot continue anything."""
    tamper(data / "ledger.db", f"UPDATE records SET hash = x'00' WHERE account = '{ACCOUNT}' AND position = 5")

    status, report = verify()

    assert (status, report["broken"][0]["position"]) == (1, 5)
    assert "the first 4 only" in report["checkpoint"]["problem"]


def test_another_ledgers_checkpoint_is_found(data: Path, verify: Verify, kept: Kept) -> None:
    """Of another account, of another log, of another program: signed by the right key, and still another's."""
    key = DataFolder(data).signing_key(make=False)
    log = kept.head.origin.rpartition("/")[0]
    for origin, problem in (
        (f"{log}/999999999999", "the first 0 only"),
        (f"iam-ledger/{'0' * 16}/{ACCOUNT}", f"it is of the log {'0' * 16}"),
        ("example.com/behind-the-sofa", "no ledger of iam-ledger"),
    ):
        note = key.sign(TreeHead(origin, RECORDS, kept.head.root))

        status, report = verify(note, key.public(origin).text)

        assert status == 1
        assert problem in report["checkpoint"]["problem"]


def test_a_checkpoint_of_another_folder_is_found(
    verify: Verify, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second service has a log and a key of its own."""

    async def other() -> Kept:
        async with open_service(DataFolder(tmp_path / "other"), None, Quotas()) as service:
            await service.start()
            first = (await service.log.hashes("aws", 0, 1))[0].hex()[:16]
            head = TreeHead(f"iam-ledger/{first}/{ACCOUNT}", 0, EMPTY_ROOT)
            return Kept(service.signing_key.sign(head), service.signing_key.public(head.origin).text)

    taken_there = asyncio.run(other())

    assert "it is of the log" in verify(taken_there.note, taken_there.key)[1]["checkpoint"]["problem"]
    assert verify(taken_there.note, taken_there.key, tmp_path / "other")[0] == 0


def test_a_checkpoint_of_an_empty_account_is_continued_by_every_ledger(data: Path, verify: Verify, kept: Kept) -> None:
    """Nothing had been recorded then. An empty tree with another root never was."""
    key = DataFolder(data).signing_key(make=False)

    assert verify(key.sign(TreeHead(kept.head.origin, 0, EMPTY_ROOT)))[0] == 0
    assert verify(key.sign(TreeHead(kept.head.origin, 0, kept.head.root)))[0] == 1


def test_a_forged_checkpoint_is_found(verify: Verify, kept: Kept) -> None:
    """The text was changed and the signature was not."""
    status, report = verify(kept.note.replace("\n12\n", "\n11\n"))

    assert (status, report["broken"]) == (1, [])
    assert "signature of the checkpoint" in report["checkpoint"]["problem"]


def test_another_key_is_found(verify: Verify, kept: Kept) -> None:
    """A stranger's signature is worth nothing, and a stranger's key finds none of its own."""
    stranger = STRANGER.public(kept.head.origin).text

    for note, key in ((STRANGER.sign(kept.head), kept.key), (kept.note, stranger)):
        status, report = verify(note, key)
        assert status == 1
        assert "is not signed by the key" in report["checkpoint"]["problem"]
    assert verify(STRANGER.sign(kept.head), stranger)[0] == 0


def test_a_truncated_checkpoint_is_refused(verify: Verify, kept: Kept) -> None:
    """Wherever it ends, bare or in JSON, in one line."""
    answer = json.dumps({"success": True, "data": {"checkpoint": kept.note}})
    assert verify(answer)[0] == 0
    for text in (kept.note, answer):
        for length in range(0, len(text), 5):
            status, report = verify(text[:length])
            assert status == 1
            assert report["refused"].startswith("iam-ledger verify: --checkpoint ")
            assert report["refused"].count("\n") == 1


@pytest.mark.parametrize(
    ("checkpoint", "key", "said"),
    [
        ("missing.txt", None, "cannot be read: No such file"),
        (".", None, "cannot be read: Is a directory"),
        ("binary", None, "is no text"),
        ("large", None, "is too large"),
        ("note", "missing.txt", "cannot be read: No such file"),
        ("note", "name+00000000+AAAA", "is no key"),
        ("note", "note", "holds no key"),
        ("note", "k" * 5000, "cannot be read: File name too long"),
        ("note", "k+" * 5000, "is no key"),
        ("note", "\0", "cannot be read"),
        (None, "name+00000000+AAAA", "there is none"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(
    data: Path,
    kept: Kept,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: str | None,
    key: str | None,
    said: str,
) -> None:
    """Which flag, and what is wrong with it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note").write_text(kept.note)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"a" * 1_100_000)
    flags = [*(("--checkpoint", checkpoint) if checkpoint else ()), *(("--public-key", key) if key else ())]

    assert main(["verify", "--data", str(data), *flags]) == 1

    told = capsys.readouterr().err
    assert said in told
    assert told.startswith("iam-ledger verify: --")
    assert told.count("\n") == 1


def test_the_environment_may_hold_the_key(data: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wins over the folder's; one that is none is refused."""
    monkeypatch.setenv("IAM_LEDGER_CHECKPOINT_KEY", b64encode(bytes(32)).decode())
    kept = asyncio.run(taken(data))
    assert kept.key == STRANGER.public(kept.head.origin).text
    assert verify(kept.note, kept.key)[0] == 0
    assert verify(kept.note, None)[0] == 0

    for bad in ("", "no base64!", b64encode(bytes(31)).decode(), "é"):
        monkeypatch.setenv("IAM_LEDGER_CHECKPOINT_KEY", bad)
        status, report = verify(key=None)
        assert status == 1
        assert "IAM_LEDGER_CHECKPOINT_KEY is not 32 bytes in base64" in report["refused"]


@pytest.fixture(scope="session")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of more than one tile, and with that tile."""
    folder = tmp_path_factory.mktemp("long")

    async def make() -> None:
        async with open_service(DataFolder(folder), None, Quotas()) as service:
            await service.start()
            for number in range(TILE + 4):
                caller = unauthenticated("", ACCOUNT, "aws")
                request = ServiceRequest(
                    caller=caller, request_id=f"r{number}", command_id=None, source_ip="127.0.0.1", user_agent="tests"
                )
                operation = IAM["CreateUser"]
                assert isinstance(operation, Write)
                await service.write(request, "CreateUser", operation, {"user_name": f"user-{number}"})
            await first_proof(service)

    asyncio.run(make())
    return folder


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE tiles SET number = number", None),
        ("UPDATE tiles SET root = zeroblob(32)", "tile 0 of level 1 has another root"),
        ("DELETE FROM tiles", None),
        ("UPDATE tiles SET number = 1", "tiles of level 1 over records that there are none of"),
        ("INSERT INTO tiles SELECT account, 2, 0, root FROM tiles", "tiles of level 2 over records"),
    ],
)
def test_changed_tiles_are_found(
    long_history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], statement: str, problem: str | None
) -> None:
    """They are projections like others; those that are not made yet are no error."""
    data = Path(shutil.copytree(long_history, tmp_path / "data"))
    with closing(sqlite3.connect(data / "projections.db")) as connection:
        assert connection.execute(statement).rowcount == 1
        connection.commit()

    status = main(["verify", "--data", str(data), "--json"])

    report = json.loads(capsys.readouterr().out)
    assert report["broken"] == []
    assert status == (0 if problem is None else 1)
    assert [problem in found["problem"] for found in report["differences"]] == ([] if problem is None else [True])


def test_a_checkpoint_over_tiles_is_the_ledgers_own(
    long_history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the service signed by way of tiles, verify finds by reading every record."""
    data = Path(shutil.copytree(long_history, tmp_path / "data"))
    (tmp_path / "kept.txt").write_text(asyncio.run(taken(data)).note)

    assert main(["verify", "--data", str(data), "--checkpoint", str(tmp_path / "kept.txt")]) == 0
    assert f"checkpoint: {TILE + 4} records" in capsys.readouterr().out
