"""Putting a user back: `POST /v1/users/{name}/restore` makes it what it was, by new events, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
BILLING = "arn:aws:iam::aws:policy/job-function/Billing"
PARTS = ("attached", "inline", "tags", "permissions_boundary")  # and groups, which have a test of their own
HINT = (
    "It has `at`, which is required, `dry_run`, and `parts`: any of attached, inline, tags, permissions_boundary, "
    "groups."
)
NO_INSTANT = "is neither a time with its offset, such as 2026-11-03T14:03:00Z, nor `@` and a position."
NO_ALICE = (404, "NO_SUCH_ENTITY", "The user with name alice cannot be found.")


def document(action: str) -> str:
    statement = [{"Effect": "Allow", "Action": action, "Resource": "*"}]
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def do(account: Account, action: str, **parameters: Any) -> Any:
    """A write that succeeds: what it answers."""
    return account.json(action, **parameters).data


def post(account: Account, name: str, body: bytes, headers: Mapping[str, str]) -> Reply:
    told = {"Authorization": account.authorization, **headers}
    return account.server.send("POST", f"/v1/users/{name}/restore", body, told)


def restore(account: Account, name: str = "alice", key: str | None = None, **body: Any) -> Reply:
    """Ask for a restore, under an Idempotency-Key if one is given."""
    headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
    return post(account, name, json.dumps(body).encode(), headers)


def sets(account: Account, name: str = "alice", at: str | None = None) -> dict[str, Any]:
    """The parts of a user that can be restored."""
    told = account.get(f"/v1/users/{name}{f'?at={at}' if at else ''}").data
    return {part: told[part] for part in PARTS}


def head(account: Account) -> int:
    return int(account.get("/v1/checkpoint").data["basis"]["position"])


@pytest.fixture
def alice(account: Account) -> Account:
    """An account whose user alice had something of everything at @4, and has other things now, at @9."""
    do(account, "CreateUser", UserName="alice", PermissionsBoundary=ADMIN, Tags=[{"Key": "team", "Value": "audit"}])
    do(account, "AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    do(account, "PutUserPolicy", UserName="alice", PolicyName="logs", PolicyDocument=document("logs:*"))
    do(account, "PutUserPolicy", UserName="alice", PolicyName="queues", PolicyDocument=document("sqs:*"))
    do(account, "DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    do(account, "AttachUserPolicy", UserName="alice", PolicyArn=READ_ONLY)
    do(account, "PutUserPolicy", UserName="alice", PolicyName="logs", PolicyDocument=document("logs:Get*"))
    do(account, "TagUser", UserName="alice", Tags=[{"Key": "team", "Value": "ops"}, {"Key": "new", "Value": ""}])
    do(account, "DeleteUserPermissionsBoundary", UserName="alice")
    return account


def test_a_user_becomes_what_it_was(alice: Account) -> None:
    """By events of its own kinds; AWS's API answers accordingly."""
    wanted = sets(alice, at="@4")
    assert all(wanted[part] != sets(alice)[part] for part in PARTS)

    done = restore(alice, at="@4").data

    assert sets(alice) == wanted
    [listed] = alice.json("ListAttachedUserPolicies", UserName="alice").data["AttachedPolicies"]
    assert listed == {"PolicyName": "AdministratorAccess", "PolicyArn": ADMIN}
    made = alice.events()[9:]
    assert done.pop("restored_from") == {"position": 4, "instant": alice.events()[3]["recorded_at"]}
    assert done == {
        "id": made[-1]["id"],
        "position": made[-1]["position"],
        "created_at": made[-1]["recorded_at"],
        "outcome": "changed",
        "events": [
            {"type": e["event"]["type"], **{name: e[name] for name in ("position", "id", "recorded_at")}} for e in made
        ],
    }
    assert {event["event"]["type"] for event in made} == {
        "UserPolicyDetached",
        "UserPolicyAttached",
        "UserPolicyPut",
        "UserTagged",
        "UserUntagged",
        "UserPermissionsBoundaryPut",
    }


def test_a_time_is_as_good_as_a_position(alice: Account) -> None:
    """The instant that was asked for is what the records name."""
    wanted = sets(alice, at="@4")
    at = alice.events()[3]["recorded_at"]

    done = restore(alice, at=at.replace("Z", "+00:00")).data

    assert done["restored_from"] == {"position": 4, "instant": at}
    assert sets(alice) == wanted


def test_groups_are_joined_and_left_again(alice: Account) -> None:
    """All that the group has now comes with it, which a dry run tells; a group that is no more is a conflict."""
    for name in ("devs", "ops"):
        do(alice, "CreateGroup", GroupName=name)
    do(alice, "AddUserToGroup", GroupName="devs", UserName="alice")
    then = f"@{head(alice)}"
    do(alice, "RemoveUserFromGroup", GroupName="devs", UserName="alice")
    do(alice, "AddUserToGroup", GroupName="ops", UserName="alice")
    do(alice, "AttachGroupPolicy", GroupName="devs", PolicyArn=ADMIN)

    rehearsed = restore(alice, at=then, parts=["groups"], dry_run=True).data
    done = restore(alice, at=then, parts=["groups"]).data

    assert [event["type"] for event in rehearsed["events"]] == ["UserRemovedFromGroup", "UserAddedToGroup"]
    assert [policy["policy_name"] for policy in rehearsed["diff"]["inherited_added"]] == ["AdministratorAccess"]
    assert [event["type"] for event in done["events"]] == ["UserRemovedFromGroup", "UserAddedToGroup"]
    assert [group["group_name"] for group in alice.get("/v1/users/alice").data["groups"]] == ["devs"]
    do(alice, "DeleteGroup", GroupName="ops")
    status, code, message = restore(alice, at=f"@{head(alice) - 3}", parts=["groups"]).refusal
    assert (status, code) == (409, "RESTORE_CONFLICT")
    assert message.startswith("Group ops cannot be restored: The group ops with id AGPA")


@pytest.mark.parametrize("part", PARTS)
def test_one_part_alone_is_put_back(alice: Account, part: str) -> None:
    """The others stay as they are now."""
    now, then = sets(alice), sets(alice, at="@4")

    assert restore(alice, at="@4", parts=[part]).data["outcome"] == "changed"

    assert sets(alice) == {**now, part: then[part]}


@pytest.mark.parametrize("parts", [None, ["attached"], ["tags", "inline"]])
def test_a_dry_run_tells_what_would_happen_and_records_nothing(alice: Account, parts: list[str] | None) -> None:
    """The same events, and the difference that they make afterwards."""
    body = {"at": "@4", **({"parts": parts} if parts else {})}

    tried = restore(alice, **body, dry_run=True).data
    assert head(alice) == 9
    done = restore(alice, **body).data

    assert [event["event"] for event in alice.events()[9:]] == tried["events"]
    assert done["restored_from"] == tried["restored_from"]
    assert (tried["conflicts"], tried["basis"]["position"]) == ([], 9)
    made = alice.get("/v1/users/alice/diff?from=@9").data
    assert {name: made[name] for name in tried["diff"]} == tried["diff"]
    assert restore(alice, **body, dry_run=True).data["events"] == []


def test_history_and_events_say_that_it_was_restored(alice: Account) -> None:
    """By whom and when, from where in the past; by source `restore`."""
    done = restore(alice, at="@4").data

    records = alice.events(action="RestoreUser")
    changes = alice.get("/v1/users/alice/history?from=@10").data["changes"]

    assert len(records) == len(changes) == len(done["events"])
    for record, change in zip(records, changes, strict=True):
        assert record["restored_from"] == change["restored_from"] == done["restored_from"]
        assert record["actor"] == change["actor"]
        assert record["actor"]["source"] == "restore"
        assert record["actor"]["id"] == alice.id
        assert record["command_id"] == records[0]["command_id"]
        assert record["effective_at"] == records[0]["effective_at"]
    told = alice.get("/v1/users/alice/policies").data
    assert [(entry["action"], entry["actor"]["source"]) for entry in told["attached"]] == [("RestoreUser", "restore")]


def test_a_restore_can_be_restored(alice: Account) -> None:
    """What it did is undone by going back to before it, and done again by going back to it."""
    before, then = sets(alice), sets(alice, at="@4")
    restore(alice, at="@4")
    after = head(alice)

    assert restore(alice, at="@9").data["outcome"] == "changed"
    assert sets(alice) == before
    assert restore(alice, at=f"@{after}").data["outcome"] == "changed"
    assert sets(alice) == then


def test_what_cannot_be_put_back_is_refused_and_nothing_changes(alice: Account) -> None:
    """All that is in the way is named at once; what could be done is not done either; the refusal is on record."""
    arn = do(alice, "CreatePolicy", PolicyName="own", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    other = do(alice, "CreatePolicy", PolicyName="other", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=arn)
    do(alice, "PutUserPermissionsBoundary", UserName="alice", PermissionsBoundary=other)
    at = f"@{head(alice)}"
    do(alice, "DetachUserPolicy", UserName="alice", PolicyArn=arn)
    do(alice, "DetachUserPolicy", UserName="alice", PolicyArn=READ_ONLY)
    do(alice, "DeleteUserPermissionsBoundary", UserName="alice")
    do(alice, "DeletePolicy", PolicyArn=arn)
    do(alice, "DeletePolicy", PolicyArn=other)
    do(alice, "CreatePolicy", PolicyName="other", PolicyDocument=document("s3:*"))
    now, position = sets(alice), head(alice)

    tried = restore(alice, at=at, dry_run=True).data
    status, code, message = restore(alice, at=at).refusal

    assert [(conflict["part"], conflict["name"], conflict["code"]) for conflict in tried["conflicts"]] == [
        ("attached", arn, "NoSuchEntity"),
        ("permissions_boundary", other, "NoSuchEntity"),
    ]
    assert [event["type"] for event in tried["events"]] == ["UserPolicyAttached"]
    assert (status, code) == (409, "RESTORE_CONFLICT")
    assert arn in message
    assert other in message
    assert sets(alice) == now
    [refused] = alice.events(action="RestoreUser")
    assert (refused["position"], refused["outcome"]) == (position + 1, "refused")
    assert refused["attempt"] == {
        "parameters": {
            "user_name": "alice",
            "user_id": alice.get("/v1/users/alice").data["user_id"],
            "at": at,
            "parts": [*PARTS, "groups"],
        },
        "code": "RestoreConflict",
        "message": message,
    }
    assert refused["actor"]["source"] == "restore"
    assert restore(alice, at=at, parts=["inline", "tags"]).data["outcome"] == "unchanged"


def test_where_nothing_differs_nothing_changes(alice: Account) -> None:
    """The call is on record all the same, and says what it was about."""
    done = restore(alice, at="@9", parts=["tags", "attached", "tags"]).data

    [record] = alice.events(action="RestoreUser")
    assert (done["outcome"], done["events"]) == ("unchanged", [])
    assert (done["id"], done["position"], done["created_at"]) == (record["id"], 10, record["recorded_at"])
    assert record["attempt"]["parameters"]["parts"] == ["attached", "tags"]
    assert record["restored_from"] == done["restored_from"]


def test_a_repeated_call_gets_its_first_answer(alice: Account) -> None:
    """Whatever happened in between, another name included; the key serves no other restore."""
    first = restore(alice, key="once", at="@4", parts=["attached", "tags"])
    do(alice, "DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    do(alice, "UpdateUser", UserName="alice", NewUserName="bob")
    position = head(alice)

    assert restore(alice, key="once", at="@4", parts=["tags", "attached"]).data == first.data
    assert head(alice) == position
    for body in ({"at": "@4"}, {"at": "@5", "parts": ["attached", "tags"]}):
        status, code, _ = restore(alice, key="once", **body).refusal
        assert (status, code) == (400, "IDEMPOTENT_PARAMETER_MISMATCH")
    assert restore(alice, "bob", key="again", at="@4", parts=["attached", "tags"]).data["outcome"] == "changed"


def test_a_repeated_refusal_is_the_first_one(account: Account) -> None:
    """Even if the call would succeed by now."""
    do(account, "CreateUser", UserName="bob")
    refused = restore(account, key="once", at="@1").refusal
    do(account, "UpdateUser", UserName="bob", NewUserName="alice")

    assert refused == NO_ALICE
    assert restore(account, key="once", at="@1").refusal == refused
    assert restore(account, key="other", at="@1").data["outcome"] == "unchanged"


def test_a_name_means_its_holder_now(alice: Account) -> None:
    """Its holder may have been called otherwise then; whoever had the name then is not meant."""
    then = sets(alice, at="@4")
    who = alice.get("/v1/users/alice").data["user_id"]
    do(alice, "UpdateUser", UserName="alice", NewUserName="bob", NewPath="/eng/")

    assert restore(alice, at="@4").refusal == NO_ALICE
    assert restore(alice, "BOB", at="@4").data["outcome"] == "changed"

    told = alice.get("/v1/users/bob").data
    assert {part: told[part] for part in PARTS} == then
    assert (told["user_id"], told["user_name"], told["path"]) == (who, "bob", "/eng/")
    assert {event["event"]["user_name"] for event in alice.events(action="RestoreUser", outcome="changed")} == {"bob"}
    assert restore(alice, who, at="@4").data["outcome"] == "unchanged"
    [unchanged] = alice.events(action="RestoreUser", outcome="unchanged")
    assert unchanged["attempt"]["parameters"]["user_name"] == "bob"


def test_an_id_works_where_a_name_does(alice: Account) -> None:
    """And the record of the attempt has both."""
    who = alice.get("/v1/users/alice").data["user_id"]
    then = sets(alice, at="@4")

    assert restore(alice, who, at="@4").data["outcome"] == "changed"
    assert sets(alice) == then
    assert restore(alice, who, at="@4").data["outcome"] == "unchanged"
    told = alice.events(action="RestoreUser", outcome="unchanged")[0]["attempt"]["parameters"]
    assert (told["user_name"], told["user_id"]) == ("alice", who)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_user_that_was_deleted_is_not_restored(account: Account, dry_run: bool) -> None:
    """Neither by name nor by id: CreateUser makes a new one. That one was not there then."""
    do(account, "CreateUser", UserName="alice")
    who = account.get("/v1/users/alice").data["user_id"]
    do(account, "DeleteUser", UserName="alice")
    deleted = (
        404,
        "NO_SUCH_ENTITY",
        f"The user alice with id {who} was deleted. "
        "CreateUser makes a new user, with a new id; a restore never makes one.",
    )

    assert restore(account, at="@1", dry_run=dry_run).refusal == deleted
    assert restore(account, who, at="@1", dry_run=dry_run).refusal == deleted
    assert restore(account, at="@0", dry_run=dry_run).refusal == NO_ALICE
    do(account, "CreateUser", UserName="alice")
    new = account.get("/v1/users/alice").data["user_id"]
    message = f"The user alice with id {new} did not exist at @1: it was created later."
    assert restore(account, at="@1", dry_run=dry_run).refusal == (404, "NO_SUCH_ENTITY", message)
    assert restore(account, new, at="@1", dry_run=dry_run).refusal == (404, "NO_SUCH_ENTITY", message)
    refused = account.events(action="RestoreUser", outcome="refused")
    assert len(refused) == (0 if dry_run else 4)  # the same request as the first is counted with it


def test_what_managed_policies_say_is_not_restored(alice: Account) -> None:
    """A policy attached again says what it says now."""
    arn = do(alice, "CreatePolicy", PolicyName="own", PolicyDocument=document("s3:Get*"))["Policy"]["Arn"]
    do(alice, "AttachUserPolicy", UserName="alice", PolicyArn=arn)
    at = f"@{head(alice)}"
    do(alice, "DetachUserPolicy", UserName="alice", PolicyArn=arn)
    do(alice, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document("s3:*"), SetAsDefault=True)

    assert restore(alice, at=at).data["outcome"] == "changed"

    [carried] = [d for d in alice.get("/v1/users/alice").data["documents"] if d["policy_arn"] == arn]
    assert (carried["version_id"], carried["policy_document"]) == ("v2", document("s3:*"))


def test_restores_among_other_writes_are_whole_and_decided_on_the_newest_state(alice: Account) -> None:
    """Right after the last record of each the user is what it was then, whatever others did up to the first."""
    wanted = sets(alice, at="@4")

    def disturb(number: int) -> None:
        for turn in range(25):
            arn = (ADMIN, READ_ONLY, BILLING)[(number + turn) % 3]
            action = "AttachUserPolicy" if turn % 2 else "DetachUserPolicy"
            alice.json(action, UserName="alice", PolicyArn=arn)
            alice.json("TagUser", UserName="alice", Tags=[{"Key": f"k{number}", "Value": str(turn)}])

    def put_back() -> list[Any]:
        return [restore(alice, at="@4").data for _ in range(25)]

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(disturb, number) for number in range(3)]
        done = pool.submit(put_back).result()
        for other in others:
            other.result()

    changed = [told for told in done if told["outcome"] == "changed"]
    assert changed
    for told in changed:
        positions = [event["position"] for event in told["events"]]
        assert positions == list(range(told["position"] - len(positions) + 1, told["position"] + 1))
        assert sets(alice, at=f"@{positions[-1]}") == wanted


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", f"The body cannot be read: Object missing required field `at`. {HINT}"),
        (b'{"at": 4}', f"The body cannot be read: Expected `str`, got `int` - at `$.at`. {HINT}"),
        (b'{"at": null}', f"The body cannot be read: Expected `str`, got `null` - at `$.at`. {HINT}"),
        (b'{"at": "@1", "when": 1}', f"The body cannot be read: Object contains unknown field `when`. {HINT}"),
        (
            b'{"at": "@1", "dry_run": "yes"}',
            f"The body cannot be read: Expected `bool`, got `str` - at `$.dry_run`. {HINT}",
        ),
        (
            b'{"at": "@1", "parts": []}',
            f"The body cannot be read: Expected `array` of length >= 1 - at `$.parts`. {HINT}",
        ),
        (
            b'{"at": "@1", "parts": "tags"}',
            f"The body cannot be read: Expected `array`, got `str` - at `$.parts`. {HINT}",
        ),
        (
            b'{"at": "@1", "parts": ["tags", "roles"]}',
            f"The body cannot be read: Invalid enum value 'roles' - at `$.parts[1]`. {HINT}",
        ),
        (
            b'{"at": "' + b"1" * 101 + b'"}',
            f"The body cannot be read: Expected `str` of length <= 100 - at `$.at`. {HINT}",
        ),
        (b'{"at": "@10"}', "at: @10 is above the head of the ledger, @9."),
        (b'{"at": "9999-01-01T00:00:00Z"}', "at: 9999-01-01T00:00:00Z is in the future."),
        (b'{"at": ""}', f"at:  {NO_INSTANT}"),
        (b'{"at": "\\u0000"}', f"at: \0 {NO_INSTANT}"),
    ],
)
def test_a_body_that_makes_no_sense_is_refused_by_field(alice: Account, body: bytes, message: str) -> None:
    """And is no record, as what cannot be read never is."""
    refused = post(alice, "alice", body, {"Content-Type": "application/json"}).refusal

    assert refused == (400, "VALIDATION_ERROR", message)
    assert head(alice) == 9


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (
            b"at=@1",
            {"Content-Type": "application/x-www-form-urlencoded"},
            "Content-Type application/x-www-form-urlencoded is not read",
        ),
        (b'{"at": "@1"}', {}, "The body needs Content-Type application/json."),
        (b"", {"Content-Type": "application/json"}, "The request body is not valid JSON"),
        (b'{"at": "@1"', {"Content-Type": "application/json"}, "The request body is not valid JSON"),
        (b'["@1"]', {"Content-Type": "application/json"}, "The request body is not a JSON object"),
        (b'{"at": "@1", "at": "@2"}', {"Content-Type": "application/json"}, "Key at occurs more than once"),
        (b"[" * 100_000, {"Content-Type": "application/json"}, "The request body is nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_is_refused(
    alice: Account, body: bytes, headers: Mapping[str, str], message: str
) -> None:
    """With what is wrong about it."""
    status, code, told = post(alice, "alice", body, headers).refusal

    assert (status, code) == (400, "MALFORMED_INPUT")
    assert told.startswith(message)


def test_a_restore_has_no_parameters_and_is_no_get(alice: Account) -> None:
    """What it takes is in the body."""
    asked = alice.server.send("POST", "/v1/users/alice/restore?at=@4", headers={"Authorization": alice.authorization})
    assert asked.refusal == (400, "VALIDATION_ERROR", "There are no parameters here.")
    assert alice.get("/v1/users/alice/restore").status == 405
    assert head(alice) == 9


def test_nobody_is_restored_in_an_account_that_never_was(account: Account) -> None:
    """And that does not begin it."""
    assert restore(account, at="@0").refusal == NO_ALICE
    assert restore(account, at="2020-01-01T00:00:00Z").refusal == NO_ALICE
    assert head(account) == 0


def test_a_name_that_no_user_can_have_is_no_record(alice: Account) -> None:
    """Else whoever likes could fill the ledger with long ones."""
    message = "A user is named by 1 to 128 characters, not by 129."
    assert restore(alice, "x" * 129, at="@1").refusal == (400, "VALIDATION_ERROR", message)
    assert head(alice) == 9
    assert restore(alice, "x" * 128, at="@1").status == 404
    assert head(alice) == 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "at": st.sampled_from(["@0", "@1", "@4"]) | JSON,
            "dry_run": st.booleans() | JSON,
            "parts": st.lists(st.sampled_from(PARTS), max_size=5) | JSON,
            "x": JSON,
        },
    )
    | JSON
)
def test_no_body_makes_the_service_fail(alice: Account, body: Any) -> None:
    """It is restored from, or refused for what is wrong about it."""
    reply = post(alice, "alice", json.dumps(body).encode(), {"Content-Type": "application/json"})

    assert reply.status in (200, 400, 404)
    assert reply.envelope["success"] is (reply.status == 200)
