"""Credentials over HTTP: each secret is shown once, kept out of all that is recorded, and good until it is deleted."""

from __future__ import annotations

import csv
import re
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from api import aws
from api.caller import unauthenticated
from api.service import Request, Service
from eventstore.memory import MemoryLog
from eventstore.notes import SigningKey
from eventstore.secrets import Secrets
from eventstore.uses import Uses
from iam.errors import ReportNotPresent
from iam.quotas import Quotas
from iam.state import World
from iam.uses import Use
from projections.store import Projections
from tools.data import DataFolder, open_service

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply, Server

GIT = "codecommit.amazonaws.com"
BEDROCK = "bedrock.amazonaws.com"
CREATED = "CreateAccessKeyResult/AccessKey/"
Refused = Callable[..., tuple[int, str, str]]


@pytest.fixture
def alice(account: Account) -> Account:
    """An account with a user."""
    account.query("CreateUser", UserName="alice")
    return account


def once() -> dict[str, str]:
    return {"amz-sdk-invocation-id": str(uuid4())}


def create_key(account: Account, headers: dict[str, str] | None = None) -> tuple[str, str]:
    """A new pair of the user alice: its id, and the secret key."""
    reply = account.query("CreateAccessKey", headers, UserName="alice")
    assert reply.status == 200, reply
    return reply.text(f"{CREATED}AccessKeyId"), reply.text(f"{CREATED}SecretAccessKey")


def signed_with(account: Account, key: str) -> dict[str, str]:
    return {"Authorization": account.authorization.replace(account.id, key)}


def identity(server: Server, headers: dict[str, str]) -> tuple[str, ...]:
    """What STS says of a caller."""
    reply = server.send("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", headers=headers)
    return tuple(reply.text(f"GetCallerIdentityResult/{member}") for member in ("Account", "UserId", "Arn"))


def kept(folder: Path, account: str) -> list[str]:
    """The ids of the secrets that the account has in secrets.db."""
    with closing(sqlite3.connect(f"file:{folder / 'secrets.db'}?mode=ro", uri=True)) as secrets:
        rows = secrets.execute("SELECT id FROM secrets WHERE account = ? ORDER BY id", (account,))
        return [secret_id for (secret_id,) in rows]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


# Access keys


def test_an_access_key_has_the_form_of_aws_and_lives_through_boto3(
    alice: Account, client: Callable[..., Any], refused: Refused
) -> None:
    """Created, listed without its secret, made inactive, deleted."""
    iam = client(alice)
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key["AccessKeyId"])
    assert re.fullmatch("[A-Za-z0-9+/]{40}", key.pop("SecretAccessKey"))
    assert key["Status"] == "Active"
    assert iam.list_access_keys(UserName="alice")["AccessKeyMetadata"] == [key]
    used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    assert used["UserName"] == "alice"
    assert used["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    iam.update_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert iam.list_access_keys(UserName="alice")["AccessKeyMetadata"] == [{**key, "Status": "Inactive"}]
    iam.delete_access_key(UserName="alice", AccessKeyId=key["AccessKeyId"])
    assert iam.list_access_keys(UserName="alice")["AccessKeyMetadata"] == []
    assert refused(iam.delete_access_key, UserName="alice", AccessKeyId=key["AccessKeyId"]) == (
        404,
        "NoSuchEntity",
        f"The Access Key with id {key['AccessKeyId']} cannot be found.",
    )
    assert refused(iam.get_access_key_last_used, AccessKeyId=key["AccessKeyId"])[:2] == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"AccessKeyId": "AKIA-OSFODNN7EXAMPL", "Status": "Active"},
            "The specified value for accessKeyId is invalid. ",
        ),
        ({"AccessKeyId": "AKIA", "Status": "Active"}, "Value at 'accessKeyId' failed to satisfy constraint: "),
        ({"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "active"}, "Value at 'status' failed to satisfy constraint"),
        ({"Status": "Active"}, "Value at 'accessKeyId' failed to satisfy constraint: Member must not be null"),
    ],
)
def test_ill_formed_parameters_are_refused(alice: Account, parameters: dict[str, str], message: str) -> None:
    """In the words of AWS's model."""
    status, code, told = alice.query("UpdateAccessKey", UserName="alice", **parameters).refusal
    assert (status, code) == (400, "ValidationError")
    assert message in told


def test_a_call_that_is_sent_again_shows_the_same_secret(alice: Account) -> None:
    """Also many at once. What else was made on the way is not kept."""
    headers = once()
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: create_key(alice, headers), range(5)))
    assert len(set(answers)) == 1
    assert create_key(alice, headers) == answers[0]
    assert kept(alice.server.folder, alice.id) == [answers[0][0]]
    assert (
        alice.json("CreateAccessKey", headers, UserName="alice").data["AccessKey"]["SecretAccessKey"] == answers[0][1]
    )


def test_a_secret_that_was_deleted_is_not_shown_again(alice: Account) -> None:
    """A repeat of the call that made it says so, and makes no other."""
    headers = once()
    key, _ = create_key(alice, headers)
    alice.query("DeleteAccessKey", UserName="alice", AccessKeyId=key)
    message = "The call was carried out before, and the secret that it made has been deleted since."
    assert alice.query("CreateAccessKey", headers, UserName="alice").refusal == (404, "NoSuchEntity", message)
    assert kept(alice.server.folder, alice.id) == []
    assert [event["action"] for event in alice.events()] == ["CreateUser", "CreateAccessKey", "DeleteAccessKey"]


def test_a_refused_call_keeps_no_secret(alice: Account) -> None:
    """Nor does one that is sent again with other parameters."""
    headers = once()
    keys = sorted((create_key(alice, headers)[0], create_key(alice)[0]))
    assert alice.query("CreateAccessKey", UserName="alice").refusal[1] == "LimitExceeded"
    assert alice.query("CreateAccessKey", UserName="x").refusal[1] == "NoSuchEntity"
    assert alice.query("CreateAccessKey", headers, UserName="Alice").refusal[1] == "IdempotentParameterMismatch"
    assert alice.query("CreateServiceSpecificCredential", UserName="alice", ServiceName="x").refusal[0] == 404
    assert alice.query("UpdateLoginProfile", UserName="alice", Password="secret").refusal[0] == 404
    assert kept(alice.server.folder, alice.id) == keys


def test_a_key_names_its_account_and_its_user(alice: Account, client: Callable[..., Any]) -> None:
    """Whatever the user is called by then; it may leave its name out."""
    key, _ = create_key(alice)
    headers = signed_with(alice, key)
    user_id = alice.json("GetUser", UserName="alice").data["User"]["UserId"]
    arn = f"arn:aws:iam::{alice.id}:user/alice"
    assert identity(alice.server, headers) == (alice.id, user_id, arn)
    assert alice.json("GetUser", headers).data["User"]["Arn"] == arn
    assert alice.json("ListAccessKeys", headers).data["AccessKeyMetadata"][0]["AccessKeyId"] == key
    alice.query("UpdateUser", headers, UserName="alice", NewUserName="bob")
    assert identity(alice.server, headers) == (alice.id, user_id, f"arn:aws:iam::{alice.id}:user/bob")
    actor = alice.events()[-1]["actor"]
    assert (actor["id"], actor["arn"], actor["access_key_id"]) == (user_id, arn, key)
    past = alice.server.send("GET", "/at/@2/?Action=GetUser&Version=2010-05-08", headers=headers)
    assert past.text("GetUserResult/User/UserName") == "alice"


NO_TOKEN = (403, "InvalidClientTokenId", "The security token included in the request is invalid.")


@pytest.mark.parametrize("action", ["DeleteAccessKey", "UpdateAccessKey"])
def test_a_key_that_was_deleted_or_is_inactive_is_refused(alice: Account, action: str) -> None:
    """In both protocols, and by the native API. It does not become some other user's, or the root user's."""
    key, _ = create_key(alice)
    headers = signed_with(alice, key)
    status = {"Status": "Inactive"} if action == "UpdateAccessKey" else {}
    assert alice.query(action, headers, AccessKeyId=key, **status).status == 200
    assert alice.query("ListUsers", headers).refusal == NO_TOKEN
    in_json = (NO_TOKEN[0], "INVALID_CLIENT_TOKEN_ID", NO_TOKEN[2])
    assert alice.json("ListUsers", headers).refusal == in_json
    assert alice.get("/v1/users/alice", headers).refusal == in_json
    assert len(alice.events()) == 3
    if status:
        alice.query("UpdateAccessKey", UserName="alice", AccessKeyId=key, Status="Active")
        assert alice.query("ListUsers", headers).status == 200


def test_a_key_that_was_deleted_is_refused_after_a_restart_too(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """Its secret is gone, and the ledger knows it still."""
    first = start_server(tmp_path / "data")
    account = new_account(first)
    account.query("CreateUser", UserName="alice")
    gone, _ = create_key(account)
    good, _ = create_key(account)
    account.query("DeleteAccessKey", UserName="alice", AccessKeyId=gone)
    first.stop()
    again = new_account(start_server(tmp_path / "data"), account.id)
    assert again.query("ListUsers", signed_with(again, gone)).refusal == NO_TOKEN
    assert identity(again.server, signed_with(again, good))[0] == account.id


# When keys were last used


NEVER = {"ServiceName": "N/A", "Region": "N/A"}
SCOPE = "20261103/eu-west-1/sts/aws4_request"


def last_use(account: Account, key: str) -> dict[str, str]:
    """Of the key, as the root user is told."""
    told: dict[str, str] = account.json("GetAccessKeyLastUsed", AccessKeyId=key).data["AccessKeyLastUsed"]
    return told


def holder(account: Account, key: str) -> Account:
    """Who calls with the key."""
    return type(account)(account.server, key)


def use_iam(client: Any) -> None:
    client.list_users()


def use_sts(client: Any) -> None:
    client.get_caller_identity()


@pytest.mark.parametrize(("service", "region", "ask"), [("iam", "us-east-1", use_iam), ("sts", "eu-west-1", use_sts)])
def test_the_last_use_of_a_key_is_told(
    alice: Account, client: Callable[..., Any], service: str, region: str, ask: Callable[[Any], None]
) -> None:
    """When, for which region and which service; not before there was one, and still after the account has changed."""
    iam = client(alice)
    key, other = create_key(alice)[0], create_key(alice)[0]
    assert iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"] == NEVER
    began = datetime.now(UTC).replace(microsecond=0)
    ask(client(holder(alice, key), service, region=region))
    iam.create_user(UserName="bob")
    told = iam.get_access_key_last_used(AccessKeyId=key)
    assert told["UserName"] == "alice"
    used = told["AccessKeyLastUsed"]
    assert began <= used.pop("LastUsedDate") <= datetime.now(UTC)
    assert used == {"ServiceName": service, "Region": region}
    assert iam.get_access_key_last_used(AccessKeyId=other)["AccessKeyLastUsed"] == NEVER
    assert [event["action"] for event in alice.events()] == ["CreateUser", *["CreateAccessKey"] * 2, "CreateUser"]


def test_a_call_with_a_key_is_a_use_before_it_is_answered(alice: Account) -> None:
    """So a user who asks is told of that very call."""
    key, _ = create_key(alice)
    assert last_use(holder(alice, key), key)["ServiceName"] == "iam"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/?Action=Nonsense&Version=2010-05-08", 400),
        ("/?Action=GetUser&Version=2010-05-08&UserName=nobody", 404),
        ("/at/@1/?Action=ListUsers&Version=2010-05-08", 200),
        ("/v1/users/alice", 200),
        ("/v1/events?nonsense=1", 400),
    ],
)
def test_every_request_that_a_key_lets_in_is_a_use(alice: Account, path: str, status: int) -> None:
    """Also one that is refused afterwards, and one of the native API."""
    key, _ = create_key(alice)
    assert alice.get(path, {"Authorization": f"Credential={key}/{SCOPE}"}).status == status
    used = last_use(alice, key)
    assert (used["ServiceName"], used["Region"]) == ("sts", "eu-west-1")


@pytest.mark.parametrize(
    ("scope", "region", "service"),
    [
        ("", "N/A", "N/A"),
        ("/20261103", "N/A", "N/A"),
        ("/20261103/eu-west-1", "eu-west-1", "N/A"),
        ("/20261103//iam/aws4_request", "N/A", "iam"),
        ("/20261103/mars/<&>/aws4_request", "mars", "N/A"),
        ("/20261103/\xef\xbf\xbe/\xff\xc3\xbc", "N/A", "N/A"),
        ("/20261103/=1+1/@SUM(1)", "N/A", "N/A"),
        (f"/20261103/{'r' * 200}/{'s' * 200}/aws4_request", "r" * 128, "s" * 128),
    ],
)
def test_what_a_header_says_of_region_and_service_is_told_in_bounds(
    alice: Account, client: Callable[..., Any], scope: str, region: str, service: str
) -> None:
    """What it does not say, or is no name, is N/A: a spreadsheet opens the report. A signature is no part of it."""
    key, _ = create_key(alice)
    header = f"AWS4-HMAC-SHA256 Credential={key}{scope}, SignedHeaders=host, Signature=00/11/22/33/44"
    assert (
        alice.server.send("GET", "/v1/users/alice", headers={"Authorization": header.encode("latin-1")}).status == 200
    )
    used = client(alice).get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    assert (used["Region"], used["ServiceName"]) == (region, service)


def test_what_a_key_does_not_let_in_is_no_use(alice: Account) -> None:
    """Be it inactive, or of another partition than the region."""
    key, _ = create_key(alice)
    refused = {"Authorization": f"Credential={key}/20261103/cn-north-1/iam/aws4_request"}
    assert alice.query("ListUsers", refused).refusal == NO_TOKEN
    alice.query("UpdateAccessKey", UserName="alice", AccessKeyId=key, Status="Inactive")
    assert alice.query("ListUsers", signed_with(alice, key)).refusal == NO_TOKEN
    assert last_use(alice, key) == NEVER
    alice.query("UpdateAccessKey", UserName="alice", AccessKeyId=key, Status="Active")
    assert alice.query("ListUsers", signed_with(alice, key)).status == 200
    assert last_use(alice, key).keys() == {"LastUsedDate", *NEVER}


def test_last_uses_outlive_the_process(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """In a file of the owner's alone."""
    account = new_account(start_server(tmp_path / "data"))
    account.query("CreateUser", UserName="alice")
    key, unused = create_key(account)[0], create_key(account)[0]
    assert account.query("ListUsers", signed_with(account, key)).status == 200
    used = last_use(account, key)
    account.server.stop()
    assert (tmp_path / "data" / "uses.db").stat().st_mode & 0o077 == 0
    again = new_account(start_server(tmp_path / "data"), account.id)
    assert last_use(again, key) == used
    assert last_use(again, unused) == NEVER


def test_a_damaged_file_of_uses_does_not_keep_the_service_from_starting(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """It is made anew, the log says so, and no key seems to have been used until it is again."""
    account = new_account(start_server(tmp_path / "data"))
    account.query("CreateUser", UserName="alice")
    key, _ = create_key(account)
    assert account.query("ListUsers", signed_with(account, key)).status == 200
    account.server.stop()
    (tmp_path / "data" / "uses.db").write_bytes(b"damaged")
    again = new_account(start_server(tmp_path / "data"), account.id)
    assert again.get("/readyz").status == 200
    assert last_use(again, key) == NEVER
    assert again.query("ListUsers", signed_with(again, key)).status == 200
    assert last_use(again, key) != NEVER
    assert "uses.db is made anew, and what was used before is forgotten" in again.server.log.read_text()


def test_at_an_instant_no_key_was_used(alice: Account, client: Callable[..., Any]) -> None:
    """No record tells of a use, and what is answered of the past is final. That holds at the very last moment, too."""
    key, _ = create_key(alice)
    assert alice.query("ListUsers", signed_with(alice, key)).status == 200
    now = datetime.now(UTC).isoformat()
    for instant in ("@2", now):
        past = client(alice, url=f"{alice.server.url}/at/{instant}")
        assert past.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"] == NEVER
        assert report_of(past)[1]["access_key_1_last_used_date"] == "N/A"
    assert last_use(alice, key) != NEVER


def report_of(iam: Any) -> list[dict[str, str]]:
    """The lines of the credential report that was generated."""
    return list(csv.DictReader(iam.get_credential_report()["Content"].decode().splitlines(), strict=True))


def test_the_report_has_last_uses_as_known_when_it_is_fetched(alice: Account, client: Callable[..., Any]) -> None:
    """All else in it is of when it was generated."""
    iam = client(alice)
    key, _ = create_key(alice)
    iam.generate_credential_report()
    columns = [f"access_key_1_last_used_{column}" for column in ("date", "region", "service")]
    assert [report_of(iam)[1][column] for column in columns] == ["N/A"] * 3
    client(holder(alice, key), "sts", region="eu-west-1").get_caller_identity()
    used = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]["LastUsedDate"]
    assert [report_of(iam)[1][column] for column in columns] == [used.isoformat(), "eu-west-1", "sts"]


async def test_when_the_clock_is_set_back_the_later_use_stays(tmp_path: Path, world: World) -> None:
    """A use never seems to be longer ago than it was said to be before."""
    now = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
    service = Service(
        MemoryLog(),
        Projections(tmp_path / "projections.db"),
        world,
        bytes(32),
        SigningKey(bytes(32)),
        await Secrets.open(None, bytes(32)),
        Uses(None, Use),
        lambda: now,
    )
    await service.start()

    async def ask(action: str, **parameters: str) -> Any:
        request = Request(
            caller=unauthenticated("", "123456789012", "aws"),
            request_id=action,
            command_id=None,
            source_ip="127.0.0.1",
            user_agent="test",
        )
        return (await aws.perform(service, request, aws.Call(aws.IAM.operations[action], parameters), None)).result

    await ask("CreateUser", user_name="alice")
    key = (await ask("CreateAccessKey", user_name="alice"))["AccessKey"]["AccessKeyId"]
    told = []
    for minute, region in ((5, "us-east-1"), (4, "us-east-2"), (5, "us-west-1"), (6, "us-west-2")):
        now = now.replace(minute=minute)
        await service.caller(f"Credential={key}/20261103/{region}/iam/aws4_request", "123456789012")
        used = (await ask("GetAccessKeyLastUsed", access_key_id=key))["AccessKeyLastUsed"]
        told.append((used["LastUsedDate"].minute, used["Region"]))
    await service.stop()
    assert told == [(5, "us-east-1"), (5, "us-east-1"), (5, "us-west-1"), (6, "us-west-2")]


def test_the_root_user_must_say_whom_it_means(iam: Any, refused: Refused) -> None:
    """It has no keys and no password of which is known here."""
    message = "Must specify userName when calling with non-User credentials"
    for method in (iam.create_access_key, iam.get_login_profile, iam.delete_login_profile):
        assert refused(method) == (400, "ValidationError", message)
    assert iam.list_access_keys()["AccessKeyMetadata"] == []
    assert refused(iam.change_password, OldPassword="a", NewPassword="b")[:2] == (400, "InvalidUserType")


# Passwords


def test_a_password_is_set_changed_and_removed(
    alice: Account, client: Callable[..., Any], refused: Refused, session: Any
) -> None:
    """The old one must be known to change it; whoever may can set another."""
    iam = client(alice)
    profile = iam.create_login_profile(UserName="alice", Password="first", PasswordResetRequired=True)["LoginProfile"]
    assert profile.keys() == {"UserName", "CreateDate", "PasswordResetRequired"}
    assert iam.get_login_profile(UserName="alice")["LoginProfile"] == profile
    key, _ = create_key(alice)

    def change(old: str, new: str) -> Reply:
        return alice.query("ChangePassword", signed_with(alice, key), OldPassword=old, NewPassword=new)

    assert change("wrong", "second").refusal == (403, "AccessDenied", "The old password was incorrect.")
    assert change("first", "second").status == 200
    assert iam.get_login_profile(UserName="alice")["LoginProfile"] == {**profile, "PasswordResetRequired": False}
    assert change("first", "third").refusal[1] == "AccessDenied"
    iam.update_login_profile(UserName="alice", Password="third")
    assert change("third", "fourth").status == 200
    assert len(kept(alice.server.folder, alice.id)) == 2
    iam.delete_login_profile(UserName="alice")
    assert kept(alice.server.folder, alice.id) == [key]
    assert refused(iam.get_login_profile, UserName="alice") == (
        404,
        "NoSuchEntity",
        "Login Profile for User alice cannot be found.",
    )


# Service-specific credentials


@pytest.mark.parametrize(
    ("service", "name", "password"),
    [
        (GIT, "ServiceUserName", "ServicePassword"),
        (BEDROCK, "ServiceCredentialAlias", "ServiceCredentialSecret"),
    ],
)
def test_a_credential_of_a_service_lives_through_boto3(
    alice: Account, client: Callable[..., Any], service: str, name: str, password: str
) -> None:
    """Its password is shown when it is created and when it is reset, another one each time."""
    iam = client(alice)
    created = iam.create_service_specific_credential(UserName="alice", ServiceName=service)["ServiceSpecificCredential"]
    first = created.pop(password)
    assert len(first) == 44
    assert created[name] == f"alice-at-{alice.id}"
    assert re.fullmatch("ACCA[A-Z2-7]{17}", created["ServiceSpecificCredentialId"])
    listed = iam.list_service_specific_credentials(UserName="alice", ServiceName=service)
    assert listed["ServiceSpecificCredentials"] == [created]
    one = {"UserName": "alice", "ServiceSpecificCredentialId": created["ServiceSpecificCredentialId"]}
    iam.update_service_specific_credential(**one, Status="Inactive")
    reset = iam.reset_service_specific_credential(**one)["ServiceSpecificCredential"]
    assert reset.pop(password) != first
    assert reset == {**created, "Status": "Inactive"}
    assert len(kept(alice.server.folder, alice.id)) == 1
    iam.delete_service_specific_credential(**one)
    assert iam.list_service_specific_credentials(AllUsers=True)["ServiceSpecificCredentials"] == []
    assert kept(alice.server.folder, alice.id) == []


# What is kept where


def test_no_secret_is_in_anything_that_is_recorded_or_said(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """Not in any file, the log of the service included, nor in the audit API: changed, unchanged or refused."""
    account = new_account(start_server(tmp_path / "data"))
    account.query("CreateUser", UserName="alice")
    key, secret_key = create_key(account)
    secrets = [secret_key, "top-secret-1", "top-secret-2", "top-secret-3", "top-secret-4"]
    own = signed_with(account, key)
    account.query("CreateLoginProfile", UserName="alice", Password=secrets[1])
    account.query("CreateLoginProfile", UserName="alice", Password=secrets[2])
    account.query("ChangePassword", own, OldPassword=secrets[3], NewPassword=secrets[2])
    account.query("ChangePassword", own, OldPassword=secrets[1], NewPassword=secrets[4])
    account.query("UpdateLoginProfile", UserName="x", Password=secrets[2])
    credential = account.json("CreateServiceSpecificCredential", UserName="alice", ServiceName=GIT).data
    secrets.append(credential["ServiceSpecificCredential"]["ServicePassword"])
    codes = {"AuthenticationCode1": "918273", "AuthenticationCode2": "645546"}
    same = {**codes, "AuthenticationCode2": codes["AuthenticationCode1"]}
    device = {"UserName": "alice", "SerialNumber": "GAHT12345678"}
    assert account.query("EnableMFADevice", **device, **same).refusal[1] == "InvalidAuthenticationCode"
    account.query("EnableMFADevice", **device, **codes)
    assert account.query("ResyncMFADevice", **device, **codes).status == 200
    raw_key = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    for parameters in (
        {"action": "UploadSigningCertificate", "CertificateBody": raw_key},
        {"action": "UploadSSHPublicKey", "SSHPublicKeyBody": raw_key},
        {"action": "UploadSSHPublicKey", "SSHPublicKeyBody": f"ssh-ed25519 {raw_key}"},
    ):
        assert account.query(parameters.pop("action"), UserName="alice", **parameters).status == 400
    server_certificate = {"ServerCertificateName": "shop", "CertificateBody": raw_key, "PrivateKey": raw_key}
    assert account.query("UploadServerCertificate", **server_certificate, CertificateChain=raw_key).status == 400
    metadata = raw_key * 20
    assert account.query("CreateSAMLProvider", Name="okta", SAMLMetadataDocument=metadata).status == 400
    secrets += [raw_key]

    told = str([account.get(f"/v1/events/{event['position']}").data for event in account.events()])
    assert "LoginProfileCreated" in told
    assert "EntityAlreadyExists" in told
    account.server.stop()
    stored = everything_in(tmp_path)
    for secret in secrets:
        assert secret not in told
        assert secret.encode() not in stored
    for code in codes.values():  # six digits stand in some number by chance
        assert f"'{code}'" not in told
        assert f'"{code}"'.encode() not in stored


async def test_secrets_outlive_the_process_and_what_nothing_names_does_not(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """A repeat gets its secret after a restart; one whose event never was is deleted at the start."""
    folder = tmp_path / "data"
    account = new_account(start_server(folder))
    account.query("CreateUser", UserName="alice")
    headers = once()
    key, secret_key = create_key(account, headers)
    account.server.stop()
    secrets = await Secrets.open(folder / "secrets.db", (folder / "keys" / "secrets").read_bytes())
    for orphan in ("AKIAIOSFODNN7EXAMPLE", "PASSAAAAAAAAAAAAAAAAA"):
        await secrets.put(account.id, orphan, "never told")
    await secrets.close()

    again = new_account(start_server(folder), account.id)
    assert kept(folder, account.id) == [key]
    assert create_key(again, headers) == (key, secret_key)
    assert identity(again.server, signed_with(again, key))[0] == account.id
    assert identity(again.server, signed_with(again, "AKIAIOSFODNN7EXAMPLE"))[0] == "123456789012"


def test_the_files_of_secrets_are_the_owners_alone(server: Server) -> None:
    """As all in the data folder; the key lies beside the others."""
    files = [server.folder / "secrets.db", server.folder / "keys" / "secrets"]
    assert [file.stat().st_mode & 0o077 for file in files] == [0, 0]


def test_without_the_right_key_the_service_does_not_start(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """It says so: a key made anew opens nothing. The environment may have the key instead."""
    folder = tmp_path / "data"
    account = new_account(start_server(folder))
    account.query("CreateUser", UserName="alice")
    create_key(account)
    account.server.stop()
    key = (folder / "keys" / "secrets").read_bytes()
    (folder / "keys" / "secrets").unlink()
    with pytest.raises(AssertionError, match="sealed with another key, or altered"):
        start_server(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IAM_LEDGER_SECRETS_KEY", "c2hvcnQ=")
        with pytest.raises(AssertionError, match="IAM_LEDGER_SECRETS_KEY is not 32 bytes in base64"):
            start_server(folder)
        patch.setenv("IAM_LEDGER_SECRETS_KEY", b64encode(key).decode())
        start_server(folder)


# The credential report


def test_a_report_is_generated_and_then_fetched(alice: Account, client: Callable[..., Any], refused: Refused) -> None:
    """It is of when it was generated, until the next one."""
    iam = client(alice)
    assert refused(iam.get_credential_report) == (410, "ReportNotPresent", "")
    assert b"<Message>" not in alice.query("GetCredentialReport").body
    assert iam.generate_credential_report()["State"] == "STARTED"
    alice.query("CreateUser", UserName="bob")

    def users(report: Any) -> list[str]:
        assert report["ReportFormat"] == "text/csv"
        return [line["user"] for line in csv.DictReader(report["Content"].decode().splitlines())]

    before = iam.get_credential_report()
    assert users(before) == ["<root_account>", "alice"]
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    after = iam.get_credential_report()
    assert users(after) == ["<root_account>", "alice", "bob"]
    assert after["GeneratedTime"] >= before["GeneratedTime"]
    assert len(alice.events()) == 2


def test_at_an_instant_there_always_is_a_report_of_then(alice: Account, client: Callable[..., Any]) -> None:
    """Whether or not one was generated."""
    create_key(alice)
    for position, active in ((1, "false"), (2, "true")):
        past = client(alice, url=f"{alice.server.url}/at/@{position}")
        assert past.generate_credential_report()["State"] == "COMPLETE"
        report = past.get_credential_report()["Content"].decode()
        assert list(csv.DictReader(report.splitlines()))[1]["access_key_1_active"] == active


async def test_reports_are_remembered_of_the_accounts_that_asked_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of accounts without records, of which there is no end; who asks again goes to the front."""
    monkeypatch.setattr(aws, "REPORTS_MAX", 2)
    async with open_service(DataFolder(tmp_path / "data"), None, Quotas()) as service:
        await service.start()

        async def ask(action: str, account: str) -> Any:
            request = Request(
                caller=unauthenticated("", account, "aws"),
                request_id=action,
                command_id=None,
                source_ip="127.0.0.1",
                user_agent="test",
            )
            return (await aws.perform(service, request, aws.Call(aws.IAM.operations[action], {}), None)).result

        first, second, third = "000000000001", "000000000002", "000000000003"
        started = [(await ask("GenerateCredentialReport", each))["State"] for each in (first, second, first, third)]
        assert started == ["STARTED", "STARTED", "COMPLETE", "STARTED"]
        for account in (first, third):
            assert b"<root_account>" in (await ask("GetCredentialReport", account))["Content"]
        with pytest.raises(ReportNotPresent):
            await ask("GetCredentialReport", second)
