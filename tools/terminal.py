"""Text for a person: in colour and within the width of a terminal, plain and of any width where none is.

Text from a ledger is whatever somebody once put there. What would move a cursor, change a colour or turn the direction
of writing is shown as an escape, such as `\\x1b`, and never sent as it is.
"""

import io
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Final, Literal

from tools.failure import Failure

Style = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]
Piece = str | tuple[str, Style]
_Cell = tuple[str, Style]  # one character

_CODES: Final = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
WIDTH_MIN: Final = 20  # below it, lines are left to the terminal to break
HANGING: Final = 2  # how much deeper a line goes on


class Terminal:
    """Standard output, line by line."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # where it cannot write all of Unicode
        self._colour = _wants_colour()
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        self._width = width if width >= WIDTH_MIN else None

    def line(self, *pieces: Piece, indent: int = 0) -> None:
        """Write one line. Beyond the width it goes on in the next, a little deeper; no pieces are an empty line."""
        cells: list[_Cell] = []
        for piece in pieces:
            text, style = piece if isinstance(piece, tuple) else (piece, "")
            cells += [(character, style) for character in visible(text)]
        for number, part in enumerate(_parts(cells, self._width, indent)):
            print(" " * (indent + HANGING * bool(number) if part else 0) + self._styled(part))

    def _styled(self, cells: Sequence[_Cell]) -> str:
        text = ""
        for style, run in groupby(cells, key=lambda cell: cell[1]):
            characters = "".join(character for character, _ in run)
            text += f"\033[{_CODES[style]}m{characters}\033[0m" if style and self._colour else characters
        return text


@contextmanager
def terminal() -> Iterator[Terminal]:
    """Standard output, all of it written at the end. Raises Failure where it cannot be."""
    with _written():
        yield Terminal()


def print_json(text: bytes) -> None:
    """Write a line of JSON, which it still is when a terminal cannot be harmed by it. Raises Failure."""
    with _written():
        sys.stdout.buffer.write("".join(map(_json_visible, text.decode())).encode() + b"\n")


@contextmanager
def _written() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(f"cannot write: {error.strerror}") from error


def visible(text: str) -> str:
    """The text with an escape for every character that prints nothing, or more than itself."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _json_visible(character: str) -> str:
    return character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]


def _wants_colour() -> bool:
    """As no-color.org and force-color.org have it; of the two, no colour goes first."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _parts(cells: Sequence[_Cell], width: int | None, indent: int) -> Iterator[Sequence[_Cell]]:
    """The lines that the cells fill: broken at the last space, or anywhere where that is in the first half."""
    if width is None:
        yield cells
        return
    start, room = 0, width - indent
    while (end := _end(cells, start, room)) < len(cells):
        spaces = (place for place in range(end, (start + end) // 2, -1) if cells[place][0] == " ")
        end = next(spaces, end)
        yield cells[start:end]
        start = end + (cells[end][0] == " ")
        room = width - indent - HANGING
    yield cells[start:]


def _end(cells: Sequence[_Cell], start: int, room: int) -> int:
    """Where the cells end that there is room for; one is always taken."""
    for place in range(start, len(cells)):
        room -= _columns(cells[place][0])
        if room < 0:
            return max(start + 1, place)
    return len(cells)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
