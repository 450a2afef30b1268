"""What can become of a listed document, and of what lies in it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from sqlmodel import Session

from policies.model import DocumentId

MAX_PARTS_S: Final = 900.0
"""Chosen: for so long the parts of one document are taken, then no other is begun; ordinary ones take milliseconds."""


class Outcome(StrEnum):
    """What became of a document in a sync. Every listed one is one of the first three."""

    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    QUARANTINED = "quarantined"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of a document, and what has to be written for it, if anything."""

    outcome: Outcome
    counts: Mapping[str, int] = field(default_factory=dict)
    change: Callable[[Session], None] | None = None


def counted(outcome: Outcome, counts: Mapping[str, int]) -> Mapping[str, int]:
    """The counts of one document with this outcome, less those that are zero."""
    return {outcome.value: 1} | {name: number for name, number in counts.items() if number}


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """What a part lies in: the document it belongs to, how deep, and all parts found so far.

    A part came when the document came, so that retention ends for both at once.
    """

    document: DocumentId
    ingested: datetime
    depth: int = 0
    until_s: float = field(default_factory=lambda: time.monotonic() + MAX_PARTS_S)
    parts: set[DocumentId] = field(default_factory=set)
    _seen: Counter[bytes] = field(default_factory=Counter)

    def came_before(self, content: bytes) -> int:
        """How often these bytes came in the document before this time."""
        digest = sha256(content).digest()
        self._seen[digest] += 1
        return self._seen[digest] - 1
