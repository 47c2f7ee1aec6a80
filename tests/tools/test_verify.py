"""What `verify` finds, and that it finds nothing where nothing is wrong."""

import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from eventstore.record import leaf_hash
from iam.state import World
from tools.__main__ import main
from tools.auditing import audit
from tools.data import DataFolder
from tools.opening import opening

ACCOUNT = "123456789012"
SCHEMA = "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema"
HEADER_BYTES = 100  # of an SQLite file
FLIPS_PER_PAGE = 32
TRIGGERS = ("records_are_appended", "records_are_never_changed", "records_are_never_deleted")

Verify = Callable[[Path], tuple[int, dict[str, Any]]]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs the verb and answers its exit status and what it printed as JSON."""

    def run(folder: Path) -> tuple[int, dict[str, Any]]:
        status = main(["verify", "--data", str(folder), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


@contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that no trigger hinders; they are put back at the end, as one who covers his tracks would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)


def seen(path: Path) -> list[Any] | None:
    """Every row, read without the indexes, the schema but for its comments, and what SQLite itself says.

    None if it cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
            return [
                connection.execute("SELECT * FROM records NOT INDEXED ORDER BY rowid").fetchall(),
                [re.sub("--.*", "", str(row)) for (row,) in connection.execute(SCHEMA)],
                connection.execute("PRAGMA integrity_check").fetchall(),
            ]
    except (sqlite3.Error, UnicodeError, MemoryError):
        return None


def test_a_sound_folder_passes(data: Path, verify: Verify) -> None:
    """Both ledgers and the projections are looked at, and no file appears or changes."""
    before = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}

    status, report = verify(data)

    assert status == 0
    assert report["sound"]
    assert (report["ledgers"], report["records"]) == (2, 13)
    assert (report["projections"], report["differing"]) == ("compared", 0)
    assert {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()} == before


def test_the_heads_are_told_as_their_records_tell_them(data: Path, verify: Verify) -> None:
    """Position, hash and time, which is written as everywhere else: RFC 3339, and not a number."""
    _, report = verify(data)

    with closing(sqlite3.connect(data / "ledger.db")) as connection:
        last = connection.execute(
            "SELECT account, max(position), record, hash FROM records GROUP BY account"
        ).fetchall()
    assert report["heads"] == {
        account: {"position": position, "recorded_at": json.loads(record)["recorded_at"], "hash": digest.hex()}
        for account, position, record, digest in last
    }


def test_what_cannot_be_known_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person reads a summary, and that a cut tail leaves no trace."""
    assert main(["verify", "--data", str(data)]) == 0

    assert "2 ledgers, 13 records" in (text := capsys.readouterr().out)
    assert "Records cut off the end" in text


def test_a_served_folder_can_be_verified(data: Path, verify: Verify, serve: Callable[..., Any]) -> None:
    """It reads beside the service, which goes on."""
    server = serve(data)

    status, report = verify(data)

    assert (status, report["sound"]) == (0, True)
    assert server.process.poll() is None


def test_missing_projections_are_said_and_no_error(data: Path, verify: Verify) -> None:
    """They are disposable."""
    (data / "projections.db").unlink()

    status, report = verify(data)

    assert (status, report["projections"]) == (0, "missing")


@pytest.mark.parametrize(
    ("statement", "position", "problem"),
    [
        ("DELETE FROM records WHERE position = 5", 6, "position 5 is missing"),
        ("UPDATE records SET record = CAST(record || ' ' AS BLOB) WHERE position = 4", 4, "stored hash"),
        ("UPDATE records SET position = position + 7 WHERE position > 5", 13, "position 6 is missing"),
        ("UPDATE records SET recorded_at = recorded_at + 1 WHERE position = 3", 3, "time column"),
        ("UPDATE records SET command_id = 'other' WHERE position = 3", 3, "command column"),
        ("UPDATE records SET command_index = 9 WHERE position = 3", 3, "command index column"),
    ],
)
def test_a_changed_row_is_found(data: Path, verify: Verify, statement: str, position: int, problem: str) -> None:
    """The first wrong record of the ledger is named, with what is wrong with it."""
    with tampering(data / "ledger.db") as connection:
        connection.execute(f"{statement} AND account = '{ACCOUNT}'")

    status, report = verify(data)

    assert status == 1
    [broken] = report["broken"]
    assert (broken["account"], broken["position"]) == (ACCOUNT, position)
    assert problem in broken["problem"]


def test_reordered_rows_are_found(data: Path, verify: Verify) -> None:
    """Two records that change places break the chain at the first of them."""
    with tampering(data / "ledger.db") as connection:
        for old, new in ((4, 99), (5, 4), (99, 5)):
            connection.execute(
                "UPDATE records SET position = ? WHERE position = ? AND account = ?", (new, old, ACCOUNT)
            )

    status, report = verify(data)

    assert (status, report["broken"][0]["position"]) == (1, 4)


def test_a_rewritten_record_with_its_own_hash_is_found(data: Path, verify: Verify) -> None:
    """The record behind it does not continue what is there now."""
    with tampering(data / "ledger.db") as connection:
        [(record,)] = connection.execute("SELECT record FROM records WHERE account = ? AND position = 4", (ACCOUNT,))
        forged = record.replace(b"policy/ops", b"policy/sop")
        connection.execute(
            "UPDATE records SET record = ?, hash = ? WHERE account = ? AND position = 4",
            (forged, leaf_hash(forged), ACCOUNT),
        )

    status, report = verify(data)

    assert status == 1
    assert (report["broken"][0]["position"], report["broken"][0]["problem"]) == (
        5,
        "it does not continue the record before it",
    )


def test_an_inserted_row_is_found(data: Path, verify: Verify) -> None:
    """A copy at the end does not continue the chain."""
    with tampering(data / "ledger.db") as connection:
        connection.execute(
            "INSERT INTO records SELECT account, 13, recorded_at + 1, 'new', 0, record, hash FROM records"
            " WHERE account = ? AND position = 12",
            (ACCOUNT,),
        )

    status, report = verify(data)

    assert (status, report["broken"][0]["position"]) == (1, 13)


OF_USER_POLICIES = "owner IN (SELECT id FROM things WHERE kind = 'user_policies')"


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_dropped_trigger_is_found(data: Path, verify: Verify, trigger: str) -> None:
    """Without it history is not protected any more."""
    with closing(sqlite3.connect(data / "ledger.db")) as connection:
        connection.execute(f"DROP TRIGGER {trigger}")

    status, report = verify(data)

    assert (status, report["broken"]) == (1, [{"problem": f"ledger.db: the trigger {trigger} is missing"}])


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE current_entries SET value = 'other' WHERE {OF_USER_POLICIES}",
        f"UPDATE current_entries SET valid_from = 1 WHERE {OF_USER_POLICIES}",
        "DELETE FROM current_entries WHERE owner IN (SELECT id FROM things WHERE kind = 'user_tags')",
        "INSERT INTO current_entries SELECT id, 'eve', 'AIDAX', NULL, 1, 1 FROM things WHERE kind = 'users'",
        "UPDATE documents SET document = '{}'",
        "UPDATE past_entries SET valid_to = valid_to + 1",
        "UPDATE past_entries SET node = node + 64",
        f"DELETE FROM past_entries WHERE {OF_USER_POLICIES}",
        "DELETE FROM audit_index WHERE position = 3",
        "UPDATE event_rows SET recorded_at = recorded_at + 1 WHERE position = 3",
        "UPDATE event_rows SET user_name = 'eve' WHERE position = 4",
        "DELETE FROM event_rows WHERE position = 5",
        "UPDATE callers SET source_ip = '192.0.2.1'",
        "UPDATE calls SET outcome = 'unchanged' WHERE action = 'AttachUserPolicy'",
        "UPDATE things SET name = name || 'X' WHERE kind = 'user'",
        "UPDATE checkpoints SET hash = 'ab' WHERE position = 12",
        "UPDATE checkpoints SET position = 40 WHERE position = 12",
        "INSERT INTO checkpoints VALUES ('999999999999', 1, 'ab')",
        "DROP TABLE current_entries",
    ],
)
def test_changed_projections_are_found(data: Path, verify: Verify, statement: str) -> None:
    """The ledger is sound, and what follows from it is not what is there."""
    with closing(sqlite3.connect(data / "projections.db")) as connection:
        connection.execute(statement)
        connection.commit()

    status, report = verify(data)

    assert (status, report["broken"]) == (1, [])
    assert report["differing"] >= len(report["differences"]) >= 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records WHERE account = '123456789012' AND position > 9",
        "DELETE FROM records WHERE account = '123456789012'",
        "UPDATE records SET record = CAST(replace(CAST(record AS TEXT), 'alice', 'malic') AS BLOB),"
        " hash = leaf_hash(CAST(replace(CAST(record AS TEXT), 'alice', 'malic') AS BLOB))"
        " WHERE account = '123456789012' AND position = (SELECT max(position) FROM records WHERE account <> 'aws')",
    ],
    ids=["cut", "removed", "written anew"],
)
def test_projections_of_records_that_are_gone_are_evidence(
    data: Path, verify: Verify, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    """The ledger itself may be whole. Nobody is told to make the projections anew, which would be the end of it."""
    with tampering(data / "ledger.db") as ledger:
        ledger.create_function("leaf_hash", 1, leaf_hash)
        ledger.execute(statement)

    status, report = verify(data)
    assert (status, report["sound"], report["broken"], report["unrecorded"]) == (1, False, [], 1)
    assert main(["verify", "--data", str(data)]) == 1
    told = capsys.readouterr().out
    assert "The projections know records that the ledger does not have" in told.splitlines()[-1]
    assert "rebuild" not in told


def test_a_copy_that_nobody_can_read_there_is_not_called_broken(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], serve: Callable[..., Any]
) -> None:
    """Records in the WAL cannot be read where no file may be made: that is the folder's fault, and it is said."""
    body = b'{"Action":"CreateUser","UserName":"zoe"}'
    asked = Request(f"http://127.0.0.1:{serve(data).port}/", body, {"Content-Type": "application/json"})
    with urlopen(asked, timeout=20) as answer:
        assert answer.status == 200
    shutil.copytree(data, tmp_path / "copy")
    for name in ("ledger.db-shm", "projections.db-shm"):
        (tmp_path / "copy" / name).unlink(missing_ok=True)
        (tmp_path / "copy" / name).symlink_to(tmp_path / "nowhere" / "at all")

    assert main(["verify", "--data", str(tmp_path / "copy")]) == 1
    out, err = capsys.readouterr()
    assert "BROKEN" not in out
    assert "is not complete without ledger.db-wal: copy both to a folder that can be written to" in err


def test_projections_behind_the_ledger_are_no_error(data: Path, verify: Verify) -> None:
    """They are compared as of their checkpoint; here they know nothing yet."""
    with closing(sqlite3.connect(data / "projections.db")) as connection:
        for table in ("current_entries", "past_entries", "event_rows", "audit_index", "checkpoints"):
            connection.execute(f"DELETE FROM {table}")
        connection.commit()

    status, report = verify(data)

    assert (status, report["records_behind"]) == (0, 13)


def test_an_unknown_event_is_said_and_the_chain_still_checked(data: Path, verify: Verify) -> None:
    """A newer program may have written it."""
    with tampering(data / "ledger.db") as connection:
        [(record,)] = connection.execute("SELECT record FROM records WHERE account = ? AND position = 12", (ACCOUNT,))
        newer = record.replace(b'"UserTagged"', b'"UserPraised"')
        connection.execute(
            "UPDATE records SET record = ?, hash = ? WHERE account = ? AND position = 12",
            (newer, leaf_hash(newer), ACCOUNT),
        )

    status, report = verify(data)

    assert status == 0
    assert report["unknown_events"] == [
        {"problem": "event UserPraised is not known", "account": ACCOUNT, "position": 12}
    ]


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0", b"\0" * 5000])
def test_a_file_that_is_no_ledger_is_a_finding(data: Path, verify: Verify, content: bytes) -> None:
    """Whatever the file holds, it is said in words."""
    (data / "ledger.db").write_bytes(content)

    status, report = verify(data)

    assert status == 1
    assert report["broken"]


def test_no_flipped_bit_goes_unnoticed(data: Path, world: World) -> None:
    """What changes a row, the schema, or what SQLite itself finds, is never called good, and nothing raises.

    One bit of every byte of the header is tried, and some of every page.
    """
    chance = random.Random(20261103)
    path = data / "ledger.db"
    (data / "projections.db").unlink()
    whole = path.read_bytes()
    expected = seen(path)
    assert expected is not None
    assert expected[2] == [("ok",)]
    page_size = int.from_bytes(whole[16:18])
    offsets = [*range(HEADER_BYTES)]
    for page in range(0, len(whole), page_size):
        offsets += (page + chance.randrange(page_size) for _ in range(FLIPS_PER_PAGE))
    noticed = 0
    for offset in offsets:
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)

        with opening(DataFolder(data), at_rest=True) as secrets:
            report = audit(path, data / "projections.db", {path: True, data / "projections.db": True}, world, secrets)

        noticed += not report.sound
        assert not report.sound or seen(path) == expected, f"byte {offset} was {whole[offset]}, is {damaged[offset]}"

    assert noticed > len(offsets) // 3


def test_a_folder_without_a_ledger_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to verify, and that is not sound."""
    assert main(["verify", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("iam-ledger verify: there is no ledger in")


def test_damage_to_the_projections_that_no_row_of_the_comparison_shows_is_found(data: Path, verify: Verify) -> None:
    """A table and its index that disagree: views read the one, the service reads through the other."""
    path = data / "projections.db"
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'things'")
        [(size,)] = connection.execute("PRAGMA page_size")
    content = bytearray(path.read_bytes())
    place = content.index(b"user_tags", (page - 1) * size, page * size)
    content[place] ^= 1
    path.write_bytes(content)

    status, report = verify(data)

    assert status == 1
    assert report["projections"] == "damaged"
    assert "things" in report["differences"][0]["problem"]


def test_a_view_that_was_changed_differs(data: Path, verify: Verify) -> None:
    """What people read must be what the tables say. Views of their own are theirs."""
    with closing(sqlite3.connect(data / "projections.db", isolation_level=None)) as connection:
        connection.execute("CREATE VIEW mine AS SELECT * FROM users")
        assert verify(data)[0] == 0
        connection.execute("DROP VIEW users")
        connection.execute("CREATE VIEW users AS SELECT * FROM users_history WHERE user_name <> 'Bob'")

    status, report = verify(data)

    assert status == 1
    assert [difference["problem"] for difference in report["differences"]] == [
        "the view users is not as this program makes it"
    ]


def test_a_value_that_only_means_the_same_differs(data: Path, verify: Verify) -> None:
    """The views show it as it is stored."""
    with closing(sqlite3.connect(data / "projections.db", isolation_level=None)) as connection:
        connection.execute("UPDATE current_entries SET value = replace(value, '\":', '\": ') WHERE value LIKE '{%'")

    status, report = verify(data)

    assert status == 1
    assert "has another value" in report["differences"][0]["problem"]
