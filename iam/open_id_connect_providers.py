"""OpenID Connect providers: whose tokens roles may trust."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from iam import relations as r
from iam.arns import iam_arn
from iam.commands import Command, Moment, Query
from iam.errors import EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from iam.events import Event
from iam.events.open_id_connect_providers import (
    ClientIDAddedToOpenIDConnectProvider,
    ClientIDRemovedFromOpenIDConnectProvider,
    OpenIDConnectProviderCreated,
    OpenIDConnectProviderDeleted,
    OpenIDConnectProviderTagged,
    OpenIDConnectProviderThumbprintUpdated,
    OpenIDConnectProviderUntagged,
)
from iam.state import State, known
from iam.tags import ListThingTags, Tagged, TagThing, UntagThing, check_tag_keys, tags_of

NOUN = "oidc-provider"
THUMBPRINTS_MAX = 5
PORT = "443"

_WRONG_URL = "Invalid Open ID Connect Provider URL"
_URL = re.compile(  # of printable ASCII only
    r"(?=[!-~]*\Z)(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^/?#@]*@)?(?P<host>[^/?#:@\[\]]+)"
    r"(:(?P<port>[0-9]*))?(?P<path>(/[^?#]*)?)(?P<rest>([?#].*)?)"
)
_HOST = re.compile(r"[A-Za-z0-9.-]+")


class CreateOpenIDConnectProvider(Command, frozen=True, gc=False, kw_only=True):
    url: str
    client_id_list: tuple[str, ...] = ()
    thumbprint_list: tuple[str, ...] = ()
    tags: tuple[r.Tag, ...] = ()


class DeleteOpenIDConnectProvider(Command, frozen=True, gc=False, kw_only=True):
    open_id_connect_provider_arn: str


class AddClientIDToOpenIDConnectProvider(Command, frozen=True, gc=False, kw_only=True):
    open_id_connect_provider_arn: str
    client_id: str


class RemoveClientIDFromOpenIDConnectProvider(Command, frozen=True, gc=False, kw_only=True):
    open_id_connect_provider_arn: str
    client_id: str


class UpdateOpenIDConnectProviderThumbprint(Command, frozen=True, gc=False, kw_only=True):
    open_id_connect_provider_arn: str
    thumbprint_list: tuple[str, ...]


class GetOpenIDConnectProvider(Query, frozen=True, gc=False, kw_only=True):
    open_id_connect_provider_arn: str


class ListOpenIDConnectProviders(Query, frozen=True, gc=False, kw_only=True):
    pass


class OpenIDConnectProvider(msgspec.Struct, frozen=True, gc=False):
    """A provider at an instant; its client ids in the order in which they came."""

    url: str
    created_at: datetime
    client_id_list: tuple[str, ...]
    thumbprint_list: tuple[str, ...]
    tags: tuple[r.Tag, ...]


def _find(state: State, arn: str) -> r.OpenIDConnectProvider:
    provider = state.get(r.OIDC_PROVIDERS, "", arn)
    if provider is None:
        raise NoSuchEntity(f"OpenIDConnect Provider not found for arn {arn}")
    return provider


def _provider_of(state: State, asked: Any) -> str:
    _find(state, asked.open_id_connect_provider_arn)
    arn: str = asked.open_id_connect_provider_arn
    return arn


def _told(state: State, arn: str) -> dict[str, str]:
    return {"open_id_connect_provider_arn": arn}


TAGGED = Tagged(
    r.OIDC_PROVIDER_TAGS,
    _provider_of,
    _told,
    OpenIDConnectProviderTagged,
    OpenIDConnectProviderUntagged,
    ignore_case=False,
)


class TagOpenIDConnectProvider(TagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    open_id_connect_provider_arn: str


class UntagOpenIDConnectProvider(UntagThing, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    open_id_connect_provider_arn: str


class ListOpenIDConnectProviderTags(ListThingTags, frozen=True, gc=False, kw_only=True):
    tagged = TAGGED
    open_id_connect_provider_arn: str


# Decisions


def create_open_id_connect_provider(state: State, command: CreateOpenIDConnectProvider, moment: Moment) -> list[Event]:
    """Let roles trust a provider. AWS would ask it for its thumbprint where none is given; here it has none then.

    Upper and lower case, and a slash at the end, make another provider.
    """
    check_tag_keys([tag.key for tag in command.tags], ignore_case=False)
    issuer, secure = _read_url(command.url)
    _check_thumbprints(command.thumbprint_list)
    quotas = state.world.quotas
    client_ids = tuple(dict.fromkeys(command.client_id_list))
    if len(client_ids) > quotas.client_ids_per_open_id_connect_provider:
        raise _too_many_client_ids(state)
    if not secure:
        raise InvalidInput(f"{_WRONG_URL}. The URL must begin with https://.")
    arn = iam_arn(state.world.partition, state.account, NOUN, "/", issuer)
    if state.get(r.OIDC_PROVIDERS, "", arn) is not None:
        raise EntityAlreadyExists(f"Provider with url {command.url} already exists.")
    if state.count(r.OIDC_PROVIDERS, "") >= (quota := quotas.open_id_connect_providers_per_account):
        raise LimitExceeded(f"Cannot exceed quota for OpenIdConnectProvidersPerAccount: {quota}")
    return [
        OpenIDConnectProviderCreated(
            open_id_connect_provider_arn=arn,
            url=issuer,
            created_at=moment.at,
            client_id_list=client_ids,
            thumbprint_list=tuple(thumbprint.lower() for thumbprint in command.thumbprint_list),
            tags=command.tags,
        )
    ]


def delete_open_id_connect_provider(state: State, command: DeleteOpenIDConnectProvider, moment: Moment) -> list[Event]:
    """Delete a provider. Roles that trust it go on naming it in vain. AWS has words of its own for an unknown one."""
    arn = command.open_id_connect_provider_arn
    if state.get(r.OIDC_PROVIDERS, "", arn) is None:
        raise NoSuchEntity(f"OpenId connect Provider {arn} cannot be found.")
    return [OpenIDConnectProviderDeleted(open_id_connect_provider_arn=arn)]


def add_client_id(state: State, command: AddClientIDToOpenIDConnectProvider, moment: Moment) -> list[Event]:
    """Let the provider sign in users of a client. Adding one again is fine and changes nothing."""
    arn = _provider_of(state, command)
    client_ids = state.members(r.OIDC_CLIENT_IDS, arn)
    if command.client_id in client_ids:
        return []
    if len(client_ids) >= state.world.quotas.client_ids_per_open_id_connect_provider:
        raise _too_many_client_ids(state)
    place = max(client_ids.values(), default=0) + 1
    return [
        ClientIDAddedToOpenIDConnectProvider(open_id_connect_provider_arn=arn, client_id=command.client_id, place=place)
    ]


def remove_client_id(state: State, command: RemoveClientIDFromOpenIDConnectProvider, moment: Moment) -> list[Event]:
    """Let the provider not sign in users of a client any more. That it is not there is no error."""
    arn = _provider_of(state, command)
    if state.get(r.OIDC_CLIENT_IDS, arn, command.client_id) is None:
        return []
    return [ClientIDRemovedFromOpenIDConnectProvider(open_id_connect_provider_arn=arn, client_id=command.client_id)]


def update_thumbprint(state: State, command: UpdateOpenIDConnectProviderThumbprint, moment: Moment) -> list[Event]:
    """Replace all thumbprints."""
    if not command.thumbprint_list:
        raise InvalidInput("Thumbprint list must contain at least one entry.")
    _check_thumbprints(command.thumbprint_list)
    arn = _provider_of(state, command)
    thumbprints = tuple(thumbprint.lower() for thumbprint in command.thumbprint_list)
    if known(state, r.OIDC_THUMBPRINTS, arn).thumbprint_list == thumbprints:
        return []
    return [OpenIDConnectProviderThumbprintUpdated(open_id_connect_provider_arn=arn, thumbprint_list=thumbprints)]


def _read_url(url: str) -> tuple[str, bool]:
    """The issuer, which is the URL without its scheme and the usual port, and whether the scheme is https.

    Raises ValidationError for what is no URL with a scheme and a host, and InvalidInput for one that has more than a
    host and a path, or no host's name.
    """
    parts = _URL.fullmatch(url)
    if parts is None:
        raise ValidationError(_WRONG_URL)
    if parts["user"] or parts["port"] not in (None, PORT) or parts["rest"] or not _HOST.fullmatch(parts["host"]):
        raise InvalidInput(f"{_WRONG_URL}.")
    return parts["host"] + parts["path"], parts["scheme"].lower() == "https"


def _check_thumbprints(thumbprints: Sequence[str]) -> None:
    if len(thumbprints) > THUMBPRINTS_MAX:
        raise InvalidInput(f"Thumbprint list must contain fewer than {THUMBPRINTS_MAX} entries.")


def _too_many_client_ids(state: State) -> LimitExceeded:
    quota = state.world.quotas.client_ids_per_open_id_connect_provider
    return LimitExceeded(f"Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {quota}")


# Reads


def get_open_id_connect_provider(state: State, query: GetOpenIDConnectProvider) -> OpenIDConnectProvider:
    """One provider."""
    arn = query.open_id_connect_provider_arn
    provider = _find(state, arn)
    places = state.members(r.OIDC_CLIENT_IDS, arn)
    return OpenIDConnectProvider(
        provider.url,
        provider.created_at,
        tuple(sorted(places, key=places.__getitem__)),
        known(state, r.OIDC_THUMBPRINTS, arn).thumbprint_list,
        tags_of(state, r.OIDC_PROVIDER_TAGS, arn),
    )


def list_open_id_connect_providers(state: State, query: ListOpenIDConnectProviders) -> list[str]:
    """The ARNs of all providers, ordered."""
    return [arn for arn, _ in state.scan(r.OIDC_PROVIDERS, "")]
