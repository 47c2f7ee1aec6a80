"""The native API's proofs: an account's ledger as a signed checkpoint, and what proves a record or an older head."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import hdrs, web

from api import answers
from api.query_string import number, parameters
from api.service import Request, Service
from eventstore.merkle import Tree
from eventstore.notes import TreeHead, log_id_of, origin_of
from iam.errors import ServiceUnavailable, ValidationError
from iam.policies import AWS
from projections.tiles import tree_of

TEXT = "text/plain"


async def checkpoint(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/checkpoint`: the head of the account's ledger, signed; as a bare note where plain text is asked for."""
    asked = parameters(http, "from")
    bare = TEXT in http.headers.get(hdrs.ACCEPT, "")
    if bare and "from" in asked:
        raise ValidationError("from: a consistency proof is given in JSON, and text/plain was asked for.")
    account = request.caller.account
    basis = await service.resolve(account, None)
    since = number(asked, "from", 0, basis.position)
    tree = await _tree(service, account, basis.position, *([since - 1] if since else []))
    head = await _head(service, account, tree)
    note = service.signing_key.sign(head)
    if bare:
        return answers.answer(note.encode(), f"{TEXT}; charset=utf-8", request.request_id)
    told = {
        "checkpoint": note,
        "origin": head.origin,
        "size": head.size,
        "root": _base64(head.root),
        "public_key": service.signing_key.public(head.origin).text,
        "basis": basis,
    }
    if since:
        told["consistency"] = _all_base64(tree.consistency(since))
    return answers.success(told, request.request_id)


async def proof_of(service: Service, account: str, position: int) -> dict[str, Any]:
    """What proves that the record at a position is in the account's ledger: a path from its hash to a signed root.

    The record is there. `leaf_index` counts from 0; hashes are in base64.
    """
    basis = await service.resolve(account, None)
    tree = await _tree(service, account, basis.position, position - 1)
    [leaf_hash] = await service.log.hashes(account, position - 1, 1)
    return {
        "leaf_hash": _base64(leaf_hash),
        "leaf_index": position - 1,
        "tree_size": tree.size,
        "path": _all_base64(tree.inclusion(position - 1)),
        "checkpoint": service.signing_key.sign(await _head(service, account, tree)),
    }


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
