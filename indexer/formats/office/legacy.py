"""Word and PowerPoint files of 1997 to 2003 to elements, by office_oxide.

It reads text only, never a macro, in Rust, each document in a thread that it starts. Chosen among what reads these
formats without LibreOffice: kreuzberg loses tables and spreads field codes over the text, and brings 100 MB.
"""

import html
import json
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from office_oxide import Document, OfficeOxideError

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.office.ole import embedded_count
from indexer.formats.tables import html_table

Node: TypeAlias = dict[str, Any]

_MAX_DEPTH = 20  # chosen: a table in a text box in a note is three


def legacy(data: bytes, *, kind: Literal["doc", "ppt"]) -> Parsed:
    """Headings by their style, lists, rows with their header, then notes and text boxes. `page` is the slide's number.

    What is embedded in a Word file is counted; PowerPoint has no directory of it.

    Raises:
        QuarantineError: `encrypted`, or `corrupt` for what cannot be opened.
    """
    try:
        with Document.from_bytes(data, kind) as document:
            tree: Node = json.loads(document.to_ir_json())
    except OfficeOxideError as error:
        raise quarantine("encrypted" if "password" in str(error) else "corrupt") from None
    elements: list[Element] = []
    for number, section in enumerate(tree["sections"], start=1):
        page = number if kind == "ppt" else None
        elements += _blocks(section["elements"], page, 0)
        elements += _blocks(section.get("speaker_notes", []), page, 0)
    title = tree["metadata"].get("title")
    return Parsed(kind=kind, title=title, elements=tuple(elements), skipped_parts=embedded_count(data))


def _blocks(nodes: list[Node], page: int | None, depth: int) -> Iterator[Element]:
    if depth > _MAX_DEPTH:
        raise quarantine("corrupt")
    for node in nodes:
        match node["type"]:
            case "heading":
                yield Element(text=_inline(node["content"]), kind="title", depth=node["level"], page=page)
            case "paragraph":
                yield Element(text=_inline(node["content"]), page=page)
            case "list":
                yield from _items(node, page, depth + 1)
            case "table":
                yield from html_table(_html(node, depth + 1), page=page)
            case _:  # text boxes and notes hold blocks, a page break nothing
                content = node.get("content", [])
                yield from _blocks([block for block in content if isinstance(block, dict)], page, depth + 1)


def _items(node: Node, page: int | None, depth: int) -> Iterator[Element]:
    for item in node["items"]:
        for block in _blocks(item["content"], page, depth):
            yield Element(text=block.text, kind="list" if block.kind == "text" else block.kind, page=page)
        if item.get("nested"):
            yield from _blocks([{"type": "list", **item["nested"]}], page, depth)


def _html(node: Node, depth: int) -> str:
    """The table in the form that `html_table` reads, a cell's paragraphs beside each other."""
    rows = []
    for row in node["rows"]:
        cells = []
        for cell in row["cells"]:
            text = " ".join(block.text for block in _blocks(cell["content"], None, depth))
            spans = f"colspan={cell['col_span']} rowspan={cell['row_span']}"
            cells.append(f"<td {spans}>{html.escape(text)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return "".join(rows)


def _inline(nodes: list[Node]) -> str:
    return "".join("\n" if node["type"] == "line_break" else node.get("text", "") for node in nodes)
