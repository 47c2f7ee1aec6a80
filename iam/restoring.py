"""Restoring: make a user's policy sets, tags, boundary and groups what they were, by new events.

No rule of IAM stands here. A restore is a row of ordinary commands, each decided by its own decision on a draft that
the ones before it left. What managed policies say is not restored: a policy attached again says what it says now. Nor
is what groups have: who is a member again carries what the group carries now.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from iam import relations as r
from iam.attached_policies import AttachUserPolicy, DetachUserPolicy, attach_policy, detach_policy
from iam.boundaries import (
    DeleteUserPermissionsBoundary,
    PutUserPermissionsBoundary,
    delete_permissions_boundary,
    put_permissions_boundary,
)
from iam.commands import Command, Moment
from iam.documents import counted_size
from iam.errors import IamError, NoSuchEntity, RestoreConflict
from iam.events import Event
from iam.groups import AddUserToGroup, RemoveUserFromGroup, add_user_to_group, remove_user_from_group
from iam.inline_policies import DeleteUserPolicy, PutUserPolicy, delete_inline_policy, put_policy
from iam.state import Draft, State
from iam.tags import tag_thing, untag_thing
from iam.user_details import InlinePolicy, Membership, UserDetails, user_details
from iam.users import TagUser, UntagUser

Part = Literal["attached", "inline", "tags", "permissions_boundary", "groups"]


class RestoreUser(Command, frozen=True, gc=False, kw_only=True):
    """Ours, not AWS's: make parts of a user what they were at an instant, which is what `wanted` tells.

    `policy_ids` are the ids that the account's own policies in `wanted` had then, by ARN: an ARN can be used again.
    """

    user_id: str
    wanted: UserDetails
    parts: tuple[Part, ...]
    policy_ids: Mapping[str, str]


_DECISIONS: Mapping[type[Command], Callable[[State, Any, Moment], list[Event]]] = {
    AttachUserPolicy: attach_policy,
    DetachUserPolicy: detach_policy,
    PutUserPolicy: put_policy,
    DeleteUserPolicy: delete_inline_policy,
    TagUser: tag_thing,
    UntagUser: untag_thing,
    PutUserPermissionsBoundary: put_permissions_boundary,
    DeleteUserPermissionsBoundary: delete_permissions_boundary,
    AddUserToGroup: add_user_to_group,
    RemoveUserFromGroup: remove_user_from_group,
}
_NOUNS: Mapping[Part, str] = {
    "attached": "Managed policy",
    "inline": "Inline policy",
    "tags": "Tag",
    "permissions_boundary": "Permissions boundary",
    "groups": "Group",
}


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """One thing that cannot be what it was: its ARN, its name or tag key, and the refusal that says why."""

    part: Part
    name: str
    code: str
    message: str


class Plan(msgspec.Struct, frozen=True):
    """What a restore would do, in order, and what it cannot do. What is in conflict stays as it is."""

    events: list[Event]
    conflicts: list[Conflict]


def restore_user(state: State, command: RestoreUser, moment: Moment) -> list[Event]:
    """Make parts of a user what they were: all of it, or nothing. What is so already yields no event.

    Raises NoSuchEntity if the user is no more, and RestoreConflict, which names every conflict of the plan.
    """
    planned = plan(state, command, moment)
    if planned.conflicts:
        raise RestoreConflict(" ".join(map(_sentence, planned.conflicts)))
    return planned.events


def plan(state: State, command: RestoreUser, moment: Moment) -> Plan:
    """What the restore would do to the state, which stays as it is. Raises NoSuchEntity if the user is no more.

    What takes away comes first, and inline policies that shrink come before those that grow. So no quota is in the
    way of what fits it in the end, unless it was lowered below what the user has now.
    """
    if state.get(r.USER, command.user_id) is None:
        raise NoSuchEntity(
            f"The user {command.wanted.user_name} with id {command.user_id} was deleted. "
            "CreateUser makes a new user, with a new id; a restore never makes one."
        )
    work = _Work(state, command, moment)
    if "attached" in command.parts:
        work.detach()
    if "inline" in command.parts:
        work.delete_inline()
        work.put_inline()
    if "attached" in command.parts:
        work.attach()
    if "tags" in command.parts:
        work.set_tags()
    if "permissions_boundary" in command.parts:
        work.set_boundary()
    if "groups" in command.parts:
        work.leave_groups()
        work.join_groups()
    return Plan(work.events, work.conflicts)


class _Work:
    """The steps of one restore: the user as it is and as it was, and what came of the steps so far."""

    def __init__(self, state: State, command: RestoreUser, moment: Moment) -> None:
        self.events: list[Event] = []
        self.conflicts: list[Conflict] = []
        self._draft = Draft(state)
        self._moment = moment
        self._present = user_details(state, command.user_id)
        self._wanted = command.wanted
        self._user_name = self._present.user_name  # it may have been another one then
        self._policy_ids = command.policy_ids

    def detach(self) -> None:
        wanted = {policy.policy_arn for policy in self._wanted.attached}
        for policy in self._present.attached:
            if (arn := policy.policy_arn) not in wanted:
                self._try("attached", arn, DetachUserPolicy(user_name=self._user_name, policy_arn=arn))

    def attach(self) -> None:
        present = {policy.policy_arn for policy in self._present.attached}
        for policy in self._wanted.attached:
            if self._is_same("attached", arn := policy.policy_arn) and arn not in present:
                self._try("attached", arn, AttachUserPolicy(user_name=self._user_name, policy_arn=arn))

    def delete_inline(self) -> None:
        wanted = _by_name(self._wanted)
        for member, policy in _by_name(self._present).items():
            if member not in wanted:
                self._try("inline", policy.policy_name, self._deletion(policy))

    def put_inline(self) -> None:
        present = _by_name(self._present)

        def growth(item: tuple[str, InlinePolicy]) -> int:
            before = present.get(item[0])
            return counted_size(item[1].policy_document) - (counted_size(before.policy_document) if before else 0)

        for member, policy in sorted(_by_name(self._wanted).items(), key=growth):
            before = present.get(member)
            if policy == before:
                continue
            steps: list[Command] = [
                PutUserPolicy(
                    user_name=self._user_name, policy_name=policy.policy_name, policy_document=policy.policy_document
                )
            ]
            if before is not None and before.policy_name != policy.policy_name:
                steps.insert(0, self._deletion(before))  # a policy that is only replaced keeps its spelling
            self._try("inline", policy.policy_name, *steps)

    def set_tags(self) -> None:
        """One event for all tags; only if that is refused, one for each, so that those at fault are named."""
        wanted = {tag.key.lower() for tag in self._wanted.tags}
        if gone := tuple(tag.key for tag in self._present.tags if tag.key.lower() not in wanted):
            self._try("tags", ", ".join(gone), UntagUser(user_name=self._user_name, tag_keys=gone))
        new = tuple(tag for tag in self._wanted.tags if tag not in self._present.tags)
        try:
            self._do(TagUser(user_name=self._user_name, tags=new))
        except IamError:
            for tag in new:
                self._try("tags", tag.key, TagUser(user_name=self._user_name, tags=(tag,)))

    def set_boundary(self) -> None:
        present, wanted = self._present.permissions_boundary, self._wanted.permissions_boundary
        if wanted is not None:
            if self._is_same("permissions_boundary", wanted):
                step = PutUserPermissionsBoundary(user_name=self._user_name, permissions_boundary=wanted)
                self._try("permissions_boundary", wanted, step)
        elif present is not None:
            self._try("permissions_boundary", present, DeleteUserPermissionsBoundary(user_name=self._user_name))

    def leave_groups(self) -> None:
        wanted = {group.group_id for group in self._wanted.groups}
        for group in self._present.groups:
            if group.group_id not in wanted:
                step = RemoveUserFromGroup(user_name=self._user_name, group_name=group.group_name)
                self._try("groups", group.group_name, step)

    def join_groups(self) -> None:
        present = {group.group_id for group in self._present.groups}
        for group in self._wanted.groups:
            if group.group_id not in present and (name := self._name_now(group)) is not None:
                self._try("groups", group.group_name, AddUserToGroup(user_name=self._user_name, group_name=name))

    def _name_now(self, group: Membership) -> str | None:
        """What the group is called now. That it is no more is a conflict: its name means another one, or none."""
        profile = self._draft.get(r.GROUP, group.group_id)
        if profile is not None:
            return profile.group_name
        now = self._draft.get(r.GROUPS, "", group.group_name.lower())
        anew = f", and made anew: it is another group now, with id {now}" if now is not None else ""
        message = f"The group {group.group_name} with id {group.group_id} was deleted{anew}."
        self.conflicts.append(Conflict("groups", group.group_name, NoSuchEntity.code, message))
        return None

    def _deletion(self, policy: InlinePolicy) -> DeleteUserPolicy:
        return DeleteUserPolicy(user_name=self._user_name, policy_name=policy.policy_name)

    def _is_same(self, part: Part, arn: str) -> bool:
        """Whether the ARN does not name another policy by now. If it does, that is a conflict."""
        now = self._draft.get(r.POLICY_ARNS, "", arn)
        if now is None or now == self._policy_ids.get(arn, now):
            return True
        message = f"Policy {arn} was deleted, and made anew: it is another policy now, with id {now}."
        self.conflicts.append(Conflict(part, arn, NoSuchEntity.code, message))
        return False

    def _try(self, part: Part, name: str, *steps: Command) -> None:
        try:
            self._do(*steps)
        except IamError as refusal:
            self.conflicts.append(Conflict(part, name, refusal.code, refusal.message))

    def _do(self, *steps: Command) -> None:
        """All the steps, or none and the refusal of one."""
        draft = Draft(self._draft)
        events: list[Event] = []
        for step in steps:
            for event in _DECISIONS[type(step)](draft, step, self._moment):
                draft.apply(event.changes())
                events.append(event)
        draft.commit()
        self.events += events


def _by_name(user: UserDetails) -> dict[str, InlinePolicy]:
    return {policy.policy_name.lower(): policy for policy in user.inline}


def _sentence(conflict: Conflict) -> str:
    return f"{_NOUNS[conflict.part]} {conflict.name} cannot be restored: {conflict.message.rstrip('.')}."
