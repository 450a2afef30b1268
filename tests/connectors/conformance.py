"""What every connector does.

A connector's test module inherits `ConnectorConformance` and says how its origin is set up.
A name in these tests is what its origin calls a document: a path, a title, a key.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from connectors.base import Connector, Delete, SourceDocument, Upsert
from policies.errors import DependencyError, QuarantineError, RefusedError

LIMIT_BYTES = 1000
URI = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]+")


class Origin(Protocol):
    """An origin of documents that a test can change, and connectors to it as each sync would make one."""

    def connector(self) -> Connector: ...

    def put(self, name: str, content: bytes) -> None:
        """Add a document, or replace its content."""

    def rename(self, name: str, new_name: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def break_off(self) -> None:
        """Take the origin away: unmounted, unreachable, credentials revoked."""


def listed(origin: Origin) -> dict[str, SourceDocument]:
    """Every document of a full listing by name."""
    documents = [change.document for change in origin.connector().list(None).changes if isinstance(change, Upsert)]
    assert len({document.origin_id for document in documents}) == len(documents)
    return {document.name: document for document in documents}


class ConnectorConformance:
    """Inherit this in a class called Test… and give it an `origin` fixture."""

    def test_it_lists_what_is_there_and_nothing_else(self, origin: Origin) -> None:
        origin.put("a.txt", b"alpha")
        origin.put("b.txt", b"beta")
        assert sorted(listed(origin)) == ["a.txt", "b.txt"]

    def test_an_empty_origin_gives_an_empty_listing(self, origin: Origin) -> None:
        assert list(origin.connector().list(None).changes) == []

    def test_two_listings_of_the_same_state_are_the_same(self, origin: Origin) -> None:
        for name in ("b.txt", "a.txt", "C.txt", "é.txt"):
            origin.put(name, name.encode())
        first, second = (list(origin.connector().list(None).changes) for _ in range(2))
        assert first == second

    def test_it_fetches_the_bytes_as_they_are(self, origin: Origin) -> None:
        content = bytes(range(256))
        origin.put("bytes.bin.txt", content)
        assert origin.connector().fetch(listed(origin)["bytes.bin.txt"], max_bytes=LIMIT_BYTES) == content

    def test_an_empty_document_is_listed_and_fetched(self, origin: Origin) -> None:
        origin.put("empty.txt", b"")
        assert origin.connector().fetch(listed(origin)["empty.txt"], max_bytes=LIMIT_BYTES) == b""

    def test_a_changed_document_keeps_its_id_and_changes_its_stamp(self, origin: Origin) -> None:
        origin.put("a.txt", b"one")
        before = listed(origin)["a.txt"]
        origin.put("a.txt", b"two")
        after = listed(origin)["a.txt"]
        assert after.origin_id == before.origin_id
        assert after.stamp == "" or after.stamp != before.stamp
        assert origin.connector().fetch(after, max_bytes=LIMIT_BYTES) == b"two"

    def test_a_renamed_document_is_no_longer_listed_under_its_old_name(self, origin: Origin) -> None:
        origin.put("old.txt", b"same")
        origin.rename("old.txt", "new.txt")
        assert list(listed(origin)) == ["new.txt"]

    def test_a_deleted_document_is_missing_from_a_complete_listing_or_reported(self, origin: Origin) -> None:
        origin.put("stays.txt", b"stays")
        origin.put("goes.txt", b"goes")
        gone = listed(origin)["goes.txt"]
        origin.delete("goes.txt")
        listing = origin.connector().list(None)
        changes = list(listing.changes)
        assert gone.origin_id not in {change.document.origin_id for change in changes if isinstance(change, Upsert)}
        assert listing.complete or Delete(origin_id=gone.origin_id) in changes

    def test_the_cursor_of_a_listing_starts_the_next(self, origin: Origin) -> None:
        origin.put("a.txt", b"one")
        listing = origin.connector().list(None)
        list(listing.changes)
        origin.put("b.txt", b"two")
        names = {
            change.document.name
            for change in origin.connector().list(listing.cursor).changes
            if isinstance(change, Upsert)
        }
        assert "b.txt" in names
        assert listing.cursor is None or len(listing.cursor) <= 64 * 1024

    def test_a_document_at_the_limit_is_fetched_and_one_above_is_too_large(self, origin: Origin) -> None:
        origin.put("at.txt", b"x" * LIMIT_BYTES)
        origin.put("above.txt", b"x" * (LIMIT_BYTES + 1))
        documents = listed(origin)
        assert len(origin.connector().fetch(documents["at.txt"], max_bytes=LIMIT_BYTES)) == LIMIT_BYTES
        with pytest.raises(QuarantineError) as refusal:
            origin.connector().fetch(documents["above.txt"], max_bytes=LIMIT_BYTES)
        assert (refusal.value.reason, refusal.value.stage) == ("too_large", "fetch")

    def test_a_document_that_went_away_after_listing_is_gone(self, origin: Origin) -> None:
        origin.put("private.txt", b"x")
        document = listed(origin)["private.txt"]
        origin.delete("private.txt")
        with pytest.raises(QuarantineError) as refusal:
            origin.connector().fetch(document, max_bytes=LIMIT_BYTES)
        assert (refusal.value.reason, refusal.value.stage) == ("gone", "fetch")
        assert "private" not in str(refusal.value)

    def test_names_that_look_alike_are_two_documents(self, origin: Origin) -> None:
        origin.put("r\u00e9sum\u00e9.txt", b"composed")
        origin.put("re\u0301sume\u0301.txt", b"decomposed")
        documents = listed(origin)
        assert {
            name: origin.connector().fetch(document, max_bytes=LIMIT_BYTES) for name, document in documents.items()
        } == {"r\u00e9sum\u00e9.txt": b"composed", "re\u0301sume\u0301.txt": b"decomposed"}

    @pytest.mark.parametrize(
        "name", ["a b.txt", "50%.txt", "what?#1.txt", "'\"<b>.txt", "日本語.txt", "🙂.txt", "-rf.txt"]
    )
    def test_any_name_is_listed_fetched_and_linked(self, origin: Origin, name: str) -> None:
        origin.put(name, b"content")
        document = listed(origin)[name]
        assert origin.connector().fetch(document, max_bytes=LIMIT_BYTES) == b"content"
        assert URI.fullmatch(document.uri)

    def test_sizes_and_times_are_true_or_unknown(self, origin: Origin) -> None:
        origin.put("a.txt", b"12345")
        document = listed(origin)["a.txt"]
        assert document.size_bytes in (5, None)
        for time in (document.created, document.modified):
            assert time is None or time.utcoffset() == timedelta(0)
            assert time is None or time > datetime(2020, 1, 1, tzinfo=UTC)

    def test_permissions_name_no_document_that_was_not_asked_for(self, origin: Origin) -> None:
        origin.put("a.txt", b"one")
        origin.put("b.txt", b"two")
        document = listed(origin)["a.txt"]
        assert set(origin.connector().permissions([document])) <= {document.origin_id}
        assert origin.connector().permissions([]) == {}

    def test_an_origin_that_is_away_never_looks_empty(self, origin: Origin) -> None:
        origin.put("a.txt", b"one")
        origin.break_off()
        with pytest.raises((RefusedError, DependencyError)):
            list(origin.connector().list(None).changes)
