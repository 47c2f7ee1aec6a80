"""Managed policies: the account's own with their versions, AWS's, and the questions asked of both."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iam.attached_policies import AttachUserPolicy, DetachUserPolicy
from iam.boundaries import DeleteUserPermissionsBoundary, PutUserPermissionsBoundary
from iam.commands import Command
from iam.errors import (
    AccessDenied,
    DeleteConflict,
    EntityAlreadyExists,
    IamError,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
    ValidationError,
)
from iam.events.policies import (
    CatalogueInstalled,
    DefaultPolicyVersionSet,
    PolicyCreated,
    PolicyDeleted,
    PolicyVersionCreated,
    PolicyVersionDeleted,
)
from iam.identities import USER
from iam.policies import (
    CreatePolicy,
    CreatePolicyVersion,
    DeletePolicy,
    DeletePolicyVersion,
    GetPolicy,
    GetPolicyVersion,
    Holder,
    InstallCatalogue,
    ListEntitiesForPolicy,
    ListPolicies,
    ListPolicyTags,
    ListPolicyVersions,
    Policy,
    SetDefaultPolicyVersion,
    TagPolicy,
    Version,
    create_policy,
    create_policy_version,
    delete_policy,
    delete_policy_version,
    get_policy,
    get_policy_version,
    install_catalogue,
    is_reserved,
    list_entities_for_policy,
    list_policies,
    list_policy_tags,
    list_policy_versions,
    set_default_policy_version,
)
from iam.quotas import Quotas
from iam.relations import CATALOGUES, CatalogueRelease, Tag
from iam.state import World
from iam.users import CreateUser, DeleteUser, UpdateUser

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
MINUTE = timedelta(minutes=1)
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
DENY = ALLOW.replace("Allow", "Deny")
LARGE = ALLOW.replace('"*"}', f'"arn:aws:s3:::{"x" * 6144}"}}')
READS = "arn:aws:iam::123456789012:policy/reads"
ABSENT = "arn:aws:iam::123456789012:policy/absent"
THEIRS = "arn:aws:iam::210987654321:policy/reads"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
RESERVED = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"

POLICY = CreatePolicy(policy_name="reads", policy_document=ALLOW)
VERSION = CreatePolicyVersion(policy_arn=READS, policy_document=DENY)
DEFAULT_VERSION = CreatePolicyVersion(policy_arn=READS, policy_document=DENY, set_as_default=True)
DELETE = DeletePolicy(policy_arn=READS)
ALICE = CreateUser(user_name="alice")
ATTACHED = "Cannot delete a policy attached to entities."
VERSIONS_LEFT = (
    "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
    "The default version is deleted with the policy."
)


def set_default(version_id: str, arn: str = READS) -> SetDefaultPolicyVersion:
    return SetDefaultPolicyVersion(policy_arn=arn, version_id=version_id)


def drop(version_id: str, arn: str = READS) -> DeletePolicyVersion:
    return DeletePolicyVersion(policy_arn=arn, version_id=version_id)


def attach(arn: str, user: str = "alice") -> AttachUserPolicy:
    return AttachUserPolicy(user_name=user, policy_arn=arn)


def bound(arn: str, user: str = "alice") -> PutUserPermissionsBoundary:
    return PutUserPermissionsBoundary(user_name=user, permissions_boundary=arn)


def named(name: str, path: str = "/") -> CreatePolicy:
    return CreatePolicy(policy_name=name, path=path, policy_document=ALLOW)


def no_version(arn: str, version_id: str) -> str:
    return f"Policy {arn} version {version_id} does not exist or is not attachable."


# Creation


def test_a_policy_is_created_with_all_it_was_given(given: Callable[..., Any]) -> None:
    """Tags stay in the caller's order and the document as put; the ARN has the path."""
    document = "\n" + ALLOW
    tags = (Tag("b", "1"), Tag("a", ""), Tag("A", "2"))
    command = CreatePolicy(
        policy_name="Reads", path="/team/", policy_document=document, description="May look.", tags=tags
    )

    given().when(create_policy, command).then(
        PolicyCreated(
            policy_id="ANPA1",
            policy_arn="arn:aws:iam::123456789012:policy/team/Reads",
            policy_name="Reads",
            path="/team/",
            description="May look.",
            created_at=NOW,
            policy_document=document,
            tags=tags,
        )
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (
            CreatePolicy(policy_name="READS", policy_document="{", tags=(Tag("aWS:", ""), Tag("aWS:", ""))),
            InvalidInput,
            "Tag keys beginning with aws: are reserved for system use.",
        ),
        (
            CreatePolicy(policy_name="READS", policy_document="{", tags=(Tag("a", ""), Tag("a", "1"))),
            InvalidInput,
            "Duplicate tag keys found.",
        ),
        (
            CreatePolicy(policy_name="READS", policy_document="{" + "x" * 6144),
            MalformedPolicyDocument,
            "Syntax errors in policy.",
        ),
        (
            CreatePolicy(policy_name="READS", policy_document=ALLOW.replace("2012", "2008")),
            MalformedPolicyDocument,
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (
            CreatePolicy(policy_name="READS", policy_document=LARGE),
            LimitExceeded,
            "Cannot exceed quota for PolicySize: 6144",
        ),
        (
            CreatePolicy(policy_name="READS", path="/else/", policy_document=ALLOW),
            EntityAlreadyExists,
            "A policy called READS already exists. Duplicate names are not allowed.",
        ),
        (
            CreatePolicy(policy_name="writes", policy_document=ALLOW),
            LimitExceeded,
            "Cannot exceed quota for PoliciesPerAccount: 1",
        ),
    ],
    ids=["reserved key", "repeated key", "malformed", "older version", "too large", "name taken", "quota"],
)
def test_refusals_of_create_policy_stand_in_their_order(
    given: Callable[..., Any], command: CreatePolicy, refusal: type[IamError], message: str
) -> None:
    """Each row also has the fault of a later one, and the earlier guard answers."""
    given(POLICY, quotas=Quotas(policies_per_account=1)).when(create_policy, command).refused(refusal, message)


def test_a_name_of_aws_is_free_in_the_account(given: Callable[..., Any]) -> None:
    """Names are unique among the account's own policies only."""
    assert given().when(create_policy, named("AdministratorAccess")).events


# Deletion


def test_a_policy_is_deleted_with_its_last_version_and_its_tags(given: Callable[..., Any]) -> None:
    """Nothing of it is left, and its name is free for a policy with another id."""
    policy = given(POLICY, TagPolicy(policy_arn=READS, tags=(Tag("a", "1"),)))

    policy.when(delete_policy, DELETE).then(PolicyDeleted(policy_id="ANPA1", policy_arn=READS, policy_name="reads"))
    assert list(policy.also(DELETE).account.owners()) == []
    policy.when(create_policy, POLICY).then(
        PolicyCreated(
            policy_id="ANPA2", policy_arn=READS, policy_name="reads", path="/", created_at=NOW, policy_document=ALLOW
        )
    )


def test_refusals_of_delete_policy_stand_in_their_order(given: Callable[..., Any]) -> None:
    """Use as permissions or as boundary is reported before versions."""
    policy = given(ALICE, POLICY, VERSION, attach(READS), bound(READS))

    policy.when(delete_policy, DELETE).refused(DeleteConflict, ATTACHED)
    policy.also(DetachUserPolicy(user_name="alice", policy_arn=READS))
    policy.when(delete_policy, DELETE).refused(DeleteConflict, ATTACHED)
    policy.also(DeleteUserPermissionsBoundary(user_name="alice"))
    policy.when(delete_policy, DELETE).refused(DeleteConflict, VERSIONS_LEFT)
    assert policy.also(drop("v2")).when(delete_policy, DELETE).events


def test_a_deleted_user_no_longer_holds_its_boundary(given: Callable[..., Any]) -> None:
    """It could not be deleted with the policy attached, but with the boundary it can."""
    assert given(ALICE, POLICY, bound(READS), DeleteUser(user_name="alice")).when(delete_policy, DELETE).events


# Commands that name a policy


@pytest.mark.parametrize(
    ("decide", "command", "refusal", "message"),
    [
        (delete_policy, DeletePolicy(policy_arn="x"), ValidationError, "ARN x is not valid."),
        (
            delete_policy,
            DeletePolicy(policy_arn=ADMIN),
            AccessDenied,
            "Cannot delete policies outside your own account.",
        ),
        (
            delete_policy,
            DeletePolicy(policy_arn=THEIRS),
            AccessDenied,
            "Cannot delete policies outside your own account.",
        ),
        (delete_policy, DeletePolicy(policy_arn=ABSENT), NoSuchEntity, f"Policy {ABSENT} was not found."),
        (
            delete_policy,
            DeletePolicy(policy_arn=READS.upper().replace("ARN:AWS:IAM", "arn:aws:iam")),
            NoSuchEntity,
            "Policy arn:aws:iam::123456789012:POLICY/READS was not found.",
        ),
        (
            create_policy_version,
            CreatePolicyVersion(policy_arn="x", policy_document="{"),
            ValidationError,
            "ARN x is not valid.",
        ),
        (
            create_policy_version,
            CreatePolicyVersion(policy_arn=ADMIN, policy_document="{"),
            AccessDenied,
            "Cannot create versions for policies outside your own account.",
        ),
        (
            create_policy_version,
            CreatePolicyVersion(policy_arn=ABSENT, policy_document="{"),
            NoSuchEntity,
            f"Policy {ABSENT} was not found.",
        ),
        (
            create_policy_version,
            CreatePolicyVersion(policy_arn=READS, policy_document="{" + "x" * 6144),
            MalformedPolicyDocument,
            "Syntax errors in policy.",
        ),
        (
            create_policy_version,
            CreatePolicyVersion(policy_arn=READS, policy_document=LARGE),
            LimitExceeded,
            "Cannot exceed quota for PolicySize: 6144",
        ),
        (
            create_policy_version,
            VERSION,
            LimitExceeded,
            "A managed policy can have up to 1 versions. "
            "Before you create a new version, you must delete an existing version.",
        ),
        (set_default_policy_version, set_default("v1", "x"), ValidationError, "ARN x is not valid."),
        (
            set_default_policy_version,
            set_default("v9", ADMIN),
            AccessDenied,
            "Cannot update policies outside your own account.",
        ),
        (set_default_policy_version, set_default("v1", ABSENT), NoSuchEntity, no_version(ABSENT, "v1")),
        (set_default_policy_version, set_default("v2"), NoSuchEntity, no_version(READS, "v2")),
        (set_default_policy_version, set_default("v1.a"), NoSuchEntity, no_version(READS, "v1.a")),
        (delete_policy_version, drop("v1", "x"), ValidationError, "ARN x is not valid."),
        (
            delete_policy_version,
            drop("v9", ADMIN),
            AccessDenied,
            "Cannot delete policy versions for policies outside your own account.",
        ),
        (delete_policy_version, drop("v1", ABSENT), NoSuchEntity, no_version(ABSENT, "v1")),
        (delete_policy_version, drop("v2"), NoSuchEntity, no_version(READS, "v2")),
        (delete_policy_version, drop("v1"), DeleteConflict, "Cannot delete the default version of a policy."),
    ],
)
def test_refusals_of_changing_a_policy_stand_in_their_order(
    given: Callable[..., Any], decide: Any, command: Command, refusal: type[IamError], message: str
) -> None:
    """No ARN, another's policy, an unknown one, a bad document, a full one: each before the next."""
    given(POLICY, quotas=Quotas(versions_per_policy=1)).when(decide, command).refused(refusal, message)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda state: get_policy(state, GetPolicy(policy_arn=ABSENT)), f"Policy {ABSENT} was not found."),
        (
            lambda state: list_policy_versions(state, ListPolicyVersions(policy_arn=ABSENT), ""),
            f"Policy {ABSENT} was not found.",
        ),
        (
            lambda state: list_policy_tags(state, ListPolicyTags(policy_arn=ABSENT), ""),
            f"Policy {ABSENT} was not found.",
        ),
        (
            lambda state: get_policy_version(state, GetPolicyVersion(policy_arn=ABSENT, version_id="v1")),
            no_version(ABSENT, "v1"),
        ),
        (
            lambda state: get_policy_version(state, GetPolicyVersion(policy_arn=READS, version_id="v2")),
            no_version(READS, "v2"),
        ),
        (
            lambda state: get_policy_version(state, GetPolicyVersion(policy_arn=READ_ONLY, version_id="v3")),
            no_version(READ_ONLY, "v3"),
        ),
        (
            lambda state: list_entities_for_policy(state, ListEntitiesForPolicy(policy_arn=ABSENT), ""),
            f"Policy {ABSENT} does not exist or is not attachable.",
        ),
    ],
)
def test_each_read_says_in_its_own_words_what_is_absent(
    given: Callable[..., Any], read: Callable[[Any], Any], message: str
) -> None:
    """AWS has three texts for it; a list refuses when it is asked for, not when its first item is taken."""
    with pytest.raises(NoSuchEntity) as refused:
        read(given(POLICY).account)

    assert refused.value.message == message


@pytest.mark.parametrize(
    "read",
    [
        lambda state: get_policy(state, GetPolicy(policy_arn="x")),
        lambda state: list_policy_versions(state, ListPolicyVersions(policy_arn="x"), ""),
        lambda state: list_policy_tags(state, ListPolicyTags(policy_arn="x"), ""),
        lambda state: get_policy_version(state, GetPolicyVersion(policy_arn="x", version_id="v1")),
        lambda state: list_entities_for_policy(state, ListEntitiesForPolicy(policy_arn="x"), ""),
    ],
)
def test_reads_refuse_what_is_no_arn(given: Callable[..., Any], read: Callable[[Any], Any]) -> None:
    """With the text of attaching."""
    with pytest.raises(ValidationError) as refused:
        read(given().account)

    assert refused.value.message == "ARN x is not valid."


# Versions


def test_a_version_is_created_and_is_default_only_if_asked(given: Callable[..., Any]) -> None:
    """SetAsDefault is false unless given."""
    fields = {
        "policy_id": "ANPA1",
        "policy_arn": READS,
        "version_id": "v2",
        "created_at": NOW,
        "policy_document": DENY,
    }

    given(POLICY).when(create_policy_version, VERSION).then(PolicyVersionCreated(**fields))
    given(POLICY).when(create_policy_version, DEFAULT_VERSION).then(PolicyVersionCreated(**fields, set_as_default=True))
    assert versions(given(POLICY, VERSION).account) == ["v2", "v1*"]
    assert versions(given(POLICY, DEFAULT_VERSION).account) == ["v2*", "v1"]


def versions(account: Any, arn: str = READS, after: str = "") -> list[str]:
    """The listed versions, the default one with a star."""
    listed = list_policy_versions(account, ListPolicyVersions(policy_arn=arn), after)
    return [version.version_id + "*" * version.is_default for _, version in listed]


def test_version_numbers_are_never_used_again(given: Callable[..., Any]) -> None:
    """Neither after a deletion from the middle, nor after one of the newest."""
    history = given(POLICY, VERSION, VERSION, VERSION, VERSION, drop("v2"), VERSION, drop("v6"), VERSION)

    assert versions(history.account) == ["v7", "v5", "v4", "v3", "v1*"]


def test_another_version_becomes_the_default_one(given: Callable[..., Any]) -> None:
    """Exactly one is at any time; setting the one that is already changes nothing."""
    policy = given(POLICY, VERSION)

    policy.when(set_default_policy_version, set_default("v1")).nothing()
    policy.when(set_default_policy_version, set_default("v2")).then(
        DefaultPolicyVersionSet(policy_id="ANPA1", policy_arn=READS, version_id="v2")
    )
    assert versions(policy.also(set_default("v2")).account) == ["v2*", "v1"]
    assert get_policy(policy.account, GetPolicy(policy_arn=READS)).default_version_id == "v2"


def test_a_version_is_deleted_unless_it_is_the_default_one(given: Callable[..., Any]) -> None:
    """Whichever that is at the time."""
    policy = given(POLICY, DEFAULT_VERSION)

    policy.when(delete_policy_version, drop("v2")).refused(
        DeleteConflict, "Cannot delete the default version of a policy."
    )
    policy.when(delete_policy_version, drop("v1")).then(
        PolicyVersionDeleted(policy_id="ANPA1", policy_arn=READS, version_id="v1")
    )
    policy.also(drop("v1")).when(delete_policy_version, drop("v1")).refused(NoSuchEntity, no_version(READS, "v1"))


def test_versions_are_listed_newest_first_by_number(given: Callable[..., Any]) -> None:
    """v12 is newer than v4; AWS's own may be more than five, with gaps."""
    assert versions(given().account, READ_ONLY) == ["v12*", "v4", "v2", "v1"]


def test_the_list_of_versions_goes_on_behind_its_key(given: Callable[..., Any]) -> None:
    """Versions made since come before it, and those deleted are left out."""
    policy = given(POLICY, VERSION, VERSION, VERSION)
    after = list(list_policy_versions(policy.account, ListPolicyVersions(policy_arn=READS), ""))[1][0]

    assert versions(policy.also(drop("v3"), drop("v2"), VERSION).account, after=after) == ["v1*"]


def test_a_version_is_shown_with_its_document_and_its_own_date(given: Callable[..., Any]) -> None:
    """Lists leave the documents out for AWS's own; theirs may have no date."""
    account = given(POLICY, VERSION).account

    assert get_policy_version(account, GetPolicyVersion(policy_arn=READS, version_id="v2")) == Version(
        "v2", False, BEFORE + MINUTE, DENY
    )
    assert get_policy_version(account, GetPolicyVersion(policy_arn=READ_ONLY, version_id="v2")) == Version(
        "v2", False, None, '{"Id":"ReadOnlyAccess v2"}'
    )
    assert get_policy_version(account, GetPolicyVersion(policy_arn=READ_ONLY, version_id="v12")) == Version(
        "v12", True, datetime(2015, 2, 18, 18, 39, 46, tzinfo=UTC), '{"Id":"ReadOnlyAccess v12"}'
    )


# Reading


def test_a_policy_of_the_account_is_shown_whole(given: Callable[..., Any]) -> None:
    """Counts are of users, once each for permissions and for boundaries; tags come shorter keys first."""
    created = CreatePolicy(
        policy_name="reads", policy_document=ALLOW, description="May look.", tags=(Tag("ab", "1"), Tag("z", "2"))
    )
    account = given(
        created, ALICE, CreateUser(user_name="bob"), attach(READS), attach(READS, "bob"), bound(READS)
    ).account

    assert get_policy(account, GetPolicy(policy_arn=READS)) == Policy(
        policy_id="ANPA1",
        policy_name="reads",
        path="/",
        arn=READS,
        default_version_id="v1",
        attachment_count=2,
        boundary_count=1,
        created_at=BEFORE,
        updated_at=BEFORE,
        description="May look.",
        tags=(Tag("z", "2"), Tag("ab", "1")),
    )


def test_a_policy_of_aws_is_shown_with_the_account_s_own_counts(given: Callable[..., Any]) -> None:
    """It has neither description nor tags."""
    shown = get_policy(given(ALICE, bound(READ_ONLY)).account, GetPolicy(policy_arn=READ_ONLY))

    assert (shown.policy_name, shown.path, shown.default_version_id) == ("ReadOnlyAccess", "/", "v12")
    assert (shown.attachment_count, shown.boundary_count) == (0, 1)
    assert (shown.description, shown.tags) == ("", ())


def test_only_aws_reserves_policies_for_its_own_roles() -> None:
    """A path of that name in the account is nothing special."""
    assert is_reserved(RESERVED)
    assert not is_reserved("arn:aws:iam::123456789012:policy/aws-service-role/own")
    assert not is_reserved("arn:aws:iam::aws:policy/service-role/AWSLambdaRole")


def test_the_update_date_is_that_of_the_newest_version_ever_made(given: Callable[..., Any]) -> None:
    """Making any version moves it, default or not; deleting one and setting the default do not."""
    policy = given(POLICY, VERSION, VERSION)
    updated = get_policy(policy.account, GetPolicy(policy_arn=READS)).updated_at

    assert updated == BEFORE + 2 * MINUTE
    policy.also(set_default("v2"), drop("v3"))
    assert get_policy(policy.account, GetPolicy(policy_arn=READS)).updated_at == updated


# ListPolicies


def listed(account: Any, after: str = "", **query: Any) -> list[str]:
    return [policy.policy_name for _, policy in list_policies(account, ListPolicies(**query), after)]


OWN = [named("billing"), named("zebra", "/team/"), named("AWS")]
AWS_NAMES = ["AdministratorAccess", "AWSSupportServiceRolePolicy", "Billing", "ReadOnlyAccess"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (
            {},
            [
                "AdministratorAccess",
                "AWS",
                "AWSSupportServiceRolePolicy",
                "billing",
                "Billing",
                "ReadOnlyAccess",
                "zebra",
            ],
        ),
        ({"scope": "AWS"}, AWS_NAMES),
        ({"scope": "Local"}, ["AWS", "billing", "zebra"]),
        ({"path_prefix": "/team/"}, ["zebra"]),
        ({"path_prefix": "/job-function/"}, ["Billing"]),
        ({"path_prefix": "/team/", "scope": "AWS"}, []),
        ({"only_attached": True}, []),
    ],
)
def test_policies_are_listed_by_name_within_their_scope(
    given: Callable[..., Any], query: dict[str, Any], names: list[str]
) -> None:
    """Ignoring case; the account's own comes before AWS's of the same name."""
    assert listed(given(*OWN).account, **query) == names


@pytest.mark.parametrize(
    ("usage", "names"),
    [
        (None, ["AdministratorAccess", "billing", "ReadOnlyAccess"]),
        ("PermissionsPolicy", ["AdministratorAccess", "billing"]),
        ("PermissionsBoundary", ["billing", "ReadOnlyAccess"]),
    ],
)
def test_attached_alone_means_used_in_either_way(
    given: Callable[..., Any], usage: str | None, names: list[str]
) -> None:
    """The usage filter narrows it, and is ignored where unattached policies are asked for as well."""
    billing = "arn:aws:iam::123456789012:policy/billing"
    bob = CreateUser(user_name="bob", permissions_boundary=billing)
    account = given(*OWN, ALICE, bob, attach(ADMIN), attach(billing), bound(READ_ONLY)).account

    assert listed(account, only_attached=True, policy_usage_filter=usage) == names
    assert listed(account, policy_usage_filter=usage) == listed(account)


@pytest.mark.parametrize("scope", ["All", "AWS", "Local"])
def test_a_list_of_policies_can_be_left_and_taken_up_anywhere(given: Callable[..., Any], scope: str) -> None:
    """Behind the key of any item come exactly the items after it."""
    account = given(*OWN).account
    everything = list(list_policies(account, ListPolicies(scope=scope), ""))

    for number, (key, _) in enumerate(everything, 1):
        assert list(list_policies(account, ListPolicies(scope=scope), key)) == everything[number:]


def test_a_list_of_policies_goes_on_whatever_came_and_went(given: Callable[..., Any]) -> None:
    """The policy at which a page ended may be gone, and others of that name may have come."""
    account = given(*OWN)
    after = {policy.arn: key for key, policy in list_policies(account.account, ListPolicies(), "")}
    own_billing = "arn:aws:iam::123456789012:policy/billing"
    account.also(DeletePolicy(policy_arn=own_billing), named("AAA"), named("c"))

    assert listed(account.account, after[own_billing]) == ["Billing", "c", "ReadOnlyAccess", "zebra"]
    account.also(named("BILLING"))
    aws_billing = "arn:aws:iam::aws:policy/job-function/Billing"
    assert listed(account.account, after[aws_billing]) == ["c", "ReadOnlyAccess", "zebra"]


# ListEntitiesForPolicy


def holders(account: Any, after: str = "", **query: Any) -> list[str]:
    found = list_entities_for_policy(account, ListEntitiesForPolicy(policy_arn=READS, **query), after)
    return [holder.name for _, holder in found]


HELD = [
    POLICY,
    CreateUser(user_name="carol", path="/div/"),
    CreateUser(user_name="Bob"),
    ALICE,
    CreateUser(user_name="dave"),
    attach(READS, "carol"),
    attach(READS, "alice"),
    bound(READS, "alice"),
    bound(READS, "bob"),
    attach(ADMIN, "dave"),
]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["alice", "Bob", "carol"]),
        ({"policy_usage_filter": "PermissionsPolicy"}, ["alice", "carol"]),
        ({"policy_usage_filter": "PermissionsBoundary"}, ["alice", "Bob"]),
        ({"path_prefix": "/div/"}, ["carol"]),
        ({"path_prefix": "/div/", "policy_usage_filter": "PermissionsBoundary"}, []),
        ({"entity_filter": "User"}, ["alice", "Bob", "carol"]),
        ({"entity_filter": "Group"}, []),
        ({"entity_filter": "Role"}, []),
        ({"entity_filter": "LocalManagedPolicy"}, []),
        ({"entity_filter": "AWSManagedPolicy"}, []),
    ],
)
def test_the_holders_of_a_policy_are_listed_by_name(
    given: Callable[..., Any], query: dict[str, Any], names: list[str]
) -> None:
    """Each once, however it uses the policy; the path prefix is of the holder."""
    assert holders(given(*HELD).account, **query) == names


def test_a_holder_is_shown_as_it_is_called_now(given: Callable[..., Any]) -> None:
    """The attachment hangs on the id, so a renamed user still holds the policy."""
    account = given(POLICY, ALICE, attach(READS), UpdateUser(user_name="alice", new_user_name="Lisa")).account
    query = ListEntitiesForPolicy(policy_arn=READS)

    assert [holder for _, holder in list_entities_for_policy(account, query, "")] == [Holder(USER, "Lisa", "AIDA1")]


def test_the_list_of_holders_goes_on_behind_its_key(given: Callable[..., Any]) -> None:
    """Holders that came before it since are not shown late."""
    policy = given(*HELD)
    after = list(list_entities_for_policy(policy.account, ListEntitiesForPolicy(policy_arn=READS), ""))[1][0]
    policy.also(DeleteUserPermissionsBoundary(user_name="bob"), CreateUser(user_name="aa"), attach(READS, "aa"))

    assert holders(policy.also(attach(READS, "dave")).account, after) == ["carol", "dave"]


# The catalogue


def test_a_catalogue_is_installed_once(given: Callable[..., Any], world: World) -> None:
    """The same data again changes nothing; other data under the same release does."""
    digest = world.catalogue.digest
    event = CatalogueInstalled(release="2026-11-01", digest=digest, policies=4, versions=8)
    older = CatalogueInstalled(release="2026-11-01", digest="0" * 64, policies=1, versions=1)

    given().when(install_catalogue, InstallCatalogue()).then(event)
    given(event).when(install_catalogue, InstallCatalogue()).nothing()
    given(older).when(install_catalogue, InstallCatalogue()).then(event)
    installed = given(older, event).account.members(CATALOGUES, "")
    assert installed == {"2026-11-01": CatalogueRelease("2026-11-01", digest)}
