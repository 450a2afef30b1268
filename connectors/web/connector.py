"""The connector itself: listing and fetching."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import httpcore2

from connectors.base import Cursor, Finished, Listing, SourceDocument
from connectors.secrets import Secrets
from connectors.web.addresses import Deadline, GuardedNetwork
from connectors.web.answers import NoPage, Why
from connectors.web.client import FETCH_TIME_S, Client
from connectors.web.content import HTML
from connectors.web.crawl import MAX_HTML_BYTES, Crawl
from connectors.web.options import Site, read_options
from connectors.web.page import header_directives, read_page
from policies.errors import QuarantineError
from policies.model import Access


@dataclass(frozen=True, kw_only=True, slots=True)
class WebConnector:
    """The pages of `site` that its sitemaps name, and those that its start pages lead to.

    An origin id is the address without its scheme, in one spelling: docs.example/board/minutes?year=2026. It is where
    the page is read, behind all redirects, permanent or not: else an address that redirects to a page would take it
    out of the rules for it. Patterns of `exclude`, like those of access rules, match ids, and tell capitals from small
    letters even where the site does not.

    Pages outside the allow-list are never asked for, nor those that robots.txt disallows, nor any at an address that
    is not public unless `allow_private` opens it, nor any whose path can be read as another's: with an empty folder, a
    semicolon, or an encoded slash, backslash, semicolon or percent code. Pages that ask not to be indexed are not
    taken. Of a page, a link with rel=nofollow is not followed.

    A stamp is, for a page of HTML that a crawl read for its links, a hash of its content; for anything else the ETag
    or Last-Modified that a HEAD request tells, "" where a site tells neither. With `trust_lastmod` it is the lastmod
    of the sitemap where there is one, and nothing is asked for each page, so that one which redirects is found out when
    it is fetched: it has changed, and has to be named by its new address. No cursor is kept: the links of a thousand
    pages do not fit in one, and without them a page that answers "not modified" would hide what it leads to.

    A listing is complete unless a page, or a sitemap in an index, did not answer for all patience, or there was more
    than `max_pages` or a page's own bound on links; `max_depth`, `exclude` and robots.txt say what the source is. A
    page that did not answer is reported as unreadable. One that forbids itself is reported only after the listing's
    first address has been seen to answer still; that address failing in any way ends the listing.

    Nor is it complete where a link leads to what may be a page of links and is forbidden, outside the allow-list, odd
    or gone: whatever only that page led to may still be there. A page that is gone is itself deleted at once, and is
    reported under its id with #links. What nothing leads to any more is deleted by the first listing that finds no
    such link, because the site mended it or `exclude` names it.
    """

    site: Site
    client: Client

    @classmethod
    def from_options(cls, options: Mapping[str, object], *, secrets: Secrets) -> Self:
        """The connector a manifest describes. Nothing is asked for yet.

        Raises:
            RefusedError: an option is unknown, missing or wrong.
        """
        site = read_options(options, secrets=secrets)
        network = GuardedNetwork(addresses=site.addresses, deadline=Deadline())
        return cls(
            site=site,
            client=Client(site, network=network, tls=httpcore2.default_ssl_context(), sleep=time.sleep),
        )

    def list(self, cursor: Cursor | None) -> Listing:  # noqa: ARG002 - see above
        """Every page: those of sitemaps in their order, then linked ones, nearest first, then forbidden ones."""
        self.client.begin()
        crawl = Crawl(site=self.site, client=self.client)
        yield from crawl.changes()
        yield Finished(complete=crawl.is_complete)

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        """The bytes of a listed page, at most `max_bytes`, without compression."""
        url = self.site.url_of(document.origin_id)
        if url is None:
            raise _refusal("outside_allow_list", "Add its address to connector.allow, or list the source again.")
        self.client.begin()
        page = self.client.ask(url, limit=lambda *_: max_bytes, may_ask=self.site.allows, time_s=FETCH_TIME_S)
        if isinstance(page, NoPage):
            if page.why is Why.GONE:
                raise _refusal("gone", "Sync again.")
            # What it was stays as it was: the next listing finds out what became of it.
            raise _refusal("unreadable", "Sync again. If it stays so, leave it out by `exclude`.")
        if page.url.document_id != document.origin_id:
            # Rules for the address it is read at were not asked.
            raise _refusal("changed", "Sync again. Where a sitemap names it and is trusted, name where it redirects.")
        if not page.is_whole:
            raise _refusal("too_large", f"Leave it out by `exclude`, or raise the source's limit of {max_bytes} bytes.")
        if page.content_type not in self.site.types:
            raise _refusal("other_type", "Add its content type to connector.types, or leave it out by `exclude`.")
        asked = header_directives(page.headers.all("x-robots-tag"), agent=self.site.agent)
        if page.content_type in HTML:
            head, told = page.content[:MAX_HTML_BYTES], page.headers.first("content-type")
            asked &= read_page(head, url=page.url, content_type=told, agent=self.site.agent).directives
        if not asked.index:
            raise _refusal("noindex", "The site asks for it not to be indexed. Leave it out by `exclude`.")
        return page.content

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:  # noqa: ARG002 - see below
        """None: a site does not tell who else may read a page. The manifest's rules do."""
        return {}


def _refusal(reason: str, mend: str) -> QuarantineError:
    return QuarantineError(f"The page was not read: {reason}.", reason=reason, stage="fetch", mend=mend)
