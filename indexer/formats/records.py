"""JSON and XML to lines of `path.to.key: value`, so that every value keeps its meaning."""

import json
from collections.abc import Iterable, Iterator
from typing import NoReturn
from xml.etree import ElementTree as ET

from indexer.formats.elements import Element, ElementKind, quarantine
from indexer.formats.tables import MAX_BLOCK_CHARS

MAX_NESTING = 100  # chosen: the deepest real file tried has 11 levels

# The element types that unstructured writes; any other list of objects is just data.
_ELEMENT_KEYS = {"type", "element_id", "text", "metadata"}
_ELEMENT_KINDS: dict[str, ElementKind] = {
    "Title": "title",
    "ListItem": "list",
    "Table": "table",
    **dict.fromkeys(
        (
            "Address",
            "CodeSnippet",
            "EmailAddress",
            "FigureCaption",
            "Footer",
            "Formula",
            "Header",
            "Image",
            "NarrativeText",
            "PageBreak",
            "PageNumber",
            "Text",
            "UncategorizedText",
        ),
        "text",
    ),
}


def json_document(text: str) -> list[Element]:
    """A top-level object or list as blocks of lines; a list of elements as unstructured writes it as those elements.

    Numbers stay as they are written, and of a name that an object has twice both values.

    Raises:
        QuarantineError: `corrupt` for what is not JSON, is nested deeper than MAX_NESTING or holds NaN.
    """
    value = _loads(text)
    return _saved_elements(value) or pack(_groups(value))


def json_lines(text: str) -> list[Element]:
    """Newline-delimited JSON, read as a list of its lines. Raises as `json_document`."""
    values = [_loads(line) for line in text.split("\n") if line.strip()]
    return _saved_elements(values) or pack(_groups(values))


def xml_document(text: str) -> list[Element]:
    """The leaves of an XML document, grouped by the children of its root, after the attributes of that.

    Raises:
        QuarantineError: `hostile` for a document type declaration, `corrupt` for what is not well formed.
    """
    if any(mark in text.lower() for mark in ("<!doctype", "<!entity")):
        raise quarantine("hostile")
    try:
        # As bytes, because the parser must not believe an encoding declaration that is no longer true.
        root = ET.XML(text.encode(), parser=ET.XMLParser(encoding="utf-8"))  # noqa: S314
    except ET.ParseError:
        raise quarantine("corrupt") from None
    if not len(root) or _is_mixed(root):
        return pack([_leaves(root, "", 0)])
    attributes = list(_attributes(root, _name(root)))
    return pack([*([attributes] if attributes else []), *(_leaves(child, "", 0) for child in root)])


def pack(groups: Iterable[Iterable[str]]) -> list[Element]:
    """Groups of lines as texts of about MAX_BLOCK_CHARS; only a group longer than that is cut, between lines."""
    blocks: list[str] = []
    for group in groups:
        parts = [""]
        for line in group:
            if parts[-1] and len(parts[-1]) + len(line) > MAX_BLOCK_CHARS:
                parts.append("")
            parts[-1] += f"\n{line}" if parts[-1] else line
        if blocks and len(parts) == 1 and len(blocks[-1]) + len(parts[0]) <= MAX_BLOCK_CHARS:
            blocks[-1] += f"\n\n{parts[0]}"
        else:
            blocks += parts
    return [Element(text=block) for block in blocks]


def _loads(text: str) -> object:
    try:
        # Numbers as text: 007 is no number but 1e400 is one, and an account number must not turn into 1.2e+19.
        return json.loads(
            text, parse_int=str, parse_float=str, parse_constant=_refuse_constant, object_pairs_hook=_members
        )
    except (ValueError, RecursionError):
        raise quarantine("corrupt") from None


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object, with a list of the values of a name that stands in it more than once."""
    members = dict(pairs)
    if len(members) < len(pairs):
        values: dict[str, list[object]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        members = {name: found if len(found) > 1 else found[0] for name, found in values.items()}
    return members


def _groups(value: object) -> list[Iterator[str]]:
    """The lines of each item of a list, or of each member of an object that is not a plain value."""
    if isinstance(value, list):
        return [_flatten(item, "", 1) for item in value]
    if isinstance(value, dict):
        plain = {name: member for name, member in value.items() if not isinstance(member, dict | list)}
        nested = [_flatten(value[name], name, 1) for name in value if name not in plain]
        return [_flatten(plain, "", 0), *nested]
    return [_flatten(value, "", 0)]


def _flatten(value: object, path: str, depth: int) -> Iterator[str]:
    if depth > MAX_NESTING:
        raise quarantine("corrupt")
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _flatten(member, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _flatten(item, path, depth + 1)
    elif value is not None and value != "":
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield f"{path}: {text}" if path else text


def _leaves(node: ET.Element, path: str, depth: int) -> Iterator[str]:
    """`path: text` of each element that holds text, with the text of inline children in its place."""
    if depth > MAX_NESTING:
        raise quarantine("corrupt")
    path = f"{path}.{_name(node)}" if path else _name(node)
    yield from _attributes(node, path)
    if _is_mixed(node) or not len(node):
        if text := " ".join("".join(node.itertext()).split()):
            yield f"{path}: {text}"
    else:
        for child in node:
            yield from _leaves(child, path, depth + 1)


def _name(node: ET.Element) -> str:
    return str(node.tag).rpartition("}")[2]


def _attributes(node: ET.Element, path: str) -> Iterator[str]:
    for attribute, value in node.attrib.items():
        yield f"{path}.{attribute.rpartition('}')[2]}: {value}"


def _is_mixed(node: ET.Element) -> bool:
    return bool((node.text or "").strip()) or any((child.tail or "").strip() for child in node)


def _saved_elements(value: object) -> list[Element]:
    """The elements in a list of them, [] for anything else: more or fewer keys are another's data."""
    if not isinstance(value, list):
        return []
    elements = []
    for item in value:
        match item:
            case {"type": str() as name, "text": str() as text, "metadata": dict() as metadata} if (
                name in _ELEMENT_KINDS and item.keys() == _ELEMENT_KEYS
            ):
                page, kind = str(metadata.get("page_number")), _ELEMENT_KINDS[name]
                depth = 1 if kind == "title" else 0
                elements.append(
                    Element(text=text, kind=kind, depth=depth, page=int(page) if page.isdecimal() else None)
                )
            case _:
                return []
    return elements
