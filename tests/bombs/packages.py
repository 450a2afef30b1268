"""Zip archives written by hand, so that they can lie, and the smallest office files."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
OPEN = "urn:oasis:names:tc:opendocument:xmlns"
_KIND = "application/vnd.openxmlformats-officedocument"
_DEFLATED = 8


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of an archive: as it lies in there, and what the directory says of it."""

    name: str
    raw: bytes
    size: int
    crc: int
    method: int = _DEFLATED
    attributes: int = 0


def deflated(name: str, content: bytes | str, *, attributes: int = 0, size: int | None = None) -> Entry:
    """An entry that says of its `size` what is true, unless told otherwise."""
    content = content.encode() if isinstance(content, str) else content
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    raw = packer.compress(content) + packer.flush()
    true = len(content) if size is None else size
    return Entry(name=name, raw=raw, size=true, crc=zlib.crc32(content), attributes=attributes)


def zeros(name: str, mebibytes: int, *, size: int | None = None) -> Entry:
    """So many mebibytes of nothing, in about as many kilobytes."""
    block = bytes(2**20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    raw = (packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)) * mebibytes + b"\x03\x00"
    crc = 0
    for _ in range(mebibytes):
        crc = zlib.crc32(block, crc)
    return Entry(name=name, raw=raw, size=mebibytes * 2**20 if size is None else size, crc=crc)


def archive(entries: Sequence[Entry], *, overlapping: bool = False) -> bytes:
    """The entries as a zip; `overlapping`: all that share their content share its bytes, as in zbsm."""
    body, directory = bytearray(), bytearray()
    places: dict[bytes, int] = {}
    for entry in entries:
        name = entry.name.encode()
        fields = struct.pack("<HHHIII", entry.method, 0, 0x21, entry.crc, len(entry.raw), entry.size)
        place = places.get(entry.raw) if overlapping else None
        if place is None:
            place = places[entry.raw] = len(body)
            body += b"PK\x03\x04" + struct.pack("<HH", 20, 0) + fields + struct.pack("<HH", len(name), 0) + name
            body += entry.raw
        directory += b"PK\x01\x02" + struct.pack("<HHH", 0x314, 20, 0) + fields
        directory += struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, entry.attributes, place) + name
    count = len(entries)
    if count > 0xFFFF:  # the 64-bit ending
        begin = len(body) + len(directory)
        directory += b"PK\x06\x06" + struct.pack(
            "<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), len(body)
        )
        directory += b"PK\x06\x07" + struct.pack("<IQI", 0, begin, 1)
        count = 0xFFFF
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


def docx(body: str = "", *, head: str = "", relations: str = "", more: Sequence[Entry] = ()) -> bytes:
    """A Word file with one paragraph, then `body`; `head` stands before the root of the document part."""
    types = _types({"/word/document.xml": f"{_KIND}.wordprocessingml.document.main+xml"})
    document = (
        f'<w:document xmlns:w="{WORD}" xmlns:r="{OFFICE}"><w:body><w:p><w:r><w:t>An ordinary line.</w:t></w:r></w:p>'
        f"{body}</w:body></w:document>"
    )
    return archive(
        [
            deflated("[Content_Types].xml", types),
            deflated("_rels/.rels", _relations(relation("r1", "officeDocument", "word/document.xml"))),
            deflated("word/document.xml", head + document),
            deflated("word/_rels/document.xml.rels", _relations(relations)),
            *more,
        ]
    )


def xlsx(rows: str, *, head: str = "", strings: str = "") -> bytes:
    """A workbook of one sheet with the given `rows`; `strings` are its shared strings."""
    sheets = '<sheets><sheet name="Stock" sheetId="1" r:id="r1"/></sheets>'
    parts = relation("r1", "worksheet", "worksheets/sheet1.xml") + relation("r2", "sharedStrings", "sharedStrings.xml")
    return archive(
        [
            deflated(
                "[Content_Types].xml",
                _types(
                    {
                        "/xl/workbook.xml": f"{_KIND}.spreadsheetml.sheet.main+xml",
                        "/xl/sharedStrings.xml": f"{_KIND}.spreadsheetml.sharedStrings+xml",
                    }
                ),
            ),
            deflated("_rels/.rels", _relations(relation("r1", "officeDocument", "xl/workbook.xml"))),
            deflated("xl/workbook.xml", f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}">{sheets}</workbook>'),
            deflated("xl/_rels/workbook.xml.rels", _relations(parts)),
            deflated("xl/sharedStrings.xml", f'<sst xmlns="{SHEET}">{strings}</sst>'),
            deflated(
                "xl/worksheets/sheet1.xml",
                f'{head}<worksheet xmlns="{SHEET}"><dimension ref="A1:XFD1048576"/>'
                f"<sheetData>{rows}</sheetData></worksheet>",
            ),
        ]
    )


def odt(body: str = "", *, head: str = "", mimetype: str = "application/vnd.oasis.opendocument.text") -> bytes:
    """An OpenDocument text with one paragraph, then `body`."""
    names = " ".join(
        f'xmlns:{short}="{OPEN}:{name}:1.0"'
        for short, name in [("office", "office"), ("text", "text"), ("table", "table")]
    )
    content = (
        f"{head}<office:document-content {names}><office:body><office:text>"
        f"<text:p>An ordinary line.</text:p>{body}</office:text></office:body></office:document-content>"
    )
    return archive(
        [
            Entry(
                name="mimetype",
                raw=mimetype.encode(),
                size=len(mimetype),
                crc=zlib.crc32(mimetype.encode()),
                method=0,
            ),
            deflated("content.xml", content),
            deflated("META-INF/manifest.xml", "<manifest/>"),
        ]
    )


def epub(
    *chapters: str,
    head: str = "",
    page: bytes = b"<html><body><p>An ordinary line.</p></body></html>",
    rootfile: str = "content.opf",
) -> bytes:
    """A book whose spine names `chapters`; the file `page.xhtml` exists."""
    items = "".join(
        f'<item id="c{at}" href="{href}" media-type="application/xhtml+xml"/>' for at, href in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{at}"/>' for at in range(len(chapters)))
    return archive(
        [
            Entry(
                name="mimetype",
                raw=b"application/epub+zip",
                size=20,
                crc=zlib.crc32(b"application/epub+zip"),
                method=0,
            ),
            deflated(
                "META-INF/container.xml",
                '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
                f'<rootfile full-path="{rootfile}" media-type="application/oebps-package+xml"/>'
                "</rootfiles></container>",
            ),
            deflated(
                "content.opf",
                f'{head}<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/>'
                f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
            ),
            deflated("page.xhtml", page),
        ]
    )


def _types(parts: Mapping[str, str]) -> str:
    overrides = "".join(f'<Override PartName="{part}" ContentType="{kind}"/>' for part, kind in parts.items())
    return (
        f'<Types xmlns="{TYPES}"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Default Extension="bin" ContentType="application/octet-stream"/>{overrides}</Types>'
    )


def _relations(inner: str) -> str:
    return f'<Relationships xmlns="{RELATIONS}">{inner}</Relationships>'


def relation(identity: str, kind: str, target: str, *, external: bool = False) -> str:
    """One line of a part of relations."""
    mode = ' TargetMode="External"' if external else ""
    return f'<Relationship Id="{identity}" Type="{OFFICE}/{kind}" Target="{target}"{mode}/>'
