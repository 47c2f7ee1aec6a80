"""Tags: what keys may be, which keys are the same, and how tags are listed."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from iam.commands import Command
from iam.errors import IamError, InvalidInput, NoSuchEntity, ValidationError
from iam.events.policies import PolicyTagged, PolicyUntagged
from iam.events.users import UserTagged, UserUntagged
from iam.policies import CreatePolicy, ListPolicyTags, TagPolicy, UntagPolicy, list_policy_tags
from iam.relations import Tag
from iam.tags import list_thing_tags, tag_thing, untag_thing
from iam.users import CreateUser, ListUserTags, TagUser, UntagUser

ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
READS = "arn:aws:iam::123456789012:policy/reads"
ABSENT = "arn:aws:iam::123456789012:policy/absent"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
RESERVED_KEY = "Tag keys beginning with aws: are reserved for system use."

ALICE = CreateUser(user_name="alice")
POLICY = CreatePolicy(policy_name="reads", policy_document=ALLOW)


def pairs(text: str) -> tuple[Tag, ...]:
    """Tags written as `key=value key=value`."""
    return tuple(Tag(*pair.split("=")) for pair in text.split())


def tag(text: str, user: str = "alice") -> TagUser:
    return TagUser(user_name=user, tags=pairs(text))


def untag(text: str, user: str = "alice") -> UntagUser:
    return UntagUser(user_name=user, tag_keys=tuple(text.split()))


def mark(text: str, arn: str = READS) -> TagPolicy:
    return TagPolicy(policy_arn=arn, tags=pairs(text))


def unmark(text: str, arn: str = READS) -> UntagPolicy:
    return UntagPolicy(policy_arn=arn, tag_keys=tuple(text.split()))


@pytest.mark.parametrize(
    ("decide", "command", "refusal", "message"),
    [
        (tag_thing, tag("Aws:a= a= A=", "nobody"), InvalidInput, RESERVED_KEY),
        (
            tag_thing,
            tag("a= A=", "nobody"),
            InvalidInput,
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        (tag_thing, tag("a=", "nobody"), NoSuchEntity, "The user with name nobody cannot be found."),
        (untag_thing, untag("a", "nobody"), NoSuchEntity, "The user with name nobody cannot be found."),
        (tag_thing, mark("AWS:= a= a=", "x"), InvalidInput, RESERVED_KEY),
        (tag_thing, mark("a= a=", "x"), InvalidInput, "Duplicate tag keys found."),
        (tag_thing, mark("a=", "x"), ValidationError, "ARN x is not valid."),
        (tag_thing, mark("a=", ADMIN), InvalidInput, "Tags not supported for policies in this domain"),
        (tag_thing, mark("a=", ABSENT), NoSuchEntity, f"Policy {ABSENT} was not found."),
        (untag_thing, unmark("a", "x"), ValidationError, "ARN x is not valid."),
        (untag_thing, unmark("a", ADMIN), InvalidInput, "Tags not supported for policies in this domain"),
        (untag_thing, unmark("a", ABSENT), NoSuchEntity, f"Policy {ABSENT} was not found."),
    ],
)
def test_refusals_of_tagging_stand_in_their_order(
    given: Callable[..., Any], decide: Any, command: Command, refusal: type[IamError], message: str
) -> None:
    """What needs no look-up comes first, and reserved keys before repeated ones."""
    given(ALICE, POLICY).when(decide, command).refused(refusal, message)


def test_a_user_s_key_in_another_spelling_replaces_spelling_and_value(given: Callable[..., Any]) -> None:
    """A user has one tag for all spellings of a key."""
    user = given(ALICE, tag("somekey=1 other=2"))

    user.when(tag_thing, tag("Somekey=1")).then(UserTagged(user_id="AIDA1", user_name="alice", tags=pairs("Somekey=1")))
    assert user_tags(user.also(tag("SomeKey=3")).account) == pairs("other=2 SomeKey=3")


def test_a_policy_s_keys_differ_by_case(given: Callable[..., Any]) -> None:
    """`a` and `A` live side by side, and only the one that is spelled so is removed."""
    policy = given(POLICY, mark("a=1 A=2"))

    policy.when(untag_thing, unmark("a")).then(PolicyUntagged(policy_id="ANPA1", policy_arn=READS, tag_keys=("a",)))
    assert policy_tags(policy.account) == pairs("A=2 a=1")


def test_only_tags_that_say_something_new_are_recorded(given: Callable[..., Any]) -> None:
    """Tags said again change nothing; an empty value is a value."""
    user, policy = given(ALICE, tag("a=1 b=")), given(POLICY, mark("a=1 b="))

    user.when(tag_thing, tag("a=1 b=")).nothing()
    user.when(tag_thing, tag("a=1 b=2", "ALICE")).then(
        UserTagged(user_id="AIDA1", user_name="alice", tags=pairs("b=2"))
    )
    policy.when(tag_thing, mark("b= a=1")).nothing()
    policy.when(tag_thing, mark("a= c=")).then(PolicyTagged(policy_id="ANPA1", policy_arn=READS, tags=pairs("a= c=")))


def test_only_tags_that_are_there_are_removed(given: Callable[..., Any]) -> None:
    """A key that is absent, or given twice, is no error."""
    user, policy = given(ALICE, tag("Ab=1 b=2")), given(POLICY, mark("Ab=1 b=2"))

    user.when(untag_thing, untag("aB absent AB")).then(
        UserUntagged(user_id="AIDA1", user_name="alice", tag_keys=("ab",))
    )
    user.when(untag_thing, untag("absent")).nothing()
    policy.when(untag_thing, unmark("Ab absent Ab")).then(
        PolicyUntagged(policy_id="ANPA1", policy_arn=READS, tag_keys=("Ab",))
    )
    policy.when(untag_thing, unmark("ab")).nothing()


def user_tags(account: Any, after: str = "") -> tuple[Tag, ...]:
    return tuple(found for _, found in list_thing_tags(account, ListUserTags(user_name="ALICE"), after))


def policy_tags(account: Any, after: str = "") -> tuple[Tag, ...]:
    return tuple(found for _, found in list_policy_tags(account, ListPolicyTags(policy_arn=READS), after))


def test_tags_are_listed_shorter_keys_first_then_by_code_point(given: Callable[..., Any]) -> None:
    """As recorded from AWS for policies; users are listed alike."""
    account = given(ALICE, POLICY, tag("abc= b= z= A="), mark("abc= b= z= a= A=")).account

    assert user_tags(account) == pairs("A= b= z= abc=")
    assert policy_tags(account) == pairs("A= a= b= z= abc=")


def test_without_tags_the_list_is_empty(given: Callable[..., Any]) -> None:
    """Also for AWS's own policies, which never have any."""
    account = given(ALICE, POLICY).account

    assert user_tags(account) == policy_tags(account) == ()
    assert list(list_policy_tags(account, ListPolicyTags(policy_arn=ADMIN), "")) == []


def test_the_tags_of_an_unknown_policy_are_refused(given: Callable[..., Any]) -> None:
    """With the text of the other operations that find a policy."""
    with pytest.raises(NoSuchEntity) as refused:
        list_policy_tags(given(POLICY).account, ListPolicyTags(policy_arn=ABSENT), "")

    assert refused.value.message == f"Policy {ABSENT} was not found."


def test_a_list_of_tags_goes_on_behind_its_key_whatever_came_and_went(given: Callable[..., Any]) -> None:
    """Tags removed from an earlier page push none past the reader, and those added there are not shown late."""
    user = given(ALICE, tag("a= b= c= d="))
    after = list(list_thing_tags(user.account, ListUserTags(user_name="alice"), ""))[1][0]

    assert user_tags(user.also(untag("a b"), tag("A1= aa= B=")).account, after) == pairs("c= d= A1= aa=")


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_keys_that_begin_alike_are_each_listed_once(given: Callable[..., Any], size: int) -> None:
    """Keys may be longer than a marker, so they are told apart by more than their beginning."""
    start = "\N{LINEAR B SYLLABLE B008 A}" * 126
    keys = [f"{start}{number:02}" for number in range(50)]
    user = given(ALICE, TagUser(user_name="alice", tags=tuple(Tag(key, "") for key in reversed(keys))))

    found: list[str] = []
    after = ""
    for _ in range(0, len(keys), size):
        page = list(islice(list_thing_tags(user.account, ListUserTags(user_name="alice"), after), size))
        found += [item.key for _, item in page]
        after = page[-1][0]
    assert found == keys
    assert len(after.encode()) < 200
