"""The storage format of events: one golden file per shape, never edited, decodable for ever.

A new event, or a new field (which needs a default), gets a golden file of its own; those that exist stay.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from iam.events import AnyEvent, Event
from iam.events.policies import (
    CatalogueInstalled,
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

GOLDEN = Path(__file__).parent / "golden"
CLASSES: tuple[type[Event], ...] = get_args(AnyEvent)
DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(AnyEvent)

AT = datetime(2026, 11, 3, 14, 3, 0, 123456, tzinfo=UTC)
ALICE = "AIDAQ3EGP6PLZ5QXWTE7A"
READS = "ANPAQ3EGP6PLV2OUBM4TN"
READS_ARN = "arn:aws:iam::123456789012:policy/team/reads"
ADMIN_ARN = "arn:aws:iam::aws:policy/AdministratorAccess"
DOCUMENT = '{"Version":"2012-10-17",\n "Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'

EVENTS: dict[str, Event] = {
    "CatalogueInstalled": CatalogueInstalled(release="2026-11-01", digest="ab" * 32, policies=1400, versions=9000),
    "DefaultPolicyVersionSet": DefaultPolicyVersionSet(policy_id=READS, policy_arn=READS_ARN, version_id="v2"),
    "PolicyCreated": PolicyCreated(
        policy_id=READS,
        policy_arn=READS_ARN,
        policy_name="reads",
        path="/team/",
        description="May look.",
        created_at=AT,
        policy_document=DOCUMENT,
        tags=(Tag("Team", "Zürich"), Tag("empty", "")),
    ),
    "PolicyCreated-bare": PolicyCreated(
        policy_id=READS,
        policy_arn=READS_ARN,
        policy_name="reads",
        path="/team/",
        created_at=AT,
        policy_document=DOCUMENT,
    ),
    "PolicyDeleted": PolicyDeleted(policy_id=READS, policy_arn=READS_ARN, policy_name="reads"),
    "PolicyTagged": PolicyTagged(policy_id=READS, policy_arn=READS_ARN, tags=(Tag("a", "1"), Tag("A", "2"))),
    "PolicyUntagged": PolicyUntagged(policy_id=READS, policy_arn=READS_ARN, tag_keys=("a", "A")),
    "PolicyVersionCreated": PolicyVersionCreated(
        policy_id=READS,
        policy_arn=READS_ARN,
        version_id="v2",
        created_at=AT,
        policy_document=DOCUMENT,
        set_as_default=True,
    ),
    "PolicyVersionCreated-bare": PolicyVersionCreated(
        policy_id=READS, policy_arn=READS_ARN, version_id="v2", created_at=AT, policy_document=DOCUMENT
    ),
    "PolicyVersionDeleted": PolicyVersionDeleted(policy_id=READS, policy_arn=READS_ARN, version_id="v1"),
    "UserCreated": UserCreated(
        user_id=ALICE,
        user_name="Alice",
        path="/div/",
        created_at=AT,
        tags=(Tag("Team", "Zürich"), Tag("empty", "")),
        permissions_boundary=ADMIN_ARN,
    ),
    "UserCreated-bare": UserCreated(user_id=ALICE, user_name="Alice", path="/", created_at=AT),
    "UserDeleted": UserDeleted(user_id=ALICE, user_name="Alice", permissions_boundary=ADMIN_ARN),
    "UserDeleted-bare": UserDeleted(user_id=ALICE, user_name="Alice"),
    "UserPermissionsBoundaryDeleted": UserPermissionsBoundaryDeleted(
        user_id=ALICE, user_name="Alice", permissions_boundary=ADMIN_ARN
    ),
    "UserPermissionsBoundaryPut": UserPermissionsBoundaryPut(
        user_id=ALICE,
        user_name="Alice",
        permissions_boundary=ADMIN_ARN,
        previous_permissions_boundary=READS_ARN,
    ),
    "UserPermissionsBoundaryPut-bare": UserPermissionsBoundaryPut(
        user_id=ALICE, user_name="Alice", permissions_boundary=ADMIN_ARN
    ),
    "UserPolicyAttached": UserPolicyAttached(
        user_id=ALICE, user_name="Alice", policy_arn=READS_ARN, policy_name="reads"
    ),
    "UserPolicyDeleted": UserPolicyDeleted(user_id=ALICE, user_name="Alice", policy_name="Own"),
    "UserPolicyDetached": UserPolicyDetached(user_id=ALICE, user_name="Alice", policy_arn=READS_ARN),
    "UserPolicyPut": UserPolicyPut(user_id=ALICE, user_name="Alice", policy_name="Own", policy_document=DOCUMENT),
    "UserTagged": UserTagged(user_id=ALICE, user_name="Alice", tags=(Tag("Team", "a"), Tag("empty", ""))),
    "UserUntagged": UserUntagged(user_id=ALICE, user_name="Alice", tag_keys=("team", "empty")),
    "UserUpdated": UserUpdated(
        user_id=ALICE,
        user_name="Lisa",
        path="/new/",
        previous_user_name="Alice",
        previous_path="/div/",
        created_at=AT,
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_golden_file_is_read_as_its_event(name: str) -> None:
    """What was written years ago still means the same."""
    assert DECODER.decode((GOLDEN / f"{name}.json").read_bytes()) == EVENTS[name]


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_written_as_its_golden_file(name: str) -> None:
    """To the byte, so that copies of a ledger made by different releases agree."""
    assert msgspec.json.encode(EVENTS[name]) + b"\n" == (GOLDEN / f"{name}.json").read_bytes()


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_golden_file_is_written_as_it_was_read(name: str) -> None:
    """Of whatever event: stored bytes are encoded the same again for ever."""
    stored = (GOLDEN / name).read_bytes()

    assert msgspec.json.encode(DECODER.decode(stored)) + b"\n" == stored


@pytest.mark.parametrize("event", CLASSES, ids=[event.__name__ for event in CLASSES])
def test_every_event_has_a_golden_file_with_all_its_fields(event: type[Event]) -> None:
    """And one without its optional ones, if it has any; the stored name is the class name of today."""
    files = [path for path in GOLDEN.iterdir() if path.stem.partition("-")[0] == event.__name__]
    stored = [msgspec.json.decode(path.read_bytes()) for path in files]
    required = ["type", *(field.name for field in msgspec.structs.fields(event) if field.required)]

    assert {each["type"] for each in stored} == {event.__name__}
    assert ["type", *event.__struct_fields__] in map(list, stored)
    assert set(required) in map(set, stored)


def test_the_union_has_every_event_class() -> None:
    """A class outside it could be recorded and never be read back."""
    assert set(CLASSES) == {event for event in Event.__subclasses__() if event.__module__.startswith("iam.events.")}


def test_an_unknown_event_is_refused_and_an_unknown_field_is_not() -> None:
    """An older program must not fold past what it does not know; a field it does not know has a default."""
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'UserPromoted'"):
        DECODER.decode(b'{"type":"UserPromoted","user_id":"AIDA1"}')

    newer = b'{"type":"UserDeleted","user_id":"AIDA1","user_name":"alice","reason":"left"}'
    assert DECODER.decode(newer) == UserDeleted(user_id="AIDA1", user_name="alice")
