"""What stands beside the rows of an .xlsx sheet: comments, text boxes, and what is printed above and below."""

import html
import re
import zipfile
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Node

from indexer.formats.elements import Element
from indexer.formats.office.parts import main_part, relations

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_THREADED = "{http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CHUNK_BYTES = 2**20
_TAIL_BYTES = 2**18  # chosen: six headers of 255 characters stand after the rows, and only lists after them
_HEADER = re.compile(rb"<(?:[^\s<>/:]+:)?(?:odd|even|first)(?:Header|Footer)\b[^>]*>([^<]+)<")
# ECMA-376, part 1, 18.3.1.39: &P is the page's number, &"Arial,Bold" a font, &12 its size, &K its colour, && a sign.
_CODE = re.compile(r"&(?:\"[^\"]*\"|\d+|K(?:[0-9A-Fa-f]{6}|\d\d[+-]\d{3})|(.))", re.DOTALL)
_SECTIONS = frozenset("LCR")
_STAND_IN = "tc="  # begins the author of a comment that only says in other words what a threaded one says


def besides(archive: zipfile.ZipFile, pages: Mapping[str, int]) -> Iterator[Element]:
    """Comments with their cell's name, text boxes, headers and footers. `pages` are the sheets' numbers by name."""
    main = main_part(archive)
    if main is None:
        return
    parts = {found.identity: found.part for found in relations(archive, main) if found.kind == "worksheet"}
    for sheet in ET.fromstring(archive.read(main)).iter(f"{_MAIN}sheet"):  # noqa: S314 - declarations were refused before
        part, page = parts.get(sheet.get(_ID, "")), pages.get(sheet.get("name", ""))
        if part and page:
            for text in (*_hanging(archive, part), *_margins(archive, part)):
                yield Element(text=text, page=page)


def _hanging(archive: zipfile.ZipFile, part: str) -> Iterator[str]:
    for found in relations(archive, part):
        match found.kind:
            case "comments":
                yield from _comments(ET.fromstring(archive.read(found.part)))  # noqa: S314 - as above
            case "threadedComment":
                for comment in ET.fromstring(archive.read(found.part)):  # noqa: S314 - as above
                    yield f"{comment.get('ref', '')}: {comment.findtext(f'{_THREADED}text', '')}"
            case "drawing":
                for paragraph in ET.fromstring(archive.read(found.part)).iter(f"{_A}p"):  # noqa: S314 - as above
                    yield _joined(paragraph, f"{_A}t")


def _comments(root: Node) -> Iterator[str]:
    authors = [author.text or "" for author in root.iter(f"{_MAIN}author")]
    stand_ins = {str(number) for number, author in enumerate(authors) if author.startswith(_STAND_IN)}
    for comment in root.iter(f"{_MAIN}comment"):
        if comment.get("authorId") not in stand_ins:
            yield f"{comment.get('ref', '')}: {_joined(comment, f'{_MAIN}t')}"


def _joined(node: Node, tag: str) -> str:
    return "".join(text.text or "" for text in node.iter(tag))


def _margins(archive: zipfile.ZipFile, part: str) -> Iterator[str]:
    """Each header and footer once. A sheet is read to its end for them, and not taken apart again."""
    tail = b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK_BYTES):
            tail = (tail + chunk)[-_TAIL_BYTES:]
    printed = (html.unescape(match[1].decode("utf-8", "replace")) for match in _HEADER.finditer(tail))
    return iter(dict.fromkeys(_CODE.sub(_plain, text) for text in printed))


def _plain(code: re.Match[str]) -> str:
    if code[1] in _SECTIONS:
        return " "
    return "&" if code[1] == "&" else ""
