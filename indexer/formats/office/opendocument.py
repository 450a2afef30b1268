"""OpenDocument texts, presentations and spreadsheets to elements, after OpenDocument 1.3, part 3."""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Literal
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Node

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.office.workbook import MAX_CELLS, sheets
from indexer.formats.tables import tabulate

MAX_CONTENT_BYTES = 64 * 2**20  # chosen: as a tree, XML of short elements takes ten times its length
MAX_DEPTH = 100  # chosen: a paragraph in a cell in a frame in a list has 12 ancestors

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_CONTENT, _META, _STYLES = "content.xml", "meta.xml", "styles.xml"
_EMBEDDED = re.compile(r".+/content\.xml|(?:.+/)?Object \d+")  # a document of its own, or what another program made
_REPLACEMENTS = "ObjectReplacements/"  # pictures of them
_MARGINS = tuple(f"{_STYLE}{place}{pages}" for place in ("header", "footer") for pages in ("", "-left", "-first"))
_MAX_SPACES = 100
_GONE = frozenset(
    {f"{_TEXT}tracked-changes", f"{_TEXT}sequence-decls", f"{_TEXT}page-number", f"{_OFFICE}annotation-end"}
)
_ASIDES = frozenset({f"{_OFFICE}annotation", f"{_TEXT}note-body", f"{_DRAW}frame", f"{_DRAW}custom-shape"})


def opendocument(data: bytes, *, kind: Literal["odt", "odp", "ods"]) -> Parsed:
    """Headings, lists and rows with their header; notes, comments and frames follow the paragraph they hang on.

    Headers and footers end a text. `page` is the number of the slide or of the sheet. Deleted text stays out. Embedded
    objects are counted.

    Raises:
        QuarantineError: `corrupt`, `too_large` for more than MAX_CONTENT_BYTES or MAX_CELLS cells.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if _CONTENT not in names:
            raise quarantine("corrupt")
        body = _root(archive, _CONTENT).find(f"{_OFFICE}body")
        title = _root(archive, _META).findtext(f".//{_DC_TITLE}") if _META in names else None
        masters = _root(archive, _STYLES).iter(f"{_STYLE}master-page") if kind == "odt" and _STYLES in names else ()
        margins = [margin for master in masters for margin in master if margin.tag in _MARGINS]
    if body is None or not len(body):
        raise quarantine("corrupt")
    reader = _Reader()
    match kind:
        case "odt":
            elements = list(reader.blocks(body[0], None))
            elements += [element for margin in margins for element in reader.blocks(margin, None)]
        case "odp":
            elements = list(reader.slides(body[0]))
        case "ods":
            elements = sheets(
                (sheet.get(f"{_TABLE}name") or "", reader.rows(sheet)) for sheet in body[0].iter(f"{_TABLE}table")
            )
    embedded = sum(not name.startswith(_REPLACEMENTS) and _EMBEDDED.fullmatch(name) is not None for name in names)
    return Parsed(kind=kind, title=title, elements=tuple(elements), skipped_parts=embedded)


def _root(archive: zipfile.ZipFile, name: str) -> Node:
    if archive.getinfo(name).file_size > MAX_CONTENT_BYTES:
        raise quarantine("too_large")
    root = ET.fromstring(archive.read(name))  # noqa: S314 - declarations were refused before
    _check_depth(root)
    return root


def _check_depth(root: Node) -> None:
    nodes = [root]
    for _ in range(MAX_DEPTH):
        nodes = [child for node in nodes for child in node]
        if not nodes:
            return
    raise quarantine("corrupt")


class _Reader:
    """Walks one document, counting its cells."""

    def __init__(self) -> None:
        self._cells = 0

    def slides(self, body: Node) -> Iterator[Element]:
        for number, slide in enumerate(body.iter(f"{_DRAW}page"), start=1):
            for shape in slide:
                if shape.tag == f"{_PRESENTATION}notes":
                    yield from self.blocks(shape, number)
                elif shape.get(f"{_PRESENTATION}class") == "title":
                    text = " ".join(element.text for element in self.blocks(shape, number))
                    yield Element(text=text, kind="title", depth=1, page=number)
                else:
                    yield from self._block(shape, number)

    def blocks(self, parent: Node, page: int | None) -> Iterator[Element]:
        for child in parent:
            yield from self._block(child, page)

    def _block(self, node: Node, page: int | None) -> Iterator[Element]:
        if node.tag in _GONE:
            return
        if node.tag in {f"{_TEXT}h", f"{_TEXT}p"}:
            level = node.get(f"{_TEXT}outline-level", "1") if node.tag == f"{_TEXT}h" else ""
            depth = int(level) if level.isdecimal() and len(level) == 1 else 0
            yield Element(text=_text(node), kind="title" if depth else "text", depth=depth, page=page)
            for aside in _asides(node):
                yield from self.blocks(aside, page)
        elif node.tag == f"{_TEXT}list":
            for element in (found for item in node for found in self.blocks(item, page)):
                yield Element(text=element.text, kind="list", page=page) if element.kind == "text" else element
        elif node.tag == f"{_TABLE}table":
            yield from tabulate(
                list(self.rows(node)), page=page, headed=node.find(f"{_TABLE}table-header-rows") is not None
            )
        else:  # sections, indexes, frames, shapes
            yield from self.blocks(node, page)

    def rows(self, table: Node) -> Iterator[Sequence[str]]:
        """The rows of one table, repeated ones repeated, an empty one once."""
        for row in _rows(table):
            cells: list[str] = []
            for cell in row:
                if cell.tag not in {f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"}:
                    continue
                text = " ".join(element.text for element in self.blocks(cell, None))
                cells += [text] * (self._count(cell.get(f"{_TABLE}number-columns-repeated")) if text else 1)
            times = self._count(row.get(f"{_TABLE}number-rows-repeated")) if any(cells) else 1
            for _ in range(times):
                self._cells += len(cells)
                if self._cells > MAX_CELLS:
                    raise quarantine("too_large")
                yield cells

    def _count(self, repeated: str | None) -> int:
        if not repeated or not repeated.isdecimal():
            return 1
        if len(repeated) > len(str(MAX_CELLS)) or int(repeated) > MAX_CELLS:
            raise quarantine("too_large")
        return int(repeated)


def _rows(table: Node) -> Iterator[Node]:
    for child in table:
        if child.tag == f"{_TABLE}table-row":
            yield child
        elif child.tag in {f"{_TABLE}table-{group}" for group in ("header-rows", "row-group", "rows")}:
            yield from _rows(child)


def _text(node: Node) -> str:
    """The text of a paragraph without what hangs on it."""
    parts = [node.text or ""]
    for child in node:
        if child.tag == f"{_TEXT}s":
            count = child.get(f"{_TEXT}c", "1")
            parts.append(" " * min(int(count[:3]) if count.isdecimal() else 1, _MAX_SPACES))
        elif child.tag == f"{_TEXT}tab":
            parts.append("\t")
        elif child.tag == f"{_TEXT}line-break":
            parts.append("\n")
        elif child.tag == f"{_TEXT}note-citation":
            pass
        elif child.tag not in _ASIDES and child.tag not in _GONE:
            parts.append(_text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def _asides(node: Node) -> Iterator[Node]:
    for child in node:
        if child.tag in _ASIDES:
            yield child
        else:
            yield from _asides(child)
