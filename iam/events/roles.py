"""What can happen to roles."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, Tag, begin, end, end_all, put


def _profile(event: "RoleCreated | RoleUpdated | RoleDescriptionUpdated") -> r.RoleProfile:
    return r.RoleProfile(event.role_name, event.path, event.created_at, event.description, event.max_session_duration)


class RoleCreated(Event, frozen=True, gc=False, kw_only=True, tag="RoleCreated"):
    """A role exists, under an id that no other role ever had or will have.

    `principals` are the users and roles of the account that the trust policy names: what it calls each, and whose id.
    """

    role_id: str
    role_name: str
    path: str
    created_at: datetime
    assume_role_policy_document: str
    description: str = ""
    max_session_duration: int = 3600
    tags: tuple[Tag, ...] = ()
    permissions_boundary: str | None = None
    principals: Mapping[str, str] = {}

    def changes(self) -> Iterator[Change]:
        trust = r.TrustPolicy(self.assume_role_policy_document, self.principals)
        yield begin(r.ROLES, "", self.role_name.lower(), self.role_id)
        yield begin(r.ROLE, self.role_id, "", _profile(self))
        yield begin(r.ROLE_TRUST, self.role_id, "", trust)
        for tag in self.tags:
            yield begin(r.ROLE_TAGS, self.role_id, tag.key.lower(), tag)
        if self.permissions_boundary:
            yield begin(r.ROLE_BOUNDARY, self.role_id, "", self.permissions_boundary)
            yield begin(r.BOUNDARY_ROLES, self.permissions_boundary, self.role_id, self.role_id)


class RoleUpdated(Event, frozen=True, gc=False, kw_only=True, tag="RoleUpdated"):
    """The role has another description, another longest session, or both. Nothing else of it can change."""

    role_id: str
    role_name: str
    path: str
    created_at: datetime
    description: str = ""
    max_session_duration: int = 3600

    def changes(self) -> Iterator[Change]:
        yield put(r.ROLE, self.role_id, "", _profile(self))


class RoleDescriptionUpdated(Event, frozen=True, gc=False, kw_only=True, tag="RoleDescriptionUpdated"):
    """Somebody said what the role is for, and was answered with the role as it then was."""

    role_id: str
    role_name: str
    path: str
    created_at: datetime
    assume_role_policy_document: str
    description: str = ""
    max_session_duration: int = 3600

    def changes(self) -> Iterator[Change]:
        yield put(r.ROLE, self.role_id, "", _profile(self))


class AssumeRolePolicyUpdated(Event, frozen=True, gc=False, kw_only=True, tag="AssumeRolePolicyUpdated"):
    """Another trust policy says who may assume the role. `principals` are as in `RoleCreated`."""

    role_id: str
    role_name: str
    policy_document: str
    principals: Mapping[str, str] = {}

    def changes(self) -> Iterator[Change]:
        yield put(r.ROLE_TRUST, self.role_id, "", r.TrustPolicy(self.policy_document, self.principals))


class RoleDeleted(Event, frozen=True, gc=False, kw_only=True, tag="RoleDeleted"):
    """The role is no more, and with it its tags and boundary. Its policies were removed before."""

    role_id: str
    role_name: str
    permissions_boundary: str | None = None

    def changes(self) -> Iterator[Change]:
        yield end(r.ROLES, "", self.role_name.lower())
        yield end(r.ROLE, self.role_id)
        yield end(r.ROLE_TRUST, self.role_id)
        yield end_all(r.ROLE_TAGS, self.role_id)
        if self.permissions_boundary:
            yield end(r.ROLE_BOUNDARY, self.role_id)
            yield end(r.BOUNDARY_ROLES, self.permissions_boundary, self.role_id)


class ServiceLinkedRoleCreated(Event, frozen=True, gc=False, kw_only=True, tag="ServiceLinkedRoleCreated"):
    """A role exists that a service of AWS acts in, with the managed policy which that service says it needs."""

    role_id: str
    role_name: str
    path: str
    created_at: datetime
    aws_service_name: str
    assume_role_policy_document: str
    description: str = ""
    policy_arn: str | None = None
    policy_name: str | None = None

    def changes(self) -> Iterator[Change]:
        profile = r.RoleProfile(self.role_name, self.path, self.created_at, self.description)
        yield begin(r.ROLES, "", self.role_name.lower(), self.role_id)
        yield begin(r.ROLE, self.role_id, "", profile)
        yield begin(r.ROLE_TRUST, self.role_id, "", r.TrustPolicy(self.assume_role_policy_document))
        if self.policy_arn and self.policy_name:
            yield begin(r.ROLE_POLICIES, self.role_id, self.policy_arn, self.policy_name)
            yield begin(r.POLICY_ROLES, self.policy_arn, self.role_id, self.role_id)


class ServiceLinkedRoleDeleted(Event, frozen=True, gc=False, kw_only=True, tag="ServiceLinkedRoleDeleted"):
    """A service's role is no more, and with it all that hung on it. The task is how the caller asks about it."""

    role_id: str
    role_name: str
    deletion_task_id: str
    policy_arns: tuple[str, ...] = ()
    permissions_boundary: str | None = None

    def changes(self) -> Iterator[Change]:
        yield end(r.ROLES, "", self.role_name.lower())
        yield end(r.ROLE, self.role_id)
        yield end(r.ROLE_TRUST, self.role_id)
        yield end_all(r.ROLE_TAGS, self.role_id)
        yield end_all(r.ROLE_INLINE_POLICIES, self.role_id)
        for arn in self.policy_arns:
            yield end(r.ROLE_POLICIES, self.role_id, arn)
            yield end(r.POLICY_ROLES, arn, self.role_id)
        if self.permissions_boundary:
            yield end(r.ROLE_BOUNDARY, self.role_id)
            yield end(r.BOUNDARY_ROLES, self.permissions_boundary, self.role_id)
        yield begin(r.DELETION_TASKS, "", self.deletion_task_id, self.role_id)


class RoleTagged(Event, frozen=True, gc=False, kw_only=True, tag="RoleTagged"):
    """The role has these tags; one whose key differs in case only replaces the older spelling."""

    role_id: str
    role_name: str
    tags: tuple[Tag, ...]

    def changes(self) -> Iterator[Change]:
        for tag in self.tags:
            yield put(r.ROLE_TAGS, self.role_id, tag.key.lower(), tag)


class RoleUntagged(Event, frozen=True, gc=False, kw_only=True, tag="RoleUntagged"):
    """The role does not have tags of these keys any more."""

    role_id: str
    role_name: str
    tag_keys: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        for key in self.tag_keys:
            yield end(r.ROLE_TAGS, self.role_id, key.lower())


class RolePermissionsBoundaryPut(Event, frozen=True, gc=False, kw_only=True, tag="RolePermissionsBoundaryPut"):
    """A managed policy bounds what the role can be allowed; one set before does not any more."""

    role_id: str
    role_name: str
    permissions_boundary: str
    previous_permissions_boundary: str | None = None

    def changes(self) -> Iterator[Change]:
        if self.previous_permissions_boundary:
            yield end(r.BOUNDARY_ROLES, self.previous_permissions_boundary, self.role_id)
        yield put(r.ROLE_BOUNDARY, self.role_id, "", self.permissions_boundary)
        yield begin(r.BOUNDARY_ROLES, self.permissions_boundary, self.role_id, self.role_id)


class RolePermissionsBoundaryDeleted(Event, frozen=True, gc=False, kw_only=True, tag="RolePermissionsBoundaryDeleted"):
    """Nothing bounds the role's permissions any more."""

    role_id: str
    role_name: str
    permissions_boundary: str

    def changes(self) -> Iterator[Change]:
        yield end(r.ROLE_BOUNDARY, self.role_id)
        yield end(r.BOUNDARY_ROLES, self.permissions_boundary, self.role_id)


class RolePolicyAttached(Event, frozen=True, gc=False, kw_only=True, tag="RolePolicyAttached"):
    """A managed policy applies to the role."""

    role_id: str
    role_name: str
    policy_arn: str
    policy_name: str

    def changes(self) -> Iterator[Change]:
        yield begin(r.ROLE_POLICIES, self.role_id, self.policy_arn, self.policy_name)
        yield begin(r.POLICY_ROLES, self.policy_arn, self.role_id, self.role_id)


class RolePolicyDetached(Event, frozen=True, gc=False, kw_only=True, tag="RolePolicyDetached"):
    """A managed policy does not apply to the role any more."""

    role_id: str
    role_name: str
    policy_arn: str

    def changes(self) -> Iterator[Change]:
        yield end(r.ROLE_POLICIES, self.role_id, self.policy_arn)
        yield end(r.POLICY_ROLES, self.policy_arn, self.role_id)


class RolePolicyPut(Event, frozen=True, gc=False, kw_only=True, tag="RolePolicyPut"):
    """An inline policy of the role says this. `policy_name` is the spelling it was first put under."""

    role_id: str
    role_name: str
    policy_name: str
    policy_document: str

    def changes(self) -> Iterator[Change]:
        inline = r.InlinePolicy(self.policy_name, self.policy_document)
        yield put(r.ROLE_INLINE_POLICIES, self.role_id, self.policy_name.lower(), inline)


class RolePolicyDeleted(Event, frozen=True, gc=False, kw_only=True, tag="RolePolicyDeleted"):
    """The role does not have this inline policy any more."""

    role_id: str
    role_name: str
    policy_name: str

    def changes(self) -> Iterator[Change]:
        yield end(r.ROLE_INLINE_POLICIES, self.role_id, self.policy_name.lower())


RoleEvent = (
    RoleCreated
    | RoleUpdated
    | RoleDescriptionUpdated
    | AssumeRolePolicyUpdated
    | RoleDeleted
    | ServiceLinkedRoleCreated
    | ServiceLinkedRoleDeleted
    | RoleTagged
    | RoleUntagged
    | RolePermissionsBoundaryPut
    | RolePermissionsBoundaryDeleted
    | RolePolicyAttached
    | RolePolicyDetached
    | RolePolicyPut
    | RolePolicyDeleted
)
