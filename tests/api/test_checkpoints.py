"""`GET /v1/checkpoint`: the account's ledger, signed, and what proves that it continues an older one."""

from base64 import b64decode
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from api.checkpoints import proof_of
from eventstore.merkle import EMPTY_ROOT, is_continued, is_included
from eventstore.notes import PublicKey, check, read
from iam.quotas import Quotas
from tools.data import DataFolder, open_service


def decoded(hashes: list[str]) -> list[bytes]:
    """Hashes as JSON has them."""
    return [b64decode(text) for text in hashes]


def test_a_checkpoint_speaks_of_the_ledger_as_it_is(account: Any) -> None:
    """The note says what the members around it say, and its key's signature is right."""
    for name in ("alice", "bob"):
        assert account.query("CreateUser", UserName=name).status == 200

    told = account.get("/v1/checkpoint").data

    head = read(told["checkpoint"])
    assert (head.origin, head.size) == (told["origin"], told["size"]) == (told["origin"], 2)
    assert head.root == b64decode(told["root"])
    assert head.account == account.id
    assert told["basis"]["position"] == 2
    key = PublicKey.parse(told["public_key"])
    assert key.name == head.origin
    check(told["checkpoint"], key)
    assert "consistency" not in told


def test_the_bare_note_is_given_as_text(account: Any) -> None:
    """The same bytes, to be kept in a file."""
    account.query("CreateUser", UserName="alice")

    reply = account.get("/v1/checkpoint", {"Accept": "text/plain"})

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert reply.body.decode() == account.get("/v1/checkpoint").data["checkpoint"]
    assert reply.headers["x-amzn-RequestId"]


def test_an_empty_account_has_the_checkpoint_of_an_empty_tree(account: Any) -> None:
    """And is not created by asking."""
    told = account.get("/v1/checkpoint").data

    assert (told["size"], b64decode(told["root"])) == (0, EMPTY_ROOT)
    check(told["checkpoint"], PublicKey.parse(told["public_key"]))


def test_a_ledger_is_shown_to_continue_every_older_one(account: Any) -> None:
    """By a consistency proof, from any checkpoint to any later one, and from one to itself."""
    older = []
    for number in range(9):
        account.query("CreateUser", UserName=f"user-{number}")
        older.append(account.get("/v1/checkpoint").data)

    for before, after in pairwise(older):
        assert before["root"] != after["root"]
        assert before["origin"] == after["origin"]
    for before in older:
        now = account.get(f"/v1/checkpoint?from={before['size']}").data
        proof = decoded(now["consistency"])
        old_root, root = b64decode(before["root"]), b64decode(now["root"])
        assert is_continued(before["size"], old_root, now["size"], root, proof)
        assert not is_continued(before["size"], old_root[::-1], now["size"], root, proof)


@pytest.mark.parametrize("size", ["0", "-1", "3", "2.5", "x", "1e1", "9" * 30])
def test_there_is_no_proof_from_a_size_that_never_was(account: Any, size: str) -> None:
    """From 1 to the head; anything else is refused by name."""
    for name in ("alice", "bob"):
        account.query("CreateUser", UserName=name)

    status, code, message = account.get(f"/v1/checkpoint?from={size}").refusal

    assert (status, code) == (400, "VALIDATION_ERROR")
    assert message.startswith("from: ")


def test_a_proof_is_not_given_as_text(account: Any) -> None:
    """The note has no place for it, and nothing that was asked for is left out without a word."""
    account.query("CreateUser", UserName="alice")

    status, code, _ = account.get("/v1/checkpoint?from=1", {"Accept": "text/plain"}).refusal

    assert (status, code) == (400, "VALIDATION_ERROR")


def test_every_account_has_an_origin_of_its_own(new_account: Callable[..., Any]) -> None:
    """Under the name of one log, and signed by one key under different names."""
    one, other = (new_account().get("/v1/checkpoint").data for _ in range(2))

    assert one["origin"] != other["origin"]
    assert one["origin"].rpartition("/")[0] == other["origin"].rpartition("/")[0]
    assert PublicKey.parse(one["public_key"]).key == PublicKey.parse(other["public_key"]).key


def test_the_key_outlives_the_service(
    start_server: Callable[..., Any], new_account: Callable[..., Any], tmp_path: Path
) -> None:
    """It is made at the first start, its owner's alone; a service over memory has one as long as it runs."""
    told = []
    for flags in ((), (), ("--log", "memory:")):
        server = start_server(tmp_path / "data", *flags)
        told.append(new_account(server, "210000000777").get("/v1/checkpoint").data)
        server.stop()

    first, second, in_memory = told
    assert first["checkpoint"] == second["checkpoint"]
    assert first["public_key"] == second["public_key"] != in_memory["public_key"]
    key = tmp_path / "data" / "keys" / "checkpoint"
    assert (key.stat().st_mode & 0o777, len(key.read_bytes())) == (0o600, 32)


async def test_every_record_can_be_proven(tmp_path: Path) -> None:
    """A path leads from the hash of its stored bytes to the root of the checkpoint that comes with it."""
    async with open_service(DataFolder(tmp_path), None, Quotas()) as service:
        await service.start()
        [row] = await service.log.get("aws", [1])
        proof = await proof_of(service, row)

    head = read(proof.checkpoint)
    assert (proof.leaf_index, proof.tree_size) == (0, head.size) == (0, 1)
    assert b64decode(proof.leaf_hash) == row.hash
    assert is_included(row.hash, 0, head.size, decoded(proof.path), head.root)
    check(proof.checkpoint, service.signing_key.public(head.origin))
