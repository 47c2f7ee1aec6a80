"""A call is done once, however often it is sent: repeats record nothing and get the first result."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply, Server

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
HEADERS = ("amz-sdk-invocation-id", "Idempotency-Key")


@pytest.fixture
def once() -> dict[str, str]:
    """The header of one call that an SDK may send many times."""
    return {"amz-sdk-invocation-id": str(uuid4())}


def mismatch(once: dict[str, str]) -> tuple[int, str, str]:
    (command_id,) = once.values()
    told = f"The command id {command_id} was used before, with other parameters or by another caller."
    return 400, "IDEMPOTENT_PARAMETER_MISMATCH", told


@pytest.mark.parametrize("header", HEADERS)
def test_a_call_sent_twice_is_done_once(account: Account, header: str) -> None:
    """Both answers are the same, down to the event."""
    once = {header: str(uuid4())}
    first, second = (account.json("CreateUser", once, UserName="alice").data for _ in range(2))
    assert first == second
    assert [event["command_id"] for event in account.events()] == [once[header]]


def test_a_call_sent_twice_in_xml_differs_in_the_request_id_only(account: Account, once: dict[str, str]) -> None:
    """The user created first is answered again, not refused as a duplicate."""
    first, second = (account.query("CreateUser", once, UserName="alice") for _ in range(2))
    assert first.headers["x-amzn-RequestId"] != second.headers["x-amzn-RequestId"]
    for field in ("UserId", "CreateDate", "Arn"):
        path = f"CreateUserResult/User/{field}"
        assert first.text(path) == second.text(path)


def test_ten_calls_at_once_with_one_id_are_done_once(account: Account, once: dict[str, str]) -> None:
    """Those that arrive while the first is in flight wait for its result."""
    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(account.json, "CreateUser", once, UserName="alice") for _ in range(10)]
        answers = [call.result().data for call in calls]
    assert all(answer == answers[0] for answer in answers)
    assert len(account.events()) == 1


def test_a_repeat_gets_the_first_result_although_the_state_has_changed(account: Account, once: dict[str, str]) -> None:
    """CreateUser, DeleteUser, CreateUser once more: the answer is the first, and there is no user."""
    first = account.json("CreateUser", once, UserName="alice").data
    account.json("DeleteUser", UserName="alice")
    assert account.json("CreateUser", once, UserName="alice").data == first
    assert account.json("ListUsers").data["Users"] == []
    assert [event["action"] for event in account.events()] == ["CreateUser", "DeleteUser"]


def test_a_repeat_of_a_policy_version_gets_the_number_it_got_first(account: Account) -> None:
    """Also when later versions were made since."""
    arn = account.json("CreatePolicy", PolicyName="p", PolicyDocument=ALLOW).data["Policy"]["Arn"]
    first, second = ({"Idempotency-Key": key} for key in ("one", "two"))
    for once, expected in ((first, "v2"), (second, "v3"), (first, "v2")):
        answer = account.json("CreatePolicyVersion", once, PolicyArn=arn, PolicyDocument=ALLOW).data
        assert answer["PolicyVersion"]["VersionId"] == expected
    assert len(account.events()) == 3


def test_a_repeat_of_a_call_that_changed_nothing_is_not_recorded_again(account: Account, once: dict[str, str]) -> None:
    """An attachment that was there already: the repeat is answered unchanged even after a detachment."""
    account.json("CreateUser", UserName="alice")
    account.json("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    first = account.json("AttachUserPolicy", once, UserName="alice", PolicyArn=ADMIN).data
    account.json("DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    assert account.json("AttachUserPolicy", once, UserName="alice", PolicyArn=ADMIN).data == first
    assert len(account.events()) == 4
    assert account.json("ListAttachedUserPolicies", UserName="alice").data["AttachedPolicies"] == []


def test_a_refused_call_stays_refused(account: Account, once: dict[str, str]) -> None:
    """The repeat is refused in the same words although it could succeed by now, and is not recorded again."""
    account.json("CreateUser", UserName="bob")
    first = account.json("DeleteUser", once, UserName="alice").refusal
    account.json("CreateUser", UserName="alice")
    assert first == (404, "NO_SUCH_ENTITY", "The user with name alice cannot be found.")
    assert account.json("DeleteUser", once, UserName="alice").refusal == first
    assert [event["outcome"] for event in account.events()] == ["changed", "refused", "changed"]


@pytest.mark.parametrize("refused", [False, True], ids=["done", "refused"])
def test_an_id_used_for_another_request_is_refused(account: Account, once: dict[str, str], refused: bool) -> None:
    """Other parameters or another action: IdempotentParameterMismatch, and nothing is recorded."""
    account.json("CreateUser", UserName="taken")
    first = account.json("CreateUser", once, UserName="taken" if refused else "alice")
    assert first.status == (409 if refused else 200)
    assert account.json("CreateUser", once, UserName="bob").refusal == mismatch(once)
    assert account.json("DeleteUser", once, UserName="alice").refusal == mismatch(once)
    assert account.query("CreateUser", once, UserName="bob").refusal[:2] == (400, "IdempotentParameterMismatch")
    assert len(account.events()) == 2


def test_the_protocol_is_no_part_of_the_request(account: Account, once: dict[str, str]) -> None:
    """The same parameters in XML and in JSON are the same request."""
    account.query("CreateUser", once, UserName="alice")
    assert account.json("CreateUser", once, UserName="alice").data["User"]["UserName"] == "alice"
    assert len(account.events()) == 1


def test_an_id_belongs_to_one_account(
    account: Account, once: dict[str, str], new_account: Callable[..., Account]
) -> None:
    """Another account's call with the same id is another call."""
    other = new_account()
    account.json("CreateUser", once, UserName="alice")
    assert other.json("CreateUser", once, UserName="bob").data["User"]["UserName"] == "bob"
    assert len(account.events()) == len(other.events()) == 1


def test_a_reads_id_means_nothing(account: Account, once: dict[str, str]) -> None:
    """SDKs send one with every call; a read answers the present each time."""
    assert account.json("ListUsers", once).data["Users"] == []
    account.json("CreateUser", once, UserName="alice")
    assert len(account.json("ListUsers", once).data["Users"]) == 1


def test_repeats_are_recognised_after_a_restart(
    tmp_path: Path,
    once: dict[str, str],
    new_account: Callable[..., Account],
    start_server: Callable[..., Server],
) -> None:
    """What was done, what was refused and what the id was used for are all in the log."""
    refused = {"Idempotency-Key": "refused"}
    before = new_account(start_server(tmp_path / "data"))
    first = before.json("CreateUser", once, UserName="alice").data
    refusal = before.json("CreateUser", refused, UserName="ALICE").refusal
    before.json("DeleteUser", UserName="alice")
    before.server.stop()
    after = new_account(start_server(tmp_path / "data"), before.id)
    assert after.json("CreateUser", once, UserName="bob").refusal == mismatch(once)
    assert after.json("CreateUser", once, UserName="alice").data == first
    assert after.json("CreateUser", refused, UserName="ALICE").refusal == refusal
    assert after.json("CreateUser", refused, UserName="bob").refusal == mismatch(refused)
    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(after.json, "CreateUser", once, UserName="alice") for _ in range(10)]
        assert all(call.result().data == first for call in calls)
    assert [event["outcome"] for event in after.events()] == ["changed", "refused", "changed"]


class ForgetfulProxy:
    """Passes every request on, and loses the first answers."""

    def __init__(self, port: int, losses: int) -> None:
        self._target = port
        self._losses = losses
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0
        self._thread = Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Accept no more."""
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with closing(client):
                request = self._request(client)
                if not request:
                    return
                self.requests += 1
                with closing(socket.create_connection(("127.0.0.1", self._target))) as service:
                    service.sendall(request)
                    answer = service.recv(65536)
                if self.requests > self._losses:
                    client.sendall(answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

    def _request(self, client: socket.socket) -> bytes:
        request = b""
        while not request.endswith(b"UserName=alice"):
            received = client.recv(65536)
            if not received:
                return b""
            request += received
        return request


@pytest.fixture
def proxy(server: Server) -> Iterator[ForgetfulProxy]:
    """A way to the service on which the first answer is lost."""
    running = ForgetfulProxy(server.port, losses=1)
    yield running
    running.stop()


def test_a_retry_of_the_sdk_itself_is_recorded_once(
    account: Account, client: Callable[..., Any], proxy: ForgetfulProxy
) -> None:
    """boto3 sees its connection die, sends the call again, and is told of the user that the first one made."""
    config = Config(retries={"mode": "standard", "max_attempts": 3})
    answer = client(account, url=proxy.url, config=config).create_user(UserName="alice")
    assert (proxy.requests, answer["ResponseMetadata"]["RetryAttempts"]) == (2, 1)
    (event,) = account.events()
    assert event["event"]["user_id"] == answer["User"]["UserId"]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("command_id", ["", "x" * 129], ids=["empty", "long"])
def test_an_id_of_the_wrong_length_is_refused(account: Account, header: str, command_id: str) -> None:
    """1 to 128 characters, and nothing is done without one."""
    reply: Reply = account.json("CreateUser", {header: command_id}, UserName="alice")
    assert reply.refusal == (400, "VALIDATION_ERROR", f"{header} must have 1 to 128 ASCII characters.")
    assert account.events() == []
