"""Actions on MFA devices."""

import os
from base64 import b32encode
from collections.abc import Mapping
from typing import Any

from api.actions.action import Action, Listing, Read, Reply, Secret, Write, under
from api.actions.members import tag
from api.actions.users import listed_user
from api.qr import qr_code
from iam.events.mfa_devices import VirtualMFADeviceCreated
from iam.mfa_devices import (
    SEED_ID_PREFIX,
    CreateVirtualMFADevice,
    DeactivateMFADevice,
    DeleteVirtualMFADevice,
    EnableMFADevice,
    GetMFADevice,
    ListMFADevices,
    ListMFADeviceTags,
    ListVirtualMFADevices,
    MFADevice,
    ResyncMFADevice,
    TagMFADevice,
    UntagMFADevice,
    VirtualMFADevice,
    create_virtual_mfa_device,
    deactivate_mfa_device,
    delete_virtual_mfa_device,
    enable_mfa_device,
    get_mfa_device,
    list_mfa_devices,
    list_virtual_mfa_devices,
    resync_mfa_device,
)
from iam.tags import list_thing_tags, tag_thing, untag_thing

SEED_BYTES = 40  # 64 characters of base32


def _device(device: MFADevice) -> Reply:
    return {
        "UserName": device.user_name,
        "SerialNumber": device.serial_number,
        "EnableDate": device.enabled_at,
    }


def _listed_virtual(device: VirtualMFADevice) -> Reply:
    """A virtual device in a list: without tags. Who has it, and since when, only if somebody does."""
    return {
        "SerialNumber": device.serial_number,
        "User": listed_user(device.user) if device.user is not None else None,
        "EnableDate": device.enabled_at,
    }


def _created(event: VirtualMFADeviceCreated, account: str, partition: str) -> Reply:
    """With tags only if some were given, in their order."""
    tags = [tag(each) for each in event.tags] or None
    return {"VirtualMFADevice": {"SerialNumber": event.serial_number, "Tags": tags}}


def _seed(parameters: Mapping[str, Any]) -> str:
    return b32encode(os.urandom(SEED_BYTES)).decode()


def _shown(reply: Reply, seed: str) -> Reply:
    """With the seed, and with a picture of it for the camera of an authenticator."""
    device = reply["VirtualMFADevice"]
    _, _, _, _, account, resource = device["SerialNumber"].split(":", 5)
    url = f"otpauth://totp/{resource.rpartition('/')[2]}@{account}?secret={seed}"
    return {"VirtualMFADevice": {**device, "Base32StringSeed": seed.encode(), "QRCodePNG": qr_code(url)}}


ACTIONS: Mapping[str, Action] = {
    "CreateVirtualMFADevice": Write(
        CreateVirtualMFADevice, create_virtual_mfa_device, _created, Secret(SEED_ID_PREFIX, _seed, _shown)
    ),
    "DeleteVirtualMFADevice": Write(DeleteVirtualMFADevice, delete_virtual_mfa_device),
    "EnableMFADevice": Write(EnableMFADevice, enable_mfa_device),
    "DeactivateMFADevice": Write(DeactivateMFADevice, deactivate_mfa_device),
    "ResyncMFADevice": Write(ResyncMFADevice, resync_mfa_device),
    "GetMFADevice": Read(GetMFADevice, get_mfa_device, _device),
    "ListMFADevices": Listing(ListMFADevices, list_mfa_devices, under("MFADevices", _device)),
    "ListVirtualMFADevices": Listing(
        ListVirtualMFADevices, list_virtual_mfa_devices, under("VirtualMFADevices", _listed_virtual), wide=True
    ),
    "TagMFADevice": Write(TagMFADevice, tag_thing),
    "UntagMFADevice": Write(UntagMFADevice, untag_thing),
    "ListMFADeviceTags": Listing(ListMFADeviceTags, list_thing_tags, under("Tags", tag)),
}
