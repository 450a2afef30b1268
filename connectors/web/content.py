"""What kinds of documents a site can offer, what they are called, and their bytes without compression."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
"""What holds links."""

EXTENSIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "text/html": (".html", ".htm", ".xhtml"),
        "application/xhtml+xml": (".xhtml", ".html", ".htm"),
        "text/plain": (".txt", ".text", ".log"),
        "text/markdown": (".md", ".markdown"),
        "text/csv": (".csv",),
        "text/tab-separated-values": (".tsv", ".tab"),
        "text/x-rst": (".rst",),
        "text/xml": (".xml",),
        "application/xml": (".xml",),
        "application/json": (".json",),
        "application/pdf": (".pdf",),
        "application/rtf": (".rtf",),
        "application/epub+zip": (".epub",),
        "application/msword": (".doc",),
        "application/vnd.ms-excel": (".xls",),
        "application/vnd.ms-powerpoint": (".ppt",),
        "application/vnd.oasis.opendocument.text": (".odt",),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (".docx",),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (".xlsx",),
        "application/vnd.openxmlformats-officedocument.presentationml.presentation": (".pptx",),
        "image/jpeg": (".jpg", ".jpeg"),
        "image/png": (".png",),
        "image/tiff": (".tif", ".tiff"),
        "message/rfc822": (".eml",),
    }
)
"""The content types that can be taken, with their file extensions, the usual one first."""
USUAL_TYPES: Final = frozenset(
    kind
    for kind in EXTENSIONS
    if not kind.startswith(("image/", "message/")) and kind not in {"text/xml", "application/xml", "application/json"}
)
"""What a source takes unless it says otherwise: pages and documents, not pictures, feeds and data."""

MAX_NAME_CHARS: Final = 200
"""Of a document's name, counted from its end; file systems hold 255 bytes."""

_BY_EXTENSION: Final[Mapping[str, str]] = MappingProxyType(
    {extension: kind for kind, extensions in reversed(tuple(EXTENSIONS.items())) for extension in extensions}
)
GZIP: Final = b"\x1f\x8b"
"""How a gzip file begins."""
_GZIP_WINDOW: Final = 31  # of zlib: a gzip header, any window
_PIECE_BYTES: Final = 2**16
_UNTOLD: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})


def type_by_name(name: str) -> str:
    """The content type that a file's extension promises, "" where it promises none."""
    return _BY_EXTENSION.get(PurePosixPath(name).suffix.lower(), "")


def content_type(header: str, name: str) -> str:
    """The content type of an answer by its header, or by the file's name where the header tells none."""
    told = header.partition(";")[0].strip().lower()
    return type_by_name(name) if told in _UNTOLD else told


def document_name(last_segment: str, kind: str) -> str:
    """A file name for a page of this content type, with an extension that lets its format be recognised.

    A text keeps any extension that is known: servers tell csv, rst and the like as plain text.
    """
    shown = last_segment[-MAX_NAME_CHARS:] or "index"
    name = "".join(char if char.isprintable() and char != "/" else "_" for char in shown)
    extension = PurePosixPath(name).suffix.lower()
    known = EXTENSIONS.get(kind, ())
    fits = extension in known or (kind == "text/plain" and extension in _BY_EXTENSION)
    return name if fits or not known else name + known[0]


def inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of gzip members, in pieces that the caller can count: none is longer than 64 KiB.

    Raises:
        zlib.error: the bytes are damaged.
        EOFError: they end too early.
    """
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    begun = False
    for chunk in chunks:
        rest = chunk
        while rest:
            if inflater.eof:
                if not rest.startswith(GZIP[:1]):  # padding
                    return
                inflater = zlib.decompressobj(_GZIP_WINDOW)
            begun = True
            yield inflater.decompress(rest, _PIECE_BYTES)
            rest = inflater.unconsumed_tail or inflater.unused_data
    if begun and not inflater.eof:
        raise EOFError("the compressed bytes end too early")
