"""What stands behind the `?` of a native request: named parameters, each given once and with a value."""

from collections.abc import Mapping

from aiohttp import web

from iam.errors import ValidationError


def parameters(http: web.BaseRequest, *known: str) -> dict[str, str]:
    """The query string's parameters. ValidationError for an unknown, repeated or empty one."""
    asked: dict[str, str] = {}
    for name, value in http.query.items():
        if name not in known:
            raise ValidationError(
                f"There is no parameter {name} here; there are: {', '.join(known)}."
                if known
                else "There are no parameters here."
            )
        if name in asked or not value:
            raise ValidationError(f"{name} must be given once, with a value.")
        asked[name] = value
    return asked


def number(asked: dict[str, str], name: str, default: int, largest: int) -> int:
    """A parameter that is a number from 1 up. ValidationError for anything else."""
    text = asked.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= largest):
        raise ValidationError(f"{name}: {text} is not a number from 1 to {largest}.")
    return int(text)


def choice(asked: Mapping[str, str], name: str, *allowed: str) -> str | None:
    """A parameter that is one of a few words, None if it is not given. ValidationError for anything else."""
    text = asked.get(name)
    if text is not None and text not in allowed:
        raise ValidationError(f"{name}: {text} is not {' or '.join(allowed)}.")
    return text
