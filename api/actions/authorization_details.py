"""The action that tells all of an account at once."""

from collections.abc import Mapping, Sequence

from api.actions.action import Action, Listing, Reply
from api.actions.attached_policies import attached_policy
from api.actions.groups import group
from api.actions.inline_policies import inline_policy
from api.actions.instance_profiles import listed_profile
from api.actions.members import boundary, tag
from api.actions.policies import listed_policy, listed_version
from api.actions.roles import bare_role
from api.actions.users import listed_user
from iam.authorization_details import (
    Detail,
    GetAccountAuthorizationDetails,
    GroupDetail,
    PolicyDetail,
    RoleDetail,
    UserDetail,
    get_account_authorization_details,
)


def _user(detail: UserDetail) -> Reply:
    """With its inline policies only if there are any; AWS leaves out no other list."""
    return {
        **listed_user(detail.user),
        "UserPolicyList": [inline_policy(each) for each in detail.inline] or None,
        "GroupList": detail.groups,
        "AttachedManagedPolicies": [attached_policy(each) for each in detail.attached],
        "PermissionsBoundary": boundary(detail.user.permissions_boundary),
        "Tags": [tag(each) for each in detail.user.tags],
    }


def _role(detail: RoleDetail) -> Reply:
    """Roles are not assumed here, so that the last use is always empty."""
    return {
        **bare_role(detail.role),
        "InstanceProfileList": [listed_profile(each) for each in detail.instance_profiles],
        "RolePolicyList": [inline_policy(each) for each in detail.inline],
        "AttachedManagedPolicies": [attached_policy(each) for each in detail.attached],
        "PermissionsBoundary": boundary(detail.role.permissions_boundary),
        "Tags": [tag(each) for each in detail.role.tags],
        "RoleLastUsed": {},
    }


def _group(detail: GroupDetail) -> Reply:
    return {
        **group(detail.group),
        "GroupPolicyList": [inline_policy(each) for each in detail.inline],
        "AttachedManagedPolicies": [attached_policy(each) for each in detail.attached],
    }


def _policy(detail: PolicyDetail) -> Reply:
    versions = [{"Document": each.document, **listed_version(each)} for each in detail.versions]
    return {**listed_policy(detail.policy), "PolicyVersionList": versions}


def _details(found: Sequence[Detail]) -> Reply:
    """All four lists, empty or not."""
    return {
        "UserDetailList": [_user(each) for each in found if isinstance(each, UserDetail)],
        "GroupDetailList": [_group(each) for each in found if isinstance(each, GroupDetail)],
        "RoleDetailList": [_role(each) for each in found if isinstance(each, RoleDetail)],
        "Policies": [_policy(each) for each in found if isinstance(each, PolicyDetail)],
    }


ACTIONS: Mapping[str, Action] = {
    "GetAccountAuthorizationDetails": Listing(
        GetAccountAuthorizationDetails, get_account_authorization_details, _details, wide=True
    ),
}
