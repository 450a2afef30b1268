"""A Maildir and its folders, read without locks while others deliver to it and file from it."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from connectors.base import Cursor, Finished, Refused, SourceDocument, Upsert
from connectors.filesystem import FilesystemConnector
from connectors.mailbox.folders import INBOX, Folders, decode
from connectors.mailbox.message import MAX_HEAD_BYTES, Head, split
from connectors.mailbox.store import MAX_PASSES, Content, Found, Place, long_head, refusal
from policies.errors import QuarantineError, RefusedError

MAX_MESSAGE_BYTES: Final = 64 * 2**20
"""More than a source's limit can be; what is larger is refused unread."""
# A subfolder is a folder whose name begins with a dot (Maildir++), or one as others are.
_PATTERNS: Final = ("**/cur/*", "**/new/*", "**/.*/cur/*", "**/.*/new/*", "**/.*/**/cur/*", "**/.*/**/new/*")
_PATH: Final = re.compile(r"(?:(?P<folder>.*)/)?(?:cur|new)/(?P<name>[^/:.][^/:]*)(?P<flags>:[^/]*)?")
_PASSING: Final = frozenset({"gone", "changed"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Maildir:
    """A store of one file a message. A place is the file's path from the root.

    A message is known by all its bytes, and keeps its key whatever its file is called and wherever it lies. No
    symbolic link is followed.
    """

    files: FilesystemConnector
    folders: Folders

    @classmethod
    def at(cls, root: Path, folders: Folders) -> Self:
        """The Maildir `root`, whose own `cur` and `new` are the folder INBOX."""
        files = FilesystemConnector(root=root, include=_PATTERNS, exclude=(), uri_prefix="file:")
        return cls(files=files, folders=folders)

    def scan(self, cursor: Cursor | None) -> Iterator[Found | Refused | Finished]:  # noqa: ARG002 - it keeps no record
        """Every message, read whole: no record says which of them changed.

        A file is renamed when its message is seen or flagged. So the names are gone through until there is no new one:
        what was moved past the reader is found then.
        """
        if self.files.root.is_dir() and not any(self.files.root.iterdir()):
            raise RefusedError(
                "connector.root is an empty folder, which no Maildir is.",
                mend="Mount what belongs there, or name the folder that holds `cur`.",
            )
        done: set[tuple[str, str, int | None]] = set()
        complete, settled = True, False
        for _ in range(MAX_PASSES):
            settled = True
            for change in self.files.list(None):
                match change:
                    case Refused(origin_id=path) if (path, "", None) not in done:
                        done.add((path, "", None))
                        yield change
                    case Upsert(document=file) if (name := self._name(file)) and name not in done:
                        settled = False
                        try:
                            found = self._found(file)
                        except QuarantineError as error:
                            if error.reason in _PASSING:
                                continue
                            complete = complete and error.reason != "unreadable"
                            found = Refused(origin_id=_nameless(file), reason=error.reason, mend=error.mend)
                        done.add(name)
                        yield found
            if settled:
                break
        yield Finished(complete=complete and settled)

    def read(self, place: Place, *, max_bytes: int) -> Content:
        """The file's bytes, also where it has other flags by now."""
        path, _, _ = place
        file = SourceDocument(origin_id=path, name="", uri="", size_bytes=None, stamp="", created=None, modified=None)
        try:
            data = self.files.fetch(file, max_bytes=max_bytes)
        except QuarantineError as error:
            if error.reason != "gone":
                raise
            data = self.files.fetch(self._renamed(path), max_bytes=max_bytes)
        head, body = split(data)
        return Content(key=_key(Head.read(head), body), data=data)

    def _renamed(self, path: str) -> SourceDocument:
        folder, name = _parts(path)
        for change in self.files.list(None):
            if isinstance(change, Upsert) and _parts(change.document.origin_id) == (folder, name):
                return change.document
        raise refusal("gone")

    def _name(self, file: SourceDocument) -> tuple[str, str, int | None] | None:
        """What a file keeps while its message is seen and flagged; None where it is not one of the source's."""
        folder, name = _parts(file.origin_id)
        return (folder, name, file.size_bytes) if name and self.folders.take(_display(folder)) else None

    def _found(self, file: SourceDocument) -> Found | Refused:
        head_bytes, body = split(self.files.fetch(file, max_bytes=MAX_MESSAGE_BYTES))
        if len(head_bytes) > MAX_HEAD_BYTES:
            return long_head(_nameless(file))
        head = Head.read(head_bytes)
        key = _key(head, body)
        return Found(
            key=key,
            head=head,
            place=(file.origin_id, 0, 0),
            stamp=key,
            size_bytes=len(head_bytes) + len(body),
            arrived=file.modified,
        )


def _key(head: Head, body: bytes) -> str:
    return head.key(hashlib.sha256(body).digest())


def _nameless(file: SourceDocument) -> str:
    """An id for a file that gives no key. A folder's name may be a person's."""
    return hashlib.sha256(f"maildir {file.origin_id}".encode()).hexdigest()


def _parts(path: str) -> tuple[str, str]:
    """Folder and unique name of a message's file; no name where it is none."""
    found = _PATH.fullmatch(path)
    return (found["folder"] or "", found["name"]) if found else ("", "")


def _display(folder: str) -> str:
    """A folder as users call it: `.Work.2024` is `Work/2024`, and the root is INBOX."""
    parts = [part[1:].replace(".", "/") if part.startswith(".") else part for part in folder.split("/")]
    return decode("/".join(parts)) or INBOX
