"""SAML providers: whose assertions roles may trust."""

from datetime import datetime
from typing import Any

import msgspec

from iam import relations as r
from iam.arns import iam_arn
from iam.commands import Command, Moment, Query
from iam.errors import EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from iam.events import Event
from iam.events.saml_providers import (
    SAMLProviderCreated,
    SAMLProviderDeleted,
    SAMLProviderTagged,
    SAMLProviderUntagged,
    SAMLProviderUpdated,
)
from iam.saml_metadata import check_metadata
from iam.state import State, known
from iam.tags import ListThingTags, Tagged, TagThing, UntagThing, check_tag_keys, tags_of

NOUN = "saml-provider"
ID_PREFIX = "SAMLSP"
KEY_ID_PREFIX = "SAMLPK"
PRIVATE_KEYS_MAX = 2
YEARS_VALID = 100


class CreateSAMLProvider(Command, frozen=True, gc=False, kw_only=True):
    name: str
    saml_metadata_document: str
    assertion_encryption_mode: str = "Allowed"
    add_private_key: str | None = None
    tags: tuple[r.Tag, ...] = ()


class UpdateSAMLProvider(Command, frozen=True, gc=False, kw_only=True):
    saml_provider_arn: str
    saml_metadata_document: str | None = None
    assertion_encryption_mode: str | None = None
    add_private_key: str | None = None
    remove_private_key: str | None = None


class DeleteSAMLProvider(Command, frozen=True, gc=False, kw_only=True):
    saml_provider_arn: str


class GetSAMLProvider(Query, frozen=True, gc=False, kw_only=True):
    saml_provider_arn: str


class ListSAMLProviders(Query, frozen=True, gc=False, kw_only=True):
    pass


class SAMLProvider(msgspec.Struct, frozen=True, gc=False):
    """A provider at an instant, as it is listed."""

    arn: str
    created_at: datetime
    valid_until: datetime


class SAMLProviderDetails(msgspec.Struct, frozen=True, gc=False):
    """A provider at an instant with all that is known of it; private keys are an id and a time each, oldest first."""

    provider: SAMLProvider
    saml_provider_uuid: str
    saml_metadata_document: str
    assertion_encryption_mode: str
    private_keys: tuple[tuple[str, datetime], ...]
    tags: tuple[r.Tag, ...]


def _find(state: State, arn: str) -> r.SAMLProvider:
    provider = state.get(r.SAML_PROVIDERS, "", arn)
    if provider is None:
        raise NoSuchEntity(f"Manifest not found for arn {arn}")
    return provider


def _provider_of(state: State, asked: Any) -> str:
    _find(state, asked.saml_provider_arn)
    arn: str = asked.saml_provider_arn
    return arn


def _told(state: State, arn: str) -> dict[str, str]:
    return {"saml_provider_arn": arn}


TAGGED = Tagged(r.SAML_PROVIDER_TAGS, _provider_of, _told, SAMLProviderTagged, SAMLProviderUntagged, ignore_case=False)


class TagSAMLProvider(TagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    saml_provider_arn: str


class UntagSAMLProvider(UntagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    saml_provider_arn: str


class ListSAMLProviderTags(ListThingTags, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    saml_provider_arn: str


# Decisions


def create_saml_provider(state: State, command: CreateSAMLProvider, moment: Moment) -> list[Event]:
    """Let roles trust a provider. It is valid for a hundred years, whatever its metadata say."""
    check_tag_keys([tag.key for tag in command.tags], ignore_case=False)
    if command.assertion_encryption_mode == "Required" and command.add_private_key is None:
        raise ValidationError("Unable to set assertion encryption mode to Required because no private key is provided.")
    check_metadata(command.saml_metadata_document)
    arn = iam_arn(state.world.partition, state.account, NOUN, "/", command.name)
    if state.get(r.SAML_PROVIDERS, "", arn) is not None:
        raise EntityAlreadyExists(f"Provider with name {command.name} already exists.")
    if state.count(r.SAML_PROVIDERS, "") >= (quota := state.world.quotas.saml_providers_per_account):
        raise LimitExceeded(f"Cannot exceed quota for SAMLProvidersPerAccount: {quota}")
    return [
        SAMLProviderCreated(
            saml_provider_arn=arn,
            saml_provider_uuid=moment.new_id(ID_PREFIX),
            name=command.name,
            created_at=moment.at,
            valid_until=_in_a_century(moment.at),
            saml_metadata_document=command.saml_metadata_document,
            assertion_encryption_mode=command.assertion_encryption_mode,
            private_key_id=moment.new_id(KEY_ID_PREFIX) if command.add_private_key is not None else None,
            tags=command.tags,
        )
    ]


def update_saml_provider(state: State, command: UpdateSAMLProvider, moment: Moment) -> list[Event]:
    """Give a provider other metadata, which makes it valid for longer, another encryption mode or private key.

    An event even where all is the same: it holds the answer.
    """
    asked = (
        command.saml_metadata_document,
        command.assertion_encryption_mode,
        command.add_private_key,
        command.remove_private_key,
    )
    if asked == (None,) * 4:
        raise ValidationError(
            "Unable to update identity provider. No updates are defined for metadata or encryption assertion."
        )
    if command.add_private_key is not None and command.remove_private_key is not None:
        raise ValidationError(
            "Unable to add and remove private keys in the same request. Set a value for only one of the two parameters."
        )
    arn = command.saml_provider_arn
    provider = _find(state, arn)
    if command.saml_metadata_document is not None:
        check_metadata(command.saml_metadata_document)
    mode = command.assertion_encryption_mode or provider.assertion_encryption_mode
    _check_keys(state, command, mode)
    renewed = command.saml_metadata_document is not None
    return [
        SAMLProviderUpdated(
            saml_provider_arn=arn,
            saml_provider_uuid=provider.saml_provider_uuid,
            created_at=provider.created_at,
            updated_at=moment.at,
            valid_until=_in_a_century(moment.at) if renewed else provider.valid_until,
            assertion_encryption_mode=mode,
            saml_metadata_document=command.saml_metadata_document,
            added_private_key_id=moment.new_id(KEY_ID_PREFIX) if command.add_private_key is not None else None,
            removed_private_key_id=command.remove_private_key,
        )
    ]


def _check_keys(state: State, command: UpdateSAMLProvider, mode: str) -> None:
    """A provider has two private keys at most, and one at least where encryption is required."""
    keys = state.members(r.SAML_PRIVATE_KEYS, command.saml_provider_arn)
    if command.add_private_key is not None and len(keys) >= PRIVATE_KEYS_MAX:
        raise LimitExceeded(f"Private key limit of {PRIVATE_KEYS_MAX} is reached.")
    if command.remove_private_key is not None and (
        command.remove_private_key not in keys or (mode == "Required" and len(keys) == 1)
    ):
        raise InvalidInput("Failed to remove private key.")
    if mode == "Required" and not keys and command.add_private_key is None:
        raise InvalidInput("Failed to set assertion encryption mode to Required because no private key is present.")


def delete_saml_provider(state: State, command: DeleteSAMLProvider, moment: Moment) -> list[Event]:
    """Delete a provider. Roles that trust it go on naming it in vain."""
    provider = _find(state, command.saml_provider_arn)
    return [
        SAMLProviderDeleted(
            saml_provider_arn=command.saml_provider_arn,
            saml_provider_uuid=provider.saml_provider_uuid,
            private_key_ids=tuple(sorted(state.members(r.SAML_PRIVATE_KEYS, command.saml_provider_arn))),
        )
    ]


def _in_a_century(at: datetime) -> datetime:
    day = min(at.day, 28) if at.month == 2 else at.day  # not every hundredth year has a 29th of February
    return at.replace(year=at.year + YEARS_VALID, day=day)


# Reads


def get_saml_provider(state: State, query: GetSAMLProvider) -> SAMLProviderDetails:
    """One provider."""
    arn = query.saml_provider_arn
    provider = _find(state, arn)
    keys = ((key.added_at, key_id) for key_id, key in state.members(r.SAML_PRIVATE_KEYS, arn).items())
    return SAMLProviderDetails(
        _listed(arn, provider),
        provider.saml_provider_uuid,
        known(state, r.SAML_METADATA, arn).document,
        provider.assertion_encryption_mode,
        tuple((key_id, added_at) for added_at, key_id in sorted(keys)),
        tags_of(state, r.SAML_PROVIDER_TAGS, arn),
    )


def list_saml_providers(state: State, query: ListSAMLProviders) -> list[SAMLProvider]:
    """All providers, by ARN."""
    return [_listed(arn, provider) for arn, provider in state.scan(r.SAML_PROVIDERS, "")]


def _listed(arn: str, provider: r.SAMLProvider) -> SAMLProvider:
    return SAMLProvider(arn, provider.created_at, provider.valid_until)
