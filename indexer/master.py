"""Making the master key that wraps every other key. It is kept outside the home and never leaves its file."""

import base64
import os
from pathlib import Path

from indexer.seal import new_key
from policies.errors import SettingsError


def create_master_key(path: Path) -> None:
    """Write a new master key, readable by its owner only.

    Raises:
        SettingsError: the file exists already, or cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(
            f"No master key can be written to {str(path)!r} ({type(error).__name__}).",
            mend="Name a new file in a folder you own, in PENSTOCK_MASTER_KEY_FILE.",
        ) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(new_key()) + b"\n")
        file.flush()
        os.fsync(file.fileno())
