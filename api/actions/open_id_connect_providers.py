"""Actions on OpenID Connect providers."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Read, Reply, Write, under
from api.actions.members import tag
from iam.events.open_id_connect_providers import OpenIDConnectProviderCreated
from iam.open_id_connect_providers import (
    AddClientIDToOpenIDConnectProvider,
    CreateOpenIDConnectProvider,
    DeleteOpenIDConnectProvider,
    GetOpenIDConnectProvider,
    ListOpenIDConnectProviders,
    ListOpenIDConnectProviderTags,
    OpenIDConnectProvider,
    RemoveClientIDFromOpenIDConnectProvider,
    TagOpenIDConnectProvider,
    UntagOpenIDConnectProvider,
    UpdateOpenIDConnectProviderThumbprint,
    add_client_id,
    create_open_id_connect_provider,
    delete_open_id_connect_provider,
    get_open_id_connect_provider,
    list_open_id_connect_providers,
    remove_client_id,
    update_thumbprint,
)
from iam.tags import list_thing_tags, tag_thing, untag_thing


def _provider(provider: OpenIDConnectProvider) -> Reply:
    """With all lists, also empty ones."""
    return {
        "Url": provider.url,
        "ClientIDList": provider.client_id_list,
        "ThumbprintList": provider.thumbprint_list,
        "CreateDate": provider.created_at,
        "Tags": [tag(each) for each in provider.tags],
    }


def _created(event: OpenIDConnectProviderCreated, account: str, partition: str) -> Reply:
    """With tags only if some were given, in their order."""
    tags = [tag(each) for each in event.tags] or None
    return {"OpenIDConnectProviderArn": event.open_id_connect_provider_arn, "Tags": tags}


ACTIONS: Mapping[str, Action] = {
    "CreateOpenIDConnectProvider": Write(CreateOpenIDConnectProvider, create_open_id_connect_provider, _created),
    "GetOpenIDConnectProvider": Read(GetOpenIDConnectProvider, get_open_id_connect_provider, _provider),
    "ListOpenIDConnectProviders": Read(
        ListOpenIDConnectProviders,
        list_open_id_connect_providers,
        under("OpenIDConnectProviderList", lambda arn: {"Arn": arn}),
    ),
    "DeleteOpenIDConnectProvider": Write(DeleteOpenIDConnectProvider, delete_open_id_connect_provider),
    "AddClientIDToOpenIDConnectProvider": Write(AddClientIDToOpenIDConnectProvider, add_client_id),
    "RemoveClientIDFromOpenIDConnectProvider": Write(RemoveClientIDFromOpenIDConnectProvider, remove_client_id),
    "UpdateOpenIDConnectProviderThumbprint": Write(UpdateOpenIDConnectProviderThumbprint, update_thumbprint),
    "TagOpenIDConnectProvider": Write(TagOpenIDConnectProvider, tag_thing),
    "UntagOpenIDConnectProvider": Write(UntagOpenIDConnectProvider, untag_thing),
    "ListOpenIDConnectProviderTags": Listing(ListOpenIDConnectProviderTags, list_thing_tags, under("Tags", tag)),
}
