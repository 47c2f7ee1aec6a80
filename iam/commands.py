"""What callers may ask for. Field names are AWS's parameter names in snake_case; both protocols share them.

The wire has checked lengths, patterns and required parameters already, so what stands here is well formed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from iam.relations import Tag

if TYPE_CHECKING:
    from iam.user_details import UserDetails  # its module needs this one

Part = Literal["attached", "inline", "tags", "permissions_boundary"]


class Moment(msgspec.Struct, frozen=True, gc=False):
    """What a decision needs from outside: the time, and ids nobody has used (by their prefix, as in AIDA)."""

    at: datetime
    new_id: Callable[[str], str]


class Command(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request to change something."""


class Query(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request to know something."""


class CreateUser(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    path: str = "/"
    permissions_boundary: str | None = None
    tags: tuple[Tag, ...] = ()


class UpdateUser(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    new_user_name: str | None = None
    new_path: str | None = None


class DeleteUser(Command, frozen=True, gc=False, kw_only=True):
    user_name: str


class TagUser(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    tags: tuple[Tag, ...]


class UntagUser(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    tag_keys: tuple[str, ...]


class PutUserPermissionsBoundary(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    permissions_boundary: str


class DeleteUserPermissionsBoundary(Command, frozen=True, gc=False, kw_only=True):
    user_name: str


class AttachUserPolicy(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    policy_arn: str


class DetachUserPolicy(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    policy_arn: str


class PutUserPolicy(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    policy_name: str
    policy_document: str


class DeleteUserPolicy(Command, frozen=True, gc=False, kw_only=True):
    user_name: str
    policy_name: str


class CreatePolicy(Command, frozen=True, gc=False, kw_only=True):
    policy_name: str
    policy_document: str
    path: str = "/"
    description: str = ""
    tags: tuple[Tag, ...] = ()


class DeletePolicy(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str


class CreatePolicyVersion(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    policy_document: str
    set_as_default: bool = False


class SetDefaultPolicyVersion(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    version_id: str


class DeletePolicyVersion(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    version_id: str


class TagPolicy(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    tags: tuple[Tag, ...]


class UntagPolicy(Command, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    tag_keys: tuple[str, ...]


class InstallCatalogue(Command, frozen=True, gc=False, kw_only=True):
    """Ours, not AWS's: make the release of AWS managed policies that the program carries known."""


class GetUser(Query, frozen=True, gc=False, kw_only=True):
    user_name: str | None = None


class ListUsers(Query, frozen=True, gc=False, kw_only=True):
    path_prefix: str = "/"


class ListUserTags(Query, frozen=True, gc=False, kw_only=True):
    user_name: str


class ListAttachedUserPolicies(Query, frozen=True, gc=False, kw_only=True):
    user_name: str
    path_prefix: str = "/"


class GetUserPolicy(Query, frozen=True, gc=False, kw_only=True):
    user_name: str
    policy_name: str


class ListUserPolicies(Query, frozen=True, gc=False, kw_only=True):
    user_name: str


class GetPolicy(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str


class ListPolicies(Query, frozen=True, gc=False, kw_only=True):
    scope: str = "All"
    only_attached: bool = False
    path_prefix: str = "/"
    policy_usage_filter: str | None = None


class GetPolicyVersion(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    version_id: str


class ListPolicyVersions(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str


class ListPolicyTags(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str


class ListEntitiesForPolicy(Query, frozen=True, gc=False, kw_only=True):
    policy_arn: str
    entity_filter: str | None = None
    path_prefix: str = "/"
    policy_usage_filter: str | None = None


class RestoreUser(Command, frozen=True, gc=False, kw_only=True):
    """Ours, not AWS's: make parts of a user what they were at an instant, which is what `wanted` tells.

    `policy_ids` are the ids that the account's own policies in `wanted` had then, by ARN: an ARN can be used again.
    """

    user_id: str
    wanted: "UserDetails"
    parts: tuple[Part, ...]
    policy_ids: Mapping[str, str]
