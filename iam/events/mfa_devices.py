"""What can happen to MFA devices. Seeds are never told, only the ids under which they are kept."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, Tag, begin, end, end_all, put


class VirtualMFADeviceCreated(Event, frozen=True, gc=False, kw_only=True, tag="VirtualMFADeviceCreated"):
    """A virtual MFA device exists, which no user has yet."""

    serial_number: str
    virtual_mfa_device_name: str
    path: str
    created_at: datetime
    seed_id: str
    tags: tuple[Tag, ...] = ()

    def changes(self) -> Iterator[Change]:
        device = r.VirtualMFADevice(self.virtual_mfa_device_name, self.path, self.created_at, self.seed_id)
        yield begin(r.VIRTUAL_MFA_DEVICES, "", self.serial_number, device)
        for tag in self.tags:
            yield begin(r.MFA_DEVICE_TAGS, self.serial_number, tag.key, tag)
        yield begin(r.SECRETS, "", self.seed_id, self.serial_number)


class VirtualMFADeviceDeleted(Event, frozen=True, gc=False, kw_only=True, tag="VirtualMFADeviceDeleted"):
    """The virtual MFA device is no more, and with it its tags and its seed. No user had it any more."""

    serial_number: str
    seed_id: str

    def changes(self) -> Iterator[Change]:
        yield end(r.VIRTUAL_MFA_DEVICES, "", self.serial_number)
        yield end_all(r.MFA_DEVICE_TAGS, self.serial_number)
        yield end(r.SECRETS, "", self.seed_id)


class MFADeviceEnabled(Event, frozen=True, gc=False, kw_only=True, tag="MFADeviceEnabled"):
    """The user has the MFA device."""

    user_id: str
    user_name: str
    serial_number: str
    enabled_at: datetime

    def changes(self) -> Iterator[Change]:
        yield begin(r.USER_MFA_DEVICES, self.user_id, self.serial_number, r.MFADevice(self.enabled_at))
        yield begin(r.MFA_DEVICE_USERS, "", self.serial_number, self.user_id)


class MFADeviceDeactivated(Event, frozen=True, gc=False, kw_only=True, tag="MFADeviceDeactivated"):
    """The user does not have the MFA device any more."""

    user_id: str
    user_name: str
    serial_number: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_MFA_DEVICES, self.user_id, self.serial_number)
        yield end(r.MFA_DEVICE_USERS, "", self.serial_number)


class MFADeviceTagged(Event, frozen=True, gc=False, kw_only=True, tag="MFADeviceTagged"):
    """The virtual MFA device has these tags."""

    serial_number: str
    tags: tuple[Tag, ...]

    def changes(self) -> Iterator[Change]:
        for tag in self.tags:
            yield put(r.MFA_DEVICE_TAGS, self.serial_number, tag.key, tag)


class MFADeviceUntagged(Event, frozen=True, gc=False, kw_only=True, tag="MFADeviceUntagged"):
    """The virtual MFA device does not have tags of these keys any more."""

    serial_number: str
    tag_keys: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        for key in self.tag_keys:
            yield end(r.MFA_DEVICE_TAGS, self.serial_number, key)


MFADeviceEvent = (
    VirtualMFADeviceCreated
    | VirtualMFADeviceDeleted
    | MFADeviceEnabled
    | MFADeviceDeactivated
    | MFADeviceTagged
    | MFADeviceUntagged
)
