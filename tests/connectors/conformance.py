"""What every connector does.

A connector's test module inherits `ConnectorConformance` and says how its origin is set up.
A name in these tests is what its origin calls a document: a path, a title, a key.
"""

import re
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from connectors.base import Change, Connector, Cursor, Delete, Finished, Listing, SourceDocument, Upsert
from connectors.guard import guarded
from policies.errors import DependencyError, PenstockError, QuarantineError, RefusedError

LIMIT_BYTES = 1000
MANY = 1200
"""More documents than any page holds."""
URI = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]+")
PRINCIPAL = re.compile(r"(user|group):\S(.*\S)?")
NONSENSE = ("", "nonsense", "\0", "🙂", "}{", "-1", "x" * 60_000, "penstock-no-such-cursor:1:2:3")
OUTSIDE = ("../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "\0", "")


class Origin(Protocol):
    """An origin of documents that a test can change, and connectors to it as each sync would make one.

    It may have more, for the tests that need it: `many`, how many documents it can hold quickly (0 for none);
    `secret`, the text of the credential that its connectors use; `cut_off()`, to take the origin away in the middle of
    a listing without changing what it holds; `throttle(times, retry_after_s)`, to answer that many of the next
    requests by asking to be left alone for so long.
    """

    def connector(self) -> Connector: ...

    def put(self, name: str, content: bytes) -> None:
        """Add a document, or replace its content."""

    def rename(self, name: str, new_name: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def break_off(self) -> None:
        """Take the origin away: unmounted, unreachable, credentials revoked."""


def whole(origin: Origin, cursor: Cursor | None = None) -> tuple[list[Change], Finished]:
    """A listing to its end: the changes, and how it finished."""
    *changes, last = origin.connector().list(cursor)
    assert isinstance(last, Finished)
    assert last.cursor is None or len(last.cursor) <= 64 * 1024
    return [change for change in changes if not isinstance(change, Finished)], last


def listed(origin: Origin) -> dict[str, SourceDocument]:
    """Every document of a full listing by name."""
    documents = [change.document for change in whole(origin)[0] if isinstance(change, Upsert)]
    assert len({document.origin_id for document in documents}) == len(documents)
    return {document.name: document for document in documents}


def mirrored(mirror: dict[str, SourceDocument], listing: Listing) -> tuple[dict[str, SourceDocument], Finished]:
    """What somebody holds who applies a listing to what he held, by origin id."""
    held, named = dict(mirror), set()
    for item in listing:
        match item:
            case Upsert(document=document):
                held[document.origin_id] = document
                named.add(document.origin_id)
            case Delete(origin_id=origin_id):
                held.pop(origin_id, None)
            case Finished():
                kept = held if not item.complete else {key: value for key, value in held.items() if key in named}
                return kept, item
    raise AssertionError


def errors(*calls: Callable[[], object]) -> Iterator[PenstockError]:
    """What calls raise, which is nothing but the three classes of the contract."""
    for call in calls:
        try:
            call()
        except (RefusedError, DependencyError, QuarantineError) as error:
            yield error


class ConnectorConformance:
    """Inherit this in a class called Test… and give it an `origin` fixture."""

    def test_it_lists_what_is_there_and_nothing_else(self, origin: Origin) -> None:
        origin.put("a.txt", b"alpha")
        origin.put("b.txt", b"beta")
        assert sorted(listed(origin)) == ["a.txt", "b.txt"]

    def test_an_empty_origin_gives_an_empty_listing(self, origin: Origin) -> None:
        assert whole(origin)[0] == []

    def test_two_listings_of_the_same_state_are_the_same(self, origin: Origin) -> None:
        for name in ("b.txt", "a.txt", "C.txt", "é.txt"):
            origin.put(name, name.encode())
        first, second = (whole(origin)[0] for _ in range(2))
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
        changes, last = whole(origin)
        assert gone.origin_id not in {change.document.origin_id for change in changes if isinstance(change, Upsert)}
        assert last.complete or Delete(origin_id=gone.origin_id) in changes

    def test_the_cursor_of_a_listing_starts_the_next(self, origin: Origin) -> None:
        origin.put("a.txt", b"one")
        _, last = whole(origin)
        origin.put("b.txt", b"two")
        changes, _ = whole(origin, last.cursor)
        assert "b.txt" in {change.document.name for change in changes if isinstance(change, Upsert)}

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
            whole(origin)

    def test_more_documents_than_a_page_holds_are_all_listed_once(self, origin: Origin) -> None:
        many: int = getattr(origin, "many", MANY)
        if not many:
            pytest.skip("this origin is slow to fill")
        names = {f"{number:05}.txt" for number in range(many)}
        for name in names:
            origin.put(name, b"x")
        assert set(listed(origin)) == names
        assert len(whole(origin)[0]) == many

    def test_a_chain_of_listings_sees_every_change(self, origin: Origin) -> None:
        steps: list[Callable[[], None]] = [
            lambda: origin.put("a.txt", b"one"),
            lambda: origin.put("b.txt", b"one"),
            lambda: origin.delete("a.txt"),
            lambda: origin.put("b.txt", b"two, and longer"),
            lambda: origin.put("c.txt", b"one"),
            lambda: origin.put("a.txt", b"again"),
            lambda: origin.delete("c.txt"),
            lambda: origin.rename("b.txt", "d.txt"),
        ]
        held: dict[str, SourceDocument] = {}
        cursor: Cursor | None = None
        for step in steps:
            step()
            held, last = mirrored(held, origin.connector().list(cursor))
            cursor = last.cursor
            there = {document.origin_id: document for document in listed(origin).values()}
            assert {key: held.get(key) for key in there} == there
            assert not last.complete or set(held) == set(there)
        held, last = mirrored(held, origin.connector().list(None))
        assert sorted(document.name for document in held.values()) == ["a.txt", "d.txt"]
        assert last.complete

    @pytest.mark.parametrize("cursor", NONSENSE)
    def test_a_cursor_that_is_not_understood_never_hides_a_document(self, origin: Origin, cursor: str) -> None:
        origin.put("a.txt", b"one")
        try:
            changes, _ = whole(origin, Cursor(cursor))
        except (RefusedError, DependencyError):
            return
        assert [change.document.name for change in changes if isinstance(change, Upsert)] == ["a.txt"]

    def test_a_deleted_document_can_come_back(self, origin: Origin) -> None:
        origin.put("a.txt", b"one")
        origin.delete("a.txt")
        assert listed(origin) == {}
        origin.put("a.txt", b"two")
        assert origin.connector().fetch(listed(origin)["a.txt"], max_bytes=LIMIT_BYTES) == b"two"

    def test_a_renamed_document_keeps_its_id_or_its_old_one_is_gone(self, origin: Origin) -> None:
        origin.put("old.txt", b"same")
        before = listed(origin)["old.txt"]
        origin.rename("old.txt", "new.txt")
        after = listed(origin)["new.txt"]
        assert origin.connector().fetch(after, max_bytes=LIMIT_BYTES) == b"same"
        if after.origin_id != before.origin_id:
            with pytest.raises(QuarantineError) as refusal:
                origin.connector().fetch(before, max_bytes=LIMIT_BYTES)
            assert refusal.value.reason == "gone"

    def test_a_listing_can_be_left_half_way(self, origin: Origin) -> None:
        origin.put("a.txt", b"one")
        origin.put("b.txt", b"two")
        listing = origin.connector().list(None)
        next(listing)
        del listing
        assert sorted(listed(origin)) == ["a.txt", "b.txt"]

    def test_two_connectors_at_once_do_not_disturb_each_other(self, origin: Origin) -> None:
        for name in ("a.txt", "b.txt", "c.txt"):
            origin.put(name, name.encode())
        one, other = origin.connector(), origin.connector()
        *pairs, _ = zip(one.list(None), other.list(None), strict=True)
        for mine, yours in pairs:
            assert mine == yours
            assert isinstance(mine, Upsert)
            assert one.fetch(mine.document, max_bytes=LIMIT_BYTES) == mine.document.name.encode()

    def test_the_guard_finds_nothing_to_refuse(self, origin: Origin) -> None:
        for name in ("a.txt", "日本語.txt", "a b.txt"):
            origin.put(name, name.encode())
        *plain, _ = origin.connector().list(None)
        *checked, _ = guarded(origin.connector()).list(None)
        assert checked == plain
        documents = [item.document for item in plain if isinstance(item, Upsert)]
        assert guarded(origin.connector()).permissions(documents) == origin.connector().permissions(documents)
        assert {guarded(origin.connector()).fetch(item, max_bytes=LIMIT_BYTES).decode() for item in documents} == {
            document.name for document in documents
        }

    def test_permissions_name_users_and_groups_and_no_time(self, origin: Origin) -> None:
        for name in ("a.txt", "b.txt"):
            origin.put(name, b"x")
        for access in origin.connector().permissions(list(listed(origin).values())).values():
            assert access.as_of is None
            assert all(PRINCIPAL.fullmatch(principal) for principal in access.allow | access.deny)

    def test_a_document_that_went_away_admits_nobody_and_keeps_nobody_out(self, origin: Origin) -> None:
        origin.put("stays.txt", b"x")
        origin.put("goes.txt", b"x")
        documents = listed(origin)
        before = origin.connector().permissions([documents["stays.txt"]])
        origin.delete("goes.txt")
        after = origin.connector().permissions([documents["goes.txt"], documents["stays.txt"]])
        assert after == before

    @pytest.mark.parametrize("origin_id", OUTSIDE, ids=lambda origin_id: repr(origin_id[:30]))
    def test_nothing_outside_the_source_can_be_read(self, origin: Origin, origin_id: str) -> None:
        origin.put("a.txt", b"x")
        forged = SourceDocument(
            origin_id=origin_id, name="", uri="", size_bytes=None, stamp="", created=None, modified=None
        )
        with pytest.raises((QuarantineError, RefusedError)):
            origin.connector().fetch(forged, max_bytes=LIMIT_BYTES)
        document = listed(origin)["a.txt"]
        assert origin.connector().permissions([document, forged]) == origin.connector().permissions([document])

    def test_an_origin_that_is_away_fails_as_the_contract_says_and_names_nobody(self, origin: Origin) -> None:
        origin.put("jane.txt", b"one")
        document = listed(origin)["jane.txt"]
        origin.break_off()
        failures = list(
            errors(
                lambda: list(origin.connector().list(None)),
                lambda: origin.connector().fetch(document, max_bytes=LIMIT_BYTES),
                lambda: origin.connector().permissions([document]),
            )
        )
        assert len(failures) >= 2
        assert not any("jane" in "".join(traceback.format_exception(failure)) for failure in failures)

    def test_a_secret_shows_nowhere(self, origin: Origin) -> None:
        secret: str | None = getattr(origin, "secret", None)
        if secret is None:
            pytest.skip("this origin has no credential")
        origin.put("a.txt", b"one")
        connector = origin.connector()
        changes, last = whole(origin)
        documents = [change.document for change in changes if isinstance(change, Upsert)]
        shown = [repr(connector), str(connector), repr(changes), repr(last)]
        origin.break_off()
        for failure in errors(
            lambda: list(connector.list(None)),
            lambda: list(origin.connector().list(None)),
            lambda: connector.fetch(documents[0], max_bytes=LIMIT_BYTES),
            lambda: connector.permissions(documents),
        ):
            shown += [repr(failure), *traceback.format_exception(failure)]
        assert not any(secret in text for text in shown)

    def test_a_listing_that_is_cut_off_is_never_complete(self, origin: Origin) -> None:
        cut_off: Callable[[], None] | None = getattr(origin, "cut_off", None)
        many: int = getattr(origin, "many", MANY)
        if cut_off is None or not many:
            pytest.skip("this origin cannot be cut off in the middle of a listing")
        for number in range(many):
            origin.put(f"{number:05}.txt", b"x")
        listing = origin.connector().list(None)
        items = [next(listing)]
        cut_off()
        try:
            items += listing
        except (RefusedError, DependencyError):
            return
        match items:
            case [*listed_items, Finished(complete=True)]:
                assert len(listed_items) == many

    def test_an_origin_that_throttles_is_waited_for(self, origin: Origin) -> None:
        throttle: Callable[[int, float], None] | None = getattr(origin, "throttle", None)
        if throttle is None:
            pytest.skip("this origin does not throttle")
        origin.put("a.txt", b"one")
        throttle(1, 0)
        document = listed(origin)["a.txt"]
        throttle(1, 0)
        assert origin.connector().fetch(document, max_bytes=LIMIT_BYTES) == b"one"

    def test_an_origin_that_throttles_for_long_is_left_alone_for_as_long_as_it_asks(self, origin: Origin) -> None:
        throttle: Callable[[int, float], None] | None = getattr(origin, "throttle", None)
        if throttle is None:
            pytest.skip("this origin does not throttle")
        origin.put("a.txt", b"one")
        document = listed(origin)["a.txt"]
        throttle(1000, 3600)
        for call in (lambda: whole(origin), lambda: origin.connector().fetch(document, max_bytes=LIMIT_BYTES)):
            with pytest.raises(DependencyError) as failure:
                call()
            assert failure.value.retry_after_s == pytest.approx(3600, abs=5)
