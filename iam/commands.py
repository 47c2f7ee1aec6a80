"""What all commands and queries are. Each stands in the module of the things it is about.

Field names are AWS's parameter names in snake_case; both protocols share them. The wire has checked lengths, patterns
and required parameters already, so what is asked is well formed.
"""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

import msgspec


class Moment(msgspec.Struct, frozen=True, gc=False):
    """What a decision needs from outside: the time, and ids nobody has used (by their prefix, as in AIDA)."""

    at: datetime
    new_id: Callable[[str], str]


class Principal(msgspec.Struct, frozen=True, gc=False):
    """Who asks: unique id and ARN, as in `eventstore.record.Actor`.

    Commands and queries to which that matters have it as their field `caller`; it is no parameter of AWS's.
    """

    id: str
    arn: str


class Command(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request to change something."""


class Query(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request to know something. `wrong_marker` is what AWS says to a marker that is not of this request."""

    wrong_marker: ClassVar[str] = "Invalid Marker."
