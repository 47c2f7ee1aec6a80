"""MFA devices: virtual ones and others, who has them, their tags."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iam.commands import Command, Principal
from iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    IamError,
    InvalidAuthenticationCode,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)
from iam.events.mfa_devices import (
    MFADeviceDeactivated,
    MFADeviceEnabled,
    MFADeviceTagged,
    MFADeviceUntagged,
    VirtualMFADeviceCreated,
    VirtualMFADeviceDeleted,
)
from iam.mfa_devices import (
    CreateVirtualMFADevice,
    DeactivateMFADevice,
    DeleteVirtualMFADevice,
    EnableMFADevice,
    GetMFADevice,
    ListMFADevices,
    ListMFADeviceTags,
    ListVirtualMFADevices,
    ResyncMFADevice,
    TagMFADevice,
    UntagMFADevice,
    create_virtual_mfa_device,
    deactivate_mfa_device,
    delete_virtual_mfa_device,
    enable_mfa_device,
    get_mfa_device,
    list_mfa_devices,
    list_virtual_mfa_devices,
    resync_mfa_device,
)
from iam.quotas import Quotas
from iam.relations import Tag
from iam.tags import list_thing_tags, tag_thing, untag_thing
from iam.users import CreateUser, DeleteUser, UpdateUser, delete_user

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
ALICE = CreateUser(user_name="Alice")
BOB = CreateUser(user_name="bob")
PHONE = CreateVirtualMFADevice(virtual_mfa_device_name="phone", path="/team/")
TABLET = CreateVirtualMFADevice(virtual_mfa_device_name="tablet")
SERIAL = "arn:aws:iam::123456789012:mfa/team/phone"
OTHER = "arn:aws:iam::123456789012:mfa/tablet"
TOKEN = "GAHT12345678"
KEY = "arn:aws:iam::123456789012:u2f/user/Alice/key"
NOT_OF_USER = "MFA Device invalid for user."
UNKNOWN = "arn:aws:iam::123456789012:mfa/x"
NO_DEVICES = (  # ARNs that are neither of a virtual device nor of a security key of this account
    "arn:aws:iam::210987654321:mfa/phone",
    "arn:aws:iam::210987654321:u2f/user/alice/key",
    "arn:aws:iam::123456789012:sms-mfa/alice",
    "arn:aws-cn:iam::123456789012:mfa/tablet",
    "arn:aws:iam::123456789012:user/alice",
)
NO_DEVICE = f"MFA Device with serial number {UNKNOWN} does not exist."


def enable(serial: str = SERIAL, user: str = "alice", codes: tuple[str, str] = ("123456", "654321")) -> EnableMFADevice:
    return EnableMFADevice(
        user_name=user, serial_number=serial, authentication_code1=codes[0], authentication_code2=codes[1]
    )


def resync(serial: str = SERIAL, user: str = "alice", codes: tuple[str, str] = ("123456", "654321")) -> ResyncMFADevice:
    return ResyncMFADevice(
        user_name=user, serial_number=serial, authentication_code1=codes[0], authentication_code2=codes[1]
    )


def test_a_virtual_device_is_created_with_all_it_was_given(given: Callable[..., Any]) -> None:
    """Its serial number is an ARN; tags stay in the caller's order, and their keys may differ in case only."""
    tags = (Tag("b", "1"), Tag("B", ""))
    command = CreateVirtualMFADevice(virtual_mfa_device_name="phone", path="/team/", tags=tags)

    given().when(create_virtual_mfa_device, command).then(
        VirtualMFADeviceCreated(
            serial_number=SERIAL,
            virtual_mfa_device_name="phone",
            path="/team/",
            created_at=NOW,
            seed_id="SEED1",
            tags=tags,
        )
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (
            CreateVirtualMFADevice(virtual_mfa_device_name="phone", path="/team/", tags=(Tag("a", ""), Tag("a", "1"))),
            InvalidInput,
            "Duplicate tag keys found.",
        ),
        (
            CreateVirtualMFADevice(virtual_mfa_device_name="x" * 226),
            LimitExceeded,
            "Cannot exceed quota for VirtualMFADevicesPerAccount: 1",
        ),
        (
            CreateVirtualMFADevice(virtual_mfa_device_name="x" * 227),
            ValidationError,
            "1 validation error detected: Value at 'serialNumber' failed to satisfy constraint: "
            "Member must have length less than or equal to 256",
        ),
        (PHONE, EntityAlreadyExists, "MFA device already exists."),
    ],
    ids=["repeated key", "quota", "too long", "taken"],
)
def test_refusals_of_creation_stand_in_their_order(
    given: Callable[..., Any], command: Command, refusal: type[IamError], message: str
) -> None:
    """Each row also has the fault of a later one."""
    given(PHONE, quotas=Quotas(users_per_account=1)).when(create_virtual_mfa_device, command).refused(refusal, message)


def test_a_name_is_free_on_another_path(given: Callable[..., Any]) -> None:
    """And in another spelling."""
    for command in (
        CreateVirtualMFADevice(virtual_mfa_device_name="phone"),
        CreateVirtualMFADevice(virtual_mfa_device_name="Phone", path="/team/"),
    ):
        assert given(PHONE).when(create_virtual_mfa_device, command).events


@pytest.mark.parametrize("serial", [SERIAL, TOKEN, KEY])
def test_a_device_is_enabled_and_deactivated(given: Callable[..., Any], serial: str) -> None:
    """Be it virtual, a token or a security key; only a virtual one must have been made."""
    told = {"user_id": "AIDA1", "user_name": "Alice", "serial_number": serial}
    command = DeactivateMFADevice(serial_number=serial, user_name="ALICE")

    given(ALICE, PHONE).when(enable_mfa_device, enable(serial)).then(MFADeviceEnabled(**told, enabled_at=NOW))
    given(ALICE, PHONE, enable(serial)).when(deactivate_mfa_device, command).then(MFADeviceDeactivated(**told))


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (enable(user="x"), NoSuchEntity, "The user with name x cannot be found."),
        (enable(codes=("1", "1")), EntityAlreadyExists, "MFA Device for user Alice already exists."),
        (enable(user="bob", codes=("1", "1")), EntityAlreadyExists, "MFA Device is already in use."),
        (enable(UNKNOWN, codes=("1", "1")), NoSuchEntity, NO_DEVICE),
        *(
            (enable(serial, codes=("1", "1")), NoSuchEntity, f"MFA Device with serial number {serial} does not exist.")
            for serial in NO_DEVICES
        ),
        (enable(OTHER, codes=("1", "1")), InvalidAuthenticationCode, "Authentication code for device is not valid."),
        (enable(OTHER), LimitExceeded, "Cannot exceed quota for MFADevicesPerUser: 1"),
    ],
    ids=["user", "own", "of another", "no device", *NO_DEVICES, "codes", "quota"],
)
def test_refusals_of_enabling_stand_in_their_order(
    given: Callable[..., Any], command: Command, refusal: type[IamError], message: str
) -> None:
    """Each row also has the fault of a later one."""
    account = given(ALICE, BOB, PHONE, TABLET, enable(), quotas=Quotas(mfa_devices_per_user=1))

    account.when(enable_mfa_device, command).refused(refusal, message)


@pytest.mark.parametrize(
    ("decide", "command"),
    [
        (deactivate_mfa_device, DeactivateMFADevice(serial_number=SERIAL, user_name="bob")),
        (deactivate_mfa_device, DeactivateMFADevice(serial_number=OTHER, user_name="alice")),
        (resync_mfa_device, resync(user="bob", codes=("1", "1"))),
        (resync_mfa_device, resync(OTHER)),
    ],
    ids=["of another", "of nobody", "resync of another", "resync of nobody"],
)
def test_a_device_that_the_user_does_not_have_is_not_found(
    given: Callable[..., Any], decide: Any, command: Command
) -> None:
    """Whether somebody else has it or nobody."""
    given(ALICE, BOB, PHONE, TABLET, enable()).when(decide, command).refused(NoSuchEntity, NOT_OF_USER)


def test_resynchronizing_changes_nothing(given: Callable[..., Any]) -> None:
    """Codes that are the same are refused, as they cannot follow each other."""
    account = given(ALICE, PHONE, enable())

    account.when(resync_mfa_device, resync()).nothing()
    account.when(resync_mfa_device, resync(codes=("1", "1"))).refused(
        InvalidAuthenticationCode, "Authentication code for device is not valid."
    )


def test_who_names_no_user_means_itself(given: Callable[..., Any]) -> None:
    """The root user has no devices here, and nobody else can be meant."""
    account = given(ALICE, PHONE, enable(KEY))
    alice = Principal("AIDA1", "arn:aws:iam::123456789012:user/Alice")
    root = Principal("123456789012", "arn:aws:iam::123456789012:root")

    account.when(deactivate_mfa_device, DeactivateMFADevice(serial_number=KEY, caller=alice)).then(
        MFADeviceDeactivated(user_id="AIDA1", user_name="Alice", serial_number=KEY)
    )
    account.when(deactivate_mfa_device, DeactivateMFADevice(serial_number=KEY, caller=root)).refused(
        ValidationError, "Must specify userName when calling with non-User credentials"
    )
    assert [serial for serial, _ in list_mfa_devices(account.account, ListMFADevices(caller=alice), "")] == [KEY]
    assert list(list_mfa_devices(account.account, ListMFADevices(caller=root), "")) == []
    assert get_mfa_device(account.account, GetMFADevice(serial_number=KEY, caller=alice)).user_name == "Alice"


def test_a_device_that_somebody_has_is_not_deleted(given: Callable[..., Any], contents: Callable[..., Any]) -> None:
    """Tags and seed go with the device, and nothing is left behind."""
    command = DeleteVirtualMFADevice(serial_number=SERIAL)
    tagged = TagMFADevice(serial_number=SERIAL, tags=(Tag("a", "b"),))

    given(ALICE, PHONE, enable()).when(delete_virtual_mfa_device, command).refused(
        DeleteConflict, "MFA VirtualDevice in use. Must deactivate first."
    )
    given(PHONE, tagged).when(delete_virtual_mfa_device, command).then(
        VirtualMFADeviceDeleted(serial_number=SERIAL, seed_id="SEED1")
    )
    assert contents(given(PHONE, tagged, command).account) == {}


@pytest.mark.parametrize("serial", [SERIAL, TOKEN])
def test_a_user_with_a_device_is_not_deleted(given: Callable[..., Any], serial: str) -> None:
    """Of any kind."""
    given(ALICE, PHONE, enable(serial)).when(delete_user, DeleteUser(user_name="alice")).refused(
        DeleteConflict, "Cannot delete entity, must delete MFA device first."
    )


def test_devices_are_listed_by_serial_number(given: Callable[..., Any]) -> None:
    """Of a user all, by its name of now; of the account the virtual ones only, with who has them."""
    renamed = UpdateUser(user_name="alice", new_user_name="carol")
    account = given(ALICE, PHONE, TABLET, enable(), enable(TOKEN), renamed).account

    devices = [device for _, device in list_mfa_devices(account, ListMFADevices(user_name="carol"), "")]
    assert [(device.user_name, device.serial_number) for device in devices] == [("carol", TOKEN), ("carol", SERIAL)]
    assert devices[1].enabled_at == BEFORE + timedelta(minutes=3)

    def virtual(status: str, after: str = "") -> list[tuple[str, str | None]]:
        found = list_virtual_mfa_devices(account, ListVirtualMFADevices(assignment_status=status), after)
        return [(device.serial_number, device.user.user_name if device.user else None) for _, device in found]

    assert virtual("Any") == [(OTHER, None), (SERIAL, "carol")]
    assert virtual("Any", "tablet") == virtual("Assigned") == [(SERIAL, "carol")]
    assert virtual("Unassigned") == [(OTHER, None)]


@pytest.mark.parametrize("serial", [SERIAL, TOKEN, "arn:aws:iam::210987654321:u2f/user/alice/key"])
def test_only_security_keys_are_shown_one_by_one(given: Callable[..., Any], serial: str) -> None:
    """As AWS has it; of those that another user has it says so."""
    account = given(ALICE, BOB, PHONE, enable(), enable(TOKEN), enable(KEY, user="bob")).account

    with pytest.raises(ValidationError, match="only hardware FIDO security keys are supported"):
        get_mfa_device(account, GetMFADevice(serial_number=serial, user_name="alice"))
    with pytest.raises(NoSuchEntity, match=NOT_OF_USER):
        get_mfa_device(account, GetMFADevice(serial_number=KEY, user_name="alice"))


def test_tag_keys_that_differ_in_case_are_two(given: Callable[..., Any]) -> None:
    """In tagging and in untagging."""
    account = given(PHONE, TagMFADevice(serial_number=SERIAL, tags=(Tag("team", "red"),)))
    command = TagMFADevice(serial_number=SERIAL, tags=(Tag("Team", "blue"), Tag("team", "red")))

    account.when(tag_thing, command).then(MFADeviceTagged(serial_number=SERIAL, tags=(Tag("Team", "blue"),)))
    account.when(untag_thing, UntagMFADevice(serial_number=SERIAL, tag_keys=("TEAM", "team"))).then(
        MFADeviceUntagged(serial_number=SERIAL, tag_keys=("team",))
    )
    listed = list_thing_tags(account.also(command).account, ListMFADeviceTags(serial_number=SERIAL), "")
    assert [tag for _, tag in listed] == [Tag("Team", "blue"), Tag("team", "red")]


@pytest.mark.parametrize(
    "command",
    [
        DeleteVirtualMFADevice(serial_number=UNKNOWN),
        TagMFADevice(serial_number=UNKNOWN, tags=(Tag("a", ""),)),
        UntagMFADevice(serial_number=UNKNOWN, tag_keys=("a",)),
        DeactivateMFADevice(serial_number=UNKNOWN, user_name="alice"),
        resync(UNKNOWN, codes=("1", "1")),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_virtual_device_that_is_not_there_is_not_found(
    given: Callable[..., Any], decisions: Any, command: Command
) -> None:
    """Under its whole ARN."""
    given(ALICE, PHONE).when(decisions[type(command)], command).refused(NoSuchEntity, NO_DEVICE)
