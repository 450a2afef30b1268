"""OLE compound files: which document one is."""

import io
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
_ENCRYPTED = frozenset({"encryptedpackage", "\x06dataspaces", "\tdrmcontent"})


def compound_of(data: bytes) -> Compound | None:
    """Which document the compound file `data` is, None for another one.

    Raises:
        QuarantineError: `encrypted`, `corrupt`.
    """
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            names = {path[0].lower() for path in file.listdir(storages=True)}
    except (OSError, ValueError, IndexError, RecursionError, struct.error):
        raise quarantine("corrupt") from None
    if names & _ENCRYPTED:
        raise quarantine("encrypted")
    return next((kind for stream, kind in _STREAMS.items() if stream in names), None)
