"""Whatever is sent, the answer is clear, in the caller's protocol, and nothing is recorded."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import api.body
import api.connections
from api.app import build_server
from api.model import load
from iam.quotas import Quotas
from tools.data import MEMORY, DataFolder, open_service

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply

IAM = load("iam", "2010-05-08")
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
CREATE = "Action=CreateUser&Version=2010-05-08&UserName=alice"


@pytest.fixture
def known(account: Account) -> Iterator[Account]:
    """An account that exists. Afterwards its one record is still its only one."""
    account.query("CreateUser", UserName="first")
    yield account
    assert len(account.events()) == 1


def post(account: Account, body: bytes, content_type: str | None, **headers: str) -> Reply:
    told = {"Authorization": account.authorization, **({"Content-Type": content_type} if content_type else {})}
    return account.server.send("POST", "/", body, {**told, **headers})


FORMS: list[tuple[bytes, str, str]] = [
    (f"{CREATE}&Path=%zz".encode(), "MalformedInput", "Path has a broken percent escape at character 0"),
    (f"{CREATE}&Path=/a%".encode(), "MalformedInput", "Path has a broken percent escape at character 2"),
    (f"{CREATE}&%4=x".encode(), "MalformedInput", "A parameter name has a broken percent escape at character 0"),
    (f"{CREATE}&Path=%FF".encode(), "MalformedInput", "Path is not valid UTF-8 at byte 0"),
    (f"{CREATE}&Path=%ED%A0%80".encode(), "MalformedInput", "Path is not valid UTF-8 at byte 0"),
    (CREATE.encode() + b"&Path=\xff", "MalformedInput", "The request body is not valid UTF-8 at byte 57"),
    (f"{CREATE}&UserName=bob".encode(), "MalformedInput", "Parameter UserName occurs more than once"),
    (
        f"{CREATE}&{'&'.join(f'a{n}=1' for n in range(10_000))}".encode(),
        "MalformedInput",
        "The request has more than 1000 parameters",
    ),
    (f"{CREATE}&Tags.member.0.Key=k".encode(), "MalformedInput", "0 is not a valid index"),
    (f"{CREATE}&Tags.member.-1.Key=k".encode(), "MalformedInput", "Key -1 may not have a leading '-'"),
    (f"{CREATE}&Tags.member.1.1.Key=k".encode(), "MalformedInput", "Two index elements may not occur back to back"),
    (
        f"{CREATE}&Tags.member.99.Key=k".encode(),
        "MalformedInput",
        "Excessively sparse input would skip 98 list elements",
    ),
    (f"{CREATE}&Tags.member.{'9' * 5000}.Key=k".encode(), "MalformedInput", f"{'9' * 5000} is not a valid index"),
    (
        b"Action=ListUsers&Version=2010-05-08&MaxItems=1.0",
        "MalformedInput",
        "Value at 'maxItems' is not an integer of 32 bits",
    ),
    (
        b"Action=ListPolicies&Version=2010-05-08&OnlyAttached=True",
        "MalformedInput",
        "Value at 'onlyAttached' is not a boolean",
    ),
]


@pytest.mark.parametrize(
    ("body", "code", "message"), FORMS, ids=lambda value: value[:40] if isinstance(value, str) else ""
)
def test_a_form_that_cannot_be_read_is_refused(known: Account, body: bytes, code: str, message: str) -> None:
    """400 that says where the fault lies, in XML and in the envelope."""
    assert post(known, body, FORM).refusal == (400, code, message)
    assert post(known, body, FORM, Accept=JSON).refusal == (400, "MALFORMED_INPUT", message)


BODIES: list[tuple[bytes, str]] = [
    (b"{", "The request body is not valid JSON: "),
    (b"[]", "The request body is not a JSON object"),
    (b'"Action"', "The request body is not a JSON object"),
    (b"null", "The request body is not a JSON object"),
    (b'{"Action":"CreateUser","UserName":"alice"} x', "The request body is not valid JSON: "),
    (b'{"Action":"CreateUser","UserName":"alice",}', "The request body is not valid JSON: "),
    (b"{'Action':'CreateUser'}", "The request body is not valid JSON: "),
    (b'{"Action":"CreateUser","UserName":"a","UserName":"b"}', "Key UserName occurs more than once in a JSON object"),
    (b'{"Action":"CreateUser","Tags":[{"Key":"a","Key":"b"}]}', "Key Key occurs more than once in a JSON object"),
    (b'{"Action":"CreateUser","UserName":"\xff"}', "The request body is not valid JSON: "),
    (b'{"Action":"CreateUser","UserName":"\\ud800"}', ""),
    (b'{"Action":"CreateUser","UserName":"a\x00b"}', "The request body is not valid JSON: "),
    (b'{"Action":"CreateUser","UserName":NaN}', "The request body is not valid JSON: NaN is not a number"),
    (b'{"Action":"ListUsers","MaxItems":' + b"9" * 5000 + b"}", ""),
    (b'{"Action":1}', "Action must be a string"),
    (b'{"Action":["CreateUser"],"UserName":"alice"}', "Action must be a string"),
    (b'{"Action":null}', "Action must be a string"),
    (
        b'{"Action":"CreateUser","UserName":"alice","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "The request body is nested too deeply",
    ),
    (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, "The request body is nested too deeply"),
    (b'{"x":[' + b"{}," * 10_001 + b"{}]}", "The request body has more than 10000 commas"),
    ('{"Action":"CreateUser","UserName":"alice"}'.encode("utf-16"), "The request body is not"),
]


@pytest.mark.parametrize(("body", "message"), BODIES, ids=lambda value: str(value[:40]))
def test_json_that_cannot_be_read_is_refused(known: Account, body: bytes, message: str) -> None:
    """400 in the envelope, and in XML for a caller who wants that."""
    status, code, told = post(known, body, JSON).refusal
    assert (status, code) == (400, "MALFORMED_INPUT")
    assert told.startswith(message)
    assert post(known, body, JSON, Accept="text/xml").refusal == (400, "MalformedInput", told)


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "multipart/form-data; boundary=x", "application/x-amz-json-1.1", "x", "\xff"]
)
def test_a_body_of_another_type_is_refused(known: Account, content_type: str | None) -> None:
    """Nobody guesses what a body is."""
    status, code, message = post(known, CREATE.encode(), content_type).refusal
    assert (status, code) == (400, "MalformedInput")
    assert "Content-Type" in message
    assert FORM in message


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x", "\xff"])
def test_a_compressed_body_is_refused_unread(known: Account, encoding: str) -> None:
    """A bomb of some hundred bytes does not go off."""
    bomb = gzip.compress(CREATE.encode() + b"&Path=" + b"/" * 50_000_000)
    for accept, code in (("", "InvalidInput"), (JSON, "INVALID_INPUT")):
        status, told, message = post(known, bomb, FORM, **{"Content-Encoding": encoding, "Accept": accept}).refusal
        assert (status, told) == (400, code)
        assert message.startswith("A body with Content-Encoding ")


def test_a_body_encoded_as_identity_is_read(account: Account) -> None:
    """That is no encoding."""
    assert post(account, CREATE.encode(), FORM, **{"Content-Encoding": "identity"}).status == 200


def test_a_body_larger_than_any_request_is_refused(known: Account) -> None:
    """413, for a form and for JSON; up to the limit it is read."""
    limit = api.body.BODY_BYTES_MAX
    assert post(known, CREATE.encode().ljust(limit + 1, b"&"), FORM).refusal == (
        413,
        "RequestEntityTooLarge",
        f"The request body is larger than {limit} bytes.",
    )
    assert post(known, b"{}".ljust(limit + 1), JSON).refusal[:2] == (413, "REQUEST_ENTITY_TOO_LARGE")
    assert post(known, b"{}".ljust(limit), JSON).refusal[:2] == (400, "MISSING_ACTION")


def test_a_chunked_body_counts_as_it_comes(known: Account) -> None:
    """Without a length that could be believed."""
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
    answer = known.server.send_bytes(head.encode() + chunk * 5 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"REQUEST_ENTITY_TOO_LARGE"' in answer


@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\x7f", "\ufffe", "\U0001f600", "\u202e"])
def test_characters_that_no_name_has_are_refused(known: Account, value: str) -> None:
    """By the model, in both protocols, with an answer that can be read."""
    assert known.query("CreateUser", UserName=value).refusal[:2] == (400, "ValidationError")
    assert known.json("CreateUser", UserName=value).refusal[:2] == (400, "VALIDATION_ERROR")
    assert (
        known.query("CreateUser", UserName="a", **{"Tags.member.1.Key": value, "Tags.member.1.Value": ""}).status == 400
    )
    assert known.json("ListPolicyVersions", PolicyArn=f"arn-{value * 20}").refusal[0] == 400
    assert known.query("GetPolicy", PolicyArn=f"arn-{value * 20}").refusal[0] == 400


def test_text_that_the_model_lets_through_comes_back_in_json(account: Account) -> None:
    """A description may hold any character; XML, which cannot carry some, has U+FFFD for them."""
    description = "a\x00b\x0b<&>\r\n\ufffe\U0001f600"
    policy = account.json("CreatePolicy", PolicyName="p", PolicyDocument=ALLOW, Description=description).data["Policy"]
    assert account.json("GetPolicy", PolicyArn=policy["Arn"]).data["Policy"]["Description"] == description
    shown = account.query("GetPolicy", PolicyArn=policy["Arn"]).text("GetPolicyResult/Policy/Description")
    assert shown == "a\ufffdb\ufffd<&>\r\n\ufffd\U0001f600"
    assert account.events()[0]["event"]["description"] == description


@pytest.mark.parametrize("header", ["Idempotency-Key", "amz-sdk-invocation-id"])
@pytest.mark.parametrize("value", ["é", "\xff", "", "k" * 129])
def test_a_command_id_that_is_none_is_refused(known: Account, header: str, value: str) -> None:
    """Before anything is done."""
    told = post(known, CREATE.encode(), FORM, **{header: value}).refusal
    assert told == (400, "ValidationError", f"{header} must have 1 to 128 ASCII characters.")


@pytest.mark.parametrize("header", ["User-Agent", "Authorization", "Accept", "X-Anything", "amz-sdk-request"])
def test_headers_that_are_no_text_do_no_harm(account: Account, header: str) -> None:
    """Bytes that are no UTF-8 are recorded as U+FFFD, or not at all."""
    name = f"agent-{account.id}-{header}"
    told = {
        "Authorization": account.authorization.encode(),
        "Content-Type": FORM.encode(),
        header: b"\xff\xfe Credential=\xff/x",
    }
    form = f"Action=CreateUser&Version=2010-05-08&UserName={name}"
    assert account.server.send("POST", "/", form.encode(), told).status == 200
    owner = type(account)(account.server, "123456789012") if header == "Authorization" else account
    (event,) = owner.events(user=name)
    if header == "User-Agent":
        assert event["user_agent"] == "\ufffd\ufffd Credential=\ufffd/x"
    if header == "Authorization":
        assert event["actor"]["access_key_id"] == "\ufffd"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBroken\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["long header", "long target", "no colon", "NUL", "two lengths", "negative length", "nonsense", "TLS"],
)
def test_what_is_not_http_is_refused(known: Account, head: bytes) -> None:
    """400 or its like, before it is anyone's request."""
    answer = known.server.send_bytes(head)
    assert answer.split(b" ")[0] in (b"HTTP/1.1", b"HTTP/1.0")
    assert answer.split(b" ")[1].startswith(b"4")
    assert b"Traceback" not in answer


@pytest.mark.parametrize(
    "target",
    [
        b"/\xff",
        b"/v1/\xff",
        b"/v1/users/\xff/policies",
        b"/v1/events?\xff=\xff",
        b"/?Action=\xff",
        b"/%23Action=%FF",
        b"/v1/events/%00",
        b"/v1/users/%2F..%2F/policies",
        b"//",
        b"/?%zz",
        b"/%zz",
        b"http://localhost/?Action=\xff",
        b"/v1/users/" + b"x" * 9000 + b"/policies",
    ],
)
def test_a_target_of_odd_bytes_is_answered(known: Account, target: bytes) -> None:
    """With some 4xx, or with the page that a call without an action gets."""
    head = b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    status = int(known.server.send_bytes(head).split(b" ")[1])
    assert 400 <= status < 500 or status == 302


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: AUTH\r\nContent-Type: {FORM}\r\n"
        f"Content-Length: {len(CREATE) + 1}\r\n\r\n{CREATE}",
        f"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: AUTH\r\nContent-Type: {FORM}\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n{len(CREATE):x}\r\n{CREATE}\r\n",
        f"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: AUTH\r\nContent-Type: {FORM}\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n{len(CREATE):x}\r\n{CREATE}\r\nxyz\r\n",
    ],
    ids=["length", "chunk", "broken chunk"],
)
def test_a_body_cut_short_changes_nothing(known: Account, request_bytes: str) -> None:
    """What came is not taken for all of it."""
    answer = known.server.send_bytes(request_bytes.replace("AUTH", known.authorization).encode(), half_close=True)
    assert answer == b"" or answer.split(b" ")[1].startswith(b"4")


@pytest.fixture
async def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A service in this process, which waits for requests only a moment."""
    monkeypatch.setattr(api.connections, "REQUEST_SECONDS_MAX", 0.2)
    async with open_service(DataFolder(tmp_path), MEMORY, Quotas()) as service:
        await service.start()
        runner = web.ServerRunner(build_server(service, "123456789012"))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
        await runner.cleanup()


@pytest.mark.parametrize("accept", ["", JSON], ids=["XML", "JSON"])
async def test_a_body_that_does_not_arrive_is_not_waited_for(port: int, accept: str) -> None:
    """408 in the caller's protocol, after a while, although the connection stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Type: {FORM}\r\n"
    with closing(writer):
        writer.write(f"{head}Content-Length: 1000\r\n\r\n{CREATE}".encode())
        async with asyncio.timeout(5):
            answer = await reader.read(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert (b'"REQUEST_TIMEOUT"' if accept else b"<Code>RequestTimeout</Code>") in answer


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_caller_that_goes_away_is_no_failure(port: int, framing: str, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that ends within a body leaves no traceback and no change."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n{framing}\r\n\r\n".encode())
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.1)
    assert [record for record in caplog.records if record.exc_info] == []


VALUES = st.one_of(
    st.sampled_from(
        ["alice", "p", "/", "v1", ALLOW, "arn:aws:iam::aws:policy/AdministratorAccess", "1", "true", "", "{}"]
    ),
    st.text(max_size=20),
)
ACTIONS = st.sampled_from(sorted(IAM.operations))


@st.composite
def calls(draw: Callable[..., Any]) -> tuple[str, dict[str, Any], Mapping[str, str]]:
    """An action of AWS's model with any values, as JSON members and as form fields."""
    action = draw(ACTIONS)
    structure = IAM.operations[action].input
    names = [member.wire for member in structure.members] if structure else []
    members = (
        {name: draw(st.one_of(VALUES, JSON_VALUES)) for name in draw(st.lists(st.sampled_from(names), unique=True))}
        if names
        else {}
    )
    suffixes = st.sampled_from(["", ".member.1", ".member.1.Key", ".member.1.Value", ".member.2", ".entry.1.key", ".x"])
    fields = {f"{name}{draw(suffixes)}": draw(VALUES) for name in members}
    return action, members, fields


JSON_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["Key", "Value", "Version", "Statement", "Effect", "x"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls())
def test_no_values_of_any_action_make_the_service_fail(
    account: Account, call: tuple[str, dict[str, Any], dict[str, str]]
) -> None:
    """Every answer is a result, a refusal, or says that the action is not there yet."""
    action, members, fields = call
    form = urlencode({"Action": action, "Version": "2010-05-08", **fields}, errors="replace").encode()
    body = json.dumps({**members, "Action": action}).encode()
    for reply in (post(account, form, FORM), post(account, body, JSON)):
        assert reply.status < 500 or reply.status == 501
        if reply.status != 200:
            assert reply.refusal[1]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([FORM, JSON]), st.sampled_from(["", JSON, "text/xml"]))
def test_no_bytes_make_the_service_fail(account: Account, body: bytes, content_type: str, accept: str) -> None:
    """Any body of either kind has a clear answer, or asks for nothing."""
    assert post(account, body, content_type, Accept=accept).status in (302, 400)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["user", "policy", "actor", "action", "from", "to", "limit", "cursor", "x"]), VALUES
    ),
    VALUES,
)
def test_no_question_makes_the_service_fail(account: Account, asked: dict[str, str], name: str) -> None:
    """The native API answers or refuses whatever it is asked."""
    text = urlencode(asked, errors="replace")
    at = urlencode({"at": name}, errors="replace")
    for target in (f"/v1/events?{text}", f"/v1/events/{at[3:]}", f"/v1/users/{at[3:]}/policies?{at}"):
        assert account.get(target).status in (200, 400, 404)
