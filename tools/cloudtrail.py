"""Records as CloudTrail would have logged them, for tools that read its files.

CloudTrail logs calls, a ledger holds facts. Each fact is told as the one call of AWS that has it for its effect, with
the parameters that follow from it: defaults are spelled out, and neither secrets are there nor what a caller gave
without effect.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any, TypeAlias

import msgspec
from botocore.loaders import Loader

from api.actions import IAM, Write
from api.aws import IAM as MODEL
from api.model import Member
from api.xml import percent_encoded
from eventstore.record import Actor, Attempt, Record
from iam.arns import parse_arn
from iam.events import AnyEvent, Event
from iam.events.account import AccountPropertyPut
from iam.events.groups import GroupUpdated
from iam.events.roles import ServiceLinkedRoleCreated
from iam.events.server_certificates import ServerCertificateUpdated
from iam.events.users import UserUpdated
from iam.linked_services import linked_service

VERSION = "1.11"
SERVICE = "iam-ledger"  # what stands for an AWS service where this program acted by itself

Call: TypeAlias = tuple[str, Mapping[str, Any]]  # an action of AWS, and its parameters


def call_of(event: Event, action: str = "") -> Call:
    """The call that has the event for its effect: the parameters of its action that the event has fields for.

    Empty ones are left out unless AWS requires them. `action` is what the record names; it counts where the event's
    own name tells no action of AWS, as nearly all do. Raises KeyError for what no call of AWS leads to.
    """
    action = _action_of(type(event)) or action
    members = _members(action)
    if type(event) in _OTHERWISE:
        return action, _OTHERWISE[type(event)](event)
    given = {member: _plain(getattr(event, member.field, None)) for member in members}
    return action, {member.field: value for member, value in given.items() if value not in ("", []) or member.required}


def _members(action: str) -> tuple[Member, ...]:
    """The parameters of an action of AWS's. KeyError where there is none of this name."""
    operation = MODEL.operations[action]
    return operation.input.members if operation.input is not None else ()


@cache
def _action_of(event: type[Event]) -> str | None:
    """`UserPolicyAttached` is what AttachUserPolicy leads to, and `UserAddedToGroup` what AddUserToGroup does."""
    words = re.findall("[A-Z][a-z]*", str(event.__struct_config__.tag))
    for place, word in enumerate(words):
        rest = "".join(words[:place] + words[place + 1 :])
        for ending in range(4):  # Put, Deleted, Attached, Tagged
            action: str = word[: len(word) - ending] + rest
            if action in MODEL.operations:
                return action
    return None


def _updated(noun: str, event: Any) -> dict[str, Any]:
    name, previous = getattr(event, f"{noun}_name"), getattr(event, f"previous_{noun}_name")
    return {
        f"{noun}_name": previous,
        f"new_{noun}_name": name if name != previous else None,
        "new_path": event.path if event.path != event.previous_path else None,
    }


def _created_service_linked_role(event: ServiceLinkedRoleCreated) -> dict[str, Any]:
    linked = linked_service(event.aws_service_name)
    suffix = event.role_name.removeprefix(linked.role_name).removeprefix("_") if linked is not None else ""
    return {
        "aws_service_name": event.aws_service_name,
        "description": event.description or None,
        "custom_suffix": suffix or None,
    }


_OTHERWISE: Mapping[type[Event], Callable[[Any], Mapping[str, Any]]] = {
    UserUpdated: partial(_updated, "user"),
    GroupUpdated: partial(_updated, "group"),
    ServerCertificateUpdated: partial(_updated, "server_certificate"),
    ServiceLinkedRoleCreated: _created_service_linked_role,
    AccountPropertyPut: lambda event: {"properties": {event.property_name: event.property_value}},
}
"""The parameters of those calls that ask in other words than what came of them is told in."""


def _plain(value: Any) -> Any:
    """A field's value without structs."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value


_TRUST = "AssumeRolePolicyDocument"  # a member of answers
_IDENTITIES = {"root": "Root", "user": "IAMUser", "assumed-role": "AssumedRole"}


def cloudtrail_record(record: Record[AnyEvent]) -> dict[str, Any]:
    """A record of an account as one of CloudTrail's, with its fields in CloudTrail's order.

    An attempt that stands for several is one record, and says for how many in `additionalEventData`. Raises KeyError
    for a record of the ledger `aws`.
    """
    event, attempt = record.event, record.attempt
    action, parameters = record.action, attempt.parameters if attempt is not None else {}
    if event is not None:
        action, parameters = call_of(event, action)
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
        "requestParameters": _camel(_as_asked(action, parameters)) or None,
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


def _as_asked(action: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters under the names that AWS has in its messages: `openIDConnectProviderArn`."""
    paths = {member.field: member.path for member in _members(action)} if action in MODEL.operations else {}
    return {paths.get(field, field): value for field, value in parameters.items()}


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
    action = IAM.get(_action_of(type(event)) or record.action)
    if not isinstance(action, Write) or action.result is None:
        return None
    return _camel(action.result(event, record.account, parse_arn(record.actor.arn).partition))


def _camel(value: Any) -> Any:
    """The value as CloudTrail spells it: names in lowerCamelCase, no member that is not there, times in seconds.

    An answer has its trust policy percent-encoded. A request has it as it was given, and spells its name otherwise.
    """
    match value:
        case Mapping():
            return {
                _camel_name(name): percent_encoded(member) if name == _TRUST else _camel(member)
                for name, member in value.items()
                if member is not None
            }
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
