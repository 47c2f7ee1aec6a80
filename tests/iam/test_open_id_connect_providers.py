"""OpenID Connect providers: their URLs, client ids, thumbprints and tags."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iam.commands import Command
from iam.errors import EntityAlreadyExists, IamError, InvalidInput, LimitExceeded, NoSuchEntity, ValidationError
from iam.events.open_id_connect_providers import (
    ClientIDAddedToOpenIDConnectProvider,
    ClientIDRemovedFromOpenIDConnectProvider,
    OpenIDConnectProviderCreated,
    OpenIDConnectProviderDeleted,
    OpenIDConnectProviderTagged,
    OpenIDConnectProviderThumbprintUpdated,
    OpenIDConnectProviderUntagged,
)
from iam.open_id_connect_providers import (
    AddClientIDToOpenIDConnectProvider,
    CreateOpenIDConnectProvider,
    DeleteOpenIDConnectProvider,
    GetOpenIDConnectProvider,
    ListOpenIDConnectProviders,
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
from iam.quotas import Quotas
from iam.relations import Tag
from iam.tags import tag_thing, untag_thing

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
URL = "https://idp.example.com/Realm"
ARN = "arn:aws:iam::123456789012:oidc-provider/idp.example.com/Realm"
UNKNOWN = "arn:aws:iam::123456789012:oidc-provider/idp.example.com"
IDP = CreateOpenIDConnectProvider(
    url=URL, client_id_list=("web", "app"), thumbprint_list=("A" * 40,), tags=(Tag("z", ""), Tag("a", ""))
)
WRONG = "Invalid Open ID Connect Provider URL"
SIX = ("a" * 40,) * 6
TOO_MANY_CLIENTS = "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 2"


def add(client_id: str) -> AddClientIDToOpenIDConnectProvider:
    return AddClientIDToOpenIDConnectProvider(open_id_connect_provider_arn=ARN, client_id=client_id)


def remove(client_id: str) -> RemoveClientIDFromOpenIDConnectProvider:
    return RemoveClientIDFromOpenIDConnectProvider(open_id_connect_provider_arn=ARN, client_id=client_id)


def thumbprints(*given: str) -> UpdateOpenIDConnectProviderThumbprint:
    return UpdateOpenIDConnectProviderThumbprint(open_id_connect_provider_arn=ARN, thumbprint_list=given)


def test_a_provider_is_created_with_all_it_was_given(given: Callable[..., Any]) -> None:
    """Client ids once each, thumbprints in lower case as often as given; tag keys may differ in case only."""
    tags = (Tag("key", "1"), Tag("Key", "2"))
    command = CreateOpenIDConnectProvider(
        url=URL, client_id_list=("web", "app", "web"), thumbprint_list=("A" * 40, "a" * 40), tags=tags
    )

    given().when(create_open_id_connect_provider, command).then(
        OpenIDConnectProviderCreated(
            open_id_connect_provider_arn=ARN,
            url="idp.example.com/Realm",
            created_at=NOW,
            client_id_list=("web", "app"),
            thumbprint_list=("a" * 40, "a" * 40),
            tags=tags,
        )
    )


@pytest.mark.parametrize(
    ("url", "issuer"),
    [
        ("https://idp.example.com", "idp.example.com"),
        ("https://idp.example.com/", "idp.example.com/"),
        ("https://idp.example.com:443/realm/", "idp.example.com/realm/"),
        ("HTTPS://IDP.Example.com/Realm", "IDP.Example.com/Realm"),
        ("https://idp.example.com/a%20b", "idp.example.com/a%20b"),
    ],
)
def test_a_url_names_an_issuer(given: Callable[..., Any], url: str, issuer: str) -> None:
    """It is kept as given, but for the scheme and the usual port."""
    [event] = given().when(create_open_id_connect_provider, CreateOpenIDConnectProvider(url=url)).events
    assert (event.url, event.open_id_connect_provider_arn.partition("/")[2]) == (issuer, issuer)


@pytest.mark.parametrize(
    ("url", "refusal", "message"),
    [
        ("idp.example.com", ValidationError, WRONG),
        ("idp", ValidationError, WRONG),
        ("https://", ValidationError, WRONG),
        ("https:///realm", ValidationError, WRONG),
        ("https://[::1", ValidationError, WRONG),
        ("https://idp.example.com:x", ValidationError, WRONG),
        ("https://idp.example.com/a b", ValidationError, WRONG),
        ("https://idp.example.com/\n", ValidationError, WRONG),
        ("https://zürich.example.com", ValidationError, WRONG),
        ("https://idp.example.com?", InvalidInput, f"{WRONG}."),
        ("https://idp.example.com/?q=value", InvalidInput, f"{WRONG}."),
        ("https://idp.example.com/#fragment", InvalidInput, f"{WRONG}."),
        ("https://my_idp.example.com", InvalidInput, f"{WRONG}."),
        ("https://me@idp.example.com", InvalidInput, f"{WRONG}."),
        ("https://idp.example.com:8443", InvalidInput, f"{WRONG}."),
        ("https://idp.example.com:", InvalidInput, f"{WRONG}."),
        ("http://idp.example.com", InvalidInput, f"{WRONG}. The URL must begin with https://."),
    ],
)
def test_other_urls_are_refused(given: Callable[..., Any], url: str, refusal: type[IamError], message: str) -> None:
    """What is no URL at all is a ValidationError."""
    given().when(create_open_id_connect_provider, CreateOpenIDConnectProvider(url=url)).refused(refusal, message)


@pytest.mark.parametrize(
    ("asked", "refusal", "message"),
    [
        ({"url": "idp", "tags": (Tag("a", ""), Tag("a", ""))}, InvalidInput, "Duplicate tag keys found."),
        ({"url": "idp", "thumbprint_list": SIX}, ValidationError, WRONG),
        (
            {"thumbprint_list": SIX, "client_id_list": ("a", "b", "c")},
            InvalidInput,
            "Thumbprint list must contain fewer than 5 entries.",
        ),
        ({"url": "http://x", "client_id_list": ("a", "b", "c")}, LimitExceeded, TOO_MANY_CLIENTS),
        ({}, EntityAlreadyExists, f"Provider with url {URL} already exists."),
        ({"url": "https://x"}, LimitExceeded, "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 1"),
    ],
    ids=["tags", "url", "thumbprints", "client ids", "taken", "quota"],
)
def test_refusals_of_creation_stand_in_their_order(
    given: Callable[..., Any], asked: dict[str, Any], refusal: type[IamError], message: str
) -> None:
    """Each row also has the fault of a later one."""
    quotas = Quotas(open_id_connect_providers_per_account=1, client_ids_per_open_id_connect_provider=2)
    command = CreateOpenIDConnectProvider(**{"url": URL, **asked})

    given(IDP, quotas=quotas).when(create_open_id_connect_provider, command).refused(refusal, message)


def get(account: Any) -> OpenIDConnectProvider:
    return get_open_id_connect_provider(account.account, GetOpenIDConnectProvider(open_id_connect_provider_arn=ARN))


def test_a_provider_is_shown_with_all_that_is_known_of_it(given: Callable[..., Any]) -> None:
    """Its tags in AWS's order. All are listed by ARN."""
    account = given(IDP, CreateOpenIDConnectProvider(url="https://idp.example.com"))

    assert get(account) == OpenIDConnectProvider(
        url="idp.example.com/Realm",
        created_at=BEFORE,
        client_id_list=("web", "app"),
        thumbprint_list=("a" * 40,),
        tags=(Tag("a", ""), Tag("z", "")),
    )
    assert list_open_id_connect_providers(account.account, ListOpenIDConnectProviders()) == [UNKNOWN, ARN]


def test_client_ids_are_added_behind_the_others(given: Callable[..., Any]) -> None:
    """One that was removed comes last when it comes back."""
    told = {"open_id_connect_provider_arn": ARN}

    given(IDP).when(add_client_id, add("cli")).then(
        ClientIDAddedToOpenIDConnectProvider(**told, client_id="cli", place=3)
    )
    given(IDP).when(remove_client_id, remove("web")).then(
        ClientIDRemovedFromOpenIDConnectProvider(**told, client_id="web")
    )
    assert get(given(IDP, add("cli"), remove("web"), add("web"))).client_id_list == ("app", "cli", "web")


def test_a_client_id_that_is_there_or_not_there_already_is_no_error(given: Callable[..., Any]) -> None:
    """Case counts; the quota does not for one that is there."""
    account = given(IDP, quotas=Quotas(client_ids_per_open_id_connect_provider=2))

    account.when(add_client_id, add("web")).nothing()
    account.when(remove_client_id, remove("WEB")).nothing()
    account.when(add_client_id, add("WEB")).refused(LimitExceeded, TOO_MANY_CLIENTS)


def test_thumbprints_are_replaced(given: Callable[..., Any]) -> None:
    """All of them, by one at least and five at most."""
    given(IDP).when(update_thumbprint, thumbprints("B" * 40, "c" * 40)).then(
        OpenIDConnectProviderThumbprintUpdated(open_id_connect_provider_arn=ARN, thumbprint_list=("b" * 40, "c" * 40))
    )
    given(IDP).when(update_thumbprint, thumbprints("a" * 40)).nothing()
    given().when(update_thumbprint, thumbprints()).refused(
        InvalidInput, "Thumbprint list must contain at least one entry."
    )
    given().when(update_thumbprint, thumbprints(*SIX)).refused(
        InvalidInput, "Thumbprint list must contain fewer than 5 entries."
    )


def test_nothing_is_left_of_a_deleted_provider(given: Callable[..., Any], contents: Callable[..., Any]) -> None:
    """AWS has other words here for one that is not there."""
    command = DeleteOpenIDConnectProvider(open_id_connect_provider_arn=ARN)

    given(IDP).when(delete_open_id_connect_provider, command).then(
        OpenIDConnectProviderDeleted(open_id_connect_provider_arn=ARN)
    )
    assert contents(given(IDP, command).account) == {}
    given(IDP, command).when(delete_open_id_connect_provider, command).refused(
        NoSuchEntity, f"OpenId connect Provider {ARN} cannot be found."
    )


def test_tag_keys_that_differ_in_case_are_two(given: Callable[..., Any]) -> None:
    """In tagging and in untagging."""
    told = {"open_id_connect_provider_arn": ARN}

    given(IDP).when(tag_thing, TagOpenIDConnectProvider(**told, tags=(Tag("A", ""),))).then(
        OpenIDConnectProviderTagged(**told, tags=(Tag("A", ""),))
    )
    given(IDP).when(untag_thing, UntagOpenIDConnectProvider(**told, tag_keys=("A", "a"))).then(
        OpenIDConnectProviderUntagged(**told, tag_keys=("a",))
    )


@pytest.mark.parametrize(
    "command",
    [
        AddClientIDToOpenIDConnectProvider(open_id_connect_provider_arn=UNKNOWN, client_id="a"),
        RemoveClientIDFromOpenIDConnectProvider(open_id_connect_provider_arn=UNKNOWN, client_id="a"),
        UpdateOpenIDConnectProviderThumbprint(open_id_connect_provider_arn=UNKNOWN, thumbprint_list=("a" * 40,)),
        TagOpenIDConnectProvider(open_id_connect_provider_arn=UNKNOWN, tags=(Tag("a", ""),)),
        UntagOpenIDConnectProvider(open_id_connect_provider_arn=UNKNOWN, tag_keys=("a",)),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_provider_that_is_not_there_is_not_found(given: Callable[..., Any], decisions: Any, command: Command) -> None:
    """Under its whole ARN."""
    given(IDP).when(decisions[type(command)], command).refused(
        NoSuchEntity, f"OpenIDConnect Provider not found for arn {UNKNOWN}"
    )
