"""An event loop whose order and time come from a seed: no clock, no I/O, and nothing is promised to come first."""

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

SECONDS_PER_STEP = 20e-6  # on average
HASTE = 0.02  # how often the time of a timer comes although others could still run
STEPS_MAX = 20_000  # some hundred are usual


class Stuck(Exception):
    """Nobody can go on, or they do so without an end: for STEPS_MAX."""


class SeededLoop(asyncio.BaseEventLoop):
    """Runs one callback at a time, any of those that are ready. Its hours pass in milliseconds.

    What is given to an executor runs there at some later step, while the loop stands still.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.steps = 0
        self._random = random
        self._seconds = 0.0

    def time(self) -> float:
        """The loop's own seconds."""
        return self._seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: ThreadPoolExecutor | None, function: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """See asyncio's. A call that is cancelled before it began may run all the same."""
        assert executor is not None, "nobody here uses the loop's own threads"
        future: asyncio.Future[Any] = self.create_future()
        self.call_soon(self._execute, executor, function, arguments, future)
        return future

    def _execute(
        self, executor: ThreadPoolExecutor, function: Callable[..., Any], arguments: tuple[Any, ...], future: Any
    ) -> None:
        if future.cancelled() and self._random.random() < 0.5:
            return
        done = executor.submit(function, *arguments)
        done.exception()  # waits
        self.call_soon(_hand_over, done, future)

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        if self._scheduled and (not self._ready or self._random.random() < HASTE):
            timer = heapq.heappop(self._scheduled)
            self._seconds = max(self._seconds, timer.when())
            self._ready.append(timer)
        if not self._ready:
            raise Stuck(f"nobody can go on after {self.steps} steps")
        self.steps += 1
        if self.steps % STEPS_MAX == 0:
            raise Stuck(f"not done after {self._seconds:.0f} s of its own time, in {self.steps} steps")
        self._seconds += self._random.expovariate(1 / SECONDS_PER_STEP)
        self._ready.rotate(self._random.randrange(len(self._ready)))
        handle = self._ready.popleft()
        if not handle.cancelled():
            handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is left out when its time comes."""


def _hand_over(done: Any, future: Any) -> None:
    if future.cancelled():
        return
    if (error := done.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(done.result())
