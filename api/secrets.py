"""From the moment a secret is made until nothing names it any more: the way between `secrets.db` and the ledger."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from api.actions.action import Secret
from eventstore.record import Record
from eventstore.secrets import Secrets, SecretsError
from iam import access_keys
from iam import relations as r
from iam.commands import Moment
from iam.errors import NoSuchEntity, ServiceUnavailable
from iam.events import AnyEvent

logger = logging.getLogger(__name__)


class Made(msgspec.Struct, frozen=True):
    """A secret that is kept already, and the id under which the event is going to name it."""

    account: str
    id_prefix: str
    id: str
    secret: str

    def given(self, moment: Moment) -> Moment:
        """The moment, in which the id of this secret is the next one with its prefix."""
        return Moment(moment.at, lambda prefix: self.id if prefix == self.id_prefix else moment.new_id(prefix))


class Keeper:
    """Keeps secrets for as long as an account's state names them. It also knows which account ever issued which key."""

    def __init__(self, secrets: Secrets) -> None:
        self.secrets = secrets
        self.issuers: dict[str, str] = {}  # access key id → account, also of keys that are no more: the state knows

    async def start(self, unnamed: Any, issued: Mapping[str, str]) -> None:
        """Forget what no state names. `issued` are the keys that ledgers ever told of, and their accounts.

        `unnamed` takes an account and ids, and answers those of them that the account's state does not name.
        """
        self.issuers.update(issued)
        by_account: dict[str, list[str]] = {}
        for account, secret_id in await self.secrets.names():
            by_account.setdefault(account, []).append(secret_id)
        for account, ids in by_account.items():
            orphans = set(await unnamed(account, ids))
            await self.forget((account, orphan) for orphan in orphans)
            self.issuers.update((id_, account) for id_ in ids if id_ not in orphans and _is_key(id_))

    async def make(self, account: str, secret: Secret, parameters: Mapping[str, Any], secret_id: str) -> Made | None:
        """Make the secret that the parameters ask for, if they do; it is durable on return.

        Raises ServiceUnavailable where it cannot be kept.
        """
        text = await asyncio.to_thread(secret.make, parameters)
        if text is None:
            return None
        try:
            await self.secrets.put(account, secret_id, text)
        except SecretsError as error:
            raise ServiceUnavailable(f"Nothing has changed: {error}. The call may be repeated.") from error
        if _is_key(secret_id):
            self.issuers[secret_id] = account
        return Made(account, secret.id_prefix, secret_id, text)

    async def settle(self, records: Sequence[Record[AnyEvent]], made: Made | None) -> None:
        """Forget what these records, which are durable, end, and also what was made in vain."""
        ended = {(record.account, id_) for record in records for id_ in _named(record, begun=False)}
        if made is not None and made.id not in {id_ for record in records for id_ in _named(record, begun=True)}:
            ended.add((made.account, made.id))
            self.issuers.pop(made.id, None)  # nobody ever heard of it
        if ended:
            await self.forget(ended)

    async def forget(self, names: Iterable[tuple[str, str]]) -> None:
        """Delete secrets, by account and id. What is left because of an error is deleted at the next start."""
        try:
            await self.secrets.delete(list(names))
        except SecretsError as error:
            logger.warning("%s", error)

    async def shown(self, record: Record[AnyEvent]) -> str:
        """The secret that the record names. Raises NoSuchEntity if it has been deleted since."""
        [secret_id] = _named(record, begun=True)
        secret = await self.read(record.account, secret_id)
        if secret is None:
            raise NoSuchEntity("The call was carried out before, and the secret that it made has been deleted since.")
        return secret

    async def read(self, account: str, secret_id: str) -> str | None:
        """The secret, if it is there. Raises ServiceUnavailable where it cannot be read."""
        try:
            return await self.secrets.get(account, secret_id)
        except SecretsError as error:
            raise ServiceUnavailable(f"{error}.") from error


def _is_key(secret_id: str) -> bool:
    return secret_id.startswith(access_keys.ID_PREFIX)


def _named(record: Record[AnyEvent], *, begun: bool) -> list[str]:
    """The ids of the secrets that begin, or end, with the record."""
    changes = record.event.changes() if record.event is not None else ()
    return [
        change.member
        for change in changes
        if change.relation is r.SECRETS and change.member is not None and (change.value is not None) == begun
    ]
