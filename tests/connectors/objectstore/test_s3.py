import gc
import json
import re
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest

from tests.patience import comes_true, patient

pytest.importorskip("s3fs", reason="pip install 'penstock[s3]'")
pytest.importorskip("moto", reason="a server of the S3 protocol: pip install 'moto[s3]' flask flask-cors")

import fsspec.config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

from connectors.base import SourceDocument, Upsert
from connectors.objectstore import ObjectStoreConnector
from policies.errors import DependencyError, QuarantineError, RefusedError
from tests.connectors.conformance import ConnectorConformance, Origin
from tests.connectors.objectstore.s3_server import Answer, Bucket, Fault, Server, answered, error, half, serving

BOMB = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%s;" % (b"%d" % (n - 1) if n else b"") * 10) for n in range(9))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def bucket(server: Server, tmp_path: Path) -> Bucket:
    return Bucket(server, tmp_path)


class TestS3Conforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, bucket: Bucket) -> Origin:
        return bucket


def fetched(bucket: Bucket, document: SourceDocument, max_bytes: int = 1000, **options: object) -> str:
    """The reason why a document is not fetched, or its text."""
    try:
        return bucket.connector(**options).fetch(document, max_bytes=max_bytes).decode()
    except QuarantineError as refusal:
        return refusal.reason


def listed_one(bucket: Bucket) -> tuple[ObjectStoreConnector, SourceDocument]:
    """A connector, and the one document that it listed."""
    bucket.put("a.txt", b"x")
    connector = bucket.connector()
    change, _ = connector.list(None)
    assert isinstance(change, Upsert)
    return connector, change.document


def test_keys_are_mere_characters(bucket: Bucket) -> None:
    keys = ["/a", "a", "a/", "a//b", "a/../b", "a/./c", "../d", "e\u0301", "\u00e9", "x\x01y", "%41+ &?#", "f/g/"]
    for key in keys:
        bucket.put(key, key.encode())
    documents = bucket.documents()
    assert sorted(documents) == sorted(keys)
    connector = bucket.connector()
    assert {key: connector.fetch(document, max_bytes=99).decode() for key, document in documents.items()} == {
        key: key for key in keys
    }
    assert documents["f/g/"].name == "g"
    assert documents["a/../b"].uri == f"s3://{bucket.name}/a/../b"


def test_the_folders_of_a_console_are_no_documents(bucket: Bucket) -> None:
    for key in ("hr/", "hr/empty/", "hr/a.txt"):
        bucket.put(key, b"" if key.endswith("/") else b"x")
    assert list(bucket.documents()) == ["hr/a.txt"]
    assert list(bucket.documents(url=f"s3://{bucket.name}/hr")) == ["a.txt"]


def test_an_object_that_is_called_as_the_prefix_itself_is_refused_and_told(bucket: Bucket) -> None:
    bucket.put("hr/", b"bytes")
    assert bucket.refusals(url=f"s3://{bucket.name}/hr/") == [("", "bad_name")]


def test_a_prefix_is_a_folder_and_ids_start_behind_it(bucket: Bucket) -> None:
    for key in ("hr/a.txt", "hr/b/c.txt", "hr", "hr2/d.txt", "e.txt"):
        bucket.put(key, key.encode())
    documents = bucket.documents(url=f"s3://{bucket.name}/hr")
    assert list(documents) == ["a.txt", "b/c.txt"]
    assert documents["b/c.txt"].uri == f"s3://{bucket.name}/hr/b/c.txt"
    assert fetched(bucket, documents["b/c.txt"], url=f"s3://{bucket.name}/hr/") == "hr/b/c.txt"


def test_include_exclude_and_dots_choose_as_in_a_folder(bucket: Bucket) -> None:
    for key in ("a.md", "b.txt", "x/c.md", "private/f.md", ".git/g.md", "x/.h.md"):
        bucket.put(key, b"x")
    assert list(bucket.documents(include=["**/*.md"], exclude=["private/**"])) == ["a.md", "x/c.md"]
    assert list(bucket.documents(include=["**/*.md", ".git/**"], exclude=["private/**"])) == [
        ".git/g.md", "a.md", "x/c.md",
    ]  # fmt: skip


def test_links_begin_as_the_manifest_says(bucket: Bucket) -> None:
    bucket.put("é/a b?.md", b"x")
    (document,) = bucket.documents(uri_prefix="https://intranet.example/hr/").values()
    assert document.uri == "https://intranet.example/hr/%C3%A9/a%20b%3F.md"


def test_2500_keys_take_three_pages(bucket: Bucket) -> None:
    for number in range(2500):
        bucket.put(f"{number:04}.txt", b"x")
    assert len(bucket.changes()) == 2500
    assert [environment["REQUEST_METHOD"] for environment in bucket.server.asked] == ["GET"] * 3


def test_no_listing_is_kept(bucket: Bucket) -> None:
    connector = bucket.connector()
    for key in ("a.txt", "b.txt"):
        bucket.put(key, b"x")
        *changes, _ = connector.list(None)
        assert changes == bucket.changes()


def test_half_a_page_is_asked_for_again(bucket: Bucket) -> None:
    bucket.put("a.txt", b"x")
    bucket.server.fault = once(half)
    assert list(bucket.documents()) == ["a.txt"]
    assert len(bucket.waits) == 1


def test_half_a_page_again_and_again_ends_the_listing(bucket: Bucket) -> None:
    bucket.put("a.txt", b"x")
    bucket.server.fault = half
    seen: list[object] = []
    with pytest.raises(DependencyError):
        seen.extend(bucket.connector().list(None))
    assert seen == []
    assert len(bucket.waits) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Please log in</body></html>",
        b"<!doctype html><p>Please log in",
        b"{}",
        b"<ListBucketResult/>",
        b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated>" + b" " * 17 * 2**20 + b"</ListBucketResult>",
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + BOMB + b"]><ListBucketResult>&a8;</ListBucketResult>",
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_an_answer_that_is_no_listing_is_no_empty_bucket(bucket: Bucket, body: bytes) -> None:
    bucket.server.fault = answered("200 OK", body)
    with pytest.raises((DependencyError, RefusedError)):
        bucket.changes()


def test_a_listing_without_an_end_ends(bucket: Bucket) -> None:
    bucket.server.fault = answered(
        "200 OK",
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
        b"</ListBucketResult>",
    )
    with pytest.raises(DependencyError, match="no end"):
        bucket.changes()


def test_keys_outside_the_prefix_are_not_taken(bucket: Bucket) -> None:
    bucket.server.fault = answered(
        "200 OK",
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>secret.txt</Key><Size>1</Size>"
        b"<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>",
    )
    with pytest.raises(RefusedError, match="not asked for"):
        bucket.changes(url=f"s3://{bucket.name}/hr/")


def test_throttling_is_waited_for_as_long_as_it_asks(bucket: Bucket) -> None:
    bucket.put("a.txt", b"x")
    bucket.throttle(2, 7)
    assert list(bucket.documents()) == ["a.txt"]
    assert bucket.waits == [7.0, 7.0]
    assert len(bucket.server.asked) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("503 Slow Down", "SlowDown"),
        ("429 Too Many Requests", "TooManyRequests"),
        ("500 Internal Server Error", "InternalError"),
        ("400 Bad Request", "RequestTimeout"),
        ("502 Bad Gateway", ""),
    ],
)
def test_what_may_pass_is_tried_again_and_then_left(bucket: Bucket, status: str, code: str) -> None:
    connector, document = listed_one(bucket)
    bucket.server.fault = answered(status, error(code))
    bucket.server.asked.clear()
    with pytest.raises(DependencyError):
        connector.fetch(document, max_bytes=10)
    assert (len(bucket.server.asked), len(bucket.waits)) == (4, 3)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("403 Forbidden", "AccessDenied"),
        ("403 Forbidden", "InvalidAccessKeyId"),
        ("403 Forbidden", "SignatureDoesNotMatch"),
        ("400 Bad Request", "ExpiredToken"),
        ("401 Unauthorized", ""),
        ("404 Not Found", "NoSuchBucket"),
        ("404 Not Found", ""),
        ("301 Moved Permanently", "PermanentRedirect"),
    ],
)
def test_what_cannot_pass_stops_the_run_and_names_nobody(bucket: Bucket, status: str, code: str) -> None:
    connector, document = listed_one(bucket)
    bucket.server.fault = answered(status, error(code))
    for call in (lambda: list(connector.list(None)), lambda: connector.fetch(document, max_bytes=10)):
        with pytest.raises(RefusedError) as refusal:
            call()
        assert "jane" not in "".join(traceback.format_exception(refusal.value))
    assert bucket.waits == []


def test_a_bucket_that_is_missing_is_no_empty_bucket(bucket: Bucket) -> None:
    with pytest.raises(RefusedError, match="NoSuchBucket"):
        bucket.changes(url="s3://no-such-bucket")


def test_a_redirect_is_not_followed(bucket: Bucket) -> None:
    connector, document = listed_one(bucket)
    bucket.server.asked.clear()
    bucket.server.fault = answered("302 Found", b"", ("Location", f"{bucket.server.url}/latest/meta-data/"))
    with pytest.raises(RefusedError):
        connector.fetch(document, max_bytes=10)
    assert not any("meta-data" in environment["PATH_INFO"] for environment in bucket.server.asked)


def allow(user: str, action: str) -> None:
    """This, and nothing else."""
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam_backends[DEFAULT_ACCOUNT_ID]["aws"].put_user_policy(user, "all", policy)


class TestWithIdentities:
    """A server that knows who may do what."""

    @pytest.fixture(autouse=True)
    def reader(self, bucket: Bucket) -> Iterator[str]:
        """The name of a user whose key the connector has."""
        iam, name = iam_backends[DEFAULT_ACCOUNT_ID]["aws"], f"reader-of-{bucket.name}"
        iam.create_user("us-east-1", name, tags=[])
        allow(name, "s3:*")
        key = iam.create_access_key(name)
        bucket.environment = {"KEY": key.access_key_id, "SECRET": key.secret_access_key}
        bucket.server.check_credentials(on=True)
        yield name
        bucket.server.check_credentials(on=False)

    def test_credentials_are_those_of_the_manifest(self, bucket: Bucket) -> None:
        bucket.put("a.txt", b"one")
        assert fetched(bucket, bucket.documents()["a.txt"]) == "one"

    @pytest.mark.parametrize("wrong", ["KEY", "SECRET"])
    def test_wrong_credentials_are_refused(self, bucket: Bucket, wrong: str) -> None:
        bucket.environment[wrong] = "AKIAWRONG"
        with pytest.raises(RefusedError):
            bucket.changes()

    def test_credentials_revoked_between_listing_and_fetching_stop_the_run(self, bucket: Bucket, reader: str) -> None:
        connector, document = listed_one(bucket)
        iam_backends[DEFAULT_ACCOUNT_ID]["aws"].delete_access_key(bucket.environment["KEY"], reader)
        with pytest.raises(RefusedError):
            connector.fetch(document, max_bytes=10)

    def test_permissions_taken_away_between_listing_and_fetching_stop_the_run(
        self, bucket: Bucket, reader: str
    ) -> None:
        bucket.put("a.txt", b"one")
        document = bucket.documents()["a.txt"]
        allow(reader, "s3:ListAllMyBuckets")
        with pytest.raises(RefusedError, match="AccessDenied"):
            bucket.connector().fetch(document, max_bytes=10)

    def test_a_single_object_that_may_not_be_read_is_skipped(self, bucket: Bucket, reader: str) -> None:
        bucket.put("a.txt", b"one")
        document = bucket.documents()["a.txt"]
        allow(reader, "s3:ListBucket")
        assert fetched(bucket, document) == "unreadable"

    def test_whoever_is_refused_does_not_try_to_be_nobody(self, bucket: Bucket) -> None:
        bucket.environment["KEY"] = "AKIAWRONG"
        bucket.server.asked.clear()
        with pytest.raises(RefusedError):
            bucket.changes()
        assert ["HTTP_AUTHORIZATION" in environment for environment in bucket.server.asked] == [True]


def signed_by(bucket: Bucket) -> str | None:
    """The access key of the last request."""
    found = re.search(r"Credential=([^/]+)/", bucket.server.asked[-1].get("HTTP_AUTHORIZATION", ""))
    return found[1] if found else None


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that offers credentials and is configured."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMACHINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the machine")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[default]\nsdk_ua_app_id = of-the-machine\n")


@pytest.mark.usefixtures("machine")
def test_credentials_of_the_machine_are_used_where_the_manifest_says_so_and_nowhere_else(bucket: Bucket) -> None:
    assert bucket.changes() == []
    assert signed_by(bucket) == "AKIAEXAMPLE"
    bucket.changes(key=None, secret=None, anonymous="true")
    assert signed_by(bucket) is None
    assert not any("of-the-machine" in environment["HTTP_USER_AGENT"] for environment in bucket.server.asked)
    bucket.changes(key=None, secret=None, ambient_credentials="true")
    assert signed_by(bucket) == "AKIAMACHINE"
    assert "of-the-machine" in bucket.server.asked[-1]["HTTP_USER_AGENT"]


def test_an_address_in_the_environment_is_not_asked(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", bucket.server.url)
    with pytest.raises(DependencyError):
        bucket.changes(endpoint=None)
    assert bucket.server.asked == []


def test_a_proxy_of_the_machine_is_used_where_the_manifest_says_so_and_nowhere_else(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMACHINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-machine")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert bucket.changes() == []
    assert bucket.changes(key=None, secret=None, anonymous="true") == []
    with pytest.raises(DependencyError):
        bucket.changes(key=None, secret=None, ambient_credentials="true")


def test_configuration_of_fsspec_changes_nothing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"anon": True, "key": "AKIAFSSPEC", "endpoint_url": "http://127.0.0.1:1", "use_listings_cache": True}
    monkeypatch.setitem(fsspec.config.conf, "s3", told)
    assert bucket.changes() == []
    assert signed_by(bucket) == "AKIAEXAMPLE"


def test_a_session_token_goes_along(bucket: Bucket) -> None:
    bucket.environment["TOKEN"] = "of the session"
    bucket.changes(token={"env": "TOKEN"})
    assert bucket.server.asked[-1]["HTTP_X_AMZ_SECURITY_TOKEN"] == "of the session"


def test_an_object_that_changed_since_it_was_listed_is_not_read(bucket: Bucket) -> None:
    bucket.put("a.txt", b"one")
    document = bucket.documents()["a.txt"]
    bucket.put("a.txt", b"two")
    assert fetched(bucket, document) == "changed"
    bucket.server.fault = without_conditions
    assert fetched(bucket, document) == "changed"
    assert fetched(bucket, bucket.documents()["a.txt"]) == "two"


def test_the_stamp_of_an_object_is_its_etag_and_more(bucket: Bucket) -> None:
    bucket.put("a.txt", b"one")
    before = bucket.documents()["a.txt"]
    assert before.stamp.endswith('"f97c5d29941bfb1b2fdab0874906ab82"')
    bucket.put("a.txt", b"two")
    assert bucket.documents()["a.txt"].stamp != before.stamp
    assert before.modified is not None
    assert before.modified.tzinfo is UTC
    assert before.created is None


def test_an_object_in_an_archive_is_skipped_with_the_mend(bucket: Bucket) -> None:
    bucket.put("a.txt", b"one", storage="GLACIER")
    with pytest.raises(QuarantineError, match="Restore it") as refusal:
        bucket.connector().fetch(bucket.documents()["a.txt"], max_bytes=10)
    assert refusal.value.reason == "unreadable"


def test_a_body_over_the_limit_is_not_read_to_its_end(bucket: Bucket) -> None:
    bucket.put("a.txt", b"x" * 2**20)
    document = replace(bucket.documents()["a.txt"], size_bytes=None)
    sent: list[int] = []

    def trickle(_: object, __: object, start: StartResponse) -> Iterator[bytes]:
        start("200 OK", [("ETag", document.stamp.rpartition(" ")[2]), ("Content-Length", str(2**30))])
        for _ in range(2**14):
            sent.append(2**16)
            yield b"x" * 2**16

    bucket.server.fault = trickle
    assert fetched(bucket, document, max_bytes=1000) == "too_large"
    assert sum(sent) < 2**27


def test_a_body_that_ends_early_is_asked_for_again(bucket: Bucket) -> None:
    bucket.put("a.txt", b"x" * 1000)
    document = bucket.documents()["a.txt"]
    bucket.server.fault = once(half)
    assert fetched(bucket, document) == "x" * 1000
    bucket.server.fault = half
    with pytest.raises(DependencyError):
        bucket.connector().fetch(document, max_bytes=1000)


def test_a_slow_server_is_not_waited_for(bucket: Bucket) -> None:
    over = threading.Event()

    def slow(application: WSGIApplication, environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        over.wait(20)
        return application(environment, start)

    bucket.server.fault = slow
    with patient(10):
        with pytest.raises(DependencyError, match="Timeout"):
            bucket.changes(read_timeout_s="0.1")
        over.set()


def test_a_server_that_is_not_there_is_a_dependency_that_fails(bucket: Bucket) -> None:
    with pytest.raises(DependencyError):
        bucket.changes(endpoint="http://127.0.0.1:1")


def test_leaving_a_connector_closes_its_connections(bucket: Bucket) -> None:
    listed_one(bucket)
    bucket.made.clear()
    before = sockets()
    for _ in range(3):
        listed_one(bucket)
        bucket.made.clear()
    assert comes_true(lambda: sockets() <= before)


def sockets() -> int:
    gc.collect()
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(descriptor.readlink()).startswith("socket:")
    return found


def once(fault: Fault) -> Fault:
    """The fault, at the first request only."""
    left = [fault]
    return lambda *asked: left.pop()(*asked) if left else asked[0](*asked[1:])


def without_conditions(application: WSGIApplication, environment: WSGIEnvironment, start: StartResponse) -> Answer:
    """A store that knows no If-Match."""
    environment.pop("HTTP_IF_MATCH", None)
    return application(environment, start)
