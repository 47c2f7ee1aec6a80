"""Groups, their members and their policies."""

from lives import ADMIN, Life, Questions, document, own


def live(account: str) -> Life:
    """Each of their write actions, renames, and a name that is used again."""
    ops = own(account, "ops")
    yield "CreateUser", {"UserName": "alice"}
    yield "CreateGroup", {"GroupName": "team", "Path": "/eng/"}
    yield "AddUserToGroup", {"GroupName": "TEAM", "UserName": "Alice"}
    yield "CreatePolicy", {"PolicyName": "ops", "PolicyDocument": document(1)}
    yield "AttachGroupPolicy", {"GroupName": "team", "PolicyArn": ops}
    yield "AttachGroupPolicy", {"GroupName": "team", "PolicyArn": ADMIN}
    yield "PutGroupPolicy", {"GroupName": "team", "PolicyName": "Own", "PolicyDocument": document(2)}
    yield "UpdateGroup", {"GroupName": "team", "NewGroupName": "ops", "NewPath": "/"}
    yield "UpdateUser", {"UserName": "alice", "NewUserName": "bob"}
    yield "CreateGroup", {"GroupName": "team"}
    yield "AddUserToGroup", {"GroupName": "team", "UserName": "bob"}
    yield "RemoveUserFromGroup", {"GroupName": "ops", "UserName": "bob"}
    yield "PutGroupPolicy", {"GroupName": "ops", "PolicyName": "own", "PolicyDocument": document(3)}
    yield "DetachGroupPolicy", {"GroupName": "ops", "PolicyArn": ops}
    yield "DetachGroupPolicy", {"GroupName": "ops", "PolicyArn": ADMIN}
    yield "DeleteGroupPolicy", {"GroupName": "ops", "PolicyName": "OWN"}
    yield "DeleteGroup", {"GroupName": "ops"}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions, and of those that tell of groups too."""
    ops = own(account, "ops")
    groups = [{"GroupName": name} for name in ("team", "OPS")]
    return {
        "GetGroup": [*groups, {"GroupName": "team", "MaxItems": "1"}],
        "ListGroups": [{}, {"PathPrefix": "/eng/"}],
        "ListGroupsForUser": [{"UserName": "alice"}, {"UserName": "bob"}],
        "ListAttachedGroupPolicies": groups,
        "GetGroupPolicy": [{**group, "PolicyName": "own"} for group in groups],
        "ListGroupPolicies": groups,
        "GetPolicy": [{"PolicyArn": ops}],
        "ListEntitiesForPolicy": [{"PolicyArn": ops}, {"PolicyArn": ADMIN, "EntityFilter": "Group"}],
    }
