"""Domain objects as AWS's result members. What AWS leaves out of which reply is decided here and nowhere else."""

from collections.abc import Mapping, Sequence
from typing import Any

from iam.arns import USER, iam_arn
from iam.events import PolicyCreated, PolicyVersionCreated, UserCreated
from iam.policies import Holder, Policy, Version
from iam.relations import InlinePolicy, Tag
from iam.users import User

Result = Mapping[str, Any]


def tag(item: Tag) -> Result:
    """A tag."""
    return {"Key": item.key, "Value": item.value}


def listed_user(user: User) -> Result:
    """A user in a list: without tags and boundary. The root user has no name and no path."""
    return {
        "Path": user.path or None,
        "UserName": user.user_name or None,
        "UserId": user.user_id,
        "Arn": user.arn,
        "CreateDate": user.created_at,
    }


def user(item: User) -> Result:
    """GetUser: tags only if there are any, a boundary only if one is set."""
    return {
        "User": {
            **listed_user(item),
            "PermissionsBoundary": _boundary(item.permissions_boundary),
            "Tags": [tag(each) for each in item.tags] or None,
        }
    }


def created_user(event: UserCreated, account: str, partition: str) -> Result:
    """CreateUser, out of what was recorded, in the order in which the tags were given."""
    arn = iam_arn(partition, account, USER, event.path, event.user_name)
    return user(
        User(event.user_id, event.user_name, event.path, arn, event.created_at, event.tags, event.permissions_boundary)
    )


def _boundary(arn: str | None) -> Result | None:
    # The wire says Policy, though the model's enum says PermissionsBoundaryPolicy.
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn} if arn else None


def attached_policy(arn: str) -> Result:
    """A managed policy as an attachment."""
    return {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}


def inline_policy(found: tuple[str, InlinePolicy]) -> Result:
    """GetUserPolicy."""
    user_name, policy = found
    return {"UserName": user_name, "PolicyName": policy.policy_name, "PolicyDocument": policy.document}


def listed_policy(policy: Policy) -> Result:
    """A managed policy in a list: without description and tags."""
    return {
        "PolicyName": policy.policy_name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.default_version_id,
        "AttachmentCount": policy.attachment_count,
        "PermissionsBoundaryUsageCount": policy.boundary_count,
        "IsAttachable": policy.is_attachable,
        "CreateDate": policy.created_at,
        "UpdateDate": policy.updated_at,
    }


def policy(item: Policy) -> Result:
    """GetPolicy: with the description if there is one, and tags always."""
    described = {"Description": item.description or None, "Tags": [tag(each) for each in item.tags]}
    return {"Policy": {**listed_policy(item), **described}}


def created_policy(event: PolicyCreated, account: str, partition: str) -> Result:
    """CreatePolicy: without the description, with tags only if some were given."""
    created = Policy(
        policy_id=event.policy_id,
        policy_name=event.policy_name,
        path=event.path,
        arn=event.policy_arn,
        default_version_id="v1",
        attachment_count=0,
        boundary_count=0,
        is_attachable=True,
        created_at=event.created_at,
        updated_at=event.created_at,
    )
    return {"Policy": {**listed_policy(created), "Tags": [tag(each) for each in event.tags] or None}}


def listed_version(version: Version) -> Result:
    """A policy version in a list: without its document, and without a date where nobody knows it."""
    return {
        "VersionId": version.version_id,
        "IsDefaultVersion": version.is_default,
        "CreateDate": version.created_at,
    }


def policy_version(version: Version) -> Result:
    """GetPolicyVersion."""
    return {"PolicyVersion": {"Document": version.document, **listed_version(version)}}


def created_version(event: PolicyVersionCreated, account: str, partition: str) -> Result:
    """CreatePolicyVersion: never with the document."""
    return {"PolicyVersion": listed_version(Version(event.version_id, event.set_as_default, event.created_at))}


def holders(found: Sequence[Holder]) -> Result:
    """ListEntitiesForPolicy: all three lists, empty or not."""
    users = [{"UserName": holder.name, "UserId": holder.id} for holder in found if holder.entity == "User"]
    return {"PolicyGroups": [], "PolicyUsers": users, "PolicyRoles": []}


def under(name: str, item: Any) -> Any:
    """The reply of a list operation: its items under one name."""
    return lambda found: {name: [item(each) for each in found]}
