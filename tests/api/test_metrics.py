"""What `/metrics` tells Prometheus: that it is read, that the numbers are right, and that there are not ever more."""

import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.actions import IAM, Write
from api.caller import unauthenticated
from api.metrics import Metrics
from api.service import Request, Service
from eventstore.log import NotWritten
from eventstore.memory import MemoryLog
from eventstore.notes import SigningKey
from eventstore.secrets import Secrets
from eventstore.uses import Uses
from iam.errors import ServiceUnavailable
from iam.state import World
from iam.uses import Use
from projections.store import Projections

GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"
OUTCOMES = {"changed", "unchanged", "refused", "repeated", "unavailable", "failed"}

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


def numbers(text: str) -> Numbers:
    """All samples, as Prometheus reads them."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Numbers, name: str, **labels: str) -> float:
    """The value of one sample; nothing was counted where there is none."""
    return found.get((f"iam_ledger_{name}", frozenset(labels.items())), 0)


@pytest.fixture
def fresh(start_server: Callable[..., Any], tmp_path: Path) -> Any:
    """A service that nobody has asked anything."""
    return start_server(tmp_path / "data")


@pytest.fixture
def scrape(fresh: Any) -> Callable[[], Numbers]:
    """Asks that service for its metrics."""
    return lambda: numbers(fresh.send("GET", "/metrics").body.decode())


def test_prometheus_reads_it(fresh: Any) -> None:
    """The media type says which version of the format it is."""
    reply = fresh.send("GET", "/metrics")

    assert reply.status == 200
    assert re.fullmatch(r"text/plain; version=[0-9.]+; charset=utf-8(; .+)?", reply.headers["Content-Type"])
    assert numbers(reply.body.decode())


def test_commands_are_counted_by_action_and_what_came_of_them(
    fresh: Any, new_account: Callable[..., Any], scrape: Callable[[], Numbers]
) -> None:
    """One each; a repeat of an earlier call is counted as such."""
    account = new_account(fresh)
    before = scrape()
    account.json("CreateUser", {"Idempotency-Key": "once"}, UserName="alice")
    account.json("CreateUser", {"Idempotency-Key": "once"}, UserName="alice")
    account.json("CreateUser", {"Idempotency-Key": "once"}, UserName="bob")
    account.json("CreateUser", UserName="alice")
    account.json("TagUser", UserName="alice", Tags=[{"Key": "team", "Value": "red"}])
    account.json("TagUser", UserName="alice", Tags=[{"Key": "team", "Value": "red"}])
    headers = {"Authorization": account.authorization, "Content-Type": "application/json"}
    assert account.server.send("POST", "/v1/users/alice/restore", b'{"at":"@1"}', headers).status == 200

    found = scrape()

    assert value(before, "commands_total", action="InstallCatalogue", outcome="changed") == 1
    for action, outcome, count in (
        ("CreateUser", "changed", 1),
        ("CreateUser", "repeated", 1),
        ("CreateUser", "refused", 2),
        ("TagUser", "changed", 1),
        ("TagUser", "unchanged", 1),
        ("RestoreUser", "changed", 1),
    ):
        assert value(found, "commands_total", action=action, outcome=outcome) == count, (action, outcome)
    assert value(found, "commands_waiting") == 0


def test_nobody_can_make_more_series_than_there_are(
    fresh: Any, new_account: Callable[..., Any], scrape: Callable[[], Numbers]
) -> None:
    """Labels have the service's words only: what a client invents is in none."""
    account = new_account(fresh)
    for number in range(5):
        account.query(f"Invented{number}")
        account.json(f"Invented{number}")
        account.get(f"/v1/invented/{number}")
        account.server.send(f"INVENT{number}", "/")
        account.query("CreateUser", {"User-Agent": f"invented{number}"}, UserName=f"invented{number}")

    found = scrape()

    assert "nvented" not in str(found)
    assert "INVENT" not in str(found)
    actions = {name for name, action in IAM.items() if isinstance(action, Write)} | {"RestoreUser", "InstallCatalogue"}
    for name, labels in found:
        told = dict(labels)
        if name == "iam_ledger_commands_total":
            assert told["action"] in actions
            assert told["outcome"] in OUTCOMES


def test_answers_are_counted_by_status(
    fresh: Any, new_account: Callable[..., Any], scrape: Callable[[], Numbers]
) -> None:
    """Of every protocol."""
    account = new_account(fresh)
    before = scrape()
    account.query("GetUser", UserName="nobody")
    account.get("/v1/users/nobody")
    account.query("Nonsense")
    account.server.send("DELETE", "/")

    found = scrape()

    for status, count in (("404", 2), ("400", 1), ("405", 1), ("200", 1)):  # the earlier scrape
        grown = value(found, "answers_total", status=status) - value(before, "answers_total", status=status)
        assert grown == count, status


def test_commits_tell_how_many_records_there_were_and_how_long_they_took(
    fresh: Any, new_account: Callable[..., Any], scrape: Callable[[], Numbers]
) -> None:
    """The sum of the records is what the ledgers grew by."""
    account = new_account(fresh)
    before = scrape()
    for number in range(5):
        account.json("CreateUser", UserName=f"user-{number}")

    found = scrape()

    assert value(found, "commit_records_sum") - value(before, "commit_records_sum") == 5
    assert value(found, "commit_seconds_count") - value(before, "commit_seconds_count") == 5
    assert 0 < value(found, "commit_seconds_sum") < 60
    assert value(found, "commit_seconds_bucket", le="+Inf") == value(found, "commit_seconds_count")
    assert value(found, "file_bytes", file="ledger.db-wal") > 0
    assert value(found, "disk_free_bytes") > 0


def test_the_lag_of_the_projections_ends(
    fresh: Any, new_account: Callable[..., Any], scrape: Callable[[], Numbers]
) -> None:
    """What was written is projected, and then nothing is behind."""
    account = new_account(fresh)
    for number in range(3):
        account.json("CreateUser", UserName=f"user-{number}")

    assert len(account.events()) == 3  # an answer that waits for the projections

    found = scrape()
    assert value(found, "projection_lag_records") == 0
    assert value(found, "projected_records_total") >= 3
    assert value(found, "ready") == 1
    assert value(found, "accounts_in_memory") == 2  # and that of the catalogue
    assert value(found, "accounts_in_memory_bytes") > 0


def test_streams_are_counted_while_they_are_open(fresh: Any, scrape: Callable[[], Numbers]) -> None:
    """One for each client that follows."""
    assert value(scrape(), "streams") == 0
    with socket.create_connection(("127.0.0.1", fresh.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/events/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"200 OK" in connection.recv(100)

        assert value(scrape(), "streams") == 1


def test_it_is_guarded_as_all_the_rest(fresh: Any) -> None:
    """A page of another site learns nothing, and only GET is answered."""
    assert fresh.send("GET", "/metrics", headers={"Host": "evil.example"}).status == 403
    assert fresh.send("GET", "/metrics", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    reply = fresh.send("POST", "/metrics", b"")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")


@pytest.fixture
async def service(tmp_path: Path, world: World) -> AsyncIterator[Service]:
    """A service in memory, not started; stopped at the end."""
    projections, secrets = Projections(tmp_path / "projections.db"), await Secrets.open(None, os.urandom(32))
    service = Service(
        MemoryLog(), projections, world, os.urandom(32), SigningKey(os.urandom(32)), secrets, Uses(None, Use)
    )
    yield service
    await service.stop()


async def create_user(service: Service, name: str) -> None:
    """By the root user of an account."""
    request = Request(
        caller=unauthenticated("", "123456789012", "aws"),
        request_id=name,
        command_id=name,
        source_ip="",
        user_agent="",
    )
    action = IAM["CreateUser"]
    assert isinstance(action, Write)
    await service.write(request, "CreateUser", action, {"user_name": name})


async def test_batches_that_could_not_be_written_are_counted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the commands that were in them."""
    await service.start()

    async def refuse(rows: object) -> None:
        raise NotWritten("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(service.log, "append", refuse)
        with pytest.raises(ServiceUnavailable):
            await create_user(service, "alice")

    found = numbers(Metrics(service).text().decode())
    assert value(found, "commit_failures_total", kind="not_written") == 1
    assert value(found, "commit_failures_total", kind="outcome_unknown") == 0
    assert value(found, "commands_total", action="CreateUser", outcome="unavailable") == 1


async def test_there_are_numbers_before_the_service_is_ready(service: Service) -> None:
    """So that one can see how it starts. A log in memory has no file."""
    found = numbers(Metrics(service).text().decode())

    assert value(found, "ready") == 0
    assert {dict(labels)["file"] for name, labels in found if name == "iam_ledger_file_bytes"} == {
        "projections.db",
        "projections.db-wal",
    }


def test_the_operations_guide_has_exactly_these(fresh: Any) -> None:
    """Each by name, and in the order in which they are told."""
    text = fresh.send("GET", "/metrics").body.decode()
    rows = r"^\| `((?:iam_ledger|process)_\w+)(?:{[a-z, ]+})?` \| (\w+) \|"

    listed = re.findall(rows, GUIDE.read_text(encoding="utf-8"), re.MULTILINE)

    assert listed == re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)


def test_alerts_name_what_there_is(fresh: Any) -> None:
    """The rules in the guide speak of metrics, and of labels, that exist."""
    section = GUIDE.read_text(encoding="utf-8").partition("### Alerts\n")[2].partition("\n#")[0]
    rules = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
    names = {name for rule in rules for name in re.findall(r"\biam_ledger_\w+", rule)}
    families = re.findall(r"^# TYPE (\w+)", fresh.send("GET", "/metrics").body.decode(), re.MULTILINE)

    assert len(rules) >= 4
    assert {name.removesuffix("_bucket") for name in names} <= set(families)
