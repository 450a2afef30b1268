"""A document's bytes to elements, in processes that may be killed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from indexer.formats.elements import FORMATS, REFUSALS, Element, Parsed, Part, quarantine
from indexer.formats.mail.attachments import clean_name
from indexer.ocr import read_pages
from indexer.sandbox import JSON, Sandbox
from policies.errors import QuarantineError

MAX_DOCUMENT_BYTES = 50 * 2**20  # chosen: twelve times the largest file tried; what is larger is scans or data
TIMEOUT_S = 60.0  # chosen: the slowest file tried, a .docx of 872 pages, takes 7 s; 50 scanned pages are read in it
CPU_S = 30.0  # chosen: on a busy machine the clock runs out before the work is done; the file above takes 7 s of both
START_TIMEOUT_S = 60.0  # chosen: a start takes 2 s, and four times as long on a busy machine
ADDRESS_SPACE_BYTES = 2**30  # chosen: over 279 real files a child peaked at 0.43 GB of addresses and 0.31 GB of memory
_MAX_COUNT = 2**31 - 1  # what every store holds


def parser(*, processes: int = 1) -> Sandbox:
    """The process that `parse` asks, with the limits that were measured for it."""
    return Sandbox(
        "indexer.formats.read",
        stage="parse",
        address_space_bytes=ADDRESS_SPACE_BYTES,
        start_timeout_s=START_TIMEOUT_S,
        cpu_s=CPU_S,
        refusals=REFUSALS,
        processes=processes,
    )


def parse(sandbox: Sandbox, *, data: bytes, name: str, languages: Sequence[str], ocr: Sandbox | None = None) -> Parsed:
    """The document `data`, whose file name is `name`: its elements in reading order, and the files inside it.

    `languages` are the ISO 639-1 codes of the document's languages; nothing is guessed. `ocr` is the process of
    `indexer.ocr.reader`, None where there is no OCR. All within TIMEOUT_S: of a long scan the first pages are read, and
    the others are counted.

    Raises:
        QuarantineError: with a reason of `indexer.formats.elements` or of `Sandbox.call`.
        DependencyError: a sandbox does not start.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise quarantine("too_large")
    deadline = time.monotonic() + TIMEOUT_S
    parsed = _parsed(sandbox.call({"name": name, "languages": list(languages)}, data, timeout_s=TIMEOUT_S))
    if not parsed.scanned:
        return parsed
    return _with_scans(parsed, data, languages, ocr, timeout_s=deadline - time.monotonic())


def _with_scans(
    parsed: Parsed, data: bytes, languages: Sequence[str], ocr: Sandbox | None, *, timeout_s: float
) -> Parsed:
    """The document with the text of its scanned pages in their places, and those that could not be read counted."""
    failure: QuarantineError | None = quarantine("no_ocr")
    unread = parsed.scanned
    elements = parsed.elements
    if ocr:
        reading = read_pages(
            ocr, data=data, kind=parsed.kind, pages=parsed.scanned, languages=languages, timeout_s=timeout_s
        )
        unread, failure = reading.unread, reading.failure
        if reading.elements:
            elements = tuple(sorted((*elements, *reading.elements), key=lambda element: element.page or 0))
    if not elements and not parsed.parts:
        raise failure or quarantine("no_text")
    return replace(
        parsed,
        elements=elements,
        scanned=unread,
        skipped_parts=parsed.skipped_parts + len(unread),
        ocr_pages=len(parsed.scanned) - len(unread),
    )


def _parsed(answer: Mapping[str, JSON]) -> Parsed:
    """What the child wrote, checked, because a parser may have been taken over by its input."""
    match answer:
        case {
            "kind": str(kind),
            "title": str() | None as title,
            "elements": list(elements),
            "skipped_parts": int(skipped),
            "parts": list(parts),
            "scanned": list(scanned),
        } if kind in FORMATS and 0 <= skipped <= _MAX_COUNT:
            parsed = Parsed(
                kind=kind,
                title=title,
                elements=tuple(map(_element, elements)),
                skipped_parts=skipped,
                parts=tuple(map(_part, parts)),
                scanned=tuple(map(_page, scanned)),
            )
        case _:
            raise _garbled()
    if len({part.name.casefold() for part in parsed.parts}) < len(parsed.parts):
        raise _garbled()
    return parsed


def _element(item: JSON) -> Element:
    match item:
        case [str(text), "title" | "text" | "list" | "table" as kind, int(depth), int() | None as page] if (
            0 <= depth <= _MAX_COUNT and 0 <= (page or 0) <= _MAX_COUNT
        ):
            return Element(text=text, kind=kind, depth=depth, page=page)
        case _:
            raise _garbled()


def _part(item: JSON) -> Part:
    match item:
        case [str(name), bytes(content)] if name and name == clean_name(name) and content:
            return Part(name=name, content=content)
        case _:
            raise _garbled()


def _page(item: JSON) -> int:
    match item:
        case int() if 1 <= item <= _MAX_COUNT:
            return item
        case _:
            raise _garbled()


def _garbled() -> QuarantineError:
    return QuarantineError(
        "The parse process sent garbage.", reason="crashed", stage="parse", mend="Look at where this file came from."
    )
