"""What can happen to groups."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, begin, end, put


class GroupCreated(Event, frozen=True, gc=False, kw_only=True, tag="GroupCreated"):
    """A group exists, under an id that no other group ever had or will have."""

    group_id: str
    group_name: str
    path: str
    created_at: datetime

    def changes(self) -> Iterator[Change]:
        yield begin(r.GROUPS, "", self.group_name.lower(), self.group_id)
        yield begin(r.GROUP, self.group_id, "", r.GroupProfile(self.group_name, self.path, self.created_at))


class GroupUpdated(Event, frozen=True, gc=False, kw_only=True, tag="GroupUpdated"):
    """The group has another name, path or both. Id, members and policies stay with it."""

    group_id: str
    group_name: str
    path: str
    previous_group_name: str
    previous_path: str
    created_at: datetime

    def changes(self) -> Iterator[Change]:
        if self.group_name.lower() != self.previous_group_name.lower():
            yield end(r.GROUPS, "", self.previous_group_name.lower())
            yield begin(r.GROUPS, "", self.group_name.lower(), self.group_id)
        yield put(r.GROUP, self.group_id, "", r.GroupProfile(self.group_name, self.path, self.created_at))


class GroupDeleted(Event, frozen=True, gc=False, kw_only=True, tag="GroupDeleted"):
    """The group is no more. Its members and policies were removed before."""

    group_id: str
    group_name: str

    def changes(self) -> Iterator[Change]:
        yield end(r.GROUPS, "", self.group_name.lower())
        yield end(r.GROUP, self.group_id)


class UserAddedToGroup(Event, frozen=True, gc=False, kw_only=True, tag="UserAddedToGroup"):
    """What is permitted to the group is permitted to the user too."""

    group_id: str
    group_name: str
    user_id: str
    user_name: str

    def changes(self) -> Iterator[Change]:
        yield begin(r.USER_GROUPS, self.user_id, self.group_id, self.group_id)
        yield begin(r.GROUP_USERS, self.group_id, self.user_id, self.user_id)


class UserRemovedFromGroup(Event, frozen=True, gc=False, kw_only=True, tag="UserRemovedFromGroup"):
    """The user is not a member of the group any more."""

    group_id: str
    group_name: str
    user_id: str
    user_name: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_GROUPS, self.user_id, self.group_id)
        yield end(r.GROUP_USERS, self.group_id, self.user_id)


class GroupPolicyAttached(Event, frozen=True, gc=False, kw_only=True, tag="GroupPolicyAttached"):
    """A managed policy applies to the group."""

    group_id: str
    group_name: str
    policy_arn: str
    policy_name: str

    def changes(self) -> Iterator[Change]:
        yield begin(r.GROUP_POLICIES, self.group_id, self.policy_arn, self.policy_name)
        yield begin(r.POLICY_GROUPS, self.policy_arn, self.group_id, self.group_id)


class GroupPolicyDetached(Event, frozen=True, gc=False, kw_only=True, tag="GroupPolicyDetached"):
    """A managed policy does not apply to the group any more."""

    group_id: str
    group_name: str
    policy_arn: str

    def changes(self) -> Iterator[Change]:
        yield end(r.GROUP_POLICIES, self.group_id, self.policy_arn)
        yield end(r.POLICY_GROUPS, self.policy_arn, self.group_id)


class GroupPolicyPut(Event, frozen=True, gc=False, kw_only=True, tag="GroupPolicyPut"):
    """An inline policy of the group says this. `policy_name` is the spelling it was first put under."""

    group_id: str
    group_name: str
    policy_name: str
    policy_document: str

    def changes(self) -> Iterator[Change]:
        inline = r.InlinePolicy(self.policy_name, self.policy_document)
        yield put(r.GROUP_INLINE_POLICIES, self.group_id, self.policy_name.lower(), inline)


class GroupPolicyDeleted(Event, frozen=True, gc=False, kw_only=True, tag="GroupPolicyDeleted"):
    """The group does not have this inline policy any more."""

    group_id: str
    group_name: str
    policy_name: str

    def changes(self) -> Iterator[Change]:
        yield end(r.GROUP_INLINE_POLICIES, self.group_id, self.policy_name.lower())


GroupEvent = (
    GroupCreated
    | GroupUpdated
    | GroupDeleted
    | UserAddedToGroup
    | UserRemovedFromGroup
    | GroupPolicyAttached
    | GroupPolicyDetached
    | GroupPolicyPut
    | GroupPolicyDeleted
)
