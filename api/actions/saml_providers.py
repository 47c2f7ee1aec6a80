"""Actions on SAML providers."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Read, Reply, Secret, Write, under
from api.actions.members import tag
from iam.events.saml_providers import SAMLProviderCreated, SAMLProviderUpdated
from iam.saml_providers import (
    KEY_ID_PREFIX,
    CreateSAMLProvider,
    DeleteSAMLProvider,
    GetSAMLProvider,
    ListSAMLProviders,
    ListSAMLProviderTags,
    SAMLProvider,
    SAMLProviderDetails,
    TagSAMLProvider,
    UntagSAMLProvider,
    UpdateSAMLProvider,
    create_saml_provider,
    delete_saml_provider,
    get_saml_provider,
    list_saml_providers,
    update_saml_provider,
)
from iam.tags import list_thing_tags, tag_thing, untag_thing


def _listed(provider: SAMLProvider) -> Reply:
    return {"Arn": provider.arn, "ValidUntil": provider.valid_until, "CreateDate": provider.created_at}


def _details(found: SAMLProviderDetails) -> Reply:
    """All of it, also where there are no keys and no tags."""
    return {
        "SAMLProviderUUID": found.saml_provider_uuid,
        "SAMLMetadataDocument": found.saml_metadata_document,
        "CreateDate": found.provider.created_at,
        "ValidUntil": found.provider.valid_until,
        "Tags": [tag(each) for each in found.tags],
        "AssertionEncryptionMode": found.assertion_encryption_mode,
        "PrivateKeyList": [{"KeyId": key_id, "Timestamp": added_at} for key_id, added_at in found.private_keys],
    }


def _created(event: SAMLProviderCreated, account: str, partition: str) -> Reply:
    """With tags only if some were given, in their order."""
    return {"SAMLProviderArn": event.saml_provider_arn, "Tags": [tag(each) for each in event.tags] or None}


def _updated(event: SAMLProviderUpdated, account: str, partition: str) -> Reply:
    return {"SAMLProviderArn": event.saml_provider_arn}


_PRIVATE_KEY = Secret(KEY_ID_PREFIX, lambda parameters: parameters.get("add_private_key"))

ACTIONS: Mapping[str, Action] = {
    "CreateSAMLProvider": Write(CreateSAMLProvider, create_saml_provider, _created, _PRIVATE_KEY),
    "GetSAMLProvider": Read(GetSAMLProvider, get_saml_provider, _details),
    "ListSAMLProviders": Read(ListSAMLProviders, list_saml_providers, under("SAMLProviderList", _listed)),
    "UpdateSAMLProvider": Write(UpdateSAMLProvider, update_saml_provider, _updated, _PRIVATE_KEY),
    "DeleteSAMLProvider": Write(DeleteSAMLProvider, delete_saml_provider),
    "TagSAMLProvider": Write(TagSAMLProvider, tag_thing),
    "UntagSAMLProvider": Write(UntagSAMLProvider, untag_thing),
    "ListSAMLProviderTags": Listing(ListSAMLProviderTags, list_thing_tags, under("Tags", tag)),
}
