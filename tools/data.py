"""The data folder: what lies in it, who may open it, and how its parts are put together.

`ledger.db`, `secrets.db` and `keys` are precious. `projections.db` is not: it follows from the ledger. `uses.db` has
what no ledger tells and nothing depends on: when access keys were last used.
"""

import os
import sqlite3
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from api.service import Service
from eventstore.lock import FolderLock, Locked
from eventstore.log import Log, LogError
from eventstore.memory import MemoryLog
from eventstore.notes import SigningKey
from eventstore.secrets import Secrets, SecretsError
from eventstore.sqlite import SqliteLog
from eventstore.uses import Uses
from iam.arns import DEFAULT_PARTITION
from iam.catalogue import Catalogue
from iam.quotas import Quotas
from iam.state import World
from iam.uses import Use
from projections.accounts import partition_in
from projections.store import Projections
from tools.failure import Failure

MEMORY = "memory:"
KEY_BYTES = 32
DIGEST_KEY = "request-digest"
CHECKPOINT_KEY = "checkpoint"
SECRETS_KEY = "secrets"
SIGNING_KEY_VARIABLE = "IAM_LEDGER_CHECKPOINT_KEY"
SECRETS_KEY_VARIABLE = "IAM_LEDGER_SECRETS_KEY"


class DataFolder:
    """Where the files of one service are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.db"
        self.secrets = folder / "secrets.db"
        self.projections = folder / "projections.db"
        self.uses = folder / "uses.db"
        self._keys = folder / "keys"
        self.keys = tuple(self._keys / name for name in (DIGEST_KEY, CHECKPOINT_KEY, SECRETS_KEY))

    def create(self) -> None:
        """Make the folder, on disk, if it is not there. Raises Failure where that is not allowed."""
        made = [folder for folder in (self._keys, self.folder, *self.folder.parents) if not folder.exists()]
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._keys.mkdir(mode=0o700, exist_ok=True)
            for folder in made:
                sync_folder(folder.parent)
        except OSError as error:
            raise Failure(f"cannot use {self.folder} for data: {error.strerror}") from error

    def must_exist(self) -> None:
        """Raises Failure where there is no ledger to read."""
        if not self.ledger.exists():
            raise Failure(f"there is no ledger in {self.folder}; give the folder of a service with --data")

    def lock(self) -> FolderLock:
        """Become the one process that writes here. Raises Failure, naming the process that does already."""
        os.umask(0o077)  # what lies here tells who may do what: nobody else reads it
        try:
            return FolderLock(self.folder)
        except Locked as locked:
            raise Failure(str(locked)) from locked
        except OSError as error:
            raise Failure(f"cannot write to {self.folder}: {error.strerror}") from error

    def digest_key(self) -> bytes:
        """The key of request digests, made at the first start and readable by its owner only.

        Raises Failure where it cannot be read or made.
        """
        return self._key(DIGEST_KEY, "or repeated calls are not recognised")

    def signing_key(self, *, make: bool = True) -> SigningKey:
        """The key of checkpoints: the environment's, or one made at the first start like that of request digests.

        Raises Failure where it cannot be read, or made; without `make`, also where there is none.
        """
        loss = "or its checkpoints are taken for forged"
        return _given_signing_key() or SigningKey(self._key(CHECKPOINT_KEY, loss, make=make))

    def secrets_key(self) -> bytes:
        """The key that secrets are sealed with: the environment's, or one made at the first start like the others.

        Raises Failure where it cannot be read or made.
        """
        return _given_key(SECRETS_KEY_VARIABLE) or self._key(SECRETS_KEY, "or no secret can be opened")

    def kept_secrets_key(self) -> bytes | None:
        """The key that secrets are sealed with, if there is one: none is made. Raises Failure where it is damaged."""
        if SECRETS_KEY_VARIABLE not in os.environ and not (self._keys / SECRETS_KEY).exists():
            return None
        return self.secrets_key()

    def _key(self, name: str, loss: str, *, make: bool = True) -> bytes:
        path = self._keys / name
        try:
            return self._read_or_make(path, loss, make)
        except OSError as error:
            raise Failure(f"cannot use {path}: {error.strerror}") from error

    def _read_or_make(self, path: Path, loss: str, make: bool) -> bytes:
        if make and not path.exists():
            with tempfile.NamedTemporaryFile(dir=self._keys, delete=False) as file:  # created with mode 0600
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.rename(file.name, path)
            sync_folder(self._keys)
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise Failure(f"{path} is damaged: put it back from a backup, {loss}")
        return key


def _given_signing_key() -> SigningKey | None:
    """The key of checkpoints that the environment names, if it does. Raises Failure where it is none."""
    key = _given_key(SIGNING_KEY_VARIABLE)
    return SigningKey(key) if key is not None else None


def _given_key(variable: str) -> bytes | None:
    """The key that the environment has under this name, if it does. Raises Failure where it is none."""
    text = os.environ.get(variable)
    if text is None:
        return None
    try:
        key = b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Failure(f"{variable} is not {KEY_BYTES} bytes in base64")
    return key


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def catalogue() -> Catalogue:
    """The AWS managed policies that the program carries."""
    data = files("iam").joinpath("catalogue_data")
    return Catalogue.read(data.joinpath("index.json").read_bytes(), data.joinpath("documents.xz").read_bytes())


async def world_of(log: Log, account: str) -> World:
    """What an account's records are folded with: AWS's quotas, and the partition that the first of them tells."""
    return World(catalogue()).within(await partition_in(log, account) or DEFAULT_PARTITION)


@asynccontextmanager
async def open_service(
    folder: DataFolder, log_url: str | None, quotas: Quotas, partition: str = DEFAULT_PARTITION
) -> AsyncIterator[Service]:
    """A service over the folder, or over memory and a temporary folder; not started yet, stopped at the end.

    The partition is that of new accounts whose caller names no region.
    """
    world = World(catalogue(), quotas).within(partition)
    if log_url == MEMORY:
        with tempfile.TemporaryDirectory(prefix="iam-ledger-") as temporary:
            projections = Path(temporary) / "projections.db"
            signing_key = _given_signing_key() or SigningKey(os.urandom(KEY_BYTES))
            secrets = await Secrets.open(None, os.urandom(KEY_BYTES))
            digest_key = os.urandom(KEY_BYTES)
            async with _service(MemoryLog(), projections, world, digest_key, signing_key, secrets, None) as service:
                yield service
        return
    if log_url is not None:
        raise Failure(f"--log {log_url}: only {MEMORY} and a SQLite file in the data folder exist so far")
    folder.create()
    with folder.lock():
        digest_key, signing_key, secrets_key = folder.digest_key(), folder.signing_key(), folder.secrets_key()
        log = await open_log(folder.ledger)
        try:
            secrets = await Secrets.open(folder.secrets, secrets_key)
        except SecretsError as error:
            await log.close()
            raise Failure(f"cannot use {folder.secrets}: {error}") from error
        async with _service(log, folder.projections, world, digest_key, signing_key, secrets, folder.uses) as service:
            yield service


@asynccontextmanager
async def _service(
    log: Log,
    projections: Path,
    world: World,
    digest_key: bytes,
    signing_key: SigningKey,
    secrets: Secrets,
    uses: Path | None,
) -> AsyncIterator[Service]:
    try:
        service = Service(log, Projections(projections), world, digest_key, signing_key, secrets, Uses(uses, Use))
    except (OSError, sqlite3.Error) as error:
        await secrets.close()
        await log.close()
        raise Failure(f"cannot open {projections}: {error}") from error
    try:
        yield service
    finally:
        await service.stop()


async def open_log(path: Path, *, read_only: bool = False, at_rest: bool = False) -> SqliteLog:
    """The log in this file; `at_rest` as in SqliteLog.open_read_only. Raises Failure where it cannot be opened."""
    try:
        return await (SqliteLog.open_read_only(path, at_rest=at_rest) if read_only else SqliteLog.open(path))
    except (LogError, sqlite3.Error) as error:
        raise Failure(f"cannot open {path}: {error}") from error
