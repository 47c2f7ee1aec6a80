"""An event loop that counts its turns, and lets something happen after any of them."""

import asyncio
from collections.abc import Callable


class CountedTurns(asyncio.SelectorEventLoop):
    """The usual loop. One turn is one look at what is ready, and the running of all that is."""

    def __init__(self) -> None:
        super().__init__()
        self._turns_left = 0
        self._then: Callable[[], object] | None = None

    def after(self, turns: int, then: Callable[[], object]) -> None:
        """Call this after so many turns, the present one not counted. It takes the place of what was set before."""
        self._turns_left, self._then = turns + 1, then

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]
        self._turns_left -= 1
        if self._turns_left == 0 and self._then is not None:
            self._then()
