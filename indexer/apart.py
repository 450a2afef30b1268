"""Reading files of SQLite databases, by another process.

Whoever closes a file gives up all of its process's locks on it, those of SQLite's connections too, which then write
beside others and delete a log that others write to (sqlite.org/howtocorrupt.html, 2.2).
"""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

CHUNK_BYTES = 2**20
"""Chosen: larger ones do not stay in the cache."""
_NUMBER_BYTES = 4
# A path a line, in hexadecimal; behind its chunks, each with its length, a zero and the number of the error.
_PROGRAM = f"""
import signal, sys
# A service manager that stops the parent asks this process too: the parent decides when it is done.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
out = sys.stdout.buffer
def number(value):
    return value.to_bytes({_NUMBER_BYTES}, "big")
for line in sys.stdin.buffer:
    status = 0
    try:
        with open(bytes.fromhex(line.decode()), "rb", 0) as file:
            while chunk := file.read({CHUNK_BYTES}):
                out.write(number(len(chunk)))
                out.write(chunk)
    except OSError as error:
        status = error.errno or {errno.EIO}
    out.write(number(0) + number(status))
    out.flush()
"""


class Apart:
    """Reads files in another process, which starts with the first of them. For one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._end = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.close()

    def chunks(self, path: Path) -> Iterator[bytes]:
        """What is in a file, in pieces of at most CHUNK_BYTES. To be read to its end before the next is begun.

        Raises:
            OSError: it cannot be read, or not to its end.
        """
        process = self._process = self._process or self._started(path)
        if process.stdin is None:
            raise AssertionError
        try:
            # Past its buffer, which would be written once more when it is closed.
            os.write(process.stdin.fileno(), os.fsencode(path).hex().encode() + b"\n")
        except BrokenPipeError as error:
            raise _lost(path) from error
        while size := self._number(path):
            yield self._exactly(size, path)
        if status := self._number(path):
            raise OSError(status, os.strerror(status), str(path))

    def _started(self, path: Path) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            # As itself it would say that the file is not there.
            raise OSError(
                errno.EIO, f"No process can be started to read it ({type(error).__name__})", str(path)
            ) from error
        return self._end.enter_context(process)

    def _number(self, path: Path) -> int:
        return int.from_bytes(self._exactly(_NUMBER_BYTES, path), "big")

    def _exactly(self, size: int, path: Path) -> bytes:
        if self._process is None or self._process.stdout is None:
            raise AssertionError
        content = self._process.stdout.read(size)
        if len(content) < size:
            raise _lost(path)
        return content


def _lost(path: Path) -> OSError:
    return OSError(errno.EIO, "The process that reads it did not come to its end", str(path))
