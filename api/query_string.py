"""What stands behind the `?` of a native request: the parameters of its route, each given once and with a value."""

from aiohttp import web

from api.routes import Route
from iam.errors import ValidationError


def parameters(http: web.BaseRequest, route: Route) -> dict[str, str]:
    """The query string's parameters. ValidationError for an unknown, repeated, empty, missing or impossible one."""
    asked: dict[str, str] = {}
    known = route.named("query")
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
    for parameter in route.parameters:
        if parameter.required and parameter.place == "query" and parameter.name not in asked:
            raise ValidationError(f"{parameter.name} must be given: {parameter.meaning}.")
        if parameter.words and asked.get(parameter.name, parameter.words[0]) not in parameter.words:
            raise ValidationError(f"{parameter.name}: {asked[parameter.name]} is not {' or '.join(parameter.words)}.")
    return asked


def number(text: str | None, name: str, default: int, largest: int) -> int:
    """A parameter that is a number from 1 up. ValidationError for anything else."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= largest):
        raise ValidationError(f"{name}: {text} is not a number from 1 to {largest}.")
    return int(text)
