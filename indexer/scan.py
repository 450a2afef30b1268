"""Looking for given byte strings in every file of a folder, to check on the disk what was deleted."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from indexer.forms import FORMS, Finder
from indexer.inflate import Findings, Search

ENCODINGS = (*FORMS, "and all of this inside zlib, gzip and ZIP streams and inside such streams in those")
"""How needles are looked for."""
_CHUNK_BYTES = 2**20
"""Chosen: larger ones do not stay in the cache."""
_READ_APART = """
import sys
try:
    with open(sys.argv[1], "rb", 0) as file:
        while chunk := file.read(2**20):
            sys.stdout.buffer.write(chunk)
except OSError as error:
    sys.exit(error.errno)
"""
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
    for _ in range(_ROUNDS):
        if _all_there(folder, finder, files):
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


def _all_there(folder: Path, finder: Finder, files: dict[Path, _File]) -> bool:
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
                if stat.S_ISREG(path.lstat().st_mode):
                    files[path] = _read(path, finder)
            except FileNotFoundError as error:
                note(error)
    return not gone


def _read(path: Path, finder: Finder) -> _File:
    bytes_read, findings = 0, Findings()
    search = Search(finder, findings)
    with _opened(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            bytes_read += len(chunk)
            search.feed(chunk)
    search.close()
    return _File(bytes_read=bytes_read, findings=findings)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, to be read once to its end; one of an SQLite database is read by another process.

    Whoever closes a file gives up all of the process's locks on it, those of SQLite's connections too, which then write
    beside others and delete a log that others write to (sqlite.org/howtocorrupt.html, 2.2).
    """
    if not path.suffix.startswith(".db"):
        with path.open("rb", buffering=0) as file:
            yield file
        return
    command = [sys.executable, "-I", "-S", "-c", _READ_APART, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as apart:
        if apart.stdout is None:
            raise AssertionError
        yield apart.stdout
    if apart.returncode:
        number = apart.returncode if apart.returncode > 0 else errno.EIO
        raise OSError(number, os.strerror(number), str(path))


def _paths(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, onerror=on_error):
        yield from (Path(parent) / name for name in sorted(names))
