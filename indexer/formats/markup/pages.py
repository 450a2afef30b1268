"""Web pages and Markdown files with their titles."""

import html
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from lxml import etree

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.markup.web import clean
from indexer.formats.text import decode

Markup: TypeAlias = Callable[[str], Sequence[Element]]

MAX_BLOCKS = 50_000  # chosen: unstructured takes 0.15 ms for a paragraph and 0.18 ms for a row, so this is 9 s
_BLOCK = re.compile(r"<(?:blockquote|dd|div|dt|h[1-6]|li|p|pre|tr)\b", re.IGNORECASE)
_HTML_TITLE = re.compile(r"<title[^<>]{0,200}+>([^<]{1,1000}+)</title", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([a-z0-9_:.-]{2,40})", re.IGNORECASE)
_HEAD_BYTES = 4096
_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:(.+)$", re.MULTILINE | re.IGNORECASE)


def web_page(data: bytes, *, read: Markup, declared: str | None = None) -> Parsed:
    """A page without menus and scripts, in the encoding that is `declared` for it, else that it declares itself.

    Raises:
        QuarantineError: `corrupt` for elements nested deeper than libxml2 follows (256), `too_large` for more than
            MAX_BLOCKS paragraphs and rows.
    """
    if declared is None and (found := _CHARSET.search(data[:_HEAD_BYTES])):
        declared = found[1].decode("ascii")
    return web_text(decode(data, declared=declared), read=read)


def web_text(text: str, *, read: Markup) -> Parsed:
    """The same of a page that is text already."""
    _check_depth(text)
    title = _HTML_TITLE.search(text)
    content = clean(text)
    if sum(1 for _ in _BLOCK.finditer(content)) > MAX_BLOCKS:
        raise quarantine("too_large")
    return Parsed(kind="html", title=html.unescape(title[1]) if title else None, elements=tuple(read(content)))


def _check_depth(text: str) -> None:
    """libxml2 leaves out all that comes after the first element that is too deep, and unstructured does not look."""
    parser = etree.HTMLParser()
    etree.fromstring(text.encode("utf-8", "replace"), parser)
    if any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        raise quarantine("corrupt")


def markdown(data: bytes, *, read: Markup) -> Parsed:
    """Front matter is kept as text; Markdown would take its last line for a heading."""
    text = decode(data).replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    title = _FRONT_TITLE.search(front[1]) if front else None
    elements = [Element(text=front[1])] if front else []
    elements += read(text[front.end() :] if front else text)
    return Parsed(kind="md", title=title[1].strip(" \t\"'") if title else None, elements=tuple(elements))
