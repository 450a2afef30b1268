"""Authenticated encryption of what the catalog stores: AES-256-GCM, bound to the place it is stored at."""

import secrets
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from policies.errors import IntegrityError

Key = NewType("Key", bytes)
"""32 random bytes."""
KEY_BYTES = 32
NONCE_BYTES = 12
"""96 bits, the size NIST SP 800-38D recommends for GCM."""


def new_key() -> Key:
    """A fresh key from the operating system's generator."""
    return Key(secrets.token_bytes(KEY_BYTES))


def seal(key: Key, plain: bytes, *, place: str) -> bytes:
    """Nonce, ciphertext and tag. `place` is not stored: the same one must be named to open it."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, place.encode())


def unseal(key: Key, sealed: bytes, *, place: str) -> bytes:
    """The bytes that `seal` was given.

    Raises:
        IntegrityError: another key, another place, or a changed bit.
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError) as error:
        raise IntegrityError(
            f"{place!r} does not open with its key.",
            mend="Catalog and keyring do not belong together, or a file was damaged: restore both from one backup.",
        ) from error
