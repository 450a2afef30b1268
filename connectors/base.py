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

    `origin_id` is stable across versions and unique in the source; `name` is the file name or the like (it decides
    nothing but helps to recognise the format); `uri` is what a citation links to; `stamp` changes whenever the
    bytes may have changed (an ETag, or size and modification time), "" where the origin offers none.
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


Change = Upsert | Delete | Refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What the origin holds, or what changed since a cursor.

    `complete` is True where the listing names every document of the source, so that one it does not name is gone.
    Iterating `changes` to its end is what makes the listing count: an error on the way raises and nothing is
    deleted. `cursor` is what the next listing starts from, None where the origin keeps none.
    """

    changes: Iterator[Change]
    complete: bool
    cursor: Cursor | None


class Connector(Protocol):
    """An origin of documents. One instance serves one sync; it holds no state between syncs but the cursor.

    Raises, from every method: RefusedError (stop: configuration or credentials are wrong), DependencyError (retry
    later: the origin is away or throttling), QuarantineError (skip this document).
    """

    def list(self, cursor: Cursor | None) -> Listing:
        """What changed since `cursor`, or everything where it is None."""

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        """The bytes of a listed document.

        Raises:
            QuarantineError: unreadable, gone meanwhile, or larger than `max_bytes` (which is never read to its end).
        """

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:
        """The origin's own access rules by origin id. A document left out has none, which admits nobody."""
