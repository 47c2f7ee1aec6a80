"""Users' access keys, passwords and service-specific credentials."""

from lives import AS, Life, Questions, told

UNKNOWN_KEY = "AKIAIOSFODNN7EXAMPLE"


def live(account: str) -> Life:
    """Each of their write actions, a rename, and a call of the user itself."""
    created = "CreateServiceSpecificCredentialResult/ServiceSpecificCredential/ServiceSpecificCredentialId"
    yield "CreateUser", {"UserName": "alice"}
    key = told((yield "CreateAccessKey", {"UserName": "alice"}), "CreateAccessKeyResult/AccessKey/AccessKeyId")
    yield "CreateLoginProfile", {"UserName": "alice", "Password": "first-1", "PasswordResetRequired": "true"}
    git = {"UserName": "alice", "ServiceName": "codecommit.amazonaws.com"}
    first = {
        "UserName": "ALICE",
        "ServiceSpecificCredentialId": told((yield "CreateServiceSpecificCredential", git), created),
    }
    yield "ChangePassword", {AS: key, "OldPassword": "first-1", "NewPassword": "second-2"}
    yield "UpdateAccessKey", {"UserName": "alice", "AccessKeyId": key, "Status": "Inactive"}
    yield "UpdateServiceSpecificCredential", {**first, "Status": "Inactive"}
    yield "CreateServiceSpecificCredential", {"UserName": "alice", "ServiceName": "cassandra.amazonaws.com"}
    yield "UpdateUser", {"UserName": "alice", "NewUserName": "bob"}
    first["UserName"] = "bob"
    yield "ResetServiceSpecificCredential", first
    yield "UpdateLoginProfile", {"UserName": "bob", "Password": "third-3"}
    yield "CreateUser", {"UserName": "alice"}
    yield "CreateServiceSpecificCredential", git
    yield "DeleteServiceSpecificCredential", first
    yield "DeleteAccessKey", {"UserName": "bob", "AccessKeyId": key}
    yield "CreateAccessKey", {"UserName": "bob"}
    yield "DeleteLoginProfile", {"UserName": "bob"}


def questions(account: str) -> Questions:
    """What is asked of each of their read actions. Whose a key is can be asked only by who knows one."""
    users = [{"UserName": name} for name in ("alice", "BOB")]
    return {
        "ListAccessKeys": [*users, {}],
        "GetAccessKeyLastUsed": [{"AccessKeyId": UNKNOWN_KEY}],
        "GetLoginProfile": users,
        "ListServiceSpecificCredentials": [
            *users,
            {**users[0], "ServiceName": "codecommit.amazonaws.com"},
            {"AllUsers": "true", "MaxItems": "1"},
        ],
    }
