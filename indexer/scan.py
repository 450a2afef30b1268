"""Looking for given byte strings in every file of a folder, to check on the disk what was deleted."""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.apart import CHUNK_BYTES, Apart
from indexer.forms import FORMS, Finder
from indexer.inflate import Findings, Search

ENCODINGS = (*FORMS, "and all of this inside zlib, gzip and ZIP streams and inside such streams in those")
"""How needles are looked for."""
_ROUNDS = 10
"""Chosen: as often the folder is looked through again because something in it went away, or was renamed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What was read, and which needles were found in which files (relative to the folder), in whatever encoding.

    `streams` counts the compressed streams that were looked into, `unfinished` those of them that were damaged, cut
    off or too large, so that what they hold further on was not seen.
    """

    files: int
    bytes_read: int
    found: Mapping[str, frozenset[bytes]]
    streams: int
    unfinished: int
    encodings: tuple[str, ...] = ENCODINGS


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    bytes_read: int
    findings: Findings


def scan(folder: Path, needles: Sequence[bytes]) -> Scan:
    """Read every regular file below a folder and look for the needles at every offset, in every one of `ENCODINGS`.

    A file that goes away meanwhile is no longer there to be looked at; whether it only went elsewhere is.

    Raises:
        ValueError: a needle is shorter than MIN_NEEDLE_BYTES.
        OSError: a file or folder cannot be read, so that nothing can be said of it.
    """
    finder = Finder(needles)
    files: dict[Path, _File] = {}
    with Apart() as apart:
        for _ in range(_ROUNDS):
            if _all_there(folder, finder, files, apart):
                break
        else:
            raise OSError(errno.EAGAIN, "Files keep going away while they are read", str(folder))
    return Scan(
        files=len(files),
        bytes_read=sum(file.bytes_read for file in files.values()),
        found={
            str(path.relative_to(folder)): frozenset(file.findings.hits)
            for path, file in files.items()
            if file.findings.hits
        },
        streams=sum(file.findings.streams for file in files.values()),
        unfinished=sum(file.findings.unfinished for file in files.values()),
    )


def _all_there(folder: Path, finder: Finder, files: dict[Path, _File], apart: Apart) -> bool:
    """Read the files that were not read yet; whether every one was still there when its turn came."""
    gone = False

    def note(error: OSError) -> None:
        nonlocal gone
        if not isinstance(error, FileNotFoundError) or error.filename == str(folder):
            raise error
        gone = True

    for path in _paths(folder, note):
        if path not in files:
            try:
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    # A database may have a second name.
                    of_database = path.suffix.startswith(".db") or status.st_nlink > 1
                    files[path] = _read(apart.chunks(path) if of_database else _chunks(path), finder)
            except FileNotFoundError as error:
                note(error)
    return not gone


def _read(chunks: Iterable[bytes], finder: Finder) -> _File:
    bytes_read, findings = 0, Findings()
    search = Search(finder, findings)
    for chunk in chunks:
        bytes_read += len(chunk)
        search.feed(chunk)
    search.close()
    return _File(bytes_read=bytes_read, findings=findings)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _paths(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, onerror=on_error):
        yield from (Path(parent) / name for name in sorted(names))
