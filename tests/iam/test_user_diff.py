"""What is different about a user between two instants: its policies, its tags, its boundary, and who it is."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from iam.attached_policies import (
    AttachedPolicy,
    AttachGroupPolicy,
    AttachUserPolicy,
    DetachGroupPolicy,
    DetachUserPolicy,
)
from iam.boundaries import PutUserPermissionsBoundary
from iam.commands import Command
from iam.document_diff import BeforeAfter, DocumentDiff, ElementDiff, StatementDiff
from iam.groups import AddUserToGroup, CreateGroup, UpdateGroup
from iam.identities import GROUP, USER
from iam.inline_policies import PutGroupPolicy, PutUserPolicy
from iam.policies import CreatePolicy, CreatePolicyVersion, DeletePolicy, SetDefaultPolicyVersion
from iam.relations import Tag
from iam.user_details import InheritedPolicy, InlinePolicy, UserDetails, governing_documents, user_details
from iam.user_diff import GroupChange, InheritedDiff, InlineDiff, ManagedDiff, TagDiff, UserDiff, diff_users
from iam.users import CreateUser

ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'
SPACED = ALLOW.replace(",", ", ")
DENY = ALLOW.replace("Allow", "Deny")
TO_DENY = DocumentDiff(
    changed=(StatementDiff(BeforeAfter(1, 1), {"Effect": ElementDiff(before="Allow", after="Deny")}),)
)

ADMIN = AttachedPolicy("AdministratorAccess", "arn:aws:iam::aws:policy/AdministratorAccess")
BILLING = AttachedPolicy("Billing", "arn:aws:iam::aws:policy/job-function/Billing")
READS_ARN = "arn:aws:iam::123456789012:policy/reads"

ALICE = UserDetails(
    user_id="AIDA1",
    user_name="alice",
    path="/",
    arn="arn:aws:iam::123456789012:user/alice",
    created_at=None,
    attached=(ADMIN,),
    inline=(InlinePolicy("own", ALLOW),),
    tags=(Tag("team", "audit"),),
    permissions_boundary=BILLING.policy_arn,
)

CHANGES: dict[str, tuple[dict[str, Any], UserDiff]] = {
    "nothing": ({}, UserDiff()),
    "attached": ({"attached": (ADMIN, BILLING)}, UserDiff(attached=(BILLING,))),
    "detached": ({"attached": ()}, UserDiff(detached=(ADMIN,))),
    "another attached": ({"attached": (BILLING,)}, UserDiff(attached=(BILLING,), detached=(ADMIN,))),
    "inline added": (
        {"inline": (InlinePolicy("more", DENY), InlinePolicy("own", ALLOW))},
        UserDiff(inline_added=(InlinePolicy("more", DENY),)),
    ),
    "inline removed": ({"inline": ()}, UserDiff(inline_removed=(InlinePolicy("own", ALLOW),))),
    "inline changed": (
        {"inline": (InlinePolicy("own", DENY),)},
        UserDiff(inline_changed=(InlineDiff("own", ALLOW, DENY, TO_DENY),)),
    ),
    "inline in other words": (
        {"inline": (InlinePolicy("own", SPACED),)},
        UserDiff(inline_changed=(InlineDiff("own", ALLOW, SPACED, None),)),
    ),
    "inline spelled anew": (
        {"inline": (InlinePolicy("Own", ALLOW),)},
        UserDiff(inline_added=(InlinePolicy("Own", ALLOW),), inline_removed=(InlinePolicy("own", ALLOW),)),
    ),
    "tag added": (
        {"tags": (Tag("cost", "1"), Tag("team", "audit"))},
        UserDiff(tags_added=(Tag("cost", "1"),)),
    ),
    "tag removed": ({"tags": ()}, UserDiff(tags_removed=(Tag("team", "audit"),))),
    "tag changed": ({"tags": (Tag("team", "ops"),)}, UserDiff(tags_changed=(TagDiff("team", "audit", "ops"),))),
    "tag spelled anew": (
        {"tags": (Tag("Team", "audit"),)},
        UserDiff(tags_added=(Tag("Team", "audit"),), tags_removed=(Tag("team", "audit"),)),
    ),
    "boundary changed": (
        {"permissions_boundary": ADMIN.policy_arn},
        UserDiff(permissions_boundary=BeforeAfter(BILLING.policy_arn, ADMIN.policy_arn)),
    ),
    "boundary removed": (
        {"permissions_boundary": None},
        UserDiff(permissions_boundary=BeforeAfter(BILLING.policy_arn, None)),
    ),
    "renamed": (
        {"user_name": "Lisa", "arn": "arn:aws:iam::123456789012:user/Lisa"},
        UserDiff(user_name=BeforeAfter("alice", "Lisa")),
    ),
    "moved": ({"path": "/eng/"}, UserDiff(path=BeforeAfter("/", "/eng/"))),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_thing_that_changed_is_told_and_nothing_else(name: str) -> None:
    """A user whose id is the same is the same user, whatever it is called."""
    fields, expected = CHANGES[name]
    diff = diff_users(ALICE, msgspec.structs.replace(ALICE, **fields))

    assert diff == expected
    assert diff.empty == (not fields)


def test_a_user_that_was_not_there_has_all_that_it_has_added() -> None:
    """Name and path begin with it."""
    assert diff_users(None, ALICE) == UserDiff(
        created=True,
        user_name=BeforeAfter(None, "alice"),
        path=BeforeAfter(None, "/"),
        permissions_boundary=BeforeAfter(None, BILLING.policy_arn),
        attached=(ADMIN,),
        inline_added=ALICE.inline,
        tags_added=ALICE.tags,
    )


def test_a_user_that_is_gone_has_all_that_it_had_removed() -> None:
    """And a user that was never there has nothing."""
    assert diff_users(ALICE, None) == UserDiff(
        deleted=True,
        user_name=BeforeAfter("alice", None),
        path=BeforeAfter("/", None),
        permissions_boundary=BeforeAfter(BILLING.policy_arn, None),
        detached=(ADMIN,),
        inline_removed=ALICE.inline,
        tags_removed=ALICE.tags,
    )
    assert diff_users(None, None).empty


def test_another_user_of_the_same_name_replaces_all() -> None:
    """Even where the two are alike: nothing of the one is the other's. What their policies say is not compared."""
    governing = {ADMIN.policy_arn: ("v1", ALLOW)}
    diff = diff_users(
        ALICE, msgspec.structs.replace(ALICE, user_id="AIDA2"), governing, {ADMIN.policy_arn: ("v2", DENY)}
    )

    assert diff == UserDiff(
        replaced=True,
        permissions_boundary=BeforeAfter(BILLING.policy_arn, BILLING.policy_arn),
        attached=ALICE.attached,
        detached=ALICE.attached,
        inline_added=ALICE.inline,
        inline_removed=ALICE.inline,
        tags_added=ALICE.tags,
        tags_removed=ALICE.tags,
    )
    assert not diff.empty


def test_a_bare_user_that_replaces_a_bare_one_is_a_difference() -> None:
    """Its id says that it is another, though there is nothing to list."""
    bare = UserDetails("AIDA1", "alice", "/", ALICE.arn, None)

    assert diff_users(bare, msgspec.structs.replace(bare, user_id="AIDA2")) == UserDiff(replaced=True)


CREATE_READS = CreatePolicy(policy_name="reads", policy_document=ALLOW)
ATTACH_READS = AttachUserPolicy(user_name="alice", policy_arn=READS_ARN)
BOUND_BY_READS = PutUserPermissionsBoundary(user_name="alice", permissions_boundary=READS_ARN)
DENY_VERSION = CreatePolicyVersion(policy_arn=READS_ARN, policy_document=DENY, set_as_default=True)
ANEW = (
    DetachUserPolicy(user_name="alice", policy_arn=READS_ARN),
    DeletePolicy(policy_arn=READS_ARN),
    CreatePolicy(policy_name="reads", policy_document=DENY),
    ATTACH_READS,
)

MANAGED: dict[str, tuple[Command, list[Command], tuple[ManagedDiff, ...]]] = {
    "another default version": (
        ATTACH_READS,
        [DENY_VERSION],
        (ManagedDiff(READS_ARN, BeforeAfter("v1", "v2"), TO_DENY),),
    ),
    "of a boundary": (BOUND_BY_READS, [DENY_VERSION], (ManagedDiff(READS_ARN, BeforeAfter("v1", "v2"), TO_DENY),)),
    "another default version that means the same": (
        ATTACH_READS,
        [msgspec.structs.replace(DENY_VERSION, policy_document=SPACED)],
        (ManagedDiff(READS_ARN, BeforeAfter("v1", "v2"), None),),
    ),
    "deleted and made anew": (ATTACH_READS, [*ANEW], (ManagedDiff(READS_ARN, BeforeAfter("v1", "v1"), TO_DENY),)),
    "a version that does not govern": (
        ATTACH_READS,
        [msgspec.structs.replace(DENY_VERSION, set_as_default=False)],
        (),
    ),
    "a default version of before, set again": (
        ATTACH_READS,
        [DENY_VERSION, SetDefaultPolicyVersion(policy_arn=READS_ARN, version_id="v1")],
        (),
    ),
    "detached meanwhile": (ATTACH_READS, [DENY_VERSION, ANEW[0]], ()),
    "attached only after": (
        AttachUserPolicy(user_name="alice", policy_arn=ADMIN.policy_arn),
        [DENY_VERSION, ATTACH_READS],
        (),
    ),
}


@pytest.mark.parametrize("name", MANAGED)
def test_a_managed_policy_that_says_something_else_is_told(name: str, given: Callable[..., Any]) -> None:
    """Where the user carries it at both ends: what the user may do has changed, though nothing of the user has."""
    carries, meanwhile, expected = MANAGED[name]
    history = given(CreateUser(user_name="alice"), CREATE_READS, carries)
    before = user_details(history.account, "AIDA1")
    governing = governing_documents(history.account, before)
    history.also(*meanwhile)
    after = user_details(history.account, "AIDA1")

    assert diff_users(before, after, governing, governing_documents(history.account, after)).managed_changed == expected
    assert not diff_users(before, after).managed_changed


def test_what_governs_a_user_is_the_default_versions_of_what_it_carries(given: Callable[..., Any]) -> None:
    """AWS's policies from the catalogue, the account's own, and the boundary; once where it is both."""
    history = given(
        CreateUser(user_name="alice"),
        CREATE_READS,
        DENY_VERSION,
        ATTACH_READS,
        BOUND_BY_READS,
        AttachUserPolicy(user_name="alice", policy_arn="arn:aws:iam::aws:policy/ReadOnlyAccess"),
    )

    assert governing_documents(history.account, user_details(history.account, "AIDA1")) == {
        READS_ARN: ("v2", DENY),
        "arn:aws:iam::aws:policy/ReadOnlyAccess": ("v12", '{"Id":"ReadOnlyAccess v12"}'),
    }


def test_a_policy_that_is_not_known_governs_nothing(given: Callable[..., Any]) -> None:
    """A catalogue that lacks a policy makes an answer smaller, not wrong."""
    unknown = msgspec.structs.replace(ALICE, attached=(AttachedPolicy("x", "arn:aws:iam::aws:policy/x"),))

    assert governing_documents(given().account, unknown).keys() == {BILLING.policy_arn}


def test_the_details_of_a_user_are_ordered_by_name(given: Callable[..., Any]) -> None:
    """Ignoring case; tags as AWS lists them. So a difference is ordered too."""
    history = given(
        CreateUser(user_name="alice", tags=(Tag("longer", "1"), Tag("b", "2"))),
        CREATE_READS,
        ATTACH_READS,
        AttachUserPolicy(user_name="alice", policy_arn=ADMIN.policy_arn),
        PutUserPolicy(user_name="alice", policy_name="b", policy_document=ALLOW),
        PutUserPolicy(user_name="alice", policy_name="C", policy_document=DENY),
        PutUserPolicy(user_name="alice", policy_name="A", policy_document=DENY),
    )
    details = user_details(history.account, USER.find(history.account, "ALICE"))

    assert [policy.policy_name for policy in details.attached] == ["AdministratorAccess", "reads"]
    assert [policy.policy_name for policy in details.inline] == ["A", "b", "C"]
    assert [tag.key for tag in details.tags] == ["b", "longer"]
    assert diff_users(None, details).inline_added == details.inline


def test_what_comes_through_groups_is_compared_by_group(given: Callable[..., Any]) -> None:
    """It comes and goes with the group, or because the group gets it; what documents say is compared too."""
    history = given(
        CreateUser(user_name="alice"),
        CREATE_READS,
        *(CreateGroup(group_name=name) for name in ("devs", "ops")),
        PutGroupPolicy(group_name="ops", policy_name="in", policy_document=ALLOW),
        AddUserToGroup(group_name="ops", user_name="alice"),
        AttachGroupPolicy(group_name="ops", policy_arn=ADMIN.policy_arn),
    )
    user_id = USER.find(history.account, "alice")
    before = user_details(history.account, user_id)
    governing = governing_documents(history.account, before)
    history.also(
        PutGroupPolicy(group_name="ops", policy_name="in", policy_document=DENY),
        DetachGroupPolicy(group_name="ops", policy_arn=ADMIN.policy_arn),
        AttachGroupPolicy(group_name="devs", policy_arn=READS_ARN),
        AddUserToGroup(group_name="devs", user_name="alice"),
        UpdateGroup(group_name="ops", new_group_name="staff"),
    )
    after = user_details(history.account, user_id)
    devs, ops = (GROUP.find(history.account, name) for name in ("devs", "staff"))

    diff = diff_users(before, after, governing, governing_documents(history.account, after))

    assert diff == UserDiff(
        groups_joined=(GroupChange(devs, "devs"),),
        inherited_added=(InheritedPolicy(devs, "devs", "reads", READS_ARN),),
        inherited_removed=(InheritedPolicy(ops, "ops", ADMIN.policy_name, ADMIN.policy_arn),),
        inherited_changed=(InheritedDiff(ops, "staff", "in", ALLOW, DENY, TO_DENY),),
    )
    gone = diff_users(after, None)
    assert [group.group_name for group in gone.groups_left] == ["devs", "staff"]
    assert len(gone.inherited_removed) == 2
    assert governing_documents(history.account, after).keys() == {READS_ARN}
    version = CreatePolicyVersion(policy_arn=READS_ARN, policy_document=DENY, set_as_default=True)
    governing = governing_documents(history.account, after)
    history.also(version)
    [managed] = diff_users(after, after, governing, governing_documents(history.account, after)).managed_changed
    assert managed.policy_arn == READS_ARN


NAMES = st.sampled_from(("a", "A", "b"))
DETAILS = st.builds(
    UserDetails,
    user_id=st.just("AIDA1"),
    user_name=NAMES,
    path=st.sampled_from(("/", "/eng/")),
    arn=st.just(""),
    created_at=st.none(),
    attached=st.lists(st.sampled_from((ADMIN, BILLING)), unique=True).map(tuple),
    inline=st.dictionaries(NAMES, st.sampled_from((ALLOW, DENY, SPACED))).map(
        lambda policies: tuple(InlinePolicy(*policy) for policy in policies.items())
    ),
    tags=st.dictionaries(NAMES, st.sampled_from("xy")).map(lambda tags: tuple(Tag(*tag) for tag in tags.items())),
    permissions_boundary=st.sampled_from((None, ADMIN.policy_arn)),
)


def sets(details: UserDetails) -> tuple[Any, ...]:
    """What can be different about a user, without an order."""
    lists = set(details.attached), set(details.inline), set(details.tags)
    return details.user_name, details.path, details.permissions_boundary, *lists


def applied(before: UserDetails, diff: UserDiff) -> tuple[Any, ...]:
    """What a user came to be, from what it was and the difference alone."""
    name, path, boundary, attached, inline, tags = sets(before)
    attached = attached - set(diff.detached) | set(diff.attached)
    inline = inline - set(diff.inline_removed) | set(diff.inline_added)
    tags = tags - set(diff.tags_removed) | set(diff.tags_added)
    for policy in diff.inline_changed:
        old, new = InlinePolicy(policy.policy_name, policy.before), InlinePolicy(policy.policy_name, policy.after)
        inline = inline - {old} | {new}
    for tag in diff.tags_changed:
        tags = tags - {Tag(tag.key, tag.before)} | {Tag(tag.key, tag.after)}
    return (
        diff.user_name.after if diff.user_name else name,
        diff.path.after if diff.path else path,
        diff.permissions_boundary.after if diff.permissions_boundary else boundary,
        attached,
        inline,
        tags,
    )


@for_all(DETAILS, DETAILS)
def test_a_difference_leads_from_the_one_to_the_other(before: UserDetails, after: UserDetails) -> None:
    """So it is complete, and it is empty exactly where nothing is different."""
    diff = diff_users(before, after)

    assert applied(before, diff) == sets(after)
    assert diff.empty == (sets(before) == sets(after))
    assert msgspec.json.decode(msgspec.json.encode(diff), type=UserDiff) == diff
