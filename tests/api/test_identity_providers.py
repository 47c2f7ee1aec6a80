"""SAML and OpenID Connect providers through boto3."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

ENTITY = (
    '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com/Zürich">'
    '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/></EntityDescriptor>'
)
METADATA = f"{ENTITY}\n<!-- {'x' * 1000} & \t -->"
TAGS = [{"Key": "z", "Value": "1"}, {"Key": "A", "Value": ""}]
URL = "https://idp.example.com/realm"


@pytest.fixture
def saml(account: Account) -> dict[str, str]:
    """The ARN of the provider `okta`."""
    return {"SAMLProviderArn": f"arn:aws:iam::{account.id}:saml-provider/okta"}


@pytest.fixture
def oidc(account: Account) -> dict[str, str]:
    """The ARN of the provider at `URL`."""
    return {"OpenIDConnectProviderArn": f"arn:aws:iam::{account.id}:oidc-provider/idp.example.com/realm"}


def test_a_saml_provider_lives(iam: Any, saml: dict[str, str], refused: Refused) -> None:
    """Created, shown, listed, updated, shown, deleted, not found."""
    created = iam.create_saml_provider(Name="okta", SAMLMetadataDocument=METADATA, Tags=TAGS)
    assert (created["SAMLProviderArn"], created["Tags"]) == (saml["SAMLProviderArn"], TAGS)
    shown = iam.get_saml_provider(**saml)
    assert shown["SAMLMetadataDocument"] == METADATA
    assert shown["SAMLProviderUUID"].startswith("SAMLSP")
    assert (shown["AssertionEncryptionMode"], shown["PrivateKeyList"], shown["Tags"]) == ("Allowed", [], TAGS[::-1])
    assert timedelta(36524) <= shown["ValidUntil"] - shown["CreateDate"] <= timedelta(36525)
    listed = {"Arn": saml["SAMLProviderArn"], "ValidUntil": shown["ValidUntil"], "CreateDate": shown["CreateDate"]}
    assert iam.list_saml_providers()["SAMLProviderList"] == [listed]

    changed = METADATA.replace("idp", "other")
    updated = iam.update_saml_provider(**saml, SAMLMetadataDocument=changed)
    assert updated["SAMLProviderArn"] == saml["SAMLProviderArn"]
    assert iam.get_saml_provider(**saml)["SAMLMetadataDocument"] == changed
    iam.delete_saml_provider(**saml)
    gone = (404, "NoSuchEntity", f"Manifest not found for arn {saml['SAMLProviderArn']}")
    assert refused(iam.get_saml_provider, **saml) == refused(iam.delete_saml_provider, **saml) == gone
    assert iam.list_saml_providers()["SAMLProviderList"] == []


def test_a_private_key_is_never_shown_or_recorded(
    iam: Any, saml: dict[str, str], account: Account, refused: Refused
) -> None:
    """Neither where it was taken nor where it was not; only its id is told."""
    pem = "-----BEGIN PRIVATE KEY-----"
    iam.create_saml_provider(Name="okta", SAMLMetadataDocument=METADATA, AddPrivateKey=pem)
    [key] = iam.get_saml_provider(**saml)["PrivateKeyList"]
    assert key.keys() == {"KeyId", "Timestamp"}
    iam.update_saml_provider(**saml, AddPrivateKey=pem, AssertionEncryptionMode="Required")
    assert refused(iam.update_saml_provider, **saml, AddPrivateKey=pem) == (
        409,
        "LimitExceeded",
        "Private key limit of 2 is reached.",
    )
    iam.update_saml_provider(**saml, RemovePrivateKey=key["KeyId"])
    [other] = iam.get_saml_provider(**saml)["PrivateKeyList"]
    assert other["KeyId"] != key["KeyId"]
    assert refused(iam.update_saml_provider, **saml, RemovePrivateKey=other["KeyId"]) == (
        400,
        "InvalidInput",
        "Failed to remove private key.",
    )
    records = json.dumps(account.events())
    assert "SAMLProviderUpdated" in records
    assert "BEGIN" not in records


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"SAMLMetadataDocument": "a" * 1024}, (400, "InvalidInput", "Could not parse metadata")),
        (
            {"AssertionEncryptionMode": "Required"},
            (
                400,
                "ValidationError",
                "Unable to set assertion encryption mode to Required because no private key is provided.",
            ),
        ),
        ({}, (409, "EntityAlreadyExists", "Provider with name okta already exists.")),
    ],
    ids=["no metadata", "no key", "taken"],
)
def test_a_saml_provider_is_refused(
    iam: Any, refused: Refused, asked: dict[str, str], refusal: tuple[int, str, str]
) -> None:
    """With the words of AWS."""
    iam.create_saml_provider(Name="okta", SAMLMetadataDocument=METADATA)
    assert refused(iam.create_saml_provider, **{"Name": "okta", "SAMLMetadataDocument": METADATA, **asked}) == refusal


def test_an_attempt_does_not_tell_a_long_document(iam: Any, account: Account, refused: Refused) -> None:
    """Only how long it was."""
    iam.create_user(UserName="alice")
    refused(iam.create_saml_provider, Name="okta", SAMLMetadataDocument="a" * 500_000)
    [record] = account.events(action="CreateSAMLProvider")
    assert record["attempt"]["parameters"]["saml_metadata_document"] == "(500000 characters)"


def test_an_open_id_connect_provider_lives(iam: Any, oidc: dict[str, str], refused: Refused) -> None:
    """Created, shown, listed, updated, shown, deleted, not found."""
    created = iam.create_open_id_connect_provider(
        Url=URL, ClientIDList=["web", "app"], ThumbprintList=["A" * 40], Tags=TAGS
    )
    arn = oidc["OpenIDConnectProviderArn"]
    assert (created["OpenIDConnectProviderArn"], created["Tags"]) == (arn, TAGS)
    shown = iam.get_open_id_connect_provider(**oidc)
    assert (shown["Url"], shown["ClientIDList"]) == ("idp.example.com/realm", ["web", "app"])
    assert (shown["ThumbprintList"], shown["Tags"]) == (["a" * 40], TAGS[::-1])
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]

    for _ in range(2):
        iam.add_client_id_to_open_id_connect_provider(**oidc, ClientID="cli")
        iam.remove_client_id_from_open_id_connect_provider(**oidc, ClientID="web")
    iam.update_open_id_connect_provider_thumbprint(**oidc, ThumbprintList=["b" * 40])
    shown = iam.get_open_id_connect_provider(**oidc)
    assert (shown["ClientIDList"], shown["ThumbprintList"]) == (["app", "cli"], ["b" * 40])

    iam.delete_open_id_connect_provider(**oidc)
    assert refused(iam.get_open_id_connect_provider, **oidc) == (
        404,
        "NoSuchEntity",
        f"OpenIDConnect Provider not found for arn {arn}",
    )
    assert refused(iam.delete_open_id_connect_provider, **oidc)[:2] == (404, "NoSuchEntity")


def test_a_bare_open_id_connect_provider_has_empty_lists(iam: Any, oidc: dict[str, str]) -> None:
    """And its creation is answered without tags."""
    created = iam.create_open_id_connect_provider(Url=URL)
    assert "Tags" not in created
    shown = iam.get_open_id_connect_provider(**oidc)
    assert (shown["ClientIDList"], shown["ThumbprintList"], shown["Tags"]) == ([], [], [])


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"Url": "idp"}, (400, "ValidationError", "Invalid Open ID Connect Provider URL")),
        ({}, (409, "EntityAlreadyExists", f"Provider with url {URL} already exists.")),
        (
            {"ClientIDList": [str(number) for number in range(101)]},
            (409, "LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100"),
        ),
        (
            {"Url": "b" * 256, "ClientIDList": ["b" * 256], "ThumbprintList": ["b" * 41]},
            (
                400,
                "ValidationError",
                "3 validation errors detected: "
                "Value at 'clientIDList' failed to satisfy constraint: Member must satisfy constraint: "
                "[Member must have length less than or equal to 255, Member must have length greater than or equal to "
                "1]; "
                "Value at 'thumbprintList' failed to satisfy constraint: Member must satisfy constraint: "
                "[Member must have length less than or equal to 40, Member must have length greater than or equal to "
                "40]; "
                "Value at 'url' failed to satisfy constraint: Member must have length less than or equal to 255",
            ),
        ),
    ],
    ids=["url", "taken", "client ids", "lengths"],
)
def test_an_open_id_connect_provider_is_refused(
    iam: Any, refused: Refused, asked: dict[str, Any], refusal: tuple[int, str, str]
) -> None:
    """With the words of AWS."""
    iam.create_open_id_connect_provider(Url=URL)
    assert refused(iam.create_open_id_connect_provider, **{"Url": URL, **asked}) == refusal


def test_thumbprints_are_not_all_taken_away(iam: Any, oidc: dict[str, str], refused: Refused) -> None:
    """Though there may be none from the beginning."""
    iam.create_open_id_connect_provider(Url=URL)
    assert refused(iam.update_open_id_connect_provider_thumbprint, **oidc, ThumbprintList=[]) == (
        400,
        "InvalidInput",
        "Thumbprint list must contain at least one entry.",
    )


@pytest.mark.parametrize("kind", ["saml_provider", "open_id_connect_provider"])
def test_tags_of_a_provider_are_set_listed_and_removed(
    iam: Any, saml: dict[str, str], oidc: dict[str, str], refused: Refused, kind: str
) -> None:
    """In pages; case counts; fifty at most."""
    iam.create_saml_provider(Name="okta", SAMLMetadataDocument=METADATA, Tags=TAGS)
    iam.create_open_id_connect_provider(Url=URL, Tags=TAGS)
    arn = saml if kind == "saml_provider" else oidc
    tag, untag, listed = (getattr(iam, name) for name in (f"tag_{kind}", f"untag_{kind}", f"list_{kind}_tags"))
    tag(**arn, Tags=[{"Key": "a", "Value": "2"}])
    untag(**arn, TagKeys=["Z", "z"])
    first = listed(**arn, MaxItems=1)
    assert (first["Tags"], first["IsTruncated"]) == (TAGS[1:], True)
    assert listed(**arn, Marker=first["Marker"])["Tags"] == [{"Key": "a", "Value": "2"}]
    many = [{"Key": f"k{number}", "Value": ""} for number in range(49)]
    assert refused(tag, **arn, Tags=many) == (
        409,
        "LimitExceeded",
        "The number of tags has reached the maximum limit.",
    )
