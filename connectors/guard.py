"""A connector kept to its contract, whoever wrote it.

A fault of the connector itself, such as a value of the wrong type or an id that comes twice, is a RefusedError and
stops the run: what it lists cannot be relied on. A value of the right type and out of bounds concerns one document,
which is listed as refused, so that no single name in an origin stops a run. Of an unknown exception only the class is
told, for its text may hold anything; it is no use to try the same again, but where the network may be its cause.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from connectors.base import Change, Connector, Cursor, Delete, Finished, Listing, Refused, SourceDocument, Upsert
from policies.errors import DependencyError, PenstockError, QuarantineError, RefusedError
from policies.manifest.scalars import Principal
from policies.model import Access

MAX_ITEMS: Final = 10_000_000
"""Chosen: what one listing may hold, at 0.1 kB of memory each (measured) to find an id that comes twice."""
MAX_ORIGIN_ID_BYTES: Final = 4096
MAX_NAME_BYTES: Final = 1024
MAX_URI_BYTES: Final = 8192
MAX_STAMP_BYTES: Final = 1024
MAX_CURSOR_BYTES: Final = 64 * 2**10
MAX_MEND_BYTES: Final = 1024
MAX_PRINCIPALS: Final = 10_000
"""Chosen: per document, to allow or to deny."""
MAX_RETRY_AFTER_S: Final = 86_400.0
"""Chosen: an origin that asks to be left alone for longer is asked again after a day."""
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Chosen: times outside mean "unknown" or "never" (year 1, 9999-12-31); after the latter no retention would end."""

_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_URI: Final = re.compile(
    r"(?!(javascript|vbscript|data|blob|filesystem|view-source|about|jar):)[a-z][a-z0-9+.-]+:[!-~]+"
)
_SHOWN_CHARS: Final = 200
_STAND_IN: Final = re.compile(r"… \([0-9a-f]{16}\)\Z")
_PRINCIPAL: Final = TypeAdapter(Principal)


def guarded(connector: Connector) -> Connector:
    """The connector behind checks of all that it gives and raises. What passes them is as it was given.

    A listing's items are copies. A time that is out of bounds is None. A document's access with a malformed principal
    is left out, which admits nobody: to leave out a single one of `deny` would admit whom it names.

    Raises, from every method: RefusedError, DependencyError; QuarantineError from `fetch` alone.
    """
    return _Guarded(connector=connector)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Guarded:
    connector: Connector = field(repr=False)

    def list(self, cursor: Cursor | None) -> Listing:
        with _told(self._stopped):
            yield from self._checked(self.connector.list(cursor))

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        with _told(self._skipped, quarantines=True):
            content = self.connector.fetch(document, max_bytes=max_bytes)
        if type(content) is not bytes:
            raise self._fault("fetches something that is no bytes")
        if len(content) > max_bytes:
            raise QuarantineError(
                f"The document is larger than {max_bytes} bytes.",
                reason="too_large",
                stage="fetch",
                mend="Leave it out, or raise the source's limits.max_document_bytes.",
            )
        return content

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:
        asked = frozenset(document.origin_id for document in documents)
        with _told(self._stopped):
            found = self.connector.permissions(tuple(documents))
            if not isinstance(found, dict):
                raise self._fault("gives permissions that are no dict")
            if not asked.issuperset(found):
                raise self._fault("gives permissions of a document that it was not asked for")
            checked = {origin_id: self._access(access) for origin_id, access in found.items()}
        return {origin_id: access for origin_id, access in checked.items() if access is not None}

    def _checked(self, items: Listing) -> Listing:
        seen: set[bytes] = set()
        refused: set[bytes] = set()
        finished: Finished | None = None
        for number, item in enumerate(items):
            if number >= MAX_ITEMS:
                raise self._fault(f"lists more than {MAX_ITEMS} documents", mend="Make several sources of it.")
            if finished is not None:
                raise self._fault("lists something after it finished")
            if isinstance(item, Finished):
                finished = self._finished(item)
                continue
            change = self._change(item)
            # A connector shows a name that cannot be kept as it can be, which may be the name of a document too.
            if isinstance(change, Upsert) and _digest(change) in refused:
                change = Refused(origin_id=_stand_in(change.document.origin_id), reason="bad_id", mend=_MEND)
            digest = _digest(change)
            if digest not in seen:
                seen.add(digest)
                if isinstance(change, Refused):
                    refused.add(digest)
                yield change
            elif not isinstance(change, Refused) and digest not in refused:
                raise self._fault("lists two documents with one id", mend=_ONE_ID)
        if finished is not None:
            yield finished

    def _finished(self, item: Finished) -> Finished:
        if type(item.complete) is not bool:
            raise self._fault("does not say whether a listing is complete")
        if item.cursor is not None and not _fits(item.cursor, MAX_CURSOR_BYTES):
            raise self._fault(f"keeps a cursor that is no text of at most {MAX_CURSOR_BYTES} bytes")
        return Finished(complete=item.complete, cursor=item.cursor)

    def _change(self, item: object) -> Change:
        match item:
            case Upsert(document=SourceDocument() as document):
                return self._document(document)
            case Delete(origin_id=str(origin_id)):
                return Delete(origin_id=_usable(origin_id))
            case Refused(origin_id=str(origin_id), reason=str(reason), mend=str(mend)):
                if _CODE.fullmatch(reason) and _fits(mend, MAX_MEND_BYTES):
                    return Refused(origin_id=_usable(origin_id), reason=reason, mend=mend)
        raise self._fault(f"lists something that is no change: {_class_of(item)}")

    def _document(self, document: SourceDocument) -> Upsert | Refused:
        texts = (document.origin_id, document.name, document.uri, document.stamp)
        size_bytes = document.size_bytes
        if not all(isinstance(text, str) for text in texts) or not (size_bytes is None or type(size_bytes) is int):
            raise self._fault("lists a document with a value of the wrong type")
        times = [self._time(time) for time in (document.created, document.modified)]
        origin_id, name, uri, stamp = map(str, texts)
        if reason := _out_of_bounds(origin_id, name, uri, stamp, size_bytes):
            return Refused(origin_id=_usable(origin_id), reason=reason, mend=_MEND)
        copy = SourceDocument(
            origin_id=origin_id,
            name=name,
            uri=uri,
            size_bytes=size_bytes,
            stamp=stamp,
            created=times[0],
            modified=times[1],
        )
        return Upsert(document=copy)

    def _time(self, value: object) -> datetime | None:
        if value is None:
            return None
        if not isinstance(value, datetime) or value.utcoffset() is None:
            raise self._fault("gives a time without a time zone")
        if not EARLIEST <= value < LATEST:
            return None
        there = value.astimezone(UTC)
        return datetime.combine(there.date(), there.time(), tzinfo=UTC)

    def _access(self, access: object) -> Access | None:
        match access:
            case Access(allow=frozenset() as allow, deny=frozenset() as deny, as_of=None):
                if max(len(allow), len(deny)) <= MAX_PRINCIPALS and all(map(_is_principal, allow | deny)):
                    return Access(allow=allow, deny=deny)
                return None
        raise self._fault("gives access rules of another form, or dates them itself")

    def _fault(self, what: str, *, mend: str = "") -> RefusedError:
        return RefusedError(
            f"The connector {_class_of(self.connector)} {what}.", mend=mend or "Report it to the connector's author."
        )

    def _stopped(self, error: BaseException) -> PenstockError:
        if isinstance(error, OSError):
            return _passing(error)
        return self._fault(f"failed with {_class_of(error)}")

    def _skipped(self, error: BaseException) -> PenstockError:
        if isinstance(error, ConnectionError | TimeoutError):
            return _passing(error)
        return _unreadable(f"The connector {_class_of(self.connector)} failed on it with {_class_of(error)}.")


_MEND: Final = "Mend it where it is kept, or leave it out of the source."
_ONE_ID: Final = (
    "Each document needs an id of its own. Where a query joins it with several rows, aggregate those by its id."
)


@contextmanager
def _told(unknown: Callable[[BaseException], PenstockError], *, quarantines: bool = False) -> Iterator[None]:
    """Let the three classes of the contract through, and make one of them of everything else."""
    try:
        yield
    except (RefusedError, MemoryError):
        raise
    except DependencyError as error:
        error.retry_after_s = _patience(error.retry_after_s)
        raise
    except QuarantineError as error:
        if not quarantines:
            raise unknown(error) from None
        if error.stage != "fetch" or not _CODE.fullmatch(str(error.reason)):
            raise _unreadable("The document cannot be fetched.") from None
        raise
    # One that calls sys.exit() would end the worker. `from None`: a logged traceback would show the text.
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code fails as it likes; none of it is lost
        raise unknown(error) from None


def _passing(error: BaseException) -> DependencyError:
    return DependencyError(f"The origin cannot be reached: {_class_of(error)}.", mend="See that it is up, then retry.")


def _unreadable(message: str) -> QuarantineError:
    return QuarantineError(
        message, reason="unreadable", stage="fetch", mend="Sync again; if it stays, tell the connector's author."
    )


def _patience(seconds: object) -> float | None:
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return min(max(float(seconds), 0.0), MAX_RETRY_AFTER_S)


def _out_of_bounds(origin_id: str, name: str, uri: str, stamp: str, size_bytes: int | None) -> str | None:
    """The reason why a document with these values cannot be taken, None where it can."""
    if not _is_usable(origin_id):
        return "bad_id"
    if not _fits(name, MAX_NAME_BYTES):
        return "bad_name"
    if len(uri) > MAX_URI_BYTES or not _URI.fullmatch(uri) or _holds_credentials(uri):
        return "bad_uri"
    if not _fits(stamp, MAX_STAMP_BYTES):
        return "bad_stamp"
    return "bad_size" if size_bytes is not None and size_bytes < 0 else None


def _holds_credentials(uri: str) -> bool:
    if "@" not in uri and "[" not in uri:
        return False
    try:
        parts = urlsplit(uri)
    except ValueError:
        return True
    return parts.password is not None or (parts.scheme in {"http", "https"} and parts.username is not None)


def _fits(text: object, max_bytes: int) -> bool:
    try:
        return isinstance(text, str) and "\0" not in text and len(text) <= max_bytes and len(text.encode()) <= max_bytes
    except UnicodeEncodeError:  # lone surrogates are no text that any store keeps
        return False


def _digest(change: Change) -> bytes:
    origin_id = change.document.origin_id if isinstance(change, Upsert) else change.origin_id
    return hashlib.blake2b(origin_id.encode(), digest_size=16).digest()


def _usable(origin_id: str) -> str:
    """The id, or what stands in for one that cannot be kept."""
    return origin_id if _is_usable(origin_id) else _stand_in(origin_id)


def _is_usable(origin_id: str) -> bool:
    """Whether an id can be kept. One that looks like a stand-in cannot: it would take another's place."""
    return bool(origin_id) and _fits(origin_id, MAX_ORIGIN_ID_BYTES) and not _STAND_IN.search(origin_id)


def _stand_in(origin_id: str) -> str:
    """What can be shown of an id, with a digest to tell it from others. No id that can be kept is like it."""
    digest = hashlib.sha256(origin_id.encode(errors="surrogatepass")).hexdigest()[:16]
    shown = origin_id[:_SHOWN_CHARS].encode(errors="backslashreplace").decode().replace("\0", "\\0")
    return f"{shown}… ({digest})"


def _is_principal(value: object) -> bool:
    try:
        _PRINCIPAL.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _class_of(value: object) -> str:
    return type(value).__name__[:100]
