"""Bytes to text, and plain text to paragraphs."""

import codecs
import re
from collections.abc import Iterator
from itertools import pairwise

from indexer.formats.charset import detect
from indexer.formats.elements import Element, bounded, quarantine

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAX_CONTROL_SHARE = 0.005  # chosen: 0.0001 at most in 567 texts tried, 0.1 in random bytes
MIN_WRAPPED_CHARS = 40  # chosen: shorter lines are verses, addresses and lists
MAX_WRAPPED_CHARS = 200  # chosen: no editor wraps wider, so with a longer line each line is a paragraph
_SAMPLE_BYTES = 2**16
# Python's encodings that no text is stored in; punycode takes 57 s for a megabyte.
_NOT_FOR_TEXT = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_WESTERN = "cp1252"  # which the labels of ISO 8859-1 and ASCII mean: WHATWG Encoding Standard, section 4.2
_EACH_BYTE = bytes(range(256))
_ZERO_SHARE = 0.3  # of the bytes at even or at odd places: text in UTF-16 without a mark

_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BREAK = re.compile(r"\n[ \t]*\n\s*")
_BULLET = re.compile(r"\s*(?:[-*+•‣▪◦·–]|\(?[0-9]{1,3}[.)]|\(?[a-z][.)])\s+\S")


def decode(data: bytes, *, declared: str | None = None) -> str:
    """The text in `data`: by its byte order mark, else as `declared`, UTF-8, UTF-16 or what `detect` is sure of.

    Raises:
        QuarantineError: `corrupt` for what is not text, or for an encoding that could be several.
    """
    for encoding in _encodings(data, declared):
        try:
            text = data.decode(encoding)
        except (UnicodeError, LookupError):
            continue
        if len(_CONTROLS.findall(text)) <= MAX_CONTROL_SHARE * len(text):
            return text
    raise quarantine("corrupt")


def _encodings(data: bytes, declared: str | None) -> Iterator[str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            yield encoding
            return
    sample = data[:_SAMPLE_BYTES]
    if sample[0::2].count(0) > _ZERO_SHARE * len(sample) / 2:
        yield "utf-16-be"
    if sample[1::2].count(0) > _ZERO_SHARE * len(sample) / 2:
        yield "utf-16-le"
    meant = codecs.lookup(declared).name if declared and _is_for_text(declared) else None
    if meant:
        if not data.isascii() and _is_single_byte(meant):
            yield "utf-8"  # under such a label by programs that never looked; text in another is not valid as UTF-8
        if meant == "iso8859-1":
            yield _WESTERN
        yield meant
    yield "utf-8"
    yield from detect(data)
    if meant == "ascii":  # last, because it is also the label of who knows of no other
        yield _WESTERN


def _is_single_byte(encoding: str) -> bool:
    try:
        return len(_EACH_BYTE.decode(encoding, "replace")) == len(_EACH_BYTE)
    except LookupError:  # base64 and such, which are no encodings of text
        return False


def _is_for_text(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name.replace("_", "-") not in _NOT_FOR_TEXT
    except (LookupError, ValueError):
        return False


def paragraphs(text: str) -> list[Element]:
    """The paragraphs of plain text, broken at blank lines, with the lines of a wrapped paragraph joined.

    Raises:
        QuarantineError: `too_large` for more than a document may hold.
    """
    return list(bounded(_paragraphs(text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n"))))


def _paragraphs(text: str) -> Iterator[Element]:
    for block in _BREAK.split(text):
        lines = [line for line in block.split("\n") if line.strip()]
        if not lines:
            continue
        if max(map(len, lines)) > MAX_WRAPPED_CHARS:
            yield from (Element(text=line) for line in lines)
        elif all(_BULLET.match(line) for line in lines):
            yield from (Element(text=line, kind="list") for line in lines)
        else:
            yield Element(text=_unwrap(lines))


def _unwrap(lines: list[str]) -> str:
    """Lines joined by a space where the first word of the next would not have fitted, kept apart elsewhere."""
    width = max(MIN_WRAPPED_CHARS, *map(len, lines))
    text = lines[0]
    for above, line in pairwise(lines):
        first_word = line.split(maxsplit=1)[0]
        wrapped = len(above.rstrip()) + 1 + len(first_word) > width and not _BULLET.match(line)
        text = f"{text.rstrip()} {line.lstrip()}" if wrapped else f"{text}\n{line}"
    return text
