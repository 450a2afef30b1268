"""What a page of HTML says to a crawler: where it leads, and whether it wants to be indexed.

The tags are found by patterns that pass over the text once. Python's own html.parser takes time that grows with the
square of hostile text (CVE-2025-6069; measured on 3.11.7: 18 s for 40 kB of `<a <a <a`), and a parser in C is no place
for hostile text in a process that holds secrets.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Final

from connectors.web.urls import MAX_URL_CHARS, Url, read_url

MAX_LINKS: Final = 50_000
"""Different links taken from one page (chosen: as many as a sitemap names)."""

_TAG: Final = re.compile(r"<(?:(?P<comment>!--)|(?P<name>[A-Za-z][^\s/>]*))")
_ATTRIBUTE: Final = re.compile(
    r"""[\s/]*(?:(?P<end>>)|(?P<name>[^\s/>][^\s/>=]*)"""
    r"""(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s>]*)))?)"""
)
_RAW: Final = {name: re.compile(rf"</{name}", re.IGNORECASE) for name in ("script", "style", "textarea", "title")}
_LINKS: Final = {"a": "href", "area": "href", "frame": "src", "iframe": "src"}
_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([\w-]{1,32})""", re.IGNORECASE)
_HEAD_BYTES: Final = 1024  # where HTML wants its encoding to be told
# Not every codec that Python knows is one of text, or takes time in proportion to the text.
_CODECS: Final = re.compile(
    r"utf-?(?:8|16)|us-ascii|iso-?8859-\d{1,2}|windows-125\d|shift_?jis|euc-(?:jp|kr)|gb(?:2312|k|18030)|big5|koi8-[ru]",
    re.IGNORECASE,
)
_SPACES: Final = re.compile(r"[\s,]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Directives:
    """What `robots` meta tags and X-Robots-Tag headers ask for."""

    index: bool = True
    follow: bool = True

    def __and__(self, other: "Directives") -> "Directives":
        return Directives(index=self.index and other.index, follow=self.follow and other.follow)


@dataclass(frozen=True, kw_only=True, slots=True)
class PageSays:
    """`links` in the order of the page, each once; `all_links` is False where it has more than MAX_LINKS."""

    links: Sequence[Url]
    all_links: bool
    directives: Directives


def read_page(content: bytes, *, url: Url, content_type: str, agent: str) -> PageSays:
    """What the page at `url` says, where `content_type` is the header of its answer and `agent` our product token."""
    base, directives = url, Directives()
    targets: dict[str, None] = {}
    for name, attributes in _tags(_text(content, content_type)):
        if name == "base":
            base = read_url(attributes.get("href", ""), base=url) or base
        elif name == "meta" and attributes.get("name", "").strip().lower() in {"robots", agent}:
            directives &= _directives(attributes.get("content", ""))
        elif name in _LINKS and "nofollow" not in _SPACES.split(attributes.get("rel", "").lower()):
            target = attributes.get(_LINKS[name], "").partition("#")[0]
            if target and len(targets) <= MAX_LINKS:
                targets[target] = None
    links = (read_url(target, base=base) for target in list(targets)[:MAX_LINKS])
    return PageSays(
        links=list(dict.fromkeys(link for link in links if link is not None)),
        all_links=len(targets) <= MAX_LINKS,
        directives=directives,
    )


def header_directives(values: Sequence[str], *, agent: str) -> Directives:
    """What X-Robots-Tag headers ask of the crawler with this product token."""
    directives = Directives()
    for value in values:
        named, colon, rest = value.partition(":")
        addressed = bool(colon) and not _SPACES.search(named.strip()) and named.strip().lower() != "unavailable_after"
        if not addressed or named.strip().lower() == agent:
            directives &= _directives(rest if addressed else value)
    return directives


def _directives(text: str) -> Directives:
    words = set(_SPACES.split(text.strip().lower()))
    return Directives(index=words.isdisjoint({"noindex", "none"}), follow=words.isdisjoint({"nofollow", "none"}))


def _tags(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The start tags with their attributes, outside of comments and of what only looks like tags."""
    at = 0
    while tag := _TAG.search(text, at):
        if tag["comment"]:
            at = text.find("-->", tag.end())
            if at < 0:
                return
            continue
        name = tag["name"].lower()
        attributes, at = _attributes(text, tag.end())
        yield name, attributes
        if name in _RAW:
            close = _RAW[name].search(text, at)
            if close is None:
                return
            at = close.end()


def _attributes(text: str, at: int) -> tuple[dict[str, str], int]:
    """The attributes of a tag, the first of each name, and where the tag ends."""
    found: dict[str, str] = {}
    while attribute := _ATTRIBUTE.match(text, at):
        at = attribute.end()
        if attribute["end"]:
            break
        value = attribute["double"] or attribute["single"] or attribute["bare"] or ""
        # Longer ones are no addresses, and unescape() raises a ValueError on a number of 4,300 digits.
        found.setdefault(attribute["name"].lower(), unescape(value) if len(value) <= MAX_URL_CHARS else "")
    return found, at


def _text(content: bytes, content_type: str) -> str:
    told = _CHARSET.search(content_type) or _CHARSET.search(content[:_HEAD_BYTES].decode("latin-1"))
    codec = told[1] if told and _CODECS.fullmatch(told[1]) else "utf-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        codec = "utf-16"
    return content.decode(codec, "replace")
