"""A backup of a service under load is as good as the service."""

from faults.backup_under_load import TRIAL
from faults.trial import broken, play


def test_a_backup_under_load_holds_all_that_was_answered_before_it() -> None:
    """A service over the copy has those records and none that nobody made, and it knows their calls."""
    assert broken(TRIAL, list(play(TRIAL, 1, seed=1))) == []
