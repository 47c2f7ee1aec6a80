"""Restoring: what a user was at an instant becomes what it is, by ordinary events, or nothing happens at all."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from api.errors import STATUS, refusal
from iam import relations as r
from iam.attached_policies import AttachUserPolicy, DetachUserPolicy
from iam.boundaries import DeleteUserPermissionsBoundary, PutUserPermissionsBoundary
from iam.commands import Command, Moment
from iam.errors import IamError, NoSuchEntity, RestoreConflict
from iam.events import Event
from iam.events.users import (
    UserPermissionsBoundaryDeleted,
    UserPermissionsBoundaryPut,
    UserPolicyAttached,
    UserPolicyDeleted,
    UserPolicyDetached,
    UserPolicyPut,
    UserTagged,
    UserUntagged,
)
from iam.groups import AddUserToGroup, CreateGroup, DeleteGroup, RemoveUserFromGroup, UpdateGroup
from iam.inline_policies import DeleteUserPolicy, PutUserPolicy
from iam.policies import CreatePolicy, CreatePolicyVersion, DeletePolicy
from iam.quotas import Quotas
from iam.relations import Tag
from iam.restoring import Conflict, Part, Plan, RestoreUser, plan, restore_user
from iam.state import Account, State, World
from iam.user_details import InlinePolicy, Membership, UserDetails, user_details
from iam.users import CreateUser, DeleteUser, TagUser, UntagUser, UpdateUser

PARTS = get_args(Part)
NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)

SMALL = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
LARGE = SMALL.replace('"*"}', f'"arn:aws:s3:::{"x" * 99}"}}')
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
BILLING = "arn:aws:iam::aws:policy/job-function/Billing"
READS = "arn:aws:iam::123456789012:policy/Reads"

ALICE = CreateUser(user_name="Alice")
POLICY = CreatePolicy(policy_name="Reads", policy_document=SMALL)
NO_POLICY = DeletePolicy(policy_arn=READS)
UNBOUND = DeleteUserPermissionsBoundary(user_name="alice")
AIDA: dict[str, str] = {"user_id": "AIDA1", "user_name": "Alice"}


def attach(arn: str) -> AttachUserPolicy:
    return AttachUserPolicy(user_name="alice", policy_arn=arn)


def detach(arn: str) -> DetachUserPolicy:
    return DetachUserPolicy(user_name="alice", policy_arn=arn)


def put(name: str, document: str = SMALL) -> PutUserPolicy:
    return PutUserPolicy(user_name="alice", policy_name=name, policy_document=document)


def delete(name: str) -> DeleteUserPolicy:
    return DeleteUserPolicy(user_name="alice", policy_name=name)


def tag(*tags: str) -> TagUser:
    return TagUser(user_name="alice", tags=tuple(Tag(*text.split("=")) for text in tags))


def untag(*keys: str) -> UntagUser:
    return UntagUser(user_name="alice", tag_keys=keys)


def bound(arn: str) -> PutUserPermissionsBoundary:
    return PutUserPermissionsBoundary(user_name="alice", permissions_boundary=arn)


def attached(arn: str) -> UserPolicyAttached:
    return UserPolicyAttached(**AIDA, policy_arn=arn, policy_name=arn.rpartition("/")[2])


def detached(arn: str) -> UserPolicyDetached:
    return UserPolicyDetached(**AIDA, policy_arn=arn)


def was_put(name: str, document: str = SMALL) -> UserPolicyPut:
    return UserPolicyPut(**AIDA, policy_name=name, policy_document=document)


def deleted(name: str) -> UserPolicyDeleted:
    return UserPolicyDeleted(**AIDA, policy_name=name)


def tagged(*tags: str) -> UserTagged:
    return UserTagged(**AIDA, tags=tag(*tags).tags)


def bounded(arn: str, previous: str | None = None) -> UserPermissionsBoundaryPut:
    return UserPermissionsBoundaryPut(**AIDA, permissions_boundary=arn, previous_permissions_boundary=previous)


def restore(state: State, user_id: str = "AIDA1", parts: tuple[Part, ...] = PARTS) -> RestoreUser:
    """The command that would make the user what it is in this state."""
    wanted = user_details(state, user_id)
    arns = {policy.policy_arn for policy in wanted.attached} | {wanted.permissions_boundary or ""}
    ids = {arn: policy_id for arn in arns if (policy_id := state.get(r.POLICY_ARNS, "", arn)) is not None}
    return RestoreUser(user_id=user_id, wanted=wanted, parts=parts, policy_ids=ids)


@pytest.mark.parametrize(
    ("then", "since", "events"),
    [
        pytest.param([attach(ADMIN)], [], [], id="nothing to do"),
        pytest.param([put("a"), tag("k=1")], [delete("a"), put("a"), untag("k"), tag("k=1")], [], id="so again"),
        pytest.param([attach(READS)], [detach(READS)], [attached(READS)], id="detached since"),
        pytest.param([], [attach(ADMIN)], [detached(ADMIN)], id="attached since"),
        pytest.param([put("a")], [delete("a")], [was_put("a")], id="deleted since"),
        pytest.param([], [put("a")], [deleted("a")], id="put since"),
        pytest.param([put("a")], [put("a", LARGE)], [was_put("a")], id="another document"),
        pytest.param([put("a")], [put("A", LARGE)], [was_put("a")], id="another document, the first spelling"),
        pytest.param([put("a")], [delete("a"), put("A")], [deleted("A"), was_put("a")], id="another spelling"),
        pytest.param(
            [put("a")], [delete("a"), put("A", LARGE)], [deleted("A"), was_put("a")], id="another spelling and document"
        ),
        pytest.param([tag("Key=1")], [tag("KEY=1")], [tagged("Key=1")], id="another spelling of a tag"),
        pytest.param([tag("a=1", "b=2")], [tag("a=2", "b=3")], [tagged("a=1", "b=2")], id="other values"),
        pytest.param(
            [tag("a=1")],
            [untag("a"), tag("B=1")],
            [UserUntagged(**AIDA, tag_keys=("b",)), tagged("a=1")],
            id="other tags",
        ),
        pytest.param([tagged("aws:x=1", "k=1")], [untag("k")], [tagged("k=1")], id="a reserved tag, still there"),
        pytest.param([bound(READS)], [UNBOUND], [bounded(READS)], id="boundary lifted"),
        pytest.param([bound(READS)], [bound(ADMIN)], [bounded(READS, ADMIN)], id="another boundary"),
        pytest.param(
            [],
            [bound(ADMIN)],
            [UserPermissionsBoundaryDeleted(**AIDA, permissions_boundary=ADMIN)],
            id="boundary set",
        ),
        pytest.param(
            [attach(ADMIN), put("a"), tag("k=1"), bound(READS)],
            [detach(ADMIN), attach(BILLING), delete("a"), put("b"), untag("k"), UNBOUND],
            [detached(BILLING), deleted("b"), was_put("a"), attached(ADMIN), tagged("k=1"), bounded(READS)],
            id="everything, and what takes away comes first",
        ),
    ],
)
def test_the_user_is_made_what_it_was(
    given: Callable[..., Any], then: list[Command], since: list[Command], events: list[Event]
) -> None:
    """By the events of ordinary commands, and by none where it is so already."""
    account = given(ALICE, POLICY, *then)
    command = restore(account.account)

    account.also(*since).when(restore_user, command).then(*events)
    assert user_details(account.also(*events).account, "AIDA1") == command.wanted


@pytest.mark.parametrize(
    ("part", "events"),
    [
        ("attached", [attached(ADMIN)]),
        ("inline", [was_put("a")]),
        ("tags", [tagged("k=1")]),
        ("permissions_boundary", [bounded(READS)]),
    ],
)
def test_only_the_parts_asked_for_are_restored(given: Callable[..., Any], part: Part, events: list[Event]) -> None:
    """The others stay as they are, whatever they were."""
    account = given(ALICE, POLICY, attach(ADMIN), put("a"), tag("k=1"), bound(READS))
    command = restore(account.account, parts=(part,))

    account.also(detach(ADMIN), delete("a"), untag("k"), UNBOUND).when(restore_user, command).then(*events)


def test_a_user_is_found_by_its_id(given: Callable[..., Any]) -> None:
    """It may have another name now, which it keeps, and another user may have its old one."""
    account = given(ALICE, attach(ADMIN))
    command = restore(account.account)
    account.also(detach(ADMIN), UpdateUser(user_name="alice", new_user_name="carol"), ALICE)

    account.when(restore_user, command).then(msgspec.structs.replace(attached(ADMIN), user_name="carol"))


@pytest.mark.parametrize("since", [[], [ALICE]], ids=["gone", "another of that name"])
def test_a_deleted_user_is_not_restored(given: Callable[..., Any], since: list[Command]) -> None:
    """A user of the same name is another one, and a restore makes none."""
    account = given(ALICE)
    command = restore(account.account)
    account.also(DeleteUser(user_name="alice"), *since)

    account.when(restore_user, command).refused(
        NoSuchEntity,
        "The user Alice with id AIDA1 was deleted. "
        "CreateUser makes a new user, with a new id; a restore never makes one.",
    )


# Quotas


def test_attachments_are_exchanged_at_the_quota(given: Callable[..., Any]) -> None:
    """What is detached makes room before anything is attached."""
    account = given(ALICE, attach(ADMIN), quotas=Quotas(policies_per_user=1))
    command = restore(account.account)

    account.also(detach(ADMIN), attach(BILLING)).when(restore_user, command).then(detached(BILLING), attached(ADMIN))


def test_inline_policies_that_shrink_come_before_those_that_grow_and_new_ones(given: Callable[..., Any]) -> None:
    """Two that swapped their sizes swap back, though the quota has room for no more than both."""
    account = given(
        ALICE, put("a", LARGE), put("b"), put("c"), quotas=Quotas(user_policy_size=2 * len(SMALL) + len(LARGE))
    )
    command = restore(account.account)
    account.also(delete("c"), put("a"), put("b", LARGE))

    account.when(restore_user, command).then(was_put("b"), was_put("c"), was_put("a", LARGE))


def test_a_lowered_quota_is_a_conflict_of_what_goes_beyond_it(
    given: Callable[..., Any],
    moment: Callable[..., Any],
) -> None:
    """The plan holds what still fits; each of the others is named for itself, tags too."""
    account = given(ALICE, attach(ADMIN), attach(BILLING), put("a"), put("b", LARGE), tag("k=1", "l=2", "m=3"))
    command = restore(account.account)
    account.also(detach(ADMIN), detach(BILLING), delete("a"), delete("b"), untag("k", "l"), tag("m=4"))
    quotas = Quotas(policies_per_user=1, user_policy_size=len(LARGE), tags_per_resource=2)
    lowered = given(*account.events, quotas=quotas)

    planned = plan(lowered.account, command, moment(Counter(), NOW))

    assert planned.events == [was_put("a"), attached(ADMIN), tagged("k=1"), tagged("m=3")]
    assert planned.conflicts == [
        Conflict("inline", "b", "LimitExceeded", f"Maximum policy size of {len(LARGE)} bytes exceeded for user Alice"),
        Conflict("attached", BILLING, "LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 1"),
        Conflict("tags", "l", "LimitExceeded", "The number of tags has reached the maximum limit."),
    ]
    lowered.when(restore_user, command).refused(
        RestoreConflict,
        f"Inline policy b cannot be restored: Maximum policy size of {len(LARGE)} bytes exceeded for user Alice. "
        f"Managed policy {BILLING} cannot be restored: Cannot exceed quota for PoliciesPerUser: 1. "
        "Tag l cannot be restored: The number of tags has reached the maximum limit.",
    )


# What is no more


@pytest.mark.parametrize(
    ("then", "before_deletion", "after", "conflict"),
    [
        pytest.param(
            attach(READS),
            detach(READS),
            [],
            Conflict("attached", READS, "NoSuchEntity", f"Policy {READS} does not exist or is not attachable."),
            id="attached, deleted",
        ),
        pytest.param(
            bound(READS),
            UNBOUND,
            [],
            Conflict(
                "permissions_boundary",
                READS,
                "NoSuchEntity",
                f"Scope ARN: {READS} does not exist or is not attachable.",
            ),
            id="boundary, deleted",
        ),
        *(
            pytest.param(
                then,
                before,
                [POLICY, *after],
                Conflict(
                    part,
                    READS,
                    "NoSuchEntity",
                    f"Policy {READS} was deleted, and made anew: it is another policy now, with id ANPA2.",
                ),
                id=name,
            )
            for name, part, then, before, after in (
                ("attached, made anew", "attached", attach(READS), detach(READS), []),
                ("attached, made anew and attached", "attached", attach(READS), detach(READS), [attach(READS)]),
                ("boundary, made anew", "permissions_boundary", bound(READS), UNBOUND, []),
                ("boundary, made anew and set", "permissions_boundary", bound(READS), UNBOUND, [bound(READS)]),
            )
        ),
    ],
)
def test_a_policy_deleted_since_is_a_conflict(
    given: Callable[..., Any],
    moment: Callable[..., Any],
    then: Command,
    before_deletion: Command,
    after: list[Command],
    conflict: Conflict,
) -> None:
    """One made anew under the same ARN is another policy. It stays where it is; the rest of the plan goes on."""
    account = given(ALICE, POLICY, put("a"), then)
    command = restore(account.account)
    account.also(before_deletion, NO_POLICY, *after, delete("a"))

    planned = plan(account.account, command, moment(Counter(), NOW))

    assert planned.events == [was_put("a")]
    assert planned.conflicts == [conflict]


def test_another_version_of_a_policy_is_no_conflict(given: Callable[..., Any]) -> None:
    """The policy is the same, and says what it says now."""
    account = given(ALICE, POLICY, attach(READS))
    command = restore(account.account)
    version = CreatePolicyVersion(policy_arn=READS, policy_document=LARGE, set_as_default=True)

    account.also(version, detach(READS)).when(restore_user, command).then(attached(READS))


def test_an_inline_policy_that_cannot_be_put_back_stays_as_it_is(
    given: Callable[..., Any],
    moment: Callable[..., Any],
) -> None:
    """It is not deleted for the sake of its spelling when what should follow is refused."""
    account = given(ALICE, put("A"))
    command = restore(account.account)
    wanted = msgspec.structs.replace(command.wanted, inline=(InlinePolicy("a", "{"),))

    planned = plan(account.account, msgspec.structs.replace(command, wanted=wanted), moment(Counter(), NOW))

    assert planned.events == []
    assert [(conflict.name, conflict.code) for conflict in planned.conflicts] == [("a", "MalformedPolicyDocument")]


def test_a_recorded_refusal_tells_the_conflicts_again() -> None:
    """All that is needed lies in code and message."""
    again = refusal(RestoreConflict.code, "Tag l cannot be restored: no.")

    assert (type(again), again.message) == (RestoreConflict, "Tag l cannot be restored: no.")
    assert STATUS[type(again)] == 409


JOIN = AddUserToGroup(user_name="alice", group_name="devs")
LEAVE = RemoveUserFromGroup(user_name="alice", group_name="devs")


@pytest.mark.parametrize(
    ("then", "since", "kinds", "conflict"),
    [
        ([JOIN], [LEAVE], ["UserAddedToGroup"], None),
        ([], [JOIN], ["UserRemovedFromGroup"], None),
        ([JOIN], [LEAVE, JOIN], [], None),
        ([JOIN], [LEAVE, UpdateGroup(group_name="devs", new_group_name="staff")], ["UserAddedToGroup"], None),
        ([JOIN], [LEAVE, DeleteGroup(group_name="devs")], [], "The group devs with id {} was deleted."),
        (
            [JOIN],
            [LEAVE, DeleteGroup(group_name="devs"), CreateGroup(group_name="Devs")],
            [],
            "The group devs with id {} was deleted, and made anew: it is another group now, with id {}.",
        ),
    ],
)
def test_a_user_is_in_its_groups_again(
    given: Callable[..., Any], then: list[Command], since: list[Command], kinds: list[str], conflict: str | None
) -> None:
    """By whatever name a group goes now; one that is no more is a conflict."""
    account = given(ALICE, CreateGroup(group_name="devs"), *then)
    command = restore(account.account, parts=("groups",))
    first = account.account.get(r.GROUPS, "", "devs")
    account.also(*since)

    planned = plan(account.account, command, Moment(NOW, str))

    assert [type(event).__name__ for event in planned.events] == kinds
    told = conflict.format(first, account.account.get(r.GROUPS, "", "devs")) if conflict else None
    assert [each.message for each in planned.conflicts] == ([told] if told else [])
    assert all((each.part, each.name) == ("groups", "devs") for each in planned.conflicts)


def test_a_group_too_many_is_a_conflict(given: Callable[..., Any]) -> None:
    """The quota may have been lowered since."""
    groups = [CreateGroup(group_name=name) for name in ("devs", "ops")]
    account = given(ALICE, *groups, JOIN, quotas=Quotas(groups_per_user=1))
    command = restore(account.account)
    ops = Membership(account.account.get(r.GROUPS, "", "ops"), "ops", "/")
    both = (*command.wanted.groups, ops)
    wanted = msgspec.structs.replace(command, wanted=msgspec.structs.replace(command.wanted, groups=both))

    [conflict] = plan(account.account, wanted, Moment(NOW, str)).conflicts
    assert (conflict.part, conflict.name, conflict.code) == ("groups", "ops", "LimitExceeded")


# Whatever happened


def things(user: UserDetails, part: Part) -> dict[str, Any]:
    """What a part of a user holds, by the names that conflicts have, in lower case; a user has one boundary."""
    match part:
        case "attached":
            return {policy.policy_arn.lower(): policy for policy in user.attached}
        case "inline":
            return {policy.policy_name.lower(): policy for policy in user.inline}
        case "tags":
            return {tag.key.lower(): tag for tag in user.tags}
        case "permissions_boundary":
            return {"boundary": user.permissions_boundary}
        case "groups":
            return {group.group_id: group.group_id for group in user.groups}


def fold(world: World, events: Iterable[Event]) -> Account:
    account = Account("111122223333", world)
    for event in events:
        account.apply(event.changes())
    return account


def assert_restores(account: Account, command: RestoreUser, moment: Moment, contents: Callable[[Account], Any]) -> None:
    """Conflicts, and what was not asked for, stay as they are; all else becomes what it was."""
    before = contents(account)
    if account.get(r.USER, command.user_id) is None:
        with pytest.raises(NoSuchEntity, match="was deleted"):
            restore_user(account, command, moment)
        return
    users = {user_id: user_details(account, user_id) for user_id in account.members(r.USERS, "").values()}
    present = users[command.user_id]

    planned = plan(account, command, moment)
    if planned.conflicts:
        with pytest.raises(RestoreConflict) as refused:
            restore_user(account, command, moment)
        assert all(f"{conflict.name} cannot be" in refused.value.message for conflict in planned.conflicts)
    else:
        assert restore_user(account, command, moment) == planned.events
    assert contents(account) == before

    for event in planned.events:
        account.apply(event.changes())
    restored = user_details(account, command.user_id)
    assert (restored.user_name, restored.path) == (present.user_name, present.path)
    for part in PARTS:
        was, wanted, is_now = (things(user, part) for user in (present, command.wanted, restored))
        kept = {conflict.name.lower() for conflict in planned.conflicts if conflict.part == part}
        if part == "groups":
            kept = {group.group_id for group in command.wanted.groups if group.group_name.lower() in kept}
        if part not in command.parts or (part == "permissions_boundary" and kept):
            kept = was.keys() | wanted.keys()
        for name in was.keys() | wanted.keys() | is_now.keys():
            assert is_now.get(name) == (was if name in kept else wanted).get(name)
    assert {user_id: user_details(account, user_id) for user_id in users} == users | {command.user_id: restored}
    assert plan(account, command, moment) == Plan([], planned.conflicts)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@for_all(st.data())
def test_after_a_restore_all_is_as_it_was_but_for_conflicts_and_what_was_not_asked_for(
    steps: st.SearchStrategy[list[Any]],
    world: World,
    moment: Callable[..., Any],
    contents: Callable[[Account], Any],
    data: st.DataObject,
) -> None:
    """From any past of any user, also under quotas lowered since. Planning changes nothing, nor does a repeat."""
    pick = data.draw(st.randoms(use_true_random=True))  # what Hypothesis draws itself is short and monotonous
    drawn = [*chain(*data.draw(st.lists(steps, min_size=8, max_size=8)))]
    at = moment(Counter(), NOW)
    account = Account("111122223333", world)
    events: list[Event] = []
    pasts: list[RestoreUser] = []
    for number, (decide, command) in enumerate(drawn + pick.choices(drawn, k=100)):
        with suppress(IamError):
            decided = decide(account, command, at)
            events += decided
            for event in decided:
                account.apply(event.changes())
        if number % 20 == 10:
            parts = tuple(part for part in PARTS if pick.random() < 0.8)
            pasts += (restore(account, user_id, parts) for user_id in account.members(r.USERS, "").values())
    lowered = Quotas(policies_per_user=1, user_policy_size=250, tags_per_resource=1)

    for quotas in (world.quotas, lowered):
        for command in pasts:
            assert_restores(fold(msgspec.structs.replace(world, quotas=quotas), events), command, at, contents)
