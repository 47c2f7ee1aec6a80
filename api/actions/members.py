"""Members that the replies of several nouns share."""

from api.actions.action import Reply
from iam.relations import Tag


def tag(item: Tag) -> Reply:
    """A tag."""
    return {"Key": item.key, "Value": item.value}


def boundary(arn: str | None) -> Reply | None:
    """A permissions boundary, if one is set."""
    # The wire says Policy, though the model's enum says PermissionsBoundaryPolicy.
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn} if arn else None
