"""Handing out the signed receipts of deletions."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from gateway.cli.shell import say, show, show_json
from policies.errors import RefusedError


def check_folder(folder: Path | None, home: Path) -> None:
    """Refuse before anything is deleted, rather than have nowhere to put the receipt.

    Raises:
        RefusedError: it lies inside the home, or cannot be written to.
    """
    if folder is None:
        return
    if folder.resolve().is_relative_to(home.resolve()):
        raise RefusedError("The receipts' folder lies inside the home.", mend="Name a folder elsewhere.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Now, and not after the deletion: the receipt must have a place to go.
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RefusedError(
            f"No receipts can be written to {str(folder)!r}: {error.strerror}.", mend="Name another folder."
        ) from error


def give(signed: Sequence[str], folder: Path | None, *, as_json: bool) -> None:
    """Print receipts, and write each to the folder if there is one."""
    if as_json:
        show_json([json.loads(receipt) for receipt in signed])
    for receipt in signed:
        if not as_json:
            show(receipt)
        if folder:
            path = folder / f"{json.loads(receipt)['receipt']['purge']}.json"
            path.write_text(receipt + "\n", "utf-8")
            say(f"Receipt: {path}")
