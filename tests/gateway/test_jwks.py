import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from gateway import jwks
from gateway.jwks import FetchedKeys, FileKeys, fetch_https, parse
from gateway.settings import HttpsAddress
from policies.errors import DependencyError
from tests.gateway.certificates import certified
from tests.gateway.issuing import NOW, key_set, private_jwk, public_jwk

ADDRESS = HttpsAddress("https://login.example/jwks")
FIRST, SECOND = (key_set(public_jwk("EdDSA", number=number, kid=f"k{number}")) for number in (1, 2))


class Origin:
    """Serves what it is told to, or fails, and counts."""

    def __init__(self, served: bytes | Exception) -> None:
        self.served = served
        self.asked: list[HttpsAddress] = []

    def __call__(self, address: HttpsAddress) -> bytes:
        self.asked.append(address)
        if isinstance(self.served, Exception):
            raise self.served
        return self.served


def kids(keys: FetchedKeys | FileKeys, after: timedelta = timedelta(0), kid: object = None) -> list[str | None]:
    return [key.kid for key in keys.keys(NOW + after, kid)]


def test_keys_are_fetched_once_in_ten_minutes() -> None:
    origin = Origin(FIRST)
    keys = FetchedKeys(ADDRESS, origin)
    assert kids(keys) == kids(keys, timedelta(minutes=9, seconds=59)) == ["k1"]
    assert origin.asked == [ADDRESS]
    origin.served = SECOND
    assert kids(keys, timedelta(minutes=10)) == ["k2"]


def test_an_outage_is_bridged_for_a_day_and_then_denies() -> None:
    origin = Origin(FIRST)
    keys = FetchedKeys(ADDRESS, origin)
    kids(keys)
    origin.served = OSError("away")
    assert kids(keys, timedelta(hours=23, minutes=59)) == ["k1"]
    with pytest.raises(DependencyError):
        kids(keys, timedelta(hours=24))
    origin.served = SECOND
    assert kids(keys, timedelta(hours=24, seconds=30)) == ["k2"]


@pytest.mark.parametrize(
    "served", [b"", b"{}", b"not json", b"[" * 100_000, key_set(), OSError("away"), http.client.BadStatusLine("x")]
)
def test_without_keys_there_is_an_error_to_retry(served: bytes | Exception) -> None:
    with pytest.raises(DependencyError, match="cannot be had"):
        kids(FetchedKeys(ADDRESS, Origin(served)))


def test_a_broken_answer_does_not_replace_good_keys() -> None:
    origin = Origin(FIRST)
    keys = FetchedKeys(ADDRESS, origin)
    kids(keys)
    origin.served = b"<html>maintenance</html>"
    assert kids(keys, timedelta(hours=1)) == ["k1"]


def test_an_unknown_key_id_asks_again_but_not_in_a_flood() -> None:
    origin = Origin(FIRST)
    keys = FetchedKeys(ADDRESS, origin)
    kids(keys)
    origin.served = SECOND
    for second in range(30):
        assert kids(keys, timedelta(seconds=second), f"invented-{second}") == ["k1"]
    assert kids(keys, timedelta(seconds=30), "k2") == ["k2"]
    assert len(origin.asked) == 2


def test_an_outage_is_not_hammered() -> None:
    origin = Origin(OSError("away"))
    keys = FetchedKeys(ADDRESS, origin)
    for second in range(31):
        with pytest.raises(DependencyError):
            kids(keys, timedelta(seconds=second))
    assert len(origin.asked) == 2


def test_a_clock_set_back_makes_keys_neither_fresh_nor_lost() -> None:
    origin = Origin(FIRST)
    keys = FetchedKeys(ADDRESS, origin)
    kids(keys)
    assert kids(keys, timedelta(hours=-2)) == ["k1"]
    assert len(origin.asked) == 2


def test_nobody_waits_for_a_fetch_while_there_are_keys() -> None:
    entered, gate = threading.Event(), threading.Event()

    def slow(_: HttpsAddress) -> bytes:
        if not first:
            entered.set()
            gate.wait(60)
        first.clear()
        return FIRST

    first = [True]
    keys = FetchedKeys(ADDRESS, slow)
    kids(keys)
    refresher = threading.Thread(target=kids, args=(keys, timedelta(hours=1)))
    refresher.start()
    assert entered.wait(60)
    assert kids(keys, timedelta(hours=1)) == ["k1"]
    assert refresher.is_alive()
    gate.set()
    refresher.join(10)


def test_the_first_fetch_of_another_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_S", 0.1)
    entered, gate = threading.Event(), threading.Event()

    def hanging(_: HttpsAddress) -> bytes:
        entered.set()
        gate.wait(10)
        return FIRST

    keys = FetchedKeys(ADDRESS, hanging)
    first = threading.Thread(target=kids, args=(keys,))
    first.start()
    assert entered.wait(60)
    with pytest.raises(DependencyError):
        kids(keys)
    assert first.is_alive()
    gate.set()
    first.join(10)
    assert kids(keys) == ["k1"]


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(FIRST)
    keys = FileKeys(path)
    before = keys.keys(NOW, None)
    assert keys.keys(NOW, None) is before
    replacement = tmp_path / "new"
    replacement.write_bytes(SECOND)
    os.utime(replacement, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    replacement.rename(path)
    assert kids(keys) == ["k2"]


def _remove(path: Path) -> None:
    path.unlink()


def _break(path: Path) -> None:
    path.write_bytes(b"{")


@pytest.mark.parametrize("spoil", [_remove, _break])
def test_a_file_that_is_gone_or_broken_denies(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(FIRST)
    keys = FileKeys(path)
    keys.keys(NOW, None)
    spoil(path)
    for _ in range(2):
        with pytest.raises(DependencyError):
            keys.keys(NOW, None)


def test_each_kind_of_key_has_its_one_algorithm() -> None:
    text = key_set(*(public_jwk(name, kid=name, use="sig") for name in ("RS256", "ES256", "EdDSA")))
    assert [(key.kid, key.algorithm) for key in parse(text)] == [
        ("RS256", "RS256"),
        ("ES256", "ES256"),
        ("EdDSA", "EdDSA"),
    ]


@pytest.mark.parametrize(
    "passed_over",
    [
        {"kty": "EC", "crv": "P-384"},
        {"kty": "OKP", "crv": "Ed448"},
        {"kty": "unheard-of"},
        {},
        public_jwk("RS256", alg="RS512"),
        public_jwk("RS256", alg="HS256"),
        public_jwk("RS256", alg=None),
        public_jwk("RS256", use="enc"),
        public_jwk("RS256", key_ops=["encrypt"]),
        public_jwk("weak RS256"),
    ],
)
def test_keys_of_no_use_are_passed_over(passed_over: dict[str, object]) -> None:
    good = public_jwk("EdDSA", kid="good")
    assert [key.kid for key in parse(key_set(passed_over, good))] == ["good"]
    with pytest.raises(ValueError, match="no usable key"):
        parse(key_set(passed_over))


@pytest.mark.parametrize(
    "poison",
    [
        private_jwk("EdDSA"),
        {"kty": "oct", "k": "c2VjcmV0"},
        public_jwk("EdDSA", kid=5),
        public_jwk("EdDSA", key_ops=5),
        public_jwk("EdDSA", x="AAAA"),
        public_jwk("EdDSA", x=5),
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "RSA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    ],
)
def test_private_or_broken_keys_spoil_the_set(poison: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"private|malformed"):
        parse(key_set(public_jwk("EdDSA", kid="good"), poison))


def test_an_address_that_answers_nothing_is_an_os_error() -> None:
    with pytest.raises(OSError, match=r".*"):
        fetch_https(HttpsAddress("https://127.0.0.1:1/jwks"))


@contextmanager
def issuer(
    folder: Path, said: bytes, *, pause_s: float = 0.0, trusted: bool = True
) -> Iterator[tuple[HttpsAddress, list[bytes]]]:
    """Answers one request over TLS, with a pause behind each byte; its address, and what it heard."""
    certificate, tls = certified(folder)
    heard: list[bytes] = []

    def answer() -> None:
        with suppress(OSError):  # the client went away, or never came
            connection, _ = listener.accept()
            with tls.wrap_socket(connection, server_side=True) as secured:
                heard.append(secured.recv(65_536))
                for place in range(len(said)):
                    secured.sendall(said[place : place + 1])
                    time.sleep(pause_s)

    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.MonkeyPatch.context() as patch:
        if trusted:
            patch.setenv("SSL_CERT_FILE", str(certificate))
        listener.settimeout(60)
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield HttpsAddress(f"https://localhost:{listener.getsockname()[1]}/jwks?v=2"), heard
        thread.join(20)


def test_a_key_set_is_fetched_from_where_it_was_said_to_be(tmp_path: Path) -> None:
    with issuer(tmp_path, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(FIRST), FIRST)) as (address, heard):
        assert fetch_https(address) == FIRST
    assert heard[0].startswith(b"GET /jwks?v=2 HTTP/1.1\r\nHost: localhost:")


def test_an_issuer_that_is_not_the_one_named_hears_nothing(tmp_path: Path) -> None:
    with issuer(tmp_path, b"", trusted=False) as (address, heard), pytest.raises(ssl.SSLCertVerificationError):
        fetch_https(address)
    assert heard == []


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200, b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200])
def test_the_time_is_for_the_whole_key_set_however_slowly_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_S", 0.5)
    with issuer(tmp_path, said, pause_s=0.02) as (address, _), pytest.raises(TimeoutError):
        fetch_https(address)


def test_an_address_that_swallows_everything_leaves_the_next_its_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def swallowing(address: tuple[str, int], timeout: float) -> socket.socket:
        waited.append(timeout)
        if address[0] == "192.0.2.1":
            raise TimeoutError
        connection = socket.socket()
        connection.settimeout(timeout)
        connection.connect(address)
        return connection

    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, 0)) for name in ("192.0.2.1", "127.0.0.1")]
    with issuer(tmp_path, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(FIRST), FIRST)) as (address, _):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        monkeypatch.setattr(socket, "create_connection", swallowing)
        assert fetch_https(address) == FIRST
    assert waited[0] == pytest.approx(jwks.FETCH_TIMEOUT_S / 2, abs=0.5)
