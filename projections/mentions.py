"""What a record speaks of, and how it is told in one row: the table behind the view `events` and the audit index."""

from datetime import timedelta
from functools import cache
from typing import Any

from eventstore.record import Record, id_time, microseconds
from iam.events import AnyEvent

USER, POLICY, ACTOR, REQUEST = "user", "policy", "actor", "request"
REQUEST_MICROSECONDS_MAX = timedelta(minutes=2) // timedelta(microseconds=1)  # from a call to its last record

Mention = tuple[str, str]  # kind and name

_NAMED = {
    "user_id": USER,
    "policy_arn": POLICY,
    "permissions_boundary": POLICY,
    "previous_permissions_boundary": POLICY,
}
_ASKED = {"user_name": USER, "new_user_name": USER, "policy_arn": POLICY, "permissions_boundary": POLICY}


def mentions(record: Record[AnyEvent]) -> list[Mention]:
    """What a record can be found by. A call that changed nothing is filed under the names it gave.

    A request id of this service carries its time, and is found by that where the record's time is soon after it.
    """
    found = [(ACTOR, record.actor.id)]
    if record.request_id and not _is_found_by_time(record):
        found.append((REQUEST, record.request_id))
    if record.event is not None:
        for field, kind in _fields(type(record.event)):
            if name := getattr(record.event, field):
                found.append((kind, name))
    elif record.attempt is not None:
        for field, kind in _ASKED.items():
            if name := record.attempt.parameters.get(field):
                mention = kind, name.lower() if kind is USER else name
                if mention not in found:  # a user may be renamed to the same name
                    found.append(mention)
    return found


def _is_found_by_time(record: Record[AnyEvent]) -> bool:
    if record.request_id[:15] == record.id[:15]:  # a timed id, of the same millisecond as the record's own
        return True
    asked_at = id_time(record.request_id)
    return asked_at is not None and 0 <= microseconds(record.recorded_at) - asked_at <= REQUEST_MICROSECONDS_MAX


@cache
def _fields(event: type[AnyEvent]) -> tuple[tuple[str, str], ...]:
    """The fields of a kind of event that name things."""
    return tuple((field, _NAMED[field]) for field in event.__struct_fields__ if field in _NAMED)


@cache
def _tag(event: type[AnyEvent]) -> str:
    return str(event.__struct_config__.tag)


def call_of(record: Record[AnyEvent]) -> tuple[str, str, str, str]:
    """What was asked and what came of it: action, outcome, type of the event or the attempt, and code."""
    if record.event is not None:
        return record.action, record.outcome, _tag(type(record.event)), ""
    attempt = record.attempt
    told = (attempt.type, attempt.code or "") if attempt is not None else ("", "")
    return record.action, record.outcome, *told


def caller_of(record: Record[AnyEvent]) -> tuple[str, str, str, str, str, str]:
    """Who asked and from where, as the columns of the table `callers`."""
    actor = record.actor
    return actor.id, actor.arn, actor.access_key_id or "", actor.source, record.source_ip, record.user_agent


def names_in(record: Record[AnyEvent]) -> tuple[str | None, str | None]:
    """The user and the policy as they are named in the record."""
    told: Any = record.event
    if told is not None:
        return getattr(told, "user_name", None), getattr(told, "policy_name", None)
    parameters = record.attempt.parameters if record.attempt is not None else {}
    return parameters.get("user_name"), parameters.get("policy_name")
