"""Roles: their names, trust policies, descriptions, deletion and tags."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from iam.attached_policies import AttachRolePolicy, DetachRolePolicy
from iam.boundaries import DeleteRolePermissionsBoundary, PutRolePermissionsBoundary
from iam.commands import Command
from iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    IamError,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
    UnmodifiableEntity,
)
from iam.events.roles import (
    AssumeRolePolicyUpdated,
    RoleCreated,
    RoleDeleted,
    RoleDescriptionUpdated,
    RoleTagged,
    RoleUntagged,
    RoleUpdated,
)
from iam.inline_policies import DeleteRolePolicy, PutRolePolicy
from iam.instance_profiles import AddRoleToInstanceProfile, CreateInstanceProfile, RemoveRoleFromInstanceProfile
from iam.quotas import Quotas
from iam.relations import Tag
from iam.roles import (
    CreateRole,
    DeleteRole,
    GetRole,
    ListRoles,
    ListRoleTags,
    Role,
    TagRole,
    UntagRole,
    UpdateAssumeRolePolicy,
    UpdateRole,
    UpdateRoleDescription,
    create_role,
    delete_role,
    get_role,
    list_roles,
    update_assume_role_policy,
    update_role,
    update_role_description,
)
from iam.service_linked_roles import CreateServiceLinkedRole
from iam.tags import list_thing_tags, tag_thing, untag_thing
from iam.users import CreateUser, DeleteUser, UpdateUser

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
TRUST = (
    '{"Version":"2012-10-17",\n"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}}'
)
OTHER_TRUST = TRUST.replace("ec2", "lambda")
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ABSENT = "arn:aws:iam::123456789012:policy/absent"
LINKED = CreateServiceLinkedRole(aws_service_name="support.amazonaws.com")
SUPPORT = "AWSServiceRoleForSupport"
PROTECTED = f"Cannot perform the operation on the protected role '{SUPPORT}' - this role is only modifiable by AWS"


def role(name: str, **fields: Any) -> CreateRole:
    return CreateRole(role_name=name, assume_role_policy_document=fields.pop("trust", TRUST), **fields)


READER = role("reader")


def test_a_role_is_created_with_all_it_was_given(given: Callable[..., Any]) -> None:
    """The trust policy stays character for character, tags stay in the caller's order."""
    tags = (Tag("b", "1"), Tag("a", ""))
    described = {"description": "Reads.", "max_session_duration": 7200, "permissions_boundary": ADMIN, "tags": tags}

    given().when(create_role, role("Reader", path="/ci/", **described)).then(
        RoleCreated(
            role_id="AROA1",
            role_name="Reader",
            path="/ci/",
            created_at=NOW,
            assume_role_policy_document=TRUST,
            **described,
        )
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (
            role("READER", path="/aws-service-role/x/", tags=(Tag("aws:a", ""),)),
            InvalidInput,
            "Tag keys beginning with aws: are reserved for system use.",
        ),
        (
            role("READER", path="/aws-service-role/x/", permissions_boundary="x"),
            InvalidInput,
            "Path prefix '/aws-service-role/' can only be used for AWS Service linked Roles",
        ),
        (role("READER", permissions_boundary="x", trust="{"), InvalidInput, "ARN x is not valid."),
        (
            role("READER", path="/else/", trust="{", permissions_boundary=ABSENT),
            EntityAlreadyExists,
            "Role with name READER already exists.",
        ),
        (
            role("b", trust="{", permissions_boundary=ABSENT),
            MalformedPolicyDocument,
            "This policy contains invalid Json",
        ),
        (role("b", permissions_boundary=ABSENT), LimitExceeded, "Cannot exceed quota for RolesPerAccount: 1"),
    ],
    ids=["reserved key", "reserved path", "boundary no ARN", "name taken", "trust", "quota"],
)
def test_refusals_of_create_role_stand_in_their_order(
    given: Callable[..., Any], command: CreateRole, refusal: type[IamError], message: str
) -> None:
    """Each row also has the fault of a later one, and the earlier guard answers."""
    given(READER, quotas=Quotas(roles_per_account=1)).when(create_role, command).refused(refusal, message)


def test_a_boundary_that_is_no_policy_is_refused(given: Callable[..., Any]) -> None:
    """As it is for users."""
    message = f"Scope ARN: {ABSENT} does not exist or is not attachable."

    given().when(create_role, role("a", permissions_boundary=ABSENT)).refused(NoSuchEntity, message)


def test_a_name_is_free_again_after_deletion_and_the_id_is_not(given: Callable[..., Any]) -> None:
    """Whatever is called reader now is something else than before."""
    account = given(READER, DeleteRole(role_name="READER"), READER).account

    assert get_role(account, GetRole(role_name="reader")).role_id == "AROA2"


def test_a_role_is_found_ignoring_case_and_shown_as_stored(given: Callable[..., Any]) -> None:
    """With its ARN, its defaults, and its tags in AWS's order."""
    tags = (Tag("long", "1"), Tag("b", "2"))

    assert get_role(given(role("Reader", path="/ci/", tags=tags)).account, GetRole(role_name="rEADER")) == Role(
        role_id="AROA1",
        role_name="Reader",
        path="/ci/",
        arn="arn:aws:iam::123456789012:role/ci/Reader",
        created_at=BEFORE,
        assume_role_policy_document=TRUST,
        description="",
        max_session_duration=3600,
        tags=(Tag("b", "2"), Tag("long", "1")),
        permissions_boundary=None,
    )


def test_roles_are_listed_by_name_under_a_prefix_of_the_path(given: Callable[..., Any]) -> None:
    """Ignoring case, services' own among them; the prefix is text and need not end at a slash."""
    account = given(role("c"), role("B", path="/ci/"), role("a", path="/cia/"), LINKED).account

    def listed(prefix: str, after: str = "") -> list[str]:
        return [found.role_name for _, found in list_roles(account, ListRoles(path_prefix=prefix), after)]

    assert listed("/") == ["a", SUPPORT, "B", "c"]
    assert listed("/ci") == ["a", "B"]
    assert listed("/ci/") == ["B"]
    assert listed("/", after="b") == ["c"]


# Updates


@pytest.mark.parametrize(
    ("fields", "description", "duration"),
    [
        ({"description": "New."}, "New.", 7200),
        ({"description": ""}, "", 7200),
        ({"max_session_duration": 43200}, "Old.", 43200),
        ({"description": "New.", "max_session_duration": 3600}, "New.", 3600),
    ],
)
def test_what_an_update_leaves_out_stays(
    given: Callable[..., Any], fields: dict[str, Any], description: str, duration: int
) -> None:
    """AWS's documentation says otherwise of the duration; AWS does this."""
    old = role("a", path="/p/", description="Old.", max_session_duration=7200)

    given(old).when(update_role, UpdateRole(role_name="A", **fields)).then(
        RoleUpdated(
            role_id="AROA1",
            role_name="a",
            path="/p/",
            created_at=BEFORE,
            description=description,
            max_session_duration=duration,
        )
    )


@pytest.mark.parametrize("fields", [{}, {"description": ""}, {"max_session_duration": 3600}])
def test_an_update_that_says_nothing_new_changes_nothing(given: Callable[..., Any], fields: dict[str, Any]) -> None:
    """UpdateRole without anything is fine."""
    given(READER).when(update_role, UpdateRole(role_name="reader", **fields)).nothing()


@pytest.mark.parametrize("words", ["New.", "Old."])
def test_a_description_is_an_event_with_the_whole_answer(given: Callable[..., Any], words: str) -> None:
    """UpdateRoleDescription answers the role, so that even the same words are recorded."""
    command = UpdateRoleDescription(role_name="A", description=words)

    given(role("a", description="Old.")).when(update_role_description, command).then(
        RoleDescriptionUpdated(
            role_id="AROA1",
            role_name="a",
            path="/",
            created_at=BEFORE,
            assume_role_policy_document=TRUST,
            description=words,
        )
    )


def test_another_trust_policy_takes_the_place_of_the_first(given: Callable[..., Any]) -> None:
    """The same one again changes nothing; the role is looked up before the document is read."""
    update = UpdateAssumeRolePolicy(role_name="READER", policy_document=OTHER_TRUST)
    unknown = UpdateAssumeRolePolicy(role_name="nothing", policy_document="{")

    given(READER).when(update_assume_role_policy, update).then(
        AssumeRolePolicyUpdated(role_id="AROA1", role_name="reader", policy_document=OTHER_TRUST)
    )
    given(READER, update).when(update_assume_role_policy, update).nothing()
    given().when(update_assume_role_policy, unknown).refused(
        NoSuchEntity, "The role with name nothing cannot be found."
    )


# Whom a trust policy names


ARN = "arn:aws:iam::123456789012:user/{}"
CREATED = CreateUser(user_name="alice")
RENAMED = UpdateUser(user_name="alice", new_user_name="bob")
DELETED = DeleteUser(user_name="alice")


def trusting(*names: str) -> str:
    """A trust policy that names these principals."""
    return msgspec.json.encode(
        {"Statement": {"Effect": "Allow", "Principal": {"AWS": names}, "Action": "sts:AssumeRole"}}
    ).decode()


def put(document: str) -> UpdateAssumeRolePolicy:
    return UpdateAssumeRolePolicy(role_name="a", policy_document=document)


ALICE = trusting(ARN.format("alice"))
TRUSTING = (CREATED, role("a", trust=ALICE))  # AIDA1 and AROA1


def test_a_role_keeps_the_ids_of_those_whom_its_trust_policy_names(given: Callable[..., Any]) -> None:
    """The event tells them, beside the document as given."""
    role_arn = "arn:aws:iam::123456789012:role/a"
    both = trusting(role_arn, "AIDA1")

    given(CREATED).when(create_role, role("a", trust=ALICE)).then(
        RoleCreated(
            role_id="AROA1",
            role_name="a",
            path="/",
            created_at=NOW,
            assume_role_policy_document=ALICE,
            principals={ARN.format("alice"): "AIDA1"},
        )
    )
    given(*TRUSTING).when(update_assume_role_policy, put(both)).then(
        AssumeRolePolicyUpdated(
            role_id="AROA1",
            role_name="a",
            policy_document=both,
            principals={role_arn: "AROA1", "AIDA1": "AIDA1"},
        )
    )


@pytest.mark.parametrize(
    ("later", "shown"),
    [([], ALICE), ([RENAMED, CREATED], trusting(ARN.format("bob"))), ([DELETED, CREATED], trusting("AIDA1"))],
)
def test_a_role_is_shown_with_those_whom_it_trusts_as_they_are_called_now(
    given: Callable[..., Any], later: list[Command], shown: str
) -> None:
    """By whatever read, and in the answer of UpdateRoleDescription, which is an event."""
    history = given(*TRUSTING, *later)
    [described] = history.when(
        update_role_description, UpdateRoleDescription(role_name="a", description="Trusts.")
    ).events

    assert get_role(history.account, GetRole(role_name="a")).assume_role_policy_document == shown
    assert [found.assume_role_policy_document for _, found in list_roles(history.account, ListRoles(), "")] == [shown]
    assert described.assume_role_policy_document == shown


@pytest.mark.parametrize(
    ("written", "later", "again"),
    [
        (ALICE, [], ALICE),
        (ALICE, [RENAMED], trusting(ARN.format("bob"))),
        (ALICE, [DELETED], trusting("AIDA1")),
        (ALICE, [DELETED, CREATED], trusting("AIDA1")),
        (trusting("AIDA1"), [], trusting("AIDA1")),
        (trusting("AIDA1"), [], ALICE),
        (trusting("AIDA1"), [DELETED], trusting("AIDA1")),
        (trusting("AIDA1", ARN.format("alice")), [RENAMED], trusting(ARN.format("bob"), ARN.format("bob"))),
    ],
)
def test_a_trust_policy_can_be_put_again_as_it_is_shown(
    given: Callable[..., Any], written: str, later: list[Command], again: str
) -> None:
    """Nothing changes, also where it names somebody who is gone, and where it is over the quota by now."""
    low = Quotas(assume_role_policy_size=len(written))

    given(CREATED, role("a", trust=written), *later, quotas=low).when(update_assume_role_policy, put(again)).nothing()


@pytest.mark.parametrize("later", [[RENAMED, CREATED], [DELETED, CREATED]])
def test_the_same_text_that_means_somebody_else_is_another_trust_policy(
    given: Callable[..., Any], later: list[Command]
) -> None:
    """The user who has the name now is meant from then on."""
    history = given(*TRUSTING, *later)

    history.when(update_assume_role_policy, put(ALICE)).then(
        AssumeRolePolicyUpdated(
            role_id="AROA1", role_name="a", policy_document=ALICE, principals={ARN.format("alice"): "AIDA2"}
        )
    )
    shown = get_role(history.also(put(ALICE)).account, GetRole(role_name="a"))
    assert shown.assume_role_policy_document == ALICE
    history.when(update_assume_role_policy, put(ALICE)).nothing()


@pytest.mark.parametrize(
    ("later", "again", "named"),
    [
        (RENAMED, ALICE, ARN.format("alice")),
        (DELETED, ALICE, ARN.format("alice")),
        (DELETED, trusting("AIDA1") + " ", "AIDA1"),
    ],
)
def test_a_trust_policy_that_names_nobody_is_refused(
    given: Callable[..., Any], later: Command, again: str, named: str
) -> None:
    """Be it the text that the role was made with; one that names an id is the role's own only as it is shown."""
    given(*TRUSTING, later).when(update_assume_role_policy, put(again)).refused(
        MalformedPolicyDocument, f'Invalid principal in policy: "AWS":"{named}"'
    )


def test_a_trust_policy_from_before_ids_were_kept_is_followed_once_it_is_put_again(given: Callable[..., Any]) -> None:
    """Until then it is what is written, and can be put again where it names nobody any more."""
    old = RoleCreated(role_id="AROA9", role_name="a", path="/", created_at=BEFORE, assume_role_policy_document=ALICE)
    history = given(CREATED, old)

    history.when(update_assume_role_policy, put(ALICE)).then(
        AssumeRolePolicyUpdated(
            role_id="AROA9", role_name="a", policy_document=ALICE, principals={ARN.format("alice"): "AIDA1"}
        )
    )
    history.also(RENAMED).when(update_assume_role_policy, put(ALICE)).nothing()
    assert get_role(history.account, GetRole(role_name="a")).assume_role_policy_document == ALICE


# Deletion


IN_PROFILE = AddRoleToInstanceProfile(instance_profile_name="web", role_name="reader")
HANGING: list[tuple[Command, Command, str]] = [
    (
        IN_PROFILE,
        RemoveRoleFromInstanceProfile(instance_profile_name="web", role_name="reader"),
        "Cannot delete entity, must remove roles from instance profile first.",
    ),
    (
        AttachRolePolicy(role_name="reader", policy_arn=ADMIN),
        DetachRolePolicy(role_name="reader", policy_arn=ADMIN),
        "Cannot delete entity, must detach all policies first.",
    ),
    (
        PutRolePolicy(role_name="reader", policy_name="own", policy_document=ALLOW),
        DeleteRolePolicy(role_name="reader", policy_name="own"),
        "Cannot delete entity, must delete policies first.",
    ),
]


def test_a_role_that_something_hangs_from_is_not_deleted(given: Callable[..., Any]) -> None:
    """Each thing blocks alone, and once it is gone blocks no more; with all of them the first is told."""
    begun = given(CreateInstanceProfile(instance_profile_name="web"), READER)
    for hung, _, _ in HANGING:
        begun.also(hung)
    for _, removed, message in HANGING:
        begun.when(delete_role, DeleteRole(role_name="reader")).refused(DeleteConflict, message)
        begun.also(removed)

    begun.when(delete_role, DeleteRole(role_name="READER")).then(RoleDeleted(role_id="AROA1", role_name="reader"))


def test_tags_and_boundary_go_with_the_role(given: Callable[..., Any], contents: Callable[..., Any]) -> None:
    """They block nothing, and leave nothing behind."""
    tagged = role("a", tags=(Tag("a", "b"),), permissions_boundary=ADMIN)
    left = given(tagged, DeleteRole(role_name="a")).account

    given(tagged).when(delete_role, DeleteRole(role_name="a")).then(
        RoleDeleted(role_id="AROA1", role_name="a", permissions_boundary=ADMIN)
    )
    assert contents(left) == {}


@pytest.mark.parametrize(
    "command",
    [
        DeleteRole(role_name="x"),
        UpdateRole(role_name="x"),
        UpdateRole(role_name="x", max_session_duration=3600),
        UpdateRoleDescription(role_name="x", description=""),
        TagRole(role_name="x", tags=(Tag("a", ""),)),
        UntagRole(role_name="x", tag_keys=("a",)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_role_that_is_not_there_is_not_found(given: Callable[..., Any], decisions: Any, command: Command) -> None:
    """NoSuchEntity names it as the caller did."""
    given(READER).when(decisions[type(command)], command).refused(NoSuchEntity, "The role with name x cannot be found.")


# Tags


def test_a_tag_key_in_another_spelling_replaces_the_first(given: Callable[..., Any]) -> None:
    """Keys of role tags ignore case, in tagging and in untagging."""
    tagged = given(role("a", tags=(Tag("Team", "red"), Tag("z", ""))))
    command = TagRole(role_name="A", tags=(Tag("TEAM", "red"), Tag("z", "")))

    tagged.when(tag_thing, command).then(RoleTagged(role_id="AROA1", role_name="a", tags=(Tag("TEAM", "red"),)))
    assert [tag.key for _, tag in list_thing_tags(tagged.also(command).account, ListRoleTags(role_name="a"), "")] == [
        "z",
        "TEAM",
    ]
    tagged.when(untag_thing, UntagRole(role_name="a", tag_keys=("team", "absent"))).then(
        RoleUntagged(role_id="AROA1", role_name="a", tag_keys=("team",))
    )


# Roles of services


@pytest.mark.parametrize(
    "command",
    [
        DeleteRole(role_name="awsserviceroleforsupport"),
        UpdateRole(role_name=SUPPORT, max_session_duration=7200),
        UpdateAssumeRolePolicy(role_name=SUPPORT, policy_document=OTHER_TRUST),
        AttachRolePolicy(role_name=SUPPORT, policy_arn=ADMIN),
        DetachRolePolicy(role_name=SUPPORT, policy_arn=ADMIN),
        PutRolePolicy(role_name=SUPPORT, policy_name="own", policy_document=ALLOW),
        DeleteRolePolicy(role_name=SUPPORT, policy_name="own"),
        PutRolePermissionsBoundary(role_name=SUPPORT, permissions_boundary=ADMIN),
        DeleteRolePermissionsBoundary(role_name=SUPPORT),
        AddRoleToInstanceProfile(instance_profile_name="web", role_name=SUPPORT),
        RemoveRoleFromInstanceProfile(instance_profile_name="web", role_name=SUPPORT),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_services_role_is_modifiable_by_aws_only(given: Callable[..., Any], decisions: Any, command: Command) -> None:
    """Whatever would change what it may do, who may be it, or that it is."""
    begun = given(LINKED, CreateInstanceProfile(instance_profile_name="web"))

    begun.when(decisions[type(command)], command).refused(UnmodifiableEntity, PROTECTED)


@pytest.mark.parametrize(
    "command",
    [
        UpdateRole(role_name=SUPPORT, description="Helps."),
        UpdateRoleDescription(role_name=SUPPORT, description="Helps."),
        TagRole(role_name=SUPPORT, tags=(Tag("a", ""),)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_services_role_can_be_described_and_tagged(
    given: Callable[..., Any], decisions: Any, command: Command
) -> None:
    """AWS lets its callers do that much."""
    assert len(given(LINKED).when(decisions[type(command)], command).events) == 1
