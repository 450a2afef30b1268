"""Zip archives: which document one is, and that it unpacks to no more than a document holds."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Literal, TypeAlias
from urllib.parse import unquote

from indexer.formats.elements import quarantine

Package: TypeAlias = Literal["docx", "epub", "odp", "ods", "odt", "pptx", "xlsx"]

# Chosen: of 46 office files tried the largest has 318 entries and the densest inflates 23-fold. The bound on bytes is
# what docling.rs allows one part (its issue 126), and half of the address space.
MAX_ENTRIES = 10_000
MAX_INFLATED_BYTES = 512 * 2**20
MAX_RATIO = 100
MIN_RATIO_BYTES = 16 * 2**20  # chosen: below this a ratio over 100 is a sparse sheet and costs nothing

_TYPES = "[Content_Types].xml"
_OOXML: Mapping[Package, re.Pattern[bytes]] = {
    "docx": re.compile(
        rb"wordprocessingml\.(?:document|template)\.main\+xml"
        rb"|ms-word\.(?:document\.macroEnabled|template\.macroEnabledTemplate)\.main\+xml",
        re.IGNORECASE,
    ),
    "pptx": re.compile(
        rb"presentationml\.(?:presentation|slideshow|template)\.main\+xml"
        rb"|ms-powerpoint\.(?:presentation|slideshow|template)\.macroEnabled\.main\+xml",
        re.IGNORECASE,
    ),
    "xlsx": re.compile(
        rb"spreadsheetml\.(?:sheet|template)\.main\+xml|ms-excel\.(?:sheet|template)\.macroEnabled\.main\+xml",
        re.IGNORECASE,
    ),
}
_BY_MIMETYPE: Mapping[str, Package] = {
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.presentation-template": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.spreadsheet-template": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.text-master": "odt",
    "application/vnd.oasis.opendocument.text-template": "odt",
}
_MIMETYPE, _MIMETYPE_BYTES = "mimetype", 100
_ODF_MANIFEST = "META-INF/manifest.xml"
_XML = (".opf", ".rels", ".vml", ".xml")
# What is shown or carried along, and read as a web page or by nobody; most of it declares a type.
_SHOWN = (".htm", ".html", ".ncx", ".smil", ".svg", ".xht", ".xhtml")
_BEFORE_XML = b"\xef\xbb\xbf\xfe\xff\0 \t\r\n"
_ROOTS = ("META-INF/container.xml", "_rels/.rels")
_ROOT = re.compile(r"\b(?:full-path|Target)\s*=\s*[\"']/?([^\"'<>]*)")
_CHUNK_BYTES = 2**20
_DECLARATION = re.compile(rb"<\x00?!\x00?(?:D\x00?O\x00?C\x00?T\x00?Y\x00?P\x00?E|E\x00?N\x00?T\x00?I\x00?T\x00?Y)")
_DECLARATION_BYTES = 20
# ECMA-376, part 2, 8.1.4, allows UTF-8 and UTF-16. In the others here a declaration shows as well; in UTF-7, UTF-32 and
# EBCDIC, which lxml reads, it does not.
_ENCODING = re.compile(rb"\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([^\"'>]{0,60})")
_PLAIN_ENCODING = re.compile(rb"utf-?8|utf-?16(?:[bl]e)?|us-ascii|ascii|iso-8859-\d{1,2}|windows-125\d", re.IGNORECASE)
_ODD_START = re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff|[\s\0]*<\0\0\0[?!]|\x4c\x6f\xa7\x94")  # UTF-32 and EBCDIC
_HEAD_BYTES = 512


def package_of(data: bytes) -> Package | None:
    """Which document the archive `data` is, None for another archive.

    Raises:
        QuarantineError: `encrypted`, `corrupt`, `bomb`, `hostile`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_sizes(archive, len(data))
            package = _package(archive)
            if package:
                _check_parts(archive)
            return package
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, zlib.error):
        raise quarantine("corrupt") from None


def _package(archive: zipfile.ZipFile) -> Package | None:
    names = set(archive.namelist())
    if _TYPES in names:
        types = archive.read(_TYPES)
        return next((package for package, pattern in _OOXML.items() if pattern.search(types)), None)
    if _MIMETYPE in names:
        with archive.open(_MIMETYPE) as entry:
            package = _BY_MIMETYPE.get(entry.read(_MIMETYPE_BYTES).decode("ascii", "replace").strip())
        # OpenDocument 1.3, part 2, section 3.8.2: an encrypted file says so in the manifest
        if _ODF_MANIFEST in names and b"encryption-data" in archive.read(_ODF_MANIFEST):
            raise quarantine("encrypted")
        return package
    return None


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
    """No part that is XML by its name, by its beginning or as a root declares a document type, or could hide one.

    Read to its end, each such part also proves its checksum.
    """
    roots = _roots(archive)
    for entry in archive.infolist():
        name = entry.filename.lower()
        with archive.open(entry) as part:
            head = part.read(_HEAD_BYTES)
            is_xml = name.endswith(_XML) or entry.filename in roots
            if not is_xml and (name.endswith(_SHOWN) or not _begins_xml(head)):
                continue
            if _hides(head):
                raise quarantine("hostile")
            part.seek(0)
            if any(_DECLARATION.search(window) for window in _windows(part)):
                raise quarantine("hostile")


def _roots(archive: zipfile.ZipFile) -> frozenset[str]:
    """The parts that lead to all others, whatever they are called."""
    leading = (archive.read(name) for name in {*_ROOTS} & {*archive.namelist()})
    return frozenset(
        unquote(path) for content in leading for path in _ROOT.findall(content.replace(b"\0", b"").decode("latin-1"))
    )


def _begins_xml(head: bytes) -> bool:
    """Whether it does, or is blank so far."""
    return bool(_ODD_START.match(head)) or head.lstrip(_BEFORE_XML)[:1] in {b"", b"<"}


def _hides(head: bytes) -> bool:
    """Whether the part that begins with `head` is in an encoding in which a declaration cannot be seen."""
    encoding = _ENCODING.match(head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\xfe\xff").replace(b"\0", b""))
    return bool(_ODD_START.match(head)) or bool(encoding and not _PLAIN_ENCODING.fullmatch(encoding[1]))


def _windows(part: IO[bytes]) -> Iterator[bytes]:
    """The bytes of `part` in pieces that overlap by the length of what is looked for."""
    tail = b""
    while chunk := part.read(_CHUNK_BYTES):
        yield tail + chunk
        tail = chunk[-2 * _DECLARATION_BYTES :]
