"""Times go up whatever the clock does."""

from faults.clock import TRIAL
from faults.trial import broken, play


def test_a_clock_that_jumps_a_day_disturbs_neither_order_nor_past() -> None:
    """Records bear later and later times, also after a start, and what was answered of the past stays so."""
    assert broken(TRIAL, list(play(TRIAL, 5, seed=1))) == []
