"""Web pages and Markdown files with their titles."""

import html
import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from lxml import etree
from markdown import markdown as as_html  # type: ignore[import-untyped]

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.markup.web import clean
from indexer.formats.text import decode, paragraphs

Markup: TypeAlias = Callable[[str], Sequence[Element]]

MAX_BLOCKS = 75_000  # chosen: for 100,000 paragraphs unstructured takes 10 s, and nearly all memory
_BLOCK = re.compile(r"<(?:blockquote|dd|div|dt|h[1-6]|li|p|pre|t[dhr])\b", re.IGNORECASE)
_HTML_TITLE = re.compile(r"<title[^<>]{0,200}+>([^<]{1,1000}+)</title", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([a-z0-9_:.-]{2,40})", re.IGNORECASE)
_HEAD_BYTES = 4096
# Beyond these Python-Markdown, which is quadratic in each, took 20 s and more, or all memory.
MAX_LISTS = 50  # chosen, in each other: a tab or four spaces each
MAX_QUOTES = 50  # chosen
MAX_BRACKETS = 500  # chosen, open in one paragraph
_DEEP = re.compile(rf"^(?:(?: {{4}}|\t){{{MAX_LISTS}}}|(?:[ \t]?>){{{MAX_QUOTES}}})", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:(.+)$", re.MULTILINE | re.IGNORECASE)


def web_page(data: bytes, *, read: Markup, declared: str | None = None) -> Parsed:
    """A page without menus and scripts, in the encoding that is `declared` for it, else that it declares itself.

    Raises:
        QuarantineError: `corrupt` for elements nested deeper than libxml2 follows (256), `too_large` for more than
            MAX_BLOCKS paragraphs and cells.
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
    """Front matter is kept as text; Markdown would take its last line for a heading.

    What is nested deeper than MAX_LISTS, MAX_QUOTES or MAX_BRACKETS is read as plain text. Raises as `web_page`.
    """
    text = decode(data).replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    title = _FRONT_TITLE.search(front[1]) if front else None
    elements = [Element(text=front[1])] if front else []
    elements += _marked_up(text[front.end() :] if front else text, read)
    return Parsed(kind="md", title=title[1].strip(" \t\"'") if title else None, elements=tuple(elements))


def _marked_up(text: str, read: Markup) -> Sequence[Element]:
    if _DEEP.search(text) or any(block.count("[") - block.count("]") > MAX_BRACKETS for block in text.split("\n\n")):
        return paragraphs(text)
    try:
        page = as_html(text, extensions=["tables", "fenced_code"])
    except RecursionError:
        return paragraphs(text)
    return web_text(page, read=read).elements
