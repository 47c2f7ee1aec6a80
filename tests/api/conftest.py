"""The service as strangers meet it: a process of its own behind a port, and for every test an account nobody used."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import boto3
import pytest
from botocore.config import Config

FORM = "application/x-www-form-urlencoded; charset=utf-8"
VERSIONS = {"GetCallerIdentity": "2011-06-15"}
_numbers = count(210_000_000_001)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def envelope(self) -> Any:
        """The JSON envelope."""
        assert self.headers["Content-Type"] == "application/json", self
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The envelope's data. The answer is known to be a success."""
        assert self.status == 200, self
        assert self.envelope.keys() == {"success", "data"}
        assert self.envelope["success"] is True
        return self.envelope["data"]

    @property
    def refusal(self) -> tuple[int, str, str]:
        """HTTP status, code and message of a refusal, from XML, which leaves out an empty one, or from the envelope."""
        if self.headers["Content-Type"] == "text/xml":
            message = self.text("Error/Message") if b"<Message>" in self.body else ""
            return self.status, self.text("Error/Code"), message
        assert self.envelope.keys() == {"success", "error"}
        assert self.envelope["success"] is False
        assert self.envelope["error"].keys() == {"code", "message"}
        return self.status, self.envelope["error"]["code"], self.envelope["error"]["message"]

    def text(self, path: str) -> str:
        """The text of an element in the XML, whatever its namespace."""
        assert self.headers["Content-Type"] == "text/xml", self
        found = ElementTree.fromstring(self.body).find("/".join(f"{{*}}{name}" for name in path.split("/")))
        assert found is not None, (path, self.body)
        return found.text or ""


class Server:
    """A running service, with whatever data is in its folder."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")
        command = [sys.executable, "-m", "tools", "serve", "--data", str(folder), "--port", "0", "--auth", "off"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        self.banner = ""
        while "Ctrl-C ends it" not in self.banner and (line := self._process.stdout.readline()):
            self.banner += line
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)", self.banner)
        if found is None:
            self.stop()
            raise AssertionError(f"the service did not start: {self.banner}{self.log.read_text()}")
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it as an operator does."""
        self._process.terminate()
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def send(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str | bytes] | None = None
    ) -> Reply:
        """One request on a connection of its own, with these headers and Host alone."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            given = dict(headers or {})
            own_host = "Host" in given
            connection.putrequest(method, target, skip_host=own_host, skip_accept_encoding=True)
            if body is not None and "Content-Length" not in given:
                given["Content-Length"] = str(len(body))
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())

    def send_bytes(self, request: bytes, *, half_close: bool = False) -> bytes:
        """Bytes as they are; all that comes back until the service closes or has answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return connection.recv(65536)


class Account:
    """An account and the ways to call the service for it."""

    def __init__(self, server: Server, number: str, region: str = "us-east-1") -> None:
        self.server = server
        self.id = number
        self.authorization = authorization(number, region)

    def query(self, action: str, headers: Mapping[str, str] | None = None, /, **parameters: str) -> Reply:
        """A call in AWS's Query protocol, answered in XML."""
        version = VERSIONS.get(action, "2010-05-08")
        return self.form({"Action": action, "Version": version, **parameters}, headers)

    def form(self, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """A form, posted."""
        told = {"Authorization": self.authorization, "Content-Type": FORM, **(headers or {})}
        return self.server.send("POST", "/", urlencode(fields).encode(), told)

    def json(self, action: str, headers: Mapping[str, str] | None = None, /, **parameters: Any) -> Reply:
        """A call with a JSON body, answered in the envelope."""
        told = {"Authorization": self.authorization, "Content-Type": "application/json", **(headers or {})}
        return self.server.send("POST", "/", json.dumps({"Action": action, **parameters}).encode(), told)

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Reply:
        """A GET of the native API, or of anything."""
        return self.server.send("GET", target, headers={"Authorization": self.authorization, **(headers or {})})

    def events(self, **filters: str) -> list[dict[str, Any]]:
        """The account's records, all pages of them."""
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            asked = {**filters, **({"cursor": cursor} if cursor else {})}
            page = self.get(f"/v1/events?{urlencode(asked)}").data
            found += page["events"]
            cursor = page["cursor"]
            if cursor is None:
                return found


def authorization(access_key_id: str, region: str = "us-east-1") -> str:
    """The header that names an access key, and the region it is used in. Nobody checks its signature."""
    scope = f"{access_key_id}/20261103/{region}/iam/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"


def unforeseen(log: str) -> list[str]:
    """The log's entries with a traceback, but for what aiohttp says of requests that are no HTTP."""
    return [entry for entry in log.splitlines() if "Traceback" in entry and "aiohttp.http_exceptions." not in entry]


def next_number() -> str:
    """Twelve digits that no account of this run has."""
    return str(next(_numbers))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service that the tests share. What it did not foresee is in its log, and is a failure of the run."""
    running = Server(tmp_path_factory.mktemp("served") / "data")
    try:
        yield running
    finally:
        running.stop()
    assert unforeseen(running.log.read_text()) == []


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Start a service of the test's own, over a folder."""
    started: list[Server] = []

    def start(folder: Path, *flags: str) -> Server:
        started.append(Server(folder, *flags))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def new_account(server: Server) -> Callable[..., Account]:
    """Further accounts, of the shared service unless another is given."""

    def make(on: Server | None = None, number: str | None = None, region: str = "us-east-1") -> Account:
        return Account(on or server, number or next_number(), region)

    return make


@pytest.fixture
def account(new_account: Callable[..., Account]) -> Account:
    """An account that was never used."""
    return new_account()


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One session, as loading AWS's models takes longer than most tests."""
    return boto3.Session()


@pytest.fixture
def client(session: boto3.Session) -> Iterator[Callable[..., Any]]:
    """A boto3 client of an account, for one of its services at any address; closed at the end."""
    clients: list[Any] = []

    def make(
        owner: Account,
        service: str = "iam",
        url: str | None = None,
        config: Config | None = None,
        region: str = "us-east-1",
    ) -> Any:
        made = session.client(
            service,
            endpoint_url=url or owner.server.url,
            region_name=region,
            aws_access_key_id=owner.id,
            aws_secret_access_key="any",
            config=config,
        )
        clients.append(made)
        return made

    yield make
    for made in clients:
        made.close()


@pytest.fixture
def iam(client: Callable[..., Any], account: Account) -> Any:
    """A boto3 IAM client of the test's account."""
    return client(account)


@pytest.fixture
def refused() -> Callable[..., tuple[int, str, str]]:
    """Call boto3 and expect a refusal: its HTTP status, code and message."""

    def call(method: Callable[..., Any], **parameters: Any) -> tuple[int, str, str]:
        errors = method.__self__.exceptions  # type: ignore[attr-defined]
        with pytest.raises(errors.ClientError) as refusal:
            method(**parameters)
        answer = refusal.value.response
        error = answer["Error"]
        return answer["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error.get("Message", "")

    return call
