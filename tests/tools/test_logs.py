"""What stands in the service's log, for programs and for people, and what never does."""

import io
import json
import logging
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tools import logs

SECRETS = ("c0ffee-signature", "c0ffee-token", "c0ffee-document", "c0ffee-cookie", "c0ffee-name", "c0ffee-agent")
HEADERS = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential=123456789012/20261103/us-east-1/iam/aws4_request, "
    f"SignedHeaders=host, Signature={SECRETS[0]}",
    "X-Amz-Security-Token": SECRETS[1],
    "Cookie": SECRETS[3],
    "User-Agent": SECRETS[5],
    "Content-Type": "application/json",
}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": SECRETS[2], "Effect": "Allow"}]})
GOOD_DOCUMENT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": f"arn:aws:s3:::{SECRETS[2]}"}],
    }
)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged in the test, as in a service whose standard error is no terminal."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logging, "root", logging.RootLogger(logging.WARNING))
    logs.begin()
    yield written
    logging.captureWarnings(False)
    logging.getLogger("aiohttp.server").setLevel(logging.NOTSET)


def told(log: io.StringIO) -> dict[str, Any]:
    """The one entry that was logged."""
    [line] = log.getvalue().splitlines()
    entry: dict[str, Any] = json.loads(line)
    assert line.isascii()
    return entry


def say(message: str, **options: Any) -> None:
    """Log it."""
    record = logging.LogRecord("api.app", logging.ERROR, __file__, 1, message, (), options.pop("exc_info", None))
    record.__dict__.update(options)
    logging.root.handle(record)


def test_an_entry_is_an_object_on_a_line(log: io.StringIO) -> None:
    """With the time in UTC, to the microsecond, and the id that the caller got."""
    say("a request failed", request_id="01a2")

    entry = told(log)
    assert entry.pop("time").endswith("Z")
    assert entry == {"level": "error", "logger": "api.app", "message": "a request failed", "request_id": "01a2"}


def test_an_exception_comes_with_all_of_its_traceback(log: io.StringIO) -> None:
    """Inside of the object, so that the line stays one."""
    try:
        raise LookupError("nowhere")
    except LookupError:
        say("a request failed", exc_info=sys.exc_info())

    traceback = told(log)["traceback"]
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("LookupError: nowhere")


@pytest.mark.parametrize("text", ["two\nlines", 'a "quote"', "\x1b[31mred", "\udcff\ud800", "ünïcode", "%s %d"])
def test_whatever_is_said_stays_on_its_line(log: io.StringIO, text: str) -> None:
    """Nobody can forge an entry, or make one that no program reads."""
    say(text)

    assert told(log)["message"] == text


def test_on_a_terminal_it_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """People read it there."""
    written = io.StringIO()
    written.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logging, "root", logging.RootLogger(logging.WARNING))
    logs.begin()
    say("a request failed")
    logging.captureWarnings(False)
    logging.getLogger("aiohttp.server").setLevel(logging.NOTSET)

    assert written.getvalue().endswith(" ERROR api.app: a request failed\n")


def send(port: int, method: str, path: str, body: str | bytes | None = None) -> tuple[int, str]:
    """A request with all those secrets in its headers: status and request id of the answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, body, HEADERS)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers["x-amzn-RequestId"]


def call(action: str, **parameters: Any) -> str:
    """The body of a call in JSON."""
    return json.dumps({"Action": action, **parameters})


def test_neither_bad_requests_nor_failures_put_secrets_into_the_log(data: Path, serve: Callable[..., Any]) -> None:
    """What goes wrong is told in full, each with the id of its request, and without what the request brought."""
    server = serve(data)
    put = {"UserName": "Bob", "PolicyName": SECRETS[4]}
    answered = [
        send(server.port, "POST", "/", call("PutUserPolicy", **put, PolicyDocument=DOCUMENT)),
        send(server.port, "POST", "/", call("PutUserPolicy", **put, PolicyDocument=SECRETS[2] * 1000)),
        send(server.port, "POST", "/", call(SECRETS[4])),
        send(server.port, "POST", "/", f"{{{SECRETS[2]}"),
        send(server.port, "POST", "/", SECRETS[2].encode() + b"\xff\x00"),
        send(server.port, "GET", f"/v1/users/{SECRETS[4]}?at={SECRETS[2]}"),
        send(server.port, "GET", f"/v1/events?nonsense={SECRETS[4]}"),
        send(server.port, "DELETE", f"/{SECRETS[4]}"),
    ]
    assert {status for status, _ in answered} == {400, 404}
    with closing(sqlite3.connect(data / "projections.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA legacy_alter_table = ON")
        connection.execute("ALTER TABLE current_entries RENAME TO gone")
    assert send(server.port, "POST", "/", call("PutUserPolicy", **put, PolicyDocument=GOOD_DOCUMENT))[0] == 200
    failed = send(server.port, "GET", f"/v1/users/{SECRETS[4]}?at=@1")
    assert failed[0] == 500
    server.process.terminate()
    assert server.process.wait(20) == 0

    log = server.process.stderr.read()
    entries = [json.loads(line) for line in log.splitlines()]
    assert [entry["request_id"] for entry in entries if entry["message"] == "a request failed"] == [failed[1]]
    assert all(entry["traceback"].startswith("Traceback") for entry in entries)
    assert [secret for secret in SECRETS if secret in log] == []
    assert "AWS4-HMAC" not in log
