"""Actions on managed policies."""

from collections.abc import Mapping, Sequence

from api.actions.action import Action, Listing, Read, Reply, Write, under
from api.actions.members import tag
from iam.events.policies import PolicyCreated, PolicyVersionCreated
from iam.policies import (
    CreatePolicy,
    CreatePolicyVersion,
    DeletePolicy,
    DeletePolicyVersion,
    GetPolicy,
    GetPolicyVersion,
    Holder,
    ListEntitiesForPolicy,
    ListPolicies,
    ListPolicyTags,
    ListPolicyVersions,
    Policy,
    SetDefaultPolicyVersion,
    TagPolicy,
    UntagPolicy,
    Version,
    create_policy,
    create_policy_version,
    delete_policy,
    delete_policy_version,
    get_policy,
    get_policy_version,
    list_entities_for_policy,
    list_policies,
    list_policy_tags,
    list_policy_versions,
    set_default_policy_version,
)
from iam.tags import tag_thing, untag_thing


def listed_policy(policy: Policy) -> Reply:
    """A managed policy in a list: without description and tags."""
    return {
        "PolicyName": policy.policy_name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default_version_id,
        "AttachmentCount": policy.attachment_count,
        "PermissionsBoundaryUsageCount": policy.boundary_count,
        "IsAttachable": True,  # AWS says so even of those that it keeps for itself
        "CreateDate": policy.created_at,
        "UpdateDate": policy.updated_at,
    }


def _policy(item: Policy) -> Reply:
    """With the description if there is one, and tags always."""
    described = {"Description": item.description or None, "Tags": [tag(each) for each in item.tags]}
    return {"Policy": {**listed_policy(item), **described}}


def _created(event: PolicyCreated, account: str, partition: str) -> Reply:
    """Without the description, with tags only if some were given."""
    created = Policy(
        policy_id=event.policy_id,
        policy_name=event.policy_name,
        path=event.path,
        arn=event.policy_arn,
        default_version_id="v1",
        attachment_count=0,
        boundary_count=0,
        created_at=event.created_at,
        updated_at=event.created_at,
    )
    return {"Policy": {**listed_policy(created), "Tags": [tag(each) for each in event.tags] or None}}


def listed_version(version: Version) -> Reply:
    """A policy version in a list: without its document, and without a date where nobody knows it."""
    return {
        "VersionId": version.version_id,
        "IsDefaultVersion": version.is_default,
        "CreateDate": version.created_at,
    }


def _version(version: Version) -> Reply:
    return {"PolicyVersion": {"Document": version.document, **listed_version(version)}}


def _created_version(event: PolicyVersionCreated, account: str, partition: str) -> Reply:
    """Never with the document."""
    return {"PolicyVersion": listed_version(Version(event.version_id, event.set_as_default, event.created_at))}


def _holders(found: Sequence[Holder]) -> Reply:
    """All three lists, empty or not."""
    lists: dict[str, list[Reply]] = {"PolicyGroups": [], "PolicyUsers": [], "PolicyRoles": []}
    for holder in found:
        noun = holder.kind.noun.title()
        lists[f"Policy{noun}s"].append({f"{noun}Name": holder.name, f"{noun}Id": holder.id})
    return lists


ACTIONS: Mapping[str, Action] = {
    "CreatePolicy": Write(CreatePolicy, create_policy, _created),
    "GetPolicy": Read(GetPolicy, get_policy, _policy),
    "DeletePolicy": Write(DeletePolicy, delete_policy),
    "ListPolicies": Listing(ListPolicies, list_policies, under("Policies", listed_policy), wide=True),
    "CreatePolicyVersion": Write(CreatePolicyVersion, create_policy_version, _created_version),
    "GetPolicyVersion": Read(GetPolicyVersion, get_policy_version, _version),
    "ListPolicyVersions": Listing(ListPolicyVersions, list_policy_versions, under("Versions", listed_version)),
    "SetDefaultPolicyVersion": Write(SetDefaultPolicyVersion, set_default_policy_version),
    "DeletePolicyVersion": Write(DeletePolicyVersion, delete_policy_version),
    "TagPolicy": Write(TagPolicy, tag_thing),
    "UntagPolicy": Write(UntagPolicy, untag_thing),
    "ListPolicyTags": Listing(ListPolicyTags, list_policy_tags, under("Tags", tag)),
    "ListEntitiesForPolicy": Listing(ListEntitiesForPolicy, list_entities_for_policy, _holders, wide=True),
}
