"""Requests made of `/openapi.json` by schemathesis: whatever they are, the answers are what the document says.

A round is a server over a folder of its own, with an account that has a past. Every route gets requests as its
schemas allow, and such as they do not; one route, another in each round, gets all that can be told from its schemas
(schemathesis's coverage phase). Values that the account knows are mixed in, so that questions find something.
Schemathesis learns from answers, so rounds with the same seed begin alike and need not end alike.

The answers are held to more than the document says: what it does not name may not be there.
"""

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from random import Random
from typing import Any

import jsonschema_rs
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from faults.server import Server
from faults.trial import Figures, Trial

STREAM = "/v1/events/stream"
EXAMPLES = 20  # of each route in each round
STREAMS = 20  # in each round
SECONDS_MAX = 20
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
OWN = "arn:aws:iam::123456789012:policy/deploy"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
ACCEPTED = ("*/*", "application/json", "application/json, */*;q=0.1", "text/csv", "application/x-ndjson", "text/plain")
KNOWN = {
    "path.name": "users",
    "path.arn": "policies",
    "path.event": "records",
    "path.instant": "instants",
    "query.at": "instants",
    "query.from": "instants",
    "query.to": "instants",
    "query.user": "users",
    "query.policy": "policies",
    "query.request_id": "requests",
    "query.cursor": "cursors",
    "header.Last-Event-ID": "positions",
    "body.at": "instants",
    "body.UserName": "users",
    "body.PolicyArn": "policies",
    "body.PermissionsBoundary": "policies",
    "body.PolicyName": "names",
    "body.VersionId": "versions",
    "body.PolicyDocument": "documents",
}
"""Which values of the account are tried for which parameter."""


@schemathesis.deserializer("application/x-ndjson")
def _lines(_: Any, response: Any) -> list[Any]:
    """A table of JSON lines, as the array that the document says it is."""
    return [json.loads(line) for line in response.content.splitlines()]


@schemathesis.deserializer("text/csv")
def _csv(_: Any, response: Any) -> str:
    """A CSV table. Raises ValueError where its rows have not all as many cells as its first."""
    text: str = response.content.decode()
    widths = {len(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)}
    if len(widths) != 1:
        raise ValueError(f"rows of {widths} cells")
    return text


class Asker:
    """Plain requests, to make the account's past and to read what it knows."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, target: str, **headers: str) -> Any:
        """The data at a path of the native API."""
        return self._data("GET", target, None, headers)

    def call(self, action: str, **parameters: Any) -> Any:
        """An action, which succeeds."""
        return self._data("POST", "/", json.dumps({"Action": action, **parameters}), {})

    def restore(self, user: str, **asked: Any) -> Any:
        """A restore, which succeeds."""
        return self._data("POST", f"/v1/users/{user}/restore", json.dumps(asked), {})

    def _data(self, method: str, target: str, body: str | None, headers: dict[str, str]) -> Any:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=SECONDS_MAX)) as connection:
            connection.request(method, target, body, {"Content-Type": "application/json", **headers})
            answer = json.loads(connection.getresponse().read())
        return answer.get("data", answer)


def make_a_past(ask: Asker) -> dict[str, list[str | int]]:
    """Users and policies that came, changed and went; the values by which one can ask for them."""

    def document(action: str) -> str:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    for name in ("alice", "bob", "carol"):
        ask.call("CreateUser", UserName=name, Tags=[{"Key": "team", "Value": name}])
    ask.call("CreatePolicy", PolicyName="deploy", PolicyDocument=document("s3:GetObject"))
    for name in ("alice", "bob"):
        ask.call("AttachUserPolicy", UserName=name, PolicyArn=OWN)
        ask.call("AttachUserPolicy", UserName=name, PolicyArn=ADMIN)
        ask.call("PutUserPolicy", UserName=name, PolicyName="reports", PolicyDocument=document("s3:*"))
    ask.call("PutUserPermissionsBoundary", UserName="alice", PermissionsBoundary=ADMIN)
    middle = ask.get("/v1/checkpoint")["basis"]["instant"]
    ask.call("CreatePolicyVersion", PolicyArn=OWN, PolicyDocument=document("s3:*"), SetAsDefault=True)
    ask.call("PutUserPolicy", UserName="alice", PolicyName="reports", PolicyDocument=document("sqs:*"))
    ask.call("DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    ask.call("DetachUserPolicy", UserName="alice", PolicyArn=ADMIN)  # is refused
    ask.call("UpdateUser", UserName="alice", NewUserName="alice.former", NewPath="/former/")
    ask.call("CreateUser", UserName="alice")
    ask.call("DeleteUser", UserName="carol")
    ask.restore("alice.former", at="@10", parts=["attached", "inline"])
    records = ask.get("/v1/events?limit=1000")["events"]
    first, last = records[0], records[-1]
    pages = ("events", "users/alice/history", "events?order=desc", f"policies/{ADMIN}/attachments/history")
    cursors = [ask.get(f"/v1/{page}{'&' if '?' in page else '?'}limit=1")["cursor"] for page in pages]
    return {
        "users": ["alice", "bob", "carol", "alice.former", "ALICE", first["event"]["user_id"]],
        "policies": [ADMIN, OWN, f"{OWN}er"],
        "names": ["deploy", "reports", "Reports"],
        "versions": ["v1", "v2"],
        "documents": [document("s3:*"), document("iam:*"), document("s3:*") + " ", "{}"],
        "records": [1, last["position"], last["position"] + 1, first["id"], last["id"]],
        "positions": [0, 1, last["position"]],
        "requests": [first["request_id"], last["request_id"]],
        "instants": ["@0", "@1", f"@{last['position']}", f"@{last['position'] + 1}", middle, last["recorded_at"]],
        "cursors": [cursor for cursor in cursors if cursor is not None],
    }


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with answers that may have no members but those it names."""
    schemas = document["components"]["schemas"]
    answered = [operation["responses"] for path in document["paths"].values() for operation in path.values()]
    todo, seen = list(answered), set()
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                node["additionalProperties"] = False
            name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in seen:
                seen.add(name)
                todo.append(schemas[name])
            todo += node.values()
    return document


def play(seed: int, folder: Path) -> Figures:
    """One server, asked by schemathesis."""
    random = Random(seed)
    with Server(folder / "data") as server:
        server.wait_until_ready()
        known = make_a_past(Asker(server.port))
        document = closed(Asker(server.port).get("/openapi.json"))
        routes = [(path, method) for path, methods in document["paths"].items() for method in methods if path != STREAM]
        figures = Counter(dict.fromkeys(("cases", "successes", "server_errors", "schema_violations", "not_tried"), 0))
        figures += _stream(random, server.port, document, known)
        path, method = routes[seed % len(routes)]
        covered = _schema(seed, random, server.port, document, known, "coverage")
        figures += _ask(covered.include(path=path, method=method.upper()))
        fuzzed = _schema(seed, random, server.port, document, known, "fuzzing")
        figures += _ask(fuzzed.exclude(path=STREAM))
    return {name: figures[name] for name in ("cases", "successes", "server_errors", "schema_violations", "not_tried")}


def _schema(
    seed: int, random: Random, port: int, document: dict[str, Any], known: dict[str, list[str | int]], phase: str
) -> Any:
    phases = ("examples", "coverage", "fuzzing", "stateful")
    settings = {
        "seed": seed,
        "base-url": f"http://127.0.0.1:{port}",
        "headers": {"Accept": random.choice(ACCEPTED)},
        "continue-on-failure": True,
        "max-redirects": 0,
        "request-timeout": SECONDS_MAX,
        "suppress-health-check": ["all"],
        "warnings": False,
        "generation": {"max-examples": EXAMPLES, "database": "none", "no-shrink": True},
        "phases": {name: {"enabled": name == phase} for name in phases},
        "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
        "dictionaries": {name: {"values": values} for name, values in known.items()},
        "parameters": {name: {"dictionary": of, "probability": 0.7} for name, of in KNOWN.items()},
    }
    return schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(settings))


def _ask(schema: Any) -> Counter[str]:
    """Ask what schemathesis makes of it, and count. What goes wrong is told on stderr, with a command to repeat it."""
    figures: Counter[str] = Counter()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            figures["not_tried"] += 1
            print(f"not tried: {event.info if isinstance(event, events.NonFatalError) else event}", file=sys.stderr)
        if isinstance(event, events.ScenarioFinished):
            for interaction in event.recorder.interactions.values():
                status = 599 if interaction.response is None else interaction.response.status_code
                figures["cases"] += 1
                figures["successes"] += status == 200
                figures["server_errors"] += status >= 500
            for check in (check for checks in event.recorder.checks.values() for check in checks):
                if check.failure_info is not None:
                    figures["schema_violations"] += check.name != "not_a_server_error"
                    print(check.failure_info.failure.message, check.failure_info.code_sample, file=sys.stderr)
    return figures


def _stream(random: Random, port: int, document: dict[str, Any], known: dict[str, list[str | int]]) -> Counter[str]:
    """The stream never ends, so it is asked here, and read up to a record and no further."""
    responses = document["paths"][STREAM]["get"]["responses"]
    components = document["components"]
    record = jsonschema_rs.validator_for({"$ref": "#/components/schemas/StoredRecord", "components": components})
    places = ["beginning", "@1", *known["instants"], "now", "@", "@x", "", "\u0661"]
    ids: list[str | int | None] = [None, None, *known["positions"], 10**18, "x", "-1"]
    figures: Counter[str] = Counter()
    for _ in range(STREAMS):
        place, last = random.choice(places), random.choice(ids)
        with closing(HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)) as connection:
            headers = {} if last is None else {"Last-Event-ID": str(last)}
            connection.request("GET", f"{STREAM}?from={_quoted(str(place))}", headers=headers)
            response = connection.getresponse()
            kind = response.headers["Content-Type"].partition(";")[0]
            told = responses.get(str(response.status))
            right = told is not None and kind in told["content"] and "x-amzn-RequestId" in response.headers
            if right and response.status != 200:
                schema = {**told["content"][kind]["schema"], "components": components}
                right = jsonschema_rs.validator_for(schema).is_valid(json.loads(response.read()))
            elif right:
                right = all(record.is_valid(each) for each in _records(response, str(place), last))
        figures["cases"] += 1
        figures["successes"] += response.status == 200
        figures["server_errors"] += response.status >= 500
        if not right:
            figures["schema_violations"] += 1
            print(f"{response.status} {kind} for from={place} Last-Event-ID={last}", file=sys.stderr)
    return figures


def _quoted(text: str) -> str:
    return text.encode().hex("%").join(("%", "")) if text else ""


def _records(response: HTTPResponse, place: str, last: str | int | None) -> Iterator[Any]:
    """The first record of a stream, if there is one that need not be waited for."""
    assert response.readline() == b"retry: 1000\n"
    assert response.readline() == b"\n"
    if last in (0, 1) or (last is None and place in ("beginning", "@0", "@1")):
        lines = [response.readline() for _ in range(3)]
        assert [line.partition(b":")[0] for line in lines] == [b"id", b"event", b"data"], lines
        yield json.loads(lines[2].removeprefix(b"data: "))


TRIAL = Trial(
    name="openapi",
    about="requests made of /openapi.json: no answer may be a 5xx, or other than the document says",
    rounds=64,  # each route is covered four times
    play=play,
    must_be_zero=("server_errors", "schema_violations", "not_tried"),
    must_not_be_zero=("cases", "successes"),
)
