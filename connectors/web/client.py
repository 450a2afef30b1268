"""Asking sites for pages: politely, within bounds, and nothing outside the allow-list.

Built on httpcore, which follows no redirect, keeps no cookie, reads no proxy from the environment and takes a network
backend; what httpx adds are those very things.
"""

import ssl
import time
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from threading import RLock
from typing import Final, Literal, TypeAlias

import httpcore2

from connectors.patience import patiently
from connectors.web.addresses import Deadline, GuardedNetwork
from connectors.web.answers import Answer, Headers, NoPage, Page, Why
from connectors.web.content import inflated
from connectors.web.options import Site
from connectors.web.robots import MAX_BYTES as MAX_ROBOTS_BYTES
from connectors.web.robots import Robots, read_robots
from connectors.web.urls import Url, read_url
from policies.errors import DependencyError, RefusedError

MAX_REDIRECTS: Final = 5
"""RFC 9309, section 2.3.1.2, for robots.txt; more are not needed for a page either."""
MAX_UNANSWERED: Final = 5
"""Requests in a row, each tried with patience, after which the site counts as away (chosen)."""
MAX_WAITS_S: Final = 900.0
"""For a site that throttles or fails, in one listing or fetch, after which nothing is tried again (chosen: a site that
wants more wants fewer requests, which `delay_s` is for; ten thousand pages could otherwise take 500 hours of waits)."""
GLANCE_TIME_S: Final = 30.0
FETCH_TIME_S: Final = 300.0
"""For one request, from connecting to the last byte (chosen: a document of 100 MB over 3 Mbit/s)."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_GONE: Final = frozenset({404, 410})
_FORBIDDEN: Final = frozenset({401, 403, 451})
_FAILURES: Final = frozenset({408, 425, 429, *range(500, 600)}) - {501, 505}
"""What may pass. The two left out say that the site will never do what was asked, such as a HEAD."""
_GZIPPED: Final = frozenset({"gzip", "x-gzip"})
_ENCODINGS: Final = _GZIPPED | {"", "identity"}
_RAW_SLACK_BYTES: Final = 2**16

Method: TypeAlias = Literal["GET", "HEAD"]
Limit: TypeAlias = Callable[[Headers, Url], int]
"""How many bytes of a page to read, seeing its headers and where it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reply:
    """What one request brought."""

    status: int
    headers: Headers
    content: bytes
    is_whole: bool


def nothing(_headers: Headers, _url: Url) -> int:
    """The limit for who wants to know that a page is there and how it stamps itself."""
    return 0


class Client:
    """Asks for pages of one site, one request at a time and no more often than the site and its owner wish.

    `network` decides where connections go. Connections are kept open while the client lives.
    """

    def __init__(
        self,
        site: Site,
        *,
        network: GuardedNetwork,
        tls: ssl.SSLContext,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site = site
        self._deadline: Deadline = network.deadline
        self._pool = httpcore2.ConnectionPool(ssl_context=tls, network_backend=network, keepalive_expiry=GLANCE_TIME_S)
        self._sleep = sleep
        self._monotonic = monotonic
        self._robots: dict[str, Robots | None] = {}
        self._next_s: dict[str, float] = {}
        self._unanswered = 0
        self._waited_s = 0.0
        self._turn = RLock()
        weakref.finalize(self, self._pool.close)

    def begin(self) -> None:
        """Be patient anew, for a listing or for one page to fetch: until MAX_WAITS_S were waited in all."""
        self._waited_s = 0.0

    def glance(self, url: Url) -> Answer:
        """Whether a page is there and how it stamps itself, at the cost of a HEAD request."""
        answer = self.ask(url, method="HEAD", limit=nothing, may_ask=self._site.allows)
        # Some sites refuse or mistake HEAD, and what is not there will be dropped: be sure.
        doubtful = isinstance(answer, NoPage) and answer.why in {Why.GONE, Why.FORBIDDEN, Why.ODD}
        return self.ask(url, limit=nothing, may_ask=self._site.allows) if doubtful else answer

    def ask(
        self,
        url: Url,
        *,
        limit: Limit,
        may_ask: Callable[[Url], bool],
        method: Method = "GET",
        time_s: float = GLANCE_TIME_S,
    ) -> Answer:
        """The page at `url`, or why there is none. Where `may_ask` or robots.txt says no, nothing is asked.

        Raises:
            RefusedError: the name leads to an address that is not admitted, or credentials were not accepted.
            DependencyError: the site throttles for longer than anybody waits, once or in all, or did not answer
                MAX_UNANSWERED requests in a row.
        """
        with self._turn:
            at, target = url, url if may_ask(url) else None
            for _ in range(MAX_REDIRECTS + 1):
                if target is None:
                    return NoPage(url=at, why=Why.OUTSIDE)
                at = target
                robots = self._robots_of(at)
                if robots is None:
                    return NoPage(url=at, why=Why.UNANSWERED)
                if not robots.allow(at.target):
                    return NoPage(url=at, why=Why.DISALLOWED)
                reply = self._reply(method, at, limit, time_s, pause_s=max(self._site.delay_s, robots.delay_s))
                if reply is None or reply.status not in _REDIRECTS:
                    return _answer(reply, at)
                target = read_url(reply.headers.first("location"), base=at)
                target = target if target is not None and may_ask(target) else None
            return NoPage(url=url, why=Why.ODD)

    def _robots_of(self, url: Url) -> Robots | None:
        """What the origin's robots.txt asks, None where that cannot be known now, and so nothing may be asked."""
        if url.origin not in self._robots:
            self._robots[url.origin] = self._read_robots(url.at("/robots.txt"))
        return self._robots[url.origin]

    def _read_robots(self, url: Url) -> Robots | None:
        for _ in range(MAX_REDIRECTS + 1):
            if not (self._site.allows_robots(url) or self._site.allows(url)):
                return None
            reply = self._reply("GET", url, lambda _headers, _url: MAX_ROBOTS_BYTES, GLANCE_TIME_S, pause_s=0.0)
            if reply is None:
                return None
            if reply.status not in _REDIRECTS:
                # A site without the file, or that does not show it, allows everything (RFC 9309, section 2.3.1.3).
                content = reply.content if reply.status == HTTPStatus.OK else b""
                return read_robots(content, agent=self._site.agent)
            target = read_url(reply.headers.first("location"), base=url)
            if target is None:
                return None
            url = target
        return Robots(rules=())

    def _reply(self, method: Method, url: Url, limit: Limit, time_s: float, *, pause_s: float) -> _Reply | None:
        """What one request brings, None where it brings nothing for all patience."""

        def once() -> _Reply:
            self._pause(url.origin, pause_s)
            return self._exchange(method, url, limit, time_s)

        try:
            reply = patiently(once, sleep=self._wait) if self._waited_s < MAX_WAITS_S else once()
        except DependencyError as error:
            self._unanswered += 1
            if error.retry_after_s is not None or self._unanswered >= MAX_UNANSWERED:
                raise
            return None
        self._unanswered = 0
        return reply

    def _wait(self, seconds: float) -> None:
        self._waited_s += seconds
        self._sleep(seconds)

    def _pause(self, origin: str, pause_s: float) -> None:
        now_s = self._monotonic()
        wait_s = self._next_s.get(origin, now_s) - now_s
        if wait_s > 0:
            self._sleep(wait_s)
        self._next_s[origin] = max(now_s, now_s + wait_s) + pause_s

    def _exchange(self, method: Method, url: Url, limit: Limit, time_s: float) -> _Reply:
        self._deadline.start(time_s)
        try:
            response = self._pool.handle_request(self._request(method, url))
            with closing(response):
                headers = Headers(fields=[(_text(name).lower(), _text(value)) for name, value in response.headers])
                self._check(response.status, headers, url)
                content, is_whole = b"", False
                if method == "HEAD" or response.status != HTTPStatus.OK:
                    _discard(response.iter_stream())
                elif wanted := limit(headers, url):
                    content, is_whole = _read(response.iter_stream(), headers, wanted)
        except (
            httpcore2.TimeoutException,
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            zlib.error,
            EOFError,
        ) as error:
            raise DependencyError(
                f"The site {url.origin} did not answer: {type(error).__name__}.",
                mend="See whether the site can be reached from here, then sync again.",
            ) from None  # the cause may hold what the site sent
        return _Reply(status=response.status, headers=headers, content=content, is_whole=is_whole)

    def _request(self, method: Method, url: Url) -> httpcore2.Request:
        headers: list[tuple[bytes | str, bytes | str]] = [
            ("Host", url.authority),
            ("User-Agent", self._site.user_agent),
            ("Accept", "*/*"),
            ("Accept-Encoding", "gzip"),
        ]
        if credential := self._site.credentials.get(url.origin):
            headers.append(("Authorization", credential.get_secret_value()))
        address = httpcore2.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
        return httpcore2.Request(method, address, headers=headers)

    def _check(self, status: int, headers: Headers, url: Url) -> None:
        """Raise what ends the exchange: a failure that may pass, or a credential that is not accepted."""
        if status == HTTPStatus.UNAUTHORIZED and url.origin in self._site.credentials:
            raise RefusedError(
                f"The site {url.origin} does not accept its credentials.",
                mend="Renew the secret that connector.credentials refers to.",
            )
        if status in _FAILURES:
            raise DependencyError(
                f"The site {url.origin} answered with status {status}.",
                mend="Sync again later. Where it throttles, raise connector.delay_s.",
                retry_after_s=headers.retry_after_s,
            )


def _answer(reply: _Reply | None, url: Url) -> Answer:
    if reply is None:
        return NoPage(url=url, why=Why.UNANSWERED)
    if reply.status in _GONE:
        return NoPage(url=url, why=Why.GONE)
    if reply.status in _FORBIDDEN:
        return NoPage(url=url, why=Why.FORBIDDEN)
    if reply.status != HTTPStatus.OK or reply.headers.first("content-encoding").lower() not in _ENCODINGS:
        return NoPage(url=url, why=Why.ODD)
    return Page(url=url, headers=reply.headers, content=reply.content, is_whole=reply.is_whole)


def _text(value: bytes) -> str:
    """A header's text: ASCII by its standard, in fact often UTF-8 and sometimes Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _TooMuchError(Exception):
    """More bytes come than the content can need."""


def _read(chunks: Iterator[bytes], headers: Headers, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes of the content without its compression, and whether that is all of it."""
    raw = _at_most(chunks, limit + _RAW_SLACK_BYTES)
    pieces = inflated(raw) if headers.first("content-encoding").lower() in _GZIPPED else raw
    content = bytearray()
    try:
        for piece in pieces:
            content += piece
            if len(content) > limit:
                return bytes(content[:limit]), False
    except _TooMuchError:
        return bytes(content), False
    return bytes(content), True


def _discard(chunks: Iterator[bytes]) -> None:
    """Read what nobody wants, for a connection can only be used again behind the end of an answer."""
    with suppress(_TooMuchError):
        for _ in _at_most(chunks, _RAW_SLACK_BYTES):
            pass


def _at_most(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """The chunks, for compressed ones can be many and hold next to nothing."""
    for chunk in chunks:
        limit -= len(chunk)
        if limit < 0:
            raise _TooMuchError
        yield chunk
