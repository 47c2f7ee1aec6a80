"""Which account a request is about, and when an account comes to be."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account, Server

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
DEFAULT = "123456789012"
IDENTITY = "/?Action=GetCallerIdentity&Version=2011-06-15"


def test_twelve_digits_as_access_key_name_the_account(account: Account, new_account: Callable[..., Account]) -> None:
    """What is done in one account is not seen in another."""
    other = new_account()
    account.query("CreateUser", UserName="alice")
    other.query("CreateUser", UserName="bob")
    assert [user["UserName"] for user in account.json("ListUsers").data["Users"]] == ["alice"]
    assert [user["UserName"] for user in other.json("ListUsers").data["Users"]] == ["bob"]
    assert other.query("GetUser", UserName="alice").status == 404


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer token",
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261103/us-east-1/iam/aws4_request, Signature=00",
        "AWS4-HMAC-SHA256 Credential=12345678901/20261103/us-east-1/iam/aws4_request, Signature=00",
        "AWS4-HMAC-SHA256 Credential=1234567890123/20261103/us-east-1/iam/aws4_request, Signature=00",
        "AWS4-HMAC-SHA256 Credential=/20261103/us-east-1/iam/aws4_request, Signature=00",
        "AWS4-HMAC-SHA256 Credential=" + "\u0661".encode().decode("latin-1") * 12 + "/x",
        "AWS4-HMAC-SHA256 Credential=\xff/x",
    ],
)
def test_any_other_key_or_none_means_the_default_account(server: Server, authorization: str | None) -> None:
    """Also keys that nobody issued, digits of other scripts and bytes that are no text."""
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    reply = server.send("GET", IDENTITY, headers=headers)
    assert reply.text("GetCallerIdentityResult/Account") == DEFAULT


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", ""])
def test_within_a_partition_the_region_of_the_signature_does_not_matter(
    server: Server, account: Account, region: str
) -> None:
    """SDKs put their own region there, some none."""
    scope = f"AWS4-HMAC-SHA256 Credential={account.id}/20261103/{region}/iam/aws4_request, Signature=00"
    reply = server.send("GET", IDENTITY, headers={"Authorization": scope})
    assert reply.text("GetCallerIdentityResult/Account") == account.id


def test_the_default_account_can_be_chosen(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """With --account."""
    running = start_server(tmp_path / "data", "--account", "210987654321")
    assert running.send("GET", IDENTITY).text("GetCallerIdentityResult/Account") == "210987654321"


def accounts_in(folder: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True)) as ledger:
        return [account for (account,) in ledger.execute("SELECT DISTINCT account FROM records ORDER BY account")]


def test_reading_creates_no_account(
    tmp_path: Path, start_server: Callable[..., Server], new_account: Callable[..., Account]
) -> None:
    """No question leaves a record, however it is asked; nor does a refusal where nothing was written before."""
    account = new_account(start_server(tmp_path / "data"))
    account.query("ListUsers")
    account.query("GetUser")
    account.query("GetPolicy", PolicyArn=ADMIN)
    account.get("/v1/events/1")
    account.get("/v1/users/alice/policies")
    account.query("DeleteUser", UserName="alice")
    account.query("AttachUserPolicy", UserName="alice", PolicyArn=ADMIN)
    account.query("CreateUser", UserName="a b")
    account.query("ListDelegationRequests")
    assert account.events() == []
    assert accounts_in(tmp_path / "data") == ["aws"]
    account.query("CreateUser", UserName="alice")
    assert [event["position"] for event in account.events()] == [1]
    assert accounts_in(tmp_path / "data") == [account.id, "aws"]


def test_refusals_are_recorded_once_there_is_an_account(account: Account) -> None:
    """From the first change on, a refused call leaves a record too."""
    account.query("DeleteUser", UserName="alice")
    account.query("CreateUser", UserName="alice")
    account.query("DeleteUser", UserName="bob")
    told = [(event["position"], event["outcome"]) for event in account.events()]
    assert told == [(1, "changed"), (2, "refused")]
