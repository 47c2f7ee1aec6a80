"""What can happen to instance profiles."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, Tag, begin, end, end_all, put


class InstanceProfileCreated(Event, frozen=True, gc=False, kw_only=True, tag="InstanceProfileCreated"):
    """An instance profile exists, under an id that no other ever had or will have."""

    instance_profile_id: str
    instance_profile_name: str
    path: str
    created_at: datetime
    tags: tuple[Tag, ...] = ()

    def changes(self) -> Iterator[Change]:
        profile = r.InstanceProfile(self.instance_profile_name, self.path, self.created_at)
        yield begin(r.INSTANCE_PROFILES, "", self.instance_profile_name.lower(), self.instance_profile_id)
        yield begin(r.INSTANCE_PROFILE, self.instance_profile_id, "", profile)
        for tag in self.tags:
            yield begin(r.INSTANCE_PROFILE_TAGS, self.instance_profile_id, tag.key, tag)


class InstanceProfileDeleted(Event, frozen=True, gc=False, kw_only=True, tag="InstanceProfileDeleted"):
    """The instance profile is no more, and with it its tags. Its role was removed before."""

    instance_profile_id: str
    instance_profile_name: str

    def changes(self) -> Iterator[Change]:
        yield end(r.INSTANCE_PROFILES, "", self.instance_profile_name.lower())
        yield end(r.INSTANCE_PROFILE, self.instance_profile_id)
        yield end_all(r.INSTANCE_PROFILE_TAGS, self.instance_profile_id)


class RoleAddedToInstanceProfile(Event, frozen=True, gc=False, kw_only=True, tag="RoleAddedToInstanceProfile"):
    """Instances with this profile act in the role."""

    instance_profile_id: str
    instance_profile_name: str
    role_id: str
    role_name: str

    def changes(self) -> Iterator[Change]:
        yield begin(r.INSTANCE_PROFILE_ROLES, self.instance_profile_id, self.role_id, self.role_id)
        yield begin(r.ROLE_INSTANCE_PROFILES, self.role_id, self.instance_profile_id, self.instance_profile_id)


class RoleRemovedFromInstanceProfile(Event, frozen=True, gc=False, kw_only=True, tag="RoleRemovedFromInstanceProfile"):
    """Instances with this profile do not act in the role any more."""

    instance_profile_id: str
    instance_profile_name: str
    role_id: str
    role_name: str

    def changes(self) -> Iterator[Change]:
        yield end(r.INSTANCE_PROFILE_ROLES, self.instance_profile_id, self.role_id)
        yield end(r.ROLE_INSTANCE_PROFILES, self.role_id, self.instance_profile_id)


class InstanceProfileTagged(Event, frozen=True, gc=False, kw_only=True, tag="InstanceProfileTagged"):
    """The instance profile has these tags."""

    instance_profile_id: str
    instance_profile_name: str
    tags: tuple[Tag, ...]

    def changes(self) -> Iterator[Change]:
        for tag in self.tags:
            yield put(r.INSTANCE_PROFILE_TAGS, self.instance_profile_id, tag.key, tag)


class InstanceProfileUntagged(Event, frozen=True, gc=False, kw_only=True, tag="InstanceProfileUntagged"):
    """The instance profile does not have tags of these keys any more."""

    instance_profile_id: str
    instance_profile_name: str
    tag_keys: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        for key in self.tag_keys:
            yield end(r.INSTANCE_PROFILE_TAGS, self.instance_profile_id, key)


InstanceProfileEvent = (
    InstanceProfileCreated
    | InstanceProfileDeleted
    | RoleAddedToInstanceProfile
    | RoleRemovedFromInstanceProfile
    | InstanceProfileTagged
    | InstanceProfileUntagged
)
