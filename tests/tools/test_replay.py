"""What `replay` prints, at every kind of instant."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tools.__main__ import main
from tools.synthetic import make

Replay = Callable[..., dict[str, Any]]


@pytest.fixture
def replay(history: Path, capsys: pytest.CaptureFixture[str]) -> Replay:
    """Runs the verb on the history and answers the JSON."""

    def run(*flags: str) -> dict[str, Any]:
        assert main(["replay", "--data", str(history), *flags]) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def test_the_present_is_printed_whole(replay: Replay) -> None:
    """Users by name with all that hangs on them, then the account's own policies."""
    state = replay()

    assert (state["account"], state["basis"]["position"]) == ("123456789012", 12)
    alice, bob = state["users"]
    assert (alice["user_name"], alice["attached"]) == ("alice", [])
    assert alice["permissions_boundary"] == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    assert alice["tags"] == [{"key": "é", "value": "ü"}]
    assert (bob["user_name"], bob["arn"]) == ("Bob", "arn:aws:iam::123456789012:user/team/Bob")
    assert bob["attached"] == [{"policy_name": "ops", "policy_arn": "arn:aws:iam::123456789012:policy/ops"}]
    [inline] = bob["inline"]
    assert inline["policy_name"] == "Reader"
    assert "s3:PutObject" in inline["policy_document"]
    [ops] = state["policies"]
    assert (ops["policy_name"], ops["default_version_id"], ops["description"]) == ("ops", "v2", "runs things")
    assert [version["version_id"] for version in ops["versions"]] == ["v1", "v2"]


def test_groups_and_roles_are_printed_with_their_policies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups with their members, instance profiles with their role, users with what comes to them through groups."""
    make(tmp_path / "data", 400, 1, 4, 1, lambda done: None)
    assert main(["replay", "--data", str(tmp_path / "data")]) == 0
    state = json.loads(capsys.readouterr().out)

    members = {(group["group_name"], name) for group in state["groups"] for name in group["members"]}
    assert members
    assert members == {(group["group_name"], user["user_name"]) for user in state["users"] for group in user["groups"]}
    assert any(group["attached"] for group in state["groups"])
    through = {group["group_id"]: group["attached"] for user in state["users"] for group in user["groups"]}
    own = {group["group_id"]: group["attached"] for group in state["groups"]}
    assert through.items() <= own.items()
    assert {"role_id", "assume_role_policy_document", "attached", "inline"} <= state["roles"][0].keys()
    assert state["instance_profiles"] == []


def test_a_position_shows_the_state_after_that_record(replay: Replay) -> None:
    """@3 has the first attachment, and nothing later."""
    state = replay("--at", "@3")

    [alice] = state["users"]
    assert (alice["user_name"], [policy["policy_name"] for policy in alice["attached"]]) == (
        "Alice",
        ["ReadOnlyAccess"],
    )


def test_the_time_of_a_record_shows_the_state_after_it(replay: Replay) -> None:
    """A time means every record up to it."""
    at_position = replay("--at", "@4")

    at_time = replay("--at", at_position["basis"]["instant"])

    assert at_time == at_position


def test_position_0_is_empty_and_so_is_an_account_without_records(replay: Replay) -> None:
    """Before the first record there is nothing."""
    assert replay("--at", "@0")["users"] == []
    assert replay("--account", "999999999999")["basis"]["position"] == 0


def test_a_name_means_its_holder_at_that_instant(replay: Replay) -> None:
    """The first alice is called Bob later; an id works wherever a name does."""
    then = replay("--user", "ALICE", "--at", "@9")["user"]
    now = replay("--user", "alice")["user"]

    assert then["user_id"] != now["user_id"]
    assert replay("--user", then["user_id"])["user"]["user_name"] == "Bob"


def test_the_same_question_has_the_same_answer(replay: Replay) -> None:
    """To the byte, at a past instant."""
    assert replay("--at", "@12") == replay("--at", "@12")


def test_it_leaves_no_files_behind_and_works_without_projections(data: Path) -> None:
    """It reads the ledger alone, and writes nothing."""
    (data / "projections.db").unlink()
    before = sorted(data.iterdir())

    assert main(["replay", "--data", str(data)]) == 0
    assert sorted(data.iterdir()) == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--at", "yesterday"), "is neither a time with its offset"),
        (("--at", "2026-11-03T14:03:00"), "is neither a time with its offset"),
        (("--at", "@13"), "above the head of the ledger, @12"),
        (("--at", "2999-01-01T00:00:00Z"), "is in the future"),
        (("--user", "carol"), "has no user carol at @12"),
        (("--user", "bob", "--at", "@3"), "has no user bob at @3"),
        (("--data", "nowhere"), "there is no ledger in nowhere"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_line(
    history: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    """One line, exit status 1, nothing on stdout."""
    assert main(["replay", "--data", str(history), *flags]) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert said in printed.err


def test_a_damaged_record_is_said_in_a_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It points to the verb that tells more."""
    with closing(sqlite3.connect(data / "ledger.db")) as connection:
        connection.execute("DROP TRIGGER records_are_never_changed")
        connection.execute("UPDATE records SET record = x'00' WHERE position = 4")
        connection.commit()

    assert main(["replay", "--data", str(data)]) == 1
    assert "is damaged, see `iam-ledger verify`" in capsys.readouterr().err
