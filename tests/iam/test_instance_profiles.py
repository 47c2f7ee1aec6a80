"""Instance profiles: their names, their one role, their tags."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iam.commands import Command
from iam.errors import DeleteConflict, EntityAlreadyExists, IamError, InvalidInput, LimitExceeded, NoSuchEntity
from iam.events.instance_profiles import (
    InstanceProfileCreated,
    InstanceProfileDeleted,
    InstanceProfileTagged,
    InstanceProfileUntagged,
    RoleAddedToInstanceProfile,
    RoleRemovedFromInstanceProfile,
)
from iam.instance_profiles import (
    AddRoleToInstanceProfile,
    CreateInstanceProfile,
    DeleteInstanceProfile,
    GetInstanceProfile,
    InstanceProfile,
    ListInstanceProfiles,
    ListInstanceProfilesForRole,
    ListInstanceProfileTags,
    RemoveRoleFromInstanceProfile,
    TagInstanceProfile,
    UntagInstanceProfile,
    add_role_to_instance_profile,
    create_instance_profile,
    delete_instance_profile,
    get_instance_profile,
    list_instance_profiles,
    list_instance_profiles_for_role,
    remove_role_from_instance_profile,
)
from iam.quotas import Quotas
from iam.relations import Tag
from iam.roles import CreateRole, GetRole, get_role
from iam.tags import list_thing_tags, tag_thing, untag_thing

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
TRUST = '{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}'
WEB = CreateInstanceProfile(instance_profile_name="Web", path="/ec2/")
BATCH = CreateInstanceProfile(instance_profile_name="batch")
SERVER = CreateRole(role_name="Server", assume_role_policy_document=TRUST)
OTHER = CreateRole(role_name="other", assume_role_policy_document=TRUST)
ADDED = AddRoleToInstanceProfile(instance_profile_name="web", role_name="server")
NO_PROFILE = "Instance Profile x cannot be found."
FULL = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"


def test_an_instance_profile_is_created_with_all_it_was_given(given: Callable[..., Any]) -> None:
    """Tags stay in the caller's order."""
    tags = (Tag("b", "1"), Tag("a", ""))
    command = CreateInstanceProfile(instance_profile_name="Web", path="/ec2/", tags=tags)

    given().when(create_instance_profile, command).then(
        InstanceProfileCreated(
            instance_profile_id="AIPA1", instance_profile_name="Web", path="/ec2/", created_at=NOW, tags=tags
        )
    )


@pytest.mark.parametrize(
    ("command", "refusal", "message"),
    [
        (
            CreateInstanceProfile(instance_profile_name="WEB", tags=(Tag("a", ""), Tag("a", "b"))),
            InvalidInput,
            "Duplicate tag keys found.",
        ),
        (
            CreateInstanceProfile(instance_profile_name="WEB"),
            EntityAlreadyExists,
            "Instance Profile WEB already exists.",
        ),
        (BATCH, LimitExceeded, "Cannot exceed quota for InstanceProfilesPerAccount: 1"),
    ],
    ids=["repeated key", "name taken", "quota"],
)
def test_refusals_of_creation_stand_in_their_order(
    given: Callable[..., Any], command: CreateInstanceProfile, refusal: type[IamError], message: str
) -> None:
    """Each row also has the fault of a later one; names are taken in any spelling, on any path."""
    quotas = Quotas(instance_profiles_per_account=1)

    given(WEB, quotas=quotas).when(create_instance_profile, command).refused(refusal, message)


def test_a_profile_is_shown_with_its_role(given: Callable[..., Any]) -> None:
    """Found in any case, and shown as stored; the role as it is now."""
    account = given(WEB, SERVER, ADDED, BATCH).account
    role = get_role(account, GetRole(role_name="server"))

    assert get_instance_profile(account, GetInstanceProfile(instance_profile_name="wEB")) == InstanceProfile(
        instance_profile_id="AIPA1",
        instance_profile_name="Web",
        path="/ec2/",
        arn="arn:aws:iam::123456789012:instance-profile/ec2/Web",
        created_at=BEFORE,
        roles=(role,),
    )
    assert get_instance_profile(account, GetInstanceProfile(instance_profile_name="batch")).roles == ()


def names(found: Any) -> list[str]:
    return [profile.instance_profile_name for _, profile in found]


def test_profiles_are_listed_by_name(given: Callable[..., Any]) -> None:
    """All of them, those under a prefix, and those that a role is in."""
    again = AddRoleToInstanceProfile(instance_profile_name="batch", role_name="server")
    account = given(WEB, BATCH, SERVER, OTHER, ADDED, again).account

    assert names(list_instance_profiles(account, ListInstanceProfiles(), "")) == ["batch", "Web"]
    assert names(list_instance_profiles(account, ListInstanceProfiles(path_prefix="/ec"), "")) == ["Web"]
    assert names(list_instance_profiles(account, ListInstanceProfiles(), "batch")) == ["Web"]
    server = ListInstanceProfilesForRole(role_name="SERVER")
    assert names(list_instance_profiles_for_role(account, server, "")) == ["batch", "Web"]
    assert names(list_instance_profiles_for_role(account, server, "batch")) == ["Web"]
    assert names(list_instance_profiles_for_role(account, ListInstanceProfilesForRole(role_name="other"), "")) == []


def test_a_role_is_added_to_and_removed_from_a_profile(given: Callable[..., Any]) -> None:
    """Events have the ids, and the names as stored."""
    told = {"instance_profile_id": "AIPA1", "instance_profile_name": "Web", "role_id": "AROA1", "role_name": "Server"}
    removed = RemoveRoleFromInstanceProfile(instance_profile_name="WEB", role_name="SERVER")

    given(WEB, SERVER).when(add_role_to_instance_profile, ADDED).then(RoleAddedToInstanceProfile(**told))
    given(WEB, SERVER, ADDED).when(remove_role_from_instance_profile, removed).then(
        RoleRemovedFromInstanceProfile(**told)
    )


@pytest.mark.parametrize("name", ["server", "other"])
def test_a_profile_takes_one_role_only(given: Callable[..., Any], name: str) -> None:
    """A second one is refused, and so is the first one a second time."""
    command = AddRoleToInstanceProfile(instance_profile_name="Web", role_name=name)

    given(WEB, SERVER, OTHER, ADDED).when(add_role_to_instance_profile, command).refused(LimitExceeded, FULL)


def test_a_role_that_is_not_in_the_profile_cannot_be_removed(given: Callable[..., Any]) -> None:
    """The refusal names both, in the caller's spelling."""
    command = RemoveRoleFromInstanceProfile(instance_profile_name="WEB", role_name="OTHER")

    given(WEB, SERVER, OTHER, ADDED).when(remove_role_from_instance_profile, command).refused(
        NoSuchEntity, "Role OTHER in Instance Profile WEB cannot be found."
    )


def test_a_profile_with_a_role_is_not_deleted(given: Callable[..., Any], contents: Callable[..., Any]) -> None:
    """Tags go with the profile, and nothing is left behind."""
    tagged = TagInstanceProfile(instance_profile_name="web", tags=(Tag("a", "b"),))
    command = DeleteInstanceProfile(instance_profile_name="WEB")

    given(WEB, SERVER, ADDED).when(delete_instance_profile, command).refused(
        DeleteConflict, "Cannot delete entity, must remove roles from instance profile first."
    )
    given(WEB, tagged).when(delete_instance_profile, command).then(
        InstanceProfileDeleted(instance_profile_id="AIPA1", instance_profile_name="Web")
    )
    assert contents(given(WEB, tagged, command).account) == {}


def test_tag_keys_that_differ_in_case_are_two(given: Callable[..., Any]) -> None:
    """In making, in tagging and in untagging."""
    told = {"instance_profile_id": "AIPA1", "instance_profile_name": "Web"}
    command = TagInstanceProfile(instance_profile_name="web", tags=(Tag("TEAM", "red"), Tag("Team", "blue")))
    tagged = given(CreateInstanceProfile(instance_profile_name="Web", tags=(Tag("Team", "blue"), Tag("z", ""))))

    tagged.when(tag_thing, command).then(InstanceProfileTagged(**told, tags=(Tag("TEAM", "red"),)))
    listed = list_thing_tags(tagged.also(command).account, ListInstanceProfileTags(instance_profile_name="web"), "")
    assert [tag for _, tag in listed] == [Tag("z", ""), Tag("TEAM", "red"), Tag("Team", "blue")]
    tagged.when(untag_thing, UntagInstanceProfile(instance_profile_name="web", tag_keys=("team", "TEAM"))).then(
        InstanceProfileUntagged(**told, tag_keys=("TEAM",))
    )


@pytest.mark.parametrize(
    "command",
    [
        DeleteInstanceProfile(instance_profile_name="x"),
        AddRoleToInstanceProfile(instance_profile_name="x", role_name="nothing"),
        RemoveRoleFromInstanceProfile(instance_profile_name="x", role_name="nothing"),
        TagInstanceProfile(instance_profile_name="x", tags=(Tag("a", ""),)),
        UntagInstanceProfile(instance_profile_name="x", tag_keys=("a",)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_profile_that_is_not_there_is_not_found(given: Callable[..., Any], decisions: Any, command: Command) -> None:
    """The profile is looked up before the role."""
    given(WEB).when(decisions[type(command)], command).refused(NoSuchEntity, NO_PROFILE)


@pytest.mark.parametrize("kind", [AddRoleToInstanceProfile, RemoveRoleFromInstanceProfile])
def test_a_role_that_is_not_there_is_not_found(given: Callable[..., Any], decisions: Any, kind: type[Any]) -> None:
    """Of a profile that is."""
    given(WEB).when(decisions[kind], kind(instance_profile_name="web", role_name="x")).refused(
        NoSuchEntity, "The role with name x cannot be found."
    )
