"""The form of a UUID, for ids that hold something: 32 hexadecimal digits in five groups."""

import re

_FORM = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})")


def in_form(number: int) -> str:
    """A number of at most 128 bits in the form of a UUID."""
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def number_in(text: str) -> int | None:
    """The number that is in this form, in small letters; None for other text."""
    found = _FORM.fullmatch(text)
    return None if found is None else int("".join(found.groups()), 16)
