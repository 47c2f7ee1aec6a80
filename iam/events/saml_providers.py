"""What can happen to SAML providers. Private keys are never told, only the ids under which they are kept."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, Tag, begin, end, end_all, put


class SAMLProviderCreated(Event, frozen=True, gc=False, kw_only=True, tag="SAMLProviderCreated"):
    """Users who sign in with this provider can be trusted by roles. A private key is as old as the provider."""

    saml_provider_arn: str
    saml_provider_uuid: str
    name: str
    created_at: datetime
    valid_until: datetime
    saml_metadata_document: str
    assertion_encryption_mode: str
    private_key_id: str | None = None
    tags: tuple[Tag, ...] = ()

    def changes(self) -> Iterator[Change]:
        arn = self.saml_provider_arn
        provider = r.SAMLProvider(
            self.saml_provider_uuid, self.created_at, self.valid_until, self.assertion_encryption_mode
        )
        yield begin(r.SAML_PROVIDERS, "", arn, provider)
        yield begin(r.SAML_METADATA, arn, "", r.SAMLMetadata(self.saml_metadata_document))
        if self.private_key_id is not None:
            yield begin(r.SAML_PRIVATE_KEYS, arn, self.private_key_id, r.SAMLPrivateKey(self.created_at))
            yield begin(r.SECRETS, "", self.private_key_id, arn)
        for tag in self.tags:
            yield begin(r.SAML_PROVIDER_TAGS, arn, tag.key, tag)


class SAMLProviderUpdated(Event, frozen=True, gc=False, kw_only=True, tag="SAMLProviderUpdated"):
    """The provider has another metadata document, encryption mode or private key; what is not told here is as before.

    The mode and the two dates are told always, and are those from now on.
    """

    saml_provider_arn: str
    saml_provider_uuid: str
    created_at: datetime
    updated_at: datetime
    valid_until: datetime
    assertion_encryption_mode: str
    saml_metadata_document: str | None = None
    added_private_key_id: str | None = None
    removed_private_key_id: str | None = None

    def changes(self) -> Iterator[Change]:
        arn = self.saml_provider_arn
        provider = r.SAMLProvider(
            self.saml_provider_uuid, self.created_at, self.valid_until, self.assertion_encryption_mode
        )
        yield put(r.SAML_PROVIDERS, "", arn, provider)
        if self.saml_metadata_document is not None:
            yield put(r.SAML_METADATA, arn, "", r.SAMLMetadata(self.saml_metadata_document))
        if self.added_private_key_id is not None:
            yield begin(r.SAML_PRIVATE_KEYS, arn, self.added_private_key_id, r.SAMLPrivateKey(self.updated_at))
            yield begin(r.SECRETS, "", self.added_private_key_id, arn)
        if self.removed_private_key_id is not None:
            yield end(r.SAML_PRIVATE_KEYS, arn, self.removed_private_key_id)
            yield end(r.SECRETS, "", self.removed_private_key_id)


class SAMLProviderDeleted(Event, frozen=True, gc=False, kw_only=True, tag="SAMLProviderDeleted"):
    """The provider is no more, and with it its metadata, its private keys and its tags."""

    saml_provider_arn: str
    saml_provider_uuid: str
    private_key_ids: tuple[str, ...] = ()

    def changes(self) -> Iterator[Change]:
        yield end(r.SAML_PROVIDERS, "", self.saml_provider_arn)
        yield end(r.SAML_METADATA, self.saml_provider_arn)
        yield end_all(r.SAML_PRIVATE_KEYS, self.saml_provider_arn)
        yield end_all(r.SAML_PROVIDER_TAGS, self.saml_provider_arn)
        for key_id in self.private_key_ids:
            yield end(r.SECRETS, "", key_id)


class SAMLProviderTagged(Event, frozen=True, gc=False, kw_only=True, tag="SAMLProviderTagged"):
    """The provider has these tags."""

    saml_provider_arn: str
    tags: tuple[Tag, ...]

    def changes(self) -> Iterator[Change]:
        for tag in self.tags:
            yield put(r.SAML_PROVIDER_TAGS, self.saml_provider_arn, tag.key, tag)


class SAMLProviderUntagged(Event, frozen=True, gc=False, kw_only=True, tag="SAMLProviderUntagged"):
    """The provider does not have tags of these keys any more."""

    saml_provider_arn: str
    tag_keys: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        for key in self.tag_keys:
            yield end(r.SAML_PROVIDER_TAGS, self.saml_provider_arn, key)


SAMLProviderEvent = (
    SAMLProviderCreated | SAMLProviderUpdated | SAMLProviderDeleted | SAMLProviderTagged | SAMLProviderUntagged
)
