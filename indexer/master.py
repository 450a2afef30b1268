"""The master key, which wraps the one key that wraps all others. It is kept outside the home.

It lies in a file or in the environment, or in a key service that wraps and unwraps on request (`indexer.kms`).
"""

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from indexer.home import sync_folder
from indexer.seal import Key, new_key, seal, unseal
from policies.errors import IntegrityError, SettingsError


class MasterKey(Protocol):
    """Wraps a key and unwraps it. It is asked when a keyring is made, opened or rotated, never for a query."""

    def wrap(self, key: Key, *, place: str) -> bytes:
        """The key wrapped. `place` is not a secret: the same one must be named to unwrap it.

        Raises:
            DependencyError: the service that holds the master key is away.
        """

    def unwrap(self, wrapped: bytes, *, place: str) -> Key:
        """The key that `wrap` was given.

        Raises:
            SettingsError: it was wrapped by another master key, at another place, or is damaged.
            DependencyError: the service that holds the master key is away.
        """


@dataclass(frozen=True)
class LocalMasterKey:
    """A master key that this process holds itself."""

    key: Key = field(repr=False)

    def wrap(self, key: Key, *, place: str) -> bytes:
        """The key wrapped."""
        return seal(self.key, key, place=place)

    def unwrap(self, wrapped: bytes, *, place: str) -> Key:
        """The key that `wrap` was given."""
        try:
            return Key(unseal(self.key, wrapped, place=place))
        except IntegrityError as error:
            raise wrong_master_key() from error


def wrong_master_key() -> SettingsError:
    """What a keyring is refused with that the master key does not open."""
    return SettingsError(
        "The master key is not the one this home was made with, or last rotated to; or the keyring is another home's.",
        mend="Point PENSTOCK_MASTER_KEY_FILE (or PENSTOCK_MASTER_KEY, PENSTOCK_KMS) at the key that `penstock init` "
        "or the last `penstock keyring rotate` wrote, or restore the keyring of this home from its backup.",
    )


def create_master_key(path: Path) -> Key:
    """Write a new master key, readable by its owner only; it is on the disk then.

    Raises:
        SettingsError: the file exists already, or cannot be made.
    """
    key = new_key()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(key) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        raise SettingsError(
            f"No master key can be written to {str(path)!r} ({type(error).__name__}).",
            mend="Name a new file in a folder you own, on a disk that is not full.",
        ) from error
    return key
