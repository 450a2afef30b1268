"""What all OOXML files have in common: properties, embedded files, and types of a document, a template and a show."""

import io
import re
import zipfile
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from indexer.formats.elements import Element, Parsed
from indexer.formats.office.parts import main_part, relations, with_parts
from indexer.formats.office.slides import whole_slides

TYPES = "[Content_Types].xml"
_RELATIONS = "_rels/.rels"
_CORE = "docProps/core.xml"
# ISO/IEC 29500-1, strict: the same names under other namespaces, which no library here knows
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/"
_XML = (".xml", ".rels", ".vml")
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_SKIPPED = re.compile(r"/embeddings/|/charts/chart(?:Ex)?\d*\.xml$|/diagrams/data\d*\.xml$|^ppt/comments/[^/]*\.xml$")
_FOREIGN = "aFChunk"  # a document of any format, under any name, in place of a paragraph
_VARIANTS = (
    (
        re.compile(
            rb"application/vnd\.(?:ms-word\.document\.macroEnabled\.main"
            rb"|openxmlformats-officedocument\.wordprocessingml\.template\.main"
            rb"|ms-word\.template\.macroEnabledTemplate\.main)\+xml",
            re.IGNORECASE,
        ),
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    ),
    (
        re.compile(
            rb"application/vnd\.(?:ms-powerpoint\.(?:presentation|slideshow|template)\.macroEnabled\.main"
            rb"|openxmlformats-officedocument\.presentationml\.(?:slideshow|template)\.main)\+xml",
            re.IGNORECASE,
        ),
        b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
    ),
)


def describe(kind: str, data: bytes, elements: Sequence[Element]) -> Parsed:
    """The document with the title from its properties, and its embedded files, charts and SmartArt counted."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        title = None
        if _CORE in names:
            title = ET.fromstring(archive.read(_CORE)).findtext(_DC_TITLE)  # noqa: S314 - declarations were refused before
        main = main_part(archive)
        skipped = {name for name in names if _SKIPPED.search(name)}
        skipped |= {found.part for found in relations(archive, main) if found.kind == _FOREIGN} if main else set()
    return Parsed(kind=kind, title=title, elements=tuple(elements), skipped_parts=len(skipped))


def as_document(data: bytes) -> bytes:
    """The same package as a plain document, where it was a template, a slide show, held macros or was strict.

    python-docx and python-pptx open nothing else. Of a presentation all slides are whole, as `whole_slides` says.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if _RELATIONS in archive.namelist() and _STRICT.search(archive.read(_RELATIONS)):
            data = _transitional(archive)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = archive.read(TYPES)
        changed = whole_slides(archive)
        plain = types
        for variant, document in _VARIANTS:
            plain = variant.sub(document, plain)
        if plain != types:
            changed[TYPES] = plain
        return with_parts(archive, changed) if changed else data


def _transitional(archive: zipfile.ZipFile) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as copy:
        for entry in archive.infolist():
            content = archive.read(entry)
            is_xml = entry.filename.lower().endswith(_XML)
            copy.writestr(entry.filename, _STRICT.sub(_TRANSITIONAL, content) if is_xml else content)
    return target.getvalue()
