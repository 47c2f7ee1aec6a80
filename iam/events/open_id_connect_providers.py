"""What can happen to OpenID Connect providers."""

from collections.abc import Iterator
from datetime import datetime

from iam import relations as r
from iam.events.event import Event
from iam.relations import Change, Tag, begin, end, end_all, put


class OpenIDConnectProviderCreated(Event, frozen=True, gc=False, kw_only=True, tag="OpenIDConnectProviderCreated"):
    """Users who sign in with this provider can be trusted by roles. The URL is told without https://."""

    open_id_connect_provider_arn: str
    url: str
    created_at: datetime
    client_id_list: tuple[str, ...] = ()
    thumbprint_list: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()

    def changes(self) -> Iterator[Change]:
        arn = self.open_id_connect_provider_arn
        yield begin(r.OIDC_PROVIDERS, "", arn, r.OpenIDConnectProvider(self.url, self.created_at))
        yield begin(r.OIDC_THUMBPRINTS, arn, "", r.Thumbprints(self.thumbprint_list))
        for place, client_id in enumerate(self.client_id_list, 1):
            yield begin(r.OIDC_CLIENT_IDS, arn, client_id, place)
        for tag in self.tags:
            yield begin(r.OIDC_PROVIDER_TAGS, arn, tag.key, tag)


class OpenIDConnectProviderDeleted(Event, frozen=True, gc=False, kw_only=True, tag="OpenIDConnectProviderDeleted"):
    """The provider is no more, and with it its client ids, thumbprints and tags."""

    open_id_connect_provider_arn: str

    def changes(self) -> Iterator[Change]:
        yield end(r.OIDC_PROVIDERS, "", self.open_id_connect_provider_arn)
        yield end(r.OIDC_THUMBPRINTS, self.open_id_connect_provider_arn)
        yield end_all(r.OIDC_CLIENT_IDS, self.open_id_connect_provider_arn)
        yield end_all(r.OIDC_PROVIDER_TAGS, self.open_id_connect_provider_arn)


class ClientIDAddedToOpenIDConnectProvider(
    Event, frozen=True, gc=False, kw_only=True, tag="ClientIDAddedToOpenIDConnectProvider"
):
    """The provider signs in users of this client too, which stands last in the order of all."""

    open_id_connect_provider_arn: str
    client_id: str
    place: int

    def changes(self) -> Iterator[Change]:
        yield begin(r.OIDC_CLIENT_IDS, self.open_id_connect_provider_arn, self.client_id, self.place)


class ClientIDRemovedFromOpenIDConnectProvider(
    Event, frozen=True, gc=False, kw_only=True, tag="ClientIDRemovedFromOpenIDConnectProvider"
):
    """The provider does not sign in users of this client any more."""

    open_id_connect_provider_arn: str
    client_id: str

    def changes(self) -> Iterator[Change]:
        yield end(r.OIDC_CLIENT_IDS, self.open_id_connect_provider_arn, self.client_id)


class OpenIDConnectProviderThumbprintUpdated(
    Event, frozen=True, gc=False, kw_only=True, tag="OpenIDConnectProviderThumbprintUpdated"
):
    """The provider is known by the certificates with these thumbprints, and by no others."""

    open_id_connect_provider_arn: str
    thumbprint_list: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        yield put(r.OIDC_THUMBPRINTS, self.open_id_connect_provider_arn, "", r.Thumbprints(self.thumbprint_list))


class OpenIDConnectProviderTagged(Event, frozen=True, gc=False, kw_only=True, tag="OpenIDConnectProviderTagged"):
    """The provider has these tags."""

    open_id_connect_provider_arn: str
    tags: tuple[Tag, ...]

    def changes(self) -> Iterator[Change]:
        for tag in self.tags:
            yield put(r.OIDC_PROVIDER_TAGS, self.open_id_connect_provider_arn, tag.key, tag)


class OpenIDConnectProviderUntagged(Event, frozen=True, gc=False, kw_only=True, tag="OpenIDConnectProviderUntagged"):
    """The provider does not have tags of these keys any more."""

    open_id_connect_provider_arn: str
    tag_keys: tuple[str, ...]

    def changes(self) -> Iterator[Change]:
        for key in self.tag_keys:
            yield end(r.OIDC_PROVIDER_TAGS, self.open_id_connect_provider_arn, key)


OpenIDConnectProviderEvent = (
    OpenIDConnectProviderCreated
    | OpenIDConnectProviderDeleted
    | ClientIDAddedToOpenIDConnectProvider
    | ClientIDRemovedFromOpenIDConnectProvider
    | OpenIDConnectProviderThumbprintUpdated
    | OpenIDConnectProviderTagged
    | OpenIDConnectProviderUntagged
)
