"""Org files to elements."""

import re
from collections.abc import Iterator, Sequence

from indexer.formats.elements import Element, Parsed
from indexer.formats.tables import tabulate
from indexer.formats.text import decode, paragraphs

_HEADING = re.compile(r"(\*+)[ \t]+(?:(?:TODO|DONE)[ \t]+)?(?:\[#[A-Z0-9]\][ \t]+)?(.*?)(?:[ \t]+:[\w@#%:]+:)?[ \t]*$")
_KEYWORD = re.compile(r"[ \t]*#\+([A-Za-z_]+):[ \t]*(.*)$")
_BLOCK_EDGE = re.compile(r"[ \t]*#\+(?:begin|end)_\w+", re.IGNORECASE)
_DRAWER = re.compile(r"[ \t]*:(?!end:)[\w-]+:[ \t]*$", re.IGNORECASE)
_DRAWER_END = re.compile(r"[ \t]*:end:[ \t]*$", re.IGNORECASE)
_COMMENT = re.compile(r"[ \t]*#(?:[ \t]|$)")
_TABLE = re.compile(r"[ \t]*\|")
_RULE = re.compile(r"[ \t]*\|[-+]+\|?[ \t]*$")
_LINK = re.compile(r"\[\[([^\]\[]{1,2000})\](?:\[([^\]\[]{1,2000})\])?\]")
_SPOKEN = frozenset({"author", "caption", "date", "description", "subtitle"})


def org(data: bytes) -> Parsed:
    """Headings without their keywords and tags, tables with their header, text; drawers, options and comments go."""
    lines = decode(data).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    title = next((found[2] for line in lines if (found := _KEYWORD.match(line)) and found[1].lower() == "title"), None)
    return Parsed(kind="org", title=title, elements=tuple(_elements(_kept(lines))))


def _kept(lines: Sequence[str]) -> Iterator[str]:
    drawer_ends = {number for number, line in enumerate(lines) if _DRAWER_END.match(line)}
    last_end = max(drawer_ends, default=-1)
    in_drawer = False
    for number, line in enumerate(lines):
        if in_drawer:
            in_drawer = number not in drawer_ends
        elif _DRAWER.match(line) and number < last_end:
            in_drawer = True
        elif keyword := _KEYWORD.match(line):
            if keyword[1].lower() in _SPOKEN:
                yield keyword[2]
        elif not _BLOCK_EDGE.match(line) and not _COMMENT.match(line):
            yield _LINK.sub(lambda link: link[2] or link[1], line)


def _elements(lines: Iterator[str]) -> Iterator[Element]:
    text: list[str] = []
    table: list[str] = []
    for line in lines:
        heading = _HEADING.match(line)
        in_table = _TABLE.match(line) is not None
        if table and not in_table:
            yield from _rows(table)
            table = []
        if text and (heading or in_table):
            yield from paragraphs("\n".join(text))
            text = []
        if heading:
            yield Element(text=heading[2], kind="title", depth=len(heading[1]))
        elif in_table:
            table.append(line)
        else:
            text.append(line)
    yield from _rows(table)
    yield from paragraphs("\n".join(text))


def _rows(lines: Sequence[str]) -> list[Element]:
    rows = [line.strip().strip("|").split("|") for line in lines if not _RULE.match(line)]
    return tabulate(rows, headed=len(lines) > 1 and _RULE.match(lines[1]) is not None)
