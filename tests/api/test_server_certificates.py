"""Server certificates through boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from material import END, authority, certificate, private_key

if TYPE_CHECKING:
    from tests.api.conftest import Account

Refused = Callable[..., tuple[int, str, str]]

METADATA = {"Path", "ServerCertificateName", "ServerCertificateId", "Arn", "UploadDate", "Expiration"}
TAGS = [{"Key": "team", "Value": "red"}, {"Key": "a", "Value": ""}]
SHOP = {"ServerCertificateName": "Shop", "CertificateBody": certificate(1), "PrivateKey": private_key(1)}
UNREADABLE = "Unable to parse certificate. Please ensure the certificate is in PEM format."
SECRET = "".join(private_key(1).splitlines()[1:2])


def test_an_uploaded_certificate_is_answered_with_its_metadata(iam: Any, account: Account) -> None:
    """With tags only where some were given."""
    answer = iam.upload_server_certificate(**SHOP, Path="/web/", Tags=TAGS)
    metadata = answer["ServerCertificateMetadata"]
    assert metadata.keys() == METADATA
    assert (metadata["ServerCertificateId"][:4], len(metadata["ServerCertificateId"])) == ("ASCA", 21)
    assert metadata["Arn"] == f"arn:aws:iam::{account.id}:server-certificate/web/Shop"
    assert (metadata["Expiration"], answer["Tags"]) == (END, TAGS)
    assert "Tags" not in iam.upload_server_certificate(**{**SHOP, "ServerCertificateName": "bare"})


def test_a_certificate_is_shown_with_all_but_its_private_key(iam: Any) -> None:
    """Under its name in any case; with tags always, and with a chain where one was given."""
    iam.upload_server_certificate(**SHOP)
    iam.upload_server_certificate(**{**SHOP, "ServerCertificateName": "b"}, CertificateChain=authority("root", "root"))
    shown = iam.get_server_certificate(ServerCertificateName="SHOP")["ServerCertificate"]
    assert shown.keys() == {"ServerCertificateMetadata", "CertificateBody", "Tags"}
    assert (shown["CertificateBody"], shown["Tags"]) == (certificate(1).strip(), [])
    chained = iam.get_server_certificate(ServerCertificateName="b")["ServerCertificate"]
    assert chained["CertificateChain"] == authority("root", "root").strip()


def test_certificates_are_listed_by_name(iam: Any) -> None:
    """In pages, and under a prefix; tags likewise."""
    iam.upload_server_certificate(**SHOP, Tags=TAGS)
    iam.upload_server_certificate(**{**SHOP, "ServerCertificateName": "blog"}, Path="/web/")
    found = iam.list_server_certificates()["ServerCertificateMetadataList"]
    assert [(each["ServerCertificateName"], each.keys()) for each in found] == [("blog", METADATA), ("Shop", METADATA)]
    assert iam.list_server_certificates(PathPrefix="/web/")["ServerCertificateMetadataList"] == found[:1]
    pages = iam.get_paginator("list_server_certificates").paginate(PaginationConfig={"PageSize": 1})
    assert [page["ServerCertificateMetadataList"] for page in pages] == [found[:1], found[1:]]
    iam.tag_server_certificate(ServerCertificateName="shop", Tags=[{"Key": "TEAM", "Value": "blue"}])
    iam.untag_server_certificate(ServerCertificateName="shop", TagKeys=["A", "a", "team"])
    tags = iam.list_server_certificate_tags(ServerCertificateName="shop")
    assert (tags["Tags"], tags["IsTruncated"]) == ([{"Key": "TEAM", "Value": "blue"}], False)


def test_a_certificate_is_renamed_and_deleted(iam: Any, refused: Refused) -> None:
    """Its old name is not found; a name that is taken is refused."""
    uploaded = iam.upload_server_certificate(**SHOP)["ServerCertificateMetadata"]
    iam.update_server_certificate(ServerCertificateName="shop", NewServerCertificateName="Store", NewPath="/web/")
    metadata = iam.get_server_certificate(ServerCertificateName="store")["ServerCertificate"][
        "ServerCertificateMetadata"
    ]
    assert metadata["Arn"].endswith(":server-certificate/web/Store")
    assert all(metadata[name] == uploaded[name] for name in ("ServerCertificateId", "UploadDate", "Expiration"))
    taken = (409, "EntityAlreadyExists", "The Server Certificate with name STORE already exists.")
    assert refused(iam.upload_server_certificate, **{**SHOP, "ServerCertificateName": "STORE"}) == taken
    iam.delete_server_certificate(ServerCertificateName="STORE")
    for method in (iam.get_server_certificate, iam.delete_server_certificate, iam.update_server_certificate):
        gone = (404, "NoSuchEntity", "The Server Certificate with name Store cannot be found.")
        assert refused(method, ServerCertificateName="Store") == gone


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        ({"CertificateBody": "certbody"}, (400, "MalformedCertificate", UNREADABLE)),
        ({"PrivateKey": "privkey"}, (400, "MalformedCertificate", "Invalid Private Key.")),
        (
            {"PrivateKey": private_key(2)},
            (400, "KeyPairMismatch", "The public key certificate and the private key do not match."),
        ),
        (
            {"ServerCertificateName": "my shop"},
            (
                400,
                "ValidationError",
                "The specified value for serverCertificateName is invalid. It must contain only alphanumeric "
                "characters and/or the following: +=,.@_-",
            ),
        ),
    ],
)
def test_what_is_not_uploaded(
    iam: Any, refused: Refused, changed: dict[str, str], answer: tuple[int, str, str]
) -> None:
    """In AWS's words."""
    assert refused(iam.upload_server_certificate, **{**SHOP, **changed}) == answer


def test_no_record_tells_of_a_private_key(iam: Any, account: Account, refused: Refused) -> None:
    """Neither that of an upload nor that of an attempt, also where the key is in the wrong place."""
    iam.upload_server_certificate(**SHOP)
    refused(iam.upload_server_certificate, **{**SHOP, "PrivateKey": private_key(2)})
    refused(iam.upload_server_certificate, **{**SHOP, "CertificateBody": private_key(1)})
    refused(iam.upload_server_certificate, **SHOP, CertificateChain=certificate(1) + private_key(1))
    iam.create_user(UserName="alice")
    refused(iam.upload_signing_certificate, UserName="alice", CertificateBody=private_key(1))
    refused(iam.upload_ssh_public_key, UserName="alice", SSHPublicKeyBody=private_key(1))
    records = account.events()
    assert len(records) == 7
    for record in records:
        whole = account.get(f"/v1/events/{record['position']}").body.decode()
        assert SECRET not in whole
        assert "PRIVATE" not in whole
