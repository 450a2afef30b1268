"""Documents in an object store or on an SFTP server, each one an object or a file."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Protocol, Self
from urllib.parse import quote

from connectors.base import Cursor, Finished, Listing, Refused, SourceDocument, Upsert
from connectors.objectstore.options import Options
from connectors.objectstore.store import Item, Sleep, Store, too_large
from connectors.patterns import Selection, read_patterns, read_uri_prefix
from connectors.secrets import Secrets
from policies.errors import RefusedError
from policies.model import Access

EXTRAS: Final = {"s3": "s3", "gs": "gcs", "az": "azure", "sftp": "sftp"}
"""By the scheme of the url: the extra that holds what the store needs, and the module beside this one that uses it."""
_LINK_SCHEMES: Final = frozenset({"http", "https", *EXTRAS})


class _StoreModule(Protocol):
    def store(self, options: Options) -> Store: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectStoreConnector:
    """The objects behind a prefix, or files in a folder, that a pattern of `include` matches and none of `exclude`.

    An origin id is the key behind the prefix, or the path from the root, in the very characters of the store: keys
    that look alike stay two documents. A link is `uri_prefix` and the quoted id, the url and the id by default. Names
    that begin with a dot are left out as the filesystem connector leaves them out.

    Every listing is complete and asks the store afresh; no part of one is kept. A document is read as it was listed, or
    not at all. Credentials are those that the manifest refers to; those that a machine offers, and none at all, are
    used where the manifest says so and never instead. Messages hold no key.

    Tested against real servers of S3's protocol (moto) and of SFTP (asyncssh, OpenSSH); Google Cloud Storage against an
    emulator and a stand-in, Azure Blob Storage against a stand-in only.
    """

    store: Store = field(repr=False)
    selection: Selection
    uri_prefix: str
    sleep: Sleep = field(default=time.sleep, repr=False)

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, secrets: Secrets) -> Self:
        """The connector a manifest describes.

        Raises:
            RefusedError: an option is unknown, missing or wrong, a secret is missing, or an extra is not installed.
        """
        read = Options.of(options, secrets=secrets)
        return cls(
            store=_module(read.place.scheme).store(read),
            selection=Selection(
                include=read_patterns("include", options.get("include")),
                exclude=read_patterns("exclude", options["exclude"]) if "exclude" in options else (),
            ),
            uri_prefix=read_uri_prefix(options.get("uri_prefix", read.place.link), schemes=_LINK_SCHEMES),
        )

    def list(self, cursor: Cursor | None) -> Listing:  # noqa: ARG002 - stores keep no record of changes that is free
        """Every document, in the store's own order."""
        for entry in self.store.listing(self.selection, sleep=self.sleep):
            yield entry if isinstance(entry, Refused) else Upsert(document=self._document(entry))
        yield Finished(complete=True)

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        """The bytes of the version that was listed, at most `max_bytes`."""
        if document.size_bytes is not None and document.size_bytes > max_bytes:
            raise too_large(max_bytes)
        return self.store.read(document.origin_id, stamp=document.stamp, max_bytes=max_bytes, sleep=self.sleep)

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:  # noqa: ARG002 - see below
        """None: the ACLs of buckets and mode bits say who may use a store, not who may read a document."""
        return {}

    def _document(self, item: Item) -> SourceDocument:
        return SourceDocument(
            origin_id=item.path,
            name=item.path.rstrip("/").rpartition("/")[2] or item.path,
            uri=self.uri_prefix + quote(item.path),
            size_bytes=item.size_bytes,
            stamp=item.stamp,
            created=item.created,
            modified=item.modified,
        )


def _module(scheme: str) -> _StoreModule:
    extra = EXTRAS[scheme]
    try:
        module: _StoreModule = import_module(f"connectors.objectstore.{extra}")
    except ModuleNotFoundError as error:
        raise RefusedError(
            f"A source at {scheme}:// needs {error.name}, which is not installed.",
            mend=f"Run pip install 'penstock[{extra}]'.",
        ) from None
    return module
