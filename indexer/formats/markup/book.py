"""An EPUB book to elements: its chapters are web pages."""

import io
import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from urllib.parse import unquote
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Node

from indexer.formats.elements import Parsed, quarantine
from indexer.formats.markup.pages import Markup, web_page

MAX_CHAPTERS = 5000  # chosen: as many as pages of a PDF

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_ROOT_FILE = ".//{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_CIPHER = ".//{http://www.w3.org/2001/04/xmlenc#}CipherReference"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document"})


def book(data: bytes, *, read: Markup) -> Parsed:
    """The chapters in the order of the book's spine, without its navigation. `page` is None: a book has none.

    Raises:
        QuarantineError: `encrypted` where a chapter is, `corrupt` where the spine leads to no chapter.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = frozenset(archive.namelist())
        package_name = _package_name(archive, names)
        package = ET.fromstring(archive.read(package_name))  # noqa: S314 - declarations were refused before
        chapters = [name for name in _spine(package, posixpath.dirname(package_name)) if name in names]
        if not chapters:
            raise quarantine("corrupt")
        if len(chapters) > MAX_CHAPTERS:
            raise quarantine("too_large")
        if _encrypted(archive, names) & set(chapters):
            raise quarantine("encrypted")
        pages = [web_page(archive.read(name), read=read) for name in chapters]
    return Parsed(
        kind="epub",
        title=package.findtext(f".//{_DC_TITLE}"),
        elements=tuple(element for page in pages for element in page.elements),
        skipped_parts=sum(page.skipped_parts for page in pages),
    )


def _package_name(archive: zipfile.ZipFile, names: frozenset[str]) -> str:
    if _CONTAINER in names:
        root = ET.fromstring(archive.read(_CONTAINER)).find(_ROOT_FILE)  # noqa: S314 - as above
        path = unquote(root.get("full-path", "")) if root is not None else ""
        if path in names:
            return path
    raise quarantine("corrupt")


def _spine(package: Node, folder: str) -> Iterator[str]:
    """The names of the chapters, each once."""
    manifest: Mapping[str, Node] = {item.get("id", ""): item for item in package.iter(f"{_OPF}item")}
    seen: set[str] = set()
    for reference in package.iter(f"{_OPF}itemref"):
        item = manifest.get(reference.get("idref", ""))
        if item is None or item.get("media-type") not in _PAGES or "nav" in item.get("properties", "").split():
            continue
        name = posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
        if name not in seen:
            seen.add(name)
            yield name


def _encrypted(archive: zipfile.ZipFile, names: frozenset[str]) -> set[str]:
    """What is encrypted, which most often is a font and no hindrance."""
    if _ENCRYPTION not in names:
        return set()
    root = ET.fromstring(archive.read(_ENCRYPTION))  # noqa: S314 - as above
    return {unquote(node.get("URI", "")) for node in root.iterfind(_CIPHER)}
