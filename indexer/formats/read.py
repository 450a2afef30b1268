"""A document's bytes to elements, whatever its format: what the parse process serves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from indexer.formats.elements import Element, Parsed, normalise, quarantine, tidy
from indexer.formats.mail.mbox import mbox
from indexer.formats.mail.message import BodyReader, mail, mail_message
from indexer.formats.mail.outlook import outlook_message
from indexer.formats.markup.book import book
from indexer.formats.markup.org import org
from indexer.formats.markup.pages import markdown, web_page
from indexer.formats.markup.rst import restructured
from indexer.formats.office.legacy import legacy
from indexer.formats.office.opendocument import opendocument
from indexer.formats.office.package import as_document, describe
from indexer.formats.office.rtf import rtf
from indexer.formats.office.word import reveal
from indexer.formats.office.workbook import old_workbook, workbook
from indexer.formats.pages.image import image
from indexer.formats.pages.pdf import pdf
from indexer.formats.partition import Partitioner, forgo_model
from indexer.formats.records import json_document, json_lines, xml_document
from indexer.formats.sniff import Format, format_of
from indexer.formats.tables import delimited
from indexer.formats.text import decode, paragraphs
from indexer.sandbox import JSON, Handler

_NO_TITLES = frozenset(
    {"(anonymous)", "powerpoint presentation", "slide 1", "untitled", "untitled document", "word document"}
)


def prepare() -> Handler:
    """The handler for `indexer.parse.parse`. By now every library is loaded; the handler may load none."""
    forgo_model()

    def handle(header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
        match header:
            case {"name": str(name), "languages": list(languages)}:
                parsed = read(body, name, [str(language) for language in languages])
            case _:
                raise TypeError
        elements: list[JSON] = [[item.text, item.kind, item.depth, item.page] for item in parsed.elements]
        parts: list[JSON] = [[part.name, part.content] for part in parsed.parts]
        return {
            "kind": parsed.kind,
            "title": parsed.title,
            "elements": elements,
            "skipped_parts": parsed.skipped_parts,
            "parts": parts,
            "scanned": list(parsed.scanned),
        }

    return handle


def read(data: bytes, name: str, languages: Sequence[str]) -> Parsed:
    """The document `data`, whose file name is `name`, with tidy elements and a title."""
    try:
        parsed = _readers(languages)[format_of(data, name)](data)
    # SyntaxError is lxml's and ElementTree's name for XML that is not well formed; what exhausts the stack is nested
    # hundreds deep.
    except (SyntaxError, RecursionError):
        raise quarantine("corrupt") from None
    elements = tidy(parsed.elements)
    if not elements and not parsed.parts and not parsed.scanned:
        raise quarantine("empty")
    title = normalise(parsed.title or "").replace("\n", " ")
    if not title or title.lower() in _NO_TITLES:
        title = next((element.text for element in elements if element.kind == "title"), "")
    return replace(parsed, elements=elements, title=title or None)


def _readers(languages: Sequence[str]) -> dict[Format, Callable[[bytes], Parsed]]:
    unstructured = Partitioner(languages)
    bodies: dict[str, BodyReader] = {
        "text/html": lambda body, charset: web_page(body, declared=charset, read=unstructured.html).elements,
        "text/rtf": lambda body, _: rtf(body).elements,
    }
    return {
        "bmp": partial(image, kind="bmp"),
        "csv": _plainly("csv", delimited),
        "doc": partial(legacy, kind="doc"),
        "docx": lambda data: describe("docx", data, unstructured.docx(reveal(as_document(data)))),
        "eml": partial(mail, readers=bodies),
        "epub": partial(book, read=unstructured.html),
        "html": partial(web_page, read=unstructured.html),
        "jpg": partial(image, kind="jpg"),
        "json": _plainly("json", json_document),
        "jsonl": _plainly("json", json_lines),
        "mbox": mbox,
        "md": partial(markdown, read=unstructured.html),
        "msg": lambda data: mail_message(outlook_message(data), kind="msg", readers=bodies),
        "odp": partial(opendocument, kind="odp"),
        "ods": partial(opendocument, kind="ods"),
        "odt": partial(opendocument, kind="odt"),
        "org": org,
        "pdf": pdf,
        "png": partial(image, kind="png"),
        "ppt": partial(legacy, kind="ppt"),
        "pptx": lambda data: describe("pptx", data, _by_place(unstructured.pptx(as_document(data)))),
        "rst": partial(restructured, read=unstructured.html),
        "rtf": rtf,
        "tiff": partial(image, kind="tiff"),
        "tsv": _plainly("tsv", partial(delimited, delimiter="\t")),
        "txt": _plainly("txt", paragraphs),
        "webp": partial(image, kind="webp"),
        "xls": old_workbook,
        "xlsx": lambda data: describe("xlsx", data, workbook(data)),
        "xml": _plainly("xml", xml_document),
    }


def _plainly(kind: str, read: Callable[[str], list[Element]]) -> Callable[[bytes], Parsed]:
    """The reader of a format that is nothing but text."""
    return lambda data: Parsed(kind=kind, title=None, elements=tuple(read(decode(data))))


def _by_place(slides: Sequence[Element]) -> list[Element]:
    """Titles are what stands in a title's place; any other is a guess about short text."""
    return [replace(item, kind="text", depth=0) if item.depth > 1 else item for item in slides]
