"""One round; `make faults ARGS=disk_full` has the long form."""

import pytest

from faults import disk_full
from faults.trial import add_up, broken, play


def test_a_full_disk_is_survived_without_a_restart(capsys: pytest.CaptureFixture[str]) -> None:
    """Writes are refused with 503 while there is no room, reads go on, and writes too once there is room."""
    if disk_full.namespace() is None:
        with capsys.disabled():
            print("\nNOT TESTED: what a full disk does. Nobody here may mount a file system.")
        pytest.skip("no file system can be mounted here")
    rounds = list(play(disk_full.TRIAL, 1, seed=1))
    assert not broken(disk_full.TRIAL, rounds), add_up(rounds)
