"""Users: their names, ids, renames, deletion, boundary, and how they are listed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iam.attached_policies import (
    AttachUserPolicy,
    DetachUserPolicy,
    ListAttachedUserPolicies,
    attach_policy,
    list_attached_policies,
)
from iam.boundaries import (
    DeleteUserPermissionsBoundary,
    PutUserPermissionsBoundary,
    delete_permissions_boundary,
    put_permissions_boundary,
)
from iam.commands import Command
from iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    IamError,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    PolicyNotAttachable,
)
from iam.events.users import (
    UserCreated,
    UserDeleted,
    UserPermissionsBoundaryDeleted,
    UserPermissionsBoundaryPut,
    UserUpdated,
)
from iam.inline_policies import DeleteUserPolicy, ListUserPolicies, PutUserPolicy, list_inline_policies
from iam.policies import CreatePolicy, DeletePolicy, delete_policy
from iam.quotas import Quotas
from iam.relations import Tag
from iam.tags import list_thing_tags
from iam.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUsers,
    ListUserTags,
    TagUser,
    UpdateUser,
    User,
    create_user,
    delete_user,
    get_user,
    list_users,
    update_user,
)

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
RESERVED = "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"
ABSENT = "arn:aws:iam::123456789012:policy/absent"
BOUNDS = "arn:aws:iam::123456789012:policy/bounds"

ALICE = CreateUser(user_name="alice")
BOB = CreateUser(user_name="Bob", path="/div/")
BOUND = PutUserPermissionsBoundary(user_name="alice", permissions_boundary=ADMIN)


def scope(arn: str) -> str:
    return f"Scope ARN: {arn} does not exist or is not attachable."


# Creation


def test_a_user_is_created_with_all_it_was_given(given: Callable[..., Any]) -> None:
    """Tags stay in the caller's order, spelling as sent; id and date come from outside."""
    tags = (Tag("Team", "a"), Tag("env", ""))
    command = CreateUser(user_name="Alice", path="/a//b/", permissions_boundary=ADMIN, tags=tags)

    given().when(create_user, command).then(
        UserCreated(
            user_id="AIDA1",
            user_name="Alice",
            path="/a//b/",
            created_at=NOW,
            tags=tags,
            permissions_boundary=ADMIN,
        )
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (
            CreateUser(
                user_name="ALICE",
                permissions_boundary="x",
                tags=(Tag("AWS:a", ""), Tag("aws:A", "")),
            ),
            InvalidInput,
            "Tag keys beginning with aws: are reserved for system use.",
        ),
        (
            CreateUser(user_name="ALICE", permissions_boundary="x", tags=(Tag("a", ""), Tag("A", ""))),
            InvalidInput,
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        (CreateUser(user_name="ALICE", permissions_boundary="x"), InvalidInput, "ARN x is not valid."),
        (
            CreateUser(user_name="ALICE", path="/else/", permissions_boundary=ABSENT),
            EntityAlreadyExists,
            "User with name ALICE already exists.",
        ),
        (
            CreateUser(user_name="carol", permissions_boundary=ABSENT),
            LimitExceeded,
            "Cannot exceed quota for UsersPerAccount: 1",
        ),
    ],
    ids=["reserved key", "repeated key", "boundary no ARN", "name taken", "quota"],
)
def test_refusals_of_create_user_stand_in_their_order(
    given: Callable[..., Any], command: CreateUser, refusal: type[IamError], message: str
) -> None:
    """Each row also has the fault of a later one, and the earlier guard answers."""
    given(ALICE, quotas=Quotas(users_per_account=1)).when(create_user, command).refused(refusal, message)


@pytest.mark.parametrize("arn", [ABSENT, "arn:aws:s3:::bucket", "arn:aws:iam::210987654321:policy/theirs"])
def test_a_boundary_is_a_policy_that_is_there(given: Callable[..., Any], arn: str) -> None:
    """Creating with a boundary and setting one later refuse alike."""
    created = CreateUser(user_name="bob", permissions_boundary=arn)
    put = PutUserPermissionsBoundary(user_name="alice", permissions_boundary=arn)

    given(ALICE).when(create_user, created).refused(NoSuchEntity, scope(arn))
    given(ALICE).when(put_permissions_boundary, put).refused(NoSuchEntity, scope(arn))


@pytest.mark.parametrize("resource", ["group/staff", "policy", "policies/bounds", "root"])
def test_something_else_of_iam_is_no_boundary(given: Callable[..., Any], resource: str) -> None:
    """The ARN's form is refused before the user is looked for, in creating and in setting one later."""
    arn = f"arn:aws:iam::123456789012:{resource}"
    for decide, command in (
        (create_user, CreateUser(user_name="bob", permissions_boundary=arn)),
        (put_permissions_boundary, PutUserPermissionsBoundary(user_name="nobody", permissions_boundary=arn)),
    ):
        given(ALICE).when(decide, command).refused(InvalidInput, f"ARN {arn} is not valid.")


def test_a_policy_that_aws_keeps_for_itself_is_no_boundary(given: Callable[..., Any]) -> None:
    """Creating with a boundary, setting one later and attaching refuse alike."""
    message = "Cannot attach AWS reserved policy to an IAM user."
    for decide, command in (
        (create_user, CreateUser(user_name="bob", permissions_boundary=RESERVED)),
        (put_permissions_boundary, PutUserPermissionsBoundary(user_name="alice", permissions_boundary=RESERVED)),
        (attach_policy, AttachUserPolicy(user_name="alice", policy_arn=RESERVED)),
    ):
        given(ALICE).when(decide, command).refused(PolicyNotAttachable, message)


def test_a_name_is_free_again_after_deletion_and_the_id_is_not(given: Callable[..., Any]) -> None:
    """Whoever is called alice now is someone else than before."""
    given(ALICE, DeleteUser(user_name="ALICE")).when(create_user, ALICE).then(
        UserCreated(user_id="AIDA2", user_name="alice", path="/", created_at=NOW)
    )


# Reading


def test_a_user_is_found_ignoring_case_and_shown_as_stored(given: Callable[..., Any]) -> None:
    """The ARN has the stored spelling; tags are listed shorter keys first."""
    tags = TagUser(user_name="bob", tags=(Tag("abc", "1"), Tag("z", "2"), Tag("B", "3")))
    bound = PutUserPermissionsBoundary(user_name="BOB", permissions_boundary=ADMIN)

    assert get_user(given(BOB, tags, bound).account, GetUser(user_name="bOb")) == User(
        user_id="AIDA1",
        user_name="Bob",
        path="/div/",
        arn="arn:aws:iam::123456789012:user/div/Bob",
        created_at=BEFORE,
        tags=(Tag("B", "3"), Tag("z", "2"), Tag("abc", "1")),
        permissions_boundary=ADMIN,
    )


def test_without_a_name_the_root_user_is_shown(given: Callable[..., Any]) -> None:
    """Its id is the account's, and it has neither name nor path."""
    assert get_user(given().account, GetUser()) == User("123456789012", "", "", "arn:aws:iam::123456789012:root", None)


@pytest.mark.parametrize(
    "read",
    [
        lambda state: get_user(state, GetUser(user_name="Nobody")),
        lambda state: list_thing_tags(state, ListUserTags(user_name="Nobody"), ""),
        lambda state: list_inline_policies(state, ListUserPolicies(user_name="Nobody"), ""),
        lambda state: list_attached_policies(state, ListAttachedUserPolicies(user_name="Nobody"), ""),
    ],
    ids=["GetUser", "ListUserTags", "ListUserPolicies", "ListAttachedUserPolicies"],
)
def test_reading_an_unknown_user_is_refused_at_once(given: Callable[..., Any], read: Callable[[Any], Any]) -> None:
    """A list refuses when it is asked for, not when its first item is taken."""
    with pytest.raises(NoSuchEntity) as refused:
        read(given(ALICE).account)

    assert refused.value.message == "The user with name Nobody cannot be found."


def listed(account: Any, prefix: str = "/", after: str = "") -> list[str]:
    return [user.user_name for _, user in list_users(account, ListUsers(path_prefix=prefix), after)]


def test_users_are_listed_by_name_ignoring_case(given: Callable[..., Any]) -> None:
    """Paths play no part in the order, nor does the order of creation."""
    account = given(CreateUser(user_name="carol"), BOB, ALICE, CreateUser(user_name="_x", path="/z/")).account

    assert listed(account) == ["_x", "alice", "Bob", "carol"]


@pytest.mark.parametrize(
    ("prefix", "names"),
    [("/", ["a", "b", "c"]), ("/di", ["b", "c"]), ("/div/", ["b"]), ("/div/x", []), ("/DIV/", [])],
)
def test_a_path_prefix_is_a_prefix_of_the_text(given: Callable[..., Any], prefix: str, names: list[str]) -> None:
    """It need not end at a slash, and it knows case."""
    users = (("a", "/"), ("b", "/div/"), ("c", "/division/"))
    account = given(*[CreateUser(user_name=name, path=path) for name, path in users]).account

    assert listed(account, prefix) == names


def test_a_list_goes_on_behind_its_key_whatever_came_and_went(given: Callable[..., Any]) -> None:
    """The user at which a page ended may be gone, and who came before it is not shown late."""
    users = given(*[CreateUser(user_name=name) for name in ("bob", "Dave", "fred", "Hugo")])
    first = list(list_users(users.account, ListUsers(), ""))[:2]
    after = first[-1][0]
    users.also(
        DeleteUser(user_name="dave"),
        DeleteUser(user_name="fred"),
        CreateUser(user_name="alice"),
        CreateUser(user_name="Gina"),
    )

    assert [user.user_name for _, user in first] == ["bob", "Dave"]
    assert listed(users.account, after=after) == ["Gina", "Hugo"]


# Renaming


@pytest.mark.parametrize(
    ("command", "name", "path"),
    [
        (UpdateUser(user_name="BOB", new_user_name="Robert"), "Robert", "/div/"),
        (UpdateUser(user_name="bob", new_path="/"), "Bob", "/"),
        (UpdateUser(user_name="bob", new_user_name="Robert", new_path="/x/"), "Robert", "/x/"),
        (UpdateUser(user_name="bob", new_user_name="Bob", new_path="/x/"), "Bob", "/x/"),
    ],
    ids=["name", "path", "both", "path and the same name"],
)
def test_a_user_moves_under_its_id(given: Callable[..., Any], command: UpdateUser, name: str, path: str) -> None:
    """The event says what it was before, in the stored spelling."""
    given(ALICE, BOB).when(update_user, command).then(
        UserUpdated(
            user_id="AIDA2",
            user_name=name,
            path=path,
            previous_user_name="Bob",
            previous_path="/div/",
            created_at=BEFORE + timedelta(minutes=1),
        )
    )


@pytest.mark.parametrize(
    "command",
    [
        UpdateUser(user_name="bob"),
        UpdateUser(user_name="bob", new_user_name="Bob"),
        UpdateUser(user_name="bob", new_user_name="Bob", new_path="/div/"),
    ],
)
def test_an_update_that_says_nothing_new_changes_nothing(given: Callable[..., Any], command: UpdateUser) -> None:
    """Neither parameter is required."""
    given(BOB).when(update_user, command).nothing()


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (
            UpdateUser(user_name="nobody", new_user_name="ALICE"),
            NoSuchEntity,
            "The user with name nobody cannot be found.",
        ),
        (
            UpdateUser(user_name="bob", new_user_name="ALICE", new_path="/x/"),
            EntityAlreadyExists,
            "User with name ALICE already exists.",
        ),
        (
            UpdateUser(user_name="bob", new_user_name="BOB"),
            EntityAlreadyExists,
            "User with name BOB already exists.",
        ),
    ],
    ids=["unknown", "taken", "another spelling of its own name"],
)
def test_refusals_of_update_user_stand_in_their_order(
    given: Callable[..., Any], command: UpdateUser, refusal: type[IamError], message: str
) -> None:
    """A name is taken in every spelling, also by the user itself."""
    given(ALICE, BOB).when(update_user, command).refused(refusal, message)


def test_all_that_hangs_from_a_user_stays_with_it(given: Callable[..., Any]) -> None:
    """Id, creation date, tags, boundary and policies keep; the ARN and the name change, and the old name is free."""
    account = given(
        ALICE,
        TagUser(user_name="alice", tags=(Tag("team", "a"),)),
        BOUND,
        AttachUserPolicy(user_name="alice", policy_arn=READ_ONLY),
        PutUserPolicy(user_name="alice", policy_name="Own", policy_document=ALLOW),
        UpdateUser(user_name="alice", new_user_name="Lisa", new_path="/new/"),
    ).account

    assert get_user(account, GetUser(user_name="lisa")) == User(
        "AIDA1", "Lisa", "/new/", "arn:aws:iam::123456789012:user/new/Lisa", BEFORE, (Tag("team", "a"),), ADMIN
    )
    attached = list_attached_policies(account, ListAttachedUserPolicies(user_name="lisa"), "")
    assert [policy.policy_arn for _, policy in attached] == [READ_ONLY]
    assert [name for _, name in list_inline_policies(account, ListUserPolicies(user_name="lisa"), "")] == ["Own"]
    assert listed(account) == ["Lisa"]


# Deletion


def test_a_user_is_deleted_with_its_tags_and_its_boundary(given: Callable[..., Any]) -> None:
    """Neither blocks; the event says which boundary ended, so that its policy becomes free."""
    history = given(
        CreatePolicy(policy_name="bounds", policy_document=ALLOW),
        CreateUser(user_name="Alice", permissions_boundary=BOUNDS, tags=(Tag("team", "a"),)),
    )

    history.when(delete_user, DeleteUser(user_name="alice")).then(
        UserDeleted(user_id="AIDA1", user_name="Alice", permissions_boundary=BOUNDS)
    )
    assert history.also(DeleteUser(user_name="alice")).when(delete_policy, DeletePolicy(policy_arn=BOUNDS)).events


def test_refusals_of_delete_user_stand_in_their_order(given: Callable[..., Any]) -> None:
    """Attached policies are reported before inline ones; with neither left the user goes."""
    user = given(
        ALICE,
        PutUserPolicy(user_name="alice", policy_name="own", policy_document=ALLOW),
        AttachUserPolicy(user_name="alice", policy_arn=ADMIN),
    )
    delete = DeleteUser(user_name="alice")

    user.when(delete_user, DeleteUser(user_name="bob")).refused(NoSuchEntity, "The user with name bob cannot be found.")
    user.when(delete_user, delete).refused(DeleteConflict, "Cannot delete entity, must detach all policies first.")
    user.also(DetachUserPolicy(user_name="alice", policy_arn=ADMIN))
    user.when(delete_user, delete).refused(DeleteConflict, "Cannot delete entity, must delete policies first.")
    user.also(DeleteUserPolicy(user_name="alice", policy_name="own"))
    user.when(delete_user, delete).then(UserDeleted(user_id="AIDA1", user_name="alice"))


# Boundary


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (
            PutUserPermissionsBoundary(user_name="nobody", permissions_boundary="not-an-arn"),
            InvalidInput,
            "ARN not-an-arn is not valid.",
        ),
        (
            PutUserPermissionsBoundary(user_name="nobody", permissions_boundary=ABSENT),
            NoSuchEntity,
            "The user with name nobody cannot be found.",
        ),
        (PutUserPermissionsBoundary(user_name="alice", permissions_boundary=ABSENT), NoSuchEntity, scope(ABSENT)),
    ],
    ids=["no ARN", "unknown user", "unknown policy"],
)
def test_refusals_of_a_boundary_stand_in_their_order(
    given: Callable[..., Any], command: Command, refusal: type[IamError], message: str
) -> None:
    """What is no ARN is InvalidInput here, though it is ValidationError where policies are attached."""
    given(ALICE).when(put_permissions_boundary, command).refused(refusal, message)


def test_a_boundary_replaces_the_one_before(given: Callable[..., Any]) -> None:
    """The event names both; setting the same one again is fine and changes nothing."""
    other = PutUserPermissionsBoundary(user_name="ALICE", permissions_boundary=READ_ONLY)

    given(ALICE).when(put_permissions_boundary, BOUND).then(
        UserPermissionsBoundaryPut(user_id="AIDA1", user_name="alice", permissions_boundary=ADMIN)
    )
    given(ALICE, BOUND).when(put_permissions_boundary, BOUND).nothing()
    given(ALICE, BOUND).when(put_permissions_boundary, other).then(
        UserPermissionsBoundaryPut(
            user_id="AIDA1",
            user_name="alice",
            permissions_boundary=READ_ONLY,
            previous_permissions_boundary=ADMIN,
        )
    )


def test_a_boundary_is_lifted_once(given: Callable[..., Any]) -> None:
    """AWS refuses when there is none, or no such user."""
    lift = DeleteUserPermissionsBoundary(user_name="ALICE")

    given(ALICE, BOUND).when(delete_permissions_boundary, lift).then(
        UserPermissionsBoundaryDeleted(user_id="AIDA1", user_name="alice", permissions_boundary=ADMIN)
    )
    given(ALICE, BOUND, lift).when(delete_permissions_boundary, lift).refused(
        NoSuchEntity, "The user with name alice does not have a permissions boundary."
    )
    given().when(delete_permissions_boundary, lift).refused(NoSuchEntity, "The user with name ALICE cannot be found.")
