"""The credential report: AWS's columns, a line for the root user and one for each user."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from iam import relations as r
from iam.access_keys import CreateAccessKey, UpdateAccessKey
from iam.credential_report import COLUMNS, credential_report
from iam.login_profiles import CreateLoginProfile, UpdateLoginProfile
from iam.password_policies import UpdateAccountPasswordPolicy
from iam.relations import begin
from iam.users import CreateUser
from iam.uses import Use

AWS_COLUMNS = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,"
    "mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
    "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
    "access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,"
    "cert_2_last_rotated"
)
NEVER = "N/A"


def report(account: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(credential_report(account.account).splitlines(), strict=True))


def told(line: dict[str, str], prefix: str) -> list[str]:
    return [value for column, value in line.items() if column.startswith(prefix)]


def test_the_columns_are_those_of_aws(given: Callable[..., Any]) -> None:
    """In its order; the root user has a line in an empty account, too."""
    assert ",".join(COLUMNS) == AWS_COLUMNS
    lines = credential_report(given().account).split("\n")
    assert lines[0] == AWS_COLUMNS
    assert [line.split(",")[:2] for line in lines[1:]] == [["<root_account>", "arn:aws:iam::123456789012:root"]]
    assert len(lines[1].split(",")) == len(COLUMNS)


def test_a_user_is_told_with_password_and_keys(given: Callable[..., Any]) -> None:
    """Since when they are; nothing was ever used."""
    account = given(
        CreateUser(user_name="Bob", path='/a,"b"/'),
        CreateUser(user_name="alice,x"),
        CreateLoginProfile(user_name="bob", password="x"),
        CreateAccessKey(user_name="bob"),
        CreateAccessKey(user_name="bob"),
        UpdateAccessKey(user_name="bob", access_key_id="AKIA1", status="Inactive"),
        UpdateLoginProfile(user_name="bob", password="y"),
    )
    _, alice, bob = report(account)
    assert (alice["user"], bob["user"]) == ("alice,x", "Bob")
    assert bob["arn"] == 'arn:aws:iam::123456789012:user/a,"b"/Bob'
    assert bob["user_creation_time"] == "2026-11-02T14:03:00+00:00"
    assert told(alice, "password") == ["false", NEVER, NEVER, NEVER]
    assert told(bob, "password") == ["true", "no_information", "2026-11-02T14:09:00+00:00", NEVER]
    assert told(bob, "access_key_1") == ["false", "2026-11-02T14:06:00+00:00", NEVER, NEVER, NEVER]
    assert told(bob, "access_key_2") == ["true", "2026-11-02T14:07:00+00:00", NEVER, NEVER, NEVER]
    assert told(alice, "access_key_2") == ["false", NEVER, NEVER, NEVER, NEVER]

    account.also(UpdateAccountPasswordPolicy(max_password_age=90))
    assert report(account)[2]["password_next_rotation"] == "2027-01-31T14:09:00+00:00"


def test_keys_are_told_with_their_last_uses(given: Callable[..., Any]) -> None:
    """Each with its own, in UTC; what a client says of its region stays in its cell."""
    account = given(CreateUser(user_name="bob"), CreateAccessKey(user_name="bob"), CreateAccessKey(user_name="bob"))
    at = datetime(2026, 11, 3, 23, 30, 59, 999999, tzinfo=timezone(timedelta(hours=2)))
    uses = {"AKIA2": Use(at, 'x","y', "iam"), "AKIA3": Use(at)}
    account.account.world = msgspec.structs.replace(account.account.world, uses=uses)
    root, bob = report(account)
    assert told(bob, "access_key_1_last_used") == [NEVER, NEVER, NEVER]
    assert told(bob, "access_key_2_last_used") == ["2026-11-03T21:30:59+00:00", 'x","y', "iam"]
    assert told(root, "access_key_2_last_used") == [NEVER, NEVER, NEVER]


def test_a_user_is_told_with_device_and_certificates(given: Callable[..., Any]) -> None:
    """That there is a device, and since when there are certificates, the oldest first."""
    account = given(CreateUser(user_name="bob"))
    later, sooner = (datetime(2026, month, 1, tzinfo=UTC) for month in (2, 1))
    account.account.apply(
        [
            begin(r.USER_MFA_DEVICES, "AIDA1", "GAHT12345678", r.MFADevice(later)),
            begin(r.USER_SIGNING_CERTIFICATES, "AIDA1", "A", r.SigningCertificate("Active", later)),
            begin(r.USER_SIGNING_CERTIFICATES, "AIDA1", "B", r.SigningCertificate("Inactive", sooner)),
        ]
    )
    bob = report(account)[1]
    assert bob["mfa_active"] == "true"
    assert told(bob, "cert") == ["false", "2026-01-01T00:00:00+00:00", "true", "2026-02-01T00:00:00+00:00"]
