"""The short form of the trial: some thousand inputs for each parser. And it does find what is wrong."""

import time
from pathlib import Path

import pytest

from faults import parsers
from faults.parsers import PARSERS, TRIAL, Parser
from faults.trial import broken, play


def fail(data: bytes) -> None:
    raise KeyError(data)


def hang(data: bytes) -> None:
    time.sleep(20)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutated inputs, and few."""
    monkeypatch.setattr(parsers, "guided", lambda: False)
    monkeypatch.setattr(parsers, "RUNS", 2000)


def test_no_parser_fails() -> None:
    """Each gives a value or its refusal, in time."""
    rounds = list(play(TRIAL, len(PARSERS), seed=1))
    assert not broken(TRIAL, rounds), rounds


@pytest.mark.parametrize(("read", "figure"), [(fail, "crashes"), (hang, "hangs")])
def test_a_parser_that_fails_is_noticed(
    read: parsers.Read, figure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an exception that is none of its refusals, or by taking too long."""
    monkeypatch.setattr(parsers, "PARSERS", {"bad": Parser(read, (ValueError,), (b"good",))})
    monkeypatch.setattr(parsers, "SECONDS_MAX", 0.1)

    assert TRIAL.play(1, tmp_path)[figure] == 1


@pytest.mark.parametrize("name", PARSERS)
def test_good_inputs_are_read(name: str) -> None:
    """Or else nothing would reach what lies behind the first checks."""
    for good in PARSERS[name].good:
        PARSERS[name].read(good)
