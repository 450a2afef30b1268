"""A web site on this machine that tests can change, and that remembers what it was asked."""

import socketserver
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TypeAlias

from connectors.base import Change, Delete, Finished, Refused, SourceDocument, Upsert
from connectors.secrets import Secrets
from connectors.web import WebConnector
from connectors.web.addresses import Deadline, GuardedNetwork, Resolve, system_resolve
from connectors.web.client import Client
from connectors.web.options import read_options
from policies.errors import QuarantineError

LOCAL = "127.0.0.1"
DATE = "Tue, 03 Mar 2026 10:00:00 GMT"
TAKEN = "taken"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status, headers and a body. Length, Date and a type by the body's look are added where they are missing."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Act: TypeAlias = Callable[["Handler"], None]
"""An answer that does as it likes with the connection."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    target: str
    headers: Mapping[str, str]


class Handler(BaseHTTPRequestHandler):
    """Answers from the pages of its site."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def do_GET(self) -> None:
        site = self.server.site
        if site.is_away:
            self.close_connection = True
            return
        site.asked.append(Asked(method=self.command, target=self.path, headers=dict(self.headers)))
        answer = site.pages.get(self.path, Answer(status=404))
        if site.throttled:
            site.throttled -= 1
            answer = Answer(status=429, headers={"Retry-After": str(site.retry_after_s)})
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Answer):
            self.send(answer)
        else:
            self.close_connection = True
            answer(self)

    do_HEAD = do_GET  # noqa: N815 - the base class calls it so

    def send(self, answer: Answer) -> None:
        kind = "text/html; charset=utf-8" if answer.body.startswith(b"<") else "text/plain"
        usual = {"Content-Type": kind, "Content-Length": str(len(answer.body)), "Date": DATE}
        self.send_response_only(answer.status)
        for name, value in {**usual, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def page(*links: str, head: str = "", text: str = "", **headers: str) -> Answer:
    """A page that links to others."""
    anchors = "".join(f'<a href="{link}">there</a>' for link in links)
    body = f"<html><head>{head}</head><body>{text}{anchors}</body></html>".encode()
    return Answer(headers=headers, body=body)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, site: "Web") -> None:
        super().__init__((LOCAL, 0), Handler)
        self.site = site

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no error of the test."""


class Web:
    """A site, and connectors to it. A page is an answer, answers one after the other, or an act."""

    def __init__(self, base: Path, *, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Answer | list[Answer | Act] | Act] = {}
        self.asked: list[Asked] = []
        self.slept: list[float] = []
        self.is_away = False
        self.throttled = 0
        self.retry_after_s = 0
        self._base = base
        self._server = _Server(self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{LOCAL}:{self.port}"

    @property
    def id(self) -> str:
        """How ids begin."""
        return f"{LOCAL}:{self.port}"

    @property
    def targets(self) -> list[str]:
        return [asked.target for asked in self.asked if asked.target != "/robots.txt"]

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def html(self, target: str, *links: str, head: str = "", **headers: str) -> None:
        """Put a page that links to others there."""
        self.pages[target] = page(*links, head=head, text=target, **headers)

    def sitemap(self, *addresses: str, target: str = "/sitemap.xml", lastmod: str = "") -> None:
        """Put a sitemap there."""
        self.pages[target] = self.sitemap_page(*addresses, lastmod=lastmod)

    def sitemap_page(self, *addresses: str, lastmod: str = "") -> Answer:
        """A sitemap of these targets."""
        changed = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
        entries = "".join(f"<url><loc>{self.url}{address}</loc>{changed}</url>" for address in addresses)
        body = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'.encode()
        return Answer(body=body, headers={"Content-Type": "application/xml"})

    def begin(self, *, by: str) -> dict[str, object]:
        """The option with which a listing begins by `links` or by `sitemap`."""
        return {"start": [f"{self.url}/"]} if by == "links" else {"sitemaps": [f"{self.url}/sitemap.xml"]}

    def redirect(self, target: str, location: str, status: int = 302) -> None:
        self.pages[target] = Answer(status=status, headers={"Location": location})

    def connector(
        self,
        *,
        resolve: Resolve = system_resolve,
        deadline: Deadline | None = None,
        tls: ssl.SSLContext | None = None,
        environment: Mapping[str, str] | None = None,
        **options: object,
    ) -> WebConnector:
        """A connector that begins at / unless told otherwise, may connect to this machine, and only notes its sleep."""
        usual: dict[str, object] = {"allow": [f"{self.url}/"], "allow_private": [f"{LOCAL}/32"], "delay_s": 0}
        begin = {} if options.keys() & {"start", "sitemaps"} else self.begin(by="links")
        site = read_options(
            {**usual, **begin, **options}, secrets=Secrets(environment=environment or {}, base=self._base)
        )
        network = GuardedNetwork(addresses=site.addresses, deadline=deadline or Deadline(), resolve=resolve)
        tls = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return WebConnector(site=site, client=Client(site, network=network, tls=tls, sleep=self.slept.append))

    def listing(self, **options: object) -> tuple[list[Change], bool]:
        """The changes of a whole listing, and whether it is complete."""
        *changes, last = self.connector(**options).list(None)  # type: ignore[arg-type]
        assert isinstance(last, Finished)
        return [change for change in changes if not isinstance(change, Finished)], last.complete

    def told(self, **options: object) -> dict[str, str]:
        """By target: `taken`, `gone`, or the reason of a refusal; and under "" whether the listing is complete."""
        changes, is_complete = self.listing(**options)
        found = {"": "complete" if is_complete else "incomplete"}
        for change in changes:
            match change:
                case Upsert(document=document):
                    found[document.origin_id.removeprefix(self.id)] = "taken"
                case Delete(origin_id=origin_id):
                    found[origin_id.removeprefix(self.id)] = "gone"
                case Refused(origin_id=origin_id, reason=reason):
                    found[origin_id.removeprefix(self.id)] = reason
        assert len(found) == len(changes) + 1
        return found

    def documents(self, **options: object) -> dict[str, SourceDocument]:
        """The documents of a listing by target."""
        found = [change.document for change in self.listing(**options)[0] if isinstance(change, Upsert)]
        return {document.origin_id.removeprefix(self.id): document for document in found}

    def fetched(self, target: str, *, max_bytes: int = 1000, **options: object) -> str:
        """The text of the page there, or the reason why it is not fetched."""
        document = SourceDocument(
            origin_id=self.id + target, name="", uri="", size_bytes=None, stamp="", created=None, modified=None
        )
        try:
            return self.connector(**options).fetch(document, max_bytes=max_bytes).decode()  # type: ignore[arg-type]
        except QuarantineError as refusal:
            return refusal.reason
