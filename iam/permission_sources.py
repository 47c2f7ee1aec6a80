"""What a user's permissions come from beside itself: its groups, and the account's own policies that it carries.

What changes one of these changes what the user may do, although nothing about the user has changed. AWS's policies
change with the catalogue only.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from iam import relations as r
from iam.events import Event
from iam.state import State


@cache
def source_field(event: type[Event]) -> str | None:
    """The field that names the source which an event of this kind changes; None for an event that changes none.

    Of groups these are the events that are not about a member, of policies those about their versions: while a user
    carries a policy, it can be neither created nor deleted.
    """
    fields = event.__struct_fields__
    if "group_id" in fields and "user_id" not in fields:
        return "group_id"
    return "policy_id" if "policy_id" in fields and "version_id" in fields else None


def sources_of(state: State, user_id: str, present: Mapping[str, str] | None = None) -> dict[str, str]:
    """The ids of the sources of a user's permissions, by group id and by policy ARN.

    `present` are those right before or right after: a policy that a user carries all the time keeps its id.
    """
    groups = state.members(r.USER_GROUPS, user_id)
    arns = {*state.members(r.USER_POLICIES, user_id), state.get(r.USER_BOUNDARY, user_id)}
    for group_id in groups:
        arns.update(state.members(r.GROUP_POLICIES, group_id))
    sources = {group_id: group_id for group_id in groups}
    for arn in arns:
        if arn is not None and state.world.catalogue.policy(arn) is None:
            policy_id = (present or {}).get(arn) or state.get(r.POLICY_ARNS, "", arn)
            if policy_id is not None:
                sources[arn] = policy_id
    return sources


def users_through(state: State, event: Event) -> set[str]:
    """The ids of the users for whom the event changes a source of their permissions."""
    told: Any = event
    field = source_field(type(event))
    if field is None:
        return set()
    if field == "group_id":
        return set(state.members(r.GROUP_USERS, told.group_id))
    return set(_carriers(state, told.policy_arn))


def _carriers(state: State, arn: str) -> Iterator[str]:
    yield from state.members(r.POLICY_USERS, arn)
    yield from state.members(r.BOUNDARY_USERS, arn)
    for group_id in state.members(r.POLICY_GROUPS, arn):
        yield from state.members(r.GROUP_USERS, group_id)
