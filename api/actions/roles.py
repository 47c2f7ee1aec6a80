"""Actions on roles."""

from collections.abc import Mapping

from msgspec.structs import replace

from api.actions.action import Action, Listing, Read, Reply, Write, under
from api.actions.members import boundary, tag
from iam.arns import iam_arn
from iam.events.roles import RoleCreated, RoleDescriptionUpdated, ServiceLinkedRoleCreated
from iam.roles import (
    CreateRole,
    DeleteRole,
    GetRole,
    ListRoles,
    ListRoleTags,
    Role,
    TagRole,
    UntagRole,
    UpdateAssumeRolePolicy,
    UpdateRole,
    UpdateRoleDescription,
    create_role,
    delete_role,
    get_role,
    list_roles,
    update_assume_role_policy,
    update_role,
    update_role_description,
)
from iam.tags import list_thing_tags, tag_thing, untag_thing


def bare_role(role: Role) -> Reply:
    """A role in an instance profile, or just created: without description and session duration."""
    return {
        "Path": role.path,
        "RoleName": role.role_name,
        "RoleId": role.role_id,
        "Arn": role.arn,
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": role.assume_role_policy_document,
    }


def listed_role(role: Role) -> Reply:
    """A role in a list: without tags, boundary and last use."""
    described = {"Description": role.description or None, "MaxSessionDuration": role.max_session_duration}
    return {**bare_role(role), **described}


def told_role(
    event: RoleCreated | RoleDescriptionUpdated | ServiceLinkedRoleCreated, account: str, partition: str
) -> Role:
    """The role as an event tells of it, without what hangs on it and how long its sessions may last."""
    return Role(
        event.role_id,
        event.role_name,
        event.path,
        iam_arn(partition, account, "role", event.path, event.role_name),
        event.created_at,
        event.assume_role_policy_document,
        event.description,
    )


def _hung(role: Role | RoleCreated) -> Reply:
    """Tags only if there are any, a boundary only if one is set."""
    tags = [tag(each) for each in role.tags] or None
    return {"PermissionsBoundary": boundary(role.permissions_boundary), "Tags": tags}


def _role(role: Role) -> Reply:
    """Roles are not assumed here, so that the last use is always empty."""
    return {"Role": {**listed_role(role), **_hung(role), "RoleLastUsed": {}}}


def _created(event: RoleCreated, account: str, partition: str) -> Reply:
    """Without the description and the session duration, with tags in the order in which they were given."""
    return {"Role": {**bare_role(told_role(event, account, partition)), **_hung(event)}}


def _described(event: RoleDescriptionUpdated, account: str, partition: str) -> Reply:
    role = told_role(event, account, partition)
    return {"Role": listed_role(replace(role, max_session_duration=event.max_session_duration))}


ACTIONS: Mapping[str, Action] = {
    "CreateRole": Write(CreateRole, create_role, _created),
    "GetRole": Read(GetRole, get_role, _role),
    "ListRoles": Listing(ListRoles, list_roles, under("Roles", listed_role), wide=True),
    "UpdateRole": Write(UpdateRole, update_role),
    "UpdateRoleDescription": Write(UpdateRoleDescription, update_role_description, _described),
    "UpdateAssumeRolePolicy": Write(UpdateAssumeRolePolicy, update_assume_role_policy),
    "DeleteRole": Write(DeleteRole, delete_role),
    "TagRole": Write(TagRole, tag_thing),
    "UntagRole": Write(UntagRole, untag_thing),
    "ListRoleTags": Listing(ListRoleTags, list_thing_tags, under("Tags", tag)),
}
