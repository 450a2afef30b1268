"""Documents in a folder of a file system.

Nothing outside the folder can be read through it: the tree is walked and every file opened folder by folder from one
descriptor, and no step follows a symbolic link, so that a folder swapped for a link between listing and reading leads
nowhere. A hard link to a file outside cannot be told from a file of the folder's own.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from connectors.base import Change, Cursor, Finished, Listing, Refused, SourceDocument, Upsert
from connectors.patterns import Selection, read_patterns, read_uri_prefix
from connectors.secrets import Secrets
from policies.errors import DependencyError, QuarantineError, RefusedError
from policies.model import Access

MAX_DEPTH: Final = 64
"""Folders below the root; each level holds one file descriptor while it is walked (chosen)."""
_READ_BYTES: Final = 1 << 20
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: a pipe put in a file's place would hold the reader up for ever.
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LINK_SCHEMES: Final = frozenset({"file", "http", "https"})
_OPTIONS: Final = frozenset({"root", "include", "exclude", "uri_prefix"})
_NO_LINK: Final = "Put the file itself there, or leave the link out by `exclude`."


@dataclass(frozen=True, kw_only=True, slots=True)
class FilesystemConnector:
    """The files below `root` that a pattern of `include` matches and none of `exclude` does.

    An origin id is the path from the root with `/` between folders, in the very characters of the file system: names
    that look alike stay two documents. A link is `uri_prefix` and the quoted path, `file:` and the path by default.
    Names that begin with a dot, and all below such folders, are left out unless a pattern of `include` that matches
    has a name with a dot at its start too. A folder `x` that `exclude` holds as `x/**` is not even opened.

    Symbolic links are reported as refused whatever they are called, special files and folders that lie too deep where
    they would be read otherwise. Every listing is complete: a folder that cannot be read is a DependencyError. Python
    reads no time of creation on Linux, so `created` is None. Messages tell a folder or file by its inode number or not
    at all, for their names may be people's.
    """

    root: Path
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    uri_prefix: str

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, secrets: Secrets) -> Self:
        """The connector a manifest describes, `root` relative to its folder. A root that is a link is resolved, once.

        Raises:
            RefusedError: an option is unknown, missing or wrong. Whether the root exists is seen when it is listed.
        """
        if unknown := sorted(set(options) - _OPTIONS):
            raise RefusedError(
                f"The filesystem connector has no option {unknown[0]!r}.",
                mend=f"Its options are {', '.join(sorted(_OPTIONS))}.",
            )
        root = options.get("root")
        if not isinstance(root, str) or not root or "\0" in root:
            raise RefusedError(
                "connector.root is missing or not a path.", mend="Name the folder, relative to the manifest's own."
            )
        return cls(
            root=Path(os.path.realpath(secrets.base / root)),
            include=read_patterns("include", options.get("include")),
            exclude=read_patterns("exclude", options["exclude"]) if "exclude" in options else (),
            uri_prefix=read_uri_prefix(options.get("uri_prefix", "file:"), schemes=_LINK_SCHEMES),
        )

    def list(self, cursor: Cursor | None) -> Listing:  # noqa: ARG002 - a file system keeps no record of changes
        """Every document, in the order of their paths."""
        with self._opened_root() as root:
            yield from self._walk(root, ())
            if os.fstat(root).st_nlink == 0:
                raise DependencyError(
                    "The source's root was removed while it was listed.", mend="Put it back, then sync again."
                )
        yield Finished(complete=True)

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        """The bytes of a listed document, at most `max_bytes`."""
        *folders, name = _path_parts(document.origin_id)
        with ExitStack() as opened, _reading():
            folder = opened.enter_context(self._opened_root())
            for part in folders:
                folder = opened.enter_context(_opened(part, _FOLDER_FLAGS, folder))
            file = opened.enter_context(_opened(name, _FILE_FLAGS, folder))
            return _read(file, max_bytes)

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:  # noqa: ARG002 - see below
        """None: mode bits say who may use a machine, not who may read a document. The manifest's rules do."""
        return {}

    @contextmanager
    def _opened_root(self) -> Iterator[int]:
        mend = "Mend connector.root in the manifest, mount the folder, or let this user read it."
        with ExitStack() as opened:
            try:
                root = opened.enter_context(_opened(str(self.root), _FOLDER_FLAGS, None))
            except OSError as error:
                raise RefusedError(
                    f"The source's root {str(self.root)!r} cannot be opened: {error.strerror}.", mend=mend
                ) from error
            yield root

    def _walk(self, folder: int, above: tuple[str, ...]) -> Iterator[Change]:
        """What lies in an open folder and below, by name."""
        own_status = os.fstat(folder)
        with _listing(own_status), os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            path = "/".join((*above, name))
            if not _is_text(path):
                shown = os.fsencode(path).decode("utf-8", "backslashreplace")
                yield Refused(origin_id=shown, reason="bad_name", mend="Rename the file to valid UTF-8.")
                continue
            with _listing(own_status):  # a folder may be one to list and not to search
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:  # deleted since the folder was read
                    continue
            if stat.S_ISDIR(status.st_mode):
                if self._selection.reaches(path):
                    yield from self._below(folder, (*above, name), status)
            elif stat.S_ISLNK(status.st_mode):
                if self._selection.reaches(path):
                    yield Refused(origin_id=path, reason="symbolic_link", mend=_NO_LINK)
            elif not self._selection.takes(path):
                continue
            elif stat.S_ISREG(status.st_mode):
                yield Upsert(document=self._document(path, name, status))
            else:
                yield Refused(
                    origin_id=path, reason="not_a_file", mend="Leave the pipe, socket or device out by `exclude`."
                )

    def _below(self, folder: int, parts: tuple[str, ...], status: os.stat_result) -> Iterator[Change]:
        if len(parts) > MAX_DEPTH:
            yield Refused(
                origin_id="/".join(parts), reason="too_deep", mend=f"Move it up: {MAX_DEPTH} folders deep is the limit."
            )
            return
        with ExitStack() as opened:
            with _listing(status):
                inner = opened.enter_context(_opened(parts[-1], _FOLDER_FLAGS, folder))
            yield from self._walk(inner, parts)

    def _document(self, path: str, name: str, status: os.stat_result) -> SourceDocument:
        return SourceDocument(
            origin_id=path,
            name=name,
            uri=self.uri_prefix + quote(path),
            size_bytes=status.st_size,
            stamp=_stamp(status),
            created=None,
            modified=_time(status.st_mtime),
        )

    @property
    def _selection(self) -> Selection:
        return Selection(include=self.include, exclude=self.exclude)


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:  # the bytes of the name are no UTF-8, which Python shows as lone surrogates
        return False
    return True


def _path_parts(origin_id: str) -> list[str]:
    parts = origin_id.split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise QuarantineError(
            "The origin id is no path below the root.",
            reason="outside_root",
            stage="fetch",
            mend="List the source again.",
        )
    return parts


def _stamp(status: os.stat_result) -> str:
    # The time of change too: a copy that keeps times, or a touch, sets the time of modification to whatever it likes.
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def _time(seconds: float) -> datetime | None:
    """UTC, aware; None for what no calendar holds, which file systems do hand out."""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


@contextmanager
def _opened(name: str, flags: int, folder: int | None) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _listing(status: os.stat_result) -> Iterator[None]:
    """A folder that is not read to its end ends the listing, so that nothing below it passes for deleted."""
    try:
        yield
    except OSError as error:
        raise DependencyError(
            f"A folder below the source's root cannot be listed: inode {status.st_ino}, {error.strerror}.",
            mend=f"Find it with `find ROOT -inum {status.st_ino}`. Let this user read it, or leave it out by `exclude` "
            "with /** at its end. If it was moved, sync again.",
        ) from None  # the cause names a file


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        match error.errno:
            case errno.ENOENT | errno.ENOTDIR | errno.ENAMETOOLONG:
                reason, mend = "gone", "Sync again."
            case errno.ELOOP:
                reason, mend = "symbolic_link", _NO_LINK
            case errno.EACCES | errno.EPERM:
                reason, mend = "unreadable", "Let this user read it, or leave it out by `exclude`."
            case errno.ENXIO:
                reason, mend = "not_a_file", "Leave the pipe, socket or device out by `exclude`."
            case _:
                raise DependencyError(
                    f"A file cannot be read: {error.strerror}.",
                    mend="Look at the disk or the network, then sync again.",
                ) from error
        raise _refusal(reason, mend) from error


def _refusal(reason: str, mend: str) -> QuarantineError:
    return QuarantineError(f"The file was not read: {reason}.", reason=reason, stage="fetch", mend=mend)


def _read(file: int, max_bytes: int) -> bytes:
    before = os.fstat(file)
    if not stat.S_ISREG(before.st_mode):
        raise _refusal("not_a_file", "Leave the pipe, socket or device out by `exclude`.")
    chunks: list[bytes] = []
    room = 0 if before.st_size > max_bytes else max_bytes + 1
    while room > 0 and (chunk := os.read(file, min(room, _READ_BYTES))):
        chunks.append(chunk)
        room -= len(chunk)
    if room <= 0:
        raise _refusal("too_large", f"Split it, or raise the source's limit of {max_bytes} bytes.")
    if _stamp(os.fstat(file)) != _stamp(before):
        raise _refusal("changed", "It was written to while it was read. Sync again.")
    return b"".join(chunks)
