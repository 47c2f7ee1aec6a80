"""Instance profiles through boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
LISTED = {"Path", "InstanceProfileName", "InstanceProfileId", "Arn", "CreateDate", "Roles"}
BARE_ROLE = {"Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument"}
TAGS = [{"Key": "team", "Value": "red"}, {"Key": "a", "Value": ""}]
NOT_FOUND = (404, "NoSuchEntity", "Instance Profile nothing cannot be found.")


@pytest.fixture
def web(iam: Any) -> Any:
    """A client of an account with an instance profile `Web`, in which the role `server` is."""
    iam.create_role(RoleName="server", AssumeRolePolicyDocument=TRUST, Description="Serves.")
    iam.create_instance_profile(InstanceProfileName="Web", Path="/ec2/", Tags=TAGS)
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="SERVER")
    return iam


def test_a_created_profile_is_answered_with_what_it_was_given(iam: Any, account: Account) -> None:
    """It has no roles, and tags only where some were given."""
    created = iam.create_instance_profile(InstanceProfileName="Web", Path="/ec2/", Tags=TAGS)["InstanceProfile"]
    assert created.keys() == {*LISTED, "Tags"}
    assert (created["InstanceProfileId"][:4], len(created["InstanceProfileId"])) == ("AIPA", 21)
    assert created["Arn"] == f"arn:aws:iam::{account.id}:instance-profile/ec2/Web"
    assert (created["Roles"], created["Tags"]) == ([], TAGS)
    bare = iam.create_instance_profile(InstanceProfileName="bare")["InstanceProfile"]
    assert (bare.keys(), bare["Path"]) == (LISTED, "/")


def test_a_profile_is_shown_with_its_role_and_its_tags(web: Any) -> None:
    """In any case of the name; the role without description and duration."""
    shown = web.get_instance_profile(InstanceProfileName="WEB")["InstanceProfile"]
    assert shown.keys() == {*LISTED, "Tags"}
    assert (shown["InstanceProfileName"], shown["Tags"]) == ("Web", TAGS[::-1])
    [role] = shown["Roles"]
    assert role.keys() == BARE_ROLE
    assert role["RoleName"] == "server"


def test_profiles_are_listed_without_tags(web: Any) -> None:
    """By name, in pages, under a prefix, and for a role."""
    web.create_instance_profile(InstanceProfileName="batch")
    found = web.list_instance_profiles()["InstanceProfiles"]
    assert [(profile["InstanceProfileName"], len(profile["Roles"])) for profile in found] == [("batch", 0), ("Web", 1)]
    assert [profile.keys() for profile in found] == [LISTED, LISTED]
    assert web.list_instance_profiles(PathPrefix="/ec2/")["InstanceProfiles"] == found[1:]
    assert web.list_instance_profiles_for_role(RoleName="server")["InstanceProfiles"] == found[1:]
    pages = web.get_paginator("list_instance_profiles").paginate(PaginationConfig={"PageSize": 1})
    assert [page["InstanceProfiles"] for page in pages] == [found[:1], found[1:]]


def test_a_profile_takes_one_role(web: Any, refused: Refused) -> None:
    """Any second one is over the quota, be it the same."""
    web.create_role(RoleName="other", AssumeRolePolicyDocument=TRUST)
    full = (409, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    for name in ("other", "server"):
        assert refused(web.add_role_to_instance_profile, InstanceProfileName="Web", RoleName=name) == full


def test_a_profile_with_a_role_is_not_deleted(web: Any, refused: Refused) -> None:
    """Nor is the role; a role that is not in the profile is not found."""
    message = "Cannot delete entity, must remove roles from instance profile first."
    assert refused(web.delete_instance_profile, InstanceProfileName="web") == (409, "DeleteConflict", message)
    assert refused(web.delete_role, RoleName="server") == (409, "DeleteConflict", message)
    web.remove_role_from_instance_profile(InstanceProfileName="web", RoleName="server")
    again = refused(web.remove_role_from_instance_profile, InstanceProfileName="web", RoleName="server")
    assert again == (404, "NoSuchEntity", "Role server in Instance Profile web cannot be found.")
    web.delete_instance_profile(InstanceProfileName="WEB")
    assert web.list_instance_profiles()["InstanceProfiles"] == []
    web.delete_role(RoleName="server")


def test_a_name_is_taken_in_every_spelling(web: Any, refused: Refused) -> None:
    """On every path."""
    taken = (409, "EntityAlreadyExists", "Instance Profile WEB already exists.")
    assert refused(web.create_instance_profile, InstanceProfileName="WEB", Path="/else/") == taken


def test_tag_keys_that_differ_in_case_are_two(web: Any) -> None:
    """As of all that has tags but users and roles."""
    web.tag_instance_profile(InstanceProfileName="web", Tags=[{"Key": "Team", "Value": "blue"}])
    tags = web.list_instance_profile_tags(InstanceProfileName="web")
    assert (tags["Tags"], tags["IsTruncated"]) == ([TAGS[1], {"Key": "Team", "Value": "blue"}, TAGS[0]], False)
    web.untag_instance_profile(InstanceProfileName="web", TagKeys=["TEAM", "a", "Team"])
    assert web.get_instance_profile(InstanceProfileName="web")["InstanceProfile"]["Tags"] == TAGS[:1]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("get_instance_profile", {}),
        ("delete_instance_profile", {}),
        ("add_role_to_instance_profile", {"RoleName": "server"}),
        ("remove_role_from_instance_profile", {"RoleName": "server"}),
        ("tag_instance_profile", {"Tags": TAGS}),
        ("untag_instance_profile", {"TagKeys": ["a"]}),
        ("list_instance_profile_tags", {}),
    ],
)
def test_a_profile_that_is_not_there_is_not_found(
    iam: Any, refused: Refused, method: str, parameters: dict[str, Any]
) -> None:
    """NoSuchEntity, everywhere alike."""
    assert refused(getattr(iam, method), InstanceProfileName="nothing", **parameters) == NOT_FOUND


def test_roles_that_are_not_there_are_not_found(web: Any, refused: Refused) -> None:
    """By those operations that name a role."""
    not_found = (404, "NoSuchEntity", "The role with name nothing cannot be found.")
    assert refused(web.list_instance_profiles_for_role, RoleName="nothing") == not_found
    assert refused(web.add_role_to_instance_profile, InstanceProfileName="web", RoleName="nothing") == not_found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "a b",
            "The specified value for instanceProfileName is invalid. It must contain only alphanumeric characters "
            "and/or the following: +=,.@_-",
        ),
        (
            "a" * 129,
            "1 validation error detected: Value at 'instanceProfileName' failed to satisfy constraint: "
            "Member must have length less than or equal to 128",
        ),
    ],
    ids=["space", "long"],
)
def test_a_name_that_breaks_the_model_is_refused(iam: Any, refused: Refused, name: str, message: str) -> None:
    """ValidationError in AWS's words."""
    assert refused(iam.create_instance_profile, InstanceProfileName=name) == (400, "ValidationError", message)
