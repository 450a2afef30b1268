"""The home: the one folder where everything Penstock keeps lies, except the master key."""

import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from policies.errors import SettingsError
from policies.model import GenerationId, SourceName

FORMAT = 5
"""Raised when a home of this version could not be read by the one before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """An existing home and the region its volume lies in (ISO 3166-1 alpha-2, lower case)."""

    root: Path
    store_region: str

    @property
    def catalog(self) -> Path:
        """The catalog's database."""
        return self.root / "catalog.db"

    @property
    def keyring(self) -> Path:
        """The keyring's database, in a folder that can be mounted from elsewhere and is backed up apart."""
        return self.root / "keyring" / "keyring.db"

    @property
    def ballast(self) -> Path:
        """A file of nothing, let go of where a purge finds the disk full."""
        return self.root / "ballast"

    def generations(self, source: SourceName) -> Path:
        """The folder of a source's generations."""
        return self.root / "sources" / source

    def generation(self, source: SourceName, generation: GenerationId) -> Path:
        """The folder of one generation."""
        return self.generations(source) / generation


def create(root: Path, *, store_region: str, now: datetime) -> Home:
    """Make a new, empty home.

    Raises:
        SettingsError: there is something in that folder already, or it cannot be made.
    """
    try:
        if root.exists() and any(root.iterdir()):
            raise SettingsError(
                f"{str(root)!r} is not empty.",
                mend="Name a new folder, or leave out `init` if this is your home already.",
            )
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)
        content = {"format": FORMAT, "store_region": store_region, "created": now.isoformat()}
        (root / "home.json").write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise SettingsError(
            f"No home can be made in {str(root)!r} ({type(error).__name__}).", mend="Name a folder you can write to."
        ) from error
    return Home(root=root, store_region=store_region)


def abandon(home: Home) -> None:
    """Empty a home that `create` has just made, so that it can be made again."""
    shutil.rmtree(home.root / "keyring", ignore_errors=True)
    for path in home.root.iterdir():
        path.unlink()


def find(root: Path) -> Home:
    """The home in a folder.

    Raises:
        SettingsError: there is none, it is damaged, or a newer Penstock made it.
    """
    try:
        content = json.loads((root / "home.json").read_text())
        version, region = int(content["format"]), str(content["store_region"])
    except FileNotFoundError as error:
        raise SettingsError(
            f"{str(root)!r} is not a Penstock home.", mend="Make one with `penstock init`, or name yours with --home."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"The home.json in {str(root)!r} is damaged.", mend="Restore it from a backup.") from error
    if version != FORMAT:
        age = "a newer" if version > FORMAT else "an older"
        raise SettingsError(
            f"The home in {str(root)!r} was made by {age} Penstock (format {version}, this one reads {FORMAT}).",
            mend="Use the Penstock that made it, or make a new home and sync the sources again.",
        )
    return Home(root=root, store_region=region)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, as they are now."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
