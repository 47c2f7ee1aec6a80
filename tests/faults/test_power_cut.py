"""A few images of each kind; `make faults ARGS=power_cut` has the long form."""

import pytest

from faults import power_cut, power_cut_normal
from faults.trial import Trial, add_up, broken, play


@pytest.mark.parametrize("trial", [power_cut.TRIAL, power_cut_normal.TRIAL], ids=lambda trial: trial.name)
def test_a_power_cut_loses_nothing_that_was_synced(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sync at each commit nothing acknowledged is lost; without, it is, so the images do show it."""
    monkeypatch.setattr(power_cut, "IMAGES", 20)
    rounds = list(play(trial, 2, seed=1))
    assert not broken(trial, rounds), add_up(rounds)
