"""One line on a terminal that says how far a long command is, how fast it goes, and how long it still takes."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

QUIET_SECONDS = 1.0  # what ends sooner needs no line
SECONDS_BETWEEN_SIGNS = 0.2


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say on a terminal what goes on, as long as it does."""
    if not sys.stderr.isatty():
        yield
        return
    print(f"\r{what} …\033[K", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


class Progress:
    """Call it with how many are done, as often as you like; use it in a `with`, which clears the line at the end.

    It writes to standard error, and only where that is a terminal.
    """

    def __init__(self, total: int, noun: str = "records") -> None:
        self._total = total
        self._noun = noun
        self._began = time.perf_counter()
        self._next = self._began + QUIET_SECONDS if sys.stderr.isatty() else float("inf")
        self._shown = False

    def __call__(self, done: int) -> None:
        """Say that so many of all are done."""
        now = time.perf_counter()
        if now < self._next:
            return
        self._next = now + SECONDS_BETWEEN_SIGNS
        self._shown = True
        rate = done / (now - self._began)
        left = f", {max(0, self._total - done) / rate:,.0f} s left" if rate else ""
        self._write(f"\r{done:,} of {self._total:,} {self._noun}, {rate:,.0f}/s{left}\033[K")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._write("\r\033[K")

    def _write(self, text: str) -> None:
        print(text, end="", file=sys.stderr, flush=True)
