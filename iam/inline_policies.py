"""Inline policies: those that are part of one user, group or role."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from iam import relations as r
from iam.commands import Command, Moment, Query
from iam.documents import counted_size, validate
from iam.errors import LimitExceeded, NoSuchEntity
from iam.events import Event, groups, roles, users
from iam.identities import GROUP, ROLE, USER, Kind
from iam.pages import listing
from iam.state import State, known


class PutPolicy(Command, frozen=True, gc=False, kw_only=True):
    """Put an inline policy into an identity."""

    kind: ClassVar[Kind]
    policy_name: str
    policy_document: str


class PutUserPolicy(PutPolicy, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class PutGroupPolicy(PutPolicy, frozen=True, gc=False, kw_only=True):
    kind = GROUP
    group_name: str


class PutRolePolicy(PutPolicy, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


class DeleteInlinePolicy(Command, frozen=True, gc=False, kw_only=True):
    """Take an inline policy out of an identity."""

    kind: ClassVar[Kind]
    policy_name: str


class DeleteUserPolicy(DeleteInlinePolicy, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class DeleteGroupPolicy(DeleteInlinePolicy, frozen=True, gc=False, kw_only=True):
    kind = GROUP
    group_name: str


class DeleteRolePolicy(DeleteInlinePolicy, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


class GetInlinePolicy(Query, frozen=True, gc=False, kw_only=True):
    """One inline policy of an identity."""

    kind: ClassVar[Kind]
    policy_name: str


class GetUserPolicy(GetInlinePolicy, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class GetGroupPolicy(GetInlinePolicy, frozen=True, gc=False, kw_only=True):
    kind = GROUP
    group_name: str


class GetRolePolicy(GetInlinePolicy, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


class ListInlinePolicies(Query, frozen=True, gc=False, kw_only=True):
    """The names of an identity's inline policies."""

    kind: ClassVar[Kind]


class ListUserPolicies(ListInlinePolicies, frozen=True, gc=False, kw_only=True):
    kind = USER
    user_name: str


class ListGroupPolicies(ListInlinePolicies, frozen=True, gc=False, kw_only=True):
    kind = GROUP
    group_name: str


class ListRolePolicies(ListInlinePolicies, frozen=True, gc=False, kw_only=True):
    kind = ROLE
    role_name: str


class InlinePolicyOf(msgspec.Struct, frozen=True, gc=False):
    """An inline policy with the identity that it is part of."""

    kind: Kind
    name: str  # of the identity
    policy: r.InlinePolicy


_PUT: Mapping[Kind, Any] = {USER: users.UserPolicyPut, GROUP: groups.GroupPolicyPut, ROLE: roles.RolePolicyPut}
_DELETED: Mapping[Kind, Any] = {
    USER: users.UserPolicyDeleted,
    GROUP: groups.GroupPolicyDeleted,
    ROLE: roles.RolePolicyDeleted,
}


def put_policy(state: State, command: PutPolicy, moment: Moment) -> list[Event]:
    """Put an inline policy, in place of one whose name is the same ignoring case; the first spelling stays.

    The quota is on all of the identity's inline policies together; the one replaced does not count.
    """
    kind = command.kind
    owner = kind.find_modifiable(state, kind.name_in(command))
    validate(command.policy_document, managed=False)
    told = kind.told(state, owner)
    inline = state.members(kind.inline_policies, owner)
    replaced = inline.get(command.policy_name.lower())
    if replaced is not None and replaced.document == command.policy_document:
        return []
    size = counted_size(command.policy_document) + sum(
        counted_size(policy.document) for policy in inline.values() if policy is not replaced
    )
    quota = state.world.quotas.inline_size(kind.noun)
    if size > quota:
        name = told[f"{kind.noun}_name"]
        raise LimitExceeded(f"Maximum policy size of {quota} bytes exceeded for {kind.noun} {name}")
    spelling = replaced.policy_name if replaced else command.policy_name
    return [_PUT[kind](**told, policy_name=spelling, policy_document=command.policy_document)]


def delete_inline_policy(state: State, command: DeleteInlinePolicy, moment: Moment) -> list[Event]:
    """Delete an inline policy, named in any spelling."""
    kind = command.kind
    owner = kind.find_modifiable(state, kind.name_in(command))
    inline = _find(state, kind, owner, command.policy_name)
    return [_DELETED[kind](**kind.told(state, owner), policy_name=inline.policy_name)]


def _find(state: State, kind: Kind, owner: str, policy_name: str) -> r.InlinePolicy:
    inline = state.get(kind.inline_policies, owner, policy_name.lower())
    if inline is None:
        raise NoSuchEntity(f"The {kind.noun} policy with name {policy_name} cannot be found.")
    return inline


def get_inline_policy(state: State, query: GetInlinePolicy) -> InlinePolicyOf:
    """One inline policy with the identity's name. The answer spells the policy as the question did."""
    kind = query.kind
    owner = kind.find(state, kind.name_in(query))
    inline = _find(state, kind, owner, query.policy_name)
    name = kind.name(known(state, kind.profiles, owner))
    return InlinePolicyOf(kind, name, r.InlinePolicy(query.policy_name, inline.document))


def list_inline_policies(state: State, query: ListInlinePolicies, after: str) -> Iterator[tuple[str, str]]:
    """The names of the inline policies, in the order of their names."""
    inline = state.members(query.kind.inline_policies, query.kind.find(state, query.kind.name_in(query)))
    return listing((policy.policy_name for policy in inline.values()), str.lower, after)


def inline_in(state: State, kind: Kind, owner: str) -> list[r.InlinePolicy]:
    """The inline policies of the identity of this id, by name ignoring case."""
    return sorted(state.members(kind.inline_policies, owner).values(), key=lambda policy: policy.policy_name.lower())
