"""What a terminal is sent: visible characters, in colour, within its width."""

import io
import re
import unicodedata
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.terminal import Terminal, visible

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


class Screen(io.StringIO):
    """A standard output that somebody watches."""

    def isatty(self) -> bool:
        return True


def shown(width: int, text: str, indent: int = 0) -> str:
    """What a screen of that width is sent for a line of this text in red."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(Screen()) as screen:
        patch.setenv("COLUMNS", str(width))
        patch.setenv("TERM", "xterm")
        patch.delenv("NO_COLOR", raising=False)
        Terminal().line((text, "red"), indent=indent)
    return screen.getvalue()


def columns(line: str) -> int:
    """How many columns a line takes."""
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in line
    )


@given(WORDS)
def test_nothing_that_is_made_visible_does_more_than_print(text: str) -> None:
    """And what did no more is left as it is."""
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)
    assert text != visible(text) or text.isprintable()


@given(WORDS, st.integers(20, 60), st.integers(0, 6))
def test_no_line_is_wider_than_the_terminal(text: str, width: int, indent: int) -> None:
    """Nothing is lost but spaces where a line is broken, and nothing is sent that would be obeyed but colours."""
    plain = re.sub(r"\033\[(0|31)m", "", shown(width, text, indent))

    assert plain.replace("\n", "").isprintable()
    assert all(columns(line) <= width for line in plain.splitlines())
    assert plain.replace(" ", "").replace("\n", "") == visible(text).replace(" ", "")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three four five", ["one two three four", "  five"]),
        ("+ " + "x" * 30, ["+ " + "x" * 18, "  " + "x" * 12]),
        ("日本" * 6, ["日本" * 5, "  日本"]),
        ("", [""]),
    ],
)
def test_a_line_goes_on_a_little_deeper(text: str, lines: list[str]) -> None:
    """It breaks at a space, or within a word that is too long for that. Wide characters take two columns."""
    assert re.sub(r"\033\[\d+m", "", shown(20, text)).splitlines() == lines


def test_a_terminal_too_narrow_for_words_breaks_lines_itself() -> None:
    """No loop without an end, and no line for each letter."""
    assert shown(3, "one two three") == "\033[31mone two three\033[0m\n"
