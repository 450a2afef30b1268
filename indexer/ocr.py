"""Scanned pages and pictures to elements, in a process that may be killed; nothing where Tesseract is missing."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.formats.elements import REFUSALS, Element
from indexer.sandbox import JSON, Sandbox
from policies.errors import QuarantineError

PAGE_TIMEOUT_S = 30.0  # chosen: the slowest of 40 pages and pictures took 3 s, and 8 s on a busy machine
START_TIMEOUT_S = 60.0
ADDRESS_SPACE_BYTES = 2**30  # chosen: with two languages a child peaked at 0.3 GB


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What came of some pages: the elements of those that were read, the others' numbers, and why the last was not."""

    elements: tuple[Element, ...]
    read: int
    unread: tuple[int, ...]
    failure: QuarantineError | None


def reader(*, processes: int = 1) -> Sandbox:
    """The process that `read_pages` asks, with the limits that were measured for it."""
    return Sandbox(
        "indexer.formats.pages.tesseract",
        stage="parse",
        address_space_bytes=ADDRESS_SPACE_BYTES,
        start_timeout_s=START_TIMEOUT_S,
        refusals=REFUSALS,
        processes=processes,
    )


def available() -> tuple[str, ...]:
    """The ISO 639-1 codes of the languages that can be read here; () where Tesseract is not installed.

    Raises:
        DependencyError: the process does not start.
    """
    with reader() as sandbox:
        match sandbox.call({"ask": "languages"}, b"", timeout_s=PAGE_TIMEOUT_S):
            case {"languages": list(languages)}:
                return tuple(str(language) for language in languages)
            case _:
                raise _garbled()


def read_pages(
    sandbox: Sandbox, *, data: bytes, kind: str, pages: Sequence[int], languages: Sequence[str], timeout_s: float
) -> Reading:
    """The paragraphs of these pages, counted from 1, of the PDF or picture `data`, within `timeout_s` seconds.

    A page that fails costs itself alone; those that the time does not suffice for are left unread.

    Raises:
        DependencyError: the sandbox does not start.
    """
    deadline = time.monotonic() + timeout_s
    elements: list[Element] = []
    unread: list[int] = []
    failure: QuarantineError | None = None
    for page in pages:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0 or (failure and failure.reason == "no_ocr"):
            unread.append(page)
            continue
        header: Mapping[str, JSON] = {"kind": kind, "page": page, "languages": list(languages)}
        try:
            answer = sandbox.call(header, data, timeout_s=min(PAGE_TIMEOUT_S, remaining_s))
            elements += _elements(answer, page)
        except QuarantineError as error:
            failure = error
            unread.append(page)
    return Reading(elements=tuple(elements), read=len(pages) - len(unread), unread=tuple(unread), failure=failure)


def _elements(answer: Mapping[str, JSON], page: int) -> list[Element]:
    match answer:
        case {"elements": list(items)}:
            return [_element(item, page) for item in items]
        case _:
            raise _garbled()


def _element(item: JSON, page: int) -> Element:
    match item:
        case [str(text), "text" | "list" as kind] if text:
            return Element(text=text, kind=kind, page=page)
        case _:
            raise _garbled()


def _garbled() -> QuarantineError:
    return QuarantineError(
        "The OCR process sent garbage.", reason="crashed", stage="parse", mend="Look at where this file came from."
    )
