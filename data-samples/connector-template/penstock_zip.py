"""Documents in a ZIP archive, such as an export that another system delivers."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from connectors.base import Cursor, Finished, Listing, SourceDocument, Upsert
from connectors.secrets import Secrets
from policies.errors import DependencyError, QuarantineError, RefusedError
from policies.model import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class ZipConnector:
    """The files of one archive. Its option is `archive`, a path relative to the manifest."""

    archive: Path

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, secrets: Secrets) -> Self:
        """Check the options and read nothing yet. A credential would come from `secrets.read(...)`."""
        archive = options.get("archive")
        if set(options) != {"archive"} or not isinstance(archive, str):
            raise RefusedError("The zip connector takes one option.", mend="Write `archive: path/of.zip`.")
        return cls(archive=secrets.base / archive)

    def list(self, cursor: Cursor | None) -> Listing:
        """Every file, each time: an archive keeps no record of changes."""
        with self._opened() as archive:
            last = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}  # of a name
        yield from (Upsert(document=_document(entry)) for entry in last.values())
        yield Finished(complete=True)  # only at the very end, or what is missing would count as deleted

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        """The bytes of one file, read no further than the limit whatever the archive says of its size."""
        try:
            with self._opened() as archive, archive.open(document.origin_id) as file:
                content = file.read(max_bytes + 1)
        except KeyError:
            raise _skipped("gone", "Sync again.") from None
        except (RuntimeError, zipfile.BadZipFile):  # a password, or a broken entry
            raise _skipped("unreadable", "Look at the archive.") from None
        if len(content) > max_bytes:
            raise _skipped("too_large", "Raise the source's limits.max_document_bytes.")
        return content

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:
        """None: an archive does not say who may read it, so the manifest's own rules must."""
        return {}

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.archive)
        except (OSError, zipfile.BadZipFile) as error:
            kind = RefusedError if isinstance(error, OSError) else DependencyError  # it may be half written
            raise kind("The archive cannot be opened.", mend="Mend it, or connector.archive.") from None


def _document(entry: zipfile.ZipInfo) -> SourceDocument:
    return SourceDocument(
        origin_id=entry.filename,
        name=Path(entry.filename).name,
        uri=f"zip:{quote(entry.filename)}",
        size_bytes=entry.file_size,
        stamp=f"{entry.CRC}-{entry.file_size}",
        created=None,
        modified=None,  # an archive's times name no zone, and a guess is worse than none
    )


def _skipped(reason: str, mend: str) -> QuarantineError:
    return QuarantineError("The file is not taken in.", reason=reason, stage="fetch", mend=mend)
