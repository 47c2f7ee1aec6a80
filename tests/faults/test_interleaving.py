"""Whatever runs first and whatever the log does, callers hear the truth; and the trial sees it where they do not."""

from pathlib import Path
from random import Random

import pytest

from faults.faulty_log import FaultyLog
from faults.interleaving import TRIAL, Schedule
from faults.quiet import quiet
from faults.trial import broken, play


def test_any_order_of_callbacks_gives_answers_that_the_ledger_bears_out() -> None:
    """Every answer and every read has its place in the order of the records."""
    rounds = list(play(TRIAL, 1, seed=1))
    assert broken(TRIAL, rounds) == []


def test_a_log_that_writes_nothing_is_seen_to_lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An append that says that it has written, and has not, is a loss."""
    monkeypatch.setattr("faults.faulty_log.FATES", {"forgotten": 1})
    append = FaultyLog.append

    async def forget(log: FaultyLog, rows: object) -> None:
        if not log.faulty:
            await append(log, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(FaultyLog, "append", forget)
    schedule = Schedule(Random(1), tmp_path / "projections.db")
    with quiet():
        schedule.run()
    assert schedule.figures["lost"] > 0


def test_a_service_that_reads_too_early_is_seen_to_be_inconsistent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that does not wait for the projections is told from one that does."""

    async def at_once(*arguments: object) -> None:
        pass

    monkeypatch.setattr("projections.projector.Projector.caught_up", at_once)
    wrong = 0
    with quiet():
        for number in range(10):
            schedule = Schedule(Random(number), tmp_path / f"{number}.db")
            schedule.run()
            wrong += schedule.figures["inconsistent"]
    assert wrong > 0


def test_a_seed_is_one_schedule(tmp_path: Path) -> None:
    """The same seed leads through the same steps to the same figures."""
    schedules = [Schedule(Random(7), tmp_path / f"{number}.db") for number in range(2)]
    with quiet():
        for schedule in schedules:
            schedule.run()
    assert schedules[0].figures == schedules[1].figures
    assert schedules[0].steps == schedules[1].steps > 100
