"""Partitions: an account is in the one that its first caller signed for, and everything about it says so."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from lives import AS, Noun, nouns

from api.actions import IAM
from api.caller import partition_of_region
from api.service import Request
from iam.errors import IamError
from iam.quotas import Quotas
from tools.__main__ import main
from tools.data import MEMORY, DataFolder, open_service

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply, Server

CHINA, GOVERNMENT, COMMERCIAL = "cn-north-1", "us-gov-west-1", "eu-west-1"
REGIONS = {"aws-cn": CHINA, "aws-us-gov": GOVERNMENT}
REFUSED = (403, "InvalidClientTokenId", "The security token included in the request is invalid.")
REFUSED_IN_JSON = (403, "INVALID_CLIENT_TOKEN_ID", REFUSED[2])
IDENTITY = "/?Action=GetCallerIdentity&Version=2011-06-15"
DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
    }
)
NOUNS = nouns()
OF_ONE_ACCOUNT = "RequestId|SecretAccessKey|ServicePassword|JobId|Base32StringSeed|QRCodePNG|Marker|OrganizationId"


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("us-east-1", "aws"),
        ("eu-central-2", "aws"),
        ("mx-central-1", "aws"),
        ("us-east-99", "aws"),
        ("aws-global", "aws"),
        ("cn-north-1", "aws-cn"),
        ("cn-northwest-1", "aws-cn"),
        ("cn-south-7", "aws-cn"),
        ("aws-cn-global", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-gov-north-3", "aws-us-gov"),
        ("aws-us-gov-global", "aws-us-gov"),
        ("us-iso-east-1", None),
        ("eusc-de-east-1", None),
        ("local", None),
        ("us-east-1\n", None),
        ("US-EAST-1", None),
        ("xus-east-1", None),
        ("us-east-1x", None),
        ("", None),
    ],
)
def test_a_region_tells_its_partition(region: str, partition: str | None) -> None:
    """Regions that are yet to come too, by what botocore knows of their names; and nothing else."""
    assert partition_of_region(region) == partition


@pytest.mark.parametrize("partition", ["aws", *REGIONS])
def test_the_banner_tells_a_region_of_the_partition(
    tmp_path: Path, start_server: Callable[..., Server], partition: str
) -> None:
    """Whoever follows it is in the partition that was asked for."""
    banner = start_server(tmp_path / "data", "--partition", partition).banner
    told = re.search("AWS_REGION=(.+) AWS_DEFAULT_REGION=(.+)", banner)

    assert told is not None
    assert [partition_of_region(region) for region in told.groups()] == [partition] * 2


# Everything about an account


@pytest.mark.parametrize("partition", REGIONS)
def test_boto3_finds_everything_in_the_partition_of_its_region(
    account: Account, client: Callable[..., Any], partition: str
) -> None:
    """What is made, what is listed, AWS's own policies and the caller; now, at an instant, and in `/v1`."""
    region = REGIONS[partition]
    account.authorization = account.authorization.replace("us-east-1", region)
    iam = client(account, region=region)
    own, aws = f"arn:{partition}:iam::{account.id}", f"arn:{partition}:iam::aws:policy"
    identity = client(account, "sts", region=region).get_caller_identity()
    assert (identity["Arn"], iam.get_user()["User"]["Arn"]) == (f"{own}:root", f"{own}:root")
    assert iam.get_policy(PolicyArn=f"{aws}/ReadOnlyAccess")["Policy"]["Arn"] == f"{aws}/ReadOnlyAccess"

    assert iam.create_user(UserName="alice", Path="/eng/")["User"]["Arn"] == f"{own}:user/eng/alice"
    assert iam.create_group(GroupName="devs")["Group"]["Arn"] == f"{own}:group/devs"
    assert iam.create_role(RoleName="ci", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"] == f"{own}:role/ci"
    made = iam.create_policy(PolicyName="reader", PolicyDocument=DOCUMENT)["Policy"]["Arn"]
    assert made == f"{own}:policy/reader"
    linked = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]
    assert linked["Arn"] == f"{own}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    iam.attach_user_policy(UserName="alice", PolicyArn=made)
    iam.attach_user_policy(UserName="alice", PolicyArn=f"{aws}/ReadOnlyAccess")
    iam.detach_user_policy(UserName="alice", PolicyArn=made)

    def carried(at: Any) -> list[list[str]]:
        attached = (
            at.list_attached_user_policies(UserName="alice"),
            at.list_attached_role_policies(RoleName=linked["RoleName"]),
        )
        return [[policy["PolicyArn"] for policy in each["AttachedPolicies"]] for each in attached]

    then = client(account, url=f"{account.server.url}/at/@7", region=region)
    of_ecs = f"{aws}/aws-service-role/AmazonECSServiceRolePolicy"
    assert carried(iam) == [[f"{aws}/ReadOnlyAccess"], [of_ecs]]
    assert carried(then) == [[made, f"{aws}/ReadOnlyAccess"], [of_ecs]]
    assert then.get_user()["User"]["Arn"] == f"{own}:root"
    version = iam.get_policy_version(PolicyArn=of_ecs, VersionId="v1")["PolicyVersion"]
    assert version["Document"]["Statement"]
    listed = {policy["Arn"] for page in iam.get_paginator("list_policies").paginate() for policy in page["Policies"]}
    assert {made, of_ecs} < listed
    assert {arn.split(":")[1] for arn in listed} == {partition}

    told = account.get("/v1/users/alice").data
    assert told["arn"] == f"{own}:user/eng/alice"
    assert [(each["policy_arn"], bool(each["policy_document"])) for each in told["documents"]] == [
        (f"{aws}/ReadOnlyAccess", True)
    ]
    assert {event["actor"]["arn"] for event in account.events()} == {f"{own}:root"}
    headers = {"Authorization": account.authorization, "Content-Type": "application/json"}
    assert account.server.send("POST", "/v1/users/alice/restore", b'{"at": "@7"}', headers).data["outcome"] == "changed"
    assert carried(iam) == carried(then)


@pytest.mark.parametrize("noun", NOUNS.values(), ids=NOUNS)
def test_an_account_of_another_partition_answers_as_one_of_aws_but_for_its_arns(
    account: Account, new_account: Callable[..., Account], noun: Noun
) -> None:
    """Two accounts live the same life, in two partitions, and are asked the same after each write."""
    lives = [(account, "aws"), (new_account(region=CHINA), "aws-cn")]
    following: list[tuple[str, dict[str, str]] | None] = [None, None]
    living = [noun.live(of.id) for of, _ in lives]
    for number, life in enumerate(living):
        following[number] = next(life)
    while following[0] is not None:
        answers = []
        for number, (of, partition) in enumerate(lives):
            step = following[number]
            assert step is not None
            action, parameters = step
            caller = of.authorization.replace(of.id, parameters.get(AS, of.id))
            reply = of.query(action, {"Authorization": caller}, **within(partition, parameters))
            try:
                following[number] = living[number].send(reply)
            except StopIteration:
                following[number] = None
            asked = [
                of.query(question, **within(partition, each))
                for question, variants in noun.questions(of.id).items()
                for each in variants
            ]
            answers.append([masked(each, of.id, partition) for each in (reply, *asked)])
        assert answers[0][0][0] == 200
        assert answers[1] == answers[0]


def within(partition: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """What is asked in a partition, with its ARNs."""
    return {name: value.replace("arn:aws:", f"arn:{partition}:") for name, value in parameters.items()}


def masked(reply: Reply, account: str, partition: str) -> tuple[int, str]:
    """An answer without what is another one in each account, and with ARNs of `aws` if all were of the partition."""
    body = unquote(reply.body.decode())  # as documents are quoted
    if partition != "aws":
        assert "arn:aws:" not in body
    body = body.replace(f"arn:{partition}:", "arn:aws:").replace(account, "ACCOUNT")
    body = re.sub(r"\d{4}-\d\d-\d\dT[0-9:]{8}Z", "TIME", body)
    body = re.sub(f"<({OF_ONE_ACCOUNT})>[^<]*", r"<\1>", body)
    return reply.status, re.sub("[0-9A-Z]{16,}|[0-9a-f]{8}-[0-9a-f-]{27}", "ID", body)


def test_policies_and_arns_of_another_partition_are_not_there(
    new_account: Callable[..., Account], client: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    """A policy of AWS has one ARN in each partition, and only the account's own means something to it."""
    account = new_account(region=CHINA)
    iam = client(account, region=CHINA)
    iam.create_user(UserName="alice")
    for arn in ("arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws-us-gov:iam::aws:policy/ReadOnlyAccess"):
        assert refused(iam.attach_user_policy, UserName="alice", PolicyArn=arn)[:2] == (404, "NoSuchEntity")
        assert refused(iam.get_policy, PolicyArn=arn)[:2] == (404, "NoSuchEntity")
    user = f"arn:aws:iam::{account.id}:user/alice"
    assert refused(iam.generate_service_last_accessed_details, Arn=user) == (
        400,
        "ValidationError",
        "Invalid ARN partition",
    )


# Regions of other partitions


@pytest.mark.parametrize(("home", "elsewhere"), [(CHINA, COMMERCIAL), (COMMERCIAL, CHINA), (GOVERNMENT, CHINA)])
def test_a_key_is_not_known_in_another_partition_than_its_account(
    new_account: Callable[..., Account],
    client: Callable[..., Any],
    refused: Callable[..., Any],
    home: str,
    elsewhere: str,
) -> None:
    """Whatever is asked, of the present or the past, by the root user or with a user's key; and none of it recorded."""
    account = new_account(region=home)
    key = account.query("CreateUser", UserName="alice") and account.query("CreateAccessKey", UserName="alice")
    stranger = new_account(number=account.id, region=elsewhere)
    before = account.events()

    foreign = client(account, region=elsewhere)
    assert refused(foreign.create_user, UserName="bob") == REFUSED
    assert refused(foreign.list_users) == REFUSED
    assert refused(client(account, "sts", region=elsewhere).get_caller_identity) == REFUSED
    assert refused(client(account, url=f"{account.server.url}/at/@1", region=elsewhere).list_users) == REFUSED
    assert stranger.json("ListUsers").refusal == REFUSED_IN_JSON
    for path in ("/v1/users/alice", "/v1/events", "/v1/events/1", "/v1/users/nobody", "/v1/checkpoint"):
        assert stranger.get(path).refusal == REFUSED_IN_JSON
    of_user = key.text("CreateAccessKeyResult/AccessKey/AccessKeyId")
    as_user = stranger.authorization.replace(account.id, of_user)
    assert stranger.query("GetUser", {"Authorization": as_user}).refusal == REFUSED

    assert account.events() == before
    at_home = account.query("GetUser", {"Authorization": as_user.replace(elsewhere, home)})
    assert at_home.text("GetUserResult/User/UserName") == "alice"


def test_an_account_is_nowhere_until_its_first_record(new_account: Callable[..., Account]) -> None:
    """Reading puts it nowhere, nor does what is refused; the first change does, for good."""
    number = new_account().id
    here, there = (new_account(number=number, region=region) for region in (COMMERCIAL, CHINA))
    for account, partition in ((here, "aws"), (there, "aws-cn"), (here, "aws")):
        assert account.query("GetUser").text("GetUserResult/User/Arn") == f"arn:{partition}:iam::{number}:root"
        at = account.query("GetUser").headers  # the past of nothing, too
        assert at["x-iam-ledger-position"] is None
        assert account.query("DeleteUser", UserName="alice").status == 404
        assert account.get("/v1/users/alice").status == 404
        assert account.events() == []
    assert there.query("CreateUser", UserName="alice").status == 200
    assert here.query("CreateUser", UserName="bob").refusal == REFUSED
    assert [event["event"]["type"] for event in there.events()] == ["UserCreated"]


def test_an_account_without_records_has_the_callers_partition_at_an_instant(
    new_account: Callable[..., Account], client: Callable[..., Any]
) -> None:
    """Its past is empty, and AWS's policies are there in the past as well."""
    account = new_account(region=GOVERNMENT)
    then = client(account, url=f"{account.server.url}/at/@0", region=GOVERNMENT)
    listed = then.list_policies(Scope="AWS", MaxItems=5)["Policies"]
    assert {policy["Arn"].split(":")[1] for policy in listed} == {"aws-us-gov"}


@pytest.mark.parametrize("region", ["local", "", "us-iso-east-1", None])
def test_who_names_no_known_region_is_in_the_accounts_partition(
    new_account: Callable[..., Account], region: str | None
) -> None:
    """Without a signature too, where the account is the default one; here, digits name it."""
    account = new_account(region=CHINA)
    account.query("CreateUser", UserName="alice")
    unknown = {"Authorization": f"Credential={account.id}"}
    if region is not None:
        unknown = {"Authorization": account.authorization.replace(CHINA, region)}
    assert account.query("GetUser", unknown, UserName="alice").text("GetUserResult/User/Arn").startswith("arn:aws-cn:")
    identity = account.query("GetCallerIdentity", unknown)
    assert identity.text("GetCallerIdentityResult/Arn") == f"arn:aws-cn:iam::{account.id}:root"
    assert account.query("CreateUser", unknown, UserName="bob").text("CreateUserResult/User/Arn") == (
        f"arn:aws-cn:iam::{account.id}:user/bob"
    )


async def test_of_callers_who_come_first_at_once_one_settles_the_partition(tmp_path: Path) -> None:
    """The one whose call is recorded first. A call that was refused settles nothing for those who come with it."""

    async def write(action: str, region: str) -> Any:
        caller = await service.caller(f"Credential=210000000000/20261103/{region}/iam/aws4_request", "123456789012")
        request = Request(caller=caller, request_id=region + action, command_id=None, source_ip="", user_agent="")
        await asyncio.sleep(0)  # all are let in before anything is recorded
        try:
            return await service.write(request, action, IAM[action], {"user_name": "alice"})  # type: ignore[arg-type]
        except IamError as refusal:
            return refusal.code

    async with open_service(DataFolder(tmp_path), MEMORY, Quotas()) as service:
        await service.start()
        calls = [
            ("DeleteUser", COMMERCIAL),
            ("CreateUser", CHINA),
            ("CreateUser", GOVERNMENT),
            ("CreateUser", COMMERCIAL),
        ]
        refused, made, *late = await asyncio.gather(*(write(*call) for call in calls))
        assert (refused, late) == ("NoSuchEntity", ["InvalidClientTokenId"] * 2)
        assert made.records[0].actor.arn == "arn:aws-cn:iam::210000000000:root"
        state, _ = await service.accounts.state("210000000000")
        assert state.world.partition == await service.accounts.partition("210000000000") == "aws-cn"


# The flag, a restart, and the tools


def test_the_configured_partition_is_that_of_new_accounts_without_a_region(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """`--partition`; a region that is known counts more, and so does what the account has recorded already."""
    running = start_server(tmp_path / "data", "--partition", "aws-cn")
    assert running.send("GET", IDENTITY).text("GetCallerIdentityResult/Arn") == "arn:aws-cn:iam::123456789012:root"
    local, commercial = new_account(running, region="local"), new_account(running, region=COMMERCIAL)
    for account, partition in ((local, "aws-cn"), (commercial, "aws")):
        made = account.query("CreateUser", UserName="alice")
        assert made.text("CreateUserResult/User/Arn") == f"arn:{partition}:iam::{account.id}:user/alice"
    running.stop()

    again = start_server(tmp_path / "data")
    for account, partition in ((local, "aws-cn"), (commercial, "aws")):
        unsigned = {"Authorization": f"Credential={account.id}"}
        found = new_account(again, account.id).query("GetUser", unsigned, UserName="alice")
        assert found.text("GetUserResult/User/Arn") == f"arn:{partition}:iam::{account.id}:user/alice"
    assert again.send("GET", IDENTITY).text("GetCallerIdentityResult/Arn") == "arn:aws:iam::123456789012:root"


def test_a_restart_and_the_tools_find_the_partition_in_the_ledger(
    tmp_path: Path,
    start_server: Callable[..., Server],
    new_account: Callable[..., Account],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The service that comes back, `replay`, `history`, `diff`, `export` and `verify` say what was answered before."""
    folder = tmp_path / "data"
    account = new_account(start_server(folder), region=CHINA)
    policy = "arn:aws-cn:iam::aws:policy/ReadOnlyAccess"
    account.query("CreateUser", UserName="alice")
    account.query("AttachUserPolicy", UserName="alice", PolicyArn=policy)
    whole = account.get("/v1/users/alice?at=@2").data
    history = account.get("/v1/users/alice/history").data
    account.server.stop()

    back = new_account(start_server(folder), account.id)
    assert back.query("GetUser", UserName="alice").refusal == REFUSED
    back.authorization = account.authorization
    assert back.get("/v1/users/alice?at=@2").data == whole
    assert back.query("GetUser", UserName="alice").text("GetUserResult/User/Arn") == whole["arn"]
    back.server.stop()

    def told(*arguments: str) -> Any:
        assert main([*arguments, "--data", str(folder)]) == 0
        return json.loads(capsys.readouterr().out)

    user = told("replay", "--account", account.id, "--user", "alice")["user"]
    assert user["arn"] == whole["arn"] == f"arn:aws-cn:iam::{account.id}:user/alice"
    assert user["attached"] == [{"policy_name": "ReadOnlyAccess", "policy_arn": policy}]
    changes = told("history", "alice", "--account", account.id, "--json")["changes"]
    assert changes == history["changes"]
    diff = told("diff", "alice", "--account", account.id, "--from", "@1", "--json")
    assert [each["policy_arn"] for each in diff["attached"]] == [policy]
    assert told("verify", "--json")["sound"] is True
    assert main(["export", "--account", account.id, "--format", "cloudtrail", "--data", str(folder)]) == 0
    first = json.loads(capsys.readouterr().out)["Records"][0]
    assert first["responseElements"]["user"]["arn"] == whole["arn"]
