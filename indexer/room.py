"""Room on a full disk for whoever deletes: a file of nothing in the home, let go of when there is no other."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from indexer.home import Home
from policies.errors import DependencyError

BALLAST_BYTES = 8 * 2**20
"""Chosen: the log of a purge of thousands of passages takes some 3 MiB."""
_SQLITE_FULL = 13


def keep(home: Home) -> None:
    """Set the room aside, if the disk has ten times as much. Set aside already, nothing happens."""
    path = home.ballast
    if path.exists() or shutil.disk_usage(home.root).free < 10 * BALLAST_BYTES:
        return
    with suppress(OSError), path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
        os.fsync(file.fileno())


@contextmanager
def found(home: Home) -> Iterator[None]:
    """Have the room free while the block runs, where the disk has less of its own; then set it aside again."""
    lacking = home.ballast.exists() and shutil.disk_usage(home.root).free < BALLAST_BYTES
    if lacking:
        home.ballast.unlink()
    try:
        yield
    finally:
        if lacking:
            keep(home)


def is_lacking(error: OSError | DependencyError) -> bool:
    """Whether this went wrong because the disk is full."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    original = getattr(error.__cause__, "orig", error.__cause__)
    return getattr(original, "sqlite_errorcode", None) == _SQLITE_FULL
