"""Who is asking, on whose account, and in which partition."""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, TypeVar

import msgspec

from eventstore.record import Actor
from iam.arns import PARTITIONS, partition_of, root_arn
from iam.commands import Principal

T = TypeVar("T")

CHARACTERS_MAX: Final = 128  # of what a header says

_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)


class Caller(msgspec.Struct, frozen=True):
    """The principal of one request. `account` is the one all its reads and writes are about."""

    account: str
    actor: Actor

    @property
    def partition(self) -> str:
        """The one that the account is in, or would be from its first record on."""
        return partition_of(self.actor.arn)


def unauthenticated(authorization: str, default_account: str, partition: str) -> Caller:
    """The caller with `--auth off`: no signature is checked, and the access key id names the account.

    Twelve digits are the root user of that account; any other key that nobody issued, or none, is the root of the
    default account.
    """
    return _root_by_key(credential(authorization)[0], default_account, partition)


@lru_cache(maxsize=1024)
def _root_by_key(key: str | None, default_account: str, partition: str) -> Caller:
    account = key if key is not None and _ACCOUNT.fullmatch(key) else default_account
    return Caller(account, Actor(id=account, arn=root_arn(partition, account), access_key_id=key))


def credential(authorization: str) -> tuple[str | None, str, str]:
    """The access key id, the region and the service in a SigV4 Authorization header.

    It has them as `Credential=key/date/region/service/…`, up to a comma. None, and empty, where it lacks them.
    """
    _, _, rest = authorization.partition("Credential=")
    key, _, region, service, *_ = (*rest.partition(",")[0].split("/", 4), "", "", "")
    return key[:CHARACTERS_MAX] if rest else None, region[:CHARACTERS_MAX], service[:CHARACTERS_MAX]


def _patterns() -> dict[str, re.Pattern[str]]:
    """What regions look like in each partition, and its names for none in particular, both as botocore has them."""
    data = files("botocore").joinpath("data", "partitions.json").read_bytes()  # its loader imports most of botocore
    known = {each["id"]: each for each in msgspec.json.decode(data)["partitions"]}
    return {
        partition: re.compile("|".join((known[partition]["regionRegex"], *map(re.escape, known[partition]["regions"]))))
        for partition in PARTITIONS
    }


_REGIONS: Final = _patterns()


@lru_cache(maxsize=256)
def partition_of_region(region: str) -> str | None:
    """The partition that a region is in. None for what is no region of those that accounts can be in."""
    return next((partition for partition, regions in _REGIONS.items() if regions.fullmatch(region)), None)


def asked_by(actor: Actor, kind: type[T], parameters: Mapping[str, Any]) -> T:
    """The command or query with these parameters and, where that matters to it, with who asks."""
    if "caller" in kind.__struct_fields__:  # type: ignore[attr-defined]
        parameters = {**parameters, "caller": Principal(actor.id, actor.arn)}
    return msgspec.convert(parameters, kind)
