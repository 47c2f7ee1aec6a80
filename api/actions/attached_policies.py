"""Actions on the managed policies of users, groups and roles."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Reply, Write, under
from iam.attached_policies import (
    AttachedPolicy,
    AttachGroupPolicy,
    AttachRolePolicy,
    AttachUserPolicy,
    DetachGroupPolicy,
    DetachRolePolicy,
    DetachUserPolicy,
    ListAttachedGroupPolicies,
    ListAttachedRolePolicies,
    ListAttachedUserPolicies,
    attach_policy,
    detach_policy,
    list_attached_policies,
)


def attached_policy(policy: AttachedPolicy) -> Reply:
    """A managed policy as an attachment."""
    return {"PolicyName": policy.policy_name, "PolicyArn": policy.policy_arn}


_listed = under("AttachedPolicies", attached_policy)

ACTIONS: Mapping[str, Action] = {
    "AttachUserPolicy": Write(AttachUserPolicy, attach_policy),
    "DetachUserPolicy": Write(DetachUserPolicy, detach_policy),
    "ListAttachedUserPolicies": Listing(ListAttachedUserPolicies, list_attached_policies, _listed),
    "AttachGroupPolicy": Write(AttachGroupPolicy, attach_policy),
    "DetachGroupPolicy": Write(DetachGroupPolicy, detach_policy),
    "ListAttachedGroupPolicies": Listing(ListAttachedGroupPolicies, list_attached_policies, _listed),
    "AttachRolePolicy": Write(AttachRolePolicy, attach_policy),
    "DetachRolePolicy": Write(DetachRolePolicy, detach_policy),
    "ListAttachedRolePolicies": Listing(ListAttachedRolePolicies, list_attached_policies, _listed),
}
