import json
import socket
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("gcsfs", reason="pip install 'penstock[gcs]'")

import fsspec.config
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from policies.errors import DependencyError, QuarantineError, RefusedError
from tests.connectors.conformance import ConnectorConformance, Origin
from tests.connectors.objectstore.standin import Google, serving


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def store(private_key: str, tmp_path: Path) -> Iterator[Google]:
    google = Google(tmp_path)
    with serving(google):
        key = {
            "type": "service_account",
            "client_email": "reader@northwind.example",
            "private_key": private_key,
            "token_uri": f"{google.url}/token",
        }
        (tmp_path / "key.json").write_text(json.dumps(key))
        google.options = {"key": {"file": "key.json"}}
        yield google


class TestGcsConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, store: Google) -> Origin:
        return store


def test_a_proxy_and_a_login_of_the_machine_are_not_used(
    store: Google, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.put("a.txt", b"one")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login of-the-machine password s3cret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert list(store.documents()) == ["a.txt"]
    tokens = [asked for asked in store.asked if asked.path == "/token"]
    assert tokens
    assert not any("authorization" in asked.headers for asked in tokens)


def test_keys_are_mere_characters_and_times_the_stores_own(store: Google) -> None:
    keys = ["a", "a/", "a//b", "a/../b", "e\u0301", "\u00e9", "%41+ &?#", "b.txt"]
    for key in keys:
        store.put(key, key.encode())
    documents = store.documents()
    assert sorted(documents) == sorted(keys)
    docs = store.connector()
    assert {key: docs.fetch(document, max_bytes=100).decode() for key, document in documents.items()} == {
        key: key for key in keys
    }
    assert documents["b.txt"].stamp == "8"
    assert documents["b.txt"].created == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert documents["b.txt"].modified == datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)


def test_an_object_that_changed_went_or_grew_is_skipped(store: Google) -> None:
    for then, reason in (((9, b"two"), "changed"), (None, "gone"), ((1, b"x" * 101), "too_large")):
        store.objects = {"jane.txt": (1, b"one")}
        document = store.documents()["jane.txt"]
        store.objects = {"jane.txt": then} if then else {}
        with pytest.raises(QuarantineError) as refusal:
            store.connector().fetch(document, max_bytes=100)
        assert refusal.value.reason == reason
        assert "jane" not in "".join(traceback.format_exception(refusal.value))


def test_what_may_pass_is_tried_four_times_and_no_more(store: Google) -> None:
    docs = store.connector()
    list(docs.list(None))
    store.asked.clear()
    store.fail(503)
    with pytest.raises(DependencyError):
        list(docs.list(None))
    assert (len(store.asked), len(store.waits)) == (4, 3)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404])
def test_what_cannot_pass_stops_the_run(store: Google, status: int) -> None:
    store.put("a.txt", b"one")
    document = store.documents()["a.txt"]
    docs = store.connector()
    store.fail(status, Location=f"{store.url}/elsewhere")
    for call in (lambda: list(docs.list(None)), lambda: docs.fetch(document, max_bytes=100)):
        with pytest.raises(RefusedError):
            call()
    assert store.waits == []
    assert not any(asked.path == "/elsewhere" for asked in store.asked)


@pytest.mark.parametrize(
    "listing",
    ["[]", '{"error": "x"}', '{"kind": "x"}', '{"kind": "storage#objects", "items": [{"name": "a"}]}', "7", "<html>"],
)
def test_an_answer_that_is_no_listing_is_no_empty_bucket(store: Google, listing: str) -> None:
    store.listing = listing.encode()
    with pytest.raises(DependencyError):
        store.documents()


def test_a_service_account_asks_for_a_token_to_read_and_no_more(store: Google) -> None:
    assert store.documents() == {}
    (claims,) = store.claims
    assert (claims["iss"], claims["scope"]) == (
        "reader@northwind.example",
        "https://www.googleapis.com/auth/devstorage.read_only",
    )


def test_a_key_that_was_revoked_stops_the_run(store: Google) -> None:
    store.token_status = 400
    with pytest.raises(RefusedError, match="refuses the credentials"):
        store.documents()
    assert store.waits == []


@pytest.mark.parametrize(
    "key",
    [
        "not json",
        "[]",
        '{"type": "service_account"}',
        '{"type": "external_account", "credential_source": {"executable": {"command": "true"}}}',
        '{"type": "authorized_user", "client_id": "x", "client_secret": "x", "refresh_token": "x"}',
    ],
)
def test_only_the_key_of_a_service_account_is_taken(store: Google, key: str) -> None:
    (store.base / "key.json").write_text(key)
    with pytest.raises(RefusedError, match="service account") as refusal:
        store.connector()
    assert key not in "".join(traceback.format_exception(refusal.value))


def test_what_the_machine_offers_is_used_where_the_manifest_says_so_and_nowhere_else(
    store: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(store.base / "key.json"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "google_default", "endpoint_url": "http://127.0.0.1:1"})
    with pytest.raises(RefusedError):
        store.documents(key=None, anonymous="true")
    assert store.claims == []
    assert store.documents(key=None, ambient_credentials="true") == {}


def test_a_machine_that_offers_nothing_is_refused(store: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(store.base / "missing.json"))
    with pytest.raises(RefusedError, match="no credentials"):
        store.documents(key=None, ambient_credentials="true")


def test_a_store_that_is_not_there_is_a_dependency_that_fails(store: Google) -> None:
    with pytest.raises(DependencyError):
        store.documents(key=None, anonymous="true", endpoint="http://127.0.0.1:1")


def test_an_emulator_by_others_reads_the_protocol_as_we_do(store: Google) -> None:
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="pip install gcp-storage-emulator")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    with emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="docs"):
        for name in ("hr/a b.txt", "hr/é?.txt", "it.txt"):
            path = f"/upload/storage/v1/b/docs/o?uploadType=media&name={quote(name, safe='')}"
            urlopen(Request(f"{endpoint}{path}", data=name.encode(), method="POST")).close()  # noqa: S310 - to ourselves
        options = {"endpoint": endpoint, "key": None, "anonymous": "true", "url": "gs://docs/hr"}
        documents = store.documents(**options)
        docs = store.connector(**options)
        assert {name: docs.fetch(document, max_bytes=100).decode() for name, document in documents.items()} == {
            "a b.txt": "hr/a b.txt",
            "é?.txt": "hr/é?.txt",
        }
        with pytest.raises(RefusedError):
            store.documents(**options | {"url": "gs://no-such-bucket"})
