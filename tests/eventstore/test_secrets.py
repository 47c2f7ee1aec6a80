"""Secrets on disk: sealed, bound to their place, there when `put` returns, and gone when deleted."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from eventstore.secrets import Secrets, SecretsError, SecretsReader, opener, write_sealed

KEY = b"k" * 32
OTHER_KEY = b"o" * 32
ACCOUNT = "123456789012"
TEXT = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


async def kept(path: Path, *ids: str) -> None:
    """A file with these secrets, closed."""
    secrets = await Secrets.open(path, KEY)
    for secret_id in ids:
        await secrets.put(ACCOUNT, secret_id, f"{TEXT} {secret_id}")
    await secrets.close()


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


async def test_a_secret_is_read_after_the_file_was_opened_anew(tmp_path: Path) -> None:
    """By account and id; there is nothing under other ones."""
    await kept(tmp_path / "secrets.db", "a", "b")
    secrets = await Secrets.open(tmp_path / "secrets.db", KEY)
    assert [await secrets.get(ACCOUNT, secret_id) for secret_id in "abc"] == [f"{TEXT} a", f"{TEXT} b", None]
    assert await secrets.get("210987654321", "a") is None
    assert await secrets.names() == [(ACCOUNT, "a"), (ACCOUNT, "b")]
    await secrets.close()


async def test_no_secret_lies_in_the_file_as_it_is(tmp_path: Path) -> None:
    """Neither in the database nor in its WAL, also while it is open."""
    secrets = await Secrets.open(tmp_path / "secrets.db", KEY)
    await secrets.put(ACCOUNT, "a", TEXT)
    assert ACCOUNT.encode() in bytes_of(tmp_path)
    assert TEXT[:12].encode() not in bytes_of(tmp_path)
    await secrets.close()


async def test_the_same_secret_is_sealed_differently_each_time(tmp_path: Path) -> None:
    """So that nobody sees which are alike."""
    secrets = await Secrets.open(tmp_path / "secrets.db", KEY)
    for secret_id in "abc":
        await secrets.put(ACCOUNT, secret_id, TEXT)
    await secrets.close()
    with closing(sqlite3.connect(tmp_path / "secrets.db")) as connection:
        assert connection.execute(
            "SELECT count(DISTINCT ciphertext), count(DISTINCT nonce) FROM secrets"
        ).fetchone() == (
            3,
            3,
        )


async def test_a_deleted_secret_is_gone_and_deleting_it_again_is_fine(tmp_path: Path) -> None:
    """Others stay."""
    secrets = await Secrets.open(None, KEY)
    for secret_id in "ab":
        await secrets.put(ACCOUNT, secret_id, TEXT)
    for _ in range(2):
        await secrets.delete([(ACCOUNT, "a"), (ACCOUNT, "none")])
    assert await secrets.names() == [(ACCOUNT, "b")]
    await secrets.close()


async def test_an_id_is_used_once(tmp_path: Path) -> None:
    """A secret is never replaced: the record that names it means this one."""
    secrets = await Secrets.open(None, KEY)
    await secrets.put(ACCOUNT, "a", TEXT)
    with pytest.raises(SecretsError):
        await secrets.put(ACCOUNT, "a", "another")
    assert await secrets.get(ACCOUNT, "a") == TEXT
    await secrets.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE secrets SET id = 'b'",
        "UPDATE secrets SET account = '210987654321'",
        "UPDATE secrets SET ciphertext = zeroblob(40)",
        "UPDATE secrets SET ciphertext = x''",
        "UPDATE secrets SET nonce = zeroblob(12)",
        "UPDATE secrets SET nonce = x''",
    ],
)
async def test_a_secret_that_was_altered_or_moved_does_not_open(tmp_path: Path, statement: str) -> None:
    """The file is refused at once, with a clear word."""
    await kept(tmp_path / "secrets.db", "a")
    change(tmp_path / "secrets.db", statement)
    with pytest.raises(SecretsError, match="sealed with another key, or altered"):
        await Secrets.open(tmp_path / "secrets.db", KEY)


async def test_another_key_opens_nothing(tmp_path: Path) -> None:
    """And that is said at the start, not at the first question."""
    await kept(tmp_path / "secrets.db", "a")
    with pytest.raises(SecretsError, match="sealed with another key, or altered"):
        await Secrets.open(tmp_path / "secrets.db", OTHER_KEY)


def no_database(path: Path) -> None:
    path.write_bytes(os.urandom(4096))


def another_database(path: Path) -> None:
    change(path, "CREATE TABLE other (x)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 1229016403")
        connection.execute("PRAGMA user_version = 99")


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_database, "file is not a database"),
        (another_database, "no file of iam-ledger's secrets"),
        (newer, "has format 99"),
        (a_folder, "unable to open database file"),
    ],
)
async def test_what_is_no_file_of_secrets_is_refused(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    """With the reason, and without changing it."""
    make(tmp_path / "secrets.db")
    with pytest.raises(SecretsError, match=reason):
        await Secrets.open(tmp_path / "secrets.db", KEY)


async def test_a_reader_sees_the_file_as_it_was_at_the_moment_of_something_else(tmp_path: Path) -> None:
    """If a secret came or went close to that moment, another moment is taken. What comes later is not seen."""
    path = tmp_path / "secrets.db"
    secrets = await Secrets.open(path, KEY)
    await secrets.put(ACCOUNT, "first", TEXT)
    restless = [
        "INSERT INTO secrets VALUES ('123456789012', 'second', x'', x'')",
        "DELETE FROM secrets WHERE id = 'first'",
    ]
    moments = 0

    def begin() -> int:
        nonlocal moments
        moments += 1
        if restless:
            change(path, restless.pop(0))
        return moments

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        reader = SecretsReader(connection)
        with reader.at_the_moment_of(begin) as moment:
            await secrets.put(ACCOUNT, "later", TEXT)
            assert (moment, [row[1] for row in reader.all()]) == (3, ["second"])
        assert [row[1] for row in reader.of(ACCOUNT)] == ["later", "second"]
        assert reader.accounts() == [ACCOUNT]
    await secrets.close()


async def test_secrets_are_copied_as_they_are_sealed(tmp_path: Path) -> None:
    """The copy is a file of its own, and the same key opens it and no other one does."""
    await kept(tmp_path / "secrets.db", "a", "b")
    with closing(sqlite3.connect(tmp_path / "secrets.db", isolation_level=None)) as connection:
        reader = SecretsReader(connection)
        reader.check()
        write_sealed(tmp_path / "copy.db", reader.all())
        assert [list(map(opener(key), reader.all())) for key in (KEY, OTHER_KEY)] == [[True, True], [False, False]]
    copy = await Secrets.open(tmp_path / "copy.db", KEY)
    assert await copy.names() == [(ACCOUNT, "a"), (ACCOUNT, "b")]
    assert await copy.get(ACCOUNT, "a") == f"{TEXT} a"
    await copy.close()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_database, "file is not a database"),
        (another_database, "no file of iam-ledger's secrets"),
        (newer, "has format 99"),
    ],
)
def test_a_reader_refuses_what_is_no_file_of_secrets(tmp_path: Path, make: Callable[[Path], None], reason: str) -> None:
    """With the same reasons."""
    make(tmp_path / "secrets.db")
    with (
        closing(sqlite3.connect(tmp_path / "secrets.db", isolation_level=None)) as connection,
        pytest.raises(SecretsError, match=reason),
    ):
        SecretsReader(connection).check()
