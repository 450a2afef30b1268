"""What a parsed document is made of, and why one may not be parsed."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from policies.errors import QuarantineError

ElementKind: TypeAlias = Literal["title", "text", "list", "table"]
Reason: TypeAlias = Literal[
    "bomb",
    "corrupt",
    "empty",
    "encrypted",
    "hostile",
    "no_ocr",
    "no_text",
    "too_large",
    "unsupported_format",
    "wrong_format",
]
FORMATS = (
    *("pdf", "docx", "pptx", "xlsx", "doc", "ppt", "xls", "odt", "odp", "ods", "rtf", "epub"),
    *("md", "rst", "org", "html", "xml", "json", "csv", "tsv", "txt"),
    *("eml", "msg", "mbox"),
    *("png", "jpg", "tiff", "bmp", "webp"),
)

_OPEN_AND_SAVE = "Open the document, save it again in the same format, and sync."
REFUSALS: Mapping[str, tuple[str, str]] = {
    "bomb": ("The archive unpacks to far more than a document holds.", "Look at where this file came from."),
    "corrupt": ("The document is damaged, cut short, or text in an unknown encoding.", f"{_OPEN_AND_SAVE} Use UTF-8."),
    "empty": ("The document holds no text.", "Nothing needs doing unless it should hold text."),
    "encrypted": ("The document is encrypted.", "Save it without a password, or leave it out by `exclude`."),
    "hostile": ("The document declares XML entities, which no office program writes.", _OPEN_AND_SAVE),
    "no_ocr": (
        "The pages are pictures, and no OCR for their languages is installed.",
        "Install tesseract-ocr with the data of these languages (for French: tesseract-ocr-fra), and sync again.",
    ),
    "no_text": ("The pages hold no text, not even to OCR.", "Nothing needs doing unless they should hold text."),
    "too_large": ("The document is larger than is parsed in one piece.", "Split the document."),
    "unsupported_format": (
        "The format is not supported.",
        f"Save the document as one of {', '.join(FORMATS)}, or leave it out by `exclude`.",
    ),
    "wrong_format": ("The content is not what the file extension says.", "Give the file its true extension."),
}
"""The message and the mend of every `Reason`."""

# Controls but tab, newline and form feed; lone surrogates, which no encoding can carry; and the invisible characters
# that hide a pattern from a recogniser or turn text around for a reader. The joiners U+200C and U+200D spell words in
# Persian and Hindi, and stay.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]"
)
_NEWLINES = re.compile("\r\n?|\x85|\u2028|\u2029")
_TRAILING_SPACE = re.compile(r"(?<![ \t])[ \t]++(?=\n)")  # from its first space only, else quadratic in a run of them
_BLANK_LINES = re.compile(r"\n{3,}")
_LIGATURES = re.compile("[\ufb00-\ufb06]")
MAX_MARKS = 30  # UAX #15, stream-safe text: no language needs more on one letter
_MARKS = re.compile(rf"[^\w\s!-~]{{{MAX_MARKS + 1},}}")  # no mark is a letter; most of what matches is none either
MAX_ELEMENTS = 200_000  # chosen: the longest file tried has 14,000
MAX_CHARS = 16_000_000  # chosen: ten thousand pages; redaction and embedding would take hours for more


@dataclass(frozen=True, kw_only=True)
class Element:
    """One piece of a document in reading order.

    `text` is normalised and not empty, `depth` is the level of a title from 1 and 0 for all else, `page` counts from 1
    and is None where the format has no pages.
    """

    text: str
    kind: ElementKind = "text"
    depth: int = 0
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file inside a document, to be a document of its own: an attachment, or a message of a mailbox.

    `name` is a plain file name, different from that of any other part of the document.
    """

    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A document as elements and parts, at least one of either.

    `scanned` are the numbers of the pages that are pictures and were not read, `ocr_pages` counts those that were.
    `skipped_parts` counts what is in neither `elements` nor `parts`: unread pages, embedded files, small pictures.
    """

    kind: str
    title: str | None
    elements: tuple[Element, ...]
    skipped_parts: int = 0
    parts: tuple[Part, ...] = ()
    scanned: tuple[int, ...] = ()
    ocr_pages: int = 0


def quarantine(reason: Reason) -> QuarantineError:
    """The refusal of a document by its parser, with the mend."""
    message, mend = REFUSALS[reason]
    return QuarantineError(message, reason=reason, stage="parse", mend=mend)


def normalise(text: str) -> str:
    """`text` in NFC without control and hiding characters, with plain newlines and spaces, no line or end padded."""
    text = _NEWLINES.sub("\n", text).replace("\f", "\n").replace("\xa0", " ")
    text = _LIGATURES.sub(lambda match: unicodedata.normalize("NFKC", match[0]), _UNWANTED.sub("", text))
    text = _BLANK_LINES.sub("\n\n", _TRAILING_SPACE.sub("", text))
    return unicodedata.normalize("NFC", _MARKS.sub(_fewer_marks, text)).strip()


def _fewer_marks(run: re.Match[str]) -> str:
    """The run with MAX_MARKS combining marks on a letter at most: CPython takes minutes to order a million of them."""
    kept, marks = [], 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def bounded(elements: Iterable[Element]) -> Iterator[Element]:
    """The elements as they come.

    Raises:
        QuarantineError: `too_large` beyond MAX_ELEMENTS or MAX_CHARS.
    """
    chars = 0
    for count, element in enumerate(elements, start=1):
        chars += len(element.text)
        if count > MAX_ELEMENTS or chars > MAX_CHARS:
            raise quarantine("too_large")
        yield element


def tidy(elements: Iterable[Element]) -> tuple[Element, ...]:
    """The elements with normalised text, without those that hold none. Raises as `bounded`."""
    return tuple(replace(element, text=text) for element in bounded(elements) if (text := normalise(element.text)))
