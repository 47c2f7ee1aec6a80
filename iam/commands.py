"""What all commands and queries are. Each stands in the module of the things it is about.

Field names are AWS's parameter names in snake_case; both protocols share them. The wire has checked lengths, patterns
and required parameters already, so what is asked is well formed.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec


class Moment(msgspec.Struct, frozen=True, gc=False):
    """What a decision needs from outside: the time, and ids nobody has used (by their prefix, as in AIDA)."""

    at: datetime
    new_id: Callable[[str], str]


class Command(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request to change something."""


class Query(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request to know something."""
