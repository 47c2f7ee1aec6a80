"""The short form: one kind of abuse, which is over soon. `tests/api/test_stalled_clients.py` has those that stall."""

import pytest

from faults.abuse import KINDS
from faults.http_abuse import TRIAL
from faults.trial import broken, play


@pytest.mark.parametrize("kind", ["oversized bodies"])
def test_abuse_harms_nobody_else(kind: str) -> None:
    """No good client fails, no answer is a failure of the service, and memory is bounded."""
    rounds = list(play(TRIAL, 1, seed=list(KINDS).index(kind)))
    assert broken(TRIAL, rounds) == []
