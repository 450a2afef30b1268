"""PDF pages to elements, by PDFium: 36 times faster than pdfminer and more tolerant; being C++, it is sandboxed."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import hypot
from typing import Any

import pypdfium2
from pypdfium2 import raw

from indexer.formats.elements import MAX_CHARS, Element, Parsed, quarantine
from indexer.formats.mail.attachments import MAX_PARTS, Attachments
from indexer.formats.pages.layout import Line, arrange

MAX_PAGES = 5000  # chosen: eight times the longest file tried
MAX_ANNOTATIONS = 200_000  # chosen: two seconds' work; of the files tried the fullest has 1,400, all of them links
MAX_PAGE_ANNOTATIONS = 10_000  # chosen: PDFium flattens 6,000 in 0.07 s, but 200,000 in four minutes
MAX_STAMP_CHARS = 100  # chosen: "Scanned with …", a page number, a case number
MIN_SCAN_SHARE = 0.5  # chosen, of the page: pictures in a text are smaller, a scan covers all of it
_LINE = re.compile("[^\r\n\ufffe]*[^\\s\ufffe][^\r\n\ufffe]*\ufffe?")


# The value of a form's field becomes text of the page, a popup says what its annotation says, a link what it leads to.
_SILENT = frozenset({raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP, raw.FPDF_ANNOT_WIDGET})
_UNSEEN = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW


def pdf(data: bytes) -> Parsed:
    """Paragraphs and headings by page, then its annotations; attached files as parts, and the pages that wait for OCR.

    Such a page shows something and holds no text, or a few words beside pictures of half its size: a stamp on a scan.

    Raises:
        QuarantineError: `encrypted`, `corrupt`, `too_large` for more than MAX_PAGES or MAX_ANNOTATIONS, `no_text` for
            nothing at all.
    """
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise quarantine("encrypted" if error.err_code == raw.FPDF_ERR_PASSWORD else "corrupt") from None
    with closing(document), _refusing_damage():
        if len(document) > MAX_PAGES:
            raise quarantine("too_large")
        if document.get_formtype() != raw.FORMTYPE_NONE:
            document.init_forms()
        lines: list[Line] = []
        scanned: list[int] = []
        hung = _Hung(document)
        for number in range(len(document)):
            with closing(document[number]) as page:
                notes = hung.notes(page)
                if document.formenv:
                    page.flatten()  # what was typed into form fields becomes text of the page
            found = list(_page_lines(document, number))
            hung.keep(notes, number + 1, beside=found)
            lines += found
            if _is_scanned(document, number, text_chars=sum(len(line.text) for line in found)):
                scanned.append(number + 1)
        attachments = hung.attachments
        _add_attached(document, attachments)
        if not lines and not scanned and not hung.elements and not attachments.parts:
            raise quarantine("no_text")
        return Parsed(
            kind="pdf",
            title=document.get_metadata_value("Title").removeprefix("Microsoft Word - "),
            elements=tuple(sorted([*arrange(lines), *hung.elements], key=lambda element: element.page or 0)),
            skipped_parts=attachments.skipped,
            parts=attachments.parts,
            scanned=tuple(scanned),
        )


@contextmanager
def _refusing_damage() -> Iterator[None]:
    """What PDFium says of a page that cannot be loaded, or is in a ring of pages, as `corrupt`."""
    try:
        yield
    except pypdfium2.PdfiumError:
        raise quarantine("corrupt") from None


def _page_lines(document: Any, number: int) -> Iterator[Line]:  # noqa: ANN401 - pypdfium2 publishes no types
    """The lines of text of page `number`, counted from 0, in the order in which the file draws them."""
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


def _is_scanned(document: Any, number: int, *, text_chars: int) -> bool:  # noqa: ANN401 - as above
    if text_chars > MAX_STAMP_CHARS:
        return False
    with closing(document[number]) as page:
        if not text_chars:
            return any(True for _ in page.get_objects())
        width, height = page.get_size()
        shown = sum(  # scanners also store a page in strips
            (right - left) * (top - bottom)
            for left, bottom, right, top in (
                picture.get_bounds() for picture in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])
            )
        )
        return bool(shown >= MIN_SCAN_SHARE * width * height)


class _Hung:
    """What hangs on the pages of one document: the texts of annotations, and the files that are attached to a place."""

    def __init__(self, document: Any) -> None:  # noqa: ANN401 - as above
        self.elements: list[Element] = []
        self.attachments = Attachments()
        self._document = document
        self._annotations = 0
        self._chars = 0

    def notes(self, page: Any) -> list[str]:  # noqa: ANN401 - as above
        """The texts of the annotations that the page shows, where it can be opened. Files are kept."""
        count = raw.FPDFPage_GetAnnotCount(page)
        self._annotations += count
        if count > MAX_PAGE_ANNOTATIONS or self._annotations > MAX_ANNOTATIONS:
            raise quarantine("too_large")
        texts = []
        for index in range(count):
            annotation = raw.FPDFPage_GetAnnot(page, index)
            if not annotation:
                continue
            kind = raw.FPDFAnnot_GetSubtype(annotation)
            if kind not in _SILENT and not raw.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
                texts.append(self._text(annotation))
            if kind == raw.FPDF_ANNOT_FILEATTACHMENT:
                _attach(
                    pypdfium2.PdfAttachment(raw.FPDFAnnot_GetFileAttachment(annotation), self._document),
                    self.attachments,
                )
            raw.FPDFPage_CloseAnnot(annotation)
        return texts

    def keep(self, notes: list[str], number: int, *, beside: list[Line]) -> None:
        """What the page of this `number` does not say itself, as one that was flattened does."""
        said = "".join("".join(line.text.split()) for line in beside)
        self.elements += [Element(text=text, page=number) for text in notes if "".join(text.split()) not in said]

    def _text(self, annotation: Any) -> str:  # noqa: ANN401 - as above
        size_bytes = raw.FPDFAnnot_GetStringValue(annotation, b"Contents", None, 0)
        self._chars += size_bytes // 2
        if self._chars > MAX_CHARS:
            raise quarantine("too_large")
        buffer = (raw.FPDF_WCHAR * (size_bytes // 2))()
        raw.FPDFAnnot_GetStringValue(annotation, b"Contents", buffer, size_bytes)
        return bytes(buffer).decode("utf-16-le", "replace").rstrip("\0")


def _add_attached(document: Any, attachments: Attachments) -> None:  # noqa: ANN401 - as above
    """The files that are attached to the document itself."""
    for number in range(min(document.count_attachments(), MAX_PARTS)):
        _attach(document.get_attachment(number), attachments)
    attachments.skipped += max(document.count_attachments() - MAX_PARTS, 0)


def _attach(attachment: Any, attachments: Attachments) -> None:  # noqa: ANN401 - as above
    try:
        attachments.add(attachment.get_name(), bytes(attachment.get_data()))
    except pypdfium2.PdfiumError:
        attachments.skipped += 1
