"""What there is to tell of a route, said once: to the router, in `/openapi.json`, and in docs/api.md."""

from typing import Any, Final, Literal

import msgspec

from iam.errors import (
    AccessDenied,
    IamError,
    InvalidClientTokenId,
    InvalidInput,
    MalformedInput,
    RequestTimeout,
    RequestTooLarge,
    ServiceFailure,
    ServiceUnavailable,
    ValidationError,
)

ROWS_PER_PAGE: Final = 100
ROWS_PER_PAGE_MAX: Final = 1000
ROWS_MAX: Final = 999_999_999  # the largest `limit` of a table
COMMAND_ID_CHARACTERS_MAX: Final = 128
INSTANT: Final = r"@[0-9]{1,18}|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}([.,][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
"""An RFC 3339 time or `@position`. What is read besides, such as a space for the `+`, is nobody's promise."""

OF_A_CALL: Final[tuple[type[IamError], ...]] = (
    InvalidClientTokenId,
    ValidationError,
    AccessDenied,
    ServiceFailure,
    ServiceUnavailable,
)
"""What anything that is asked of an account can be refused with."""

OF_A_BODY: Final[tuple[type[IamError], ...]] = (MalformedInput, InvalidInput, RequestTooLarge, RequestTimeout)
"""What any body can be refused with."""

Place = Literal["path", "query", "header"]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a request names. It is a text, or a number from 1 up where there is a `largest`.

    `words` are all that it can be; `pattern` is what it looks like, from its first character to its last; `default`
    is what is meant where it is not given. The meaning begins small and has no full stop, as it is part of a list.
    """

    name: str
    meaning: str
    place: Place = "query"
    required: bool = False
    words: tuple[str, ...] = ()
    pattern: str | None = None
    largest: int | None = None
    default: str | None = None


class Table(msgspec.Struct, frozen=True):
    """The other forms of a list: CSV with these columns, or lines of JSON, each of this type."""

    columns: tuple[str, ...]
    row: Any


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A method and a path, and what comes of them.

    `data` are the types that this member of the envelope can have; without one, the answer is not in the envelope.
    `other` is the media type of an answer outside of it, `body` the type of the JSON that the route takes.
    """

    method: Literal["GET", "POST"]
    path: str  # names in braces are parameters; `{arn}` spans slashes, every other is one part of the path
    about: str  # Markdown; links are as from docs/
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    data: tuple[Any, ...] = ()
    table: Table | None = None
    other: str | None = None
    refusals: tuple[type[IamError], ...] = OF_A_CALL

    @property
    def name(self) -> str:
        """Method and path, as people write them."""
        return f"{self.method} {self.path}"

    def named(self, place: Place) -> tuple[str, ...]:
        """The names of the parameters in one place."""
        return tuple(parameter.name for parameter in self.parameters if parameter.place == place)


AT: Final = Parameter(
    name="at",
    meaning="an instant, which is an RFC 3339 time or `@position`; the present if not given. A space is read as `+`",
    pattern=INSTANT,
)
ORDER: Final = Parameter(name="order", meaning="`desc` is newest first", words=("asc", "desc"), default="asc")
LIMIT: Final = Parameter(
    name="limit",
    meaning=f"how many rows a page has at most, 1 to {ROWS_PER_PAGE_MAX:,}; {ROWS_PER_PAGE} if not given. A table may "
    "have more, and has all if not given",
    largest=ROWS_MAX,
)
CURSOR: Final = Parameter(
    name="cursor", meaning="where the page before ended; it serves only the question that it came from"
)
COMMAND_ID: Final = Parameter(
    name="Idempotency-Key",
    meaning="a value of your own that makes a repeat of this call recognisable",
    place="header",
    pattern=rf"[\x21-\x7e]{{1,{COMMAND_ID_CHARACTERS_MAX}}}",
)
USER_NAME: Final = Parameter(name="name", meaning="the user's name or id", place="path", required=True)
POLICY: Final = Parameter(
    name="arn",
    meaning="the ARN of a managed policy; its slashes may be percent-encoded or not",
    place="path",
    required=True,
    pattern=r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+",
)
TABLE: Final = "With `Accept: text/csv` or `application/x-ndjson`, all of it as a table."
