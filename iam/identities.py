"""Identities: users, groups and roles, in what they have in common as those that policies hang on."""

from typing import Any

import msgspec

from iam import relations as r
from iam.arns import iam_arn
from iam.commands import Command, Query
from iam.errors import EntityAlreadyExists, NoSuchEntity, UnmodifiableEntity
from iam.relations import Relation
from iam.state import State, known

SERVICE_ROLE_PATH = "/aws-service-role/"  # of roles that only the service they belong to may change


class Kind(msgspec.Struct, frozen=True, eq=False):
    """One of the three kinds of identities, and where the state keeps what is known of them.

    `noun` begins the names of fields (`user_name`, `user_id`) and stands in ARNs and refusals.
    """

    noun: str
    id_prefix: str
    names: Relation[str]
    profiles: Relation[Any]
    policies: Relation[str]
    inline_policies: Relation[r.InlinePolicy]
    carriers: Relation[str]  # of a managed policy
    boundaries: Relation[str] | None = None
    bounded: Relation[str] | None = None  # by a managed policy
    tags: Relation[r.Tag] | None = None

    def __repr__(self) -> str:
        return f"<kind {self.noun}>"

    def name_in(self, asked: Command | Query) -> str:
        """The identity's name in what is asked."""
        name: str = getattr(asked, f"{self.noun}_name")
        return name

    def name(self, profile: Any) -> str:
        """The identity's name in its profile."""
        name: str = getattr(profile, f"{self.noun}_name")
        return name

    def find(self, state: State, name: str) -> str:
        """The id of the identity with this name, in whatever case. Raises NoSuchEntity."""
        identity_id = state.get(self.names, "", name.lower())
        if identity_id is None:
            raise NoSuchEntity(f"The {self.noun} with name {name} cannot be found.")
        return identity_id

    def check_free(self, state: State, name: str) -> None:
        """Raises EntityAlreadyExists where an identity of this kind has the name, in whatever case and on any path."""
        if state.get(self.names, "", name.lower()) is not None:
            raise EntityAlreadyExists(f"{self.noun.title()} with name {name} already exists.")

    def find_modifiable(self, state: State, name: str) -> str:
        """The same, of one that callers may change. Raises UnmodifiableEntity for a service-linked role."""
        identity_id = self.find(state, name)
        if self is ROLE:
            profile = known(state, r.ROLE, identity_id)
            if profile.path.startswith(SERVICE_ROLE_PATH):
                raise UnmodifiableEntity(
                    f"Cannot perform the operation on the protected role '{profile.role_name}' - "
                    "this role is only modifiable by AWS"
                )
        return identity_id

    def told(self, state: State, identity_id: str) -> dict[str, str]:
        """The id and the name as events tell them."""
        name = self.name(known(state, self.profiles, identity_id))
        return {f"{self.noun}_id": identity_id, f"{self.noun}_name": name}

    def arn(self, state: State, identity_id: str) -> str:
        """The ARN that the identity has now."""
        profile = known(state, self.profiles, identity_id)
        return iam_arn(state.world.partition, state.account, self.noun, profile.path, self.name(profile))


USER = Kind(
    noun="user",
    id_prefix="AIDA",
    names=r.USERS,
    profiles=r.USER,
    policies=r.USER_POLICIES,
    inline_policies=r.USER_INLINE_POLICIES,
    carriers=r.POLICY_USERS,
    boundaries=r.USER_BOUNDARY,
    bounded=r.BOUNDARY_USERS,
    tags=r.USER_TAGS,
)
GROUP = Kind(
    noun="group",
    id_prefix="AGPA",
    names=r.GROUPS,
    profiles=r.GROUP,
    policies=r.GROUP_POLICIES,
    inline_policies=r.GROUP_INLINE_POLICIES,
    carriers=r.POLICY_GROUPS,
)
ROLE = Kind(
    noun="role",
    id_prefix="AROA",
    names=r.ROLES,
    profiles=r.ROLE,
    policies=r.ROLE_POLICIES,
    inline_policies=r.ROLE_INLINE_POLICIES,
    carriers=r.POLICY_ROLES,
    boundaries=r.ROLE_BOUNDARY,
    bounded=r.BOUNDARY_ROLES,
    tags=r.ROLE_TAGS,
)
KINDS = (USER, GROUP, ROLE)
