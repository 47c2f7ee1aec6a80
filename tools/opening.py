"""Are the secrets that the ledgers name in `secrets.db`, and do they open? What they are is told to nobody."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TypeVar

import msgspec

from eventstore.secrets import Sealed, SecretsError, SecretsReader, opener
from iam import relations as r
from tools.comparing import Fold
from tools.data import DataFolder
from tools.failure import Failure
from tools.progress import doing
from tools.undisturbed import connect

LOSSES_SHOWN = 10

T = TypeVar("T")


class Loss(msgspec.Struct, frozen=True, omit_defaults=True):
    """A secret that is missing or does not open. Without an account it is about the file."""

    problem: str
    account: str | None = None
    id: str | None = None
    of: str | None = None  # the id or ARN of what it belongs to, where the account's state names it
    user_name: str | None = None  # if that is a user
    position: int | None = None  # of the record that named it

    def __str__(self) -> str:
        if self.account is None:
            return self.problem
        place = "" if self.position is None else f", record {self.position}"
        owner = self.user_name or self.of
        whose = "" if owner is None else f" of {owner}"
        return f"account {self.account}{place}: the secret {self.id}{whose} {self.problem}"


class Opened(msgspec.Struct):
    """What came of it. The state is "opened", or why they were not: "missing", "without a key", "damaged"."""

    state: str = "opened"
    opened: int = 0
    lost: int = 0
    losses: list[Loss] = []  # the first few

    def lose(self, loss: Loss) -> None:
        """Count a loss, and keep the first few."""
        self.lost += 1
        if len(self.losses) < LOSSES_SHOWN:
            self.losses.append(loss)

    def damaged(self, problem: str) -> None:
        """The file, or the key, cannot be read."""
        self.state = "damaged"
        self.lose(Loss(problem))


class Opening:
    """Opens the secrets of one account after the other, beside who reads their ledgers. Build it with `opening`.

    Without a file and a key it opens none.
    """

    def __init__(self, opened: Opened, file: tuple[SecretsReader, Callable[[Sealed], bool]] | None) -> None:
        self.opened = opened
        self._file = file
        self._done: set[str] = set()  # accounts

    @contextmanager
    def at_the_moment_of(self, begin: Callable[[], T]) -> Iterator[T]:
        """Look at the secrets, inside of the `with`, as they are when `begin` fixes the moment to read a ledger at."""
        with ExitStack() as moment:
            if self._file is None:
                yield begin()
                return
            reader, _ = self._file
            try:
                begun = moment.enter_context(reader.at_the_moment_of(begin))
            except SecretsError as error:
                self._give_up(error)
                begun = begin()
            yield begun

    def check(self, fold: Fold) -> None:
        """The account's ledger ends here: is each secret that its state names there, and does it open?"""
        self._check(fold.state.account, fold)

    def check_others(self) -> None:
        """Does each secret open that is there for an account whose ledger was not read to its end?"""
        if self._file is None:
            return
        reader, _ = self._file
        try:
            accounts = reader.accounts()
        except SecretsError as error:
            self._give_up(error)
            return
        for account in accounts:
            if account not in self._done:
                self._check(account, None)

    def _check(self, account: str, fold: Fold | None) -> None:
        if self._file is None:
            return
        reader, opens = self._file
        self._done.add(account)
        missing = set(fold.state.members(r.SECRETS, "")) if fold is not None else set()
        try:
            for sealed in reader.of(account):
                missing.discard(sealed[1])
                if opens(sealed):
                    self.opened.opened += 1
                else:
                    self.opened.lose(_loss("does not open: it was sealed with another key, or altered", sealed, fold))
        except SecretsError as error:
            self._give_up(error)
            return
        for secret_id in sorted(missing):
            self.opened.lose(_loss("is missing", (account, secret_id), fold))

    def _give_up(self, error: SecretsError) -> None:
        self._file = None
        self.opened.damaged(f"the secrets cannot be read: {error}")


def _loss(problem: str, secret: tuple[str, str] | Sealed, fold: Fold | None) -> Loss:
    account, secret_id = secret[:2]
    of = fold.state.get(r.SECRETS, "", secret_id) if fold is not None else None
    if fold is None or of is None:
        return Loss(problem, account, secret_id)
    user = fold.state.get(r.USER, of)
    position, _ = fold.begun[r.SECRETS.name, "", secret_id]
    return Loss(problem, account, secret_id, of, user.user_name if user is not None else None, position)


@contextmanager
def opening(folder: DataFolder, *, at_rest: bool) -> Iterator[Opening]:
    """What opens the secrets of a data folder. Where there are none, or no key, it opens none, and says so.

    `at_rest` says whether nobody writes to `secrets.db`.
    """
    opened = Opened()
    with ExitStack() as files:
        file = None
        try:
            key = folder.kept_secrets_key()
            if not folder.secrets.exists():
                opened.state = "missing"
            elif key is None:
                opened.state = "without a key"
            else:
                reader = SecretsReader(files.enter_context(closing(connect(folder.secrets, at_rest=at_rest))))
                with doing(f"checking the structure of {folder.secrets.name}"):
                    reader.check()
                file = reader, opener(key)
        except Failure as failure:
            opened.damaged(str(failure))
        except (sqlite3.Error, SecretsError) as error:
            opened.damaged(f"{folder.secrets.name}: {error}")
        yield Opening(opened, file)
