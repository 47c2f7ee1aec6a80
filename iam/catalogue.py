"""The AWS managed policies: every published version, when it came into force, and what it says.

Reads two pieces of data and nothing else; `tools/catalogue.py` writes them. The index (JSON, one policy per
line) is held decoded. The documents are an ordinary .xz file of several streams, one document per line in the
order of the index: looking one up decodes one stream, a block, and never the whole.
"""

import lzma
from base64 import b32encode
from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate
from typing import Final, Self

import msgspec
from msgspec.structs import asdict

BLOCKS_KEPT: Final = 2
"""Decoded blocks kept for the next look-up; each is about half a megabyte."""

SOURCE_PARTITION: Final = "aws"
"""The source tells of this one. What its documents say, ARNs and all, is said in the others too."""


class CatalogueVersion(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One version of a policy, in force from `created_at` until the next version starts.

    `created_at` is None where the source gives no credible date: the version then started at an unknown
    instant between its nearest dated neighbours.
    """

    version_id: str
    created_at: datetime | None


class CataloguePolicy(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One AWS managed policy, with the versions that the source has, ascending by number.

    Numbers may be missing: what a missing version said is unknown. The last one is the default version, in
    force since `updated_at`.
    """

    name: str
    path: str
    created_at: datetime
    updated_at: datetime
    default_version_id: str
    versions: tuple[CatalogueVersion, ...]

    @property
    def partition(self) -> str:
        """The one that the source is of."""
        return SOURCE_PARTITION

    @property
    def arn(self) -> str:
        """The ARN, which is another one in each partition."""
        return f"arn:{self.partition}:iam::aws:policy{self.path}{self.name}"

    @property
    def policy_id(self) -> str:
        """An id that looks like AWS's and is made up: the source has none, so the ARN's hash stands in."""
        return "ANPA" + b32encode(sha256(self.arn.encode()).digest())[:17].decode()


class PolicyElsewhere(CataloguePolicy, frozen=True, gc=False):
    """A policy of the source, in a partition that the source is not of. Its ARN and its id are that partition's."""

    elsewhere: str

    @property
    def partition(self) -> str:
        """Where it is."""
        return self.elsewhere


class Block(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One .xz stream: the number of its first document, counted over the index, and its bytes' place."""

    first_document: int
    offset: int
    size: int


class Index(msgspec.Struct, frozen=True, gc=False):
    """What is known without opening a document. Policies are ordered by name ignoring case."""

    release: str
    documents_sha256: str
    blocks: tuple[Block, ...]
    policies: tuple[CataloguePolicy, ...]


class Catalogue:
    """The AWS managed policies of one release of the source.

    `digest`, the SHA-256 of the index, stands for all of the data: the index names the documents' own.
    """

    def __init__(self, index: Index, documents: bytes, digest: str) -> None:
        self.release: Final = index.release
        self.digest: Final = digest
        self.version_count: Final = sum(len(policy.versions) for policy in index.policies)
        self._blocks = index.blocks
        self._documents = documents
        self._lines = lru_cache(maxsize=BLOCKS_KEPT)(self._decode)
        self._take(index.policies)
        self._by_partition = {SOURCE_PARTITION: self}  # shared by all of them

    def _take(self, policies: Sequence[CataloguePolicy]) -> None:
        self._policies = policies
        self._by_arn = {policy.arn: policy for policy in policies}
        self._by_id = {policy.policy_id: policy for policy in policies}
        counts = (len(policy.versions) for policy in policies)
        self._first_document = dict(zip(self._by_arn, accumulate(counts, initial=0), strict=False))

    def within(self, partition: str) -> "Catalogue":
        """The same policies and documents under the ARNs of a partition. Made once, of the same memory."""
        there = self._by_partition.get(partition)
        if there is None:
            there = copy(self)
            source = self._by_partition[SOURCE_PARTITION].policies()
            there._take([PolicyElsewhere(**asdict(policy), elsewhere=partition) for policy in source])
            self._by_partition[partition] = there
        return there

    @classmethod
    def read(cls, index: bytes, documents: bytes) -> Self:
        """The catalogue in these two files' contents, or ValueError if they do not belong together."""
        decoded = msgspec.json.decode(index, type=Index)
        if sha256(documents).hexdigest() != decoded.documents_sha256:
            raise ValueError("The catalogue's index and documents do not belong together.")
        return cls(decoded, documents, sha256(index).hexdigest())

    def __len__(self) -> int:
        return len(self._policies)

    def policies(self) -> Sequence[CataloguePolicy]:
        """All policies, ordered by name ignoring case."""
        return self._policies

    def policy(self, arn: str) -> CataloguePolicy | None:
        """The policy of this ARN, which is matched exactly, or None."""
        return self._by_arn.get(arn)

    def policy_with_id(self, policy_id: str) -> CataloguePolicy | None:
        """The policy of this id in this partition, or None."""
        return self._by_id.get(policy_id)

    def document(self, policy: CataloguePolicy, version_id: str) -> str | None:
        """The document as compact JSON in the source's order, or None if the source lacks the version."""
        version_ids = [version.version_id for version in policy.versions]
        if version_id not in version_ids:
            return None
        number = self._first_document[policy.arn] + version_ids.index(version_id)
        place = bisect_right(self._blocks, number, key=lambda block: block.first_document) - 1
        block = self._blocks[place]
        return self._lines(block)[number - block.first_document].decode()

    def _decode(self, block: Block) -> list[bytes]:
        return lzma.decompress(self._documents[block.offset : block.offset + block.size]).splitlines()
