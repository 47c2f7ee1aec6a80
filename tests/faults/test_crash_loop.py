"""Servers that are killed lose nothing, and the trial would see it if they did."""

from pathlib import Path
from random import Random

from faults.crash_loop import TRIAL, live
from faults.trial import broken, play


def test_kills_under_load_lose_and_double_nothing() -> None:
    """Every call that was answered with success is there once, where it was told to be, and all users are right."""
    rounds = list(play(TRIAL, 1, seed=1))
    assert broken(TRIAL, rounds) == []


async def test_a_server_that_keeps_all_in_memory_is_seen_to_lose(tmp_path: Path) -> None:
    """With `--log memory:` nothing survives a kill, and the trial says so."""
    figures = await live(Random(1), tmp_path / "data", 1, "--log", "memory:")
    assert figures["lost"] == figures["acknowledged"] != 0
