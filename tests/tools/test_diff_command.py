"""What `diff` tells about a user between two instants."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tools.__main__ import main

ACCOUNT = "123456789012"

Diff = Callable[..., str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def settled(text: str) -> str:
    """The text with its ids and times made the same; ids are numbered as they come."""
    for number, user_id in enumerate(dict.fromkeys(re.findall(r"AIDA\w+", text)), start=1):
        text = text.replace(user_id, f"AIDA{number}")
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)


@pytest.fixture
def diff(history: Path, capsys: pytest.CaptureFixture[str]) -> Diff:
    """Runs the verb on the history and answers what it prints, settled."""

    def run(*flags: str, folder: Path = history) -> str:
        assert main(["diff", "--data", str(folder), *flags]) == 0
        return settled(capsys.readouterr().out)

    return run


def user_id(history: Path, capsys: pytest.CaptureFixture[str], name: str, at: str) -> str:
    """The id of whoever bore a name."""
    assert main(["replay", "--data", str(history), "--user", name, "--at", at]) == 0
    found: str = json.loads(capsys.readouterr().out)["user"]["user_id"]
    return found


def test_one_user_is_compared_by_its_id(history: Path, diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    """New name, policies that went and changed, and the managed policy that now says something else."""
    bob = user_id(history, capsys, "bob", "@12")

    assert diff(bob, "--from", "@5", "--to", "@12") == (
        "AIDA1\n"
        "from @5   TIME  Alice, AIDA1\n"
        "to   @12  TIME  Bob, AIDA1\n"
        "\n"
        "~ name Alice -> Bob\n"
        "- detached ReadOnlyAccess, arn:aws:iam::aws:policy/ReadOnlyAccess\n"
        "~ managed policy arn:aws:iam::123456789012:policy/ops, v1 -> v2\n"
        "    - statement 1 no longer allows s3:GetObject\n"
        "    + statement 1 now also allows s3:PutObject\n"
        "~ inline policy Reader\n"
        "    - statement 1 no longer allows s3:GetObject\n"
        "    + statement 1 now also allows s3:PutObject\n"
    )


def test_a_name_means_its_holder_at_each_end(diff: Diff) -> None:
    """All of the one is gone, and all of the other is new."""
    assert diff("ALICE", "--from", "@9", "--to", "@12") == (
        "ALICE\n"
        "from @9   TIME  Alice, AIDA1\n"
        "to   @12  TIME  alice, AIDA2\n"
        "\n"
        "~ replaced: user AIDA1 -> AIDA2\n"
        "~ name Alice -> alice\n"
        "~ path /team/ -> /\n"
        "+ permissions boundary arn:aws:iam::aws:policy/ReadOnlyAccess\n"
        "- detached ops, arn:aws:iam::123456789012:policy/ops\n"
        "- inline policy Reader\n"
        "    - Allow s3:PutObject on *\n"
        "- tag Team = red\n"
        "+ tag é = ü\n"
    )


def test_an_end_without_the_user_says_so(diff: Diff) -> None:
    """Before it was created, and after its name went to nobody."""
    created = diff("alice", "--from", "@0", "--to", "@1")
    gone = diff("alice", "--from", "@9", "--to", "@10")

    assert created == (
        "alice\n"
        "from @0  before the first record  no such user\n"
        "to   @1  TIME  Alice, AIDA1\n"
        "\n"
        "+ user AIDA1\n"
        "+ name Alice\n"
        "+ path /team/\n"
        "+ tag Team = red\n"
    )
    assert "to   @10  TIME  no such user\n\n- user AIDA1\n- name Alice\n" in gone


def document(action: str) -> str:
    """A policy document with some white space."""
    statement = {"Effect": "Allow", "Action": [action], "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=1)


MORE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("TagUser", {"user_name": "bob", "tags": [{"key": "Team", "value": "deep blue"}]}),
    ("PutUserPolicy", {"user_name": "bob", "policy_name": "new", "policy_document": document("s3:*")}),
    ("PutUserPolicy", {"user_name": "bob", "policy_name": "reader", "policy_document": document("s3:PutObject")}),
    ("DeleteUserPermissionsBoundary", {"user_name": "alice"}),
    ("AttachUserPolicy", {"user_name": "bob", "policy_arn": "arn:aws:iam::aws:policy/job-function/Billing"}),
)
"""What the history lacks: a tag of another value, an inline policy that comes, a document spelled anew."""


def test_each_kind_of_difference_has_a_sign(data: Path, diff: Diff, carry_out: Callable[..., None]) -> None:
    """Also where a document is written differently and means the same."""
    carry_out(data, MORE, "more")

    bob = diff("bob", "--from", "@12", folder=data)
    alice = diff("alice", "--from", "@12", folder=data)

    assert bob.partition("\n\n")[2] == (
        "+ attached Billing, arn:aws:iam::aws:policy/job-function/Billing\n"
        "+ inline policy new\n"
        "    + Allow s3:* on *\n"
        "~ inline policy Reader\n"
        "    ~ written differently, means the same\n"
        '~ tag Team = red -> "deep blue"\n'
    )
    assert alice.endswith("\n\n- permissions boundary arn:aws:iam::aws:policy/ReadOnlyAccess\n")


def test_nothing_different_is_said(diff: Diff) -> None:
    """The exit status is that of a difference, too."""
    assert diff("alice", "--from", "@12").endswith("\n\nNo difference.\n")


def test_the_service_answers_the_same(history: Path, data: Path, serve: Callable[..., Any], command: Run) -> None:
    """Beside the running service; the command adds the account."""
    server = serve(data)
    with urlopen(f"http://127.0.0.1:{server.port}/v1/users/alice/diff?from=@4&to=@11", timeout=10) as answer:
        answered = json.load(answer)["data"]

    ended = command("diff", "alice", "--from", "@4", "--to", "@11", "--data", str(data), "--json")

    assert json.loads(ended.stdout) == {"account": ACCOUNT, **answered}


def test_colour_says_what_the_signs_say(history: Path, command: Run) -> None:
    """Green came, red went, yellow became another."""
    coloured = command("diff", "alice", "--from", "@9", "--data", str(history), FORCE_COLOR="1").stdout

    assert "\033[33m~ replaced: " in coloured
    assert "\033[32m+ tag é = ü\033[0m\n" in coloured
    assert "\033[31m- tag Team = red\033[0m\n" in coloured


def test_it_leaves_no_files_behind_and_works_without_projections(data: Path, diff: Diff) -> None:
    """It reads the ledger alone, and writes nothing."""
    (data / "projections.db").unlink()
    before = sorted(data.iterdir())

    diff("alice", "--from", "@1", folder=data)

    assert sorted(data.iterdir()) == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("alice",), "--from: an instant must be given"),
        (("alice", "--from", "yesterday"), "--from: yesterday is neither a time with its offset"),
        (("alice", "--from", "@1", "--to", "@x"), "--to: @x is neither a time with its offset"),
        (("alice", "--from", "@13"), "--from: @13 is above the head of the ledger, @12"),
        (("alice", "--from", "@1", "--to", "2999-01-01T00:00:00Z"), "--to: 2999-01-01T00:00:00Z is in the future"),
        (("alice", "--from", "@5", "--to", "@4"), "--from is later than --to"),
        (("alice", "--from", "@5", "--to", "2001-01-01T00:00:00Z"), "--from is later than --to"),
        (("carol", "--from", "@1", "--to", "@4"), "has no user carol, neither at @1 nor at @4"),
        (("alice", "--from", "@0", "--account", "999999999999"), "account 999999999999 has no user alice"),
        (("alice", "--from", "@0", "--data", "nowhere"), "there is no ledger in nowhere"),
    ],
)
def test_what_cannot_be_told_is_said_in_a_line(
    history: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    """One line, exit status 1, nothing on stdout."""
    assert main(["diff", "--data", str(history), *flags]) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert said in printed.err
