"""Which format a file is in, by its content first and its name second; nothing here trusts either."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, Literal, TypeAlias

from indexer.formats.elements import quarantine
from indexer.formats.text import decode

Format: TypeAlias = Literal[
    "csv", "docx", "eml", "html", "json", "jsonl", "md", "pdf", "pptx", "tsv", "txt", "xlsx", "xml"
]

# Chosen: of 46 office files tried the largest has 318 entries and the densest inflates 23-fold. The bound on bytes is
# what docling.rs allows one part (its issue 126), and half of the address space.
MAX_ENTRIES = 10_000
MAX_INFLATED_BYTES = 512 * 2**20
MAX_RATIO = 100
MIN_RATIO_BYTES = 16 * 2**20  # chosen: below this a ratio over 100 is a sparse sheet and costs nothing

_BY_SUFFIX: dict[str, Format] = {
    "": "txt",
    ".csv": "csv",
    ".docx": "docx",
    ".eml": "eml",
    ".htm": "html",
    ".html": "html",
    ".json": "json",
    ".jsonl": "jsonl",
    ".log": "txt",
    ".markdown": "md",
    ".md": "md",
    ".ndjson": "jsonl",
    ".pdf": "pdf",
    ".pptx": "pptx",
    ".rss": "xml",
    ".tab": "tsv",
    ".text": "txt",
    ".tsv": "tsv",
    ".txt": "txt",
    ".xhtml": "html",
    ".xlsx": "xlsx",
    ".xml": "xml",
}
_PACKAGES: dict[bytes, Format] = {
    b"wordprocessingml.document.main+xml": "docx",
    b"presentationml.presentation.main+xml": "pptx",
    b"spreadsheetml.sheet.main+xml": "xlsx",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHER_MAGIC = (
    b"\x1f\x8b",  # gzip
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",  # zstandard
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",  # JPEG
    b"GIF8",
    b"II*\x00",  # TIFF
    b"MM\x00*",
    b"RIFF",
    b"ID3",
    b"OggS",
    b"\x7fELF",
    b"MZ\x90",
    b"SQLite format 3\x00",
    b"{\\rtf",
    b"%!PS",
)
_PDF_WINDOW_BYTES = 1024  # readers accept a header anywhere in the first kilobyte
_HEAD_CHARS = 4096
_CHUNK_BYTES = 2**20
_DECLARATION = re.compile(rb"<\x00?!\x00?(?:D\x00?O\x00?C\x00?T\x00?Y\x00?P\x00?E|E\x00?N\x00?T\x00?I\x00?T\x00?Y)")
_DECLARATION_BYTES = 20
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,1000}?-->\s*)?<(?:!doctype html|html)[\s>]", re.IGNORECASE | re.DOTALL
)
_MAIL_FIELD = re.compile(r"([!-9;-~]{1,76}):[ \t\n]|[ \t]")
_MAIL_FIELDS = frozenset({"date", "delivered-to", "from", "message-id", "mime-version", "received", "subject", "to"})
_MIN_MAIL_FIELDS = 3


def format_of(data: bytes, name: str) -> Format:
    """The true format of `data`, whose file name is `name`.

    Raises:
        QuarantineError: `empty`, `encrypted`, `corrupt`, `bomb`, `hostile`, `wrong_format` for a name that promises a
            supported format that the content is not, else `unsupported_format`.
    """
    promised = _BY_SUFFIX.get(PurePosixPath(name).suffix.lower())
    if not data.strip(b"\x00 \t\r\n\f\v\xef\xbb\xbf\xfe\xff"):
        raise quarantine("empty")
    if b"%PDF-" in data[: _PDF_WINDOW_BYTES if promised in {None, "pdf"} else 5]:
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _package_format(data, promised)
    if data.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in data:
        raise quarantine("encrypted")
    if data.startswith((_OLE, *_OTHER_MAGIC)):
        raise quarantine("wrong_format" if promised else "unsupported_format")
    match promised:
        case None:
            raise quarantine("unsupported_format")
        case "docx" | "pdf" | "pptx" | "xlsx":
            decode(data)  # raises `corrupt` where it is not even text
            raise quarantine("wrong_format")
        case "txt":
            return _text_format(decode(data)[:_HEAD_CHARS])
        case _:
            return promised


def _text_format(head: str) -> Format:
    """Mails and web pages are often saved as .txt."""
    if _HTML.match(head):
        return "html"
    fields = set()
    for line in head.replace("\r\n", "\n").split("\n"):
        field = _MAIL_FIELD.match(f"{line}\n")
        if not field:
            break
        fields.add((field[1] or "").lower())
    return "eml" if len(fields & _MAIL_FIELDS) >= _MIN_MAIL_FIELDS else "txt"


def _package_format(data: bytes, promised: Format | None) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_sizes(archive, len(data))
            try:
                types = archive.read("[Content_Types].xml")
            except KeyError:
                raise quarantine("wrong_format" if promised else "unsupported_format") from None
            _check_parts(archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, zlib.error):
        raise quarantine("corrupt") from None
    for content_type, package in _PACKAGES.items():
        if content_type in types:
            return package
    raise quarantine("wrong_format" if promised else "unsupported_format")


def _check_sizes(archive: zipfile.ZipFile, archive_bytes: int) -> None:
    """By what the directory declares: zipfile never inflates more of an entry than that."""
    entries = archive.infolist()
    inflated = sum(entry.file_size for entry in entries)
    if (
        len(entries) > MAX_ENTRIES
        or inflated > MAX_INFLATED_BYTES
        or inflated > max(MIN_RATIO_BYTES, MAX_RATIO * archive_bytes)
        or sum(entry.compress_size for entry in entries) > archive_bytes  # entries that overlap
    ):
        raise quarantine("bomb")
    if any(entry.flag_bits & 1 for entry in entries):
        raise quarantine("encrypted")


def _check_parts(archive: zipfile.ZipFile) -> None:
    """No XML part declares a document type; read to its end, each part also proves its checksum."""
    for entry in archive.infolist():
        if entry.filename.lower().endswith((".xml", ".rels", ".vml")):
            with archive.open(entry) as part:
                if any(_DECLARATION.search(window) for window in _windows(part)):
                    raise quarantine("hostile")


def _windows(part: IO[bytes]) -> Iterator[bytes]:
    """The bytes of `part` in pieces that overlap by the length of what is looked for."""
    tail = b""
    while chunk := part.read(_CHUNK_BYTES):
        yield tail + chunk
        tail = chunk[-2 * _DECLARATION_BYTES :]
