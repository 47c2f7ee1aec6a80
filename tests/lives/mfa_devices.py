"""MFA devices, and the users who have them."""

from lives import Life, Questions, tags

CODES = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}


def live(account: str) -> Life:
    """Each of their write actions, a rename, and a device that is made again."""
    phone = {"SerialNumber": f"arn:aws:iam::{account}:mfa/team/phone"}
    tablet = {"SerialNumber": f"arn:aws:iam::{account}:mfa/tablet"}
    alice = {"UserName": "alice"}
    yield "CreateUser", alice
    yield "CreateVirtualMFADevice", {"VirtualMFADeviceName": "phone", "Path": "/team/", **tags("Team=red")}
    yield "CreateVirtualMFADevice", {"VirtualMFADeviceName": "tablet"}
    yield "TagMFADevice", {**phone, **tags("team=blue", "Team=green")}
    yield "EnableMFADevice", {**alice, **phone, **CODES}
    yield "EnableMFADevice", {**alice, "SerialNumber": _key(account), **CODES}
    yield "UntagMFADevice", {**phone, "TagKeys.member.1": "Team"}
    yield "ResyncMFADevice", {**alice, **phone, **CODES}
    yield "UpdateUser", {**alice, "NewUserName": "bob"}
    yield "DeactivateMFADevice", {"UserName": "bob", **phone}
    yield "CreateUser", alice
    yield "EnableMFADevice", {**alice, **tablet, **CODES}
    yield "DeleteVirtualMFADevice", phone
    yield "CreateVirtualMFADevice", {"VirtualMFADeviceName": "phone", "Path": "/team/"}
    yield "DeactivateMFADevice", {"UserName": "bob", "SerialNumber": _key(account)}
    yield "DeleteUser", {"UserName": "bob"}


def _key(account: str) -> str:
    return f"arn:aws:iam::{account}:u2f/user/alice/key"


def questions(account: str) -> Questions:
    """What is asked of each of their read actions."""
    users = [{"UserName": name} for name in ("alice", "BOB")]
    return {
        "GetMFADevice": [{**user, "SerialNumber": _key(account)} for user in users],
        "ListMFADevices": [*users, {}, {**users[0], "MaxItems": "1"}],
        "ListVirtualMFADevices": [{}, {"AssignmentStatus": "Assigned"}, {"AssignmentStatus": "Unassigned"}],
        "ListMFADeviceTags": [{"SerialNumber": f"arn:aws:iam::{account}:mfa/team/phone"}],
    }
