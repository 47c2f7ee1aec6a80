"""The table of actions: what is handled by what. An action of AWS's model that is not here answers 501."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from api import replies
from iam import commands as c
from iam import policies, user_policies, users
from iam.commands import Command, Moment, Query
from iam.events import Event
from iam.state import State

Reply = Mapping[str, Any]


class Write(msgspec.Struct, frozen=True):
    """An action that changes something.

    `result` makes the reply, out of the event that was recorded, the account and the partition. Most have none.
    """

    command: type[Command]
    decide: Callable[[State, Any, Moment], list[Event]]
    result: Callable[[Any, str, str], Reply] | None = None


class Read(msgspec.Struct, frozen=True):
    """An action that answers one thing."""

    query: type[Query]
    read: Callable[[State, Any], Any]
    reply: Callable[[Any], Reply]


class Listing(msgspec.Struct, frozen=True):
    """An action that answers page by page. `read` goes on behind a key; `reply` takes the items of a page.

    A wide one goes over things of the whole account, not of one user or policy.
    """

    query: type[Query]
    read: Callable[[State, Any, str], Iterator[tuple[str, Any]]]
    reply: Callable[[Sequence[Any]], Reply]
    wide: bool = False


IAM: Mapping[str, Write | Read | Listing] = {
    # users
    "CreateUser": Write(c.CreateUser, users.create_user, replies.created_user),
    "GetUser": Read(c.GetUser, users.get_user, replies.user),
    "UpdateUser": Write(c.UpdateUser, users.update_user),
    "DeleteUser": Write(c.DeleteUser, users.delete_user),
    "ListUsers": Listing(c.ListUsers, users.list_users, replies.under("Users", replies.listed_user), wide=True),
    "TagUser": Write(c.TagUser, users.tag_user),
    "UntagUser": Write(c.UntagUser, users.untag_user),
    "ListUserTags": Listing(c.ListUserTags, users.list_user_tags, replies.under("Tags", replies.tag)),
    "PutUserPermissionsBoundary": Write(c.PutUserPermissionsBoundary, users.put_user_permissions_boundary),
    "DeleteUserPermissionsBoundary": Write(c.DeleteUserPermissionsBoundary, users.delete_user_permissions_boundary),
    # policies of users
    "AttachUserPolicy": Write(c.AttachUserPolicy, user_policies.attach_user_policy),
    "DetachUserPolicy": Write(c.DetachUserPolicy, user_policies.detach_user_policy),
    "ListAttachedUserPolicies": Listing(
        c.ListAttachedUserPolicies,
        user_policies.list_attached_user_policies,
        replies.under("AttachedPolicies", replies.attached_policy),
    ),
    "PutUserPolicy": Write(c.PutUserPolicy, user_policies.put_user_policy),
    "GetUserPolicy": Read(c.GetUserPolicy, user_policies.get_user_policy, replies.inline_policy),
    "DeleteUserPolicy": Write(c.DeleteUserPolicy, user_policies.delete_user_policy),
    "ListUserPolicies": Listing(
        c.ListUserPolicies, user_policies.list_user_policies, replies.under("PolicyNames", str)
    ),
    # managed policies
    "CreatePolicy": Write(c.CreatePolicy, policies.create_policy, replies.created_policy),
    "GetPolicy": Read(c.GetPolicy, policies.get_policy, replies.policy),
    "DeletePolicy": Write(c.DeletePolicy, policies.delete_policy),
    "ListPolicies": Listing(
        c.ListPolicies, policies.list_policies, replies.under("Policies", replies.listed_policy), wide=True
    ),
    "CreatePolicyVersion": Write(c.CreatePolicyVersion, policies.create_policy_version, replies.created_version),
    "GetPolicyVersion": Read(c.GetPolicyVersion, policies.get_policy_version, replies.policy_version),
    "ListPolicyVersions": Listing(
        c.ListPolicyVersions, policies.list_policy_versions, replies.under("Versions", replies.listed_version)
    ),
    "SetDefaultPolicyVersion": Write(c.SetDefaultPolicyVersion, policies.set_default_policy_version),
    "DeletePolicyVersion": Write(c.DeletePolicyVersion, policies.delete_policy_version),
    "TagPolicy": Write(c.TagPolicy, policies.tag_policy),
    "UntagPolicy": Write(c.UntagPolicy, policies.untag_policy),
    "ListPolicyTags": Listing(c.ListPolicyTags, policies.list_policy_tags, replies.under("Tags", replies.tag)),
    "ListEntitiesForPolicy": Listing(
        c.ListEntitiesForPolicy, policies.list_entities_for_policy, replies.holders, wide=True
    ),
}
