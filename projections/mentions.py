"""What a record speaks of, and how it is told in one row: the table behind the view `events` and the audit index."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import TypeVar

from eventstore.record import Record, id_time, microseconds
from iam.events import AnyEvent
from iam.permission_sources import source_field

USER, POLICY, GROUP, ROLE, INSTANCE_PROFILE = "user", "policy", "group", "role", "instance_profile"
ACTOR, REQUEST = "actor", "request"
OWN = "own"  # of a group or a customer managed policy, by id: what changed that source of permissions itself
SUBJECTS = (USER, POLICY, GROUP, ROLE)  # what has columns in `event_rows`
REQUEST_MICROSECONDS_MAX = timedelta(minutes=2) // timedelta(microseconds=1)  # from a call to its last record

Mention = tuple[str, str]  # kind and name

T = TypeVar("T")

_NAMES = tuple(f"{kind}_name" for kind in SUBJECTS)

_NAMED = {
    "user_id": USER,
    "group_id": GROUP,
    "role_id": ROLE,
    "instance_profile_id": INSTANCE_PROFILE,
    "policy_arn": POLICY,
    "policy_arns": POLICY,
    "permissions_boundary": POLICY,
    "previous_permissions_boundary": POLICY,
}
_ASKED = {
    "user_name": USER,
    "new_user_name": USER,
    "group_name": GROUP,
    "new_group_name": GROUP,
    "role_name": ROLE,
    "instance_profile_name": INSTANCE_PROFILE,
    "policy_arn": POLICY,
    "permissions_boundary": POLICY,
}


def mentions(record: Record[AnyEvent]) -> list[Mention]:
    """What a record can be found by. A call that changed nothing is filed under the names it gave.

    A request id of this service carries its time, and is found by that where the record's time is soon after it.
    """
    found = [(ACTOR, record.actor.id)]
    if record.request_id and not _is_found_by_time(record):
        found.append((REQUEST, record.request_id))
    if record.event is not None:
        for field, kind in _fields(type(record.event)):
            named = getattr(record.event, field)
            for name in (named,) if isinstance(named, str) else named or ():
                if (mention := (kind, name)) not in found:
                    found.append(mention)
    elif record.attempt is not None:
        for field, kind in _ASKED.items():
            if name := record.attempt.parameters.get(field):
                mention = kind, name if kind is POLICY else name.lower()
                if mention not in found:  # one may be renamed to the same name
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
    fields = event.__struct_fields__
    named = [(field, _NAMED[field]) for field in fields if field in _NAMED]
    if (source := source_field(event)) is not None:
        named.append((source, OWN))
    return tuple(named)


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


def names_in(record: Record[AnyEvent]) -> tuple[str | None, ...]:
    """The subjects as they are named in the record."""
    event = record.event
    if event is not None:
        return tuple([name and getattr(event, name) for name in _name_fields(type(event))])
    parameters = record.attempt.parameters if record.attempt is not None else {}
    return tuple([parameters.get(name) for name in _NAMES])


@cache
def _name_fields(event: type[AnyEvent]) -> tuple[str | None, ...]:
    """For each subject, the field of a kind of event that has its name, if there is one."""
    return tuple(name if name in event.__struct_fields__ else None for name in _NAMES)


def subjects_in(record: Record[AnyEvent], mentioned: Mapping[str, T]) -> tuple[T | str | None, ...]:
    """What the columns of `event_rows` tell of each subject in turn: the thing that is mentioned, and its name."""
    user, policy, group, role = names_in(record)
    thing = mentioned.get
    return thing(USER), user, thing(POLICY), policy, thing(GROUP), group, thing(ROLE), role
