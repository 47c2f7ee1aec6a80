"""Roles, their trust policies, permissions policies, tags and boundary."""

from lives import ADMIN, Life, Questions, document, own, tags, trust


def live(account: str) -> Life:
    """Each of their write actions, and a name that is used again."""
    ops = own(account, "ops")
    yield "CreatePolicy", {"PolicyName": "ops", "PolicyDocument": document(1)}
    yield (
        "CreateRole",
        {"RoleName": "Deployer", "Path": "/ci/", "AssumeRolePolicyDocument": trust(1), **tags("Team=red", "b=")},
    )
    yield "AttachRolePolicy", {"RoleName": "deployer", "PolicyArn": ops}
    yield "AttachRolePolicy", {"RoleName": "deployer", "PolicyArn": ADMIN}
    yield "PutRolePolicy", {"RoleName": "deployer", "PolicyName": "Own", "PolicyDocument": document(2)}
    yield "PutRolePermissionsBoundary", {"RoleName": "deployer", "PermissionsBoundary": ops}
    yield "UpdateAssumeRolePolicy", {"RoleName": "deployer", "PolicyDocument": trust(2)}
    yield "UpdateRole", {"RoleName": "deployer", "MaxSessionDuration": "7200"}
    yield "UpdateRoleDescription", {"RoleName": "DEPLOYER", "Description": "Deploys."}
    yield "TagRole", {"RoleName": "deployer", **tags("TEAM=blue", "cost=1")}
    yield "UntagRole", {"RoleName": "deployer", "TagKeys.member.1": "cost"}
    yield "CreateRole", {"RoleName": "reader", "AssumeRolePolicyDocument": trust(3), "PermissionsBoundary": ADMIN}
    yield "PutRolePolicy", {"RoleName": "deployer", "PolicyName": "own", "PolicyDocument": document(3)}
    yield "DetachRolePolicy", {"RoleName": "deployer", "PolicyArn": ops}
    yield "DetachRolePolicy", {"RoleName": "deployer", "PolicyArn": ADMIN}
    yield "DeleteRolePolicy", {"RoleName": "deployer", "PolicyName": "OWN"}
    yield "DeleteRole", {"RoleName": "reader"}
    yield "DeleteRolePermissionsBoundary", {"RoleName": "deployer"}
    yield "DeleteRole", {"RoleName": "deployer"}
    yield "CreateRole", {"RoleName": "deployer", "AssumeRolePolicyDocument": trust(4), "Description": "Again."}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions."""
    ops = own(account, "ops")
    roles = [{"RoleName": name} for name in ("deployer", "READER")]
    return {
        "GetRole": roles,
        "ListRoles": [{}, {"PathPrefix": "/ci/", "MaxItems": "1"}],
        "ListRoleTags": roles,
        "ListAttachedRolePolicies": roles,
        "GetRolePolicy": [{**role, "PolicyName": "own"} for role in roles],
        "ListRolePolicies": roles,
        "GetPolicy": [{"PolicyArn": ops}],
        "ListEntitiesForPolicy": [{"PolicyArn": ops}, {"PolicyArn": ADMIN, "EntityFilter": "Role"}],
    }
