"""Actions on the inline policies of users, groups and roles."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Read, Reply, Write, under
from iam.inline_policies import (
    DeleteGroupPolicy,
    DeleteRolePolicy,
    DeleteUserPolicy,
    GetGroupPolicy,
    GetRolePolicy,
    GetUserPolicy,
    InlinePolicyOf,
    ListGroupPolicies,
    ListRolePolicies,
    ListUserPolicies,
    PutGroupPolicy,
    PutRolePolicy,
    PutUserPolicy,
    delete_inline_policy,
    get_inline_policy,
    list_inline_policies,
    put_policy,
)
from iam.relations import InlinePolicy


def inline_policy(policy: InlinePolicy) -> Reply:
    """An inline policy with its document."""
    return {"PolicyName": policy.policy_name, "PolicyDocument": policy.document}


def _found(found: InlinePolicyOf) -> Reply:
    return {f"{found.kind.noun.title()}Name": found.name, **inline_policy(found.policy)}


_listed = under("PolicyNames", str)

ACTIONS: Mapping[str, Action] = {
    "PutUserPolicy": Write(PutUserPolicy, put_policy),
    "GetUserPolicy": Read(GetUserPolicy, get_inline_policy, _found),
    "DeleteUserPolicy": Write(DeleteUserPolicy, delete_inline_policy),
    "ListUserPolicies": Listing(ListUserPolicies, list_inline_policies, _listed),
    "PutGroupPolicy": Write(PutGroupPolicy, put_policy),
    "GetGroupPolicy": Read(GetGroupPolicy, get_inline_policy, _found),
    "DeleteGroupPolicy": Write(DeleteGroupPolicy, delete_inline_policy),
    "ListGroupPolicies": Listing(ListGroupPolicies, list_inline_policies, _listed),
    "PutRolePolicy": Write(PutRolePolicy, put_policy),
    "GetRolePolicy": Read(GetRolePolicy, get_inline_policy, _found),
    "DeleteRolePolicy": Write(DeleteRolePolicy, delete_inline_policy),
    "ListRolePolicies": Listing(ListRolePolicies, list_inline_policies, _listed),
}
