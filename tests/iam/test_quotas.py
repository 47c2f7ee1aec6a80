"""Quotas: AWS's defaults, the operator's settings, and where each one bites."""

from collections.abc import Callable
from typing import Any

import pytest

from iam.attached_policies import AttachUserPolicy, DetachUserPolicy, attach_policy
from iam.commands import Command
from iam.errors import LimitExceeded
from iam.inline_policies import PutUserPolicy, put_policy
from iam.policies import (
    CreatePolicy,
    CreatePolicyVersion,
    DeletePolicyVersion,
    TagPolicy,
    create_policy,
    create_policy_version,
)
from iam.quotas import Quotas, parse_quotas
from iam.relations import Tag
from iam.tags import tag_thing
from iam.users import CreateUser, TagUser, create_user

READS = "arn:aws:iam::123456789012:policy/reads"
VERSIONS_MESSAGE = (
    "A managed policy can have up to {} versions. Before you create a new version, you must delete an existing version."
)
TAGS_MESSAGE = "The number of tags has reached the maximum limit."


def document(size: int, spread: str = "") -> str:
    """A valid policy document of so many counted characters, with white space on top."""
    start, end = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::', '"}}'
    return spread + start + "x" * (size - len(start) - len(end)) + end


def attach(name: str) -> AttachUserPolicy:
    return AttachUserPolicy(user_name="alice", policy_arn=f"arn:aws:iam::123456789012:policy/{name}")


def inline(name: str, size: int, spread: str = "") -> PutUserPolicy:
    return PutUserPolicy(user_name="alice", policy_name=name, policy_document=document(size, spread))


def policy(name: str, size: int = 200) -> CreatePolicy:
    return CreatePolicy(policy_name=name, policy_document=document(size))


def version(size: int = 200) -> CreatePolicyVersion:
    return CreatePolicyVersion(policy_arn=READS, policy_document=document(size))


def tags(count: int) -> tuple[Tag, ...]:
    return tuple(Tag(f"k{number}", "") for number in range(count))


ALICE = CreateUser(user_name="alice")
TEN = [policy(f"p{number}") for number in range(11)] + [ALICE] + [attach(f"p{number}") for number in range(10)]


@pytest.mark.parametrize(
    ("quotas", "history", "decide", "fits", "exceeds", "message"),
    [
        (
            Quotas(users_per_account=2),
            [ALICE],
            create_user,
            CreateUser(user_name="bob"),
            CreateUser(user_name="carol"),
            "Cannot exceed quota for UsersPerAccount: 2",
        ),
        (
            Quotas(policies_per_account=2),
            [policy("reads")],
            create_policy,
            policy("writes"),
            policy("more"),
            "Cannot exceed quota for PoliciesPerAccount: 2",
        ),
        (Quotas(), [], create_policy, policy("a", 6144), policy("b", 6145), "Cannot exceed quota for PolicySize: 6144"),
        (
            Quotas(policy_size=300),
            [policy("reads")],
            create_policy_version,
            version(300),
            version(301),
            "Cannot exceed quota for PolicySize: 300",
        ),
        (Quotas(), TEN[:-1], attach_policy, TEN[-1], attach("p10"), "Cannot exceed quota for PoliciesPerUser: 10"),
        (
            Quotas(policies_per_user=20),
            [*TEN, *[policy(f"q{number}") for number in range(10)], *[attach(f"q{number}") for number in range(9)]],
            attach_policy,
            attach("q9"),
            attach("p10"),
            "Cannot exceed quota for PoliciesPerUser: 20",
        ),
        (
            Quotas(),
            [policy("reads"), version(), version(), version()],
            create_policy_version,
            version(),
            version(),
            VERSIONS_MESSAGE.format(5),
        ),
        (
            Quotas(versions_per_policy=2),
            [policy("reads")],
            create_policy_version,
            version(),
            version(),
            VERSIONS_MESSAGE.format(2),
        ),
        (
            Quotas(),
            [ALICE, inline("one", 1000)],
            put_policy,
            inline("two", 1048, " \t\r\n"),
            inline("three", 150),
            "Maximum policy size of 2048 bytes exceeded for user alice",
        ),
        (
            Quotas(user_policy_size=400),
            [ALICE],
            put_policy,
            inline("one", 400),
            inline("one", 401),
            "Maximum policy size of 400 bytes exceeded for user alice",
        ),
        (
            Quotas(),
            [ALICE],
            tag_thing,
            TagUser(user_name="alice", tags=tags(50)),
            TagUser(user_name="alice", tags=(Tag("K0", "replaces"), Tag("one-too-many", ""))),
            TAGS_MESSAGE,
        ),
        (
            Quotas(),
            [policy("reads")],
            tag_thing,
            TagPolicy(policy_arn=READS, tags=tags(50)),
            TagPolicy(policy_arn=READS, tags=(Tag("K0", "is another key"),)),
            TAGS_MESSAGE,
        ),
    ],
    ids=[
        "users",
        "policies",
        "policy size",
        "version size",
        "attached",
        "attached, raised",
        "versions",
        "versions, lowered",
        "inline together",
        "inline alone",
        "user tags",
        "policy tags",
    ],
)
def test_a_quota_can_be_used_up_and_not_exceeded(
    given: Callable[..., Any],
    quotas: Quotas,
    history: list[Command],
    decide: Any,
    fits: Command,
    exceeds: Command,
    message: str,
) -> None:
    """The last thing that fits is accepted, the next is LimitExceeded and names the account's own quota."""
    account = given(*history, quotas=quotas)
    assert account.when(decide, fits).events

    account.also(fits).when(decide, exceeds).refused(LimitExceeded, message)


def test_a_replaced_inline_policy_does_not_count(given: Callable[..., Any]) -> None:
    """The sum is of what there would be afterwards, so one spelled otherwise is replaced as well."""
    full = given(ALICE, inline("Big", 1500), inline("small", 548))

    assert full.when(put_policy, inline("BIG", 1499)).events
    assert full.when(put_policy, inline("big", 1500, " ")).events
    full.when(put_policy, inline("big", 1501)).refused(
        LimitExceeded, "Maximum policy size of 2048 bytes exceeded for user alice"
    )


def test_what_is_there_already_exceeds_no_quota(given: Callable[..., Any]) -> None:
    """Attaching again, or giving a tag another value, adds nothing that could be counted."""
    full = given(*TEN, TagUser(user_name="alice", tags=tags(50)))

    full.when(attach_policy, attach("p0")).nothing()
    assert full.when(tag_thing, TagUser(user_name="alice", tags=(Tag("K49", "other"),))).events


def test_room_made_is_room_to_use(given: Callable[..., Any]) -> None:
    """A quota is on what there is, not on what there ever was."""
    detach = DetachUserPolicy(user_name="alice", policy_arn=attach("p0").policy_arn)
    versions = [policy("reads"), version(), version(), version(), version()]

    assert given(*TEN, detach).when(attach_policy, attach("p10")).events
    freed = DeletePolicyVersion(policy_arn=READS, version_id="v3")
    assert given(*versions, freed).when(create_policy_version, version()).events


def test_lowering_a_quota_takes_nothing_away(given: Callable[..., Any]) -> None:
    """What exceeds it stays as it is, may be changed in place, and only growing is refused."""
    lowered = Quotas(tags_per_resource=1)
    tagged = given(*given(ALICE, TagUser(user_name="alice", tags=tags(3))).events, quotas=lowered)

    tagged.when(tag_thing, TagUser(user_name="alice", tags=tags(3))).nothing()
    assert tagged.when(tag_thing, TagUser(user_name="alice", tags=(Tag("k1", "other"),))).events
    tagged.when(tag_thing, TagUser(user_name="alice", tags=(Tag("new", ""),))).refused(LimitExceeded, TAGS_MESSAGE)
    given(*given(ALICE, inline("one", 200)).events, quotas=Quotas(user_policy_size=100)).when(
        put_policy, inline("one", 200)
    ).nothing()


def test_the_defaults_are_those_of_aws() -> None:
    """As GetAccountSummary shows them for a new account."""
    assert Quotas() == Quotas(
        users_per_account=5000,
        policies_per_account=1500,
        policies_per_user=10,
        versions_per_policy=5,
        policy_size=6144,
        user_policy_size=2048,
        tags_per_resource=50,
    )


def test_quotas_are_set_by_the_names_of_aws() -> None:
    """Those not named keep their defaults."""
    assert parse_quotas([]) == Quotas()
    assert parse_quotas(["PoliciesPerUser=20", " UserPolicySize = 4096 "]) == Quotas(
        policies_per_user=20, user_policy_size=4096
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "PoliciesPerOwner=10",
            "there is no quota `PoliciesPerOwner`; the quotas are UsersPerAccount, GroupsPerAccount, ",
        ),
        ("PolicySize", "quota `PolicySize`: give a whole number, as in PolicySize=20"),
        ("PolicySize=-1", "quota `PolicySize=-1`: give a whole number, as in PolicySize=20"),
        ("PolicySize=1e3", "quota `PolicySize=1e3`: give a whole number, as in PolicySize=20"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, message: str) -> None:
    """The operator learns which one, and what would be right."""
    with pytest.raises(ValueError, match=r"quota") as refused:
        parse_quotas([setting])

    assert str(refused.value).startswith(message)
