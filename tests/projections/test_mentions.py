"""Whatever a record names, it is found by."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventstore.memory import MemoryLog
from eventstore.record import Attempt
from iam.events import AnyEvent
from iam.events.server_certificates import ServerCertificateDeleted, ServerCertificateUpdated, ServerCertificateUploaded
from projections.audit import EventQuery, find_events
from projections.store import Projections
from projections.tables import Checkpoint

GOLDEN = sorted((Path(__file__).parents[1] / "iam" / "golden").glob("*.json"))
FILTERS = {  # by the field of an event
    "user_id": "user",
    "group_id": "group",
    "role_id": "role",
    "instance_profile_id": "instance_profile",
    "policy_arn": "policy",
    "permissions_boundary": "policy",
    "previous_permissions_boundary": "policy",
    "access_key_id": "resource",
    "service_specific_credential_id": "resource",
    "serial_number": "resource",
    "certificate_id": "resource",
    "ssh_public_key_id": "resource",
    "server_certificate_id": "resource",
    "saml_provider_arn": "resource",
    "open_id_connect_provider_arn": "resource",
}
ASKED = {  # by the parameter of a call
    "user_name": "user",
    "new_user_name": "user",
    "group_name": "group",
    "new_group_name": "group",
    "role_name": "role",
    "instance_profile_name": "instance_profile",
    "policy_arn": "policy",
    "permissions_boundary": "policy",
    "access_key_id": "resource",
    "service_specific_credential_id": "resource",
    "serial_number": "resource",
    "certificate_id": "resource",
    "ssh_public_key_id": "resource",
    "server_certificate_name": "resource",
    "new_server_certificate_name": "resource",
    "saml_provider_arn": "resource",
    "open_id_connect_provider_arn": "resource",
}
OF_THE_ACCOUNT = {
    "AccountAliasCreated",
    "AccountAliasDeleted",
    "AccountPasswordPolicyDeleted",
    "AccountPasswordPolicyUpdated",
    "AccountPropertyPut",
    "CatalogueInstalled",
    "OrganizationsFeaturesSet",
    "OutboundWebIdentityFederationDisabled",
    "OutboundWebIdentityFederationEnabled",
    "SecurityTokenServicePreferencesSet",
}
"""Events about the account as a whole: their type says it all."""


async def found(projections: Projections, ledger: Any, query: EventQuery) -> list[int]:
    """The positions of the records that meet a query."""
    log = MemoryLog()
    await log.append(ledger.rows)
    page = await find_events(log, projections, ledger.account, query, None, limit=100)
    return [row.position for row in page.rows]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
async def test_an_event_is_found_by_what_it_names(ledger: Any, projections: Projections, golden: Path) -> None:
    """By the one that it belongs to, and by its own id, serial number or ARN."""
    event: AnyEvent = msgspec.json.decode(golden.read_bytes(), type=AnyEvent)
    ledger.add(event)
    await projections.write(ledger.records, {ledger.account: Checkpoint(1, "")})
    named = {field: name for field in FILTERS if (name := getattr(event, field, None))}

    assert named or type(event).__name__ in OF_THE_ACCOUNT
    for field, name in named.items():
        assert await found(projections, ledger, EventQuery(**{FILTERS[field]: name})) == [1], field
        assert await found(projections, ledger, EventQuery(**{FILTERS[field]: f"{name}x"})) == [], field


@pytest.mark.parametrize("parameter", ASKED)
async def test_an_attempt_is_found_by_what_it_gave(ledger: Any, projections: Projections, parameter: str) -> None:
    """Nothing of that name may ever have been there."""
    ledger.add(attempt=Attempt(parameters={parameter: "arn:Of/Mine"}, code="NoSuchEntity", message=""))
    await projections.write(ledger.records, {ledger.account: Checkpoint(1, "")})

    assert await found(projections, ledger, EventQuery(**{ASKED[parameter]: "arn:Of/Mine"})) == [1]
    assert await found(projections, ledger, EventQuery(**{ASKED[parameter]: "arn:Of/Yours"})) == []


async def test_a_server_certificate_is_found_by_every_name_it_bore(
    ledger: Any, projections: Projections, now: Any
) -> None:
    """A name means all that ever bore it, in whatever case, and what was asked of it in vain."""
    site = {"server_certificate_id": "ASCA1"}
    names = {"server_certificate_name": "Shop", "previous_server_certificate_name": "web"}
    ledger.add(
        ServerCertificateUploaded(
            **site, server_certificate_name="web", path="/", uploaded_at=now, expires_at=now, certificate_body="-"
        )
    )
    ledger.add(attempt=Attempt(parameters={"server_certificate_name": "WEB"}, code="DeleteConflict", message=""))
    ledger.add(ServerCertificateUpdated(**site, **names, path="/", previous_path="/", uploaded_at=now, expires_at=now))
    ledger.add(ServerCertificateDeleted(**site, server_certificate_name="Shop"))
    await projections.write(ledger.records, {ledger.account: Checkpoint(4, "")})

    assert await found(projections, ledger, EventQuery(resource="Web")) == [1, 2, 3, 4]
    assert await found(projections, ledger, EventQuery(resource="shop")) == [1, 3, 4]
    assert await found(projections, ledger, EventQuery(resource="ASCA1")) == [1, 3, 4]
    assert await found(projections, ledger, EventQuery(resource="mail")) == []
