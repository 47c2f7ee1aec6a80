"""That the benchmark runs, asks everybody the same, and says what it found. Not how fast anything is."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tools import bench, load, workload
from tools.__main__ import main
from tools.bench_result import BARE, OURS, READS, WRITES, Comparison, Result
from tools.chart import bar_chart
from tools.figures import Figure
from tools.load import Measured

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
IAM = {"AttachUserPolicy", "PutUserPolicy", "CreateUser", "GetUser", "GetUserPolicy", "ListAttachedUserPolicies"}
OURS_ALONE = {
    "ListAttachedUserPolicies at an instant",
    "/v1/users/…/policies at an instant",
    "/v1/events of a user, a page",
    "/v1/events of a policy, a page",
}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is asked of few: what is looked at is the shape of the answer."""
    monkeypatch.setattr(bench, "CONCURRENCIES", (2, 64))
    monkeypatch.setattr(bench, "STREAMS", 3)
    monkeypatch.setattr(bench, "STREAMED", 20)
    monkeypatch.setattr(workload, "WRITERS", 50)
    monkeypatch.setattr(workload, "READERS", 10)
    monkeypatch.setattr(workload, "POLICIES", 200)
    monkeypatch.setattr(load, "TURNS", 2)


def environment(folder: Path, program: str, script: str) -> Path:
    """A virtual environment, as far as the benchmark looks into it. Its program is a script of the shell."""
    (folder / "bin").mkdir(parents=True)
    for name, text in (("python", "echo 1.2.3"), (program, script)):
        file = folder / "bin" / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
    return folder


def test_all_sides_are_asked_the_same_and_no_request_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two services stand in for the other servers: each is found in its environment, and told where to listen."""
    serve = f"exec {sys.executable} -m tools serve --quota PoliciesPerUser=2000 --port"
    moto = environment(tmp_path / "moto", "moto_server", f'test "$1 $2 $3" = "-H 127.0.0.1 -p" && {serve} $4')
    ministack = environment(
        tmp_path / "ministack", "ministack", f"test $BIND_HOST = 127.0.0.1 && {serve} $GATEWAY_PORT"
    )
    chart = tmp_path / "chart.svg"
    flags = ("--moto", str(moto), "--ministack", str(ministack), "--chart", str(chart))

    assert main(["bench", "--seconds", "0.2", "--json", *flags]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["versions"] == {"moto": "1.2.3", "ministack": "1.2.3"}
    sides = {(row["name"], row["clients"]): set(row["sides"]) for row in found["comparisons"]}
    others = {BARE, "moto", "ministack"}
    assert sides == {
        (name, clients): {OURS} | (others if name in IAM else {BARE})
        for name in IAM | OURS_ALONE
        for clients in (2, 64)
    }
    for row in found["comparisons"]:
        assert set(row["ratios"]) == set(row["sides"]) - {OURS}
        assert all(side["failed"] == 0 and side["requests_per_second"] > 0 for side in row["sides"].values())
        assert set(row["processor"]) == (set(row["sides"]) if sys.platform == "linux" else set())
    assert [figure["name"] for figure in found["figures"]] == ["3 streams of 20 events, as they are written", "rebuild"]
    assert found["commit"]["ratio"] == pytest.approx(found["commit"]["value"] / found["commit"]["other"])
    assert len(found["targets"]) == 8
    assert set(charted(chart.read_text(encoding="utf-8"))) == IAM | OURS_ALONE


def test_without_other_servers_a_person_gets_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """The page shows what the command prints: every line of it, and nobody else's."""
    assert main(["bench", "--seconds", "0.1"]) == 0

    printed = capsys.readouterr().out
    names = IAM | OURS_ALONE | {"rebuild", "AttachUserPolicy, 1 client, p50"}
    shown = PAGE.read_text(encoding="utf-8")
    for name in names:
        assert re.search(f"^{re.escape(name)} ", printed, re.MULTILINE), name
        assert re.search(f"^{re.escape(name)} ", shown, re.MULTILINE), name
    assert "moto" not in printed


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo Traceback; echo no such module: flask; exit 1", "moto_server does not start: no such module: flask"),
        ("exit 0", "moto_server does not start: it says nothing"),
    ],
)
def test_a_server_that_does_not_start_is_said_in_a_line(
    script: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its own last words."""
    moto = environment(tmp_path, "moto_server", script)

    assert main(["bench", "--moto", str(moto)]) == 1

    assert capsys.readouterr().err.splitlines()[-1] == f"iam-ledger bench: {said}"


def test_a_folder_without_the_server_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured."""
    assert main(["bench", "--ministack", str(tmp_path / "nowhere")]) == 1
    assert "nowhere is no virtual environment" in capsys.readouterr().err

    without = environment(tmp_path, "other", "")
    (without / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    assert main(["bench", "--ministack", str(without)]) == 1
    assert f"ministack is not installed in {tmp_path}" in capsys.readouterr().err


def test_a_chart_that_cannot_be_written_is_said_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run takes minutes."""
    assert main(["bench", "--seconds", "3600", "--chart", str(tmp_path / "nowhere" / "chart.svg")]) == 1

    assert "chart.svg" in capsys.readouterr().err


def side(rate: float, p50: float = 1.0, p99: float = 2.0) -> Measured:
    """What a side made of it."""
    return Measured(64, 1000, rate, p50, p99, 0, 0.5)


def result(*comparisons: Comparison) -> Result:
    """A run that found these."""
    commit = Figure("AttachUserPolicy, 1 client, p50", 3.0, "ms", "one bare SQLite commit", 1.0)
    return Result("a machine", "Python", {}, comparisons, commit, [])


def test_a_target_is_held_against_the_worst_of_all_that_it_speaks_of() -> None:
    """One good figure does not hide a bad one; what was not measured is neither met nor missed."""
    found = result(
        Comparison(WRITES, "AttachUserPolicy", 64, {OURS: side(50), BARE: side(100)}, {OURS: 130.0, BARE: 60.0}),
        Comparison(WRITES, "PutUserPolicy", 64, {OURS: side(40), BARE: side(100)}, {OURS: 130.0, BARE: 60.0}),
        Comparison(WRITES, "PutUserPolicy", 1, {OURS: side(1), BARE: side(100)}, {OURS: 130.0, BARE: 60.0}),
        Comparison(READS, "GetUser", 64, {OURS: side(70, 1.0, 5.0), BARE: side(100)}, {OURS: 130.0, BARE: 60.0}),
    )

    told = {target.name: (target.found, target.met, target.where) for target in found.targets()}

    assert told == {
        "durable writes, of the bare handler, 64 clients": (0.4, False, "PutUserPolicy, 64"),
        "reads, of the bare handler, 64 clients": (0.7, True, "GetUser, 64"),
        "p50 of a durable write, of one bare SQLite commit, 1 client": (3.0, True, "AttachUserPolicy, 1"),
        "p99, of p50, 64 clients": (5.0, False, "GetUser"),
    }


def charted(text: str) -> Mapping[str, Any]:
    """The names of the groups of a chart. Raises ParseError where it is no XML."""
    root = ElementTree.fromstring(text)
    return {str(label.text): label for label in root.iter(f"{SVG}text") if label.get("text-anchor") == "end"}


def test_a_chart_has_a_bar_for_every_value_as_long_as_the_value() -> None:
    """And no two series share a colour. Names are text, whatever is in them."""
    text = bar_chart("A <title>", ["a & b", "c"], {"<one>": {"a & b": 100, "c": 50}, "two": {"c": 25}})

    assert list(charted(text)) == ["<one>", "two"]
    bars = [bar for bar in ElementTree.fromstring(text).iter(f"{SVG}rect") if bar.get("x") == "270"]
    in_legend, bars = bars[0], bars[1:]
    lengths = [float(bar.get("width", 0)) for bar in bars]
    assert lengths == pytest.approx([lengths[0], lengths[0] / 2, lengths[0] / 4], abs=0.1)
    assert [bar.get("fill") == in_legend.get("fill") for bar in bars] == [True, False, False]
