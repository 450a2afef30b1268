"""Sitemaps as sitemaps.org has them, read as a stream: no tree is built, and nothing may be declared."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from xml.parsers import expat

from connectors.web.content import GZIP, inflated
from connectors.web.urls import MAX_URL_CHARS

MAX_SITEMAP_BYTES: Final = 50 * 2**20
MAX_ENTRIES: Final = 50_000
"""Both of sitemaps.org, for one file and uncompressed."""

_MAX_DEPTH: Final = 16  # chosen: a sitemap has four levels of elements with its extensions
_MAX_ELEMENTS: Final = 1_000_000  # chosen: at 50 bytes each they fill the largest file


class SitemapError(ValueError):
    """It is no sitemap, or a hostile one. Its text is one of a closed list and holds nothing of the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A page of a sitemap, or a sitemap of an index. `changed` is its lastmod as written, "" where there is none."""

    address: str
    changed: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Sitemap:
    """`kind` says what the entries are: pages, or further sitemaps."""

    kind: Literal["pages", "sitemaps"]
    entries: tuple[Entry, ...]


def read_sitemap(content: bytes) -> Sitemap:
    """The sitemap that `content` is, compressed or not.

    Raises:
        SitemapError: it declares a document type, is larger or longer than sitemaps.org allows, or is no sitemap.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        # In one piece: fed by and by, expat before 2.6 reads a long token again and again (CVE-2023-52425).
        parser.Parse(_plain(content), True)
    except SitemapError:
        raise
    except (expat.ExpatError, LookupError, ValueError):
        # The latter two: an encoding that Python does not know, or that is none of text.
        raise SitemapError("it is not well formed") from None
    if reader.kind is None:
        raise SitemapError("it has no urlset and no sitemapindex")
    return Sitemap(kind=reader.kind, entries=tuple(reader.entries))


def read_time(changed: str) -> datetime | None:
    """A lastmod as UTC, aware; a date alone is its midnight in UTC; None where it is no such time."""
    try:
        time = datetime.fromisoformat(changed)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _plain(content: bytes) -> bytes:
    if not content.startswith(GZIP):
        return content
    plain = bytearray()
    try:
        for piece in inflated([content]):
            plain += piece
            if len(plain) > MAX_SITEMAP_BYTES:
                raise SitemapError(f"it is larger than {MAX_SITEMAP_BYTES} bytes")
    except (zlib.error, EOFError):
        raise SitemapError("it is compressed and damaged") from None
    return bytes(plain)


class _Reader:
    """Keeps the entries of a sitemap that is being parsed."""

    def __init__(self) -> None:
        self.kind: Literal["pages", "sitemaps"] | None = None
        self.entries: list[Entry] = []
        self._elements = 0
        self._path: list[str] = []
        self._words: dict[str, str] = {}

    def doctype(self, *_: object) -> None:
        raise SitemapError("it declares a document type")

    def start(self, name: str, _attributes: object) -> None:
        self._path.append(name.rpartition(" ")[2])
        self._elements += 1
        if len(self._path) > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise SitemapError("it has too many elements")
        match self._path:
            case ["urlset"]:
                self.kind = "pages"
            case ["sitemapindex"]:
                self.kind = "sitemaps"
            case ["urlset", "url"] | ["sitemapindex", "sitemap"]:
                self._words = {}

    def text(self, text: str) -> None:
        match self._path:
            case ["urlset", "url", "loc" | "lastmod" as word] | ["sitemapindex", "sitemap", "loc" | "lastmod" as word]:
                self._words[word] = (self._words.get(word, "") + text)[: MAX_URL_CHARS + 1]

    def end(self, _name: str) -> None:
        match self._path:
            case ["urlset", "url"] | ["sitemapindex", "sitemap"]:
                if len(self.entries) == MAX_ENTRIES:
                    raise SitemapError(f"it has more than {MAX_ENTRIES} entries")
                address, changed = (self._words.get(word, "").strip() for word in ("loc", "lastmod"))
                self.entries.append(Entry(address=address, changed=changed))
        self._path.pop()
