"""`make faults ARGS="NAME [--rounds N] [--seed N] [--keep FILE]"`: a fault test in its long form."""

import argparse
import importlib
import pkgutil
import signal
import sys
import time
from pathlib import Path

import faults
from faults.trial import Round, Trial, add_up, broken, play, told


def trials() -> dict[str, Trial]:
    """Every trial there is: the `TRIAL` of each module of this package that has one."""
    names = [
        module.name for module in pkgutil.iter_modules(faults.__path__) if not module.name.startswith(("test_", "_"))
    ]
    modules = [importlib.import_module(f"faults.{name}") for name in names]
    return {module.TRIAL.name: module.TRIAL for module in modules if hasattr(module, "TRIAL")}


def main() -> int:
    """Play the rounds, tell the figures. 1 if a promise was broken.

    Ctrl-C and SIGTERM end it early: no process of a trial stays behind, and the rounds that were played are told.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    known = trials()
    parser = argparse.ArgumentParser(
        prog="make faults",
        description="\n".join(f"{trial.name:16} {trial.about}" for trial in known.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=sorted(known))
    parser.add_argument("--rounds", type=int, help="how many rounds, instead of the long form's number")
    parser.add_argument("--seed", type=int, default=1, help="the first round's seed; each further round has the next")
    parser.add_argument("--keep", type=Path, help="a file to keep the rounds in: run again, it goes on behind them")
    options = parser.parse_args()
    trial = known[options.name]
    rounds: list[Round] = []
    began = time.monotonic()
    total = options.rounds or trial.rounds
    try:
        for played in play(trial, total, options.seed, options.keep):
            rounds.append(played)
            if sys.stderr.isatty():
                print(f"\r{len(rounds)} of {total} rounds", end="", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\nended after {len(rounds)} of {total} rounds", file=sys.stderr)
    print(f"{trial.name}: {trial.about}")
    print(f"{len(rounds)} rounds from seed {options.seed} in {time.monotonic() - began:.0f} s")
    for name, figure in told(add_up(rounds)):
        print(f"  {name:28} {figure}")
    wrong = broken(trial, rounds)
    for line in wrong:
        print(f"BROKEN: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
