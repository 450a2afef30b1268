"""What all OOXML files have in common: properties, embedded files, and types of a document, a template and a show."""

import io
import re
import zipfile
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from indexer.formats.elements import Element, Parsed

TYPES = "[Content_Types].xml"
_RELATIONS = "_rels/.rels"
_CORE = "docProps/core.xml"
# ISO/IEC 29500-1, strict: the same names under other namespaces, which no library here knows
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/"
_XML = (".xml", ".rels", ".vml")
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_SKIPPED = re.compile(r"/embeddings/|/charts/chart(?:Ex)?\d*\.xml$|/diagrams/data\d*\.xml$")
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
    skipped_parts = sum(_SKIPPED.search(name) is not None for name in names)
    return Parsed(kind=kind, title=title, elements=tuple(elements), skipped_parts=skipped_parts)


def as_document(data: bytes) -> bytes:
    """The same package typed as a plain document, where it was a template, a slide show, held macros or was strict.

    python-docx and python-pptx open nothing else.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if _RELATIONS in archive.namelist() and _STRICT.search(archive.read(_RELATIONS)):
            data = _transitional(archive)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = archive.read(TYPES)
        plain = types
        for variant, document in _VARIANTS:
            plain = variant.sub(document, plain)
        return data if plain == types else with_part(archive, TYPES, plain)


def _transitional(archive: zipfile.ZipFile) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as copy:
        for entry in archive.infolist():
            content = archive.read(entry)
            is_xml = entry.filename.lower().endswith(_XML)
            copy.writestr(entry.filename, _STRICT.sub(_TRANSITIONAL, content) if is_xml else content)
    return target.getvalue()


def with_part(archive: zipfile.ZipFile, name: str, content: bytes) -> bytes:
    """The archive with another `name`, and with empty pictures, because nobody looks at them."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as copy:
        for entry in archive.infolist():
            if entry.filename == name:
                copy.writestr(name, content)
            else:
                copy.writestr(entry.filename, b"" if "/media/" in entry.filename else archive.read(entry))
    return target.getvalue()
