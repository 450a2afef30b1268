"""OLE compound files: which document one is, and how many others are in it."""

import io
import re
import struct
from collections.abc import Mapping
from typing import Literal, TypeAlias

import olefile

from indexer.formats.elements import quarantine

Compound: TypeAlias = Literal["doc", "msg", "ppt", "xls"]

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_STREAMS: Mapping[str, Compound] = {
    "worddocument": "doc",
    "workbook": "xls",
    "book": "xls",  # Excel 5 and 95
    "powerpoint document": "ppt",
    "__properties_version1.0": "msg",
}
# [MS-DOC] 2.1.5: each storage in the pool is an object; Excel keeps one in a storage MBD and eight digits of its own.
_EMBEDDED = re.compile(r"objectpool/[^/]+|mbd[0-9a-f]{8}")
_ENCRYPTED = frozenset({"encryptedpackage", "\x06dataspaces", "\tdrmcontent"})


def compound_of(data: bytes) -> Compound | None:
    """Which document the compound file `data` is, None for another one.

    Raises:
        QuarantineError: `encrypted`, `corrupt`.
    """
    names = {path.partition("/")[0] for path in _paths(data)}
    if names & _ENCRYPTED:
        raise quarantine("encrypted")
    return next((kind for stream, kind in _STREAMS.items() if stream in names), None)


def embedded_count(data: bytes) -> int:
    """How many documents of other programs are in a Word file or workbook.

    Raises:
        QuarantineError: `corrupt`.
    """
    return sum(_EMBEDDED.fullmatch(path) is not None for path in _paths(data))


def _paths(data: bytes) -> set[str]:
    """The storages and streams in lower case, each after what it is in."""
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            return {"/".join(path).lower() for path in file.listdir(storages=True)}
    except (OSError, ValueError, IndexError, RecursionError, struct.error):
        raise quarantine("corrupt") from None
