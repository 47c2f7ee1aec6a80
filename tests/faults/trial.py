"""What all fault tests are: a trial of many rounds, each from a seed of its own, whose figures add up."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

Figures = Mapping[str, int | float | list[float]]


class Trial(msgspec.Struct, frozen=True):
    """One kind of fault. `play` is a round: given its seed and an empty folder, it gives figures that add up.

    Numbers are summed over the rounds, lists are put together and shown as percentiles. The figures named in
    `must_be_zero` say whether a promise was broken; those in `must_not_be_zero`, whether the fault did happen.
    """

    name: str
    about: str
    rounds: int  # in the long form
    play: Callable[[int, Path], Figures]
    must_be_zero: tuple[str, ...]
    must_not_be_zero: tuple[str, ...] = ()


class Round(msgspec.Struct, frozen=True):
    """One round that was played."""

    seed: int
    figures: dict[str, int | float | list[float]]


def play(trial: Trial, rounds: int, seed: int, kept: Path | None = None) -> Iterator[Round]:
    """Play the rounds, each with its own seed, the first with `seed`; those kept in the file are not played again."""
    done = {played.seed: played for played in _read(kept)} if kept is not None else {}
    for number in range(seed, seed + rounds):
        if number in done:
            yield done[number]
            continue
        with tempfile.TemporaryDirectory(prefix="iam-ledger-fault-") as folder:
            played = Round(number, dict(trial.play(number, Path(folder))))
        if kept is not None:
            with kept.open("ab") as file:
                file.write(msgspec.json.encode(played) + b"\n")
        yield played


def _read(kept: Path) -> list[Round]:
    if not kept.exists():
        return []
    return [msgspec.json.decode(line, type=Round) for line in kept.read_bytes().splitlines()]


def add_up(rounds: list[Round]) -> dict[str, int | float | list[float]]:
    """The figures of all rounds together."""
    total: dict[str, int | float | list[float]] = {}
    for played in rounds:
        for name, figure in played.figures.items():
            total[name] = total[name] + figure if name in total else figure  # type: ignore[operator]
    return total


def broken(trial: Trial, rounds: list[Round]) -> list[str]:
    """What a trial has shown to be wrong: nothing, if every promise was kept and every fault did happen."""
    told = [
        f"{name} is {played.figures[name]} with --seed {played.seed}"
        for played in rounds
        for name in trial.must_be_zero
        if played.figures.get(name, "missing") != 0
    ]
    total = add_up(rounds)
    return told + [f"{name} is 0: the trial tried nothing" for name in trial.must_not_be_zero if not total.get(name)]


def told(total: Mapping[str, int | float | list[float]]) -> list[tuple[str, str]]:
    """Names and figures as a person reads them."""
    return [
        (name, _percentiles(figure) if isinstance(figure, list) else f"{figure:,}") for name, figure in total.items()
    ]


def _percentiles(figures: list[float]) -> str:
    if not figures:
        return "none"
    ordered = sorted(figures)
    p50, p99 = (ordered[min(len(ordered) - 1, math.ceil(len(ordered) * part) - 1)] for part in (0.5, 0.99))
    return f"p50 {p50:.3f}, p99 {p99:.3f}, max {ordered[-1]:.3f}"
