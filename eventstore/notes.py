"""Signed checkpoints: C2SP's notes (c2sp.org/signed-note) of a Merkle tree's head (c2sp.org/tlog-checkpoint).

    iam-ledger/1f2e3d4c5b6a7988/123456789012      origin: which ledger of which log
    42                                            size: how many records
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=  root over their hashes, in base64

    — iam-ledger/1f2e3d4c5b6a7988/123456789012 Az3grlgt…

The signature line has the key's name, which is the origin, and base64 of the key's id and an Ed25519 signature over
all that stands before the empty line. Whatever knows these formats can check it, and witnesses can add lines.
"""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
KEY_ID_BYTES = 4
HASH_BYTES = 32
LOG_ID_DIGITS = 16
SIGNATURE_LINES_MAX = 100

_PROGRAM = "iam-ledger"
_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_SIZE = re.compile("0|[1-9][0-9]{0,17}", re.ASCII)
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)")
_CONTROL = re.compile("[\0-\x09\x0b-\x1f]")


class BadNote(ValueError):
    """This text is no checkpoint, no key, or not signed by the key; the message says which."""


class TreeHead(msgspec.Struct, frozen=True):
    """What a checkpoint says: the ledger of this origin had so many records, and this root over their hashes."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @property
    def log_id(self) -> str:
        """Which log the origin names; empty when it is none of ours."""
        return self._named[0]

    @property
    def account(self) -> str:
        """Which ledger of that log the origin names; empty when it is none of ours."""
        return self._named[1]

    @property
    def _named(self) -> tuple[str, str]:
        program, _, rest = self.origin.partition("/")
        log_id, _, account = rest.partition("/")
        return (log_id, account) if program == _PROGRAM else ("", "")


class PublicKey(msgspec.Struct, frozen=True):
    """A key that checks signatures, under the name that it signs with."""

    name: str
    key: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a verifier key: name, key id in hexadecimal and key in base64, with a plus between. Raises BadNote."""
        found = _KEY.fullmatch(text.strip())
        if found is None or not found[0].isprintable():
            raise BadNote("it has not the form name+id+key")
        key = _decoded(found[3], "the key")
        if key[:1] != _ED25519 or len(key) != len(_ED25519) + PUBLIC_KEY_BYTES:
            raise BadNote("it is no Ed25519 key")
        public = cls(found[1], key[1:])
        if public.id.hex() != found[2]:
            raise BadNote("its key id is not that of its name and key")
        return public

    @property
    def id(self) -> bytes:
        """What tells this key from others in a signature line."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """The verifier key, as `parse` reads it."""
        return f"{self.name}+{self.id.hex()}+{b64encode(_ED25519 + self.key).decode()}"


class SigningKey:
    """What signs a log's checkpoints: an Ed25519 key made of a seed of 32 bytes. ValueError for any other length."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    def public(self, name: str) -> PublicKey:
        """The key that checks what was signed under this name."""
        return PublicKey(name, self._key.public_key().public_bytes_raw())

    def sign(self, head: TreeHead) -> str:
        """The checkpoint. Its key has the origin's name."""
        signature = self.public(head.origin).id + self._key.sign(head.text.encode())
        return f"{head.text}\n{_DASH}{head.origin} {b64encode(signature).decode()}\n"


def origin_of(log_id: str, account: str) -> str:
    """The name of an account's ledger among all ledgers of all logs."""
    return f"{_PROGRAM}/{log_id}/{account}"


def log_id_of(first: bytes) -> str:
    """The name of a log: the beginning of the hash of its first record."""
    return first.hex()[:LOG_ID_DIGITS]


def read(note: str) -> TreeHead:
    """What a checkpoint says, whoever signed it. Lines behind the root are let be. Raises BadNote."""
    return _parts(note)[0]


def check(note: str, key: PublicKey) -> None:
    """Raises BadNote unless the checkpoint is signed by this key. Signatures by other keys are let be."""
    head, text, signatures = _parts(note)
    ours = [signature for name, id_, signature in signatures if (name, id_) == (key.name, key.id)]
    if not ours:
        raise BadNote(f"the checkpoint of {head.origin} is not signed by the key {key.name}+{key.id.hex()}")
    public = Ed25519PublicKey.from_public_bytes(key.key)
    for signature in ours:
        try:
            public.verify(signature, text.encode())
        except InvalidSignature:
            raise BadNote(f"the signature of the checkpoint of {head.origin} is wrong") from None


def _parts(note: str) -> tuple[TreeHead, str, list[tuple[str, bytes, bytes]]]:
    """A note taken apart: its head, the text that is signed, and name, key id and signature of each line."""
    text, empty_line, signed = note.rpartition("\n\n")
    if not empty_line or not signed.endswith("\n") or _CONTROL.search(note):
        raise BadNote("it is no signed note")
    lines = signed[:-1].split("\n")
    if len(lines) > SIGNATURE_LINES_MAX:
        raise BadNote(f"it has more than {SIGNATURE_LINES_MAX} signatures")
    return _head(text.split("\n")), f"{text}\n", [_signature(line) for line in lines]


def _head(lines: list[str]) -> TreeHead:
    if len(lines) < 3 or "" in lines:
        raise BadNote("it has not the lines of a checkpoint: origin, size, root")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size):
        raise BadNote("its size is no number")
    head = TreeHead(origin, int(size), _decoded(root, "its root"))
    if len(head.root) != HASH_BYTES:
        raise BadNote(f"its root has not {HASH_BYTES} bytes")
    return head


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not name:
        raise BadNote("a signature line is malformed")
    signature = _decoded(encoded, "a signature")
    if len(signature) <= KEY_ID_BYTES:
        raise BadNote("a signature is too short")
    return name, signature[:KEY_ID_BYTES], signature[KEY_ID_BYTES:]


def _decoded(text: str, what: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise BadNote(f"{what} is no base64") from None
