"""Parts of an OOXML package, by their relations, and a package with some of them changed."""

import io
import posixpath
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Node

PACKAGE = ""
"""The source of the relations that lead to the main part."""
MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"

# What stands before and after a part of a formula that is written on one line, so that a fraction is no longer number.
_AROUND = {
    f"{MATH}d": ("(", ")"),
    f"{MATH}den": ("/", ""),
    f"{MATH}rad": ("√", ""),
    f"{MATH}sub": ("_", ""),
    f"{MATH}sup": ("^", ""),
}


@dataclass(frozen=True, kw_only=True)
class Relation:
    """That a part has another one: `kind` is the last word of its type, `part` the name of the other."""

    identity: str
    kind: str
    part: str


def relations(archive: zipfile.ZipFile, source: str) -> list[Relation]:
    """What the part `source` is related to of what is in the archive, in the order of the file."""
    folder, name = posixpath.split(source)
    names = set(archive.namelist())
    path = posixpath.join(folder, "_rels", f"{name}.rels")
    if path not in names:
        return []
    found = (
        Relation(
            identity=node.get("Id", ""),
            kind=node.get("Type", "").rpartition("/")[2],
            part=posixpath.normpath(posixpath.join("/", folder, node.get("Target", ""))).lstrip("/"),
        )
        for node in ET.fromstring(archive.read(path))  # noqa: S314 - declarations were refused before
        if node.get("TargetMode") != "External"
    )
    return [relation for relation in found if relation.part in names]


def main_part(archive: zipfile.ZipFile) -> str | None:
    """The part that is the document, whatever its name: Microsoft 365 also writes `word/document2.xml`."""
    return next((found.part for found in relations(archive, PACKAGE) if found.kind == "officeDocument"), None)


def with_parts(archive: zipfile.ZipFile, changed: Mapping[str, bytes]) -> bytes:
    """The archive with other content for the parts of these names, and with empty pictures: nobody looks at them."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as copy:
        for entry in archive.infolist():
            if entry.filename in changed:
                copy.writestr(entry.filename, changed[entry.filename])
            else:
                copy.writestr(entry.filename, b"" if "/media/" in entry.filename else archive.read(entry))
    return target.getvalue()


def serialised(root: Node) -> bytes:
    """The part whose root this is."""
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def formula(node: Node) -> str:
    """A formula on one line."""
    before, after = _AROUND.get(node.tag, ("", ""))
    text = (node.text or "") if node.tag == f"{MATH}t" else "".join(formula(child) for child in node)
    return before + text + after
