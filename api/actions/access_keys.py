"""Actions on access keys."""

import secrets
from collections.abc import Mapping
from string import ascii_letters, digits
from typing import Any

from api.actions.action import Action, Listing, Read, Reply, Secret, Write, under
from iam.access_keys import (
    ID_PREFIX,
    AccessKey,
    CreateAccessKey,
    DeleteAccessKey,
    GetAccessKeyLastUsed,
    ListAccessKeys,
    UpdateAccessKey,
    create_access_key,
    delete_access_key,
    get_access_key_last_used,
    list_access_keys,
    update_access_key,
)
from iam.events.credentials import AccessKeyCreated
from iam.uses import NONE, Use

SECRET_CHARACTERS = ascii_letters + digits + "+/"
SECRET_LENGTH = 40


def _key(key: AccessKey) -> Reply:
    return {
        "UserName": key.user_name,
        "AccessKeyId": key.access_key_id,
        "Status": key.status,
        "CreateDate": key.created_at,
    }


def _created(event: AccessKeyCreated, account: str, partition: str) -> Reply:
    return {"AccessKey": _key(AccessKey(event.access_key_id, event.user_name, "Active", event.created_at))}


def _secret_key(parameters: Mapping[str, Any]) -> str:
    return "".join(secrets.choice(SECRET_CHARACTERS) for _ in range(SECRET_LENGTH))


def _last_used(found: tuple[str, Use | None]) -> Reply:
    """A pair that was never used has no date."""
    user_name, use = found
    if use is None:
        return {"UserName": user_name, "AccessKeyLastUsed": {"ServiceName": NONE, "Region": NONE}}
    used = {"LastUsedDate": use.at, "ServiceName": use.service, "Region": use.region}
    return {"UserName": user_name, "AccessKeyLastUsed": used}


ACTIONS: Mapping[str, Action] = {
    "CreateAccessKey": Write(
        CreateAccessKey,
        create_access_key,
        _created,
        Secret(
            ID_PREFIX,
            _secret_key,
            lambda reply, secret: {"AccessKey": {**reply["AccessKey"], "SecretAccessKey": secret}},
        ),
    ),
    "UpdateAccessKey": Write(UpdateAccessKey, update_access_key),
    "DeleteAccessKey": Write(DeleteAccessKey, delete_access_key),
    "ListAccessKeys": Listing(ListAccessKeys, list_access_keys, under("AccessKeyMetadata", _key)),
    "GetAccessKeyLastUsed": Read(GetAccessKeyLastUsed, get_access_key_last_used, _last_used),
}
