import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from gateway import app as app_module
from gateway.app import server
from tests.gateway.fakes import FakeGateway, app_over
from tests.patience import patient

BODY = json.dumps({"query": "leave", "purpose": "employee-support"}).encode()
HEAD = b"POST /v1/retrieve HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\n"


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(app_module, "HEADER_TIMEOUT_S", 0.5)
    served = server(app_over(FakeGateway()), host="127.0.0.1", port=0)
    thread = threading.Thread(target=served.run)
    thread.start()
    yield _bound(served)
    served.should_exit = True
    thread.join(20)


def _bound(served: uvicorn.Server) -> tuple[str, int]:
    while not served.started:
        time.sleep(0.01)
    host, port = served.servers[0].sockets[0].getsockname()
    return str(host), int(port)


def exchange(address: tuple[str, int], *parts: bytes) -> bytes:
    """Everything the server says until it closes the connection."""
    with socket.create_connection(address, timeout=10) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except ConnectionError:
            pass  # refused before all was sent, which the answer must say
        said = b""
        while chunk := connection.recv(65_536):
            said += chunk
        return said


def test_a_request_is_answered_without_naming_the_software(address: tuple[str, int]) -> None:
    said = exchange(address, HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY), BODY)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"uvicorn" not in said


def test_a_connection_outlives_an_answer(address: tuple[str, int]) -> None:
    request = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    assert exchange(address, request + request).count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize("start", [b"", HEAD, HEAD + b"X: "])
def test_headers_that_do_not_arrive_close_the_connection(address: tuple[str, int], start: bytes) -> None:
    with patient():
        assert exchange(address, start) == b""


def test_headers_that_trickle_close_the_connection(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(HEAD)
        with pytest.raises(ConnectionError):
            _trickle(connection)


def _trickle(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(b"X: y\r\n")
        time.sleep(0.05)


def test_a_second_request_whose_headers_trickle_closes_the_connection(address: tuple[str, int]) -> None:
    request = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    assert exchange(address, request + b"POST /v1").count(b"HTTP/1.1") == 1


def test_headers_without_end_are_refused(address: tuple[str, int]) -> None:
    assert exchange(address, HEAD + b"X: " + b"y" * 100_000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 2621440\r\n\r\n", [b" " * 65_536] * 40),
        (b"Transfer-Encoding: chunked\r\n\r\n", [b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 40 + [b"0\r\n\r\n"]),
        (b"Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n", []),
    ],
)
def test_a_huge_body_is_refused_and_the_connection_closed(
    address: tuple[str, int], framing: bytes, body: list[bytes]
) -> None:
    said = exchange(address, HEAD + framing, *body)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    ],
)
def test_ambiguous_framing_is_refused(address: tuple[str, int], framing: bytes) -> None:
    said = exchange(address, HEAD + framing + b"{}")
    assert said.split(b" ", 2)[1] in {b"400", b"501"}
    assert said.count(b"HTTP/1.1") == 1
