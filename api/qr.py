"""QR codes: a text as a picture that cameras read. ISO/IEC 18004, bytes, error correction level L.

Only what codes of up to 367 bytes take: versions 1 to 12, and always the same mask, which any reader undoes.
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from struct import pack
from typing import Final

PIXELS_PER_MODULE: Final = 4
QUIET_MODULES: Final = 4  # the white frame that readers need
MASK: Final = 0  # a module is inverted where row and column add up to an even number

# For each version: how many bytes in all, how many of them correct errors, in how many blocks.
_VERSIONS: Final = (
    (26, 7, 1),
    (44, 10, 1),
    (70, 15, 1),
    (100, 20, 1),
    (134, 26, 1),
    (172, 36, 2),
    (196, 40, 2),
    (242, 48, 2),
    (292, 60, 2),
    (346, 72, 4),
    (404, 80, 4),
    (466, 96, 4),
)
_BYTE_MODE: Final = 0b0100
_LEVEL_L: Final = 0b01
_FILLERS: Final = (0xEC, 0x11)

Grid = list[list[bool | None]]  # rows of modules: black, white, or not set yet


def qr_code(text: str) -> bytes:
    """A PNG of the text. Raises ValueError for more than 367 bytes."""
    return _png(modules(text))


def modules(text: str) -> list[list[bool]]:
    """The code's modules by row; True is black. Raises ValueError for more than 367 bytes."""
    data = text.encode()
    version = _version_for(len(data))
    grid: Grid = [[None] * (17 + 4 * version) for _ in range(17 + 4 * version)]
    _draw_patterns(grid, version)
    _draw_data(grid, _codewords(data, version))
    return [[bool(module) for module in row] for row in grid]


def _version_for(length: int) -> int:
    for version, (total, correction, _) in enumerate(_VERSIONS, 1):
        if length + (2 if version < 10 else 3) <= total - correction:  # the mode, the length and the end take as much
            return version
    raise ValueError(f"{length} bytes are more than such a QR code holds")


def _codewords(data: bytes, version: int) -> bytes:
    """The bytes of a code: data and corrections, block by block, shuffled."""
    total, correction, blocks = _VERSIONS[version - 1]
    capacity = total - correction
    length_bits = 8 if version < 10 else 16
    bits = f"{_BYTE_MODE:04b}{len(data):0{length_bits}b}" + "".join(f"{byte:08b}" for byte in data) + "0000"
    filled = bytearray(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))
    filled += bytes(_FILLERS[at % 2] for at in range(capacity - len(filled)))
    short = capacity // blocks
    pieces: list[bytes] = []
    for block in range(blocks):
        length = short + (block >= blocks - capacity % blocks)  # the last ones are longer
        pieces.append(bytes(filled[:length]))
        del filled[:length]
    corrections = [_correction(piece, correction // blocks) for piece in pieces]
    return _shuffled(pieces) + _shuffled(corrections)


def _shuffled(pieces: Sequence[bytes]) -> bytes:
    return bytes(piece[at] for at in range(len(pieces[-1])) for piece in pieces if at < len(piece))


def _product(one: int, other: int) -> int:
    """The product in the field of 256 elements."""
    product = 0
    for bit in range(7, -1, -1):
        product = product << 1 ^ (product >> 7) * 0x11D ^ (other >> bit & 1) * one
    return product


@cache
def _divisor(degree: int) -> bytes:
    """The Reed-Solomon polynomial of this degree, without its first coefficient, which is 1."""
    divisor = bytearray(degree - 1) + b"\x01"
    root = 1
    for _ in range(degree):
        for at in range(degree):
            divisor[at] = _product(divisor[at], root) ^ (divisor[at + 1] if at + 1 < degree else 0)
        root = _product(root, 2)
    return bytes(divisor)


def _correction(piece: bytes, degree: int) -> bytes:
    remainder = bytearray(degree)
    for byte in piece:
        factor = byte ^ remainder.pop(0)
        remainder.append(0)
        for at, coefficient in enumerate(_divisor(degree)):
            remainder[at] ^= _product(coefficient, factor)
    return bytes(remainder)


def _draw_patterns(grid: Grid, version: int) -> None:
    """Everything but the data: what readers find the code by, its version and its mask."""
    size = len(grid)
    for at in range(size):
        grid[6][at] = grid[at][6] = at % 2 == 0
    for row, column in ((3, 3), (3, size - 4), (size - 4, 3)):
        _draw_square(grid, row, column, 4, (2, 4))
    places = _alignments(version)
    for row in places:
        for column in places:
            if (row, column) not in ((6, 6), (6, size - 7), (size - 7, 6)):
                _draw_square(grid, row, column, 2, (1,))
    _draw_format(grid)
    if version >= 7:
        word = _checked_word(version, 12, 0x1F25)
        for bit in range(18):
            black = bool(word >> bit & 1)
            grid[bit // 3][size - 11 + bit % 3] = grid[size - 11 + bit % 3][bit // 3] = black


def _draw_square(grid: Grid, row: int, column: int, radius: int, white: Sequence[int]) -> None:
    """Squares around a module: black, but for those at these distances."""
    size = len(grid)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            if 0 <= row + down < size and 0 <= column + right < size:
                grid[row + down][column + right] = max(abs(down), abs(right)) not in white


def _alignments(version: int) -> Sequence[int]:
    if version == 1:
        return ()
    last = 10 + 4 * version
    return (6, last) if version < 7 else (6, (6 + last) // 2, last)


def _draw_format(grid: Grid) -> None:
    """The level of correction and the mask, twice."""
    size = len(grid)
    word = _checked_word(_LEVEL_L << 3 | MASK, 10, 0x537) ^ 0x5412
    first = [*((row, 8) for row in (0, 1, 2, 3, 4, 5, 7, 8)), *((8, column) for column in (7, 5, 4, 3, 2, 1, 0))]
    second = [*((8, size - 1 - bit) for bit in range(8)), *((size - 15 + bit, 8) for bit in range(8, 15))]
    for places in (first, second):
        for bit, (row, column) in enumerate(places):
            grid[row][column] = bool(word >> bit & 1)
    grid[size - 8][8] = True


def _checked_word(value: int, check_bits: int, divisor: int) -> int:
    """The value with the rest of its division behind it."""
    rest = value
    for _ in range(check_bits):
        rest = rest << 1 ^ (rest >> (check_bits - 1)) * divisor
    return value << check_bits | rest


def _draw_data(grid: Grid, codewords: bytes) -> None:
    """The data on what is left, in pairs of columns up and down from the right, masked."""
    bits = (byte >> bit & 1 for byte in codewords for bit in range(7, -1, -1))
    for row, column in _snake(len(grid)):
        if grid[row][column] is None:
            grid[row][column] = bool(next(bits, 0)) != ((row + column) % 2 == 0)


def _snake(size: int) -> Iterator[tuple[int, int]]:
    upward = True
    for right in range(size - 1, 0, -2):
        pair = right if right > 6 else right - 1  # the column of the timing pattern is none of a pair
        for row in range(size - 1, -1, -1) if upward else range(size):
            yield row, pair
            yield row, pair - 1
        upward = not upward


def _png(rows: Sequence[Sequence[bool]]) -> bytes:
    """The modules as a picture in black and white, one bit for each pixel."""
    side = (len(rows) + 2 * QUIET_MODULES) * PIXELS_PER_MODULE
    frame = [False] * QUIET_MODULES
    blank = [False] * (len(rows) + 2 * QUIET_MODULES)
    lines = b""
    for row in [blank] * QUIET_MODULES + [[*frame, *row, *frame] for row in rows] + [blank] * QUIET_MODULES:
        bits = "".join(("0" if black else "1") * PIXELS_PER_MODULE for black in row)
        line = int(bits.ljust(-(-side // 8) * 8, "0"), 2).to_bytes(-(-side // 8))
        lines += (b"\0" + line) * PIXELS_PER_MODULE
    head = pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
