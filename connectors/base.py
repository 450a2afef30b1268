"""The contract between Penstock and an origin of documents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol

from policies.model import Access

Cursor = NewType("Cursor", str)
"""Where a listing left off, in the connector's own terms. Opaque to everybody else, at most 64 KiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceDocument:
    """One document as its origin lists it. Times are UTC and aware, None where the origin does not know.

    `origin_id` is unique in the source and stable across versions, and across renames and moves where the origin has
    an id of its own for a document; `name` is the file name or the like (it decides nothing but helps to recognise the
    format); `uri` is what a citation links to; `stamp` changes whenever the bytes may have changed (an ETag, or size
    and modification time), "" where the origin offers none.
    """

    origin_id: str
    name: str
    uri: str
    size_bytes: int | None
    stamp: str
    created: datetime | None
    modified: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Upsert:
    """The document is there, new or changed or not: the catalog knows."""

    document: SourceDocument


@dataclass(frozen=True, kw_only=True, slots=True)
class Delete:
    """The origin says that the document is gone."""

    origin_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """The origin lists something that must not be read, such as a symbolic link. It is recorded, never fetched."""

    origin_id: str
    reason: str
    mend: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The last thing of a listing that came to its end: one without it was cut off, and nothing it lacks is gone.

    `complete` is True where the listing named every document of the source, so that one it did not name is gone; a
    connector that had to leave a part out says False. `cursor` is what the next listing may start from, None where the
    origin keeps none.
    """

    complete: bool
    cursor: Cursor | None = None


Change = Upsert | Delete | Refused
Listing = Iterator[Change | Finished]


class Connector(Protocol):
    """An origin of documents. One instance serves one sync; it holds no state between syncs but the cursor.

    Raises, from every method: RefusedError (stop: configuration or credentials are wrong), DependencyError (retry
    later: the origin is away or throttling), QuarantineError (skip this document).
    """

    def list(self, cursor: Cursor | None) -> Listing:
        """What changed since `cursor`, or everything where it is None or no longer understood; then `Finished`.

        An origin id comes once. An error on the way ends the listing, and nothing is deleted.
        """

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        """The bytes of a listed document, also of one listed by an earlier instance.

        Raises:
            QuarantineError: unreadable, gone meanwhile, or larger than `max_bytes` (which is never read to its end).
        """

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:
        """The origin's own access rules by origin id. A document left out has none, which admits nobody."""
