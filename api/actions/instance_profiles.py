"""Actions on instance profiles."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Read, Reply, Write, under
from api.actions.members import tag
from api.actions.roles import bare_role
from iam.arns import iam_arn
from iam.events.instance_profiles import InstanceProfileCreated
from iam.instance_profiles import (
    NOUN,
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
from iam.tags import list_thing_tags, tag_thing, untag_thing


def listed_profile(profile: InstanceProfile) -> Reply:
    """An instance profile in a list: without tags."""
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.instance_profile_name,
        "InstanceProfileId": profile.instance_profile_id,
        "Arn": profile.arn,
        "CreateDate": profile.created_at,
        "Roles": [bare_role(role) for role in profile.roles],
    }


def _profile(profile: InstanceProfile) -> Reply:
    """With tags always."""
    return {"InstanceProfile": {**listed_profile(profile), "Tags": [tag(each) for each in profile.tags]}}


def _created(event: InstanceProfileCreated, account: str, partition: str) -> Reply:
    """With tags only if some were given, in their order."""
    created = InstanceProfile(
        event.instance_profile_id,
        event.instance_profile_name,
        event.path,
        iam_arn(partition, account, NOUN, event.path, event.instance_profile_name),
        event.created_at,
    )
    tags = [tag(each) for each in event.tags] or None
    return {"InstanceProfile": {**listed_profile(created), "Tags": tags}}


_listed = under("InstanceProfiles", listed_profile)

ACTIONS: Mapping[str, Action] = {
    "CreateInstanceProfile": Write(CreateInstanceProfile, create_instance_profile, _created),
    "GetInstanceProfile": Read(GetInstanceProfile, get_instance_profile, _profile),
    "DeleteInstanceProfile": Write(DeleteInstanceProfile, delete_instance_profile),
    "ListInstanceProfiles": Listing(ListInstanceProfiles, list_instance_profiles, _listed, wide=True),
    "ListInstanceProfilesForRole": Listing(ListInstanceProfilesForRole, list_instance_profiles_for_role, _listed),
    "AddRoleToInstanceProfile": Write(AddRoleToInstanceProfile, add_role_to_instance_profile),
    "RemoveRoleFromInstanceProfile": Write(RemoveRoleFromInstanceProfile, remove_role_from_instance_profile),
    "TagInstanceProfile": Write(TagInstanceProfile, tag_thing),
    "UntagInstanceProfile": Write(UntagInstanceProfile, untag_thing),
    "ListInstanceProfileTags": Listing(ListInstanceProfileTags, list_thing_tags, under("Tags", tag)),
}
