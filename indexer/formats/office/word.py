"""What `python-docx` does not see in a Word file, put where it does."""

import io
import re
import zipfile
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Node

from indexer.formats.elements import quarantine
from indexer.formats.office.package import with_part

MAX_PARAGRAPHS = 50_000  # chosen: unstructured takes 0.3 ms for one of a line, so this is 15 s

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_BODY = "word/document.xml"
_NOTES = ("word/footnotes.xml", "word/endnotes.xml", "word/comments.xml")
_NOTE_TAGS = frozenset({f"{_W}footnote", f"{_W}endnote", f"{_W}comment"})
# Inserted text, content controls and smart tags are wrappers that python-docx passes over, text and all.
_WRAPPERS = frozenset({f"{_W}{name}" for name in ("ins", "moveTo", "sdt", "sdtContent", "smartTag", "customXml")})
_WRAPPERS |= {f"{_MC}AlternateContent", f"{_MC}Choice"}
_GONE = frozenset({f"{_W}del", f"{_W}moveFrom", f"{_W}sdtPr", f"{_W}sdtEndPr", f"{_MC}Fallback"})
_TEXT_BOX = f"{_W}txbxContent"
_PARAGRAPH = re.compile(rb"<(?:\w+:)?p[\s/>]")
_HIDDEN = re.compile(rb"<w:(?:ins|moveTo|moveFrom|del|sdt|smartTag|customXml|txbxContent)[\s>]|<mc:AlternateContent")


def reveal(data: bytes) -> bytes:
    """The same .docx with tracked insertions, content controls, text boxes and notes as plain paragraphs.

    Deleted text stays out. Text boxes follow the paragraph they hang on, notes and comments end the document.

    Raises:
        QuarantineError: `too_large` for more than MAX_PARAGRAPHS, empty ones too.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        notes = [name for name in _NOTES if name in names]
        if _BODY not in names:
            return data
        content = archive.read(_BODY)
        if sum(1 for _ in _PARAGRAPH.finditer(content)) > MAX_PARAGRAPHS:
            raise quarantine("too_large")
        if not notes and not _HIDDEN.search(content):
            return data
        document = ET.fromstring(content)  # noqa: S314 - declarations were refused before
        body = document.find(f"{_W}body")
        if body is None:
            return data
        end = -1 if len(body) and body[-1].tag == f"{_W}sectPr" else len(body)
        for name in notes:
            for note in ET.fromstring(archive.read(name)):  # noqa: S314 - as above
                if note.tag in _NOTE_TAGS and note.get(f"{_W}type") is None:
                    body[end:end] = list(note)
                    end = end if end < 0 else len(body)
        _unwrap(document)
        _lift_text_boxes(document)
        return with_part(archive, _BODY, ET.tostring(document, encoding="utf-8", xml_declaration=True))


def _unwrap(node: Node) -> None:
    children: list[Node] = []
    for child in node:
        if child.tag not in _GONE:
            _unwrap(child)
            children += list(child) if child.tag in _WRAPPERS else [child]
    node[:] = children


def _lift_text_boxes(node: Node) -> None:
    children: list[Node] = []
    for child in node:
        children.append(child)
        if child.tag != f"{_W}p":
            _lift_text_boxes(child)
            continue
        for box in list(child.iter(_TEXT_BOX)):
            children += list(box)
            box[:] = []
    node[:] = children
