"""Instance profiles, and the roles in them."""

from lives import Life, Questions, tags, trust


def live(account: str) -> Life:
    """Each of their write actions, and a name that is used again."""
    yield "CreateRole", {"RoleName": "web", "AssumeRolePolicyDocument": trust(1)}
    yield "CreateInstanceProfile", {"InstanceProfileName": "Web", "Path": "/ec2/", **tags("Team=red")}
    yield "AddRoleToInstanceProfile", {"InstanceProfileName": "web", "RoleName": "WEB"}
    yield "CreateInstanceProfile", {"InstanceProfileName": "batch"}
    yield "AddRoleToInstanceProfile", {"InstanceProfileName": "batch", "RoleName": "web"}
    yield "TagInstanceProfile", {"InstanceProfileName": "web", **tags("TEAM=blue", "cost=1")}
    yield "UntagInstanceProfile", {"InstanceProfileName": "web", "TagKeys.member.1": "cost"}
    yield "UpdateRole", {"RoleName": "web", "Description": "Serves."}
    yield "RemoveRoleFromInstanceProfile", {"InstanceProfileName": "web", "RoleName": "web"}
    yield "DeleteInstanceProfile", {"InstanceProfileName": "WEB"}
    yield "CreateInstanceProfile", {"InstanceProfileName": "web"}
    yield "RemoveRoleFromInstanceProfile", {"InstanceProfileName": "batch", "RoleName": "web"}
    yield "DeleteRole", {"RoleName": "web"}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions."""
    profiles = [{"InstanceProfileName": name} for name in ("web", "BATCH")]
    return {
        "GetInstanceProfile": profiles,
        "ListInstanceProfiles": [{}, {"PathPrefix": "/ec2/"}, {"MaxItems": "1"}],
        "ListInstanceProfilesForRole": [{"RoleName": "web"}],
        "ListInstanceProfileTags": profiles,
        "GetRole": [{"RoleName": "web"}],
    }
