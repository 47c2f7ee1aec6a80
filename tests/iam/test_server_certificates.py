"""Server certificates: what is accepted, names, and what becomes of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from material import END, authority, certificate, dated_year_0, private_key

from iam.certificates import EXPIRED, NOT_YET_VALID
from iam.commands import Command
from iam.errors import (
    EntityAlreadyExists,
    IamError,
    InvalidInput,
    KeyPairMismatch,
    LimitExceeded,
    MalformedCertificate,
    NoSuchEntity,
)
from iam.events.server_certificates import (
    ServerCertificateDeleted,
    ServerCertificateTagged,
    ServerCertificateUntagged,
    ServerCertificateUpdated,
    ServerCertificateUploaded,
)
from iam.quotas import Quotas
from iam.relations import Tag
from iam.server_certificates import (
    UNREADABLE,
    WRONG_CHAIN,
    DeleteServerCertificate,
    GetServerCertificate,
    ListServerCertificates,
    TagServerCertificate,
    UntagServerCertificate,
    UpdateServerCertificate,
    UploadServerCertificate,
    delete_server_certificate,
    get_server_certificate,
    list_server_certificates,
    update_server_certificate,
    upload_server_certificate,
)
from iam.tags import tag_thing, untag_thing

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
SECOND = timedelta(seconds=1)
CHAIN = authority("root", "root")
TOLD = {"server_certificate_id": "ASCA1", "server_certificate_name": "Shop"}
TAGS = (Tag("Team", "red"), Tag("cost", ""))


def upload(name: str = "Shop", number: int = 1, **given: Any) -> UploadServerCertificate:
    fields = {"certificate_body": certificate(number), "private_key": private_key(number), **given}
    return UploadServerCertificate(server_certificate_name=name, **fields)


def names(account: Any, prefix: str = "/", after: str = "") -> list[str]:
    found = list_server_certificates(account.account, ListServerCertificates(path_prefix=prefix), after)
    return [each.arn.partition(":server-certificate")[2] for _, each in found]


def test_a_certificate_is_uploaded_without_its_private_key(given: Callable[..., Any]) -> None:
    """Its text is kept without white space around it and carriage returns, and it says itself when it expires."""
    body = " \n" + certificate(1).replace("\n", "\r\n")
    command = upload(path="/web/", certificate_body=body, certificate_chain=CHAIN, tags=TAGS)
    event = ServerCertificateUploaded(
        **TOLD,
        path="/web/",
        uploaded_at=NOW,
        expires_at=END,
        certificate_body=certificate(1).strip(),
        certificate_chain=CHAIN.strip(),
        tags=TAGS,
    )
    given().when(upload_server_certificate, command).then(event)
    assert b"PRIVATE" not in msgspec.json.encode(event)


EXISTS = "The Server Certificate with name {} already exists."
NOT_FOUND = "The Server Certificate with name {} cannot be found."


@pytest.mark.parametrize(
    ("changed", "refusal", "message"),
    [
        ({"certificate_body": "certbody"}, MalformedCertificate, UNREADABLE),
        ({"certificate_body": private_key(1)}, MalformedCertificate, UNREADABLE),
        ({"certificate_chain": "certchain"}, MalformedCertificate, UNREADABLE),
        ({"certificate_body": dated_year_0(certificate(1))}, MalformedCertificate, UNREADABLE),
        ({"certificate_chain": dated_year_0(CHAIN)}, MalformedCertificate, UNREADABLE),
        ({"certificate_chain": CHAIN * 21}, MalformedCertificate, UNREADABLE),
        ({"certificate_body": certificate(1, end=NOW - SECOND)}, MalformedCertificate, EXPIRED),
        ({"certificate_body": certificate(1, beginning=NOW + SECOND)}, MalformedCertificate, NOT_YET_VALID),
        ({"private_key": "privkey"}, MalformedCertificate, "Invalid Private Key."),
        (
            {"private_key": private_key(2)},
            KeyPairMismatch,
            "The public key certificate and the private key do not match.",
        ),
        ({"certificate_chain": certificate(2)}, MalformedCertificate, f"{WRONG_CHAIN}-1"),
        (
            {"tags": (Tag("aws:x", ""),), "certificate_body": "x"},
            InvalidInput,
            "Tag keys beginning with aws: are reserved for system use.",
        ),
        ({}, EntityAlreadyExists, EXISTS.format("SHOP")),
    ],
)
def test_what_is_not_uploaded(
    given: Callable[..., Any], changed: dict[str, Any], refusal: type[IamError], message: str
) -> None:
    """The certificate is looked at before its name; names are unique ignoring case."""
    given(upload()).when(upload_server_certificate, upload("SHOP", **changed)).refused(refusal, message)


def test_an_account_has_so_many_certificates(given: Callable[..., Any]) -> None:
    """20, unless the operator says otherwise."""
    given(upload(), quotas=Quotas(server_certificates_per_account=1)).when(
        upload_server_certificate, upload("blog")
    ).refused(LimitExceeded, "Cannot exceed quota for ServerCertificatesPerAccount: 1")
    assert Quotas().server_certificates_per_account == 20


@pytest.mark.parametrize(
    ("decide", "command"),
    [
        (update_server_certificate, UpdateServerCertificate(server_certificate_name="Blog")),
        (delete_server_certificate, DeleteServerCertificate(server_certificate_name="Blog")),
        (tag_thing, TagServerCertificate(server_certificate_name="Blog", tags=TAGS)),
    ],
)
def test_a_name_that_no_certificate_has(given: Callable[..., Any], decide: Any, command: Command) -> None:
    """Is not found."""
    given(upload()).when(decide, command).refused(NoSuchEntity, NOT_FOUND.format("Blog"))


def test_a_certificate_is_renamed_and_moved(given: Callable[..., Any]) -> None:
    """It keeps its id, text and tags; its old name is free."""
    account = given(upload(tags=TAGS), upload("blog"))
    to_blog = UpdateServerCertificate(server_certificate_name="shop", new_server_certificate_name="Blog")
    account.when(update_server_certificate, to_blog).refused(EntityAlreadyExists, EXISTS.format("Blog"))
    to_own = UpdateServerCertificate(server_certificate_name="shop", new_server_certificate_name="SHOP")
    account.when(update_server_certificate, to_own).refused(EntityAlreadyExists, EXISTS.format("SHOP"))
    account.when(update_server_certificate, UpdateServerCertificate(server_certificate_name="shop")).nothing()
    move = UpdateServerCertificate(
        server_certificate_name="shop", new_server_certificate_name="Store", new_path="/web/"
    )
    account.when(update_server_certificate, move).then(
        ServerCertificateUpdated(
            server_certificate_id="ASCA1",
            server_certificate_name="Store",
            path="/web/",
            previous_server_certificate_name="Shop",
            previous_path="/",
            uploaded_at=BEFORE,
            expires_at=END,
        )
    )
    account.also(move, upload())
    assert names(account) == ["/blog", "/Shop", "/web/Store"]
    assert names(account, prefix="/we") == ["/web/Store"]
    assert names(account, after="shop") == ["/web/Store"]
    found = get_server_certificate(account.account, GetServerCertificate(server_certificate_name="STORE"))
    assert found.certificate_body == certificate(1).strip()
    assert set(found.tags) == set(TAGS)


def test_tag_keys_that_differ_in_case_are_two(given: Callable[..., Any]) -> None:
    """In tagging and in untagging."""
    command = TagServerCertificate(server_certificate_name="shop", tags=(Tag("TEAM", "blue"),))
    untag = UntagServerCertificate(server_certificate_name="shop", tag_keys=("team", TAGS[0].key))
    account = given(upload(tags=TAGS))
    account.when(tag_thing, command).then(ServerCertificateTagged(**TOLD, tags=(Tag("TEAM", "blue"),)))
    account.also(command)
    account.when(untag_thing, untag).then(ServerCertificateUntagged(**TOLD, tag_keys=(TAGS[0].key,)))
    found = get_server_certificate(account.account, GetServerCertificate(server_certificate_name="shop"))
    assert set(found.tags) == {Tag("TEAM", "blue"), *TAGS}


def test_nothing_is_left_of_a_deleted_certificate(
    given: Callable[..., Any], contents: Callable[..., dict[Any, dict[str, Any]]]
) -> None:
    """Neither its chain nor its tags."""
    account = given(upload(certificate_chain=CHAIN, tags=TAGS))
    delete = DeleteServerCertificate(server_certificate_name="shop")
    account.when(delete_server_certificate, delete).then(ServerCertificateDeleted(**TOLD))
    assert not any(contents(account.also(delete).account).values())
