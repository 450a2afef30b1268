"""Addresses of pages in one spelling each, and the parts of the web that a source may touch."""

import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import idna

MAX_URL_CHARS: Final = 2048
"""As sitemaps.org has it; longer ones are made by loops."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\Z")
_IPV6: Final = re.compile(r"[0-9a-f:.]{2,45}\Z")
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_BARE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")
_SAFE: Final = "%/:@!$&'()*+,;=~?"
# What some servers read as another spelling: they merge slashes, drop what follows a semicolon, decode before they
# split, decode twice, or take overlong UTF-8. No rule for the page's own address would match.
_ALIAS: Final = re.compile(r"//|;|%(?:2F|5C|3B|25[0-9A-F]{2}|C[01]%[89AB])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Url:
    """An absolute http or https address without user, password and fragment. Equal addresses are spelt equally.

    `host` is ASCII and in small letters, an IPv6 address without brackets; `target` is path and query, ASCII, without
    dot segments, percent-encoded in capitals and only where it must be.
    """

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """The host, and the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, such as https://docs.example."""
        return f"{self.scheme}://{self.authority}"

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def document_id(self) -> str:
        """The address without its scheme, as patterns of access rules can name it: docs.example/board/minutes."""
        return self.authority + self.target

    @property
    def last_segment(self) -> str:
        """The decoded text behind the last slash of the path, "" for a folder."""
        return unquote(self.path.rpartition("/")[2], errors="replace")

    def at(self, target: str) -> "Url":
        """Another target of the same origin."""
        return Url(scheme=self.scheme, host=self.host, port=self.port, target=target)


def read_url(text: str, *, base: Url | None = None) -> Url | None:
    """The address that `text` is, seen from a page at `base`.

    None for what is never asked for: another scheme, a user or password, no valid host, too long, or a path that some
    servers take for another: with an empty segment before its end, a semicolon, an encoded slash, backslash or
    semicolon, or anything encoded twice.
    """
    text = text.strip("\t\n\r\f ")
    if len(text) > MAX_URL_CHARS:
        return None
    before_query, mark, query = text.partition("?")
    try:
        # Browsers read \ as / here, and so must a check of what is below a prefix.
        parts = urlsplit(urljoin(str(base or ""), before_query.replace("\\", "/") + mark + query))
        host, port = _host(parts.hostname or ""), parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host or port == 0:
        return None
    if "@" in parts.netloc or ("[" in parts.netloc) != (":" in host):
        return None
    path = _without_dots(spelt(parts.path) or "/")
    if _ALIAS.search(path):
        return None
    target = f"{path}?{spelt(parts.query)}" if parts.query else path
    url = Url(scheme=parts.scheme, host=host, port=port or _DEFAULT_PORTS[parts.scheme], target=target)
    return url if len(target) <= MAX_URL_CHARS else None


def spelt(part: str) -> str:
    """A path or query with everything percent-encoded that must be and nothing that need not be (RFC 3986, 6.2.2)."""
    encoded = quote(_BARE_PERCENT.sub("%25", part), safe=_SAFE, errors="replace")
    return _ENCODED.sub(_one_spelling, encoded)


def _one_spelling(encoded: re.Match[str]) -> str:
    char = chr(int(encoded[1], 16))
    return char if _UNRESERVED.match(char) else encoded[0].upper()


def _host(host: str) -> str:
    """The host in ASCII, "" where it is none."""
    host = host.removesuffix(".")
    if ":" in host:
        return host if _IPV6.match(host) else ""
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode("ascii")  # its error is a ValueError
    return host if _HOST.match(host) else ""


def _without_dots(path: str) -> str:
    """The path with `.` and `..` carried out."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prefix:
    """A part of one origin: the page at `path` and what lies below it."""

    origin: str
    path: str

    def covers(self, url: Url) -> bool:
        """Whether the address lies in it. /docs covers /docs, /docs?x and /docs/x, and not /docs-old."""
        below = self.path if self.path.endswith("/") else f"{self.path}/"
        return url.origin == self.origin and (url.path == self.path or url.path.startswith(below))


def folder_of(url: Url) -> Prefix:
    """The folder in which the page lies."""
    return Prefix(origin=url.origin, path=posixpath.dirname(url.path).rstrip("/") + "/")
