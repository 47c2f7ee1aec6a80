"""What a user is permitted by: attaching and detaching managed policies, putting and deleting inline ones."""

from collections.abc import Callable
from typing import Any

import pytest

from iam.attached_policies import (
    AttachUserPolicy,
    DetachUserPolicy,
    ListAttachedUserPolicies,
    attach_policy,
    detach_policy,
    list_attached_policies,
)
from iam.errors import (
    IamError,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
    PolicyNotAttachable,
    ValidationError,
)
from iam.events.users import UserPolicyAttached, UserPolicyDeleted, UserPolicyDetached, UserPolicyPut
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
from iam.policies import CreatePolicy
from iam.quotas import Quotas
from iam.relations import InlinePolicy
from iam.users import CreateUser

ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
DENY = ALLOW.replace("Allow", "Deny")
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
BILLING = "arn:aws:iam::aws:policy/job-function/Billing"
RESERVED = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
READS = "arn:aws:iam::123456789012:policy/team/Reads"
ABSENT = "arn:aws:iam::123456789012:policy/absent"

ALICE = CreateUser(user_name="Alice")
POLICY = CreatePolicy(policy_name="Reads", path="/team/", policy_document=ALLOW)


def attach(arn: str, user: str = "alice") -> AttachUserPolicy:
    return AttachUserPolicy(user_name=user, policy_arn=arn)


def detach(arn: str, user: str = "alice") -> DetachUserPolicy:
    return DetachUserPolicy(user_name=user, policy_arn=arn)


def put(name: str, document: str = ALLOW, user: str = "alice") -> PutUserPolicy:
    return PutUserPolicy(user_name=user, policy_name=name, policy_document=document)


def delete(name: str, user: str = "alice") -> DeleteUserPolicy:
    return DeleteUserPolicy(user_name=user, policy_name=name)


# Managed policies


@pytest.mark.parametrize(("arn", "name"), [(READS, "Reads"), (ADMIN, "AdministratorAccess"), (BILLING, "Billing")])
def test_a_policy_of_the_account_or_of_aws_is_attached(given: Callable[..., Any], arn: str, name: str) -> None:
    """The event spells the user as stored, whatever the caller wrote."""
    given(ALICE, POLICY).when(attach_policy, attach(arn, "ALICE")).then(
        UserPolicyAttached(user_id="AIDA1", user_name="Alice", policy_arn=arn, policy_name=name)
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (attach("x", "nobody"), ValidationError, "ARN x is not valid."),
        (attach(ABSENT, "nobody"), NoSuchEntity, "The user with name nobody cannot be found."),
        (attach(ABSENT), NoSuchEntity, f"Policy {ABSENT} does not exist or is not attachable."),
        (
            attach(READS.replace("Reads", "READS")),
            NoSuchEntity,
            "Policy arn:aws:iam::123456789012:policy/team/READS does not exist or is not attachable.",
        ),
        (
            attach(READS.replace("/team", "")),
            NoSuchEntity,
            "Policy arn:aws:iam::123456789012:policy/Reads does not exist or is not attachable.",
        ),
        (attach(RESERVED), PolicyNotAttachable, "Cannot attach AWS reserved policy to an IAM user."),
        (attach(READS), LimitExceeded, "Cannot exceed quota for PoliciesPerUser: 1"),
    ],
    ids=["no ARN", "unknown user", "unknown policy", "other case", "other path", "reserved", "quota"],
)
def test_refusals_of_attaching_stand_in_their_order(
    given: Callable[..., Any], command: AttachUserPolicy, refusal: type[IamError], message: str
) -> None:
    """The user has one policy and may have no other, so every row has the fault of the last one too."""
    full = given(ALICE, POLICY, attach(ADMIN), quotas=Quotas(policies_per_user=1))

    full.when(attach_policy, command).refused(refusal, message)


def test_attaching_again_changes_nothing(given: Callable[..., Any]) -> None:
    """Also where the quota is used up, and in another spelling of the user's name."""
    full = given(ALICE, attach(ADMIN), quotas=Quotas(policies_per_user=1))

    full.when(attach_policy, attach(ADMIN, "aLICE")).nothing()


def test_a_policy_is_detached_once(given: Callable[..., Any]) -> None:
    """Not attached any more is the refusal of one that never was."""
    given(ALICE, attach(ADMIN)).when(detach_policy, detach(ADMIN, "ALICE")).then(
        UserPolicyDetached(user_id="AIDA1", user_name="Alice", policy_arn=ADMIN)
    )
    given(ALICE, attach(ADMIN), detach(ADMIN)).when(detach_policy, detach(ADMIN)).refused(
        NoSuchEntity, f"Policy {ADMIN} was not found."
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (detach("x", "nobody"), ValidationError, "ARN x is not valid."),
        (detach(ABSENT, "nobody"), NoSuchEntity, "The user with name nobody cannot be found."),
        (detach(ABSENT), NoSuchEntity, f"Policy {ABSENT} was not found."),
        (detach(READS), NoSuchEntity, f"Policy {READS} was not found."),
    ],
    ids=["no ARN", "unknown user", "unknown policy", "not attached"],
)
def test_refusals_of_detaching_stand_in_their_order(
    given: Callable[..., Any], command: DetachUserPolicy, refusal: type[IamError], message: str
) -> None:
    """Not attached and not existing are one refusal."""
    given(ALICE, POLICY).when(detach_policy, command).refused(refusal, message)


def attached(account: Any, prefix: str = "/", after: str = "") -> list[str]:
    query = ListAttachedUserPolicies(user_name="ALICE", path_prefix=prefix)
    return [policy.policy_arn for _, policy in list_attached_policies(account, query, after)]


def test_attached_policies_are_listed_by_name(given: Callable[..., Any]) -> None:
    """Ignoring case and path; the account's own comes before AWS's of the same name."""
    own = CreatePolicy(policy_name="billing", policy_document=ALLOW)
    own_arn = "arn:aws:iam::123456789012:policy/billing"
    account = given(ALICE, POLICY, own, *map(attach, (READS, BILLING, ADMIN, own_arn))).account

    assert attached(account) == [ADMIN, own_arn, BILLING, READS]


def test_attached_policies_are_chosen_by_the_path_of_the_policy(given: Callable[..., Any]) -> None:
    """The user's path plays no part."""
    account = given(ALICE, POLICY, *map(attach, (READS, BILLING, ADMIN))).account

    assert attached(account, "/team/") == [READS]
    assert attached(account, "/job-function/") == [BILLING]
    assert attached(account, "/none/") == []


def test_the_list_of_attached_policies_goes_on_behind_its_key(given: Callable[..., Any]) -> None:
    """Also when the policy at which the page ended was detached since."""
    user = given(ALICE, POLICY, *map(attach, (READS, BILLING)))
    query = ListAttachedUserPolicies(user_name="alice")
    after = next(list_attached_policies(user.account, query, ""))[0]

    assert attached(user.also(detach(BILLING), attach(ADMIN)).account, after=after) == [READS]


# Inline policies


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
