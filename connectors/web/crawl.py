"""One listing of a site: what its sitemaps name and what its pages lead to."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Final, assert_never

from connectors.base import Change, Delete, Refused, SourceDocument, Upsert
from connectors.web.answers import Answer, Headers, NoPage, Page, Why
from connectors.web.client import FETCH_TIME_S, Client, nothing
from connectors.web.content import HTML, content_type, document_name, type_by_name
from connectors.web.options import Site
from connectors.web.page import PageSays, header_directives, read_page
from connectors.web.sitemap import MAX_SITEMAP_BYTES, Entry, Sitemap, SitemapError, read_sitemap, read_time
from connectors.web.urls import Url, read_url
from policies.errors import DependencyError, PenstockError, RefusedError

MAX_HTML_BYTES: Final = 8 * 2**20
"""Of a page that is read for its links (chosen: of 1,500 pages tried the longest has 4.4 MB)."""
MAX_SITEMAPS: Final = 1000
"""Files of one listing (chosen: 50 million pages of sitemaps.org)."""
MAX_SITEMAP_DEPTH: Final = 3
"""Indexes above a sitemap. sitemaps.org allows one."""

_FORBIDDEN: Final = "Let Penstock read it by connector.credentials, or leave it out by `exclude`."
_OUTSIDE: Final = "It redirects out of connector.allow. Add where it leads, or leave it out by `exclude`."
_DEAD: Final = (
    "It is linked and is not there, nor what only it led to. Mend the link, or leave it out by `exclude`: until then "
    "no page is taken for deleted because nothing leads to it."
)
_ODD: Final = "The site answers oddly there. Mend the site, or leave it out by `exclude`."
_UNANSWERED: Final = "The site did not answer for it, or for its robots.txt. Sync again, or leave it out by `exclude`."
_SITEMAP: Final = "It is a sitemap that cannot be read, or may not by connector.allow. Nothing was taken for deleted."
_TOO_MANY: Final = "There are more pages than connector.max_pages. Raise it, or leave pages out by `exclude`."
_TOO_LONG: Final = "The page has more links than are followed. Name what it leads to in a sitemap."


@dataclass(kw_only=True)
class Crawl:
    """A listing at work. `is_complete` is True while nothing was left out that is the source's."""

    site: Site
    client: Client
    is_complete: bool = True
    _told: set[str] = field(default_factory=set)
    _known: set[Url] = field(default_factory=set)
    _named: dict[Url, str] = field(default_factory=dict)
    _forbidden: list[Change] = field(default_factory=list)
    _is_shut_out: bool = False
    _is_full: bool = False
    _lacks_sitemaps: bool = False

    def changes(self) -> Iterator[Change]:
        """Every page of the source, each once.

        Raises:
            RefusedError: the site does not let Penstock begin, or not any more.
            DependencyError: it does not answer where the listing begins, or many times in a row.
        """
        for index, url in enumerate(self.site.sitemaps):
            yield from self._read_sitemaps(url, option=f"sitemaps[{index}]")
        for url, changed in self._named.items():
            yield from self._named_page(url, changed)
        yield from self._linked_pages()
        if self._is_shut_out:
            # When a credential is withdrawn or a crawler is locked out on the way, every page looks forbidden.
            self._begin_again()
        yield from self._forbidden

    def _begin_again(self) -> None:
        option, url = ("sitemaps[0]", self.site.sitemaps[0]) if self.site.sitemaps else ("start[0]", self.site.start[0])
        answer = self.client.ask(url, limit=nothing, may_ask=self.site.allows_sitemap)
        if isinstance(answer, NoPage):
            raise _no_beginning(answer, option)

    def _read_sitemaps(self, first: Url, *, option: str) -> Iterator[Change]:
        """Note the pages that a sitemap names, and those below it."""
        queue, known = deque([(first, 0)]), {first}
        while queue and not self._is_full:
            url, depth = queue.popleft()
            answer = self.client.ask(url, limit=_sitemap_bytes, may_ask=self.site.allows_sitemap, time_s=FETCH_TIME_S)
            try:
                sitemap = _sitemap(answer)
            except SitemapError as error:
                if url != first:
                    yield from self._leave_out(url.document_id, _SITEMAP)
                    continue
                if isinstance(answer, NoPage):
                    raise _no_beginning(answer, option) from error
                raise RefusedError(
                    f"connector.{option} cannot be read: {error}.", mend="Mend it on the site."
                ) from error
            if sitemap.kind == "pages":
                yield from self._note(sitemap.entries)
                continue
            for child in (read_url(entry.address) for entry in sitemap.entries):
                if child is None or child in known:
                    continue
                if depth == MAX_SITEMAP_DEPTH or len(known) == MAX_SITEMAPS:
                    yield from self._lack_sitemap(child)
                    break
                if not self.site.allows_sitemap(child):
                    yield from self._lack_sitemap(child)
                    continue
                known.add(child)
                queue.append((child, depth + 1))

    def _note(self, entries: Iterable[Entry]) -> Iterator[Change]:
        for entry in entries:
            url = read_url(entry.address)
            if url is None or url in self._named or not self._wants(url):
                continue
            if len(self._named) == self.site.max_pages:
                yield from self._stop_at(url)
                return
            self._named[url] = entry.changed

    def _named_page(self, url: Url, changed: str) -> Iterator[Change]:
        """A page that a sitemap names. Where its links lead does not matter."""
        if self.site.trust_lastmod and changed:
            kind = type_by_name(url.last_segment) or "text/html"
            yield from self._tell(url, kind, stamp=f"lastmod {changed}", size_bytes=None, modified=read_time(changed))
            return
        answer = self.client.glance(url)
        if isinstance(answer, NoPage):
            yield from self._no_page(url, answer)
        elif header_directives(answer.headers.all("x-robots-tag"), agent=self.site.agent).index:
            yield from self._take(answer, stamp=answer.headers.stamp, changed=changed)

    def _linked_pages(self) -> Iterator[Change]:
        """The pages that can be reached from the first ones, nearest first."""
        self._known.update(self.site.start)
        queue = deque((url, 0) for url in self.site.start)
        asked = len(self._named)
        while queue:
            url, depth = queue.popleft()
            asked += 1
            answer = self._visit(url)
            if isinstance(answer, NoPage):
                yield from self._no_linked_page(url, depth, answer)
                continue
            self._known.add(answer.url)
            if depth > 0 and not self._wants(answer.url):
                continue
            says = _says(answer, agent=self.site.agent)
            if says.directives.index:
                is_read = answer.is_whole and answer.content_type in HTML
                stamp = f"sha256 {sha256(answer.content).hexdigest()}" if is_read else answer.headers.stamp
                yield from self._take(answer, stamp=stamp, changed="")
            if not says.directives.follow or depth == self.site.max_depth:
                continue
            if not says.all_links:
                yield from self._leave_out(f"{answer.url.document_id}#links", _TOO_LONG)
            for link in says.links:
                if link in self._known or not self._wants(link):
                    continue
                if asked + len(queue) >= self.site.max_pages:
                    yield from self._stop_at(link)
                    break
                self._known.add(link)
                queue.append((link, depth + 1))

    def _no_linked_page(self, url: Url, depth: int, answer: NoPage) -> Iterator[Change]:
        """What is told of the page, and that what only it leads to was not seen: it is not gone for that."""
        if depth == 0:
            raise _no_beginning(answer, f"start[{self.site.start.index(url)}]")
        yield from self._no_page(url, answer)
        if depth == self.site.max_depth or not _may_have_links(url):
            return
        if answer.why is Why.GONE:
            yield from self._leave_out(f"{url.document_id}#links", _DEAD)
        elif answer.why is not Why.DISALLOWED:
            self.is_complete = False

    def _visit(self, url: Url) -> Answer:
        """The page with its content where that holds links, else what a HEAD request tells where the name says so."""
        if not _may_have_links(url):
            answer = self.client.glance(url)
            if isinstance(answer, NoPage) or answer.content_type not in HTML:
                return answer
        return self.client.ask(url, limit=_html_bytes, may_ask=self.site.allows)

    def _wants(self, url: Url) -> bool:
        return self.site.allows(url) and not self.site.excludes(url)

    def _take(self, page: Page, *, stamp: str, changed: str) -> Iterator[Change]:
        size_bytes = len(page.content) if page.is_whole else page.headers.size_bytes
        modified = page.headers.time("last-modified") or read_time(changed)
        yield from self._tell(page.url, page.content_type, stamp=stamp, size_bytes=size_bytes, modified=modified)

    def _tell(
        self, url: Url, kind: str, *, stamp: str, size_bytes: int | None, modified: datetime | None
    ) -> Iterator[Change]:
        if kind not in self.site.types or not self._wants(url):
            return
        document = SourceDocument(
            origin_id=url.document_id,
            name=document_name(url.last_segment, kind),
            uri=str(url),
            size_bytes=size_bytes,
            stamp=stamp,
            created=None,
            modified=modified,
        )
        yield from self._once(document.origin_id, Upsert(document=document))

    def _no_page(self, url: Url, answer: NoPage) -> Iterator[Change]:
        """What is told of the address that was asked for, and of the one it redirects to."""
        for origin_id in dict.fromkeys((url.document_id, answer.url.document_id)):
            match answer.why:
                case Why.GONE:
                    yield from self._once(origin_id, Delete(origin_id=origin_id))
                case Why.FORBIDDEN:
                    self._forbid(origin_id, "forbidden", _FORBIDDEN)
                case Why.OUTSIDE:
                    self._forbid(origin_id, "outside_allow_list", _OUTSIDE)
                case Why.DISALLOWED:
                    pass
                case Why.ODD:
                    yield from self._once(origin_id, Refused(origin_id=origin_id, reason="unreadable", mend=_ODD))
                case Why.UNANSWERED:
                    yield from self._leave_out(origin_id, _UNANSWERED)
                case _:
                    assert_never(answer.why)

    def _forbid(self, origin_id: str, reason: str, mend: str) -> None:
        self._is_shut_out = True
        self._forbidden += self._once(origin_id, Refused(origin_id=origin_id, reason=reason, mend=mend))

    def _lack_sitemap(self, url: Url) -> Iterator[Change]:
        """Leave out a sitemap of an index; the first one tells for all, as a hostile index names millions."""
        if not self._lacks_sitemaps:
            self._lacks_sitemaps = True
            yield from self._leave_out(url.document_id, _SITEMAP)

    def _stop_at(self, url: Url) -> Iterator[Change]:
        """Take no more pages; the first one that is left out tells why."""
        if not self._is_full:
            self._is_full = True
            yield from self._leave_out(url.document_id, _TOO_MANY)

    def _leave_out(self, origin_id: str, mend: str) -> Iterator[Change]:
        # Not for ever: a document that is known stays as it is.
        self.is_complete = False
        yield from self._once(origin_id, Refused(origin_id=origin_id, reason="unreadable", mend=mend))

    def _once(self, origin_id: str, change: Change) -> Iterator[Change]:
        if origin_id not in self._told:
            self._told.add(origin_id)
            yield change


def _may_have_links(url: Url) -> bool:
    """Whether the name of a page lets it be one of HTML."""
    return type_by_name(url.last_segment) in HTML | {""}


def _html_bytes(headers: Headers, url: Url) -> int:
    return MAX_HTML_BYTES if content_type(headers.first("content-type"), url.last_segment) in HTML else 0


def _sitemap_bytes(_headers: Headers, _url: Url) -> int:
    return MAX_SITEMAP_BYTES


def _sitemap(answer: Answer) -> Sitemap:
    if isinstance(answer, NoPage):
        raise SitemapError("it is not there")
    if not answer.is_whole:
        raise SitemapError("it is too large")
    return read_sitemap(answer.content)


def _says(page: Page, *, agent: str) -> PageSays:
    """Where a page leads and what it wants, by its headers too."""
    asked = header_directives(page.headers.all("x-robots-tag"), agent=agent)
    if page.content_type not in HTML:
        return PageSays(links=(), all_links=True, directives=asked)
    says = read_page(page.content, url=page.url, content_type=page.headers.first("content-type"), agent=agent)
    return replace(says, all_links=says.all_links and page.is_whole, directives=says.directives & asked)


def _no_beginning(answer: NoPage, option: str) -> PenstockError:
    """Why a listing cannot begin, or go on. It says nothing about the documents."""
    mend = "Look at that address, and at the site's robots.txt. Nothing was removed."
    if answer.why is Why.UNANSWERED:
        return DependencyError(f"The site does not answer for connector.{option}.", mend=mend)
    return RefusedError(f"connector.{option} cannot be read: {_SENTENCES[answer.why]}.", mend=mend)


_SENTENCES: Final = MappingProxyType(
    {
        Why.GONE: "there is nothing",
        Why.FORBIDDEN: "the site forbids it",
        Why.OUTSIDE: "it redirects out of connector.allow",
        Why.DISALLOWED: "the site's robots.txt forbids it",
        Why.ODD: "the site answers oddly",
    }
)
