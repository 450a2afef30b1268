"""A document's bytes to elements: the only importer of unstructured and pypdfium2, both only in the sandbox."""

import html
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from math import hypot
from typing import TYPE_CHECKING, Any, TypeAlias
from xml.etree import ElementTree as ET

from indexer.formats.elements import FORMATS, REFUSALS, Element, Parsed, normalise, quarantine, tidy
from indexer.formats.layout import Line, arrange
from indexer.formats.mail import mail
from indexer.formats.records import json_document, json_lines, xml_document
from indexer.formats.sniff import Format, format_of
from indexer.formats.tables import delimited, html_table
from indexer.formats.text import decode, paragraphs
from indexer.formats.web import clean
from indexer.formats.word import reveal
from indexer.formats.workbook import workbook
from indexer.sandbox import JSON, Handler, Sandbox
from policies.errors import QuarantineError

if TYPE_CHECKING:
    from spacy.language import Language

MAX_DOCUMENT_BYTES = 50 * 2**20  # chosen: twelve times the largest file tried; what is larger is scans or data
MAX_PAGES = 5000  # chosen: eight times the longest file tried
TIMEOUT_S = 60.0  # chosen: the slowest file tried, a .docx of 872 pages, takes 7 s, and took 17 s on a busy machine
START_TIMEOUT_S = 60.0  # chosen: a start takes 3 s, and took 8 s on a busy machine
ADDRESS_SPACE_BYTES = 2**30  # chosen: over 279 real files a child peaked at 0.43 GB of addresses and 0.31 GB of memory
_MAX_COUNT = 2**31 - 1  # what every store holds
_CORE = "docProps/core.xml"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_NO_TITLES = frozenset(
    {"(anonymous)", "powerpoint presentation", "slide 1", "untitled", "untitled document", "word document"}
)
_HTML_TITLE = re.compile(r"<title[^>]{0,200}>(.{1,1000}?)</title", re.IGNORECASE | re.DOTALL)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([a-z0-9_:.-]{2,40})", re.IGNORECASE)
_HEAD_BYTES = 4096
_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE | re.IGNORECASE)
_LINE = re.compile("[^\r\n\ufffe]*[^\\s\ufffe][^\r\n\ufffe]*\ufffe?")


def parser() -> Sandbox:
    """The process that `parse` asks, with the limits that were measured for it."""
    return Sandbox(
        "indexer.parse",
        stage="parse",
        address_space_bytes=ADDRESS_SPACE_BYTES,
        start_timeout_s=START_TIMEOUT_S,
        refusals=REFUSALS,
    )


def parse(sandbox: Sandbox, *, data: bytes, name: str, languages: Sequence[str]) -> Parsed:
    """The elements of the document `data`, whose file name is `name`, in reading order; at least one.

    `languages` are the ISO 639 codes of the document's languages; nothing is guessed.

    Raises:
        QuarantineError: with a reason of `indexer.formats.elements` or of `Sandbox.call`.
        DependencyError: the sandbox does not start.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise quarantine("too_large")
    answer = sandbox.call({"name": name, "languages": list(languages)}, data, timeout_s=TIMEOUT_S)
    match answer:
        case {
            "kind": str(kind),
            "title": str() | None as title,
            "elements": list(items),
            "skipped_parts": int(skipped),
        } if kind in FORMATS and 0 <= skipped <= _MAX_COUNT:
            elements = tuple(map(_element, items))
            return Parsed(kind=kind, title=title, elements=elements, skipped_parts=skipped)
        case _:
            raise _garbled()


def _element(item: JSON) -> Element:
    """An element as the child wrote it, checked, because a parser may have been taken over by its input."""
    match item:
        case [str(text), "title" | "text" | "list" | "table" as kind, int(depth), int() | None as page] if (
            0 <= depth <= _MAX_COUNT and 0 <= (page or 0) <= _MAX_COUNT
        ):
            return Element(text=text, kind=kind, depth=depth, page=page)
        case _:
            raise _garbled()


def _garbled() -> QuarantineError:
    return QuarantineError(
        "The parse process sent garbage.", reason="crashed", stage="parse", mend="Look at where this file came from."
    )


# What follows runs in the child.

Partition: TypeAlias = Callable[..., list[Any]]


@dataclass(frozen=True, kw_only=True)
class _Partitioners:
    """unstructured's functions, one per format that it is good at."""

    docx: Partition
    html: Partition
    md: Partition
    pptx: Partition


def prepare() -> Handler:
    """The handler for `parse`. Imports unstructured: two seconds and 190 MB, without a network."""
    # Here, not at the first PDF: the handler may load no library any more.
    import pypdfium2.raw  # noqa: F401, PLC0415 - the parent imports this module too, and must not pay
    from unstructured.nlp import tokenize  # noqa: PLC0415 - as above
    from unstructured.partition.docx import partition_docx  # noqa: PLC0415
    from unstructured.partition.html import partition_html  # noqa: PLC0415
    from unstructured.partition.md import partition_md  # noqa: PLC0415
    from unstructured.partition.pptx import partition_pptx  # noqa: PLC0415

    # Else it downloads a model at its first document and installs it into site-packages.
    pipeline = _blank_pipeline()
    tokenize._load_spacy_model = lambda: pipeline  # noqa: SLF001
    partitioners = _Partitioners(docx=partition_docx, html=partition_html, md=partition_md, pptx=partition_pptx)

    def handle(header: dict[str, JSON], body: bytes) -> dict[str, JSON]:
        match header:
            case {"name": str(name), "languages": list(languages)}:
                parsed = _read(body, name, _Reader(partitioners, [str(language) for language in languages]))
            case _:
                raise TypeError
        elements: list[JSON] = [[item.text, item.kind, item.depth, item.page] for item in parsed.elements]
        return {
            "kind": parsed.kind,
            "title": parsed.title,
            "elements": elements,
            "skipped_parts": parsed.skipped_parts,
        }

    return handle


def _blank_pipeline() -> "Language":
    """Sentences by punctuation and no parts of speech.

    unstructured asks for verbs to tell a narrative from other text, and to take short lines for titles. We use neither:
    a title here is what the format marks as one.
    """
    import spacy  # noqa: PLC0415 - as above

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    return pipeline


def _read(data: bytes, name: str, reader: "_Reader") -> Parsed:
    try:
        parsed = reader.read(format_of(data, name), data)
    except SyntaxError:  # lxml's and ElementTree's name for XML that is not well formed
        raise quarantine("corrupt") from None
    elements = tidy(parsed.elements)
    if not elements:
        raise quarantine("empty")
    title = normalise(parsed.title or "").replace("\n", " ")
    if not title or title.lower() in _NO_TITLES:
        title = next((element.text for element in elements if element.kind == "title"), "")
    return replace(parsed, elements=elements, title=title or None)


class _Reader:
    """One method per way to read; each returns raw elements."""

    def __init__(self, partitioners: _Partitioners, languages: list[str]) -> None:
        self._partitioners = partitioners
        # unstructured guesses where it is told nothing: two thirds of its time, and wrong on short text
        self._options = {"languages": languages or [""], "detect_language_per_element": False}

    def read(self, format_: Format, data: bytes) -> Parsed:
        readers: dict[Format, Callable[[bytes], Parsed]] = {
            "csv": _plainly("csv", delimited),
            "docx": self._docx,
            "eml": self._mail,
            "html": lambda data: self._html(decode(data, declared=_charset(data))),
            "json": _plainly("json", json_document),
            "jsonl": _plainly("json", json_lines),
            "md": self._markdown,
            "pdf": _pdf,
            "pptx": self._pptx,
            "tsv": _plainly("tsv", partial(delimited, delimiter="\t")),
            "txt": _plainly("txt", paragraphs),
            "xlsx": lambda data: _package("xlsx", data, workbook(data)),
            "xml": _plainly("xml", xml_document),
        }
        return readers[format_](data)

    def _docx(self, data: bytes) -> Parsed:
        return _package("docx", data, self._elements(self._partitioners.docx, file=io.BytesIO(reveal(data))))

    def _pptx(self, data: bytes) -> Parsed:
        """Titles are what stands in a title's place; any other is a guess about short text."""
        slides = self._elements(self._partitioners.pptx, file=io.BytesIO(data), include_slide_notes=True)
        return _package(
            "pptx", data, [replace(item, kind="text", depth=0) if item.depth > 1 else item for item in slides]
        )

    def _mail(self, data: bytes) -> Parsed:
        return mail(data, read_html=lambda text: self._html(text).elements)

    def _html(self, text: str) -> Parsed:
        title = _HTML_TITLE.search(text)
        elements = self._elements(self._partitioners.html, text=clean(text))
        return Parsed(kind="html", title=html.unescape(title[1]) if title else None, elements=tuple(elements))

    def _markdown(self, data: bytes) -> Parsed:
        """Front matter is kept as text; Markdown would take its last line for a heading."""
        text = decode(data).replace("\r\n", "\n")
        front = _FRONT_MATTER.match(text)
        title = _FRONT_TITLE.search(front[1]) if front else None
        elements = [Element(text=front[1])] if front else []
        elements += self._elements(self._partitioners.md, text=text[front.end() :] if front else text)
        return Parsed(kind="md", title=title[1] if title else None, elements=tuple(elements))

    def _elements(self, partition: Partition, **options: object) -> list[Element]:
        return [ours for theirs in partition(**options, **self._options) for ours in _translate(theirs)]


def _plainly(kind: str, read: Callable[[str], list[Element]]) -> Callable[[bytes], Parsed]:
    """The reader of a format that is nothing but text."""
    return lambda data: Parsed(kind=kind, title=None, elements=tuple(read(decode(data))))


def _package(kind: str, data: bytes, elements: Sequence[Element]) -> Parsed:
    """An office file with the title from its properties and its embedded files counted."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        title = None
        if _CORE in names:
            title = ET.fromstring(archive.read(_CORE)).findtext(_DC_TITLE)  # noqa: S314 - declarations were refused before
    skipped_parts = sum("/embeddings/" in name for name in names)
    return Parsed(kind=kind, title=title, elements=tuple(elements), skipped_parts=skipped_parts)


def _translate(element: Any) -> list[Element]:  # noqa: ANN401 - unstructured publishes no types
    page = element.metadata.page_number
    if element.category == "Table" and element.metadata.text_as_html:
        return html_table(element.metadata.text_as_html, page=page)
    match element.category:
        case "Title":
            return [
                Element(text=element.text, kind="title", depth=(element.metadata.category_depth or 0) + 1, page=page)
            ]
        case "ListItem":
            return [Element(text=element.text, kind="list", page=page)]
        case _:
            return [Element(text=element.text, page=page)]


def _charset(data: bytes) -> str | None:
    declared = _CHARSET.search(data[:_HEAD_BYTES])
    return declared[1].decode("ascii") if declared else None


def _pdf(data: bytes) -> Parsed:
    """Pages, by pypdfium2: 36 times faster than pdfminer and more tolerant; being C++, it belongs into the sandbox."""
    import pypdfium2  # noqa: PLC0415 - as above

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise quarantine("encrypted" if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD else "corrupt") from None
    with closing(document):
        if len(document) > MAX_PAGES:
            raise quarantine("too_large")
        if document.get_formtype() != pypdfium2.raw.FORMTYPE_NONE:
            document.init_forms()
        lines: list[Line] = []
        pictures = 0
        for number in range(len(document)):
            found = list(_page_lines(document, number))
            lines += found
            pictures += not found and _holds_picture(document, number)
        if not lines:
            raise quarantine("no_text")
        return Parsed(
            kind="pdf",
            title=document.get_metadata_value("Title").removeprefix("Microsoft Word - "),
            elements=tuple(arrange(lines)),
            skipped_parts=document.count_attachments() + pictures,
        )


def _page_lines(document: Any, number: int) -> Iterator[Line]:  # noqa: ANN401 - pypdfium2 publishes no types
    """The lines of text of page `number`, counted from 0, in the order in which the file draws them."""
    from pypdfium2 import raw  # noqa: PLC0415 - as above

    with closing(document[number]) as page:
        if document.formenv:
            page.flatten()  # what was typed into form fields becomes text of the page
    with closing(document[number]) as page, closing(page.get_textpage()) as text_page:
        text, matrix = text_page.get_text_range(), raw.FS_MATRIX()
        for match in _LINE.finditer(text):
            line = match[0].rstrip(" \t")
            first = match.start() + len(line) - len(line.lstrip())
            start = raw.FPDFText_GetCharIndexFromTextIndex(text_page, first)
            end = raw.FPDFText_GetCharIndexFromTextIndex(text_page, match.start() + len(line.rstrip("\ufffe")) - 1)
            left, bottom, _, _ = text_page.get_charbox(max(start, 0), loose=True)
            _, _, right, _ = text_page.get_charbox(max(end, 0), loose=True)
            # Not the height of the box, which differs between fonts of one size.
            raw.FPDFText_GetMatrix(text_page, start, matrix)
            height = raw.FPDFText_GetFontSize(text_page, start) * hypot(matrix.c, matrix.d)
            yield Line(
                text=line.lstrip(), page=number + 1, left=left, right=right, bottom=bottom, height=max(height, 1.0)
            )


def _holds_picture(document: Any, number: int) -> bool:  # noqa: ANN401 - as above
    from pypdfium2 import raw  # noqa: PLC0415 - as above

    with closing(document[number]) as page:
        return any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE]))
