"""That the measurement of a history runs, asks what there is, and says what it found. Not how fast anything is."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools import bench_history, load
from tools.__main__ import main

RECORDS = 100_000
NAMES = {
    "make 100,000 records",
    "make 10,000 records",
    "replay",
    "rebuild",
    "in process, attached policies, past",
    "in process, whole user, past",
    "in process, attached policies, past, a tenth of the history",
    "in process, whole user, past, a tenth of the history",
    "ListAttachedUserPolicies at a time, a tenth of the history",
    "/v1/users/…/policies at a time, a tenth of the history",
    "start to ready",
    "ListAttachedUserPolicies at a time",
    "ListAttachedUserPolicies at a position",
    "/v1/users/…/policies at a time",
    "/v1/users/…/policies at a position",
    "audit by request id, at the end",
    "audit by user, at the end",
    "audit by policy, at the end",
    "audit by actor, at the end",
    "audit by action (scans), at the end",
    "audit by outcome (scans), at the end",
    "audit by address (scans, finds none), at the end",
    "out as JSON lines, 100,000",
    "out as server-sent events, 100,000",
    "AttachUserPolicy, durable",
}
IN_MEMORY_LINES = {
    "memory after start",
    "most memory meanwhile, JSON lines",
    "most memory meanwhile, server-sent events",
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is asked, and once: what is looked at is the shape of the answer."""
    monkeypatch.setattr(bench_history, "QUESTIONS", 50)
    monkeypatch.setattr(bench_history, "STARTS", 1)
    monkeypatch.setattr(bench_history, "CLIENTS", 8)
    monkeypatch.setattr(load, "TURNS", 2)


def measure(capsys: pytest.CaptureFixture[str], *flags: str) -> list[dict[str, Any]]:
    """What the command prints for a program."""
    assert main(["bench", "--events", str(RECORDS), "--seconds", "0.1", "--json", *flags]) == 0
    lines: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return lines


def test_every_part_is_measured_and_no_request_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line has its figure; where it is compared, the other figure and the ratio. The ledgers are kept."""
    lines = measure(capsys, "--data", str(tmp_path))

    assert {line["name"] for line in lines} - IN_MEMORY_LINES == NAMES
    for line in lines:
        assert line["value"] > 0
        assert line["failed"] == 0
        assert (line["ratio"] is None) == (line["compared_with"] is None)
        assert line["ratio"] is None or line["ratio"] == pytest.approx(line["value"] / line["other"])
    kept = {"100000-records-200-accounts-3-users", "10000-records-200-accounts-3-users"}
    assert {path.parent.name for path in tmp_path.rglob("ledger.db")} == kept


def test_a_folder_of_a_service_is_left_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The twin of --data may name one."""
    before = sorted(data.iterdir())

    assert main(["bench", "--events", "1000", "--data", str(data)]) == 1

    assert "is the data folder of a service" in capsys.readouterr().err
    assert sorted(data.iterdir()) == before


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--events", "999"), "999 records are no history"),
        (("--events", "many"), "many records are no history"),
        (("--events", "1000", "--seconds", "0"), "0 is no time to measure"),
        (("--events", "1000", "--seconds", "nan"), "nan is no time to measure"),
        (("--events", "1000", "--seconds", "long"), "long is no time to measure"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is made."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", *flags])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_history_larger_than_the_disk_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line before says how much it would take."""
    assert main(["bench", "--events", str(10**15), "--data", str(tmp_path)]) == 1

    needs, refused = capsys.readouterr().err.splitlines()
    assert needs.startswith("this takes about 2,090,000,000.00 GB in ")
    assert refused == f"iam-ledger bench: there is not enough room in {tmp_path}"
    assert list(tmp_path.iterdir()) == []


def test_a_kept_ledger_that_is_damaged_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody sees a traceback."""
    for records in (1000, 100):
        folder = tmp_path / f"{records}-records-2-accounts-3-users"
        folder.mkdir()
        (folder / "ledger.db").write_bytes(b"damaged" * 1000)

    assert main(["bench", "--events", "1000", "--data", str(tmp_path)]) == 1

    assert "ledger.db" in capsys.readouterr().err.splitlines()[-1]
