"""What the three formats of a mailbox have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from connectors.base import Cursor, Finished, Refused
from connectors.mailbox.message import MAX_HEAD_BYTES, Head
from policies.errors import QuarantineError

Place: TypeAlias = tuple[str, int, int]
"""Where a store has a message, in its own terms."""
MAX_PASSES: Final = 4
"""Chosen: a mailbox in which messages were moved during three passes on end is listed again another time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A message in its store. `key` names it wherever it lies; `arrived` is the store's own time (UTC, aware)."""

    key: str
    head: Head
    place: Place
    stamp: str
    size_bytes: int | None
    arrived: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """A message as it was read: its bytes, and the key that they give."""

    key: str
    data: bytes


class Store(Protocol):
    """Where messages lie. The errors are those of a connector."""

    def scan(self, cursor: Cursor | None) -> Iterator[Found | Refused | Finished]:
        """What a listing is made of. A message that lies in several places may come several times."""

    def read(self, place: Place, *, max_bytes: int) -> Content:
        """The message that is at a place now, whichever it is."""


def refusal(reason: str, mend: str = "Sync again.") -> QuarantineError:
    """The error of a message that cannot be fetched."""
    return QuarantineError(f"The message was not read: {reason}.", reason=reason, stage="fetch", mend=mend)


def too_large(max_bytes: int) -> QuarantineError:
    """The error of a message that is larger than the source's limit."""
    return refusal("too_large", f"Raise the source's limit of {max_bytes} bytes.")


def long_head(origin_id: str) -> Refused:
    """What is listed in place of a message whose header cannot be read to its end."""
    return Refused(
        origin_id=origin_id,
        reason="header_too_large",
        mend=f"Its header has more than {MAX_HEAD_BYTES} bytes. Delete it, or move it to a folder that is left out.",
    )
