"""Replies are well-formed XML that botocore reads back as what was put."""

import json
import random
import re
from datetime import UTC, datetime, timedelta, timezone
from gzip import decompress
from importlib.resources import files
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from api.model import POLICY_DOCUMENT, Listing, Mapped, Operation, Scalar, Service, Shape, Structure, load
from api.xml import escape, render, render_error

IAM = load("iam", "2010-05-08")
STS = load("sts", "2011-06-15")
XMLNS = "https://iam.amazonaws.com/doc/2010-05-08/"
NOON = datetime(2026, 2, 19, 12, 0, tzinfo=UTC)
TEXTS = [
    "alice",
    "",
    " ",
    "<&>\"'",
    "]]>",
    "line\r\nline\rline\n\ttab",
    "zoé 你好 🙂",
    "\x7f\x85\u2028\ufffd",
]


def reply(name: str, result: dict[str, Any] | None = None) -> str:
    return render(IAM.operations[name], result, "rid").decode()


def botocore_shapes(service: Service) -> dict[str, Any]:
    path = f"data/{service.name}/{service.version}/service-2.json.gz"
    model = ServiceModel(json.loads(decompress(files("botocore").joinpath(path).read_bytes())))
    return {name: model.operation_model(name).output_shape for name in model.operation_names}


SHAPES = {service.name: botocore_shapes(service) for service in (IAM, STS)}


def read_back(operation: Operation, body: bytes) -> Any:
    response = {"status_code": 200, "headers": {}, "body": body}
    shape = SHAPES[operation.service.name][operation.name]
    parsed = create_parser("query").parse(response, shape)
    assert parsed.pop("ResponseMetadata")["RequestId"] == "rid"
    return parsed


def sample(shape: Shape, pick: random.Random) -> Any:
    """Any value of the shape, with members left out and lists empty now and then."""
    match shape:
        case Structure():
            return {m.name: sample(m.shape, pick) for m in shape.members if pick.random() < 0.8}
        case Listing():
            return [sample(shape.element, pick) for _ in range(pick.randrange(3))]
        case Mapped():
            return {str(n): sample(shape.value, pick) for n in range(pick.randrange(3))}
        case Scalar(kind="integer"):
            return pick.randrange(-5, 10**6)
        case Scalar(kind="boolean"):
            return pick.random() < 0.5
        case Scalar(kind="timestamp"):
            return NOON + timedelta(seconds=pick.randrange(10**8))
        case Scalar(kind="blob"):
            return pick.randbytes(7)
        case Scalar():
            return pick.choice(shape.enum or TEXTS)


def undocumented(shape: Shape, value: Any) -> Any:
    """What botocore parsed, with policy documents percent-decoded as its handlers do afterwards."""
    match shape:
        case Structure():
            return {m.name: undocumented(m.shape, value[m.name]) for m in shape.members if m.name in value}
        case Listing():
            return [undocumented(shape.element, item) for item in value]
        case Scalar(name=name) if name == POLICY_DOCUMENT:
            return unquote(value)
        case _:
            return value


@pytest.mark.parametrize("service", [IAM, STS], ids=["iam", "sts"])
def test_botocore_reads_every_reply_of_every_operation_back(service: Service) -> None:
    """Samples of each output shape survive the way to the client."""
    pick = random.Random(20100508)
    for operation in service.operations.values():
        for _ in range(20):
            result = sample(operation.output, pick) if operation.output else {}
            parsed = read_back(operation, render(operation, result, "rid"))
            assert (undocumented(operation.output, parsed) if operation.output else parsed) == result


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_is_carried_as_xml_can(name: str, document: str) -> None:
    """What XML 1.0 can hold reads back the same, a document even beyond that; the rest becomes U+FFFD."""
    result = {"UserName": name, "PolicyName": "p", "PolicyDocument": document}
    parsed = read_back(IAM.operations["GetUserPolicy"], render(IAM.operations["GetUserPolicy"], result, "rid"))
    forbidden = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
    assert parsed["UserName"] == re.sub(forbidden, "\ufffd", name)
    assert unquote(parsed["PolicyDocument"]) == document


def test_a_lone_surrogate_cannot_break_a_reply() -> None:
    """It has no UTF-8, so it becomes U+FFFD too."""
    assert escape("a\ud800b") == "a\ufffdb"


def test_a_reply_has_the_layout_of_aws() -> None:
    """Model order whatever the order of the result, the namespace on the root only, whole seconds."""
    user = {
        "CreateDate": datetime(2026, 2, 19, 18, 34, 51, 999999, tzinfo=UTC),
        "UserName": "alice",
        "Path": "/",
    }
    assert reply("GetUser", {"User": user}) == (
        f'<GetUserResponse xmlns="{XMLNS}"><GetUserResult><User><Path>/</Path><UserName>alice</UserName>'
        "<CreateDate>2026-02-19T18:34:51Z</CreateDate></User></GetUserResult>"
        "<ResponseMetadata><RequestId>rid</RequestId></ResponseMetadata></GetUserResponse>"
    )


def test_an_operation_without_a_result_still_sends_its_envelope() -> None:
    """botocore cannot parse an empty body."""
    for result in (None, {}):
        assert reply("DeleteUser", result) == (
            f'<DeleteUserResponse xmlns="{XMLNS}"><ResponseMetadata><RequestId>rid</RequestId>'
            "</ResponseMetadata></DeleteUserResponse>"
        )


def test_an_empty_result_has_its_element() -> None:
    """botocore looks for the wrapper of UpdateRole although nothing is in it."""
    assert "<UpdateRoleResult></UpdateRoleResult>" in reply("UpdateRole")


def test_an_empty_list_is_an_empty_element_and_an_absent_one_is_none() -> None:
    """Clients see [] in the first case and no key in the second; None counts as absent."""
    assert "<Users></Users><IsTruncated>false" in reply("ListUsers", {"Users": [], "IsTruncated": False})
    assert "Marker" not in reply("ListUsers", {"Users": [], "IsTruncated": False, "Marker": None})
    assert "<Users>" not in reply("ListUsers", {"IsTruncated": True})


def test_lists_have_members_and_maps_have_entries() -> None:
    """Neither is flattened in IAM."""
    groups = reply("ListUserPolicies", {"PolicyNames": ["a", "b"], "IsTruncated": False})
    assert "<PolicyNames><member>a</member><member>b</member></PolicyNames>" in groups
    summary = reply("GetAccountSummary", {"SummaryMap": {"Users": 3}})
    assert "<SummaryMap><entry><key>Users</key><value>3</value></entry></SummaryMap>" in summary


def test_a_document_is_percent_encoded() -> None:
    """Everything but unreserved characters is encoded, percent signs too, with upper-case hexadecimals."""
    result = {"UserName": "u", "PolicyName": "p", "PolicyDocument": '{"a b": "é/-._~*%3A"}'}
    encoded = "%7B%22a%20b%22%3A%20%22%C3%A9%2F-._~%2A%253A%22%7D"
    assert f"<PolicyDocument>{encoded}</PolicyDocument>" in reply("GetUserPolicy", result)


def test_a_timestamp_is_told_in_utc() -> None:
    """Other zones are converted; a moment without a zone is a programming error."""
    east = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert "2025-12-31T23:00:00Z" in reply("GetUser", {"User": {"CreateDate": east}})
    with pytest.raises(ValueError, match="no time zone"):
        reply("GetUser", {"User": {"CreateDate": east.replace(tzinfo=None)}})


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("GetUser", {"Usr": {}}),
        ("GetUser", {"User": {"Name": "alice"}}),
        ("ListUsers", {"Users": [{"user_name": "alice"}], "IsTruncated": False}),
        ("DeleteUser", {"User": {}}),
        ("UpdateRole", {"Role": None}),
    ],
)
def test_a_key_that_the_shape_does_not_have_is_an_error(name: str, result: dict[str, Any]) -> None:
    """A misspelt member would otherwise vanish from the reply."""
    with pytest.raises(KeyError, match="has no"):
        reply(name, result)


def test_a_string_member_takes_strings_only() -> None:
    """None in a list or a number for a name is a programming error as well."""
    for wrong in ([None], [7]):
        with pytest.raises(TypeError):
            reply("ListUserPolicies", {"PolicyNames": wrong})


def test_an_error_has_exactly_type_code_and_message() -> None:
    """The request id stands beside the error, not in metadata, and texts are escaped."""
    body = render_error(XMLNS, "Sender", "NoSuchEntity", "The user <&> cannot be found.", "rid").decode()
    assert body == (
        f'<ErrorResponse xmlns="{XMLNS}"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>'
        "<Message>The user &lt;&amp;&gt; cannot be found.</Message></Error>"
        "<RequestId>rid</RequestId></ErrorResponse>"
    )


@settings(deadline=None)
@given(st.text())
def test_botocore_reads_an_error_back(message: str) -> None:
    """Code, message and type reach the client's exception; where there is no text there is no element."""
    body = render_error(XMLNS, "Receiver", "ServiceFailure", message, "rid")
    ElementTree.fromstring(body)
    parsed = create_parser("query").parse({"status_code": 500, "headers": {}, "body": body}, None)
    carried = {"Message": _carried(message)} if message else {}
    assert parsed["Error"] == {"Type": "Receiver", "Code": "ServiceFailure", **carried}
    assert parsed["ResponseMetadata"]["RequestId"] == "rid"


def _carried(text: str) -> str:
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", text)
