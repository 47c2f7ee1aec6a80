"""`/openapi.json`: one document that tells all of the API, out of the tables that the API works with.

Whether the answers are what it says is the matter of `tests/faults/openapi.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec
import pytest

from api import actions
from api.app import ROUTES
from api.aws import IAM
from api.errors import STATUS, upper_snake
from api.openapi import document

if TYPE_CHECKING:
    from tests.api.conftest import Account

DOCUMENT = msgspec.json.decode(msgspec.json.encode(document(ROUTES)))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(node, dict):
        yield node
        for member in node.values():
            yield from nodes(member)
    elif isinstance(node, list):
        for member in node:
            yield from nodes(member)


def test_the_service_tells_of_itself(account: Account) -> None:
    """To a GET and to nobody else, whoever is asked for."""
    reply = account.get("/openapi.json")
    assert (reply.status, reply.envelope) == (200, DOCUMENT)

    status, code, _ = account.server.send("POST", "/openapi.json").refusal
    assert (status, code) == (405, "METHOD_NOT_ALLOWED")

    status, code, _ = account.get("/openapi.json", {"Host": "example.com"}).refusal
    assert (status, code) == (403, "ACCESS_DENIED")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_is_told_of_with_all_its_parameters(route: Any) -> None:
    """What each means, where it stands, and what it can be."""
    told = OPERATIONS[route.name]["parameters"]
    assert {(each["name"], each["in"], each["required"]) for each in told} == {
        (each.name, each.place, each.required) for each in route.parameters
    }
    for each in told:
        assert each["description"].endswith(".")
        assert each["schema"]["type"] in ("string", "integer")
        assert f"{{{each['name']}}}" in route.path or each["in"] != "path"


def test_nothing_else_is_told_of() -> None:
    """And every operation has a name of its own."""
    assert OPERATIONS.keys() == {route.name for route in ROUTES}
    assert len({operation["operationId"] for operation in OPERATIONS.values()}) == len(OPERATIONS)


def test_what_is_referred_to_is_there() -> None:
    """In the components of the document."""
    for reference in [node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node]:
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_one(name: str) -> None:
    """By JSON Schema's own schema, which is what OpenAPI 3.1 goes by."""
    jsonschema_rs.meta.validate(DOCUMENT["components"]["schemas"][name])


def test_every_refusal_is_told_of_with_its_status() -> None:
    """With a meaning, where it can come. A wrong method has no operation that could tell of it."""
    told = {
        (int(status), code)
        for operation in OPERATIONS.values()
        for status, response in operation["responses"].items()
        for node in nodes(response)
        for code in node.get("code", {}).get("enum", ())
    }
    assert told == {
        (status, upper_snake(error.code)) for error, status in STATUS.items() if error.code != "MethodNotAllowed"
    }


@pytest.mark.parametrize("name", actions.IAM)
def test_every_action_is_told_of_with_its_parameters(name: str) -> None:
    """As AWS's model has them."""
    schema = DOCUMENT["components"]["schemas"][name]
    members = IAM.operations[name].input.members if IAM.operations[name].input else ()
    assert schema["properties"].keys() == {"Action", "Version", *(member.wire for member in members)}
    assert schema["required"] == ["Action", *(member.wire for member in members if member.required)]


@pytest.mark.parametrize(
    ("body", "right"),
    [
        ({"Action": "CreateUser", "UserName": "alice"}, True),
        ({"Action": "CreateUser"}, False),
        ({"Action": "CreateUser", "UserName": "a b"}, False),
        ({"Action": "TagUser", "UserName": "alice", "Tags": [{"Key": "team", "Value": "a"}]}, True),
        ({"Action": "TagUser", "UserName": "alice", "Tags": [{"Key": "team"}]}, False),
        ({"Action": "ListUsers", "MaxItems": 0}, False),
        ({"Action": "PutUserPolicy", "UserName": "a", "PolicyName": "b", "PolicyDocument": {"Statement": []}}, True),
        ({"Action": "CreateRole", "RoleName": "a"}, False),
    ],
    ids=str,
)
def test_a_call_is_told_right_from_wrong(body: dict[str, Any], right: bool) -> None:
    """A client can know beforehand what would be refused for its form."""
    content = OPERATIONS["POST /"]["requestBody"]["content"]["application/json"]["schema"]
    schema = {**content, "components": DOCUMENT["components"]}
    assert jsonschema_rs.validator_for(schema).is_valid(body) is right
