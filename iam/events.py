"""Every fact the log can hold, and what each means to the state.

The tags and field names are the storage format: they outlive the classes, are frozen by golden files, and are
only ever added to. Values that the API shows (ids, dates) are in the event; who, from where and when it was
recorded is in the record around it. `changes` holds no rules: the rules held when the fact was recorded.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from iam import relations as r
from iam.relations import Change, Tag, begin, end, end_all, put


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="type"):
    """A fact about one account, complete in itself."""

    def changes(self) -> Iterator[Change]:
        """The entries of the state that begin and end with this fact."""
        raise NotImplementedError


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


class PolicyCreated(Event, frozen=True, gc=False, kw_only=True, tag="PolicyCreated"):
    """A customer managed policy exists; its first version, v1, is the default one."""

    policy_id: str
    policy_arn: str
    policy_name: str
    path: str
    description: str = ""
    created_at: datetime
    policy_document: str
    tags: tuple[Tag, ...] = ()

    def changes(self) -> Iterator[Change]:
        profile = r.PolicyProfile(self.policy_name, self.path, self.policy_arn, self.description, self.created_at)
        yield begin(r.POLICIES, "", self.policy_name.lower(), self.policy_id)
        yield begin(r.POLICY_ARNS, "", self.policy_arn, self.policy_id)
        yield begin(r.POLICY, self.policy_id, "", profile)
        yield begin(r.POLICY_VERSIONS, self.policy_id, "v1", r.PolicyVersion(self.created_at, self.policy_document))
        yield begin(r.POLICY_DEFAULT, self.policy_id, "", "v1")
        yield begin(r.POLICY_LATEST, self.policy_id, "", r.LatestVersion(1, self.created_at))
        for tag in self.tags:
            yield begin(r.POLICY_TAGS, self.policy_id, tag.key, tag)


class PolicyVersionCreated(Event, frozen=True, gc=False, kw_only=True, tag="PolicyVersionCreated"):
    """The policy has another version, under a number never used before."""

    policy_id: str
    policy_arn: str
    version_id: str
    created_at: datetime
    policy_document: str
    set_as_default: bool = False

    def changes(self) -> Iterator[Change]:
        version = r.PolicyVersion(self.created_at, self.policy_document)
        yield begin(r.POLICY_VERSIONS, self.policy_id, self.version_id, version)
        yield put(r.POLICY_LATEST, self.policy_id, "", r.LatestVersion(int(self.version_id[1:]), self.created_at))
        if self.set_as_default:
            yield put(r.POLICY_DEFAULT, self.policy_id, "", self.version_id)


class DefaultPolicyVersionSet(Event, frozen=True, gc=False, kw_only=True, tag="DefaultPolicyVersionSet"):
    """Another version of the policy governs everything that it is attached to."""

    policy_id: str
    policy_arn: str
    version_id: str

    def changes(self) -> Iterator[Change]:
        yield put(r.POLICY_DEFAULT, self.policy_id, "", self.version_id)


class PolicyVersionDeleted(Event, frozen=True, gc=False, kw_only=True, tag="PolicyVersionDeleted"):
    """The policy does not have this version any more."""

    policy_id: str
    policy_arn: str
    version_id: str

    def changes(self) -> Iterator[Change]:
        yield end(r.POLICY_VERSIONS, self.policy_id, self.version_id)


class PolicyDeleted(Event, frozen=True, gc=False, kw_only=True, tag="PolicyDeleted"):
    """The customer managed policy is no more, and with it its last version and its tags."""

    policy_id: str
    policy_arn: str
    policy_name: str

    def changes(self) -> Iterator[Change]:
        yield end(r.POLICIES, "", self.policy_name.lower())
        yield end(r.POLICY_ARNS, "", self.policy_arn)
        for relation in (r.POLICY, r.POLICY_VERSIONS, r.POLICY_DEFAULT, r.POLICY_LATEST, r.POLICY_TAGS):
            yield end_all(relation, self.policy_id)


class PolicyTagged(Event, frozen=True, gc=False, kw_only=True, tag="PolicyTagged"):
    """The policy has these tags. Unlike a user's, their keys differ by case."""

    policy_id: str
    policy_arn: str
    tags: tuple[Tag, ...]

    def changes(self) -> Iterator[Change]:
        for tag in self.tags:
            yield put(r.POLICY_TAGS, self.policy_id, tag.key, tag)


class PolicyUntagged(Event, frozen=True, gc=False, kw_only=True, tag="PolicyUntagged"):
    """The policy does not have tags of these keys any more."""

    policy_id: str
    policy_arn: str
    tag_keys: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        for key in self.tag_keys:
            yield end(r.POLICY_TAGS, self.policy_id, key)


class CatalogueInstalled(Event, frozen=True, gc=False, kw_only=True, tag="CatalogueInstalled"):
    """The service knows this release of the AWS managed policies. Only in the ledger `aws`."""

    release: str
    digest: str
    policies: int
    versions: int

    def changes(self) -> Iterator[Change]:
        yield put(r.CATALOGUES, "", self.release, r.CatalogueRelease(self.release, self.digest))


AnyEvent = (
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
    | PolicyCreated
    | PolicyVersionCreated
    | DefaultPolicyVersionSet
    | PolicyVersionDeleted
    | PolicyDeleted
    | PolicyTagged
    | PolicyUntagged
    | CatalogueInstalled
)
