"""What `history` tells of everyone who bore a name."""

import asyncio
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.request import urlopen

import msgspec
import pytest

from eventstore.record import EPOCH, GENESIS, Actor, Attempt, Record, Restored, head_of, seal
from eventstore.sqlite import SqliteLog
from iam.events import AnyEvent, Event
from iam.events.credentials import AccessKeyCreated
from iam.events.groups import (
    GroupCreated,
    GroupPolicyAttached,
    GroupPolicyDeleted,
    GroupPolicyDetached,
    GroupPolicyPut,
    GroupUpdated,
    UserAddedToGroup,
    UserRemovedFromGroup,
)
from iam.events.policies import (
    DefaultPolicyVersionSet,
    PolicyCreated,
    PolicyTagged,
    PolicyVersionCreated,
    PolicyVersionDeleted,
)
from iam.events.users import (
    UserCreated,
    UserDeleted,
    UserPermissionsBoundaryDeleted,
    UserPermissionsBoundaryPut,
    UserPolicyAttached,
    UserPolicyDeleted,
    UserPolicyDetached,
    UserPolicyPut,
    UserTagged,
    UserUntagged,
    UserUpdated,
)
from iam.relations import Tag
from tools.__main__ import main
from tools.telling import TELLINGS

ACCOUNT = "123456789012"
START = datetime(2026, 11, 3, 14, 0, tzinfo=UTC)
ALICE, OTHER = "AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
OPS = f"arn:aws:iam::{ACCOUNT}:policy/team/ops"
EVE = f"arn:aws:iam::{ACCOUNT}:user/team/eve"
REPORTS = (
    '{"Version":"2012-10-17","Statement":[{"Sid":"Reports","Effect":"Allow","Action":"s3:GetObject",'
    '"Resource":"arn:aws:s3:::reports/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}},'
    '{"Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*"}]}'
)
MORE = REPORTS.replace('"s3:GetObject"', '["s3:GetObject","s3:PutObject"]').replace(
    ',"Condition":{"Bool":{"aws:SecureTransport":"true"}}', ""
)
SPACED = MORE.replace(",", ", ")

Entry = Event | Attempt
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def user(**fields: Any) -> dict[str, Any]:
    """What every event of the first alice names."""
    return {"user_id": ALICE, "user_name": "alice", **fields}


LIFE: tuple[tuple[str, Entry], ...] = (
    (
        "CreateUser",
        UserCreated(
            **user(path="/team/", created_at=START, tags=(Tag("Team", "red"), Tag("a b", "")), permissions_boundary=OPS)
        ),
    ),
    ("AttachUserPolicy", UserPolicyAttached(**user(policy_arn=ADMIN, policy_name="AdministratorAccess"))),
    ("PutUserPolicy", UserPolicyPut(**user(policy_name="reports", policy_document=REPORTS))),
    ("AttachUserPolicy", Attempt(parameters={"user_name": "ALICE"}, code="LimitExceeded")),
    (
        "AttachUserPolicy",
        Attempt(parameters={"user_name": "alice"}, code="LimitExceeded", type="AttemptsRepeated", repeated=2),
    ),
    ("AttachUserPolicy", Attempt(parameters={"user_name": "bob"}, code="NoSuchEntity")),
    ("PutUserPolicy", UserPolicyPut(**user(policy_name="reports", policy_document=MORE))),
    ("PutUserPolicy", UserPolicyPut(**user(policy_name="reports", policy_document=SPACED))),
    ("TagUser", UserTagged(**user(tags=(Tag("Team", "blue"), Tag("A B", "x"), Tag("new", "1"))))),
    (
        "UpdateUser",
        UserUpdated(
            user_id=ALICE,
            user_name="Bob",
            path="/",
            previous_user_name="alice",
            previous_path="/team/",
            created_at=START,
        ),
    ),
    ("CreateUser", UserCreated(user_id=OTHER, user_name="alice", path="/", created_at=START)),
    ("DetachUserPolicy", UserPolicyDetached(user_id=ALICE, user_name="Bob", policy_arn=ADMIN)),
    ("DeleteUserPolicy", UserPolicyDeleted(user_id=ALICE, user_name="Bob", policy_name="reports")),
    (
        "PutUserPermissionsBoundary",
        UserPermissionsBoundaryPut(
            user_id=ALICE, user_name="Bob", permissions_boundary=ADMIN, previous_permissions_boundary=OPS
        ),
    ),
    (
        "DeleteUserPermissionsBoundary",
        UserPermissionsBoundaryDeleted(user_id=ALICE, user_name="Bob", permissions_boundary=ADMIN),
    ),
    ("UntagUser", UserUntagged(user_id=ALICE, user_name="Bob", tag_keys=("new", "team"))),
    (
        "RestoreUser",
        UserPolicyAttached(user_id=ALICE, user_name="Bob", policy_arn=ADMIN, policy_name="AdministratorAccess"),
    ),
    ("DetachUserPolicy", UserPolicyDetached(user_id=ALICE, user_name="Bob", policy_arn=ADMIN)),
    ("DeleteUser", UserDeleted(user_id=ALICE, user_name="Bob")),
)

TOLD = """\
AIDAAAAAAAAAAAAAAAAAA
  alice  from 2026-11-03T14:00:00Z (@1) to 2026-11-03T14:09:00Z (@10)
  Bob  from 2026-11-03T14:09:00Z (@10) to 2026-11-03T14:18:00Z (@19)

@1  2026-11-03T14:00:00Z  created user alice
    + path /team/
    + tag Team = red
    + tag "a b" = ""
    + permissions boundary arn:aws:iam::123456789012:policy/team/ops
    CreateUser by user/team/eve from 203.0.113.7 with aws-cli/2.15

@2  2026-11-03T14:01:00Z  attached AdministratorAccess
    + arn:aws:iam::aws:policy/AdministratorAccess
    AttachUserPolicy by user/team/eve from 203.0.113.7 with aws-cli/2.15

@3  2026-11-03T14:02:00Z  put inline policy reports
    + Reports: Allow s3:GetObject on arn:aws:s3:::reports/* if Bool aws:SecureTransport = true
    + Deny all but iam:*, sts:* on *
    PutUserPolicy by user/team/eve from 203.0.113.7 with aws-cli/2.15

    3 refused calls

@7  2026-11-03T14:06:00Z  changed inline policy reports
    + statement Reports now also allows s3:PutObject
    - statement Reports: if Bool aws:SecureTransport = true
    PutUserPolicy by user/team/eve from 203.0.113.7 with aws-cli/2.15

@8  2026-11-03T14:07:00Z  changed inline policy reports
    ~ written differently, means the same
    PutUserPolicy by user/team/eve from 203.0.113.7 with aws-cli/2.15

@9  2026-11-03T14:08:00Z  set tags Team, "A B", new
    ~ tag Team = red -> blue
    - tag "a b" = ""
    + tag "A B" = x
    + tag new = 1
    TagUser by user/team/eve from 203.0.113.7 with aws-cli/2.15

@10  2026-11-03T14:09:00Z  renamed alice to Bob, moved from /team/ to /
    UpdateUser by user/team/eve from 203.0.113.7 with aws-cli/2.15

@12  2026-11-03T14:11:00Z  detached AdministratorAccess
    - arn:aws:iam::aws:policy/AdministratorAccess
    DetachUserPolicy by user/team/eve from 203.0.113.7 with aws-cli/2.15

@13  2026-11-03T14:12:00Z  deleted inline policy reports
    - Reports: Allow s3:GetObject, s3:PutObject on arn:aws:s3:::reports/*
    - Deny all but iam:*, sts:* on *
    DeleteUserPolicy by user/team/eve from 203.0.113.7 with aws-cli/2.15

@14  2026-11-03T14:13:00Z  set permissions boundary AdministratorAccess
    - arn:aws:iam::123456789012:policy/team/ops
    + arn:aws:iam::aws:policy/AdministratorAccess
    PutUserPermissionsBoundary by user/team/eve from 203.0.113.7 with aws-cli/2.15

@15  2026-11-03T14:14:00Z  removed permissions boundary AdministratorAccess
    - arn:aws:iam::aws:policy/AdministratorAccess
    DeleteUserPermissionsBoundary by user/team/eve from 203.0.113.7 with aws-cli/2.15

@16  2026-11-03T14:15:00Z  removed tags new, team
    - tag new = 1
    - tag Team = blue
    UntagUser by user/team/eve from 203.0.113.7 with aws-cli/2.15

@17  2026-11-03T14:16:00Z  attached AdministratorAccess
    + arn:aws:iam::aws:policy/AdministratorAccess
    RestoreUser by user/team/eve from 203.0.113.7 with aws-cli/2.15, restored from @9

@18  2026-11-03T14:17:00Z  detached AdministratorAccess
    - arn:aws:iam::aws:policy/AdministratorAccess
    DetachUserPolicy by user/team/eve from 203.0.113.7 with aws-cli/2.15

@19  2026-11-03T14:18:00Z  deleted user Bob
    - tag "A B" = x
    DeleteUser by user/team/eve from 203.0.113.7 with aws-cli/2.15

AIDABBBBBBBBBBBBBBBBB
  alice  since 2026-11-03T14:10:00Z (@11)

@11  2026-11-03T14:10:00Z  created user alice
    CreateUser by user/team/eve from 203.0.113.7 with aws-cli/2.15
"""


async def _write(path: Path, records: Sequence[Record[Any]]) -> None:
    head = GENESIS
    async with await SqliteLog.open(path) as log:
        for record in records:
            row = seal(msgspec.structs.replace(record, previous=head))
            head = head_of(row).hash
            await log.append([row])


def record(number: int, action: str, entry: Entry, user_agent: str = "aws-cli/2.15 Python") -> Record[Any]:
    """One record of eve's, a minute after the one before."""
    attempted = isinstance(entry, Attempt)
    at = START + timedelta(minutes=number)
    return Record(
        account=ACCOUNT,
        position=number + 1,
        id=f"event-{number}",
        outcome="refused" if attempted else "changed",
        event=None if attempted else entry,
        attempt=entry if attempted else None,
        recorded_at=at,
        effective_at=at,
        actor=Actor(id="AIDAEVE", arn=EVE),
        source_ip="203.0.113.7",
        user_agent=user_agent,
        action=action,
        command_id=f"command-{number}",
        restored_from=Restored(position=9, instant=EPOCH) if action == "RestoreUser" else None,
        previous="",
    )


def ledger(folder: Path, life: Sequence[tuple[str, Entry]], **envelope: Any) -> Path:
    """A data folder whose ledger holds these."""
    folder.mkdir()
    records = [record(number, action, entry, **envelope) for number, (action, entry) in enumerate(life)]
    asyncio.run(_write(folder / "ledger.db", records))
    return folder


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder nobody changes, with two users who bore one name."""
    return ledger(tmp_path_factory.mktemp("life") / "data", LIFE)


def on_terminal(width: int, *arguments: str, **variables: str) -> str:
    """What the command sends to a terminal of that width."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    terminal, output = pty.openpty()
    termios.tcsetwinsize(output, (24, width))
    with subprocess.Popen(
        [sys.executable, "-m", "tools", *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        env={**inherited, "TERM": "xterm", **variables},
    ) as process:
        os.close(output)
        sent = b""
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # Linux's word for the end
                break
            if not part:
                break
            sent += part
        os.close(terminal)
        assert process.wait(20) == 0
    return sent.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("name", ["alice", "ALICE"])
def test_a_rich_history_is_told(life: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Each user by itself, with all its names; each change with what it did, who made it and from where."""
    assert main(["history", name, "--data", str(life)]) == 0

    assert capsys.readouterr().out == TOLD


@pytest.mark.parametrize(("name", "holders"), [("bob", [ALICE]), (OTHER, [OTHER]), (ALICE, [ALICE])])
def test_another_name_and_an_id_lead_to_the_same_users(
    life: Path, capsys: pytest.CaptureFixture[str], name: str, holders: list[str]
) -> None:
    """A later name tells of the time before it, too."""
    assert main(["history", name, "--data", str(life)]) == 0

    out = capsys.readouterr().out
    assert re.findall(r"^AIDA\w+", out, re.MULTILINE) == holders
    assert "created user alice" in out


GROUP: dict[str, Any] = {"group_id": "AGPA1", "group_name": "devs"}
ALICES: dict[str, Any] = {"user_id": ALICE, "user_name": "alice"}
VERSIONED: dict[str, Any] = {"policy_id": "ANPA1", "policy_arn": OPS}
SOURCES: tuple[tuple[str, Entry], ...] = (
    ("CreateUser", UserCreated(**ALICES, path="/", created_at=START)),
    ("CreateUser", UserCreated(user_id=OTHER, user_name="bob", path="/", created_at=START)),
    (
        "CreatePolicy",
        PolicyCreated(**VERSIONED, policy_name="ops", path="/team/", created_at=START, policy_document=REPORTS),
    ),
    ("CreateGroup", GroupCreated(**GROUP, path="/", created_at=START)),
    ("AttachGroupPolicy", GroupPolicyAttached(**GROUP, policy_arn=OPS, policy_name="ops")),
    ("PutGroupPolicy", GroupPolicyPut(**GROUP, policy_name="In", policy_document=REPORTS)),
    ("CreatePolicyVersion", PolicyVersionCreated(**VERSIONED, version_id="v2", created_at=START, policy_document=MORE)),
    ("AddUserToGroup", UserAddedToGroup(**GROUP, **ALICES)),
    ("AddUserToGroup", UserAddedToGroup(**GROUP, user_id=OTHER, user_name="bob")),
    ("SetDefaultPolicyVersion", DefaultPolicyVersionSet(**VERSIONED, version_id="v2")),
    ("PutGroupPolicy", GroupPolicyPut(**GROUP, policy_name="In", policy_document=MORE)),
    ("DeletePolicyVersion", PolicyVersionDeleted(**VERSIONED, version_id="v1")),
    (
        "UpdateGroup",
        GroupUpdated(
            group_id="AGPA1",
            group_name="staff",
            path="/x/",
            previous_group_name="devs",
            previous_path="/",
            created_at=START,
        ),
    ),
    ("CreateAccessKey", AccessKeyCreated(**ALICES, access_key_id="AKIA1", created_at=START)),
    ("DetachGroupPolicy", GroupPolicyDetached(group_id="AGPA1", group_name="staff", policy_arn=OPS)),
    ("SetDefaultPolicyVersion", PolicyTagged(**VERSIONED, tags=(Tag("a", "b"),))),
    ("DeleteGroupPolicy", GroupPolicyDeleted(group_id="AGPA1", group_name="staff", policy_name="In")),
    ("AttachGroupPolicy", GroupPolicyAttached(**GROUP, policy_arn=ADMIN, policy_name="AdministratorAccess")),
    ("RemoveUserFromGroup", UserRemovedFromGroup(**GROUP, **ALICES)),
    ("DetachGroupPolicy", GroupPolicyDetached(**GROUP, policy_arn=ADMIN)),
    (
        "CreatePolicyVersion",
        PolicyVersionCreated(
            **VERSIONED, version_id="v3", created_at=START, policy_document=SPACED, set_as_default=True
        ),
    ),
    ("PutUserPermissionsBoundary", UserPermissionsBoundaryPut(**ALICES, permissions_boundary=OPS)),
    (
        "CreatePolicyVersion",
        PolicyVersionCreated(
            **VERSIONED, version_id="v4", created_at=START, policy_document=REPORTS, set_as_default=True
        ),
    ),
    ("CreatePolicyVersion", PolicyVersionCreated(**VERSIONED, version_id="v5", created_at=START, policy_document=MORE)),
)
PHRASES = """\
@1 created user alice
@8 joined group devs
    + arn:aws:iam::123456789012:policy/team/ops
    + inline policy In
@10 policy ops now says v2
    + statement Reports now also allows s3:PutObject
    - statement Reports: if Bool aws:SecureTransport = true
@11 group devs changed inline policy In
    + statement Reports now also allows s3:PutObject
    - statement Reports: if Bool aws:SecureTransport = true
@12 policy ops lost version v1
@13 its group was renamed devs to staff, moved from / to /x/
@14 access key created
@15 group staff detached ops
    - arn:aws:iam::123456789012:policy/team/ops
@17 group staff deleted inline policy In
    - Reports: Allow s3:GetObject, s3:PutObject on arn:aws:s3:::reports/*
    - Deny all but iam:*, sts:* on *
@18 group devs attached AdministratorAccess
    + arn:aws:iam::aws:policy/AdministratorAccess
@19 left group devs
    - arn:aws:iam::aws:policy/AdministratorAccess
@22 set permissions boundary ops
    + arn:aws:iam::123456789012:policy/team/ops
@23 policy ops now says v4
    - statement Reports no longer allows s3:PutObject
    + statement Reports: if Bool aws:SecureTransport = true
@24 policy ops got version v5, not in force
"""


def test_what_permissions_came_from_is_told_while_they_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups while the user is in them, policies while it carries them, by whatever path; others' joining is not."""
    folder = ledger(tmp_path / "data", SOURCES)
    assert main(["history", "alice", "--data", str(folder)]) == 0

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("@", "    +", "    -"))]
    assert re.sub(r"(?m)^(@\d+)  \S+ ", r"\1", "\n".join(lines)) == PHRASES.strip()

    assert main(["history", OTHER, "--data", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [change["position"] for change in told["changes"]] == [2, 9, 10, 11, 12, 13, 15, 17, 18, 20]
    assert {change["user_name"] for change in told["changes"]} == {"bob"}
    assert told["changes"][1]["through"] == {"group_id": "AGPA1", "group_name": "devs"}
    assert told["changes"][2]["through"] == {"policy_id": "ANPA1", "policy_arn": OPS}
    assert told["changes"][2]["before"] == {"default_version_id": "v1"}


SIGNS = {"+": "\033[32m", "-": "\033[31m", "~": "\033[33m"}


def signed(sent: str) -> list[str]:
    """The lines of a difference without their colours, which are those of their signs."""
    lines = [line for line in sent.splitlines() if re.match(r" *\033\[\d+m[-+~] ", line)]
    for line in lines:
        sign = re.sub(r"\033\[\d+m", "", line).strip()[0]
        assert line.strip() == f"{SIGNS[sign]}{line.strip()[5:-4]}\033[0m"
    return [re.sub(r"\033\[\d+m", "", line) for line in lines]


def test_a_terminal_is_told_in_colour_what_comes_through_groups(tmp_path: Path) -> None:
    """In the history: what joining and leaving a group gave and took, and what became of the group meanwhile."""
    sent = on_terminal(200, "history", "alice", "--data", str(ledger(tmp_path / "data", SOURCES)))

    plain = re.sub(r"\033\[\d+m", "", sent)
    told = [line for line in plain.splitlines() if line.startswith(("@", "    +", "    -"))]
    assert re.sub(r"(?m)^(@\d+)  \S+ ", r"\1", "\n".join(told)) == PHRASES.strip()
    assert signed(sent) == [line for line in PHRASES.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize(
    ("ends", "lines"),
    [
        (
            ("@7", "@9"),
            [
                "+ joined group devs, AGPA1",
                f"+ ops, {OPS}, through group devs",
                "+ inline policy In through group devs",
                "    + Reports: Allow s3:GetObject on arn:aws:s3:::reports/* if Bool aws:SecureTransport = true",
                "    + Deny all but iam:*, sts:* on *",
            ],
        ),
        (
            ("@9", "@11"),
            [
                f"~ managed policy {OPS}, v1 -> v2",
                "    + statement Reports now also allows s3:PutObject",
                "    - statement Reports: if Bool aws:SecureTransport = true",
                "~ inline policy In through group devs",
                "    + statement Reports now also allows s3:PutObject",
                "    - statement Reports: if Bool aws:SecureTransport = true",
            ],
        ),
        (
            ("@11", "@18"),
            [
                f"- ops, {OPS}, through group devs",
                "- inline policy In through group devs",
                "    - Reports: Allow s3:GetObject, s3:PutObject on arn:aws:s3:::reports/*",
                "    - Deny all but iam:*, sts:* on *",
                f"+ AdministratorAccess, {ADMIN}, through group staff",
            ],
        ),
        (
            ("@18", "@19"),
            ["- left group staff, AGPA1", f"- AdministratorAccess, {ADMIN}, through group staff"],
        ),
    ],
)
def test_a_terminal_is_told_in_colour_what_differs_through_groups(
    tmp_path: Path, ends: tuple[str, str], lines: list[str]
) -> None:
    """In a difference: by joining, by what the group's policies say, by what hangs on it, and by leaving."""
    folder = ledger(tmp_path / "data", SOURCES)
    sent = on_terminal(200, "diff", "alice", "--from", ends[0], "--to", ends[1], "--data", str(folder))

    assert signed(sent.partition("\n\n")[2]) == lines


def test_every_event_that_touches_permissions_has_its_words() -> None:
    """And the histories above have them all."""
    lives = {type(entry) for _, entry in (*LIFE, *SOURCES) if not isinstance(entry, Attempt)}

    assert set(TELLINGS) <= lives
    assert set(TELLINGS) <= set(get_args(AnyEvent))


def test_a_program_gets_json_in_the_order_of_the_ledger(life: Path, capfdbinary: Any) -> None:
    """Whoever bore the name with the times of all their names, then each change with its before and after."""
    assert main(["history", "alice", "--data", str(life), "--json"]) == 0

    told = json.loads(capfdbinary.readouterr().out)
    assert (told["account"], told["basis"]["position"]) == (ACCOUNT, len(LIFE))
    assert [(user["user_id"], user["deleted_at"]) for user in told["users"]] == [
        (ALICE, "2026-11-03T14:18:00Z"),
        (OTHER, None),
    ]
    assert told["users"][0]["names"][1] == {
        "user_name": "Bob",
        "from": {"position": 10, "at": "2026-11-03T14:09:00Z"},
        "to": {"position": 19, "at": "2026-11-03T14:18:00Z"},
    }
    positions = [change["position"] for change in told["changes"]]
    assert positions == [1, 2, 3, *range(7, 20)]
    attached = told["changes"][1]
    assert (attached["type"], attached["actor"]["arn"]) == ("UserPolicyAttached", EVE)
    assert attached["before"] == {}
    assert attached["after"] == {"attached": [{"policy_name": "AdministratorAccess", "policy_arn": ADMIN}]}
    assert told["changes"][13]["restored_from"]["position"] == 9


def test_the_service_answers_the_same_changes(data: Path, serve: Callable[..., Any], command: Run) -> None:
    """Beside the running service, and to the letter."""
    server = serve(data)
    with urlopen(f"http://127.0.0.1:{server.port}/v1/users/alice/history", timeout=10) as answer:
        answered = json.load(answer)["data"]

    ended = command("history", "alice", "--data", str(data), "--json")

    told = json.loads(ended.stdout)
    assert told["changes"] == answered["changes"]
    assert told["users"] == answered["users"]


def test_a_terminal_gets_colour_and_lines_of_its_width(life: Path) -> None:
    """Nothing is lost by it: the signs are there without the colour, and the words without the breaks."""
    sent = on_terminal(40, "history", "alice", "--data", str(life))

    assert "\033[32m+ arn:aws:iam::aws:policy/Administra\033[0m\n      \033[32mtorAccess\033[0m\n" in sent
    assert "\033[31m- " in sent
    plain = re.sub(r"\033\[\d+m", "", sent)
    assert max(map(len, plain.splitlines())) == 40
    assert "".join(plain.split()) == "".join(TOLD.split())


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_a_terminal_can_be_spared_the_colour(life: Path, variables: dict[str, str]) -> None:
    """As its owner asks."""
    assert on_terminal(200, "history", "alice", "--data", str(life), **variables) == TOLD


def test_colour_can_be_asked_for_in_a_pipe(life: Path, command: Run) -> None:
    """For a pager that shows it; lines are as long as they are."""
    coloured = command("history", "alice", "--data", str(life), FORCE_COLOR="1", COLUMNS="40").stdout

    assert "\033[1m" in coloured
    assert re.sub(r"\033\[\d+m", "", coloured) == TOLD


@pytest.mark.parametrize(
    ("user_agent", "told"),
    [
        ("Boto3/1.40 md/Botocore#1.40", " with Boto3/1.40"),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.11.4 (+https://www.terraform.io)", " with Terraform/1.11.4"),
        ("APN/1.0", " with APN/1.0"),
        ("", ""),
    ],
)
def test_a_change_is_told_with_the_program_that_made_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], user_agent: str, told: str
) -> None:
    """The first product of the user agent; where a partner of AWS's comes first, the program of that partner."""
    folder = ledger(tmp_path / "data", LIFE[:1], user_agent=user_agent)
    assert main(["history", "alice", "--data", str(folder)]) == 0
    assert capsys.readouterr().out.endswith(f"    CreateUser by user/team/eve from 203.0.113.7{told}\n")


HOSTILE = "\x1b]0;owned\x07 \x9b31m \u202e \x7f \u2028 \r"


def hostile(folder: Path) -> Path:
    """A folder whose records hold what terminals obey, wherever a record holds text."""
    document = json.dumps(
        {"Statement": {"Sid": HOSTILE, "Effect": "Allow", "Action": HOSTILE, "Resource": [HOSTILE, "a if b"]}}
    )
    events = (
        UserCreated(user_id=ALICE, user_name=HOSTILE, path=f"/{HOSTILE}/", created_at=START),
        UserTagged(user_id=ALICE, user_name=HOSTILE, tags=(Tag(HOSTILE, HOSTILE),)),
        UserPolicyAttached(user_id=ALICE, user_name=HOSTILE, policy_arn=f"arn:{HOSTILE}", policy_name=HOSTILE),
        UserPolicyPut(user_id=ALICE, user_name=HOSTILE, policy_name=HOSTILE, policy_document=document),
        UserPolicyPut(user_id=ALICE, user_name=HOSTILE, policy_name=HOSTILE, policy_document=HOSTILE),
    )
    return ledger(folder, [(HOSTILE, event) for event in events], user_agent=HOSTILE.replace(" ", ""))


@pytest.mark.parametrize("flags", [("history", ALICE), ("diff", ALICE, "--from", "@0")])
@pytest.mark.parametrize("json_flag", [(), ("--json",)])
def test_a_terminal_never_gets_what_it_would_obey(
    tmp_path: Path, flags: tuple[str, ...], json_flag: tuple[str, ...]
) -> None:
    """Control characters are made visible; a value that has a comma or a space is in quotes."""
    sent = on_terminal(200, *flags, "--data", str(hostile(tmp_path / "data")), *json_flag, NO_COLOR="1")

    assert sent.replace("\n", "").isprintable()
    assert ("\\u202e" in sent) == ("\\u009b" in sent or "\\x9b" in sent) is True
    if not json_flag and flags[0] == "history":
        assert ', "a if b"' in sent


def test_an_output_that_knows_no_unicode_is_no_error(tmp_path: Path, command: Run) -> None:
    """What it cannot write is escaped."""
    folder = ledger(
        tmp_path / "data",
        [("CreateUser", UserCreated(user_id=ALICE, user_name="zoé", path="/", created_at=START))],
    )

    ended = command("history", "zoé", "--data", str(folder), PYTHONIOENCODING="ascii", PYTHONUTF8="1")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "created user zo\\xe9" in ended.stdout


def test_it_leaves_no_files_behind_and_works_without_projections(data: Path) -> None:
    """It reads the ledger alone, and writes nothing."""
    (data / "projections.db").unlink()
    before = sorted(data.iterdir())

    assert main(["history", "alice", "--data", str(data)]) == 0
    assert sorted(data.iterdir()) == before


def test_more_than_a_page_is_read_whole(
    life: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is lost or doubled where pages meet."""
    monkeypatch.setattr("tools.reading.RECORDS_PER_READ", 2)
    monkeypatch.setattr("tools.reading.RECORDS_PER_LOOK", 3)

    assert main(["history", "alice", "--data", str(life)]) == 0
    assert capsys.readouterr().out == TOLD


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("carol",), f"account {ACCOUNT} never had a user carol"),
        (("\x1b[31m",), f"account {ACCOUNT} never had a user \\x1b[31m"),
        (("alice", "--account", "999999999999"), "account 999999999999 never had a user alice"),
        (("",), "never had a user"),
        (("alice", "--data", "nowhere"), "there is no ledger in nowhere"),
    ],
)
def test_what_cannot_be_told_is_said_in_a_line(
    life: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    """One line, exit status 1, nothing on stdout."""
    assert main(["history", "--data", str(life), *flags]) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert said in printed.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("UserTagged", "UserPraised", "a newer version of this program may know it"),
        ('"UserTagged"', '"UserUntagged","tag_keys":["none"]', "is damaged, see `iam-ledger verify`"),
        ("event", "\x00\x1b", "is damaged, see `iam-ledger verify`"),
    ],
)
@pytest.mark.parametrize("verb", [("history",), ("diff", "--from", "@1")])
def test_a_ledger_that_cannot_be_folded_is_said_in_a_line(
    data: Path, capsys: pytest.CaptureFixture[str], verb: tuple[str, ...], old: str, new: str, said: str
) -> None:
    """Never a traceback, and nothing that a terminal obeys."""
    with closing(sqlite3.connect(data / "ledger.db")) as connection:
        connection.execute("DROP TRIGGER records_are_never_changed")
        connection.execute(
            "UPDATE records SET record = CAST(replace(CAST(record AS TEXT), ?, ?) AS BLOB) WHERE position = 12",
            (old, new),
        )
        connection.commit()

    assert main([*verb, "alice", "--data", str(data)]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert said in printed.err
    assert printed.err.strip().isprintable()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    "flags", [("history", "alice"), ("history", "alice", "--json"), ("diff", "alice", "--from=@1")]
)
def test_a_full_disk_is_said_in_a_line(life: Path, flags: tuple[str, ...]) -> None:
    """Whether it shows at once or at the end."""
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "tools", *flags, "--data", str(life)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
            check=False,
        )
    assert ended.stderr == f"iam-ledger {flags[0]}: cannot write: No space left on device\n"
    assert ended.returncode == 1


@pytest.mark.parametrize("verb", ["history", "diff"])
def test_the_verbs_explain_themselves(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each says what USER is."""
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])

    assert ended.value.code == 0
    assert "USER" in capsys.readouterr().out
