"""One folder has one server, and two writers on one file make one ledger."""

from faults.second_writer import TRIAL
from faults.trial import broken, play


def test_a_second_writer_is_turned_away_or_does_no_harm() -> None:
    """The second server names the first and ends; writers forced onto one file lose, double and misplace nothing."""
    assert broken(TRIAL, list(play(TRIAL, 1, seed=1))) == []
