"""SAML providers: their metadata, encryption and private keys, their tags."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iam.commands import Command
from iam.errors import EntityAlreadyExists, IamError, InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from iam.events.saml_providers import (
    SAMLProviderCreated,
    SAMLProviderDeleted,
    SAMLProviderTagged,
    SAMLProviderUntagged,
    SAMLProviderUpdated,
)
from iam.quotas import Quotas
from iam.relations import Tag
from iam.saml_providers import (
    CreateSAMLProvider,
    DeleteSAMLProvider,
    GetSAMLProvider,
    ListSAMLProviders,
    TagSAMLProvider,
    UntagSAMLProvider,
    UpdateSAMLProvider,
    create_saml_provider,
    delete_saml_provider,
    get_saml_provider,
    list_saml_providers,
    update_saml_provider,
)
from iam.tags import tag_thing, untag_thing

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
METADATA = (
    '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com" '
    'validUntil="2020-01-01T00:00:00Z"><IDPSSODescriptor/></EntityDescriptor>'
)
ARN = "arn:aws:iam::123456789012:saml-provider/okta"
UNKNOWN = "arn:aws:iam::123456789012:saml-provider/Okta"
OKTA = CreateSAMLProvider(name="okta", saml_metadata_document=METADATA)
WITH_KEY = CreateSAMLProvider(name="okta", saml_metadata_document=METADATA, add_private_key="pem")
SECRET = CreateSAMLProvider(
    name="okta", saml_metadata_document=METADATA, add_private_key="pem", assertion_encryption_mode="Required"
)


def update(**asked: Any) -> UpdateSAMLProvider:
    return UpdateSAMLProvider(saml_provider_arn=ARN, **asked)


def later(moment: datetime) -> datetime:
    """A hundred years later."""
    return moment.replace(year=moment.year + 100)


def test_a_provider_is_created_with_all_it_was_given(given: Callable[..., Any]) -> None:
    """But the private key, of which there is only an id. It is valid for a century, whatever its metadata say."""
    tags = (Tag("b", "1"), Tag("B", ""))
    command = CreateSAMLProvider(
        name="okta",
        saml_metadata_document=METADATA,
        assertion_encryption_mode="Required",
        add_private_key="pem",
        tags=tags,
    )

    given().when(create_saml_provider, command).then(
        SAMLProviderCreated(
            saml_provider_arn=ARN,
            saml_provider_uuid="SAMLSP1",
            name="okta",
            created_at=NOW,
            valid_until=later(NOW),
            saml_metadata_document=METADATA,
            assertion_encryption_mode="Required",
            private_key_id="SAMLPK1",
            tags=tags,
        )
    )


@pytest.mark.parametrize(
    ("asked", "refusal", "message"),
    [
        ({"tags": (Tag("aws:a", ""),)}, InvalidInput, "Tag keys beginning with aws: are reserved for system use."),
        (
            {"assertion_encryption_mode": "Required", "saml_metadata_document": "<x/>"},
            ValidationError,
            "Unable to set assertion encryption mode to Required because no private key is provided.",
        ),
        ({"saml_metadata_document": "<x/>"}, InvalidInput, "Could not parse metadata"),
        ({}, EntityAlreadyExists, "Provider with name okta already exists."),
        ({"name": "Okta"}, LimitExceeded, "Cannot exceed quota for SAMLProvidersPerAccount: 1"),
    ],
    ids=["tags", "mode", "metadata", "taken", "quota"],
)
def test_refusals_of_creation_stand_in_their_order(
    given: Callable[..., Any], asked: dict[str, Any], refusal: type[IamError], message: str
) -> None:
    """What can be said without a look at the account comes first."""
    command = CreateSAMLProvider(**{"name": "okta", "saml_metadata_document": METADATA, **asked})

    given(OKTA, quotas=Quotas(saml_providers_per_account=1)).when(create_saml_provider, command).refused(
        refusal, message
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"saml_metadata_document": METADATA},
            {"saml_metadata_document": METADATA, "valid_until": later(NOW)},
        ),
        ({"assertion_encryption_mode": "Required"}, {"assertion_encryption_mode": "Required"}),
        ({"assertion_encryption_mode": "Allowed"}, {}),
        ({"add_private_key": "pem"}, {"added_private_key_id": "SAMLPK2"}),
        ({"remove_private_key": "SAMLPK1"}, {"removed_private_key_id": "SAMLPK1"}),
    ],
    ids=["metadata", "mode", "same mode", "new key", "no key"],
)
def test_a_provider_is_updated(given: Callable[..., Any], asked: dict[str, str], told: dict[str, Any]) -> None:
    """What is left out stays; metadata make it valid for another century, be they the same."""
    same: dict[str, Any] = {"valid_until": later(BEFORE), "assertion_encryption_mode": "Allowed"}

    given(WITH_KEY).when(update_saml_provider, update(**asked)).then(
        SAMLProviderUpdated(
            saml_provider_arn=ARN, saml_provider_uuid="SAMLSP1", created_at=BEFORE, updated_at=NOW, **{**same, **told}
        )
    )


@pytest.mark.parametrize(
    ("history", "command", "refusal", "message"),
    [
        (
            (),
            update(),
            ValidationError,
            "Unable to update identity provider. No updates are defined for metadata or encryption assertion.",
        ),
        (
            (),
            update(add_private_key="pem", remove_private_key="SAMLPK1"),
            ValidationError,
            "Unable to add and remove private keys in the same request. "
            "Set a value for only one of the two parameters.",
        ),
        (
            (),
            update(add_private_key="pem", saml_metadata_document="<x/>"),
            NoSuchEntity,
            f"Manifest not found for arn {ARN}",
        ),
        ((OKTA,), update(saml_metadata_document="<x/>"), InvalidInput, "Could not parse metadata"),
        (
            (OKTA,),
            update(assertion_encryption_mode="Required"),
            InvalidInput,
            "Failed to set assertion encryption mode to Required because no private key is present.",
        ),
        (
            (WITH_KEY, update(add_private_key="pem")),
            update(add_private_key="pem"),
            LimitExceeded,
            "Private key limit of 2 is reached.",
        ),
        ((WITH_KEY,), update(remove_private_key="SAMLPK2"), InvalidInput, "Failed to remove private key."),
        ((SECRET,), update(remove_private_key="SAMLPK1"), InvalidInput, "Failed to remove private key."),
    ],
    ids=["nothing", "both", "unknown", "metadata", "mode without key", "third key", "no such key", "key in need"],
)
def test_refusals_of_updates(
    given: Callable[..., Any], history: tuple[Command, ...], command: Command, refusal: type[IamError], message: str
) -> None:
    """A provider that requires encryption keeps a key."""
    given(*history).when(update_saml_provider, command).refused(refusal, message)


def test_a_key_may_come_with_the_need_for_it_and_go_with_it(given: Callable[..., Any]) -> None:
    """The mode that is asked for counts, not the one before."""
    required = update(assertion_encryption_mode="Required", add_private_key="pem")
    allowed = update(assertion_encryption_mode="Allowed", remove_private_key="SAMLPK1")

    assert get(given(OKTA, required, allowed)).private_keys == ()


def get(account: Any) -> Any:
    return get_saml_provider(account.account, GetSAMLProvider(saml_provider_arn=ARN))


def test_a_provider_is_shown_with_all_that_is_known_of_it(given: Callable[..., Any]) -> None:
    """Its keys oldest first, its tags in AWS's order. All are listed by ARN."""
    tagged = TagSAMLProvider(saml_provider_arn=ARN, tags=(Tag("z", "1"), Tag("A", "2")))
    other = CreateSAMLProvider(name="adfs", saml_metadata_document=METADATA)
    changed = METADATA.replace("idp", "other")
    account = given(WITH_KEY, update(add_private_key="pem"), tagged, other, update(saml_metadata_document=changed))
    found = get(account)

    assert (found.saml_provider_uuid, found.saml_metadata_document) == ("SAMLSP1", changed)
    assert (found.provider.created_at, found.provider.valid_until) == (BEFORE, later(BEFORE) + timedelta(minutes=4))
    assert found.private_keys == (("SAMLPK1", BEFORE), ("SAMLPK2", BEFORE + timedelta(minutes=1)))
    assert found.tags == (Tag("A", "2"), Tag("z", "1"))
    listed = list_saml_providers(account.account, ListSAMLProviders())
    assert [provider.arn for provider in listed] == [ARN.replace("okta", "adfs"), ARN]


def test_nothing_is_left_of_a_deleted_provider(given: Callable[..., Any], contents: Callable[..., Any]) -> None:
    """The event names the keys, so that they are forgotten."""
    tagged = TagSAMLProvider(saml_provider_arn=ARN, tags=(Tag("a", ""),))
    history = (WITH_KEY, update(add_private_key="pem"), tagged)
    command = DeleteSAMLProvider(saml_provider_arn=ARN)

    given(*history).when(delete_saml_provider, command).then(
        SAMLProviderDeleted(saml_provider_arn=ARN, saml_provider_uuid="SAMLSP1", private_key_ids=("SAMLPK1", "SAMLPK2"))
    )
    assert contents(given(*history, command).account) == {}


def test_tag_keys_that_differ_in_case_are_two(given: Callable[..., Any]) -> None:
    """In tagging and in untagging."""
    account = given(OKTA, TagSAMLProvider(saml_provider_arn=ARN, tags=(Tag("team", ""),)))

    account.when(tag_thing, TagSAMLProvider(saml_provider_arn=ARN, tags=(Tag("Team", ""),))).then(
        SAMLProviderTagged(saml_provider_arn=ARN, tags=(Tag("Team", ""),))
    )
    account.when(untag_thing, UntagSAMLProvider(saml_provider_arn=ARN, tag_keys=("TEAM", "team"))).then(
        SAMLProviderUntagged(saml_provider_arn=ARN, tag_keys=("team",))
    )


@pytest.mark.parametrize(
    "command",
    [
        DeleteSAMLProvider(saml_provider_arn=UNKNOWN),
        TagSAMLProvider(saml_provider_arn=UNKNOWN, tags=(Tag("a", ""),)),
        UntagSAMLProvider(saml_provider_arn=UNKNOWN, tag_keys=("a",)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_provider_that_is_not_there_is_not_found(given: Callable[..., Any], decisions: Any, command: Command) -> None:
    """ARNs do not ignore case."""
    given(OKTA).when(decisions[type(command)], command).refused(NoSuchEntity, f"Manifest not found for arn {UNKNOWN}")


def test_a_provider_made_on_a_leap_day_is_valid_for_a_century_too(
    given: Callable[..., Any], moment: Callable[..., Any]
) -> None:
    """Though 2100 has no such day."""
    leap_day = datetime(2000, 2, 29, 12, tzinfo=UTC)
    [event] = create_saml_provider(given().account, OKTA, moment(Counter(), leap_day))
    assert event.valid_until == datetime(2100, 2, 28, 12, tzinfo=UTC)  # type: ignore[attr-defined]
