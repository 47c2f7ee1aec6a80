"""Records as CloudTrail has them: the call that each event follows from, and the fields around it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.actions import IAM, Write
from api.aws import IAM as MODEL
from eventstore.record import GENESIS, Actor, Attempt, Record
from iam.commands import Moment
from iam.errors import IamError
from iam.events import AnyEvent, Event
from iam.events.account import AccountPropertyPut, OrganizationsFeaturesSet
from iam.events.policies import CatalogueInstalled
from iam.events.roles import RoleCreated
from iam.events.users import UserPolicyAttached
from iam.state import Account, World
from tools.cloudtrail import call_of, cloudtrail_record, exception_name

GOLDEN = Path(__file__).parents[1] / "iam" / "golden"
ACCOUNT = "111122223333"
ROOT = Actor(id=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", access_key_id="AKIAROOT")
POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
AT = datetime(2026, 11, 3, 14, 3, 0, 999_999, tzinfo=UTC)
ATTACHED = UserPolicyAttached(user_id="AIDAX", user_name="alice", policy_arn=POLICY, policy_name="ReadOnlyAccess")

EVENTS = [
    pytest.param(event, id=path.stem)
    for path in sorted(GOLDEN.glob("*.json"))
    if not isinstance(event := msgspec.json.decode(path.read_bytes(), type=AnyEvent), CatalogueInstalled)
]


SECRET: dict[str, set[str]] = {
    "CreateLoginProfile": {"password"},
    "UpdateLoginProfile": {"password"},
    "ChangePassword": {"oldPassword", "newPassword"},
    "EnableMFADevice": {"authenticationCode1", "authenticationCode2"},
    "UploadServerCertificate": {"privateKey"},
    "ResyncMFADevice": {"authenticationCode1", "authenticationCode2"},
}
"""Parameters that no event has."""

NAMED_BY_RECORD: dict[type[Event], str] = {
    OrganizationsFeaturesSet: "EnableOrganizationsRootSessions",
    AccountPropertyPut: "PutAccountProperties",
}
"""Events whose own names tell no action."""


def record(event: Any = ATTACHED, **changes: Any) -> dict[str, Any]:
    """What CloudTrail makes of a record with this event."""
    made: Record[Any] = Record(
        account=ACCOUNT,
        position=7,
        id="01a201ee-f440-791f-a59f-90b6777e7913",
        outcome="changed",
        event=event,
        recorded_at=AT,
        effective_at=AT,
        actor=ROOT,
        source_ip="203.0.113.7",
        user_agent="aws-cli/2",
        request_id="01a201ee-f440-7000-a59f-90b6777e7913",
        action="AttachUserPolicy",
        command_id="command",
        previous=GENESIS,
    )
    return cloudtrail_record(msgspec.structs.replace(made, **changes))


def attempt(**fields: Any) -> dict[str, Any]:
    """What CloudTrail makes of a call that changed nothing."""
    tried = Attempt(parameters={"user_name": "bob", "tags": [{"key": "a", "value": "b"}]}, **fields)
    return record(None, outcome="refused" if tried.code else "unchanged", attempt=tried, action="TagUser")


def test_a_trust_policy_is_percent_encoded_in_the_answer_alone() -> None:
    """As CloudTrail has it: raw in what was asked."""
    document = '{"Version":"2012-10-17","Statement":[]}'
    event = RoleCreated(role_id="AROAX", role_name="ci", path="/", assume_role_policy_document=document, created_at=AT)
    made = record(event, action="CreateRole")

    assert made["requestParameters"]["assumeRolePolicyDocument"] == document
    shown = made["responseElements"]["role"]["assumeRolePolicyDocument"]
    assert shown == "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D"


def test_every_event_has_a_call() -> None:
    """Each has a golden file, and so is in EVENTS. The catalogue's is of no call of AWS."""
    golden = {type(parameter.values[0]) for parameter in EVENTS}

    assert golden == set(get_args(AnyEvent)) - {CatalogueInstalled}
    with pytest.raises(KeyError):
        call_of(CatalogueInstalled(release="", digest="", policies=0, versions=0), "InstallCatalogue")


def test_the_fields_are_those_of_cloudtrail_in_its_order() -> None:
    """The whole record of an attachment, as a real one has it; TLS details are not known here."""
    expected = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "Root",
            "principalId": ACCOUNT,
            "arn": f"arn:aws:iam::{ACCOUNT}:root",
            "accountId": ACCOUNT,
            "accessKeyId": "AKIAROOT",
        },
        "eventTime": "2026-11-03T14:03:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "AttachUserPolicy",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2",
        "requestParameters": {"userName": "alice", "policyArn": POLICY},
        "responseElements": None,
        "requestID": "01a201ee-f440-7000-a59f-90b6777e7913",
        "eventID": "01a201ee-f440-791f-a59f-90b6777e7913",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }

    assert list(record().items()) == list(expected.items())


@pytest.mark.parametrize("event", EVENTS)
def test_parameters_are_those_of_the_model(event: Event) -> None:
    """Each under the name that AWS gives it, all that are required among them, and none that AWS does not know."""
    told = record(event, action=NAMED_BY_RECORD.get(type(event), ""))
    operation = MODEL.operations[told["eventName"]]
    members = operation.input.members if operation.input is not None else ()
    given = (told["requestParameters"] or {}).keys()

    assert given <= {member.path for member in members}
    assert {member.path for member in members if member.required} <= given | SECRET.get(operation.name, set())
    assert not given & SECRET.get(operation.name, set())


@given(st.data())
def test_the_call_has_the_event_for_its_effect(steps: Any, world: World, data: st.DataObject) -> None:
    """Whatever led to an event, in any state: the call that is told would have led to the same one."""
    state = Account(ACCOUNT, world)
    for number, (decide, command) in enumerate(data.draw(steps)):
        moment = Moment(AT, lambda prefix, number=number: f"{prefix}{number}")
        try:
            events = decide(state, command, moment)
        except IamError:
            continue
        for event in events:
            action, parameters = call_of(event)
            write = IAM[action]
            assert isinstance(write, Write)
            given_ = {name: value for name, value in parameters.items() if value is not None}
            if getattr(command, "password", None) is not None:
                given_["password"] = command.password  # no event has it
            assert write.decide(state, msgspec.convert(given_, write.command), moment) == [event]
            state.apply(event.changes())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UserCreated", "user"),
        ("PolicyCreated", "policy"),
        ("PolicyVersionCreated", "policyVersion"),
        ("GroupCreated", "group"),
        ("RoleCreated", "role"),
        ("InstanceProfileCreated", "instanceProfile"),
    ],
)
def test_what_is_created_is_answered(name: str, expected: str) -> None:
    """In lowerCamelCase, with its date in seconds, and never with a document."""
    event = msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes(), type=AnyEvent)
    [(key, created)] = record(event)["responseElements"].items()

    assert key == expected
    assert datetime.fromisoformat(created["createDate"]) == event.created_at.replace(microsecond=0)
    assert len(created["createDate"]) == len("2026-11-03T14:03:00Z")
    assert "document" not in created
    assert all(member[0].islower() and value is not None for member, value in created.items())


@pytest.mark.parametrize(
    ("name", "action", "parameters"),
    [
        ("UserAddedToGroup", "AddUserToGroup", {"groupName", "userName"}),
        ("GroupUpdated", "UpdateGroup", {"groupName", "newGroupName", "newPath"}),
        ("ServiceLinkedRoleCreated", "CreateServiceLinkedRole", {"aWSServiceName", "description"}),
        ("RoleDescriptionUpdated", "UpdateRoleDescription", {"roleName", "description"}),
    ],
)
def test_a_call_has_what_its_event_tells_of_it(name: str, action: str, parameters: set[str]) -> None:
    """Also where the call asks in other words."""
    event = msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes(), type=AnyEvent)
    told = record(event)

    assert (told["eventName"], told["requestParameters"].keys() - {"customSuffix"}) == (action, parameters)


def test_a_policy_document_is_one_text() -> None:
    """As it was put, and not percent-encoded."""
    event = msgspec.json.decode((GOLDEN / "UserPolicyPut.json").read_bytes(), type=AnyEvent)

    assert record(event)["requestParameters"]["policyDocument"] == event.policy_document


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (
            Actor(id="AIDAEVE", arn=f"arn:aws:iam::{ACCOUNT}:user/team/eve", access_key_id="AKIAEVE"),
            {
                "type": "IAMUser",
                "principalId": "AIDAEVE",
                "arn": f"arn:aws:iam::{ACCOUNT}:user/team/eve",
                "accountId": ACCOUNT,
                "accessKeyId": "AKIAEVE",
                "userName": "eve",
            },
        ),
        (
            Actor(id=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root"),
            {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT},
        ),
        (
            Actor(id="AROAX:eve", arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/ops/eve", source="import"),
            {
                "type": "AssumedRole",
                "principalId": "AROAX:eve",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/ops/eve",
                "accountId": ACCOUNT,
            },
        ),
        (
            Actor(id="x", arn=f"arn:aws:iam::{ACCOUNT}:server/x", source="import"),
            {"type": "Unknown", "principalId": "x", "arn": f"arn:aws:iam::{ACCOUNT}:server/x", "accountId": ACCOUNT},
        ),
        (
            Actor(id=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", source="service"),
            {"type": "AWSService", "invokedBy": "iam-ledger"},
        ),
    ],
)
def test_an_identity_has_the_form_of_its_kind(actor: Actor, expected: dict[str, str]) -> None:
    """Root has no name, and only those who used a key have one."""
    assert record(actor=actor)["userIdentity"] == expected


def test_a_refused_call_has_its_error_and_its_parameters() -> None:
    """The error stands between the user agent and the parameters."""
    told = attempt(code="NoSuchEntity", message="The user with name bob cannot be found.")

    assert list(told)[7:11] == ["userAgent", "errorCode", "errorMessage", "requestParameters"]
    assert told["errorCode"] == "NoSuchEntityException"
    assert told["errorMessage"] == "The user with name bob cannot be found."
    assert told["eventName"] == "TagUser"
    assert told["requestParameters"] == {"userName": "bob", "tags": [{"key": "a", "value": "b"}]}
    assert told["responseElements"] is None


def test_a_call_that_found_all_as_asked_is_a_success() -> None:
    """CloudTrail does not tell such calls from others."""
    assert "errorCode" not in attempt()
    assert "additionalEventData" not in attempt()


def test_repeated_attempts_are_one_record_that_counts_them() -> None:
    """The number stands where CloudTrail has what is special to a call."""
    told = attempt(code="NoSuchEntity", message="gone", type="AttemptsRepeated", repeated=41)

    assert list(told)[11:14] == ["responseElements", "additionalEventData", "requestID"]
    assert told["additionalEventData"] == {"repeated": 41}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("NoSuchEntity", "NoSuchEntityException"),
        ("EntityAlreadyExists", "EntityAlreadyExistsException"),
        ("UnmodifiableEntity", "UnmodifiableEntityException"),
        ("ReportNotPresent", "CredentialReportNotPresentException"),
        ("AccessDenied", "AccessDenied"),
        ("ValidationError", "ValidationError"),
    ],
)
def test_an_error_is_called_by_its_exception_if_the_model_has_one(code: str, name: str) -> None:
    """AccessDenied and the like are in no model, and are called what they are called on the wire."""
    assert exception_name(code) == name
