"""AWS's API as of an instant, over HTTP: `/at/{instant}/` reads the past and never changes the present."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from lives import ADMIN, AS, Life, Noun, document, nouns

from api.actions import IAM, NOT_HERE, Report, Start, Write

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply

FORM = "application/x-www-form-urlencoded"
VERSION = "2010-05-08"
STS = "2011-06-15"
AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
FUTURE = timedelta(minutes=5)
NOUNS = nouns()


def target(instant: str) -> str:
    """The path as AWS's own clients send it."""
    return f"/at/{instant}/"


def ask(account: Account, path: str, action: str, /, **parameters: str) -> Reply:
    """A call in AWS's Query protocol at a path."""
    version = STS if action == "GetCallerIdentity" else VERSION
    form = urlencode({"Action": action, "Version": version, **parameters})
    told = {"Authorization": account.authorization, "Content-Type": FORM}
    return account.server.send("POST", path, form.encode(), told)


def names(reply: Reply) -> list[str]:
    """The users in an answer to ListUsers."""
    assert reply.status == 200, reply
    return re.findall("<UserName>([^<]*)</UserName>", reply.body.decode())


def basis(reply: Reply) -> tuple[int, str]:
    """What an answer in XML says that it was computed at."""
    return int(reply.headers["x-iam-ledger-position"]), reply.headers["x-iam-ledger-instant"]


def without_request_id(reply: Reply) -> tuple[int, bytes]:
    """What must be the same whenever the same is asked."""
    return reply.status, re.sub(rb"<RequestId>[^<]*</RequestId>", b"", reply.body)


def times(account: Account) -> dict[int, str]:
    """When each of the account's records was recorded."""
    return {event["position"]: event["recorded_at"] for event in account.events()}


def time_of(account: Account, position: int) -> datetime:
    """When a record was recorded."""
    return datetime.fromisoformat(times(account)[position])


# Every read, now and then


def test_every_action_has_its_place_in_a_life() -> None:
    """A new one cannot be forgotten: its noun's life or its questions have it."""
    lived = {action for noun in NOUNS.values() for action, _ in noun.live("111122223333")}
    asked = {action for noun in NOUNS.values() for action in noun.questions("111122223333")}
    assert lived == {name for name, action in IAM.items() if isinstance(action, Write)}
    assert asked == {name for name, action in IAM.items() if not isinstance(action, Write | Start | Report)}


@pytest.mark.parametrize("noun", NOUNS.values(), ids=NOUNS)
def test_every_read_answers_at_an_instant_as_it_did_when_that_was_the_present(account: Account, noun: Noun) -> None:
    """Each read after each of many writes, then all of it again at `@n` and at the record's time."""
    asked = noun.questions(account.id)
    every = [(action, parameters) for action, variants in asked.items() for parameters in variants]

    def answers(path: str) -> list[tuple[int, bytes]]:
        return [without_request_id(ask(account, path, action, **parameters)) for action, parameters in every]

    then = {0: answers("/")}
    life = noun.live(account.id)
    step = next(life, None)
    while step is not None:
        action, parameters = step
        caller = account.authorization.replace(account.id, parameters.get(AS, account.id))
        reply = account.query(action, {"Authorization": caller}, **parameters)
        assert reply.status == 200, (action, reply)
        then[len(then)] = answers("/")
        step = next_step(life, reply)
    assert {status for answered in then.values() for status, _ in answered} <= {200, 403, 404}
    assert any(status == 200 for status, _ in then[len(then) - 1])

    recorded = times(account)
    for position, answered in then.items():
        assert answers(target(f"@{position}")) == answered, position
        if position:
            assert answers(target(recorded[position])) == answered, position


def next_step(life: Life, reply: Reply) -> tuple[str, dict[str, str]] | None:
    """The write that comes after this reply; None at the end of the life."""
    try:
        return life.send(reply)
    except StopIteration:
        return None


# Unmodified clients


def test_boto3_reads_the_past_through_renames_and_new_users_of_an_old_name(
    account: Account, client: Callable[..., Any]
) -> None:
    """With nothing but another endpoint: a name means its holder then, and the answer what held then."""
    now = client(account)
    first = now.create_user(UserName="alice")["User"]
    ops = now.create_policy(PolicyName="ops", PolicyDocument=document(1))["Policy"]["Arn"]
    now.attach_user_policy(UserName="alice", PolicyArn=ops)
    now.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=document(2))
    now.update_user(UserName="alice", NewUserName="bob")  # 5
    second = now.create_user(UserName="alice")["User"]
    now.create_policy_version(PolicyArn=ops, PolicyDocument=document(3), SetAsDefault=True)
    now.detach_user_policy(UserName="bob", PolicyArn=ops)
    now.delete_user_policy(UserName="bob", PolicyName="own")
    now.delete_user(UserName="bob")  # 10

    def at(position: int) -> Any:
        return client(account, url=f"{account.server.url}/at/@{position}")

    def ids(client: Any) -> dict[str, str]:
        return {user["UserName"]: user["UserId"] for user in client.list_users()["Users"]}

    assert ids(at(0)) == {}
    assert ids(at(1)) == {"alice": first["UserId"]}
    assert ids(at(5)) == {"bob": first["UserId"]}
    assert ids(at(6)) == {"alice": second["UserId"], "bob": first["UserId"]}
    assert ids(at(10)) == ids(now) == {"alice": second["UserId"]}

    past = at(7)
    assert past.get_user(UserName="bob")["User"]["CreateDate"] == first["CreateDate"]
    assert past.get_user_policy(UserName="Bob", PolicyName="own")["PolicyDocument"] == json.loads(document(2))
    assert past.list_attached_user_policies(UserName="bob")["AttachedPolicies"][0]["PolicyArn"] == ops
    assert past.list_attached_user_policies(UserName="alice")["AttachedPolicies"] == []
    assert [user["UserName"] for user in past.list_entities_for_policy(PolicyArn=ops)["PolicyUsers"]] == ["bob"]
    assert [user["UserName"] for user in at(4).list_entities_for_policy(PolicyArn=ops)["PolicyUsers"]] == ["alice"]
    assert [at(position).get_policy(PolicyArn=ops)["Policy"]["DefaultVersionId"] for position in (6, 7)] == ["v1", "v2"]
    assert len(at(6).list_policy_versions(PolicyArn=ops)["Versions"]) == 1
    assert client(account, "sts", f"{account.server.url}/at/@1").get_caller_identity()["Account"] == account.id


def test_boto3_is_told_that_the_past_is_read_only(
    account: Account, client: Callable[..., Any], refused: Callable[..., tuple[int, str, str]]
) -> None:
    """An error of its own code, not repeated by the client."""
    account.query("CreateUser", UserName="alice")
    past = client(account, url=f"{account.server.url}/at/@1")

    assert refused(past.delete_user, UserName="alice") == (
        400,
        "InstantIsReadOnly",
        "DeleteUser cannot be called at @1: the past can only be read. Call it at /.",
    )
    assert len(account.events()) == 1


def test_the_aws_cli_reads_the_past(account: Account, tmp_path: Path) -> None:
    """`--endpoint-url …/at/…` is all it takes, with a time as people write it."""
    account.query("CreateUser", UserName="alice")
    account.query("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    account.query("PutUserPolicy", UserName="alice", PolicyName="own", PolicyDocument=document(1))
    account.query("PutUserPolicy", UserName="alice", PolicyName="own", PolicyDocument=document(2))  # 4
    account.query("DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    account.query("DeleteUserPolicy", UserName="alice", PolicyName="own")
    account.query("UpdateUser", UserName="alice", NewUserName="bob")
    account.query("CreateUser", UserName="alice")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "AWS_ACCESS_KEY_ID": account.id,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "HOME": str(tmp_path),
    }
    recorded = times(account)

    def aws(position: int, *arguments: str) -> Any:
        program = Path(sys.executable).with_name("aws")
        command = [program, "iam", *arguments, "--endpoint-url", f"{account.server.url}/at/{recorded[position]}"]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    attached = aws(4, "list-attached-user-policies", "--user-name", "alice")
    assert attached == {"AttachedPolicies": [{"PolicyName": "AdministratorAccess", "PolicyArn": ADMIN}]}
    inline = aws(3, "get-user-policy", "--user-name", "alice", "--policy-name", "own")
    assert inline["PolicyDocument"] == json.loads(document(1))
    holders = aws(4, "list-entities-for-policy", "--policy-arn", ADMIN)
    assert [user["UserName"] for user in holders["PolicyUsers"]] == ["alice"]
    assert [user["UserName"] for user in aws(7, "list-users")["Users"]] == ["bob"]


# What an instant may look like

FORMS: Mapping[str, Callable[[datetime], str]] = {
    "time": lambda at: f"/at/{at:%Y-%m-%dT%H:%M:%S.%fZ}",
    "trailing slash": lambda at: f"/at/{at:%Y-%m-%dT%H:%M:%S.%fZ}/",
    "two trailing slashes": lambda at: f"/at/{at:%Y-%m-%dT%H:%M:%S.%fZ}//",
    "encoded colons": lambda at: f"/at/{at:%Y-%m-%dT%H%%3A%M%%3a%S.%fZ}",
    "lower case": lambda at: f"/at/{at:%Y-%m-%dt%H:%M:%S.%fz}",
    "nanoseconds": lambda at: f"/at/{at:%Y-%m-%dT%H:%M:%S.%f999Z}",
    "raw offset": lambda at: f"/at/{at.astimezone(timezone(timedelta(hours=1))).isoformat()}",
    "encoded offset": lambda at: f"/at/{at.isoformat().replace('+', '%2B')}/",
    "space for plus": lambda at: f"/at/{at.isoformat().replace('+', '%20')}/",
    "offset to the west": lambda at: f"/at/{at.astimezone(timezone(-timedelta(hours=9, minutes=30))).isoformat()}/",
    "unknown local offset": lambda at: f"/at/{at:%Y-%m-%dT%H:%M:%S.%f}-00:00",
    "space for T": lambda at: f"/at/{at:%Y-%m-%d%%20%H:%M:%S.%fZ}",
    "basic form": lambda at: f"/at/{at:%Y%m%dT%H%M%S.%fZ}/",
    "basic form with offset": lambda at: f"/at/{at:%Y%m%dT%H%M%S.%f}+0000",
    "position": lambda at: "/at/@1",
    "position and slash": lambda at: "/at/@1/",
    "encoded position": lambda at: "/at/%401/",
    "leading zeros": lambda at: "/at/@0001/",
    "doubled slashes": lambda at: "//at//@1//",
    "encoded letters": lambda at: "/%61t/@1/",
    "capitals": lambda at: "/AT/@1/",
    "with the host": lambda at: "http://127.0.0.1/at/@1/",
    "query string": lambda at: "/at/@1?colour=red",
    "slash and query string": lambda at: "/at/@1/?colour=red",
}


@pytest.fixture
def grown(account: Account) -> Account:
    """An account that has alice since its first record, and bob since its second."""
    account.query("CreateUser", UserName="alice")
    account.query("CreateUser", UserName="bob")
    return account


@pytest.mark.parametrize("form", FORMS)
def test_an_instant_is_read_in_every_form(grown: Account, form: str) -> None:
    """Times and positions, raw and encoded, with a slash at the end and without."""
    at = time_of(grown, 1)
    path = FORMS[form](at)
    reply = ask(grown, path, "ListUsers")

    assert names(reply) == ["alice"]
    assert basis(reply) == (1, f"{at:%Y-%m-%dT%H:%M:%S.%fZ}")
    assert ask(grown, path, "DeleteUser", UserName="alice").refusal[:2] == (400, "InstantIsReadOnly")


def test_a_time_means_every_record_up_to_it(grown: Account) -> None:
    """Inclusive to the microsecond."""
    first, second = time_of(grown, 1), time_of(grown, 2)
    tick = timedelta(microseconds=1)

    def at(time: datetime) -> tuple[list[str], int]:
        reply = ask(grown, target(f"{time:%Y-%m-%dT%H:%M:%S.%fZ}"), "ListUsers")
        return names(reply), basis(reply)[0]

    assert at(first - tick) == ([], 0)
    assert at(second - tick) == (["alice"], 1)
    assert at(second) == (["alice", "bob"], 2)
    assert at(datetime.now(UTC)) == (["alice", "bob"], 2)


NO_INSTANT = "at: {} is neither a time with its offset, such as 2026-11-03T14:03:00Z, nor `@` and a position."
OUTSIDE = "at: {} is outside the calendar."


@pytest.mark.parametrize(
    ("written", "read", "message"),
    [
        ("@3", "@3", "at: {} is above the head of the ledger, @2."),
        ("@999999999999999999", "@999999999999999999", "at: {} is above the head of the ledger, @2."),
        ("@9999999999999999999", "@9999999999999999999", NO_INSTANT),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "at: {} is in the future."),
        ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59-01:00", OUTSIDE),
        ("0001-01-01T00:00:00%2B01:00", "0001-01-01T00:00:00+01:00", OUTSIDE),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z", NO_INSTANT),
        ("2026-02-30T00:00:00Z", "2026-02-30T00:00:00Z", NO_INSTANT),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00", NO_INSTANT),
        ("2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00+25:00", NO_INSTANT),
        ("2026-01-01", "2026-01-01", NO_INSTANT),
        ("yesterday", "yesterday", NO_INSTANT),
        ("1767225600", "1767225600", NO_INSTANT),
        ("@", "@", NO_INSTANT),
        ("@-1", "@-1", NO_INSTANT),
        ("@1.5", "@1.5", NO_INSTANT),
        ("@1%0A", "@1\n", NO_INSTANT),
        ("@%D9%A1", "@\N{ARABIC-INDIC DIGIT ONE}", NO_INSTANT),
        ("@1%2F", "@1/", NO_INSTANT),
        ("..", "..", NO_INSTANT),
        ("%ff", "\N{REPLACEMENT CHARACTER}", NO_INSTANT),
        ("%3Cb%3E", "<b>", NO_INSTANT),
        ("", "", NO_INSTANT),
    ],
)
def test_what_is_no_instant_of_the_past_is_refused(grown: Account, written: str, read: str, message: str) -> None:
    """In both protocols, and whoever asks about himself is told as well."""
    expected = message.format(read)
    told = {"Authorization": grown.authorization, "Accept": "application/json"}
    asked = grown.server.send("GET", f"/at/{written}/?Action=ListUsers&Version={VERSION}", headers=told)
    assert asked.refusal == (400, "VALIDATION_ERROR", expected)
    for action in ("ListUsers", "GetCallerIdentity"):
        assert ask(grown, f"/at/{written}", action).refusal == (400, "ValidationError", expected)


@pytest.mark.parametrize("path", ["/at", "//at", "/%61%74/", "/at?"])
def test_without_an_instant_nothing_is_read_or_done(grown: Account, path: str) -> None:
    """A forgotten instant is not the present."""
    assert ask(grown, path, "ListUsers").refusal == (400, "ValidationError", NO_INSTANT.format(""))
    assert ask(grown, path, "DeleteUser", UserName="alice").refusal[:2] == (400, "InstantIsReadOnly")


@pytest.mark.parametrize(
    "path", ["/att/@1", "/at@1", "/a/@1/", "/attic/@0/", "/@1/at/", "/at/@1/users", "/at/@1//x/%23Action=ListUsers"]
)
def test_a_path_that_only_looks_like_the_past_is_neither_the_past_nor_the_present(grown: Account, path: str) -> None:
    """404, and nothing is read or done: whoever wrote it meant the past."""
    nothing = (404, "UnknownOperationException", f"There is nothing at POST {path.replace('%23', '#')}.")
    for action in ("ListUsers", "DeleteUser"):
        reply = ask(grown, path, action, UserName="alice")
        assert reply.refusal == nothing
        assert "x-iam-ledger-position" not in reply.headers
    assert names(ask(grown, "/", "ListUsers")) == ["alice", "bob"]
    assert [event["outcome"] for event in grown.events()] == ["changed", "changed"]


def test_boto3_says_that_nothing_is_at_a_mistyped_endpoint(
    account: Account, client: Callable[..., Any], refused: Callable[..., tuple[int, str, str]]
) -> None:
    """By a code that nobody takes for a user who was not there then."""
    past = client(account, url=f"{account.server.url}/att/@0")

    assert refused(past.get_user, UserName="alice") == (
        404,
        "UnknownOperationException",
        "There is nothing at POST /att/@0.",
    )


def test_a_minute_ahead_is_the_future(account: Account) -> None:
    """An error, as its answer could not be final; also for an account that was never used."""
    ahead = f"{datetime.now(UTC) + FUTURE:%Y-%m-%dT%H:%M:%SZ}"
    assert ask(account, target(ahead), "ListUsers").refusal == (
        400,
        "ValidationError",
        f"at: {ahead} is in the future.",
    )


@pytest.mark.parametrize("instant", ["@0", "2001-02-03T04:05:06Z", "0001-01-01T00:00:00Z"])
def test_before_its_first_record_an_account_is_empty(account: Account, instant: str) -> None:
    """AWS's managed policies are there, attached to nobody. An account that was never used is the same."""
    at = f"{instant[:19]}.000000Z" if instant[0] != "@" else "1970-01-01T00:00:00.000000Z"

    def check() -> None:
        users = ask(account, target(instant), "ListUsers")
        assert names(users) == []
        assert basis(users) == (0, at)
        assert ask(account, target(instant), "GetUser", UserName="alice").refusal[:2] == (404, "NoSuchEntity")
        local = ask(account, target(instant), "ListPolicies", Scope="Local")
        assert local.text("ListPoliciesResult/Policies") == ""
        assert b"<PolicyName>" in ask(account, target(instant), "ListPolicies", Scope="AWS").body
        admin = ask(account, target(instant), "GetPolicy", PolicyArn=ADMIN)
        assert admin.text("GetPolicyResult/Policy/AttachmentCount") == "0"
        assert ask(account, target(instant), "GetPolicyVersion", PolicyArn=ADMIN, VersionId="v1").status == 200

    check()
    assert account.events() == []
    account.query("CreateUser", UserName="alice")
    account.query("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    check()


# How it may be asked


def test_an_instant_is_asked_by_get_and_post_in_xml_and_json(account: Account) -> None:
    """The same four ways as the present, each with its basis."""
    account.query("CreateUser", UserName="alice")
    account.query("CreateUser", UserName="bob")
    at = times(account)[1]
    signed = {"Authorization": account.authorization}
    as_json = {**signed, "Accept": "application/json"}
    query = f"Action=ListUsers&Version={VERSION}"
    for path in ("/at/@1?" + query, "/at/@1/?" + query, "/at/@1/%23" + query):
        reply = account.get(path)
        assert names(reply) == ["alice"], path
        assert basis(reply) == (1, at)

    body = json.dumps({"Action": "GetUser", "UserName": "alice"}).encode()
    posted = account.server.send("POST", target("@1"), body, {**signed, "Content-Type": "application/json"})
    assert posted.data["User"]["UserName"] == "alice"
    assert posted.data["basis"] == {"position": 1, "instant": at}
    for path in ("/at/@1/%23Action=ListUsers", "/at/@1?Action=ListUsers"):
        listed = account.server.send("GET", path, headers=as_json)
        assert [user["UserName"] for user in listed.data["Users"]] == ["alice"]
        assert listed.data["basis"] == {"position": 1, "instant": at}


def test_the_present_has_no_basis(account: Account) -> None:
    """AWS's answers at `/` are AWS's, header for header."""
    reply = account.query("ListUsers")
    assert [name for name in reply.headers if name.startswith("x-iam-ledger")] == []


def test_the_caller_is_the_same_at_any_instant(account: Account) -> None:
    """sts:GetCallerIdentity, with the basis of any other answer."""
    account.query("CreateUser", UserName="alice")
    reply = ask(account, target("@1"), "GetCallerIdentity")
    assert reply.text("GetCallerIdentityResult/Account") == account.id
    assert basis(reply) == (1, times(account)[1])


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        (
            {"Action": "FrobUser", "Version": VERSION},
            (400, "InvalidAction", f"Could not find operation FrobUser for version {VERSION}"),
        ),
        (
            {"Action": "ListDelegationRequests", "Version": VERSION},
            (
                501,
                "NotImplemented",
                f"iam:ListDelegationRequests is not implemented. {NOT_HERE['ListDelegationRequests']}",
            ),
        ),
        (
            {"Action": "GetSessionToken", "Version": STS},
            (501, "NotImplemented", "sts:GetSessionToken is not implemented yet."),
        ),
        (
            {"Action": "GetUser", "Version": VERSION, "UserName": "nobody"},
            (404, "NoSuchEntity", "The user with name nobody cannot be found."),
        ),
    ],
    ids=["unknown", "of IAM, missing", "of STS, missing", "nobody"],
)
def test_refusals_are_those_of_the_present(
    account: Account, fields: dict[str, str], refusal: tuple[int, str, str]
) -> None:
    """An action that is not there, or a user that was not."""
    told = {"Authorization": account.authorization, "Content-Type": FORM}
    assert account.form(fields).refusal == refusal
    assert account.server.send("POST", target("@0"), urlencode(fields).encode(), told).refusal == refusal


def test_without_an_action_there_is_nothing_at_an_instant(account: Account) -> None:
    """404 with AWS's one element, or what the envelope says at `/`."""
    reply = account.get(target("@0"))
    assert (reply.status, reply.body) == (404, b"<UnknownOperationException/>")
    told = {"Authorization": account.authorization, "Accept": "application/json"}
    assert account.server.send("GET", target("@0"), headers=told).refusal[:2] == (400, "MISSING_ACTION")


def test_other_methods_are_not_allowed_at_an_instant(account: Account) -> None:
    """405, as at `/`."""
    told = {"Authorization": account.authorization}
    for method in ("PUT", "DELETE", "PATCH"):
        reply = account.server.send(method, f"/at/@0/?Action=ListUsers&Version={VERSION}", headers=told)
        assert (reply.status, reply.headers["Allow"]) == (405, "GET, POST")


# What the past refuses


def test_every_write_is_refused_by_name_and_leaves_no_trace(account: Account) -> None:
    """All of them, well formed, in both protocols; not even the attempt is recorded."""
    account.query("CreateUser", UserName="alice")
    writes = {action: parameters for noun in NOUNS.values() for action, parameters in noun.live(account.id)}
    as_json = {"Authorization": account.authorization, "Accept": "application/json"}
    for action, parameters in writes.items():
        message = f"{action} cannot be called at @1: the past can only be read. Call it at /."
        assert ask(account, target("@1"), action, **parameters).refusal == (400, "InstantIsReadOnly", message)
        query = urlencode({"Action": action, "Version": VERSION, **parameters})
        by_get = account.server.send("GET", f"/at/@1?{query}", headers=as_json)
        assert by_get.refusal == (400, "INSTANT_IS_READ_ONLY", message)

    assert [event["action"] for event in account.events()] == ["CreateUser"]
    assert names(ask(account, "/", "ListUsers")) == ["alice"]


def test_a_refused_write_does_not_use_up_its_command_id(account: Account) -> None:
    """The same call with the same id is done at `/`."""
    form = urlencode({"Action": "CreateUser", "Version": VERSION, "UserName": "alice"}).encode()
    told = {"Authorization": account.authorization, "Content-Type": FORM, "Idempotency-Key": "once"}
    assert account.server.send("POST", target("@0"), form, told).refusal[1] == "InstantIsReadOnly"
    assert account.server.send("POST", "/", form, told).status == 200


# Page by page


def test_pages_of_an_instant_are_of_that_instant_while_writes_go_on(account: Account) -> None:
    """Between the pages users come, go and are renamed; the pages do not notice."""
    for number in range(7):
        account.query("CreateUser", UserName=f"user-{number}")
    then = names(ask(account, "/", "ListUsers"))
    seen: list[str] = []
    marker: dict[str, str] = {}
    for page in range(4):
        reply = ask(account, target("@7"), "ListUsers", MaxItems="2", **marker)
        seen += names(reply)
        assert basis(reply)[0] == 7
        if page < 3:
            marker = {"Marker": reply.text("ListUsersResult/Marker")}
        account.query("DeleteUser", UserName=f"user-{6 - page}")
        account.query("CreateUser", UserName=f"user-{page}-a")
        account.query("UpdateUser", UserName=f"user-{page}", NewUserName=f"renamed-{page}")

    assert seen == then
    assert reply.text("ListUsersResult/IsTruncated") == "false"


def test_boto3_pages_through_the_past(account: Account, client: Callable[..., Any]) -> None:
    """Its own paginator over every list that a user has."""
    account.query("CreateUser", UserName="alice")
    for number in range(5):
        account.query("PutUserPolicy", UserName="alice", PolicyName=f"p{number}", PolicyDocument=document(number))
    account.query("DeleteUserPolicy", UserName="alice", PolicyName="p3")
    past = client(account, url=f"{account.server.url}/at/{times(account)[6]}")
    pages = past.get_paginator("list_user_policies").paginate(UserName="alice", PaginationConfig={"PageSize": 2})
    assert [page["PolicyNames"] for page in pages] == [["p0", "p1"], ["p2", "p3"], ["p4"]]


def test_a_marker_of_another_list_is_refused(account: Account) -> None:
    """As at `/`: it leads nowhere."""
    for name in ("a", "b"):
        account.query("CreateUser", UserName=name)
    marker = ask(account, target("@2"), "ListUsers", MaxItems="1").text("ListUsersResult/Marker")
    invalid = (400, "ValidationError", "Invalid Marker.")
    assert ask(account, target("@2"), "ListPolicies", Marker=marker).refusal == invalid
    assert ask(account, target("@2"), "ListUsers", PathPrefix="/x/", Marker=marker).refusal == invalid
    assert ask(account, target("@2"), "ListUsers", Marker="no-marker").refusal == invalid
