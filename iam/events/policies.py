"""What can happen to managed policies, the account's own and AWS's."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, Tag, begin, end, end_all, put


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


PolicyEvent = (
    PolicyCreated
    | PolicyVersionCreated
    | DefaultPolicyVersionSet
    | PolicyVersionDeleted
    | PolicyDeleted
    | PolicyTagged
    | PolicyUntagged
    | CatalogueInstalled
)
