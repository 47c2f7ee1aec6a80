"""The native API's proofs: an account's ledger as a signed checkpoint, and what proves a record or an older head."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from aiohttp import hdrs, web

from api import answers
from api.instants import Basis
from api.query_string import number
from api.routes import Parameter, Route
from api.service import Request, Service
from eventstore.merkle import Tree
from eventstore.notes import TreeHead, log_id_of, origin_of
from eventstore.record import Row
from iam.errors import ServiceUnavailable, ValidationError
from iam.policies import AWS
from projections.tiles import tree_of

TEXT = "text/plain"


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a ledger, signed. Hashes are in base64; `consistency` is what proves that an earlier one is in it."""

    checkpoint: str
    origin: str
    size: int
    root: str
    public_key: str
    basis: Basis
    consistency: list[str] | msgspec.UnsetType = msgspec.UNSET


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What proves that a record is in a ledger: a path from its hash to a signed root.

    `record` is a text of the exact bytes that are hashed, `leaf_index` counts from 0, hashes are in base64.
    """

    record: str
    leaf_hash: str
    leaf_index: int
    tree_size: int
    path: list[str]
    checkpoint: str


CHECKPOINT: Final = Route(
    method="GET",
    path="/v1/checkpoint",
    about="The account's ledger as it is now, signed: `checkpoint` is a note in C2SP's format, over the root of a "
    "Merkle tree of all records. `origin`, `size` and `root` are what it says, `public_key` checks its signature, "
    "`basis` is the position and the instant of the answer. With `Accept: text/plain`, the note alone. "
    "[Operations](operations.md#checkpoints) says how to use it.",
    parameters=(
        Parameter(
            name="from",
            meaning="the size of an earlier checkpoint; then `consistency` proves, by RFC 6962 and in base64, that the "
            "ledger continues that one. Not with `text/plain`",
            largest=999_999_999,
        ),
    ),
    data=(Checkpoint,),
    other=TEXT,
)


async def checkpoint(
    service: Service, http: web.BaseRequest, request: Request, asked: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/checkpoint`: the head of the account's ledger, signed; as a bare note where plain text is asked for."""
    bare = TEXT in http.headers.get(hdrs.ACCEPT, "")
    if bare and "from" in asked:
        raise ValidationError("from: a consistency proof is given in JSON, and text/plain was asked for.")
    account = request.caller.account
    basis = await service.resolve(account, None)
    since = number(asked.get("from"), "from", 0, basis.position)
    tree = await _tree(service, account, basis.position, *([since - 1] if since else []))
    head = await _head(service, account, tree)
    note = service.signing_key.sign(head)
    if bare:
        return answers.answer(note.encode(), f"{TEXT}; charset=utf-8", request.request_id)
    told = Checkpoint(
        checkpoint=note,
        origin=head.origin,
        size=head.size,
        root=_base64(head.root),
        public_key=service.signing_key.public(head.origin).text,
        basis=basis,
        consistency=_all_base64(tree.consistency(since)) if since else msgspec.UNSET,
    )
    return answers.success(told, request.request_id)


async def proof_of(service: Service, row: Row) -> Proof:
    """What proves that a record, which is in the log, is in its account's ledger."""
    basis = await service.resolve(row.account, None)
    tree = await _tree(service, row.account, basis.position, row.position - 1)
    [leaf_hash] = await service.log.hashes(row.account, row.position - 1, 1)
    return Proof(
        record=row.record.decode(),
        leaf_hash=_base64(leaf_hash),
        leaf_index=row.position - 1,
        tree_size=tree.size,
        path=_all_base64(tree.inclusion(row.position - 1)),
        checkpoint=service.signing_key.sign(await _head(service, row.account, tree)),
    )


async def _tree(service: Service, account: str, size: int, *leaves: int) -> Tree:
    await service.caught_up(account, size)
    try:
        return await tree_of(service.log, service.projections, account, size, *leaves)
    except LookupError:
        raise ServiceUnavailable("History is made anew at this moment. Ask again.") from None


async def _head(service: Service, account: str, tree: Tree) -> TreeHead:
    [first] = await service.log.hashes(AWS, 0, 1)  # every log begins with it, before it serves
    return TreeHead(origin_of(log_id_of(first), account), tree.size, tree.root())


def _base64(hash_: bytes) -> str:
    return b64encode(hash_).decode()


def _all_base64(hashes: Iterable[bytes]) -> list[str]:
    return [_base64(hash_) for hash_ in hashes]
