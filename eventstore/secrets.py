"""What must be kept and must never be in a log: `secrets.db`, each secret sealed under its account and its id.

A secret is durable before the record that names it, and goes after the record that ends it. So a secret that no record
names may lie here for a while, and is of no use to anybody; a record never names one that was not here. Sealed is
AES-256-GCM with a key that lies elsewhere, account and id being authenticated too: a row moved to another place does
not open. Ids are never used twice.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import aiosqlite
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
APPLICATION_ID = 0x49414D53  # "IAMS"
SCHEMA_VERSION = 1

_PRAGMAS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA secure_delete = ON;
    PRAGMA busy_timeout = 5000;
    PRAGMA trusted_schema = OFF;
"""
_SCHEMA = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE secrets (
        account    TEXT NOT NULL,
        id         TEXT NOT NULL,
        nonce      BLOB NOT NULL,
        ciphertext BLOB NOT NULL,
        PRIMARY KEY (account, id)
    ) STRICT, WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {SCHEMA_VERSION};
    COMMIT;
"""

Name = tuple[str, str]  # account and id
Sealed = tuple[str, str, bytes, bytes]  # account, id, nonce and ciphertext

T = TypeVar("T")


class SecretsError(Exception):
    """The secrets cannot be kept or read; the message says why."""


class Secrets:
    """The secrets of all accounts in one file. Build it with `open`."""

    def __init__(self, connection: aiosqlite.Connection, key: bytes) -> None:
        self._connection = connection
        self._cipher = AESGCM(key)

    @classmethod
    async def open(cls, path: Path | None, key: bytes) -> Self:
        """Open the file, made if it is not there; None is memory. The caller alone has it open.

        Raises SecretsError where it is no such file, is of another format, or is sealed under another key.
        """
        target = ":memory:" if path is None else str(path)
        try:
            sqlite3.connect(target).close()  # aiosqlite's thread may outlive the event loop if connecting fails there
            connection = await aiosqlite.connect(target, isolation_level=None)
        except sqlite3.Error as error:
            raise SecretsError(str(error)) from error
        secrets = cls(connection, key)
        try:
            await secrets._prepare()
        except sqlite3.Error as error:
            await connection.close()
            raise SecretsError(str(error)) from error
        except BaseException:
            await connection.close()
            raise
        return secrets

    async def _prepare(self) -> None:
        [(application_id,)] = await self._connection.execute_fetchall("PRAGMA application_id")
        [(version,)] = await self._connection.execute_fetchall("PRAGMA user_version")
        tables = await self._connection.execute_fetchall("SELECT 1 FROM sqlite_schema LIMIT 1")
        blank = not list(tables) and (application_id, version) == (0, 0)
        if not blank:
            _check_identity(application_id, version)
        await self._connection.executescript(_PRAGMAS)
        if blank:
            await self._connection.executescript(_SCHEMA)
        for account, secret_id in await self._connection.execute_fetchall("SELECT account, id FROM secrets LIMIT 1"):
            await self.get(account, secret_id)

    async def put(self, account: str, secret_id: str, secret: str) -> None:
        """Keep a secret under an id that was never used; durable on return. Raises SecretsError."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), _bound(account, secret_id))
        try:
            await self._connection.execute(
                "INSERT INTO secrets VALUES (?, ?, ?, ?)", (account, secret_id, nonce, sealed)
            )
        except sqlite3.Error as error:
            raise SecretsError(f"a secret could not be kept: {error}") from error

    async def get(self, account: str, secret_id: str) -> str | None:
        """The secret, or None where there is none. Raises SecretsError for one that does not open."""
        try:
            rows = await self._connection.execute_fetchall(
                "SELECT nonce, ciphertext FROM secrets WHERE account = ? AND id = ?", (account, secret_id)
            )
        except sqlite3.Error as error:
            raise SecretsError(f"a secret could not be read: {error}") from error
        for nonce, sealed in rows:
            try:
                return _open(self._cipher, (account, secret_id, nonce, sealed))
            except (InvalidTag, ValueError):
                raise SecretsError(
                    f"the secret {secret_id} of {account} was sealed with another key, or altered"
                ) from None
        return None

    async def delete(self, names: Sequence[Name]) -> None:
        """Forget these secrets, as far as there are any. Raises SecretsError."""
        try:
            await self._connection.executemany("DELETE FROM secrets WHERE account = ? AND id = ?", names)
        except sqlite3.Error as error:
            raise SecretsError(f"secrets could not be deleted: {error}") from error

    async def names(self) -> list[Name]:
        """Account and id of every secret, ordered. Raises SecretsError."""
        try:
            rows = await self._connection.execute_fetchall("SELECT account, id FROM secrets ORDER BY account, id")
        except sqlite3.Error as error:
            raise SecretsError(f"the secrets could not be read: {error}") from error
        return [(account, secret_id) for account, secret_id in rows]

    async def close(self) -> None:
        """Close the file."""
        await self._connection.close()


class SecretsReader:
    """What lies in a file of secrets, for who copies or checks it, by a connection that is not closed here.

    Every method raises SecretsError where the file cannot be read.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def check(self) -> None:
        """Raises SecretsError where it is no file of secrets, is of another format, or is damaged."""
        [(application_id,)] = self._fetch("PRAGMA application_id")
        [(version,)] = self._fetch("PRAGMA user_version")
        _check_identity(application_id, version)
        for (line,) in self._fetch("PRAGMA integrity_check(1)"):
            if line != "ok":
                raise SecretsError(f"it is damaged: {' '.join(line.split())}")

    @contextmanager
    def at_the_moment_of(self, begin: Callable[[], T]) -> Iterator[T]:
        """Read, inside of the `with`, the file as it was when `begin` was called, and have what that answered.

        `begin` fixes the moment at which a ledger is read. As no secret came or went from before it until after it,
        there is each that the ledger names then. It is called again where one did; a turn takes microseconds, a
        change of the file a sync of the disk.
        """
        while True:
            before = self._version()
            begun = begin()
            self._fetch("BEGIN")
            try:
                if self._version() == before:
                    yield begun
                    return
            finally:
                self._connection.rollback()

    def _version(self) -> int:
        """A number that another one takes the place of when anybody else changes the file."""
        [(version,)] = self._fetch("PRAGMA data_version")
        return int(version)

    def accounts(self) -> list[str]:
        """The accounts that have secrets."""
        return [account for (account,) in self._fetch("SELECT DISTINCT account FROM secrets")]

    def all(self) -> Iterator[Sealed]:
        """Every secret, sealed."""
        return self._read("SELECT account, id, nonce, ciphertext FROM secrets")

    def of(self, account: str) -> Iterator[Sealed]:
        """The secrets of an account, sealed."""
        return self._read("SELECT account, id, nonce, ciphertext FROM secrets WHERE account = ?", account)

    def _fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return list(self._read(sql))

    def _read(self, sql: str, *values: str) -> Iterator[Any]:
        try:
            yield from self._connection.execute(sql, values)
        except (sqlite3.Error, UnicodeError, MemoryError) as error:
            raise SecretsError(str(error)) from error


def opener(key: bytes) -> Callable[[Sealed], bool]:
    """What says of a sealed secret whether the key opens it, and tells nobody what it is."""
    cipher = AESGCM(key)

    def opens(sealed: Sealed) -> bool:
        try:
            _open(cipher, sealed)
        except (InvalidTag, ValueError):
            return False
        return True

    return opens


def write_sealed(path: Path, rows: Iterable[Sealed]) -> None:
    """Make a file of these secrets, sealed as they are; durable on return.

    Raises sqlite3.Error, or what taking the rows raises.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO secrets VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")


def _check_identity(application_id: int, version: int) -> None:
    if application_id != APPLICATION_ID:
        raise SecretsError("it is no file of iam-ledger's secrets")
    if version != SCHEMA_VERSION:
        raise SecretsError(f"it has format {version}; this program reads format {SCHEMA_VERSION}")


def _open(cipher: AESGCM, sealed: Sealed) -> str:
    """The secret itself. Raises InvalidTag or ValueError where the key is another one, or the secret was altered."""
    account, secret_id, nonce, ciphertext = sealed
    return cipher.decrypt(nonce, ciphertext, _bound(account, secret_id)).decode()


def _bound(account: str, secret_id: str) -> bytes:
    """What a secret is sealed to: no two places have the same, as neither part has a slash in it."""
    return f"{account}/{secret_id}".encode()
