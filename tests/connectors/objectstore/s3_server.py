"""A bucket on a real server of the S3 protocol (moto), which also fails as stores do where a test asks for it."""

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import S3Backend, s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

from connectors.base import Change, Finished, Refused, SourceDocument, Upsert
from connectors.objectstore import ObjectStoreConnector
from connectors.secrets import Secrets

SECRET = "correct-horse-battery"
Answer = Iterable[bytes]
Fault = Callable[[WSGIApplication, WSGIEnvironment, StartResponse], Answer]
"""Answers a request in the server's place, with or without its help."""


@dataclass
class Server:
    """The server, what it was asked, and the fault that every request runs into."""

    url: str = ""
    fault: Fault | None = None
    asked: list[WSGIEnvironment] = field(default_factory=list)

    def wrapped(self, application: WSGIApplication) -> WSGIApplication:
        def answer(environment: WSGIEnvironment, start: StartResponse) -> Answer:
            self.asked.append(environment)
            return self.fault(application, environment, start) if self.fault else application(environment, start)

        return answer

    def check_credentials(self, *, on: bool) -> None:
        """Have the server refuse whom its IAM does not know, which it does not by itself."""
        request = Request(  # noqa: S310 - to ourselves
            f"{self.url}/moto-api/reset-auth", data=b"0" if on else b"inf", headers={"Content-Type": "text/plain"}
        )
        urlopen(request).close()  # noqa: S310


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401
        pass


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    application = server.wrapped(DomainDispatcherApplication(create_backend_app))
    listener = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    server.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield server
    listener.shutdown()
    thread.join()
    listener.server_close()


class Bucket:
    """A bucket as an origin. What is put into it goes past the wire, which is not what is tested."""

    secret = SECRET

    def __init__(self, server: Server, base: Path) -> None:
        self.server = server
        self.base = base
        self.name = f"b-{uuid.uuid4().hex}"
        self.waits: list[float] = []
        self.made: dict[str, ObjectStoreConnector] = {}
        """By options: connectors share a store, in which anything that it kept would show. To make one takes long."""
        self.environment = {"KEY": "AKIAEXAMPLE", "SECRET": SECRET}
        self.backend.create_bucket(self.name, "us-east-1")
        server.fault = None
        server.asked.clear()

    @property
    def backend(self) -> S3Backend:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    def connector(self, **options: object) -> ObjectStoreConnector:
        given = {
            "url": f"s3://{self.name}",
            "include": ["**"],
            "endpoint": self.server.url,
            "region": "us-east-1",
            "key": {"env": "KEY"},
            "secret": {"env": "SECRET"},
            **options,
        }
        key = repr((given, self.environment))
        if key not in self.made:
            self.made[key] = ObjectStoreConnector.from_options(
                {key: value for key, value in given.items() if value is not None},
                secrets=Secrets(environment=self.environment, base=self.base),
            )
        return replace(self.made[key], sleep=self.waits.append)

    def put(self, name: str, content: bytes, **about: Any) -> None:  # noqa: ANN401 - as moto has it
        self.backend.put_object(self.name, name, content, **about)

    def rename(self, name: str, new_name: str) -> None:
        found = self.backend.get_object(self.name, name)
        assert found
        self.put(new_name, found.value)
        self.delete(name)

    def delete(self, name: str) -> None:
        self.backend.delete_object(self.name, name)

    def break_off(self) -> None:
        self.server.fault = answered("403 Forbidden", error("InvalidAccessKeyId"))

    def cut_off(self) -> None:
        self.server.fault = half

    def throttle(self, times: int, retry_after_s: float) -> None:
        left = iter(range(times))
        busy = answered("503 Slow Down", error("SlowDown"), ("Retry-After", f"{retry_after_s:.0f}"))
        self.server.fault = lambda *asked: busy(*asked) if next(left, None) is not None else asked[0](*asked[1:])

    def changes(self, **options: object) -> list[Change]:
        *changes, _ = self.connector(**options).list(None)
        return [change for change in changes if not isinstance(change, Finished)]

    def documents(self, **options: object) -> dict[str, SourceDocument]:
        """By origin id."""
        found = [change.document for change in self.changes(**options) if isinstance(change, Upsert)]
        return {document.origin_id: document for document in found}

    def refusals(self, **options: object) -> list[tuple[str, str]]:
        return [(change.origin_id, change.reason) for change in self.changes(**options) if isinstance(change, Refused)]


def error(code: str) -> bytes:
    """The body of an error."""
    return f"<Error><Code>{code}</Code><Message>about private/jane.txt</Message></Error>".encode()


def answered(status: str, body: bytes, *headers: tuple[str, str]) -> Fault:
    """The same answer whatever is asked."""

    def fault(_: WSGIApplication, __: WSGIEnvironment, start: StartResponse) -> Answer:
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body))), *headers])
        return [body]

    return fault


def half(application: WSGIApplication, environment: WSGIEnvironment, start: StartResponse) -> Answer:
    """The first half of the true answer, under the length of the whole, and then the end of the connection."""
    body = b"".join(application(environment, start))
    return [body[: len(body) // 2]]
