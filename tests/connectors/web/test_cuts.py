"""Answers that are slow, broken or cut."""

import gzip
import time
from collections.abc import Callable

import pytest

from connectors.web.addresses import Deadline
from policies.errors import DependencyError
from tests.connectors.web.server import TAKEN, Answer, Handler, Web
from tests.patience import patient


class Hasty(Deadline):
    """A tenth of a second for what else has half a minute."""

    def start(self, seconds: float) -> None:
        super().start(min(seconds, 0.1))


def slow_head(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"a")
        time.sleep(0.02)


def slow_body(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        handler.wfile.write(b"a")
        time.sleep(0.02)


def silence(handler: Handler) -> None:
    handler.rfile.read(1)


def informations(handler: Handler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.01)


@pytest.mark.parametrize("act", [slow_head, slow_body, silence, informations])
def test_a_byte_now_and_then_does_not_prolong_a_page(web: Web, act: Callable[[Handler], None]) -> None:
    web.pages["/a.txt"] = act
    with patient():
        assert web.fetched("/a.txt", max_bytes=10**6, deadline=Hasty()) == "unreadable"


def big_head(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10**6 + b"\r\nContent-Length: 0\r\n\r\n")


def endless_head(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X: a\r\n" * 1000)


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")


def half_a_page(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<a href=/b>")


def half_a_chunk(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n<a hr")


def half_a_gzip(handler: Handler) -> None:
    body = gzip.compress(b"<a href=/b>" * 100)[:-5]
    length = f"Content-Length: {len(body)}\r\n\r\n".encode()
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n" + length + body)


def two_lengths(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")


def nothing_at_all(handler: Handler) -> None:
    assert handler.command == "GET"


BROKEN = [
    big_head,
    endless_head,
    no_http,
    half_a_page,
    half_a_chunk,
    half_a_gzip,
    two_lengths,
    nothing_at_all,
]


@pytest.mark.parametrize("act", BROKEN)
def test_an_answer_that_is_broken_or_cut_is_never_a_page_and_never_a_delete(
    web: Web, act: Callable[[Handler], None]
) -> None:
    web.html("/", "/page", "/whole")
    web.html("/whole")
    web.pages["/page"] = act
    assert web.told() == {"": "incomplete", "/": TAKEN, "/page": "unreadable", "/whole": TAKEN}
    assert web.fetched("/page", max_bytes=10**6) == "unreadable"
    web.pages["/"] = act
    with pytest.raises(DependencyError):
        web.told()


def test_a_site_that_cuts_once_is_asked_again(web: Web) -> None:
    web.html("/")
    whole = web.pages["/"]
    assert isinstance(whole, Answer)
    web.pages["/"] = [half_a_page, whole]
    assert web.told() == {"": "complete", "/": TAKEN}
