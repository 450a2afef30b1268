"""What `python-docx` does not see in a Word file, put where it does."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Node

from indexer.formats.elements import quarantine
from indexer.formats.office.parts import (
    COMPATIBILITY,
    MATH,
    Relation,
    formula,
    main_part,
    relations,
    serialised,
    with_parts,
)

MAX_PARAGRAPHS = 50_000  # chosen: unstructured takes 0.3 ms for one of a line, so this is 15 s

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_NOTES = ("footnotes", "endnotes", "comments")  # the kinds of their relations, and of most programs their names
_MARGINS = frozenset({"header", "footer"})
_NOTE_TAGS = frozenset({f"{_W}footnote", f"{_W}endnote", f"{_W}comment"})
_PARAGRAPH, _RUN, _TEXT, _TEXT_BOX = f"{_W}p", f"{_W}r", f"{_W}t", f"{_W}txbxContent"
_FORMULA = f"{MATH}oMath"
# Inserted text, content controls, fields, changes of direction and readings beside characters are wrappers that
# python-docx passes over, text and all.
_WRAPPERS = frozenset(
    f"{_W}{name}"
    for name in (
        *("ins", "moveTo", "sdt", "sdtContent", "smartTag", "customXml", "fldSimple", "dir", "bdo"),
        *("ruby", "rubyBase"),
    )
) | {f"{COMPATIBILITY}AlternateContent", f"{COMPATIBILITY}Choice", f"{MATH}oMathPara"}
_GONE = frozenset({f"{_W}{name}" for name in ("del", "moveFrom", "sdtPr", "sdtEndPr", "rubyPr", "rt")})
_GONE |= {f"{COMPATIBILITY}Fallback"}
_HIDDEN = _WRAPPERS | {_FORMULA, _TEXT_BOX}
_PARAGRAPH_BYTES = re.compile(rb"<(?:[^\s<>/:]+:)?p[\s/>]")


def reveal(data: bytes) -> bytes:
    """The same .docx with all that a reader sees as plain paragraphs, in the body and in headers and footers.

    That is tracked insertions, content controls, fields, formulas, text boxes and notes. Deleted text stays out. Text
    boxes follow the paragraph they hang on, notes and comments end the document.

    Raises:
        QuarantineError: `too_large` for more than MAX_PARAGRAPHS, empty ones too.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        main = main_part(archive)
        if main is None:
            return data
        parts = _Parts(archive)
        document = parts.read(main)
        body = document.find(f"{_W}body")
        if body is None:
            return data
        related = relations(archive, main)
        noted = [
            paragraph
            for kind in _NOTES
            for name in _named(archive, related, kind)
            for note in parts.read(name)
            if note.tag in _NOTE_TAGS and note.get(f"{_W}type") is None
            for paragraph in note
        ]
        changed = {}
        if noted or parts.hides(main):
            end = len(body) - (len(body) > 0 and body[-1].tag == f"{_W}sectPr")
            body[end:end] = noted
            changed[main] = _plain(document)
        for name in {found.part for found in related if found.kind in _MARGINS}:
            margin = parts.read(name)
            if parts.hides(name):
                changed[name] = _plain(margin)
        return with_parts(archive, changed) if changed else data


def _named(archive: zipfile.ZipFile, related: Sequence[Relation], kind: str) -> Iterable[str]:
    """The parts of notes of this kind, each once, with one that nothing relates to but its name."""
    usual = {f"word/{kind}.xml"} & set(archive.namelist())
    return dict.fromkeys([*(found.part for found in related if found.kind == kind), *usual])


class _Parts:
    """Reads the parts of one document, counting their paragraphs."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._paragraphs = 0
        self._tags: dict[str, Counter[str]] = {}

    def read(self, name: str) -> Node:
        content = self._archive.read(name)
        # Before there is a tree, which takes ten times the memory; in UTF-16 only the tree shows them.
        self._check(sum(1 for _ in _PARAGRAPH_BYTES.finditer(content)))
        root = ET.fromstring(content)  # noqa: S314 - declarations were refused before
        self._tags[name] = Counter(node.tag for node in root.iter())
        self._paragraphs += self._tags[name][_PARAGRAPH]
        self._check(0)
        return root

    def hides(self, name: str) -> bool:
        """Whether a part that was read holds what python-docx passes over."""
        return not _HIDDEN.isdisjoint(self._tags[name])

    def _check(self, more: int) -> None:
        if self._paragraphs + more > MAX_PARAGRAPHS:
            raise quarantine("too_large")


def _plain(root: Node) -> bytes:
    _unwrap(root)
    _lift_text_boxes(root)
    return serialised(root)


def _unwrap(node: Node) -> None:
    children: list[Node] = []
    for child in node:
        if child.tag == _FORMULA:
            run = ET.Element(_RUN)
            ET.SubElement(run, _TEXT).text = formula(child)
            children.append(run)
        elif child.tag not in _GONE:
            _unwrap(child)
            kept = list(child) if child.tag in _WRAPPERS else [child]
            if node.tag == _RUN:  # no run stands in a run but inside a wrapper
                kept = [inner for one in kept for inner in (list(one) if one.tag == _RUN else [one])]
            children += kept
    node[:] = children


def _lift_text_boxes(node: Node) -> None:
    children: list[Node] = []
    for child in node:
        children.append(child)
        if child.tag != _PARAGRAPH:
            _lift_text_boxes(child)
            continue
        for box in list(child.iter(_TEXT_BOX)):
            children += list(box)
            box[:] = []
    node[:] = children
