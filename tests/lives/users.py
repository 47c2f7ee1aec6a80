"""Users, their policies and the account's own managed policies."""

from lives import ADMIN, Life, Questions, document, own, tags


def live(account: str) -> Life:
    """Writes that leave nothing untouched: each of their write actions, renames, and names that are used again."""
    ops = own(account, "ops")
    yield "CreateUser", {"UserName": "alice", "Path": "/eng/", **tags("Team=red")}
    yield "CreatePolicy", {"PolicyName": "ops", "PolicyDocument": document(1), "Description": "d", **tags("Team=red")}
    yield "AttachUserPolicy", {"UserName": "alice", "PolicyArn": ops}
    yield "PutUserPolicy", {"UserName": "alice", "PolicyName": "Own", "PolicyDocument": document(2)}
    yield "AttachUserPolicy", {"UserName": "alice", "PolicyArn": ADMIN}
    yield "PutUserPermissionsBoundary", {"UserName": "alice", "PermissionsBoundary": ops}
    yield "CreatePolicyVersion", {"PolicyArn": ops, "PolicyDocument": document(3)}
    yield "SetDefaultPolicyVersion", {"PolicyArn": ops, "VersionId": "v2"}
    yield "TagUser", {"UserName": "alice", **tags("TEAM=blue", "cost=1")}
    yield "UpdateUser", {"UserName": "alice", "NewUserName": "bob"}
    yield "CreateUser", {"UserName": "alice"}
    yield "PutUserPolicy", {"UserName": "bob", "PolicyName": "OWN", "PolicyDocument": document(4)}
    yield "AttachUserPolicy", {"UserName": "alice", "PolicyArn": ops}
    yield "UntagUser", {"UserName": "bob", "TagKeys.member.1": "cost"}
    yield "TagPolicy", {"PolicyArn": ops, **tags("team=blue")}
    yield "UntagPolicy", {"PolicyArn": ops, "TagKeys.member.1": "Team"}
    yield "DeletePolicyVersion", {"PolicyArn": ops, "VersionId": "v1"}
    yield "UpdateUser", {"UserName": "alice", "NewPath": "/eng/deep/"}
    yield "DetachUserPolicy", {"UserName": "alice", "PolicyArn": ops}
    yield "DeleteUser", {"UserName": "alice"}
    yield "DetachUserPolicy", {"UserName": "bob", "PolicyArn": ops}
    yield "DeleteUserPermissionsBoundary", {"UserName": "bob"}
    yield "DeletePolicy", {"PolicyArn": ops}
    yield "DeleteUserPolicy", {"UserName": "bob", "PolicyName": "own"}
    yield "CreatePolicy", {"PolicyName": "ops", "PolicyDocument": document(5)}
    yield "UpdateUser", {"UserName": "bob", "NewUserName": "alice", "NewPath": "/"}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions."""
    ops = own(account, "ops")
    users = [{"UserName": name} for name in ("alice", "BOB")]
    policies = [{"PolicyArn": arn} for arn in (ops, ADMIN)]
    return {
        "GetUser": [*users, {}],
        "ListUsers": [{}, {"PathPrefix": "/eng/", "MaxItems": "1"}],
        "ListUserTags": users,
        "ListAttachedUserPolicies": users,
        "GetUserPolicy": [{**user, "PolicyName": "own"} for user in users],
        "ListUserPolicies": users,
        "GetPolicy": policies,
        "ListPolicies": [{"Scope": "Local"}, {"OnlyAttached": "true"}],
        "GetPolicyVersion": [{"PolicyArn": ops, "VersionId": version} for version in ("v1", "v2")],
        "ListPolicyVersions": [policies[0]],
        "ListPolicyTags": policies,
        "ListEntitiesForPolicy": [*policies, {"PolicyArn": ops, "PolicyUsageFilter": "PermissionsBoundary"}],
    }
