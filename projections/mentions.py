"""What a record speaks of, and how it is told in one row: the table behind the view `events` and the audit index."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import TypeVar

from eventstore.record import Record, id_time, microseconds
from iam.events import AnyEvent
from iam.permission_sources import source_field

USER, POLICY, GROUP, ROLE, INSTANCE_PROFILE = "user", "policy", "group", "role", "instance_profile"
RESOURCE = "resource"  # all else that has an id or an ARN of its own
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
    "access_key_id": RESOURCE,
    "service_specific_credential_id": RESOURCE,
    "serial_number": RESOURCE,
    "certificate_id": RESOURCE,
    "ssh_public_key_id": RESOURCE,
    "server_certificate_id": RESOURCE,
    "saml_provider_arn": RESOURCE,
    "open_id_connect_provider_arn": RESOURCE,
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
    "access_key_id": RESOURCE,
    "service_specific_credential_id": RESOURCE,
    "serial_number": RESOURCE,
    "certificate_id": RESOURCE,
    "ssh_public_key_id": RESOURCE,
    "server_certificate_name": RESOURCE,
    "new_server_certificate_name": RESOURCE,
    "saml_provider_arn": RESOURCE,
    "open_id_connect_provider_arn": RESOURCE,
}


def mentions(record: Record[AnyEvent]) -> list[Mention]:
    """What a record can be found by. A call that changed nothing is filed under the names it gave.

    A request id of this service carries its time, and is found by that where the record's time is soon after it.
    The same may be mentioned twice, such as the old and the new name of what is renamed to the name it has.
    """
    found = [(ACTOR, record.actor.id)]
    if record.request_id and not _is_found_by_time(record):
        found.append((REQUEST, record.request_id))
    event = record.event
    if event is not None:
        for field, kind in _fields(type(event)):
            named = getattr(event, field)
            if isinstance(named, str):
                found.append((kind, named))
            elif named:
                found += [(kind, name) for name in named]
    elif record.attempt is not None:
        for field, kind in _ASKED.items():
            if name := record.attempt.parameters.get(field):
                found.append((kind, name if kind is POLICY else name.lower()))
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


def subjects_in(record: Record[AnyEvent], mentioned: Mapping[str, T], none: T) -> tuple[T | str, ...]:
    """What the columns of `event_rows` tell of each subject: the thing that is mentioned, or `none`, and its name.

    An empty name stands for none: Python's module for SQLite takes three times as long with a None.
    """
    event, thing = record.event, mentioned.get
    if event is not None:
        user, policy, group, role = [getattr(event, name, None) or "" for name in _NAMES]
    else:
        parameters = record.attempt.parameters if record.attempt is not None else {}
        user, policy, group, role = [parameters.get(name) or "" for name in _NAMES]
    return (
        *(thing(USER, none), user, thing(POLICY, none), policy),
        *(thing(GROUP, none), group, thing(ROLE, none), role),
    )
