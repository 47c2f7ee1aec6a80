"""Which records a user's history has: its own, and those that changed what its permissions came from."""

from random import Random
from typing import Any

import pytest

from api.actions import IAM, Write
from iam import relations as r
from iam.commands import Command
from iam.permission_sources import sources_of, users_through
from iam.state import Account, State
from projections.changes import Place, Span, find_changes
from projections.store import Projections
from projections.tables import Checkpoint

ACCOUNT = "111122223333"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
DENY = ALLOW.replace("Allow", "Deny")
OWN = [f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("reads", "writes")]
VALUES: dict[str, tuple[Any, ...]] = {
    "user_name": ("alice", "bob"),
    "new_user_name": ("alice", "bob", "carol"),
    "group_name": ("devs", "ops"),
    "new_group_name": ("devs", "ops"),
    "policy_arn": (*OWN, *OWN, "arn:aws:iam::aws:policy/ReadOnlyAccess"),
    "permissions_boundary": tuple(OWN),
    "policy_name": ("reads", "writes"),
    "policy_document": (ALLOW, DENY),
    "set_as_default": (True, False),
    "version_id": ("v1", "v2", "v3"),
    "tags": ((r.Tag("a", "1"),), (r.Tag("b", "2"),)),
}
ACTIONS = (
    *("CreateUser", "UpdateUser", "DeleteUser", "TagUser", "CreateGroup", "UpdateGroup", "DeleteGroup", "TagPolicy"),
    *("AddUserToGroup", "AddUserToGroup", "RemoveUserFromGroup", "PutGroupPolicy", "DeleteGroupPolicy"),
    *("AttachUserPolicy", "DetachUserPolicy", "AttachGroupPolicy", "AttachGroupPolicy", "DetachGroupPolicy"),
    *("PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary", "CreatePolicy", "CreatePolicy", "DeletePolicy"),
    *("CreatePolicyVersion", "CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "PutUserPolicy"),
)


def steps(pick: Random, length: int) -> list[tuple[Any, Command]]:
    """Commands drawn by chance, many of which are refused."""
    drawn = []
    for _ in range(length):
        action = IAM[pick.choice(ACTIONS)]
        assert isinstance(action, Write)
        values = {field: pick.choice(VALUES[field]) for field in action.command.__struct_fields__ if field in VALUES}
        drawn.append((action.decide, action.command(**values)))
    return drawn


def sources(state: State, user_id: str) -> set[str]:
    """What the permissions come from, read from the state the other way."""
    groups = set(state.members(r.USER_GROUPS, user_id))
    arns = set(state.members(r.USER_POLICIES, user_id)) | {state.get(r.USER_BOUNDARY, user_id) or ""}
    arns |= {arn for group in groups for arn in state.members(r.GROUP_POLICIES, group)}
    return groups | {each for arn in arns if (each := state.get(r.POLICY_ARNS, "", arn)) is not None}


def expected(ledger: Any) -> list[Place]:
    """Every change of every user, found by a look at each record."""
    state = Account(ACCOUNT, ledger.world)
    users: set[str] = set()
    places = []
    for record in ledger.records:
        event: Any = record.event
        if event is None:
            continue
        before = {user_id: sources(state, user_id) for user_id in users}
        state.apply(event.changes())
        users.update(state.members(r.USERS, "").values())
        own = getattr(event, "user_id", None)
        changed = {own} if own else set()
        kind = type(event).__name__
        if not own and (kind.startswith("Group") or "Version" in kind):
            source = getattr(event, "group_id", None) or event.policy_id
            changed = {user for user in users if source in before.get(user, set()) | sources(state, user)}
            assert changed == users_through(state, event)
        places += sorted((record.position, user_id) for user_id in changed)
        for user_id in users:
            assert set(sources_of(state, user_id).values()) == sources(state, user_id)
    return places


@pytest.mark.parametrize("seed", range(12))
async def test_a_history_is_the_same_however_it_is_asked(ledger: Any, projections: Projections, seed: int) -> None:
    """From either end, in pages of any size, over any span: what a look at each record finds."""
    pick = Random(seed)
    ledger.live(steps(pick, 400))
    last = len(ledger.records)
    await projections.write(ledger.records, {ACCOUNT: Checkpoint(last, "")})
    every = expected(ledger)
    ids = sorted({user_id for _, user_id in every})
    assert {type(ledger.records[position - 1].event).__name__ for position, _ in every} >= {
        *("GroupPolicyAttached", "GroupPolicyPut", "PolicyVersionCreated", "UserAddedToGroup")
    }

    for _ in range(8):
        wanted = set(pick.sample(ids, pick.randint(1, min(3, len(ids)))))
        first, end = sorted((pick.randint(1, last), pick.randint(1, last)))
        span = Span(first, end, pick.random() < 0.5)
        limit = pick.choice((1, 3, 1000))
        found: list[Place] = []
        beyond: Place | None = None
        while True:
            page, beyond = await projections.read(
                lambda connection, wanted=wanted, span=span, beyond=beyond, limit=limit: find_changes(
                    connection, ACCOUNT, ledger.world, wanted, span, beyond, limit
                )
            )
            assert len(page) <= limit
            found += page
            if beyond is None:
                break
        inside = [place for place in every if place[1] in wanted and first <= place[0] <= end]
        assert found == (inside[::-1] if span.descending else inside)


async def test_others_in_the_same_group_cost_a_page_nothing(ledger: Any, projections: Projections) -> None:
    """Their coming and going is not looked at, nor who else carries the policy."""
    join = IAM["AddUserToGroup"]
    attach = IAM["AttachUserPolicy"]
    create = IAM["CreateUser"]
    group, policy = IAM["CreateGroup"], IAM["CreatePolicy"]
    assert isinstance(join, Write)
    assert isinstance(attach, Write)
    assert isinstance(create, Write)
    assert isinstance(group, Write)
    assert isinstance(policy, Write)
    others = [f"user-{number}" for number in range(300)]
    calls: list[tuple[Write, dict[str, str]]] = [
        (group, {"group_name": "devs"}),
        (policy, {"policy_name": "reads", "policy_document": ALLOW}),
    ]
    for name in ("alice", *others):
        calls += [
            (create, {"user_name": name}),
            (join, {"group_name": "devs", "user_name": name}),
            (attach, {"user_name": name, "policy_arn": OWN[0]}),
        ]
    ledger.live([(write.decide, write.command(**given)) for write, given in calls])
    await projections.write(ledger.records, {ACCOUNT: Checkpoint(len(ledger.records), "")})
    alice = ledger.records[2].event.user_id

    def ask(connection: Any) -> tuple[Any, int]:
        asked = 0

        def count(sql: str) -> None:
            nonlocal asked
            asked += 1

        connection.set_trace_callback(count)
        try:
            span = Span(1, len(ledger.records), descending=True)
            return find_changes(connection, ACCOUNT, ledger.world, {alice}, span, None, 100), asked
        finally:
            connection.set_trace_callback(None)

    (page, following), asked = await projections.read(ask)
    assert ([position for position, _ in page], following) == ([5, 4, 3], None)
    assert asked < 50
