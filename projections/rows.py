"""A record as one row of a table, for spreadsheets and whatever else reads CSV.

What a record says in full is its JSON; a row has what one searches and sorts by.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from eventstore.record import Record

COLUMNS = (
    "account",
    "position",
    "recorded_at",
    "effective_at",
    "outcome",
    "action",
    "type",
    "user_name",
    "user_id",
    "policy_name",
    "policy_arn",
    "code",
    "message",
    "repeated",
    "actor_id",
    "actor_arn",
    "access_key_id",
    "source",
    "source_ip",
    "user_agent",
    "request_id",
    "event_id",
    "group_name",
    "group_id",
    "role_name",
    "role_id",
)
"""The names of what `row_of` answers. More may follow at the end, none will change its meaning."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SPECIAL = re.compile(r"""["\r\n]|(?:^|,)[=+\-@\t]""")
_QUOTED = frozenset('",\r\n')


def row_of(record: Record[dict[str, Any]]) -> tuple[str | int | None, ...]:
    """The columns of a record, as `open_envelope` decodes it; None for what it does not say.

    A call that changed nothing has the type of its attempt and the names that it gave. A permissions boundary counts as
    the policy.
    """
    event, attempt, actor = record.event, record.attempt, record.actor
    told: Mapping[str, Any] = event if event is not None else attempt.parameters if attempt is not None else {}
    arn = _text(told.get("policy_arn") or told.get("permissions_boundary"))
    name = _text(told.get("policy_name"))
    return (
        record.account,
        record.position,
        _time(record.recorded_at),
        _time(record.effective_at),
        record.outcome,
        record.action,
        _text(event.get("type")) if event is not None else attempt.type if attempt is not None else None,
        _text(told.get("user_name")),
        _text(told.get("user_id")),
        name if name is not None or arn is None else arn.rpartition("/")[2],
        arn,
        attempt.code if attempt is not None else None,
        attempt.message if attempt is not None else None,
        attempt.repeated or None if attempt is not None else None,
        actor.id,
        actor.arn,
        actor.access_key_id,
        actor.source,
        record.source_ip or None,
        record.user_agent or None,
        record.request_id or None,
        record.id,
        _text(told.get("group_name")),
        _text(told.get("group_id")),
        _text(told.get("role_name")),
        _text(told.get("role_id")),
    )


def csv_line(values: Sequence[str | int | None]) -> str:
    """One line of CSV as RFC 4180 has it, with its line end.

    A text that a spreadsheet would take for a formula gets an apostrophe in front: callers choose names and user
    agents, and whoever opens the file must not run what they chose.
    """
    line = ",".join(["" if value is None else str(value) for value in values])
    if _SPECIAL.search(line) or line.count(",") >= len(values):  # nearly no line is, and this is quick to see
        line = ",".join(map(_cell, values))
    return line + "\r\n"


def _cell(value: str | int | None) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    if value.startswith(_FORMULA):
        value = f"'{value}"
    if _QUOTED.isdisjoint(value):
        return value
    return '"' + value.replace('"', '""') + '"'


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _time(at: datetime) -> str:
    """Always with microseconds, so that times sort as text."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
