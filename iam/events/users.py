"""What can happen to users."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, Tag, begin, end, end_all, put


class UserCreated(Event, frozen=True, gc=False, kw_only=True, tag="UserCreated"):
    """A user exists, under an id that no other user ever had or will have."""

    user_id: str
    user_name: str
    path: str
    created_at: datetime
    tags: tuple[Tag, ...] = ()
    permissions_boundary: str | None = None

    def changes(self) -> Iterator[Change]:
        yield begin(r.USERS, "", self.user_name.lower(), self.user_id)
        yield begin(r.USER, self.user_id, "", r.UserProfile(self.user_name, self.path, self.created_at))
        for tag in self.tags:
            yield begin(r.USER_TAGS, self.user_id, tag.key.lower(), tag)
        if self.permissions_boundary:
            yield begin(r.USER_BOUNDARY, self.user_id, "", self.permissions_boundary)
            yield begin(r.BOUNDARY_USERS, self.permissions_boundary, self.user_id, self.user_id)


class UserUpdated(Event, frozen=True, gc=False, kw_only=True, tag="UserUpdated"):
    """The user has another name, path or both. Id, tags and policies stay with it."""

    user_id: str
    user_name: str
    path: str
    previous_user_name: str
    previous_path: str
    created_at: datetime

    def changes(self) -> Iterator[Change]:
        if self.user_name.lower() != self.previous_user_name.lower():
            yield end(r.USERS, "", self.previous_user_name.lower())
            yield begin(r.USERS, "", self.user_name.lower(), self.user_id)
        yield put(r.USER, self.user_id, "", r.UserProfile(self.user_name, self.path, self.created_at))


class UserDeleted(Event, frozen=True, gc=False, kw_only=True, tag="UserDeleted"):
    """The user is no more, and with it its tags and boundary. Its policies were removed before."""

    user_id: str
    user_name: str
    permissions_boundary: str | None = None

    def changes(self) -> Iterator[Change]:
        yield end(r.USERS, "", self.user_name.lower())
        yield end(r.USER, self.user_id)
        yield end_all(r.USER_TAGS, self.user_id)
        if self.permissions_boundary:
            yield end(r.USER_BOUNDARY, self.user_id)
            yield end(r.BOUNDARY_USERS, self.permissions_boundary, self.user_id)


class UserTagged(Event, frozen=True, gc=False, kw_only=True, tag="UserTagged"):
    """The user has these tags; one whose key differs in case only replaces the older spelling."""

    user_id: str
    user_name: str
    tags: tuple[Tag, ...]

    def changes(self) -> Iterator[Change]:
        for tag in self.tags:
            yield put(r.USER_TAGS, self.user_id, tag.key.lower(), tag)


class UserUntagged(Event, frozen=True, gc=False, kw_only=True, tag="UserUntagged"):
    """The user does not have tags of these keys any more."""

    user_id: str
    user_name: str
    tag_keys: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        for key in self.tag_keys:
            yield end(r.USER_TAGS, self.user_id, key.lower())


class UserPermissionsBoundaryPut(Event, frozen=True, gc=False, kw_only=True, tag="UserPermissionsBoundaryPut"):
    """A managed policy bounds what the user can be allowed; one set before does not any more."""

    user_id: str
    user_name: str
    permissions_boundary: str
    previous_permissions_boundary: str | None = None

    def changes(self) -> Iterator[Change]:
        if self.previous_permissions_boundary:
            yield end(r.BOUNDARY_USERS, self.previous_permissions_boundary, self.user_id)
        yield put(r.USER_BOUNDARY, self.user_id, "", self.permissions_boundary)
        yield begin(r.BOUNDARY_USERS, self.permissions_boundary, self.user_id, self.user_id)


class UserPermissionsBoundaryDeleted(Event, frozen=True, gc=False, kw_only=True, tag="UserPermissionsBoundaryDeleted"):
    """Nothing bounds the user's permissions any more."""

    user_id: str
    user_name: str
    permissions_boundary: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_BOUNDARY, self.user_id)
        yield end(r.BOUNDARY_USERS, self.permissions_boundary, self.user_id)


class UserPolicyAttached(Event, frozen=True, gc=False, kw_only=True, tag="UserPolicyAttached"):
    """A managed policy applies to the user."""

    user_id: str
    user_name: str
    policy_arn: str
    policy_name: str

    def changes(self) -> Iterator[Change]:
        yield begin(r.USER_POLICIES, self.user_id, self.policy_arn, self.policy_name)
        yield begin(r.POLICY_USERS, self.policy_arn, self.user_id, self.user_id)


class UserPolicyDetached(Event, frozen=True, gc=False, kw_only=True, tag="UserPolicyDetached"):
    """A managed policy does not apply to the user any more."""

    user_id: str
    user_name: str
    policy_arn: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_POLICIES, self.user_id, self.policy_arn)
        yield end(r.POLICY_USERS, self.policy_arn, self.user_id)


class UserPolicyPut(Event, frozen=True, gc=False, kw_only=True, tag="UserPolicyPut"):
    """An inline policy of the user says this. `policy_name` is the spelling it was first put under."""

    user_id: str
    user_name: str
    policy_name: str
    policy_document: str

    def changes(self) -> Iterator[Change]:
        inline = r.InlinePolicy(self.policy_name, self.policy_document)
        yield put(r.USER_INLINE_POLICIES, self.user_id, self.policy_name.lower(), inline)


class UserPolicyDeleted(Event, frozen=True, gc=False, kw_only=True, tag="UserPolicyDeleted"):
    """The user does not have this inline policy any more."""

    user_id: str
    user_name: str
    policy_name: str

    def changes(self) -> Iterator[Change]:
        yield end(r.USER_INLINE_POLICIES, self.user_id, self.policy_name.lower())


UserEvent = (
    UserCreated
    | UserUpdated
    | UserDeleted
    | UserTagged
    | UserUntagged
    | UserPermissionsBoundaryPut
    | UserPermissionsBoundaryDeleted
    | UserPolicyAttached
    | UserPolicyDetached
    | UserPolicyPut
    | UserPolicyDeleted
)
