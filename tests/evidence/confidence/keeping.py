"""What the questions of a set gave, kept in a file that is good for nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from gateway.confidence import FEATURES
from policies.errors import RefusedError
from tests.evidence.confidence.asking import Table

_FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv", "holdout30.json")


def bound_to(folder: Path, **asked: object) -> dict[str, str]:
    """What the results of a set depend on, by name: its files, the features, and how it was asked."""
    files = {name: _digest(folder / name) for name in _FILES}
    return files | {"features": " ".join(FEATURES)} | {name: str(value) for name, value in asked.items()}


def keep(table: Table, path: Path, about: Mapping[str, Any] | None = None) -> None:
    """Write a table, so that its questions need not be asked again, under exactly this name."""
    with path.open("wb") as file:
        np.savez(
            file,
            features=table.features,
            sufficient=table.sufficient,
            kinds=table.kinds,
            groups=table.groups,
            about=np.array(json.dumps(about or {})),
        )


def load(path: Path) -> tuple[Table, dict[str, Any]]:
    """A table and what was kept about it.

    Raises:
        RefusedError: the file holds none.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            table = Table(**{field.name: arrays[field.name] for field in fields(Table)})
            about = json.loads(str(arrays["about"])) if "about" in arrays else {}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise RefusedError(f"{str(path)!r} holds no table.", mend="Name another file, or delete it.") from error
    return table, about


def require(about: Mapping[str, Any], bound: Mapping[str, str], path: Path) -> None:
    """Refuse a table that was kept for anything else."""
    before = about.get("bound", {})
    others = [name for name, value in bound.items() if before.get(name) != value]
    if others:
        raise RefusedError(
            f"{path.name} was kept for something else: {', '.join(others)} differ.",
            mend="Name another file, or delete it.",
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
