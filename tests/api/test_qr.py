"""QR codes."""

import struct
import zlib
from hashlib import sha256

import pytest

from api.qr import PIXELS_PER_MODULE, QUIET_MODULES, modules, qr_code

TEXT = "0123456789abcdef" * 23


@pytest.mark.parametrize(
    ("version", "length", "digest"),
    [
        (1, 17, "f414247067b5d597"),
        (2, 32, "bcc2db9ea1ce6231"),
        (6, 134, "e8f2e663147e3c7d"),
        (7, 154, "f7f6845d0236021b"),
        (9, 230, "c8b35e109bdc8638"),
        (10, 271, "f370a1d5651de7f7"),
        (11, 321, "e1e6825751f7ab88"),
        (12, 367, "39c22c5175333080"),
    ],
)
def test_a_code_is_what_others_make_of_the_same_text(version: int, length: int, digest: str) -> None:
    """The digests are of codes by segno 1.6.6, of level L and mask 0, which these texts fill to the last byte."""
    code = modules(TEXT[:length])

    assert {len(code), *map(len, code)} == {17 + 4 * version}
    assert sha256("".join("01"[black] for row in code for black in row).encode()).hexdigest()[:16] == digest


def test_a_text_that_is_too_long_is_refused() -> None:
    """By the byte."""
    with pytest.raises(ValueError, match="368 bytes"):
        modules(TEXT[:366] + "ü")


def test_the_picture_shows_the_code_in_a_white_frame() -> None:
    """As a PNG of one bit for each pixel."""
    picture, code = qr_code("abc"), modules("abc")
    side = (len(code) + 2 * QUIET_MODULES) * PIXELS_PER_MODULE
    assert picture[:16] == b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    assert struct.unpack(">IIBBBBB", picture[16:29]) == (side, side, 1, 0, 0, 0, 0)

    start = picture.index(b"IDAT")
    [length] = struct.unpack(">I", picture[start - 4 : start])
    lines = zlib.decompress(picture[start + 4 : start + 4 + length])
    width = -(-side // 8) + 1
    rows = [f"{int.from_bytes(lines[at + 1 : at + width]):0{8 * (width - 1)}b}" for at in range(0, len(lines), width)]
    frame = QUIET_MODULES * PIXELS_PER_MODULE
    shown = [[row[column] == "0" for column in range(0, side, PIXELS_PER_MODULE)] for row in rows[::PIXELS_PER_MODULE]]
    assert [row[QUIET_MODULES:-QUIET_MODULES] for row in shown[QUIET_MODULES:-QUIET_MODULES]] == code
    assert all(set(row[:side]) == {"1"} for row in rows[:frame] + rows[-frame:])
    assert all(set(row[:frame] + row[side - frame : side]) == {"1"} for row in rows)
