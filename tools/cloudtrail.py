"""Records as CloudTrail would have logged them, for tools that read its files.

CloudTrail logs calls, a ledger holds facts. Each fact is told as the one call of AWS that has it for its effect, with
the parameters that follow from it: defaults are spelled out, and what a caller gave without effect is not there.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias

from botocore.loaders import Loader

from api.actions import IAM, Write
from eventstore.record import Actor, Attempt, Record
from iam.arns import parse_arn
from iam.events import AnyEvent, Event
from iam.events.policies import (
    DefaultPolicyVersionSet,
    PolicyCreated,
    PolicyDeleted,
    PolicyTagged,
    PolicyUntagged,
    PolicyVersionCreated,
    PolicyVersionDeleted,
)
from iam.events.users import (
    UserCreated,
    UserDeleted,
    UserPermissionsBoundaryDeleted,
    UserPermissionsBoundaryPut,
    UserPolicyAttached,
    UserPolicyDeleted,
    UserPolicyDetached,
    UserPolicyPut,
    UserTagged,
    UserUntagged,
    UserUpdated,
)
from iam.relations import Tag

VERSION = "1.11"
SERVICE = "iam-ledger"  # what stands for an AWS service where this program acted by itself

Call: TypeAlias = tuple[str, Mapping[str, Any]]  # an action of AWS, and its parameters


def _created_user(event: UserCreated) -> Call:
    return "CreateUser", {
        "user_name": event.user_name,
        "path": event.path,
        "permissions_boundary": event.permissions_boundary,
        "tags": _tags(event.tags) or None,
    }


def _updated_user(event: UserUpdated) -> Call:
    return "UpdateUser", {
        "user_name": event.previous_user_name,
        "new_user_name": event.user_name if event.user_name != event.previous_user_name else None,
        "new_path": event.path if event.path != event.previous_path else None,
    }


def _created_policy(event: PolicyCreated) -> Call:
    return "CreatePolicy", {
        "policy_name": event.policy_name,
        "path": event.path,
        "policy_document": event.policy_document,
        "description": event.description or None,
        "tags": _tags(event.tags) or None,
    }


def _tags(tags: tuple[Tag, ...]) -> list[dict[str, str]]:
    return [{"key": tag.key, "value": tag.value} for tag in tags]


def _fields(action: str, *fields: str) -> Callable[[Event], Call]:
    """The call of this action whose parameters are fields of the event."""
    return lambda event: (action, {field: getattr(event, field) for field in fields})


CALLS: Mapping[type[Event], Callable[[Any], Call]] = {
    UserCreated: _created_user,
    UserUpdated: _updated_user,
    UserDeleted: _fields("DeleteUser", "user_name"),
    UserTagged: lambda event: ("TagUser", {"user_name": event.user_name, "tags": _tags(event.tags)}),
    UserUntagged: _fields("UntagUser", "user_name", "tag_keys"),
    UserPermissionsBoundaryPut: _fields("PutUserPermissionsBoundary", "user_name", "permissions_boundary"),
    UserPermissionsBoundaryDeleted: _fields("DeleteUserPermissionsBoundary", "user_name"),
    UserPolicyAttached: _fields("AttachUserPolicy", "user_name", "policy_arn"),
    UserPolicyDetached: _fields("DetachUserPolicy", "user_name", "policy_arn"),
    UserPolicyPut: _fields("PutUserPolicy", "user_name", "policy_name", "policy_document"),
    UserPolicyDeleted: _fields("DeleteUserPolicy", "user_name", "policy_name"),
    PolicyCreated: _created_policy,
    PolicyVersionCreated: _fields("CreatePolicyVersion", "policy_arn", "policy_document", "set_as_default"),
    DefaultPolicyVersionSet: _fields("SetDefaultPolicyVersion", "policy_arn", "version_id"),
    PolicyVersionDeleted: _fields("DeletePolicyVersion", "policy_arn", "version_id"),
    PolicyDeleted: _fields("DeletePolicy", "policy_arn"),
    PolicyTagged: lambda event: ("TagPolicy", {"policy_arn": event.policy_arn, "tags": _tags(event.tags)}),
    PolicyUntagged: _fields("UntagPolicy", "policy_arn", "tag_keys"),
}
"""Every event but those of the ledger `aws`, which no call of AWS leads to."""

_IDENTITIES = {"root": "Root", "user": "IAMUser", "assumed-role": "AssumedRole"}


def cloudtrail_record(record: Record[AnyEvent]) -> dict[str, Any]:
    """A record of an account as one of CloudTrail's, with its fields in CloudTrail's order.

    An attempt that stands for several is one record, and says for how many in `additionalEventData`. Raises KeyError
    for a record of the ledger `aws`.
    """
    event, attempt = record.event, record.attempt
    action, parameters = record.action, attempt.parameters if attempt is not None else {}
    if event is not None:
        action, parameters = CALLS[type(event)](event)
    return {
        "eventVersion": VERSION,
        "userIdentity": _identity(record.actor),
        "eventTime": _time(record.effective_at),
        "eventSource": "iam.amazonaws.com",
        "eventName": action,
        "awsRegion": "us-east-1",
        "sourceIPAddress": record.source_ip,
        "userAgent": record.user_agent,
        **_error(attempt),
        "requestParameters": _camel(parameters) or None,
        "responseElements": _response(event, record),
        **_additional(attempt),
        "requestID": record.request_id,
        "eventID": record.id,
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": record.account,
        "eventCategory": "Management",
    }


def _identity(actor: Actor) -> dict[str, str]:
    if actor.source == "service":
        return {"type": "AWSService", "invokedBy": SERVICE}
    arn = parse_arn(actor.arn)
    kind, _, path = arn.resource.partition("/")
    identity = {
        "type": _IDENTITIES.get(kind, "Unknown"),
        "principalId": actor.id,
        "arn": actor.arn,
        "accountId": arn.account,
    }
    if actor.access_key_id is not None:
        identity["accessKeyId"] = actor.access_key_id
    if kind == "user":
        identity["userName"] = path.rpartition("/")[2]
    return identity


def _error(attempt: Attempt | None) -> dict[str, str]:
    if attempt is None or attempt.code is None:
        return {}
    return {"errorCode": exception_name(attempt.code), "errorMessage": attempt.message or ""}


def _additional(attempt: Attempt | None) -> dict[str, Any]:
    return {"additionalEventData": {"repeated": attempt.repeated}} if attempt is not None and attempt.repeated else {}


def exception_name(code: str) -> str:
    """What CloudTrail calls an error: the exception's name in AWS's model; the code itself where it has none."""
    return _exceptions().get(code, code)


@cache
def _exceptions() -> Mapping[str, str]:
    shapes = Loader().load_service_model("iam", "service-2", "2010-05-08")["shapes"]
    return {shape["error"]["code"]: name for name, shape in shapes.items() if "error" in shape}


def _response(event: AnyEvent | None, record: Record[AnyEvent]) -> Any:
    """What the call answered; CloudTrail has it for what is created only."""
    if event is None:
        return None
    action = IAM[CALLS[type(event)](event)[0]]
    if not isinstance(action, Write) or action.result is None:
        return None
    return _camel(action.result(event, record.account, parse_arn(record.actor.arn).partition))


def _camel(value: Any) -> Any:
    """The value as CloudTrail spells it: names in lowerCamelCase, no member that is not there, times in seconds."""
    match value:
        case Mapping():
            return {_camel_name(name): _camel(member) for name, member in value.items() if member is not None}
        case list() | tuple():
            return [_camel(member) for member in value]
        case datetime():
            return _time(value)
        case _:
            return value


@cache
def _camel_name(name: str) -> str:
    """`user_name`, and also `UserName`, is `userName`."""
    name = re.sub(r"_(\w)", lambda found: found[1].upper(), name)
    return name[0].lower() + name[1:]


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
