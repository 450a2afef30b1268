"""PDF pages to elements, by PDFium: 36 times faster than pdfminer and more tolerant; being C++, it is sandboxed."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import hypot
from typing import Any

import pypdfium2
from pypdfium2 import raw

from indexer.formats.elements import Parsed, quarantine
from indexer.formats.mail.attachments import MAX_PARTS, Attachments
from indexer.formats.pages.layout import Line, arrange

MAX_PAGES = 5000  # chosen: eight times the longest file tried
MAX_STAMP_CHARS = 100  # chosen: "Scanned with …", a page number, a case number
MIN_SCAN_SHARE = 0.5  # chosen, of the page: a picture in a text is smaller, a scan covers all of it
_LINE = re.compile("[^\r\n\ufffe]*[^\\s\ufffe][^\r\n\ufffe]*\ufffe?")


def pdf(data: bytes) -> Parsed:
    """Paragraphs and headings by page, attached files as parts, and the pages that wait for OCR.

    Such a page shows something and holds no text, or a few words beside a picture of half its size: a stamp on a scan.

    Raises:
        QuarantineError: `encrypted`, `corrupt`, `too_large` for more than MAX_PAGES, `no_text` for nothing at all.
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
        for number in range(len(document)):
            found = list(_page_lines(document, number))
            lines += found
            if _is_scanned(document, number, text_chars=sum(len(line.text) for line in found)):
                scanned.append(number + 1)
        attachments = _attachments(document)
        if not lines and not scanned and not attachments.parts:
            raise quarantine("no_text")
        return Parsed(
            kind="pdf",
            title=document.get_metadata_value("Title").removeprefix("Microsoft Word - "),
            elements=tuple(arrange(lines)),
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


def _is_scanned(document: Any, number: int, *, text_chars: int) -> bool:  # noqa: ANN401 - as above
    if text_chars > MAX_STAMP_CHARS:
        return False
    with closing(document[number]) as page:
        if not text_chars:
            return any(True for _ in page.get_objects())
        width, height = page.get_size()
        return any(
            (right - left) * (top - bottom) >= MIN_SCAN_SHARE * width * height
            for left, bottom, right, top in (
                picture.get_bounds() for picture in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])
            )
        )


def _attachments(document: Any) -> Attachments:  # noqa: ANN401 - as above
    attachments = Attachments()
    for number in range(min(document.count_attachments(), MAX_PARTS)):
        attachment = document.get_attachment(number)
        try:
            attachments.add(attachment.get_name(), bytes(attachment.get_data()))
        except pypdfium2.PdfiumError:
            attachments.skipped += 1
    attachments.skipped += max(document.count_attachments() - MAX_PARTS, 0)
    return attachments
