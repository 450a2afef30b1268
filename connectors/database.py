"""Documents in a database: each one a row."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Final, Self
from urllib.parse import quote

from sqlalchemy import TextClause

from connectors.base import Cursor, Delete, Finished, Listing, SourceDocument, Upsert
from connectors.patience import patiently
from connectors.secrets import Secrets
from connectors.sql import columns, given
from connectors.sql.dialects import BadValueError, dialect
from connectors.sql.snapshot import ReadOnlyDatabase
from policies.errors import QuarantineError, RefusedError
from policies.model import Access

OVERLAP: Final = timedelta(hours=2)
"""Chosen: what is asked for twice, so that no row is missed that a transaction still open at the last listing had
changed, that another clock dated, or that falls into the hour which clocks set back repeat."""
IDS_PER_QUERY: Final = 500
_OPTIONS: Final = frozenset(
    {"url", "password", "documents", "text", "changes", "access", "separator", "timezone", "format", "uri_template"}
)
_ID: Final = frozenset({"id"})
_COLUMNS: Final = frozenset({"title", "created", "modified", "stamp", "size_bytes", "deleted"})
_DENY: Final = frozenset({"deny"})
_NOBODY: Final = Access(allow=frozenset(), deny=frozenset())
_CURSOR: Final = re.compile(r"1 ([0-9a-f]{16}) ([0-9T:.+-]{20,40})", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseConnector:
    """The rows of the query `documents`, whose text the query `text` gives one by one.

    `documents` selects by name `id` and, where there are such, `title`, `created`, `modified`, `stamp`, `size_bytes`
    and `deleted`, and no other column. An id is text, a whole number or a UUID; two rows with one id are a fault that
    the registry's guard finds. A stamp must change whenever the text may have; where none is selected it is the time
    of modification, and a document with neither is fetched every time. `text` takes `:id`, as text, and gives one
    column: text, bytes, or NULL for an empty document. A text larger than is allowed has been read once before it is
    refused, unless `size_bytes` told.

    `changes` is as `documents` with the rows that changed at or after `:since`. Only with it is a listing incremental,
    and then only rows marked `deleted` are seen to be gone. `access` takes `:ids` and selects `id`, `allow` and `deny`:
    arrays, JSON arrays, text that holds several principals with `separator` between them, or a single one. Rows of one
    id add up. A document without one admits nobody, nor does one of which any principal is malformed (the guard
    leaves it out).

    A transaction that sees one state lasts as long as a listing is iterated over.
    """

    database: ReadOnlyDatabase = field(repr=False)
    documents: TextClause = field(repr=False)
    content: TextClause = field(repr=False)
    changes: TextClause | None = field(repr=False)
    access: TextClause | None = field(repr=False)
    separator: str | None
    timezone: tzinfo | None
    format: str
    uri_template: str
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, secrets: Secrets) -> Self:
        """The connector a manifest describes.

        Raises:
            RefusedError: an option is unknown, missing or wrong, a secret is missing, or a driver is not installed.
        """
        if unknown := sorted(set(options) - _OPTIONS):
            raise RefusedError(
                f"The database connector has no option {unknown[0]!r}.",
                mend=f"Its options are {', '.join(sorted(_OPTIONS))}.",
            )
        zone = given.zone(options.get("timezone"))
        kind = dialect(given.url(options, secrets), base=secrets.base)
        return cls(
            database=ReadOnlyDatabase(dialect=kind, engine=kind.engine(), zone=zone or UTC),
            documents=given.query(options, "documents"),
            content=given.query(options, "text", "id"),
            changes=given.query(options, "changes", "since") if "changes" in options else None,
            access=given.query(options, "access", "ids") if "access" in options else None,
            separator=given.separator(options.get("separator")),
            timezone=zone,
            format=given.ending(options.get("format", "txt")),
            uri_template=given.uri_template(options.get("uri_template", "database:{id}")),
        )

    def list(self, cursor: Cursor | None) -> Listing:
        """Every document, or those that changed since a cursor of this same configuration."""
        since = self._since(cursor)
        with ExitStack() as opened:
            snapshot = patiently(lambda: opened.enter_context(self.database.snapshot()), sleep=self.sleep)
            if self.changes is None or since is None or since > snapshot.now:  # a clock went backwards
                complete, selected = True, snapshot.select(self.documents, {})
            else:
                moment = self.database.dialect.parameter(since, zone=self.database.zone)
                complete, selected = False, snapshot.select(self.changes, {"since": moment})
            for row in columns.named(selected, required=_ID, optional=_COLUMNS):
                yield self._change(row)
        yield Finished(complete=complete, cursor=self._cursor(snapshot.now) if self.changes is not None else None)

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        """The text of a document in UTF-8, or its bytes."""
        if not _can_be_asked(document.origin_id):
            raise _gone()
        if (document.size_bytes or 0) > max_bytes:
            raise _too_large(max_bytes)
        try:
            content = patiently(lambda: self._read(document.origin_id), sleep=self.sleep)
        except BadValueError as error:
            raise QuarantineError(error.message, reason="unreadable", stage="fetch", mend=error.mend) from None
        if len(content) > max_bytes:
            raise _too_large(max_bytes)
        return content

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:
        """What the query `access` says of the documents, of one moment."""
        asked = [document.origin_id for document in documents if _can_be_asked(document.origin_id)]
        if self.access is None:
            return {}
        batches = [asked[start : start + IDS_PER_QUERY] for start in range(0, len(asked), IDS_PER_QUERY)]
        return {key: access for batch in batches for key, access in self._mirror(self.access, batch).items()}

    def _read(self, origin_id: str) -> bytes:
        with self.database.snapshot() as snapshot:
            selected = snapshot.select(self.content, {"id": origin_id}, batch=2)
            found = [value for value, *others in islice(selected.rows, 2) if not others]
        match found:
            case [None]:
                return b""
            case [str(content)]:
                return content.encode()
            case [bytes() | memoryview() as content]:
                return bytes(content)
            case [] if len(selected.names) == 1:
                raise _gone()
        raise RefusedError(
            "The query `text` gives more than one value for an id, or neither text nor bytes.",
            mend="Select one column of one row in it, and cast what is not text or bytes to text.",
        )

    def _mirror(self, query: TextClause, asked: Sequence[str]) -> dict[str, Access]:
        """The access to the documents that are asked for. One with a value that cannot be read takes no other along.

        Raises:
            BadValueError: each of them has such a value, so that it is the query's fault.
        """
        try:
            return patiently(lambda: self._select_access(query, asked), sleep=self.sleep)
        except BadValueError:
            if len(asked) == 1:
                raise
        found: dict[str, Access] = {}
        faults: list[BadValueError] = []
        for half in (asked[: len(asked) // 2], asked[len(asked) // 2 :]):
            try:
                found |= self._mirror(query, half)
            except BadValueError as fault:
                faults.append(fault)
        if len(faults) > 1:
            raise faults[0]
        return found

    def _select_access(self, query: TextClause, asked: Sequence[str]) -> dict[str, Access]:
        found = dict.fromkeys(asked, _NOBODY)
        with self.database.snapshot() as snapshot:
            selected = snapshot.select(query, {"ids": asked})
            for row in columns.named(selected, required=_ID | {"allow"}, optional=_DENY):
                origin_id = columns.identifier(row["id"])
                if before := found.get(origin_id):
                    found[origin_id] = Access(
                        allow=before.allow | columns.principals(row["allow"], separator=self.separator),
                        deny=before.deny | columns.principals(row.get("deny"), separator=self.separator),
                    )
        return {origin_id: access for origin_id, access in found.items() if access != _NOBODY}

    def _change(self, row: Mapping[str, object]) -> Upsert | Delete:
        origin_id = columns.identifier(row["id"])
        if columns.flag(row.get("deleted")):
            return Delete(origin_id=origin_id)
        modified = columns.moment(row.get("modified"), zone=self.timezone)
        document = SourceDocument(
            origin_id=origin_id,
            name=self._name(row.get("title"), origin_id),
            uri=self.uri_template.replace("{id}", quote(origin_id, safe="")),
            size_bytes=columns.size_bytes(row.get("size_bytes")),
            stamp=columns.stamp(row.get("stamp", modified)),
            created=columns.moment(row.get("created"), zone=self.timezone),
            modified=modified,
        )
        return Upsert(document=document)

    def _name(self, title: object, origin_id: str) -> str:
        stem = columns.title(title) or columns.title(origin_id)
        return stem if self.format == "named" else f"{stem}.{self.format}"

    def _fingerprint(self) -> str:
        """Of what a cursor is of, so that it is not understood where that has changed."""
        parts = (self.database.dialect.place, self.documents.text, str(self.changes), str(self.database.zone))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def _cursor(self, now: datetime) -> Cursor:
        return Cursor(f"1 {self._fingerprint()} {(now - OVERLAP).isoformat()}")

    def _since(self, cursor: Cursor | None) -> datetime | None:
        found = _CURSOR.fullmatch(cursor or "")
        if found is None or found[1] != self._fingerprint():
            return None
        try:
            since = datetime.fromisoformat(found[2])
        except ValueError:
            return None
        return since if since.tzinfo else None


def _can_be_asked(origin_id: str) -> bool:
    """Whether a database can be asked for an id at all: drivers fail on a NUL and on what is no Unicode."""
    return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in origin_id)


def _gone() -> QuarantineError:
    return QuarantineError("The row is no longer there.", reason="gone", stage="fetch", mend="List the source again.")


def _too_large(max_bytes: int) -> QuarantineError:
    return QuarantineError(
        f"The document is larger than {max_bytes} bytes.",
        reason="too_large",
        stage="fetch",
        mend="Raise the source's limits.max_document_bytes, or leave it out of the query.",
    )
