import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("adlfs", reason="pip install 'penstock[azure]'")

from policies.errors import DependencyError, QuarantineError, RefusedError
from tests.connectors.conformance import ConnectorConformance, Origin
from tests.connectors.objectstore.standin import EPOCH, Azure, serving


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Azure]:
    azure = Azure(tmp_path)
    with serving(azure):
        yield azure


class TestAzureConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, store: Azure) -> Origin:
        return store


def test_keys_are_mere_characters_and_times_the_stores_own(store: Azure) -> None:
    keys = ["a", "a/", "a//b", "e\u0301", "\u00e9", "%41+ &?#", "b.txt"]
    for key in keys:
        store.put(key, key.encode())
    documents = store.documents()
    assert sorted(documents) == sorted(keys)
    docs = store.connector()
    assert {key: docs.fetch(document, max_bytes=100).decode() for key, document in documents.items()} == {
        key: key for key in keys
    }
    assert documents["b.txt"].created == EPOCH
    assert documents["b.txt"].modified == EPOCH + timedelta(seconds=7)


def test_folders_of_hierarchical_names_are_no_documents(store: Azure) -> None:
    for name, content in (("hr", b""), ("hr/a.txt", b"x"), ("it", b"bytes")):
        store.put(name, content)
        store.metadata[name] = "<Hdi_isfolder>true</Hdi_isfolder>"
    assert list(store.documents()) == ["hr/a.txt", "it"]


def test_a_blob_that_changed_went_grew_or_is_archived_is_skipped(store: Azure) -> None:
    for then, reason in (
        ((9, b"two"), "changed"),
        (None, "gone"),
        ((1, b"x" * 101), "too_large"),
        ((1, b"one"), "unreadable"),
    ):
        store.objects = {"jane.txt": (1, b"one")}
        document = store.documents()["jane.txt"]
        store.objects = {"jane.txt": then} if then else {}
        store.archived = {"jane.txt"} if reason == "unreadable" else set()
        with pytest.raises(QuarantineError) as refusal:
            store.connector().fetch(document, max_bytes=100)
        assert refusal.value.reason == reason
        assert "jane" not in "".join(traceback.format_exception(refusal.value))


def test_what_may_pass_is_tried_four_times_and_no_more(store: Azure) -> None:
    docs = store.connector()
    list(docs.list(None))
    store.asked.clear()
    store.fail(503)
    with pytest.raises(DependencyError):
        list(docs.list(None))
    assert (len(store.asked), len(store.waits)) == (4, 3)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404])
def test_what_cannot_pass_stops_the_run(store: Azure, status: int) -> None:
    store.put("a.txt", b"one")
    document = store.documents()["a.txt"]
    store.fail(status, Location=f"{store.url}/elsewhere")
    docs = store.connector()
    for call in (lambda: list(docs.list(None)), lambda: docs.fetch(document, max_bytes=100)):
        with pytest.raises(RefusedError):
            call()
    assert store.waits == []
    assert not any(asked.path == "/elsewhere" for asked in store.asked)


@pytest.mark.parametrize("listing", [b" ", b"<html><body>Please log in</body></html>", b"<p>Please log in", b"{}"])
def test_an_answer_that_is_no_listing_is_no_empty_container(store: Azure, listing: bytes) -> None:
    store.listing = listing
    with pytest.raises(DependencyError):
        store.documents()


def test_what_the_machine_offers_is_not_used(store: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a.txt", b"one")
    elsewhere = "BlobEndpoint=http://127.0.0.1:1/;AccountName=x;AccountKey=eA=="
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", elsewhere)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "x")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", store.secret)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sig=x")
    monkeypatch.setenv("AZURE_STORAGE_CLIENT_ID", "x")
    assert list(store.documents()) == ["a.txt"]
    with pytest.raises(RefusedError):
        store.documents(key=None, anonymous="true")
    assert "authorization" not in store.asked[-1].headers


def test_a_proxy_and_a_login_of_the_machine_are_not_used(
    store: Azure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.put("a.txt", b"one")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login of-the-machine password s3cret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert list(store.documents()) == ["a.txt"]
    assert store.asked[-1].headers["authorization"].startswith("SharedKey ")


def test_a_shared_access_signature_goes_along(store: Azure) -> None:
    store.environment["SAS"] = "?sv=2026-01-01&sig=x%3D"
    with pytest.raises(RefusedError):
        store.documents(key=None, token={"env": "SAS"})
    assert store.asked[-1].query["sig"] == "x="
    assert "authorization" not in store.asked[-1].headers


def test_a_machine_that_offers_nothing_is_refused(store: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(RefusedError):
        store.documents(key=None, ambient_credentials="true")


def test_a_store_that_is_not_there_is_a_dependency_that_fails(store: Azure) -> None:
    with pytest.raises(DependencyError):
        store.documents(endpoint="http://127.0.0.1:1")
