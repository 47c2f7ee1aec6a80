"""Putting and deleting inline policies."""

from collections.abc import Callable
from typing import Any

import pytest

from iam.errors import IamError, LimitExceeded, MalformedPolicyDocument, NoSuchEntity
from iam.events.users import UserPolicyDeleted, UserPolicyPut
from iam.identities import USER
from iam.inline_policies import (
    DeleteUserPolicy,
    GetUserPolicy,
    ListUserPolicies,
    PutUserPolicy,
    delete_inline_policy,
    get_inline_policy,
    list_inline_policies,
    put_policy,
)
from iam.relations import InlinePolicy
from iam.users import CreateUser

ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
DENY = ALLOW.replace("Allow", "Deny")

ALICE = CreateUser(user_name="Alice")


def put(name: str, document: str = ALLOW, user: str = "alice") -> PutUserPolicy:
    return PutUserPolicy(user_name=user, policy_name=name, policy_document=document)


def delete(name: str, user: str = "alice") -> DeleteUserPolicy:
    return DeleteUserPolicy(user_name=user, policy_name=name)


def test_an_inline_policy_keeps_its_first_spelling(given: Callable[..., Any]) -> None:
    """A name in another case replaces the document and not the name, until the policy is deleted."""
    given(ALICE).when(put_policy, put("MixedName", user="ALICE")).then(
        UserPolicyPut(user_id="AIDA1", user_name="Alice", policy_name="MixedName", policy_document=ALLOW)
    )
    given(ALICE, put("MixedName")).when(put_policy, put("mixedname", DENY)).then(
        UserPolicyPut(user_id="AIDA1", user_name="Alice", policy_name="MixedName", policy_document=DENY)
    )
    given(ALICE, put("MixedName"), delete("MIXEDNAME")).when(put_policy, put("mixedname")).then(
        UserPolicyPut(user_id="AIDA1", user_name="Alice", policy_name="mixedname", policy_document=ALLOW)
    )


def test_the_same_document_again_changes_nothing(given: Callable[..., Any]) -> None:
    """Same means character for character: white space is kept, so it counts as another document."""
    spaced = ALLOW + " "

    given(ALICE, put("own")).when(put_policy, put("OWN")).nothing()
    given(ALICE, put("own")).when(put_policy, put("own", spaced)).then(
        UserPolicyPut(user_id="AIDA1", user_name="Alice", policy_name="own", policy_document=spaced)
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (put("own", "{", "nobody"), NoSuchEntity, "The user with name nobody cannot be found."),
        (put("own", "{" + "x" * 3000), MalformedPolicyDocument, "Syntax errors in policy."),
        (
            put("own", ALLOW.replace('"*"}', f'"arn:aws:s3:::{"x" * 2048}"}}')),
            LimitExceeded,
            "Maximum policy size of 2048 bytes exceeded for user Alice",
        ),
    ],
    ids=["unknown user", "malformed", "too large"],
)
def test_refusals_of_putting_stand_in_their_order(
    given: Callable[..., Any], command: PutUserPolicy, refusal: type[IamError], message: str
) -> None:
    """Each row also has the fault of a later one, and the earlier guard answers."""
    given(ALICE).when(put_policy, command).refused(refusal, message)


def test_an_inline_policy_may_be_of_the_older_version(given: Callable[..., Any]) -> None:
    """Unlike a managed one."""
    assert given(ALICE).when(put_policy, put("own", ALLOW.replace("2012", "2008"))).events


def test_an_inline_policy_is_deleted_in_any_spelling(given: Callable[..., Any]) -> None:
    """The event has the stored one."""
    given(ALICE, put("Own")).when(delete_inline_policy, delete("oWN", "ALICE")).then(
        UserPolicyDeleted(user_id="AIDA1", user_name="Alice", policy_name="Own")
    )


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nobody", "The user with name nobody cannot be found."),
        ("alice", "The user policy with name Absent cannot be found."),
    ],
)
def test_an_inline_policy_that_is_not_there_is_named(given: Callable[..., Any], user: str, message: str) -> None:
    """Reading and deleting refuse alike, the user before the policy."""
    alice = given(ALICE, put("own"))

    alice.when(delete_inline_policy, delete("Absent", user)).refused(NoSuchEntity, message)
    with pytest.raises(NoSuchEntity) as refused:
        get_inline_policy(alice.account, GetUserPolicy(user_name=user, policy_name="Absent"))
    assert refused.value.message == message


def test_an_inline_policy_is_shown_as_asked_for_and_its_document_as_put(given: Callable[..., Any]) -> None:
    """The list has the stored spelling, the single answer the caller's; white space is kept."""
    document = "\n" + ALLOW.replace(",", ",\n  ")
    account = given(ALICE, put("Own", document)).account

    shown = get_inline_policy(account, GetUserPolicy(user_name="ALICE", policy_name="oWn"))
    assert (shown.kind, shown.name, shown.policy) == (USER, "Alice", InlinePolicy("oWn", document))
    assert inline(account) == ["Own"]


def inline(account: Any, after: str = "") -> list[str]:
    return [name for _, name in list_inline_policies(account, ListUserPolicies(user_name="alice"), after)]


def test_inline_policies_are_listed_by_name_and_resumed_behind_it(given: Callable[..., Any]) -> None:
    """Ignoring case; the list goes on where it was left, whatever came and went."""
    user = given(ALICE, put("d"), put("B"), put("a"), put("C"))
    after = list(list_inline_policies(user.account, ListUserPolicies(user_name="alice"), ""))[1][0]

    assert inline(user.account) == ["a", "B", "C", "d"]
    assert inline(user.also(delete("b"), delete("c"), put("A1"), put("e")).account, after) == ["d", "e"]
