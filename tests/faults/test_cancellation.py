"""Whoever is cancelled, at whatever turn: nothing stays open, nobody waits for ever, a repeat tells what came of it."""

from faults.cancellation import TRIAL
from faults.trial import broken, play


def test_a_cancellation_at_any_turn_leaves_nothing_open_and_nothing_in_doubt() -> None:
    """Callers, the writer, the projector and the service, over a log in SQLite and one in memory."""
    rounds = list(play(TRIAL, 1, seed=1))
    assert broken(TRIAL, rounds) == []
