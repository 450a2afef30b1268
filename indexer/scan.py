"""Looking for given byte strings in every file of a folder, to check on the disk what was deleted."""

import errno
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from indexer.forms import FORMS, Finder
from indexer.inflate import Findings, Search

ENCODINGS = (*FORMS, "and all of this inside zlib, gzip and ZIP streams and inside such streams in those")
"""How needles are looked for."""
_CHUNK_BYTES = 2**20
"""Chosen: larger ones do not stay in the cache."""
_READ_APART = """
import signal, sys
# A service manager that stops the parent asks this process too: the parent decides when it is done.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
count = 0
try:
    with open(sys.argv[1], "rb", 0) as file:
        while chunk := file.read(2**20):
            count += sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    sys.stderr.write(f"read {count}")
except OSError as error:
    sys.stderr.write(f"errno {error.errno}")
"""
_ERRNO = re.compile(r"errno (\d+)")
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
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    files[path] = _read(path, finder, links=status.st_nlink)
            except FileNotFoundError as error:
                note(error)
    return not gone


def _read(path: Path, finder: Finder, *, links: int) -> _File:
    bytes_read, findings = 0, Findings()
    search = Search(finder, findings)
    # A database may have a second name.
    with closing(_chunks_apart(path) if links > 1 or path.suffix.startswith(".db") else _chunks(path)) as chunks:
        for chunk in chunks:
            bytes_read += len(chunk)
            search.feed(chunk)
    search.close()
    return _File(bytes_read=bytes_read, findings=findings)


def _chunks(path: Path) -> Generator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _chunks_apart(path: Path) -> Generator[bytes]:
    """What is in a file of an SQLite database, read by another process, which says at its end how much that was.

    Whoever closes a file gives up all of the process's locks on it, those of SQLite's connections too, which then write
    beside others and delete a log that others write to (sqlite.org/howtocorrupt.html, 2.2).
    """
    command = [sys.executable, "-I", "-S", "-c", _READ_APART, str(path)]
    try:
        apart = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        # As itself it would say that the file is not there.
        raise OSError(errno.EIO, f"No process can be started to read it ({error.strerror})", str(path)) from error
    count = 0
    with apart:
        if apart.stdout is None or apart.stderr is None:
            raise AssertionError
        while chunk := apart.stdout.read(_CHUNK_BYTES):
            count += len(chunk)
            yield chunk
        said = apart.stderr.read().decode("ascii", "replace")
    if failed := _ERRNO.fullmatch(said):
        raise OSError(int(failed[1]), os.strerror(int(failed[1])), str(path))
    if said != f"read {count}":
        raise OSError(errno.EIO, "The process that reads it did not come to its end", str(path))


def _paths(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, onerror=on_error):
        yield from (Path(parent) / name for name in sorted(names))
