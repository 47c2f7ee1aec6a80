"""The AWS Query protocol as it stands on the wire: envelopes, dispatch and what is negotiated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from api.actions import NOT_HERE
from api.aws import Place, find_place

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply

NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
FAULTS = "http://webservices.amazon.com/AWSFault/2005-15-09"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"
VERSION = "2010-05-08"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def request_id_of(reply: Reply) -> str:
    request_id = reply.headers["x-amzn-RequestId"]
    assert UUID.fullmatch(request_id)
    return str(request_id)


def get(account: Account, headers: Mapping[str, str] | None = None, /, **fields: str) -> Reply:
    return account.get(f"/?{urlencode({'Version': VERSION, **fields})}", headers)


def test_a_result_stands_in_its_envelope_exactly(account: Account) -> None:
    """The namespace on the root, the result in its wrapper, the request id of the header in the body."""
    reply = account.query("ListUsers")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/xml")
    assert reply.headers["Content-Length"] == str(len(reply.body))
    assert reply.body.decode() == (
        f'<ListUsersResponse xmlns="{NAMESPACE}"><ListUsersResult><Users></Users><IsTruncated>false</IsTruncated>'
        f"</ListUsersResult><ResponseMetadata><RequestId>{request_id_of(reply)}</RequestId></ResponseMetadata>"
        "</ListUsersResponse>"
    )


def test_an_empty_result_has_an_envelope_without_a_wrapper(account: Account) -> None:
    """Operations without output still answer XML."""
    account.query("CreateUser", UserName="alice")
    reply = account.query("DeleteUser", UserName="alice")
    assert reply.body.decode() == (
        f'<DeleteUserResponse xmlns="{NAMESPACE}"><ResponseMetadata><RequestId>{request_id_of(reply)}</RequestId>'
        "</ResponseMetadata></DeleteUserResponse>"
    )


def test_a_created_user_is_answered_in_the_order_of_the_model(account: Account) -> None:
    """Dates are UTC with seconds and Z."""
    reply = account.query("CreateUser", UserName="alice", Path="/a&b/")
    result = reply.body.decode().partition("<CreateUserResult>")[2].partition("</CreateUserResult>")[0]
    assert re.fullmatch(
        "<User><Path>/a&amp;b/</Path><UserName>alice</UserName><UserId>AIDA[A-Z2-7]{17}</UserId>"
        f"<Arn>arn:aws:iam::{account.id}:user/a&amp;b/alice</Arn>"
        r"<CreateDate>[0-9-]{10}T[0-9:]{8}Z</CreateDate></User>",
        result,
    )


def test_a_refusal_stands_in_its_envelope_exactly(account: Account) -> None:
    """Type, Code and Message only, and the request id beside them."""
    reply = account.query("GetUser", UserName="nobody")
    assert (reply.status, reply.headers["Content-Type"]) == (404, "text/xml")
    assert reply.body.decode() == (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>'
        "<Message>The user with name nobody cannot be found.</Message></Error>"
        f"<RequestId>{request_id_of(reply)}</RequestId></ErrorResponse>"
    )


def test_what_a_message_quotes_is_escaped(account: Account) -> None:
    """A refusal that repeats the caller's text is still well-formed XML."""
    reply = account.query("GetPolicy", PolicyArn="<arn>&amp;]]>-and-more-of-it")
    assert reply.refusal == (400, "ValidationError", "ARN <arn>&amp;]]>-and-more-of-it is not valid.")


def test_every_request_has_an_id_of_its_own(account: Account) -> None:
    """Also two that ask the same."""
    assert len({request_id_of(account.query("ListUsers")) for _ in range(5)}) == 5


def test_get_asks_the_same_as_post(account: Account) -> None:
    """Reads and writes, with the parameters in the query string."""
    assert get(account, Action="CreateUser", UserName="alice").text("CreateUserResult/User/UserName") == "alice"
    assert account.query("GetUser", UserName="alice").text("GetUserResult/User/UserName") == "alice"
    assert get(account, Action="GetUser", UserName="alice").text("GetUserResult/User/UserName") == "alice"


def test_a_form_may_be_split_between_query_string_and_body(account: Account) -> None:
    """The action in the one, its parameters in the other."""
    told = {"Authorization": account.authorization, "Content-Type": "application/x-www-form-urlencoded"}
    target = f"/?Action=CreateUser&Version={VERSION}"
    assert account.server.send("POST", target, b"UserName=alice", told).status == 200
    assert account.query("GetUser", UserName="alice").status == 200


def test_unknown_parameters_are_ignored(account: Account) -> None:
    """As AWS does."""
    assert account.query("CreateUser", UserName="alice", Colour="red", **{"Tags.member.1.Key": "k"}).status == 400
    assert account.query("CreateUser", UserName="alice", Colour="red", **{"UserName.x": "y"}).status == 200


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"Action": "FrobUser", "Version": VERSION}, f"Could not find operation FrobUser for version {VERSION}"),
        ({"Action": "listusers", "Version": VERSION}, f"Could not find operation listusers for version {VERSION}"),
        ({"Action": "ListUsers"}, "Could not find operation ListUsers for version NO_VERSION_SPECIFIED"),
        (
            {"Action": "ListUsers", "Version": "2011-06-15"},
            "Could not find operation ListUsers for version 2011-06-15",
        ),
        ({"Action": "ListUsers", "Version": ""}, "Could not find operation ListUsers for version "),
        ({"Action": "<b>", "Version": VERSION}, f"Could not find operation <b> for version {VERSION}"),
    ],
    ids=["unknown", "case", "no version", "another service's version", "empty version", "markup"],
)
def test_an_action_that_aws_does_not_have_is_invalid(account: Account, fields: Mapping[str, str], message: str) -> None:
    """InvalidAction, in the namespace of faults."""
    reply = account.form(fields)
    assert reply.refusal == (400, "InvalidAction", message)
    assert reply.body.startswith(f'<ErrorResponse xmlns="{FAULTS}">'.encode())


@pytest.mark.parametrize("action", ["SimulateCustomPolicy", "SimulatePrincipalPolicy"])
def test_an_action_that_is_not_there_yet_says_so(account: Account, action: str) -> None:
    """NotImplemented, once its parameters are in order, and as the service's own fault."""
    required = {
        "SimulateCustomPolicy": {"PolicyInputList.member.1": "{}", "ActionNames.member.1": "s3:GetObject"},
        "SimulatePrincipalPolicy": {
            "PolicySourceArn": f"arn:aws:iam::{account.id}:user/alice",
            "ActionNames.member.1": "s3:GetObject",
        },
    }
    reply = account.query(action, **required.get(action, {}))
    assert reply.refusal == (501, "NotImplemented", f"iam:{action} is not implemented. {NOT_HERE[action]}")
    assert reply.text("Error/Type") == "Receiver"


def test_without_an_action_the_product_page_is_shown(account: Account) -> None:
    """302 with an empty body at the root, as AWS answers a browser."""
    for reply in (account.get("/"), account.form({}), account.form({"Version": VERSION}), account.form({"Action": ""})):
        assert (reply.status, reply.headers["Location"], reply.body) == (302, "https://aws.amazon.com/iam", b"")
        request_id_of(reply)


def test_without_an_action_other_paths_are_unknown(account: Account) -> None:
    """404 with AWS's one element."""
    for path in ("/other", "/favicon.ico", "/other/?colour=red"):
        reply = account.get(path)
        assert (reply.status, reply.body) == (404, b"<UnknownOperationException/>")
        request_id_of(reply)


@pytest.mark.parametrize("path", ["/", "//", "///", "/?colour=red", "//?Version=x", "http://127.0.0.1/", "/%23x=y"])
def test_a_call_is_read_at_every_spelling_of_the_root(account: Account, path: str) -> None:
    """With a query string or fields behind an escaped #, with further slashes, or with the host in front."""
    told = {"Authorization": account.authorization, "Content-Type": "application/x-www-form-urlencoded"}
    form = urlencode({"Action": "CreateUser", "Version": VERSION, "UserName": "alice"}).encode()
    assert account.server.send("POST", path, form, told).status == 200
    assert account.query("GetUser", UserName="alice").status == 200


@pytest.mark.parametrize("path", ["/elsewhere", "/iam/", "/v2/users", "/v1x", "/users/%23Action=ListUsers", "/%41"])
def test_at_another_path_nothing_is_done(account: Account, path: str) -> None:
    """404 in the protocol asked for, by any method, whatever the call, and nothing is recorded of it."""
    fields = {"Action": "CreateUser", "Version": VERSION, "UserName": "alice"}
    form, query = urlencode(fields).encode(), urlencode(fields)
    told = {"Authorization": account.authorization, "Content-Type": "application/x-www-form-urlencoded"}
    there = path.replace("%23", "#").replace("%41", "A")
    as_json = {**told, "Accept": "application/json"}

    posted = account.server.send("POST", path, form, told)
    got = account.get(f"{path}?{query}")
    put = account.server.send("PUT", f"{path}?{query}", headers=told)
    assert posted.refusal == (404, "UnknownOperationException", f"There is nothing at POST {there}.")
    assert posted.text("RequestId") == request_id_of(posted)
    assert got.refusal == (404, "UnknownOperationException", f"There is nothing at GET {there}.")
    assert put.refusal == (404, "UnknownOperationException", f"There is nothing at PUT {there}.")
    for method, body in (("POST", form), ("GET", None), ("DELETE", None)):
        reply = account.server.send(method, f"{path}?{query}", body, as_json)
        assert reply.refusal == (404, "NO_SUCH_ENTITY", f"There is nothing at {method} {there}.")
    assert account.events() == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_other_methods_are_not_allowed(account: Account, method: str) -> None:
    """405 with the methods that are, and nothing done."""
    target = f"/?{urlencode({'Action': 'CreateUser', 'Version': VERSION, 'UserName': 'alice'})}"
    reply = account.server.send(method, target, headers={"Authorization": account.authorization})
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, POST")
    assert account.events() == []


@pytest.mark.parametrize("accept", ["*/*", "text/xml", "text/html,application/xml;q=0.9", ""])
def test_without_a_wish_for_json_the_answer_is_xml(account: Account, accept: str) -> None:
    """Whatever else is accepted."""
    assert account.query("ListUsers", {"Accept": accept}).headers["Content-Type"] == "text/xml"


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/plain, */*"])
def test_with_a_wish_for_json_the_answer_is_the_envelope(account: Account, accept: str) -> None:
    """Also for GET, and for refusals."""
    assert get(account, {"Accept": accept}, Action="ListUsers").data == {"Users": [], "IsTruncated": False}
    refused = get(account, {"Accept": accept}, Action="GetUser", UserName="nobody").refusal
    assert refused == (404, "NO_SUCH_ENTITY", "The user with name nobody cannot be found.")


def test_the_caller_is_told_who_it_is(account: Account) -> None:
    """sts:GetCallerIdentity at the same address, in STS's namespace."""
    reply = account.query("GetCallerIdentity")
    assert reply.body.decode() == (
        f'<GetCallerIdentityResponse xmlns="{STS}"><GetCallerIdentityResult><UserId>{account.id}</UserId>'
        f"<Account>{account.id}</Account><Arn>arn:aws:iam::{account.id}:root</Arn></GetCallerIdentityResult>"
        f"<ResponseMetadata><RequestId>{request_id_of(reply)}</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    )


def test_a_path_of_many_slashes_is_read_in_one_go() -> None:
    """If they were shared out in every way there is, this test would take hours, and so would a request."""
    many = "/" * 300_000
    assert find_place(f"/at{many}x/y") is None
    assert find_place(f"{many}x") is None
    assert find_place(many) == Place(None, many)


def test_other_actions_of_sts_are_not_there_yet(account: Account) -> None:
    """501, naming the service."""
    reply = account.form({"Action": "GetSessionToken", "Version": "2011-06-15"})
    assert reply.refusal == (501, "NotImplemented", "sts:GetSessionToken is not implemented yet.")


def test_all_errors_of_a_call_are_told_at_once(account: Account) -> None:
    """Every parameter that breaks the model is in one message."""
    status, code, message = account.query("CreateUser", **{"Path": "/" * 513, "Tags.member.1.Value": "v"}).refusal
    assert (status, code) == (400, "ValidationError")
    assert message.startswith("3 validation errors detected: ")
    for path in ("userName", "path", "tags.1.member.key"):
        assert f"Value at '{path}' failed to satisfy constraint: " in message
