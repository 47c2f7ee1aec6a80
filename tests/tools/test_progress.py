"""What the progress line shows, and that nobody but a terminal gets one."""

import io
import time
from contextlib import redirect_stderr

import pytest

from tools.progress import Progress


class Terminal(io.StringIO):
    """A standard error that somebody watches."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that progress looks at."""
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


def test_a_terminal_sees_how_far_how_fast_and_how_long(clock: Clock) -> None:
    """The line is written over itself and cleared at the end."""
    with redirect_stderr(Terminal()) as terminal, Progress(10_000) as progress:
        clock.now += 2
        progress(4_000)
        assert terminal.getvalue() == "\r4,000 of 10,000 records, 2,000/s, 3 s left\033[K"
    assert terminal.getvalue().endswith("\r\033[K")


def test_a_short_command_shows_nothing(clock: Clock) -> None:
    """Not within its first second, and so nothing needs to be cleared."""
    with redirect_stderr(Terminal()) as terminal, Progress(10) as progress:
        clock.now += 0.9
        progress(9)
    assert terminal.getvalue() == ""


def test_it_is_said_at_most_every_fifth_of_a_second(clock: Clock) -> None:
    """However often it is called."""
    with redirect_stderr(Terminal()) as terminal, Progress(1000, "events") as progress:
        clock.now += 1
        for done in range(1000):
            clock.now += 0.001
            progress(done)
    assert terminal.getvalue().count(" of 1,000 events") == 5


def test_nothing_done_yet_has_no_end_in_sight(clock: Clock) -> None:
    """A rate of nothing gives no time left."""
    with redirect_stderr(Terminal()) as terminal, Progress(10) as progress:
        clock.now += 2
        progress(0)
    assert "left" not in terminal.getvalue()


def test_it_is_quiet_where_nobody_watches(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    """A log file gets no line."""
    with Progress(10) as progress:
        clock.now += 5
        progress(5)
    assert capsys.readouterr() == ("", "")
