"""Roles, their trust policies and whom those name, permissions policies, tags and boundary."""

from lives import ADMIN, Life, Questions, document, own, tags, trust


def live(account: str) -> Life:
    """Each of their write actions, and names that are used again: of roles, and of those whom they trust."""
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
    alice, deployer = (f"arn:aws:iam::{account}:{name}" for name in ("user/alice", "role/deployer"))
    yield "CreateUser", {"UserName": "alice"}
    yield "CreateRole", {"RoleName": "reader", "AssumeRolePolicyDocument": trust(5, alice)}
    yield "UpdateAssumeRolePolicy", {"RoleName": "deployer", "PolicyDocument": trust(6, alice, deployer)}
    yield "UpdateUser", {"UserName": "alice", "NewUserName": "bob", "NewPath": "/eng/"}
    yield "CreateUser", {"UserName": "alice"}
    yield "UpdateAssumeRolePolicy", {"RoleName": "reader", "PolicyDocument": trust(5, alice)}
    yield "DeleteUser", {"UserName": "bob"}
    yield "CreateRole", {"RoleName": "runner", "AssumeRolePolicyDocument": trust(7, deployer)}
    yield "DeleteRole", {"RoleName": "deployer"}
    yield "UpdateRoleDescription", {"RoleName": "runner", "Description": "Runs."}
    yield "CreateRole", {"RoleName": "deployer", "AssumeRolePolicyDocument": trust(8)}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions."""
    ops = own(account, "ops")
    roles = [{"RoleName": name} for name in ("deployer", "READER", "runner")]
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
