"""Managed policies: the account's own with their versions, AWS's from the catalogue, and what carries them."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from iam import relations as r
from iam.arns import POLICY, iam_arn, parse_arn, policy_path_and_name
from iam.catalogue import CataloguePolicy
from iam.commands import Command, Moment, Query
from iam.documents import counted_size, validate
from iam.errors import (
    AccessDenied,
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    PolicyNotAttachable,
)
from iam.events import Event
from iam.events.policies import (
    CatalogueInstalled,
    DefaultPolicyVersionSet,
    PolicyCreated,
    PolicyDeleted,
    PolicyTagged,
    PolicyUntagged,
    PolicyVersionCreated,
    PolicyVersionDeleted,
)
from iam.identities import KINDS, Kind
from iam.pages import listing
from iam.relations import Tag
from iam.state import State, known
from iam.tags import Tagged, TagThing, UntagThing, check_tag_keys, list_tags, tags_of

AWS = "aws"  # stands where an account stands in the ARN of an AWS managed policy
RESERVED_PATHS = ("/aws-service-role/", "/root-task/")


class CreatePolicy(Command, frozen=True, gc=False, kw_only=True):
    policy_name: str
    policy_document: str
    path: str = "/"
    description: str = ""
    tags: tuple[Tag, ...] = ()


class DeletePolicy(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str


class CreatePolicyVersion(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    policy_document: str
    set_as_default: bool = False


class SetDefaultPolicyVersion(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    version_id: str


class DeletePolicyVersion(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    version_id: str


class InstallCatalogue(Command, frozen=True, gc=False, kw_only=True):
    """Ours, not AWS's: make the release of AWS managed policies that the program carries known."""


class GetPolicy(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str


class ListPolicies(Query, frozen=True, gc=False, kw_only=True):
    scope: str = "All"
    only_attached: bool = False
    path_prefix: str = "/"
    policy_usage_filter: str | None = None


class GetPolicyVersion(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    version_id: str


class ListPolicyVersions(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str


class ListEntitiesForPolicy(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    entity_filter: str | None = None
    path_prefix: str = "/"
    policy_usage_filter: str | None = None


class Policy(msgspec.Struct, frozen=True, gc=False):
    """A managed policy at an instant, AWS's or the account's own. Counts are those of the asking account."""

    policy_id: str
    policy_name: str
    path: str
    arn: str
    default_version_id: str
    attachment_count: int
    boundary_count: int
    created_at: datetime
    updated_at: datetime
    description: str = ""
    tags: tuple[r.Tag, ...] = ()


class Version(msgspec.Struct, frozen=True, gc=False):
    """One version of a managed policy. AWS's own may have begun at an instant nobody knows."""

    version_id: str
    is_default: bool
    created_at: datetime | None
    document: str | None = None


class Holder(msgspec.Struct, frozen=True, gc=False):
    """An identity that carries a managed policy, as permissions or as boundary."""

    kind: Kind
    name: str
    id: str


def find_policy(state: State, arn: str) -> str:
    """The id of the account's own policy with this ARN. Raises NoSuchEntity."""
    policy_id = state.get(r.POLICY_ARNS, "", arn)
    if policy_id is None:
        raise NoSuchEntity(f"Policy {arn} was not found.")
    return policy_id


def policy_exists(state: State, arn: str) -> bool:
    """Whether the ARN names a policy of the account or of AWS."""
    return state.get(r.POLICY_ARNS, "", arn) is not None or state.world.catalogue.policy(arn) is not None


def governing_version(state: State, arn: str) -> tuple[str, str] | None:
    """The id and the document of the policy's default version; None if there is no such policy."""
    catalogue = state.world.catalogue
    aws = catalogue.policy(arn)
    if aws is not None:
        document = catalogue.document(aws, aws.default_version_id)
        return None if document is None else (aws.default_version_id, document)
    policy_id = state.get(r.POLICY_ARNS, "", arn)
    if policy_id is None:
        return None
    version_id = known(state, r.POLICY_DEFAULT, policy_id)
    version = state.get(r.POLICY_VERSIONS, policy_id, version_id)
    return None if version is None else (version_id, version.document)


def is_reserved(arn: str) -> bool:
    """Whether only AWS's own service-linked roles and sessions may carry the policy."""
    parsed = parse_arn(arn)
    return parsed.account == AWS and parsed.resource.removeprefix(POLICY).startswith(RESERVED_PATHS)


def check_attachable(arn: str, kind: Kind) -> None:
    """Raises PolicyNotAttachable for a policy that AWS keeps for itself."""
    if is_reserved(arn):
        raise PolicyNotAttachable(f"Cannot attach AWS reserved policy to an IAM {kind.noun}.")


def check_document(document: str, size: int) -> None:
    """A managed policy's document: its grammar, then its size without white space."""
    validate(document, managed=True)
    if counted_size(document) > size:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {size}")


def _own_policy(state: State, arn: str, verb: str) -> str:
    """The id of a policy that the caller wants to change. Raises AccessDenied for AWS's, or NoSuchEntity."""
    _check_own(state, arn, verb)
    return find_policy(state, arn)


def _check_own(state: State, arn: str, verb: str) -> None:
    if parse_arn(arn).account != state.account:
        raise AccessDenied(f"Cannot {verb} policies outside your own account.")


def _own_version(state: State, command: SetDefaultPolicyVersion | DeletePolicyVersion, verb: str) -> str:
    _check_own(state, command.policy_arn, verb)
    policy_id = state.get(r.POLICY_ARNS, "", command.policy_arn)
    if policy_id is None or state.get(r.POLICY_VERSIONS, policy_id, command.version_id) is None:
        raise _no_version(command.policy_arn, command.version_id)
    return policy_id


def _no_version(arn: str, version_id: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {arn} version {version_id} does not exist or is not attachable.")


def attachment_count(state: State, arn: str) -> int:
    """How many users, groups and roles the policy is attached to."""
    return sum(state.count(kind.carriers, arn) for kind in KINDS)


def boundary_count(state: State, arn: str) -> int:
    """How many users and roles the policy bounds."""
    return sum(state.count(kind.bounded, arn) for kind in KINDS if kind.bounded is not None)


def _taggable(state: State, command: Any) -> str:
    """The id of the account's own policy. AWS's have no tags and can be given none: InvalidInput."""
    if parse_arn(command.policy_arn).account != state.account:
        raise InvalidInput("Tags not supported for policies in this domain")
    return find_policy(state, command.policy_arn)


def _told(state: State, policy_id: str) -> dict[str, str]:
    return {"policy_id": policy_id, "policy_arn": known(state, r.POLICY, policy_id).arn}


TAGGED = Tagged(r.POLICY_TAGS, _taggable, _told, PolicyTagged, PolicyUntagged, ignore_case=False)


class TagPolicy(TagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    policy_arn: str


class UntagPolicy(UntagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    policy_arn: str


class ListPolicyTags(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str


# Decisions


def create_policy(state: State, command: CreatePolicy, moment: Moment) -> list[Event]:
    """A policy's name is free if no policy of the account has it in any spelling, on any path."""
    quotas = state.world.quotas
    check_tag_keys([tag.key for tag in command.tags], ignore_case=False)
    check_document(command.policy_document, quotas.policy_size)
    if state.get(r.POLICIES, "", command.policy_name.lower()):
        name = command.policy_name
        raise EntityAlreadyExists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    if state.count(r.POLICIES, "") >= quotas.policies_per_account:
        raise LimitExceeded(f"Cannot exceed quota for PoliciesPerAccount: {quotas.policies_per_account}")
    return [
        PolicyCreated(
            policy_id=moment.new_id("ANPA"),
            policy_arn=iam_arn(state.world.partition, state.account, POLICY, command.path, command.policy_name),
            policy_name=command.policy_name,
            path=command.path,
            description=command.description,
            created_at=moment.at,
            policy_document=command.policy_document,
            tags=command.tags,
        )
    ]


def delete_policy(state: State, command: DeletePolicy, moment: Moment) -> list[Event]:
    """Delete a policy that nothing carries and that has no version but the default one."""
    policy_id = _own_policy(state, command.policy_arn, "delete")
    if attachment_count(state, command.policy_arn) or boundary_count(state, command.policy_arn):
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    if state.count(r.POLICY_VERSIONS, policy_id) > 1:
        raise DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's "
            "versions. The default version is deleted with the policy."
        )
    name = policy_path_and_name(command.policy_arn)[1]
    return [PolicyDeleted(policy_id=policy_id, policy_arn=command.policy_arn, policy_name=name)]


def create_policy_version(state: State, command: CreatePolicyVersion, moment: Moment) -> list[Event]:
    """Add a version under the next number, which no version of the policy ever had."""
    quotas = state.world.quotas
    policy_id = _own_policy(state, command.policy_arn, "create versions for")
    check_document(command.policy_document, quotas.policy_size)
    if state.count(r.POLICY_VERSIONS, policy_id) >= quotas.versions_per_policy:
        raise LimitExceeded(
            f"A managed policy can have up to {quotas.versions_per_policy} versions. "
            "Before you create a new version, you must delete an existing version."
        )
    return [
        PolicyVersionCreated(
            policy_id=policy_id,
            policy_arn=command.policy_arn,
            version_id=f"v{known(state, r.POLICY_LATEST, policy_id).number + 1}",
            created_at=moment.at,
            policy_document=command.policy_document,
            set_as_default=command.set_as_default,
        )
    ]


def set_default_policy_version(state: State, command: SetDefaultPolicyVersion, moment: Moment) -> list[Event]:
    """Let another version govern; it takes effect everywhere at once."""
    policy_id = _own_version(state, command, "update")
    if state.get(r.POLICY_DEFAULT, policy_id) == command.version_id:
        return []
    return [DefaultPolicyVersionSet(policy_id=policy_id, policy_arn=command.policy_arn, version_id=command.version_id)]


def delete_policy_version(state: State, command: DeletePolicyVersion, moment: Moment) -> list[Event]:
    """Delete a version other than the default one."""
    policy_id = _own_version(state, command, "delete policy versions for")
    if state.get(r.POLICY_DEFAULT, policy_id) == command.version_id:
        raise DeleteConflict("Cannot delete the default version of a policy.")
    return [PolicyVersionDeleted(policy_id=policy_id, policy_arn=command.policy_arn, version_id=command.version_id)]


def install_catalogue(state: State, command: InstallCatalogue, moment: Moment) -> list[Event]:
    """Record the release of AWS managed policies that is known from now on."""
    catalogue = state.world.catalogue
    installed = state.get(r.CATALOGUES, "", catalogue.release)
    if installed is not None and installed.digest == catalogue.digest:
        return []
    return [
        CatalogueInstalled(
            release=catalogue.release,
            digest=catalogue.digest,
            policies=len(catalogue),
            versions=catalogue.version_count,
        )
    ]


# Reads


def get_policy(state: State, query: GetPolicy) -> Policy:
    """One policy, AWS's or the account's own, with description and tags."""
    parse_arn(query.policy_arn)
    aws = state.world.catalogue.policy(query.policy_arn)
    return _aws_policy(state, aws) if aws else _customer_policy(state, find_policy(state, query.policy_arn))


def list_policies(state: State, query: ListPolicies, after: str) -> Iterator[tuple[str, Policy]]:
    """Policies by name, ignoring case. A usage filter counts only where attached ones alone are asked for."""
    sources = []
    if query.scope in ("All", "AWS"):
        sources.append(_list_aws(state, query, after))
    if query.scope in ("All", "Local"):
        sources.append(_list_customer(state, query, after))
    return heapq.merge(*sources, key=lambda item: item[0])


def used_policies(state: State) -> int:
    """How many managed policies, AWS's and the account's own, are attached to anything or bound anything."""
    arns = [*state.members(r.POLICY_ARNS, ""), *(policy.arn for policy in state.world.catalogue.policies())]
    return sum(_is_used(state, arn, None) for arn in arns)


def get_policy_version(state: State, query: GetPolicyVersion) -> Version:
    """One version with its document."""
    parse_arn(query.policy_arn)
    for version in _versions(state, query.policy_arn, query.version_id.__eq__):
        if version.version_id == query.version_id:
            return version
    raise _no_version(query.policy_arn, query.version_id)


def list_policy_versions(state: State, query: ListPolicyVersions, after: str) -> Iterator[tuple[str, Version]]:
    """Versions by number, newest first, without documents."""
    parse_arn(query.policy_arn)
    if not policy_exists(state, query.policy_arn):
        raise NoSuchEntity(f"Policy {query.policy_arn} was not found.")
    return listing(
        _versions(state, query.policy_arn), lambda version: f"{10**6 - _number(version.version_id):06}", after
    )


def list_entities_for_policy(state: State, query: ListEntitiesForPolicy, after: str) -> Iterator[tuple[str, Holder]]:
    """Who carries the policy. Without a usage filter both its uses count."""
    parse_arn(query.policy_arn)
    if not policy_exists(state, query.policy_arn):
        raise NoSuchEntity(f"Policy {query.policy_arn} does not exist or is not attachable.")
    kinds = [kind for kind in KINDS if query.entity_filter in (None, kind.noun.title())]
    return listing(_holders(state, query, kinds), lambda holder: f"{holder.name.lower()} {holder.kind.noun}", after)


def _holders(state: State, query: ListEntitiesForPolicy, kinds: Sequence[Kind]) -> Iterator[Holder]:
    for kind in kinds:
        carried: set[str] = set()
        if query.policy_usage_filter != "PermissionsBoundary":
            carried |= state.members(kind.carriers, query.policy_arn).keys()
        if query.policy_usage_filter != "PermissionsPolicy" and kind.bounded is not None:
            carried |= state.members(kind.bounded, query.policy_arn).keys()
        for identity_id in carried:
            profile = known(state, kind.profiles, identity_id)
            if profile.path.startswith(query.path_prefix):
                yield Holder(kind, kind.name(profile), identity_id)


def list_policy_tags(state: State, query: ListPolicyTags, after: str) -> Iterator[tuple[str, r.Tag]]:
    """The tags of a policy; AWS's own have none."""
    parse_arn(query.policy_arn)
    if state.world.catalogue.policy(query.policy_arn):
        return iter(())
    return list_tags(state.members(r.POLICY_TAGS, find_policy(state, query.policy_arn)).values(), after)


def _number(version_id: str) -> int:
    return int(version_id[1:])


def _customer_policy(state: State, policy_id: str) -> Policy:
    profile = known(state, r.POLICY, policy_id)
    return Policy(
        policy_id=policy_id,
        policy_name=profile.policy_name,
        path=profile.path,
        arn=profile.arn,
        default_version_id=known(state, r.POLICY_DEFAULT, policy_id),
        attachment_count=attachment_count(state, profile.arn),
        boundary_count=boundary_count(state, profile.arn),
        created_at=profile.created_at,
        updated_at=known(state, r.POLICY_LATEST, policy_id).created_at,
        description=profile.description,
        tags=tags_of(state, r.POLICY_TAGS, policy_id),
    )


def _aws_policy(state: State, policy: CataloguePolicy) -> Policy:
    arn = policy.arn
    return Policy(
        policy_id=policy.policy_id,
        policy_name=policy.name,
        path=policy.path,
        arn=arn,
        default_version_id=policy.default_version_id,
        attachment_count=attachment_count(state, arn),
        boundary_count=boundary_count(state, arn),
        created_at=policy.created_at,
        updated_at=policy.updated_at,
    )


def _list_aws(state: State, query: ListPolicies, after: str) -> Iterator[tuple[str, Policy]]:
    for policy in state.world.catalogue.policies():
        key = f"{policy.name.lower()} {AWS}"
        if key > after and _is_wanted(state, query, policy):
            yield key, _aws_policy(state, policy)


def _list_customer(state: State, query: ListPolicies, after: str) -> Iterator[tuple[str, Policy]]:
    for _, policy_id in state.scan(r.POLICIES, "", after):
        profile = known(state, r.POLICY, policy_id)
        if _is_wanted(state, query, profile):
            yield list_key(profile.policy_name, profile.arn), _customer_policy(state, policy_id)


def _is_wanted(state: State, query: ListPolicies, policy: CataloguePolicy | r.PolicyProfile) -> bool:
    """Whether the query lists the policy. Asked before all of it is read: few policies are in use, of very many."""
    if not policy.path.startswith(query.path_prefix):
        return False
    return not query.only_attached or _is_used(state, policy.arn, query.policy_usage_filter)


def list_key(name: str, arn: str) -> str:
    """Sorts policies by name ignoring case; the account's own comes before AWS's of the same name."""
    return f"{name.lower()} {arn.split(':', 5)[4]}"


def _is_used(state: State, arn: str, usage: str | None) -> bool:
    """Whether anything carries the policy, as permissions or as boundary, or in one of these ways only."""
    return (usage != "PermissionsBoundary" and attachment_count(state, arn) > 0) or (
        usage != "PermissionsPolicy" and boundary_count(state, arn) > 0
    )


def with_documents(state: State, arn: str) -> list[Version]:
    """All versions of the policy with this ARN, newest first."""
    return sorted(_versions(state, arn, lambda _: True), key=lambda version: -_number(version.version_id))


def _versions(state: State, arn: str, with_document: Callable[[str], bool] = lambda _: False) -> Iterator[Version]:
    """The versions of a policy. Documents of AWS's own are looked up for those only that are to have one."""
    aws = state.world.catalogue.policy(arn)
    if aws is not None:
        for known in aws.versions:
            is_default = known.version_id == aws.default_version_id
            wanted = with_document(known.version_id)
            document = state.world.catalogue.document(aws, known.version_id) if wanted else None
            yield Version(known.version_id, is_default, known.created_at, document)
        return
    policy_id = state.get(r.POLICY_ARNS, "", arn)
    if policy_id is not None:
        default = state.get(r.POLICY_DEFAULT, policy_id)
        for version_id, version in state.members(r.POLICY_VERSIONS, policy_id).items():
            yield Version(version_id, version_id == default, version.created_at, version.document)
