"""Which format a file is in, by its content first and its name second; nothing here trusts either."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from indexer.formats.archive import Package, package_of
from indexer.formats.elements import quarantine
from indexer.formats.mail.mbox import is_mailbox
from indexer.formats.office.ole import MAGIC as OLE_MAGIC
from indexer.formats.office.ole import Compound, compound_of
from indexer.formats.text import decode

Picture: TypeAlias = Literal["bmp", "jpg", "png", "tiff", "webp"]
Binary: TypeAlias = Package | Compound | Picture | Literal["pdf", "rtf"]
Format: TypeAlias = (
    Binary | Literal["csv", "eml", "html", "json", "jsonl", "mbox", "md", "org", "rst", "tsv", "txt", "xml"]
)

_BY_SUFFIX: Mapping[str, Format] = {
    "": "txt",
    ".bmp": "bmp",
    ".csv": "csv",
    ".doc": "doc",
    ".docm": "docx",
    ".docx": "docx",
    ".dot": "doc",
    ".dotm": "docx",
    ".dotx": "docx",
    ".eml": "eml",
    ".epub": "epub",
    ".htm": "html",
    ".html": "html",
    ".ics": "txt",
    ".jpeg": "jpg",
    ".jpg": "jpg",
    ".json": "json",
    ".jsonl": "jsonl",
    ".log": "txt",
    ".markdown": "md",
    ".mbox": "mbox",
    ".md": "md",
    ".mht": "eml",
    ".mhtml": "eml",
    ".msg": "msg",
    ".ndjson": "jsonl",
    ".odp": "odp",
    ".ods": "ods",
    ".odt": "odt",
    ".org": "org",
    ".ott": "odt",
    ".pdf": "pdf",
    ".png": "png",
    ".pot": "ppt",
    ".potx": "pptx",
    ".pps": "ppt",
    ".ppsx": "pptx",
    ".ppt": "ppt",
    ".pptm": "pptx",
    ".pptx": "pptx",
    ".rss": "xml",
    ".rst": "rst",
    ".rtf": "rtf",
    ".tab": "tsv",
    ".text": "txt",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".tsv": "tsv",
    ".txt": "txt",
    ".vcf": "txt",
    ".webp": "webp",
    ".xhtml": "html",
    ".xls": "xls",
    ".xlsm": "xlsx",
    ".xlsx": "xlsx",
    ".xlt": "xls",
    ".xltx": "xlsx",
    ".xml": "xml",
    ".yaml": "txt",
    ".yml": "txt",
}
_BINARY: frozenset[Format] = frozenset(
    (
        *("doc", "docx", "epub", "msg", "odp", "ods", "odt", "pdf", "ppt", "pptx", "rtf", "xls", "xlsx"),
        *("bmp", "jpg", "png", "tiff", "webp"),
    )
)
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_MAGIC: Mapping[bytes, Binary] = {
    b"{\\rtf": "rtf",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpg",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
}
_BMP = re.compile(rb"BM.{4}\x00{4}.{3}\x00[\x0c\x28\x34\x38\x40\x6c\x7c]\x00{3}", re.DOTALL)  # sizes of its header
_WEBP = re.compile(rb"RIFF.{4}WEBP", re.DOTALL)
_OTHER_MAGIC = (
    b"\x1f\x8b",  # gzip
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",  # zstandard
    b"GIF8",
    b"RIFF",
    b"ID3",
    b"OggS",
    b"\x7fELF",
    b"MZ\x90",
    b"SQLite format 3\x00",
    b"%!PS",
)
_PDF_WINDOW_BYTES = 1024  # readers accept a header anywhere in the first kilobyte
_HEAD_CHARS = 4096
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,1000}?-->\s*)?<(?:!doctype html|html)[\s>]", re.IGNORECASE | re.DOTALL
)
_MAIL_FIELD = re.compile(r"([!-9;-~]{1,76}):[ \t\n]|[ \t]")
_MAIL_FIELDS = frozenset({"date", "delivered-to", "from", "message-id", "mime-version", "received", "subject", "to"})
_MIN_MAIL_FIELDS = 3
_POSTMARK = "From "


def format_of(data: bytes, name: str) -> Format:
    """The true format of `data`, whose file name is `name`.

    Raises:
        QuarantineError: `empty`, `encrypted`, `corrupt`, `bomb`, `hostile`, `wrong_format` for a name that promises a
            supported format that the content is not, else `unsupported_format`.
    """
    promised = _BY_SUFFIX.get(PurePosixPath(name).suffix.lower())
    if not data.strip(b"\x00 \t\r\n\f\v\xef\xbb\xbf\xfe\xff"):
        raise quarantine("empty")
    if binary := _binary(data, promised):
        return binary
    if data.startswith((*_ZIP_MAGIC, OLE_MAGIC, *_OTHER_MAGIC)):
        raise quarantine("wrong_format" if promised else "unsupported_format")
    if promised is None:
        raise quarantine("unsupported_format")
    if promised in {"eml", "txt"} and is_mailbox(data):
        return "mbox"
    if promised != "txt" and promised not in _BINARY:
        return promised
    found = _text_format(decode(data)[:_HEAD_CHARS])
    if found == "txt" and promised != "txt":
        raise quarantine("wrong_format")
    return found  # also in place of .doc and .xls: programs write web pages under these names


def _binary(data: bytes, promised: Format | None) -> Binary | None:
    if b"%PDF-" in data[: _PDF_WINDOW_BYTES if promised in {None, "pdf"} else 5]:
        return "pdf"
    if data.startswith(_ZIP_MAGIC):
        return package_of(data)
    if data.startswith(OLE_MAGIC):
        return compound_of(data)
    if _BMP.match(data):
        return "bmp"
    if _WEBP.match(data):
        return "webp"
    return next((found for magic, found in _MAGIC.items() if data.startswith(magic)), None)


def _text_format(head: str) -> Format:
    """Mails and web pages are often saved as .txt."""
    if _HTML.match(head):
        return "html"
    fields = set()
    for number, line in enumerate(head.replace("\r\n", "\n").split("\n")):
        field = _MAIL_FIELD.match(f"{line}\n")
        if field:
            fields.add((field[1] or "").lower())
        elif number or not line.startswith(_POSTMARK):
            break
    return "eml" if len(fields & _MAIL_FIELDS) >= _MIN_MAIL_FIELDS else "txt"
