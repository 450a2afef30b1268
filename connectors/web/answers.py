"""What a site answers when it is asked for a page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final, TypeAlias

from connectors.web.content import content_type
from connectors.web.urls import Url

# The one form that senders must use (RFC 9110, section 5.6.7); email.utils reads many others, and not all of them well.
_HTTP_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_SECONDS: Final = re.compile(r"\d{1,9}")
MAX_ETAG_CHARS: Final = 500
"""Chosen: those in use are hashes. A page with a longer one counts as changed each time."""
_SETTLED_S: Final = 2.0
"""RFC 9110, section 8.8.2.2: a page may change again within the second that its Last-Modified names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Headers:
    """The header fields of an answer, names in small letters, in their order."""

    fields: Sequence[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for key, value in self.fields if key == name]

    def first(self, name: str) -> str:
        """The first value of a field, "" where there is none."""
        return next(iter(self.all(name)), "")

    def time(self, name: str) -> datetime | None:
        """The time in a field, UTC and aware, None where there is none."""
        return _http_date(self.first(name))

    @property
    def size_bytes(self) -> int | None:
        """The size of the content where it is told and the content not compressed on the way."""
        length = self.first("content-length")
        return int(length) if _SECONDS.fullmatch(length) and not self.first("content-encoding") else None

    @property
    def stamp(self) -> str:
        """A text that changes when the page does: by ETag, weak or strong, or by Last-Modified; "" where it might not.

        A time of modification that is not yet past is none: the page may change again and tell the same.
        """
        if etag := self.first("etag"):
            return f"etag {etag}" if len(etag) <= MAX_ETAG_CHARS else ""
        modified, now = self.time("last-modified"), self.time("date")
        if modified is None or now is None or (now - modified).total_seconds() < _SETTLED_S:
            return ""
        return f"modified {modified.isoformat()} {self.first('content-length')}"

    @property
    def retry_after_s(self) -> float | None:
        """How long the site asks to be left alone; a point in time counts from the answer's own Date."""
        told = self.first("retry-after")
        if _SECONDS.fullmatch(told):
            return float(told)
        until, now = _http_date(told), self.time("date")
        return None if until is None or now is None else max((until - now).total_seconds(), 0.0)


def _http_date(text: str) -> datetime | None:
    if not _HTTP_DATE.fullmatch(text):
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page that is there, status 200.

    `url` is where it was read, behind all redirects. `content` is decompressed and as much as was asked for;
    `is_whole` is False where there was more.
    """

    url: Url
    headers: Headers
    content: bytes
    is_whole: bool

    @property
    def content_type(self) -> str:
        """What the page is, such as text/html."""
        return content_type(self.headers.first("content-type"), self.url.last_segment)


class Why(Enum):
    """Why there is no page. All but UNANSWERED are answers."""

    GONE = auto()
    """404 or 410."""
    FORBIDDEN = auto()
    """401, 403 or 451."""
    OUTSIDE = auto()
    """It redirects out of the allow-list."""
    DISALLOWED = auto()
    """By robots.txt."""
    ODD = auto()
    """Another status, an encoding that was not asked for, or redirects without an end."""
    UNANSWERED = auto()
    """No answer, a broken one, or a failure of the site, again and again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoPage:
    """There is no page to be had at `url`, where the redirects lead; where they have no end, where they begin."""

    url: Url
    why: Why


Answer: TypeAlias = Page | NoPage
