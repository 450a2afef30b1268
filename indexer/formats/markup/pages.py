"""Web pages and Markdown files with their titles."""

import html
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from lxml import etree
from markdown import markdown as as_html  # type: ignore[import-untyped]

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.markup.web import clean, flowing
from indexer.formats.text import decode, paragraphs

Markup: TypeAlias = Callable[[str], Sequence[Element]]

MAX_BLOCKS = 75_000  # chosen: for 100,000 paragraphs unstructured takes 10 s, and nearly all memory
MAX_LOST_SHARE = 0.1  # chosen, of the different words of a page: 75 pages tried lack 0.03 at most
_WORD = re.compile(r"\w+")
_BLOCK = re.compile(r"<(?:blockquote|dd|div|dt|h[1-6]|li|p|pre|t[dhr])\b", re.IGNORECASE)
_HTML_TITLE = re.compile(r"<title[^<>]{0,200}+>([^<]{1,1000}+)</title", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([a-z0-9_:.-]{2,40})", re.IGNORECASE)
_HEAD_BYTES = 4096
# Beyond these Python-Markdown, which is quadratic in each, took 20 s and more, or all memory.
MAX_LISTS = 50  # chosen, in each other: a tab or four spaces each
MAX_QUOTES = 50  # chosen
MAX_BRACKETS = 500  # chosen, open in one paragraph
_DEEP = re.compile(rf"^(?:(?: {{4}}|\t){{{MAX_LISTS}}}|(?:[ \t]?>){{{MAX_QUOTES}}})", re.MULTILINE)
# In prose about HTML such a tag never ends, and what follows is gone: raw text to libxml2, or unread by unstructured.
_HIDING = re.compile(
    r"<(/?)(audio|canvas|datalist|del|head|iframe|math|noembed|noframes|plaintext|script|style|svg|template|textarea"
    r"|title|video|xml|xmp)(?=[\s/>])[^<>]*+>",
    re.IGNORECASE,
)
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
    """The same of a page that is text already. One that comes without a tenth of its words has a skipped part."""
    found = _HTML_TITLE.search(text)
    title = html.unescape(found[1]) if found else None
    content = clean(text)
    if not content.strip():
        return Parsed(kind="html", title=title, elements=())
    body = _whole_body(content)
    if sum(1 for _ in _BLOCK.finditer(content)) > MAX_BLOCKS:
        raise quarantine("too_large")
    words = _words(body)
    del body  # as large as what unstructured makes of the page
    elements = tuple(read(content))
    lost = words.difference(*(_WORD.findall(element.text) for element in elements))
    return Parsed(
        kind="html", title=title, elements=elements, skipped_parts=int(len(lost) > MAX_LOST_SHARE * len(words))
    )


def _whole_body(page: str) -> Any:  # noqa: ANN401 - lxml publishes no types
    """libxml2 leaves out all that comes after the first element that is too deep, and unstructured does not look."""
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    root = etree.fromstring(page.encode("utf-8", "replace"), parser)
    if any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        raise quarantine("corrupt")
    return root.find("body")


def _words(body: Any) -> set[str]:  # noqa: ANN401
    """The different words; none of a page that has only a head."""
    if body is None:
        return set()
    return set(_WORD.findall(flowing(body)))


def markdown(data: bytes, *, read: Markup) -> Parsed:
    """Front matter is kept as text; Markdown would take its last line for a heading.

    What is nested deeper than MAX_LISTS, MAX_QUOTES or MAX_BRACKETS is read as plain text. Raises as `web_page`.
    """
    text = decode(data).replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    title = _FRONT_TITLE.search(front[1]) if front else None
    content = _marked_up(text[front.end() :] if front else text, read)
    return Parsed(
        kind="md",
        title=title[1].strip(" \t\"'") if title else None,
        elements=(*([Element(text=front[1])] if front else []), *content.elements),
        skipped_parts=content.skipped_parts,
    )


def _marked_up(text: str, read: Markup) -> Parsed:
    if _DEEP.search(text) or any(block.count("[") - block.count("]") > MAX_BRACKETS for block in text.split("\n\n")):
        return _plain(text)
    try:
        page = as_html(text, extensions=["tables", "fenced_code"])
    except RecursionError:
        return _plain(text)
    return web_text(_endless_as_text(page), read=read)


def _plain(text: str) -> Parsed:
    return Parsed(kind="md", title=None, elements=tuple(paragraphs(text)))


def _endless_as_text(page: str) -> str:
    """`page` with the tags that have no end, and would hide all that follows, as text."""
    begun: dict[str, list[re.Match[str]]] = {}
    for tag in _HIDING.finditer(page):
        before = begun.setdefault(tag[2].lower(), [])
        if not tag[1]:
            before.append(tag)
        elif before:
            before.pop()
    endless = {tag.start() for tags in begun.values() for tag in tags}
    return _HIDING.sub(lambda tag: html.escape(tag[0], quote=False) if tag.start() in endless else tag[0], page)
