"""A few rounds of each kind; `make faults ARGS=io_errors` and `ARGS=io_errors_libfiu` have the long forms."""

import pytest

from faults import io_errors, io_errors_libfiu
from faults.trial import add_up, broken, play


def test_io_errors_lose_and_double_nothing() -> None:
    """Nor is anything acknowledged between a sync that failed and the reopening."""
    rounds = list(play(io_errors.TRIAL, 5, seed=1))
    assert not broken(io_errors.TRIAL, rounds), add_up(rounds)


@pytest.mark.skipif(not io_errors_libfiu.available(), reason="libfiu is not here (Debian: fiu-utils)")
def test_failing_system_calls_lose_and_double_nothing() -> None:
    """The same for the real process and the real system calls."""
    rounds = list(play(io_errors_libfiu.TRIAL, 1, seed=1))
    assert not broken(io_errors_libfiu.TRIAL, rounds), add_up(rounds)
