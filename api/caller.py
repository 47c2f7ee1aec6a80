"""Who is asking, and on whose account."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from eventstore.record import Actor
from iam.arns import root_arn
from iam.commands import Principal

T = TypeVar("T")

_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)


class Caller(msgspec.Struct, frozen=True):
    """The principal of one request. `account` is the one all its reads and writes are about."""

    account: str
    actor: Actor


def unauthenticated(authorization: str, default_account: str, partition: str) -> Caller:
    """The caller with `--auth off`: no signature is checked, and the access key id names the account.

    Twelve digits are the root user of that account; any other key that nobody issued, or none, is the root of the
    default account.
    """
    return _root_by_key(access_key_id(authorization), default_account, partition)


@lru_cache(maxsize=1024)
def _root_by_key(key: str | None, default_account: str, partition: str) -> Caller:
    account = key if key is not None and _ACCOUNT.fullmatch(key) else default_account
    return Caller(account, Actor(id=account, arn=root_arn(partition, account), access_key_id=key))


def access_key_id(authorization: str) -> str | None:
    """The access key id in a SigV4 Authorization header, or None."""
    _, found, rest = authorization.partition("Credential=")
    return rest.partition("/")[0][:128] if found and rest else None


def asked_by(actor: Actor, kind: type[T], parameters: Mapping[str, Any]) -> T:
    """The command or query with these parameters and, where that matters to it, with who asks."""
    if "caller" in kind.__struct_fields__:  # type: ignore[attr-defined]
        parameters = {**parameters, "caller": Principal(actor.id, actor.arn)}
    return msgspec.convert(parameters, kind)
