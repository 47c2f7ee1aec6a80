"""MFA devices: virtual ones, which the account has, and which of them and of other devices users have.

A device of hardware is known by the serial number on it, and exists for as long as a user has it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from iam import relations as r
from iam.arns import iam_arn
from iam.callers import is_root, user_asked
from iam.commands import Command, Moment, Principal, Query
from iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidAuthenticationCode,
    LimitExceeded,
    NoSuchEntity,
    ValidationError,
)
from iam.events import Event
from iam.events.mfa_devices import (
    MFADeviceDeactivated,
    MFADeviceEnabled,
    MFADeviceTagged,
    MFADeviceUntagged,
    VirtualMFADeviceCreated,
    VirtualMFADeviceDeleted,
)
from iam.identities import USER
from iam.pages import short_keys
from iam.state import State, known
from iam.tags import ListThingTags, Tagged, TagThing, UntagThing, check_tag_keys
from iam.users import User, user_at

NOUN = "mfa"
SECURITY_KEY = "u2f"  # in the ARN of a FIDO security key
SEED_ID_PREFIX = "SEED"  # ours: AWS shows no such ids
SERIAL_LENGTH_MAX = 256

_NO_SECURITY_KEY = (
    "The MFA device serial number sent in the request is invalid or not supported by this API. Currently, only "
    "hardware FIDO security keys are supported. Please use the compatible device or API."
)


class CreateVirtualMFADevice(Command, frozen=True, gc=False, kw_only=True):
    virtual_mfa_device_name: str
    path: str = "/"
    tags: tuple[r.Tag, ...] = ()


class DeleteVirtualMFADevice(Command, frozen=True, gc=False, kw_only=True):
    serial_number: str


class EnableMFADevice(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    serial_number: str
    authentication_code1: str
    authentication_code2: str


class DeactivateMFADevice(Command, frozen=True, gc=False, kw_only=True):
    serial_number: str
    user_name: str | None = None
    caller: Principal | None = None


class ResyncMFADevice(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    serial_number: str
    authentication_code1: str
    authentication_code2: str


class GetMFADevice(Query, frozen=True, gc=False, kw_only=True):
    serial_number: str
    user_name: str | None = None
    caller: Principal | None = None


class ListMFADevices(Query, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None
    caller: Principal | None = None


class ListVirtualMFADevices(Query, frozen=True, gc=False, kw_only=True):
    assignment_status: str = "Any"


class MFADevice(msgspec.Struct, frozen=True, gc=False):
    """A device that a user has."""

    user_name: str
    serial_number: str
    enabled_at: datetime


class VirtualMFADevice(msgspec.Struct, frozen=True, gc=False):
    """A virtual device, and who has it since when, if somebody does."""

    serial_number: str
    user: User | None = None
    enabled_at: datetime | None = None


def _find(state: State, serial_number: str) -> r.VirtualMFADevice:
    device = state.get(r.VIRTUAL_MFA_DEVICES, "", serial_number)
    if device is None:
        raise NoSuchEntity(f"MFA Device with serial number {serial_number} does not exist.")
    return device


def _is_security_key(state: State, serial_number: str) -> bool:
    return serial_number.startswith(iam_arn(state.world.partition, state.account, SECURITY_KEY, "/", ""))


def _device_of(state: State, asked: Any) -> str:
    _find(state, asked.serial_number)
    serial_number: str = asked.serial_number
    return serial_number


def _told(state: State, serial_number: str) -> dict[str, str]:
    return {"serial_number": serial_number}


TAGGED = Tagged(r.MFA_DEVICE_TAGS, _device_of, _told, MFADeviceTagged, MFADeviceUntagged, ignore_case=False)


class TagMFADevice(TagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    serial_number: str


class UntagMFADevice(UntagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    serial_number: str


class ListMFADeviceTags(ListThingTags, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    serial_number: str


# Decisions


def create_virtual_mfa_device(state: State, command: CreateVirtualMFADevice, moment: Moment) -> list[Event]:
    """Make a virtual device, which no user has yet. The answer shows its seed; nothing does so later.

    Path and name together are its identity. An account can have as many of them as users.
    """
    check_tag_keys([tag.key for tag in command.tags], ignore_case=False)
    serial_number = iam_arn(state.world.partition, state.account, NOUN, command.path, command.virtual_mfa_device_name)
    if len(serial_number) > SERIAL_LENGTH_MAX:
        raise ValidationError(
            "1 validation error detected: Value at 'serialNumber' failed to satisfy constraint: "
            f"Member must have length less than or equal to {SERIAL_LENGTH_MAX}"
        )
    if state.get(r.VIRTUAL_MFA_DEVICES, "", serial_number) is not None:
        raise EntityAlreadyExists("MFA device already exists.")
    if state.count(r.VIRTUAL_MFA_DEVICES, "") >= (quota := state.world.quotas.users_per_account):
        raise LimitExceeded(f"Cannot exceed quota for VirtualMFADevicesPerAccount: {quota}")
    return [
        VirtualMFADeviceCreated(
            serial_number=serial_number,
            virtual_mfa_device_name=command.virtual_mfa_device_name,
            path=command.path,
            created_at=moment.at,
            seed_id=moment.new_id(SEED_ID_PREFIX),
            tags=command.tags,
        )
    ]


def delete_virtual_mfa_device(state: State, command: DeleteVirtualMFADevice, moment: Moment) -> list[Event]:
    """Delete a virtual device that no user has."""
    device = _find(state, command.serial_number)
    if state.get(r.MFA_DEVICE_USERS, "", command.serial_number) is not None:
        raise DeleteConflict("MFA VirtualDevice in use. Must deactivate first.")
    return [VirtualMFADeviceDeleted(serial_number=command.serial_number, seed_id=device.seed_id)]


def enable_mfa_device(state: State, command: EnableMFADevice, moment: Moment) -> list[Event]:
    """Give a device to a user. An ARN is that of a virtual device, which must be there, or of a security key.

    Any other serial number is one of hardware, and so is a security key: nobody here can know which there are.

    The two codes must differ, as codes that follow each other do; otherwise any are accepted: they are not checked
    against the seed, as nothing is protected by them here.
    """
    user_id = USER.find(state, command.user_name)
    holder = state.get(r.MFA_DEVICE_USERS, "", command.serial_number)
    if holder == user_id:
        raise EntityAlreadyExists(f"MFA Device for user {known(state, r.USER, user_id).user_name} already exists.")
    if holder is not None:
        raise EntityAlreadyExists("MFA Device is already in use.")
    if command.serial_number.startswith("arn:") and not _is_security_key(state, command.serial_number):
        _find(state, command.serial_number)
    _check_codes(command)
    if state.count(r.USER_MFA_DEVICES, user_id) >= (quota := state.world.quotas.mfa_devices_per_user):
        raise LimitExceeded(f"Cannot exceed quota for MFADevicesPerUser: {quota}")
    return [
        MFADeviceEnabled(**USER.told(state, user_id), serial_number=command.serial_number, enabled_at=moment.at),
    ]


def deactivate_mfa_device(state: State, command: DeactivateMFADevice, moment: Moment) -> list[Event]:
    """Take a device from the user who has it. A virtual one remains, for this user or another."""
    user_id = user_asked(state, command)
    _device_of_user(state, user_id, command.serial_number)
    return [MFADeviceDeactivated(**USER.told(state, user_id), serial_number=command.serial_number)]


def resync_mfa_device(state: State, command: ResyncMFADevice, moment: Moment) -> list[Event]:
    """Take note of the codes that a user's device shows. They are not checked, so that nothing ever changes."""
    _device_of_user(state, USER.find(state, command.user_name), command.serial_number)
    _check_codes(command)
    return []


def _check_codes(command: EnableMFADevice | ResyncMFADevice) -> None:
    if command.authentication_code1 == command.authentication_code2:
        raise InvalidAuthenticationCode("Authentication code for device is not valid.")


def _device_of_user(state: State, user_id: str, serial_number: str) -> r.MFADevice:
    """Raises NoSuchEntity; AWS says whether there is no such device at all, or the user does not have it."""
    device = state.get(r.USER_MFA_DEVICES, user_id, serial_number)
    if device is not None:
        return device
    if state.get(r.MFA_DEVICE_USERS, "", serial_number) is None:
        _find(state, serial_number)
    raise NoSuchEntity("MFA Device invalid for user.")


# Reads


def get_mfa_device(state: State, query: GetMFADevice) -> MFADevice:
    """A FIDO security key of a user. Others than those AWS does not show here."""
    if not _is_security_key(state, query.serial_number):
        raise ValidationError(_NO_SECURITY_KEY)
    user_id = user_asked(state, query)
    device = _device_of_user(state, user_id, query.serial_number)
    return MFADevice(known(state, r.USER, user_id).user_name, query.serial_number, device.enabled_at)


def list_mfa_devices(state: State, query: ListMFADevices, after: str) -> Iterator[tuple[str, MFADevice]]:
    """The devices of a user, by serial number. The root user has none here."""
    if query.user_name is None and is_root(state, query.caller):
        return iter(())
    user_id = user_asked(state, query)
    name = known(state, r.USER, user_id).user_name
    devices = state.scan(r.USER_MFA_DEVICES, user_id)
    return short_keys(((serial, MFADevice(name, serial, device.enabled_at)) for serial, device in devices), after)


def list_virtual_mfa_devices(
    state: State, query: ListVirtualMFADevices, after: str
) -> Iterator[tuple[str, VirtualMFADevice]]:
    """The account's virtual devices, by serial number: all, those that users have, or the others.

    A key is the part of the serial number in which they differ: the whole may be too long for a marker.
    """
    shared = iam_arn(state.world.partition, state.account, NOUN, "/", "")
    for serial_number, _ in state.scan(r.VIRTUAL_MFA_DEVICES, "", shared + after):
        key = serial_number.removeprefix(shared)
        user_id = state.get(r.MFA_DEVICE_USERS, "", serial_number)
        if query.assignment_status == ("Unassigned" if user_id is not None else "Assigned"):
            continue
        if user_id is None:
            yield key, VirtualMFADevice(serial_number)
        else:
            enabled_at = _device_of_user(state, user_id, serial_number).enabled_at
            yield key, VirtualMFADevice(serial_number, user_at(state, user_id), enabled_at)
