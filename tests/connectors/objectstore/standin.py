"""Stand-ins for stores of which there is no server to be had here, as far as the connector asks them."""

import json
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from connectors.base import SourceDocument, Upsert
from connectors.objectstore import ObjectStoreConnector
from connectors.secrets import Secrets

PAGE_KEYS = 3
EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str]


class StandIn:
    """A bucket `docs` as an origin, which hands out three keys a page and fails where a test asks for it."""

    scheme: str
    many = 20
    secret: str

    def __init__(self, base: Path) -> None:
        self.base = base
        self.url = ""
        self.objects: dict[str, tuple[int, bytes]] = {}
        """Generation and content, by name."""
        self.generation = 0
        self.failure: Answer | None = None
        self.failures = 0
        """How many more requests fail."""
        self.listing: bytes | None = None
        """What is sent in place of every listing."""
        self.asked: list[Asked] = []
        self.waits: list[float] = []
        self.made: dict[str, ObjectStoreConnector] = {}
        """By options: connectors share a store, in which anything that it kept would show. To make one takes long."""
        self.environment: dict[str, str] = {}
        self.options: dict[str, object] = {}
        """What a manifest says to log in."""

    def connector(self, **options: object) -> ObjectStoreConnector:
        given = {"url": f"{self.scheme}://docs", "include": ["**"], "endpoint": self.url, **self.options, **options}
        key = repr((given, self.environment))
        if key not in self.made:
            self.made[key] = ObjectStoreConnector.from_options(
                {key: value for key, value in given.items() if value is not None},
                secrets=Secrets(environment=self.environment, base=self.base),
            )
        return replace(self.made[key], sleep=self.waits.append)

    def put(self, name: str, content: bytes) -> None:
        self.generation += 1
        self.objects[name] = (self.generation, content)

    def rename(self, name: str, new_name: str) -> None:
        self.put(new_name, self.objects.pop(name)[1])

    def delete(self, name: str) -> None:
        del self.objects[name]

    def fail(self, status: int, *, times: int = 1000, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.failure, self.failures = Answer(status=status, body=b"about jane.txt", headers=named), times

    def break_off(self) -> None:
        self.fail(403)

    def cut_off(self) -> None:
        self.fail(500)

    def throttle(self, times: int, retry_after_s: float) -> None:
        self.fail(429, times=times, Retry_After=f"{retry_after_s:.0f}")

    def documents(self, **options: object) -> dict[str, SourceDocument]:
        """By origin id."""
        listing = self.connector(**options).list(None)
        return {item.document.origin_id: item.document for item in listing if isinstance(item, Upsert)}

    def page(self, prefix: str, token: str) -> tuple[list[str], str]:
        """Some names, and the token of the next page."""
        names = sorted(name for name in self.objects if name.startswith(prefix) and name > token)
        return names[:PAGE_KEYS], names[PAGE_KEYS - 1] if len(names) > PAGE_KEYS else ""

    def respond(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def answered(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if self.failure and self.failures and asked.path != "/token":
            self.failures -= 1
            return self.failure
        return self.respond(asked)


class Google(StandIn):
    """Google Cloud Storage, with the service that gives tokens to service accounts."""

    scheme = "gs"
    secret = "ya29.correct-horse-battery"

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.claims: list[dict[str, str]] = []
        """What came with requests for a token."""
        self.token_status = 200

    def respond(self, asked: Asked) -> Answer:
        if asked.path == "/token":
            assertion = parse_qs(asked.body.decode())["assertion"][0].split(".")[1]
            self.claims.append(json.loads(urlsafe_b64decode(assertion + "==")))
            granted = json.dumps({"access_token": self.secret, "expires_in": 3600}).encode()
            return Answer(status=self.token_status, body=granted, headers={"Content-Type": "application/json"})
        if asked.headers.get("authorization") != f"Bearer {self.secret}":
            return Answer(status=401, headers={})
        if asked.path == "/storage/v1/b/docs/o":
            return Answer(body=self.listing or self._page(asked.query), headers={})
        return self._media(unquote(asked.path.removeprefix("/download/storage/v1/b/docs/o/")), asked.query)

    def _page(self, query: Mapping[str, str]) -> bytes:
        names, following = self.page(query["prefix"], query.get("pageToken", ""))
        items = [
            {
                "name": name,
                "size": str(len(content)),
                "generation": str(generation),
                "timeCreated": "2026-01-02T03:04:05.678Z",
                "updated": "2026-02-03T05:05:06.789+01:00",
            }
            for name in names
            for generation, content in [self.objects[name]]
        ]
        listing = {"kind": "storage#objects", "items": items, "nextPageToken": following}
        return json.dumps({key: value for key, value in listing.items() if value}).encode()

    def _media(self, name: str, query: Mapping[str, str]) -> Answer:
        if name not in self.objects:
            return Answer(status=404, headers={})
        generation, content = self.objects[name]
        if query.get("ifGenerationMatch", str(generation)) != str(generation):
            return Answer(status=412, headers={})
        return Answer(body=content, headers={"x-goog-generation": str(generation), "Content-Encoding": "gzip"})


class Azure(StandIn):
    """Azure Blob Storage. It looks whose key signs, not whether the signature holds."""

    scheme = "az"
    secret = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.environment = {"KEY": self.secret}
        self.options = {"account": "northwind", "key": {"env": "KEY"}}
        self.metadata: dict[str, str] = {}
        """XML, by name."""
        self.archived: set[str] = set()

    def respond(self, asked: Asked) -> Answer:
        if not asked.headers.get("authorization", "").startswith("SharedKey northwind:"):
            return Answer(status=403, headers={"x-ms-error-code": "AuthenticationFailed"})
        if asked.path == "/docs":
            body = self.listing or self._page(asked.query)
            return Answer(body=body, headers={"Content-Type": "application/xml"})
        if not asked.path.startswith("/docs/"):
            return Answer(status=404, headers={"x-ms-error-code": "ContainerNotFound"})
        return self._blob(unquote(asked.path.removeprefix("/docs/")), asked.headers)

    def _page(self, query: Mapping[str, str]) -> bytes:
        names, following = self.page(query.get("prefix", ""), query.get("marker", ""))
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Creation-Time>{_http_date(0)}</Creation-Time>"
            f"<Last-Modified>{_http_date(generation)}</Last-Modified><Etag>0x{generation:X}</Etag>"
            f"<Content-Length>{len(content)}</Content-Length><BlobType>BlockBlob</BlobType></Properties>"
            f"<Metadata>{self.metadata.get(name, '')}</Metadata></Blob>"
            for name in names
            for generation, content in [self.objects[name]]
        )
        return (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="docs"><Blobs>{blobs}</Blobs>'
            f"<NextMarker>{escape(following)}</NextMarker></EnumerationResults>"
        ).encode()

    def _blob(self, name: str, headers: Mapping[str, str]) -> Answer:
        if name not in self.objects:
            return Answer(status=404, headers={"x-ms-error-code": "BlobNotFound"})
        if name in self.archived:
            return Answer(status=409, headers={"x-ms-error-code": "BlobArchived"})
        generation, content = self.objects[name]
        about = {"ETag": f'"0x{generation:X}"', "Last-Modified": _http_date(generation), "x-ms-blob-type": "BlockBlob"}
        if headers.get("if-match", about["ETag"]).strip('"') != about["ETag"].strip('"'):
            return Answer(status=412, headers={"x-ms-error-code": "ConditionNotMet"})
        asked_range = headers.get("x-ms-range") or headers.get("range")
        if asked_range is None:
            return Answer(body=content, headers=about)
        if not content:
            return Answer(
                status=416, headers={"x-ms-error-code": "InvalidRange", "Content-Range": "bytes */0", **about}
            )
        first, last = map(int, asked_range.removeprefix("bytes=").split("-"))
        part = content[first : last + 1]
        span = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
        return Answer(status=206, body=part, headers={**about, "Content-Range": span})


def _http_date(generation: int) -> str:
    return format_datetime(EPOCH + timedelta(seconds=generation), usegmt=True)


@contextmanager
def serving(store: StandIn) -> Iterator[None]:
    """The stand-in at an address of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = store.answered(Asked(path=parts.path, query=query, headers=headers, body=body))
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def do_POST(self) -> None:
            self.do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()
