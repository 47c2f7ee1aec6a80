"""A service under load holds no more and no more, and the trial would see it if it did."""

from functools import partial
from random import Random

import msgspec

from faults.soak import MEGABYTES_GROWN_MAX, TRIAL, growth, play
from faults.trial import broken
from faults.trial import play as rounds_of


def test_mixed_load_for_some_seconds_is_answered_in_full() -> None:
    """Nothing fails, the ledger is sound, and what is held stays within its bounds."""
    short = msgspec.structs.replace(TRIAL, play=partial(play, seconds=4.0))
    assert broken(short, list(rounds_of(short, 1, seed=1))) == []


def test_a_slow_leak_is_told_from_noise() -> None:
    """What 20 bytes of each of half a million requests make is beyond the bound; a level that is noisy is not."""
    chance = Random(1)
    level = [80 + chance.uniform(-4, 4) for _ in range(240)]
    leaking = [megabytes + 15 * place / 240 for place, megabytes in enumerate(level)]
    assert abs(growth(level)) < MEGABYTES_GROWN_MAX / 4
    assert growth(leaking) > MEGABYTES_GROWN_MAX
