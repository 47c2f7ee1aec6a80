"""Access keys: whose they are, how many, their status, and what stands in the way of a user's deletion."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from iam.access_keys import (
    AccessKey,
    CreateAccessKey,
    DeleteAccessKey,
    GetAccessKeyLastUsed,
    ListAccessKeys,
    UpdateAccessKey,
    create_access_key,
    delete_access_key,
    get_access_key_last_used,
    key_holder,
    keys_of,
    list_access_keys,
    update_access_key,
)
from iam.commands import Command, Principal
from iam.errors import (
    AccessDenied,
    DeleteConflict,
    IamError,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)
from iam.events.credentials import AccessKeyCreated, AccessKeyDeleted, AccessKeyUpdated
from iam.quotas import Quotas
from iam.users import CreateUser, DeleteUser, UpdateUser, delete_user
from iam.uses import Use

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
MINUTE = timedelta(minutes=1)
ALICE = CreateUser(user_name="Alice")  # AIDA1
BOB = CreateUser(user_name="bob")  # AIDA2
KEY = CreateAccessKey(user_name="alice")
ROOT = Principal("123456789012", "arn:aws:iam::123456789012:root")
AS_ALICE = Principal("AIDA1", "arn:aws:iam::123456789012:user/Alice")
SESSION = Principal("AROA1:session", "arn:aws:sts::123456789012:assumed-role/reader/session")
NO_USER = "Must specify userName when calling with non-User credentials"
NO_KEY = "The Access Key with id AKIA1 cannot be found."
CREATED = AccessKeyCreated(user_id="AIDA1", user_name="Alice", access_key_id="AKIA1", created_at=NOW)


@pytest.mark.parametrize(
    "command", [KEY, CreateAccessKey(caller=AS_ALICE), CreateAccessKey(user_name="ALICE", caller=ROOT)]
)
def test_a_pair_is_created_for_the_user_who_is_named_or_asks(given: Callable[..., Any], command: Command) -> None:
    """By the id that comes from outside; the event has no secret."""
    given(ALICE).when(create_access_key, command).then(CREATED)


@pytest.mark.parametrize("caller", [None, ROOT, SESSION, Principal("AIDA9", "arn")])
def test_who_is_no_user_must_name_one(given: Callable[..., Any], caller: Principal | None) -> None:
    """Also the root user, of whom no keys are made here."""
    given(ALICE).when(create_access_key, CreateAccessKey(caller=caller)).refused(ValidationError, NO_USER)


def test_inactive_keys_count(given: Callable[..., Any]) -> None:
    """A third pair is one too many; deleting one makes room."""
    inactive = UpdateAccessKey(user_name="alice", access_key_id="AKIA1", status="Inactive")
    account = given(ALICE, KEY, inactive, KEY)
    message = "Cannot exceed quota for AccessKeysPerUser: 2"
    account.when(create_access_key, KEY).refused(LimitExceeded, message)
    assert account.also(DeleteAccessKey(user_name="alice", access_key_id="AKIA1")).when(create_access_key, KEY).events
    assert given(ALICE, KEY, KEY, quotas=Quotas(access_keys_per_user=3)).when(create_access_key, KEY).events


def test_a_status_is_changed_once(given: Callable[..., Any]) -> None:
    """Setting it again changes nothing."""
    inactive = UpdateAccessKey(access_key_id="AKIA1", status="Inactive", caller=AS_ALICE)
    account = given(ALICE, KEY)
    account.when(update_access_key, inactive).then(
        AccessKeyUpdated(
            user_id="AIDA1",
            user_name="Alice",
            access_key_id="AKIA1",
            status="Inactive",
            previous_status="Active",
            created_at=BEFORE + MINUTE,
        )
    )
    account.also(inactive).when(update_access_key, inactive).nothing()


def test_a_pair_is_deleted(given: Callable[..., Any]) -> None:
    """Then it is nobody's."""
    account = given(ALICE, KEY)
    command = DeleteAccessKey(user_name="alice", access_key_id="AKIA1")
    account.when(delete_access_key, command).then(
        AccessKeyDeleted(user_id="AIDA1", user_name="Alice", access_key_id="AKIA1")
    )
    assert key_holder(account.account, "AKIA1") == "AIDA1"
    assert key_holder(account.also(command).account, "AKIA1") is None


@pytest.mark.parametrize(
    ("fields", "refusal", "message"),
    [
        ({"user_name": "x"}, NoSuchEntity, "The user with name x cannot be found."),
        ({"user_name": "bob"}, NoSuchEntity, NO_KEY),
        ({"caller": SESSION}, ValidationError, NO_USER),
    ],
)
@pytest.mark.parametrize(
    ("decide", "kind", "more"),
    [(update_access_key, UpdateAccessKey, {"status": "Active"}), (delete_access_key, DeleteAccessKey, {})],
)
def test_a_pair_is_found_with_its_own_user_only(
    given: Callable[..., Any],
    decide: Any,
    kind: Any,
    more: dict[str, str],
    fields: dict[str, Any],
    refusal: type[IamError],
    message: str,
) -> None:
    """By the name that is given; who gives none and is neither user nor root must give one."""
    command = kind(access_key_id="AKIA1", **more, **fields)
    given(ALICE, BOB, KEY).when(decide, command).refused(refusal, message)


@pytest.mark.parametrize("caller", [None, ROOT])
def test_the_root_user_need_not_say_whose_a_pair_is(given: Callable[..., Any], caller: Any) -> None:
    """Its id says so, as long as the pair is there."""
    account = given(ALICE, BOB, KEY)
    update = UpdateAccessKey(access_key_id="AKIA1", status="Inactive", caller=caller)
    delete = DeleteAccessKey(access_key_id="AKIA1", caller=caller)

    assert keys_of(account.also(update).account, "AIDA1")[0].status == "Inactive"
    account.when(delete_access_key, delete).then(
        AccessKeyDeleted(user_id="AIDA1", user_name="Alice", access_key_id="AKIA1")
    )
    account.also(delete).when(delete_access_key, delete).refused(ValidationError, NO_USER)


def test_expired_cannot_be_set(given: Callable[..., Any]) -> None:
    """Whatever else is wrong."""
    command = UpdateAccessKey(user_name="x", access_key_id="AKIA1", status="Expired")
    message = "The status of an access key can be set to Active or Inactive only."
    given().when(update_access_key, command).refused(InvalidInput, message)


def test_pairs_are_listed_by_age_under_the_name_of_now(given: Callable[..., Any]) -> None:
    """They stay with the user who is renamed."""
    rename = UpdateUser(user_name="alice", new_user_name="Carol")
    account = given(ALICE, KEY, KEY, rename).account
    found = [
        AccessKey("AKIA1", "Carol", "Active", BEFORE + MINUTE),
        AccessKey("AKIA2", "Carol", "Active", BEFORE + 2 * MINUTE),
    ]
    for query in (ListAccessKeys(user_name="carol"), ListAccessKeys(caller=AS_ALICE)):
        pages = list(list_access_keys(account, query, ""))
        assert [key for _, key in pages] == found
        assert [key for _, key in list_access_keys(account, query, pages[0][0])] == found[1:]
    for caller in (None, ROOT):
        assert list(list_access_keys(account, ListAccessKeys(caller=caller), "")) == []


def test_whose_a_pair_is_can_be_asked_by_anybody(given: Callable[..., Any]) -> None:
    """Of an unknown one AWS says that it must not be asked."""
    account = given(ALICE, KEY).account
    assert get_access_key_last_used(account, GetAccessKeyLastUsed(access_key_id="AKIA1")) == ("Alice", None)
    for caller, arn in ((None, ROOT.arn), (ROOT, ROOT.arn), (AS_ALICE, AS_ALICE.arn)):
        with pytest.raises(AccessDenied) as refusal:
            get_access_key_last_used(account, GetAccessKeyLastUsed(access_key_id="AKIA2", caller=caller))
        assert refusal.value.message == (
            f"User: {arn} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key AKIA2"
        )


@pytest.mark.parametrize("partition", ["aws", "aws-cn"])
def test_the_last_use_of_a_pair_is_told_as_it_is_when_asked(given: Callable[..., Any], partition: str) -> None:
    """It comes with the world, is no part of the account, and goes on while the account stays as it is."""
    account = given(ALICE, KEY, KEY).account
    uses: dict[str, Use] = {}
    account.world = msgspec.structs.replace(account.world, uses=uses).within(partition)
    for use in (Use(BEFORE, "eu-west-1", "sts"), Use(NOW, "us-east-1", "iam")):
        uses["AKIA1"] = use
        assert get_access_key_last_used(account, GetAccessKeyLastUsed(access_key_id="AKIA1")) == ("Alice", use)
        assert get_access_key_last_used(account, GetAccessKeyLastUsed(access_key_id="AKIA2")) == ("Alice", None)


def test_a_user_with_keys_is_not_deleted(given: Callable[..., Any]) -> None:
    """Until the last is gone."""
    account = given(ALICE, KEY)
    delete = DeleteUser(user_name="alice")
    account.when(delete_user, delete).refused(DeleteConflict, "Cannot delete entity, must delete access keys first.")
    assert account.also(DeleteAccessKey(user_name="alice", access_key_id="AKIA1")).when(delete_user, delete).events
