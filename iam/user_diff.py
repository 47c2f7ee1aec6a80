"""What is different about a user between two instants, and about what its policies say."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from iam.attached_policies import AttachedPolicy
from iam.document_diff import BeforeAfter, DocumentDiff, diff_documents
from iam.relations import Tag
from iam.user_details import InheritedPolicy, InlinePolicy, UserDetails

V = TypeVar("V")
GoverningVersion = tuple[str, str]  # id and document, as `iam.user_details.governing_documents` gives them


class InlineDiff(msgspec.Struct, frozen=True, gc=False):
    """An inline policy whose text differs. Without a `document_diff` it means the same as before."""

    policy_name: str
    before: str
    after: str
    document_diff: DocumentDiff | None


class GroupChange(msgspec.Struct, frozen=True, gc=False):
    """A group that the user joined or left."""

    group_id: str
    group_name: str


class InheritedDiff(msgspec.Struct, frozen=True, gc=False):
    """An inline policy of a group that the user is in at both ends, whose text differs; as of its own ones."""

    group_id: str
    group_name: str
    policy_name: str
    before: str
    after: str
    document_diff: DocumentDiff | None


class TagDiff(msgspec.Struct, frozen=True, gc=False):
    """A tag that has another value."""

    key: str
    before: str
    after: str


class ManagedDiff(msgspec.Struct, frozen=True, gc=False):
    """A managed policy that the user carries at both ends, by whatever path, governed by another version or document.

    The versions may be of one name: the policy was then deleted and another one made under its ARN. Without a
    `document_diff` it means the same as before.
    """

    policy_arn: str
    version: BeforeAfter[str]
    document_diff: DocumentDiff | None


class UserDiff(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is different about a user. What is as it was is None or empty.

    `created` and `deleted`: there is a user at one end only. `replaced`: there are two users, as their ids say. All
    tags and policies of the first one are then removed and all of the second one added, even where they are alike.
    """

    created: bool = False
    deleted: bool = False
    replaced: bool = False
    user_name: BeforeAfter[str | None] | None = None
    path: BeforeAfter[str | None] | None = None
    permissions_boundary: BeforeAfter[str | None] | None = None
    attached: tuple[AttachedPolicy, ...] = ()
    detached: tuple[AttachedPolicy, ...] = ()
    inline_added: tuple[InlinePolicy, ...] = ()
    inline_removed: tuple[InlinePolicy, ...] = ()
    inline_changed: tuple[InlineDiff, ...] = ()
    tags_added: tuple[Tag, ...] = ()
    tags_removed: tuple[Tag, ...] = ()
    tags_changed: tuple[TagDiff, ...] = ()
    managed_changed: tuple[ManagedDiff, ...] = ()
    groups_joined: tuple[GroupChange, ...] = ()
    groups_left: tuple[GroupChange, ...] = ()
    inherited_added: tuple[InheritedPolicy, ...] = ()
    inherited_removed: tuple[InheritedPolicy, ...] = ()
    inherited_changed: tuple[InheritedDiff, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is different."""
        return self == UserDiff()


def diff_users(
    before: UserDetails | None,
    after: UserDetails | None,
    governing_before: Mapping[str, GoverningVersion] = {},
    governing_after: Mapping[str, GoverningVersion] = {},
) -> UserDiff:
    """What is different between two ends; None is an end without the user. Lists keep the order of `UserDetails`.

    Names are compared as they are spelled: a tag or an inline policy that is spelled anew is removed and added. What
    managed policies say is compared where both ends tell it. Inherited policies come and go with their group, or
    because the group gets or loses them; a group's other name is no difference.
    """
    if before is None or after is None or before.user_id != after.user_id:
        return _two_users(before, after)
    old_inline = {policy.policy_name: policy.policy_document for policy in before.inline}
    new_inline = {policy.policy_name: policy.policy_document for policy in after.inline}
    old_tags = {tag.key: tag.value for tag in before.tags}
    new_tags = {tag.key: tag.value for tag in after.tags}
    old_inherited = {_path(policy): policy for policy in before.inherited()}
    new_inherited = {_path(policy): policy for policy in after.inherited()}
    old_groups, new_groups = _groups(before), _groups(after)
    return UserDiff(
        user_name=_changed(before.user_name, after.user_name),
        path=_changed(before.path, after.path),
        permissions_boundary=_changed(before.permissions_boundary, after.permissions_boundary),
        attached=tuple(policy for policy in after.attached if policy not in before.attached),
        detached=tuple(policy for policy in before.attached if policy not in after.attached),
        inline_added=tuple(policy for policy in after.inline if policy.policy_name not in old_inline),
        inline_removed=tuple(policy for policy in before.inline if policy.policy_name not in new_inline),
        inline_changed=tuple(
            InlineDiff(name, old, new, diff_documents(old, new))
            for name, old, new in _differing(old_inline, new_inline)
        ),
        tags_added=tuple(tag for tag in after.tags if tag.key not in old_tags),
        tags_removed=tuple(tag for tag in before.tags if tag.key not in new_tags),
        tags_changed=tuple(TagDiff(key, old, new) for key, old, new in _differing(old_tags, new_tags)),
        managed_changed=tuple(
            ManagedDiff(arn, BeforeAfter(old[0], new[0]), diff_documents(old[1], new[1]))
            for arn, old, new in _differing(governing_before, governing_after)
        ),
        groups_joined=tuple(group for group_id, group in new_groups.items() if group_id not in old_groups),
        groups_left=tuple(group for group_id, group in old_groups.items() if group_id not in new_groups),
        inherited_added=tuple(policy for path, policy in new_inherited.items() if path not in old_inherited),
        inherited_removed=tuple(policy for path, policy in old_inherited.items() if path not in new_inherited),
        inherited_changed=tuple(_inherited_changed(old_inherited, new_inherited)),
    )


Path = tuple[str, str, bool]  # by which an inherited policy comes: group id, then its ARN, or its name if it is inline


def _path(policy: InheritedPolicy) -> Path:
    return policy.group_id, policy.policy_arn or policy.policy_name, policy.policy_arn is None


def _groups(user: UserDetails) -> dict[str, GroupChange]:
    return {group.group_id: GroupChange(group.group_id, group.group_name) for group in user.groups}


def _inherited_changed(
    before: Mapping[Path, InheritedPolicy], after: Mapping[Path, InheritedPolicy]
) -> Iterator[InheritedDiff]:
    for path, policy in after.items():
        old, new = before[path].policy_document if path in before else None, policy.policy_document
        if old is not None and new is not None and old != new:
            told = policy.group_id, policy.group_name, policy.policy_name
            yield InheritedDiff(*told, old, new, diff_documents(old, new))


def _two_users(before: UserDetails | None, after: UserDetails | None) -> UserDiff:
    """All that the one had is gone, and all that the other has is new."""
    old_boundary = before.permissions_boundary if before else None
    new_boundary = after.permissions_boundary if after else None
    return UserDiff(
        created=before is None and after is not None,
        deleted=before is not None and after is None,
        replaced=before is not None and after is not None,
        user_name=_changed(before.user_name if before else None, after.user_name if after else None),
        path=_changed(before.path if before else None, after.path if after else None),
        permissions_boundary=BeforeAfter(old_boundary, new_boundary) if old_boundary or new_boundary else None,
        attached=after.attached if after else (),
        detached=before.attached if before else (),
        inline_added=after.inline if after else (),
        inline_removed=before.inline if before else (),
        tags_added=after.tags if after else (),
        tags_removed=before.tags if before else (),
        groups_joined=tuple(_groups(after).values()) if after else (),
        groups_left=tuple(_groups(before).values()) if before else (),
        inherited_added=tuple(after.inherited()) if after else (),
        inherited_removed=tuple(before.inherited()) if before else (),
    )


def _changed(before: str | None, after: str | None) -> BeforeAfter[str | None] | None:
    return None if before == after else BeforeAfter(before, after)


def _differing(before: Mapping[str, V], after: Mapping[str, V]) -> Iterator[tuple[str, V, V]]:
    """What both have and not alike, in the order after."""
    for name, value in after.items():
        if name in before and before[name] != value:
            yield name, before[name], value
