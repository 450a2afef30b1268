"""Files in the mbox format, each many messages, of whatever size: while one is listed a block of it is in memory.

A message begins behind a line `From `, a sender and a date as of asctime, that follows an empty line. Lines of a
message that look like one are quoted by `>`, which is taken off again (mboxrd; of mboxo, which quotes no line that has
the sign already, `>>From ` loses one sign too many).
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from connectors.base import Cursor, Finished, Refused, Upsert
from connectors.filesystem import FilesystemConnector
from connectors.mailbox.folders import Folders
from connectors.mailbox.message import MAX_HEAD_BYTES, Head, moment, split
from connectors.mailbox.store import Content, Found, Place, long_head, refusal, too_large
from policies.errors import DependencyError

BLOCK_BYTES: Final = 2**20
_LINE_BYTES: Final = 320
"""Room for the longest line that `_SEPARATOR` matches."""
_SEPARATOR: Final = re.compile(
    rb"\nFrom [^\r\n]{0,200}?"
    rb"(?P<date>(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d[^\r\n]{5,60})\r?\n"
)
_QUOTED: Final = re.compile(rb"(?m)^>(>*From )")
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True, slots=True)
class _Separator:
    start: int
    end: int
    date: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mbox:
    """A store of files. A place is a file's path from the root, and where in it the message begins and ends.

    A message is known by its body and the fields of `message.FIELDS`: what mail programs write into a header when a
    message is seen or filed changes nothing.
    """

    files: FilesystemConnector

    @classmethod
    def at(cls, root: Path, files: Folders) -> Self:
        """The files below `root` that `files` takes."""
        return cls(
            files=FilesystemConnector(root=root, include=files.include, exclude=files.exclude, uri_prefix="file:")
        )

    def scan(self, cursor: Cursor | None) -> Iterator[Found | Refused | Finished]:  # noqa: ARG002 - it keeps no record
        """Every message, in one pass through each file.

        The last message of a file that grew meanwhile may be cut short: it is left for the next time, and the listing
        is not complete.

        Raises:
            DependencyError: a file was rewritten or went away while it was read.
        """
        complete = True
        for change in self.files.list(None):
            match change:
                case Refused():
                    yield change
                case Upsert(document=document):
                    try:
                        with self._opened(document.origin_id) as file:
                            complete = (yield from _messages(file, document.origin_id)) and complete
                    except OSError as error:
                        raise _unreadable(error) from None
        yield Finished(complete=complete)

    def read(self, place: Place, *, max_bytes: int) -> Content:
        """The bytes that are at the place now, taken out of their quotes."""
        path, start, end = place
        if end - start > max_bytes:
            raise too_large(max_bytes)
        try:
            with self._opened(path) as file:
                head, body = split(b"".join(_blocks(file, start, end)))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise _unreadable(error) from None
            raise refusal("gone") from None
        key = Head.read(head).key(hashlib.sha256(body).digest())
        return Content(key=key, data=_QUOTED.sub(rb"\1", head + body))

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """A file below the root; no step follows a symbolic link."""
        *folders, name = path.split("/")
        with ExitStack() as held:
            folder = None
            for part in (str(self.files.root), *folders):
                folder = os.open(part, _FOLDER_FLAGS, dir_fd=folder)
                held.callback(os.close, folder)
            file = os.open(name, _FILE_FLAGS, dir_fd=folder)
            held.callback(os.close, file)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise _rewritten()
            yield file


def _messages(file: int, path: str) -> Generator[Found | Refused, None, bool]:
    """What a file holds; whether that is all of it."""
    before = os.fstat(file)
    separators = _separators(file, before.st_size)
    separator = next(separators, None)
    if before.st_size and (separator is None or separator.start):
        yield Refused(
            origin_id=_nameless(path, 0),
            reason="not_mbox",
            mend="It does not begin as an mbox file does. Mend it, or leave it out by `exclude`.",
        )
    while separator is not None:
        following = next(separators, None)
        found = _found(file, path, separator, before.st_size if following is None else following.start)
        if following is None and not _is_as_before(os.fstat(file), before):
            return False
        yield found
        separator = following
    return True


def _is_as_before(now: os.stat_result, before: os.stat_result) -> bool:
    if now.st_size > before.st_size:
        return False
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise _rewritten()
    return True


def _rewritten() -> DependencyError:
    return DependencyError("A file of mails was rewritten while it was read.", mend="Sync again.")


def _unreadable(error: OSError) -> DependencyError:
    # Raised `from None`, for the cause names a file.
    return DependencyError(
        f"A file of mails cannot be read: {error.strerror}.",
        mend="Let this user read it, or leave it out by `exclude`. If it was moved, sync again.",
    )


def _separators(file: int, size: int) -> Iterator[_Separator]:
    """The lines between messages, found block by block; each block comes with the bytes that a match looks back on."""
    for at in range(0, size, BLOCK_BYTES):
        before = os.pread(file, 3, at - 3) if at else b"\n\n"
        window = before + os.pread(file, min(BLOCK_BYTES + _LINE_BYTES, size - at), at)
        for line in _SEPARATOR.finditer(window):
            start = line.start() + len(b"\n")
            behind_empty_line = window[max(0, start - 3) : start].endswith((b"\n\n", b"\n\r\n"))
            if behind_empty_line and 0 <= start - len(before) < BLOCK_BYTES:
                yield _Separator(
                    start=at + start - len(before),
                    end=at + line.end() - len(before),
                    date=moment(line["date"].decode("latin-1")),
                )


def _found(file: int, path: str, separator: _Separator, next_start: int) -> Found | Refused:
    start, end = separator.end, next_start
    tail = os.pread(file, min(3, end - start), max(start, end - 3))
    if tail.endswith((b"\n\n", b"\n\r\n")):  # the empty line before the next message is no part of this one
        end -= 2 if tail.endswith(b"\r\n") else 1
    head_bytes, _ = split(os.pread(file, min(end - start, MAX_HEAD_BYTES + 1), start))
    if len(head_bytes) > MAX_HEAD_BYTES:
        return long_head(_nameless(path, start))
    head = Head.read(head_bytes)
    body = hashlib.sha256()
    for block in _blocks(file, start + len(head_bytes), end):
        body.update(block)
    key = head.key(body.digest())
    return Found(key=key, head=head, place=(path, start, end), stamp=key, size_bytes=None, arrived=separator.date)


def _blocks(file: int, start: int, end: int) -> Iterator[bytes]:
    while start < end and (block := os.pread(file, min(BLOCK_BYTES, end - start), start)):
        yield block
        start += len(block)


def _nameless(path: str, start: int) -> str:
    """An id for what gives no key. A file's name may be a person's."""
    return hashlib.sha256(f"mbox {start} {path}".encode()).hexdigest()
