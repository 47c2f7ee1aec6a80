"""Passwords as they are kept: only what it takes to recognise one."""

import hmac
import os

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

COST, BLOCK, PARALLEL = 2**15, 8, 1  # 32 MiB, a tenth of a second; and what is kept is sealed besides
SALT_BYTES = 16
HASH_BYTES = 32


def hashed(password: str) -> str:
    """What is kept of a password: how it was hashed, and the hash. Takes a while: not for the event loop."""
    salt = os.urandom(SALT_BYTES)
    digest = _scrypt(password, salt, COST, BLOCK, PARALLEL)
    return f"scrypt:{COST}:{BLOCK}:{PARALLEL}:{salt.hex()}:{digest.hex()}"


def is_password(given: str, kept: str) -> bool:
    """Whether this is the password that was hashed. Takes a while: not for the event loop."""
    _, cost, block, parallel, salt, digest = kept.split(":")
    found = _scrypt(given, bytes.fromhex(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(found, bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return Scrypt(salt=salt, length=HASH_BYTES, n=cost, r=block, p=parallel).derive(password.encode())
