"""MFA devices through boto3."""

from __future__ import annotations

import json
from base64 import b32decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply

Refused = Callable[..., tuple[int, str, str]]

CODES = {"AuthenticationCode1": "234567", "AuthenticationCode2": "345678"}
TAGS = [{"Key": "team", "Value": "red"}, {"Key": "Team", "Value": ""}]
SEED = "CreateVirtualMFADeviceResult/VirtualMFADevice/Base32StringSeed"


@pytest.fixture
def serial(account: Account) -> str:
    """The serial number of the device that `alice` makes."""
    return f"arn:aws:iam::{account.id}:mfa/team/phone"


@pytest.fixture
def alice(iam: Any) -> Any:
    """A client of an account with a user `alice` and a device `phone` that nobody has."""
    iam.create_user(UserName="alice", Path="/team/", Tags=TAGS[:1])
    iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/team/", Tags=TAGS)
    return iam


def test_a_created_device_is_answered_with_its_seed(iam: Any, account: Account) -> None:
    """And a picture of it, as bytes both; tags only where some were given, in their order."""
    created = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/team/", Tags=TAGS)["VirtualMFADevice"]
    assert created.keys() == {"SerialNumber", "Base32StringSeed", "QRCodePNG", "Tags"}
    assert created["SerialNumber"] == f"arn:aws:iam::{account.id}:mfa/team/phone"
    assert (len(created["Base32StringSeed"]), len(b32decode(created["Base32StringSeed"]))) == (64, 40)
    assert created["QRCodePNG"].startswith(b"\x89PNG")
    assert created["Tags"] == TAGS
    bare = iam.create_virtual_mfa_device(VirtualMFADeviceName="bare")["VirtualMFADevice"]
    assert bare.keys() == {"SerialNumber", "Base32StringSeed", "QRCodePNG"}
    assert bare["Base32StringSeed"] != created["Base32StringSeed"]


@pytest.mark.parametrize("path", ["/", "/p/", f"/{'p' * 224}/"], ids=len)
def test_the_longest_name_that_a_path_leaves_room_for_is_answered(iam: Any, refused: Refused, path: str) -> None:
    """Serial numbers have 256 characters at most. What is refused leaves no device behind."""
    room = 256 - len(f"arn:aws:iam::123456789012:mfa{path}")
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="x" * room, Path=path)["VirtualMFADevice"]
    assert len(made["SerialNumber"]) == 256
    assert made["QRCodePNG"].startswith(b"\x89PNG")
    assert refused(iam.create_virtual_mfa_device, VirtualMFADeviceName="x" * (room + 1), Path=path)[:2] == (
        400,
        "ValidationError",
    )
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == [{"SerialNumber": made["SerialNumber"]}]


def test_a_seed_is_shown_again_to_a_repeat_and_to_nobody_else(account: Account) -> None:
    """It stands in no record; when the device is gone, the repeat is told so."""
    once = {"amz-sdk-invocation-id": str(uuid4())}

    def create() -> Reply:
        return account.query("CreateVirtualMFADevice", once, VirtualMFADeviceName="phone")

    seed = create().text(SEED)
    assert create().text(SEED) == seed
    [record] = account.events()
    assert seed not in json.dumps(record)
    assert seed not in account.query("ListVirtualMFADevices").body.decode()
    account.query("DeleteVirtualMFADevice", SerialNumber=f"arn:aws:iam::{account.id}:mfa/phone")
    assert create().refusal[:2] == (404, "NoSuchEntity")


def test_a_device_is_enabled_listed_and_deactivated(alice: Any, serial: str) -> None:
    """The user is shown without tags; a device that nobody has shows no user."""
    alice.enable_mfa_device(UserName="alice", SerialNumber=serial, **CODES)
    [device] = alice.list_mfa_devices(UserName="alice")["MFADevices"]
    assert device.keys() == {"UserName", "SerialNumber", "EnableDate"}
    assert (device["UserName"], device["SerialNumber"]) == ("alice", serial)
    [virtual] = alice.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert virtual.keys() == {"SerialNumber", "User", "EnableDate"}
    assert virtual["User"].keys() == {"Path", "UserName", "UserId", "Arn", "CreateDate"}
    assert virtual["EnableDate"] == device["EnableDate"]
    assert alice.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"] == []

    alice.resync_mfa_device(UserName="alice", SerialNumber=serial, **CODES)
    alice.deactivate_mfa_device(UserName="alice", SerialNumber=serial)
    assert alice.list_mfa_devices(UserName="alice")["MFADevices"] == []
    assert alice.list_virtual_mfa_devices()["VirtualMFADevices"] == [{"SerialNumber": serial}]
    alice.delete_virtual_mfa_device(SerialNumber=serial)
    assert alice.list_virtual_mfa_devices()["VirtualMFADevices"] == []


def test_a_token_of_hardware_is_enabled(alice: Any) -> None:
    """Its serial number is the one on it; it is no virtual device."""
    alice.enable_mfa_device(UserName="alice", SerialNumber="123456789", **CODES)
    [device] = alice.list_mfa_devices(UserName="alice")["MFADevices"]
    assert device["SerialNumber"] == "123456789"
    assert len(alice.list_virtual_mfa_devices(AssignmentStatus="Any")["VirtualMFADevices"]) == 1
    assert alice.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"] == []


def test_a_security_key_is_shown(alice: Any, account: Account, refused: Refused, serial: str) -> None:
    """It alone is."""
    key = f"arn:aws:iam::{account.id}:u2f/user/alice/key"
    alice.enable_mfa_device(UserName="alice", SerialNumber=key, **CODES)
    shown = alice.get_mfa_device(UserName="alice", SerialNumber=key)
    assert (shown["UserName"], shown["SerialNumber"]) == ("alice", key)
    assert "EnableDate" in shown
    assert refused(alice.get_mfa_device, UserName="alice", SerialNumber=serial) == (
        400,
        "ValidationError",
        "The MFA device serial number sent in the request is invalid or not supported by this API. Currently, only "
        "hardware FIDO security keys are supported. Please use the compatible device or API.",
    )


def test_refusals_have_the_codes_and_words_of_aws(alice: Any, refused: Refused, serial: str) -> None:
    """Codes that are the same are no codes of a device; what is in use is not given away."""
    alice.create_user(UserName="bob")
    enabling = {"SerialNumber": serial, **CODES}
    same = {**enabling, "AuthenticationCode2": "234567"}
    assert refused(alice.enable_mfa_device, UserName="alice", **same) == (
        403,
        "InvalidAuthenticationCode",
        "Authentication code for device is not valid.",
    )
    alice.enable_mfa_device(UserName="alice", **enabling)
    taken = (409, "EntityAlreadyExists")
    assert refused(alice.enable_mfa_device, UserName="alice", **enabling) == (
        *taken,
        "MFA Device for user alice already exists.",
    )
    assert refused(alice.enable_mfa_device, UserName="bob", **enabling) == (*taken, "MFA Device is already in use.")
    assert refused(alice.deactivate_mfa_device, UserName="bob", SerialNumber=serial) == (
        404,
        "NoSuchEntity",
        "MFA Device invalid for user.",
    )
    assert refused(alice.delete_virtual_mfa_device, SerialNumber=serial) == (
        409,
        "DeleteConflict",
        "MFA VirtualDevice in use. Must deactivate first.",
    )
    assert refused(alice.delete_user, UserName="alice")[:2] == (409, "DeleteConflict")
    assert refused(alice.create_virtual_mfa_device, VirtualMFADeviceName="phone", Path="/team/") == (
        *taken,
        "MFA device already exists.",
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"Path": "/team"},
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric "
            "characters and/or / characters.",
        ),
        (
            {"VirtualMFADeviceName": "my phone"},
            "The specified value for virtualMFADeviceName is invalid. It must contain only alphanumeric characters "
            "and/or the following: +=,.@_-",
        ),
        (
            {"Path": f"/{'b' * 511}/"},
            "1 validation error detected: Value at 'path' failed to satisfy constraint: Member must have length less "
            "than or equal to 512",
        ),
    ],
    ids=["path", "name", "long path"],
)
def test_names_and_paths_are_checked(iam: Any, refused: Refused, asked: dict[str, str], message: str) -> None:
    """With the sentences that AWS has for them."""
    given = {"VirtualMFADeviceName": "phone", **asked}
    assert refused(iam.create_virtual_mfa_device, **given) == (400, "ValidationError", message)


def test_tags_of_a_device_are_set_listed_and_removed(alice: Any, refused: Refused, serial: str) -> None:
    """In pages; case counts."""
    alice.tag_mfa_device(SerialNumber=serial, Tags=[{"Key": "a", "Value": "1"}])
    alice.untag_mfa_device(SerialNumber=serial, TagKeys=["team", "none"])
    first = alice.list_mfa_device_tags(SerialNumber=serial, MaxItems=1)
    assert (first["Tags"], first["IsTruncated"]) == ([{"Key": "a", "Value": "1"}], True)
    rest = alice.list_mfa_device_tags(SerialNumber=serial, Marker=first["Marker"])
    assert (rest["Tags"], rest["IsTruncated"]) == (TAGS[1:], False)
    assert refused(alice.list_mfa_device_tags, SerialNumber=f"{serial}x")[:2] == (404, "NoSuchEntity")
    assert refused(alice.list_virtual_mfa_devices, Marker="x") == (400, "ValidationError", "Invalid Marker.")
