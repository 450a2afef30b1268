import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import islice
from pathlib import Path

import pytest

from connectors import guard
from connectors.base import Change, Connector, Cursor, Delete, Finished, Refused, SourceDocument, Upsert
from connectors.guard import guarded
from policies.errors import (
    AuditError,
    DependencyError,
    IntegrityError,
    PenstockError,
    QuarantineError,
    RefusedError,
)
from policies.model import Access
from tests.connectors.conformance import ConnectorConformance, Origin
from tests.connectors.hostile import SECRET, Hostile, document, endless, failing, mutating, upsert
from tests.connectors.test_filesystem import Folder

DONE = Finished(complete=True, cursor=Cursor("next"))


class GuardedFolder(Folder):
    def connector(self, **options: object) -> Connector:  # type: ignore[override]
        return guarded(super().connector(**options))


class TestGuardedConforms(ConnectorConformance):
    @pytest.fixture
    def origin(self, tmp_path: Path) -> Origin:
        return GuardedFolder(tmp_path)


def listed(*items: object) -> list[Change | Finished]:
    return list(guarded(Hostile(items=lambda: iter(items))).list(None))


def refusals(*items: object) -> list[str]:
    """The reasons of what is listed as refused, where nothing else is listed."""
    *changes, _ = listed(*items, DONE)
    assert all(isinstance(change, Refused) for change in changes)
    return [change.reason for change in changes if isinstance(change, Refused)]


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


# Listing


def test_what_keeps_the_contract_passes_as_it_is() -> None:
    items = [
        upsert("a"),
        upsert("b", size_bytes=None, stamp="", created=datetime(1999, 1, 1, tzinfo=UTC), modified=None, name=""),
        Delete(origin_id="c"),
        Refused(origin_id="d", reason="symbolic_link", mend="Put the file there."),
        DONE,
    ]
    assert listed(*items) == items


def test_a_listing_without_an_end_stays_one() -> None:
    assert listed(upsert("a")) == [upsert("a")]
    assert listed() == []


@pytest.mark.parametrize(
    "item",
    [
        None,
        "a",
        document("a"),
        Upsert,
        Upsert(document="a"),  # type: ignore[arg-type]
        upsert(origin_id=7),  # type: ignore[arg-type]
        upsert(name=None),
        upsert(uri=b"https://example.org/"),
        upsert(stamp=1.5),
        upsert(size_bytes="1"),
        upsert(size_bytes=1.0),
        upsert(size_bytes=True),
        upsert(created="2026-01-01"),
        upsert(modified=1_700_000_000),
        upsert(modified=datetime(2026, 1, 1)),  # noqa: DTZ001 - a naive time is the point
        Delete(origin_id=None),  # type: ignore[arg-type]
        Refused(origin_id="a", reason="Not A Code", mend=""),
        Refused(origin_id="a", reason="x" * 41, mend=""),
        Refused(origin_id="a", reason="code", mend="x" * 2000),
        Refused(origin_id="a", reason="code", mend=None),  # type: ignore[arg-type]
        Finished(complete=1),  # type: ignore[arg-type]
        Finished(complete=None),  # type: ignore[arg-type]
        Finished(complete=True, cursor=b"c"),  # type: ignore[arg-type]
        Finished(complete=True, cursor=Cursor("x" * 2**20)),
        Finished(complete=True, cursor=Cursor("é" * 40_000)),
        Finished(complete=True, cursor=Cursor("\ud800")),
        Finished(complete=True, cursor=Cursor("\0")),
    ],
)
def test_an_item_of_another_kind_stops_the_run_and_names_the_connector(item: object) -> None:
    with pytest.raises(RefusedError, match="The connector Hostile "):
        listed(item, DONE)


@pytest.mark.parametrize("item", [DONE, Finished(complete=False), upsert("b"), None])
def test_nothing_comes_after_the_end_and_then_there_was_none(item: object) -> None:
    seen: list[Change | Finished] = []
    with pytest.raises(RefusedError, match="after it finished"):
        seen.extend(guarded(Hostile(items=lambda: iter([upsert("a"), DONE, item]))).list(None))
    assert not any(isinstance(one, Finished) for one in seen)


def test_an_error_after_the_end_takes_the_end_back() -> None:
    items = guarded(Hostile(items=failing(ValueError(SECRET), upsert("a"), DONE))).list(None)
    assert next(items) == upsert("a")
    with pytest.raises(RefusedError, match="failed with ValueError"):
        next(items)


@pytest.mark.parametrize("twin", [upsert("a"), upsert("a", name="other.txt"), Delete(origin_id="a")])
def test_an_id_that_comes_twice_stops_the_run(twin: object) -> None:
    with pytest.raises(RefusedError, match="two documents with one id"):
        listed(upsert("a"), upsert("b"), twin, DONE)


def test_a_refused_name_that_looks_like_a_document_s_id_does_not_hide_it() -> None:
    shown = Refused(origin_id="\\xff.md", reason="bad_name", mend="Rename it.")
    assert listed(upsert("\\xff.md"), shown, shown, DONE) == [upsert("\\xff.md"), DONE]


def test_what_stands_in_for_an_id_is_no_document_s_id_so_that_nobody_can_stop_a_source_with_it() -> None:
    """Who may write into a folder knows the stand-in of a path that is too long, and can name a file so."""
    stand_in, _ = listed(upsert(f"d/{'x' * 5000}"), DONE)
    assert isinstance(stand_in, Refused)
    for order in (
        (upsert(f"d/{'x' * 5000}"), upsert(stand_in.origin_id)),
        (
            upsert(stand_in.origin_id),
            upsert(f"d/{'x' * 5000}"),
        ),
    ):
        assert set(refusals(*order)) == {"bad_id"}
        assert len(listed(*order, upsert("a"), DONE)) == 4


def test_a_document_under_the_name_that_a_refused_one_is_shown_by_is_refused_alone() -> None:
    shown = Refused(origin_id="\\xff.md", reason="bad_name", mend="Rename it.")
    first, second, *rest = listed(shown, upsert("\\xff.md"), upsert("\\xff.md"), upsert("a"), DONE)
    assert first == shown
    assert isinstance(second, Refused)
    assert (second.reason, second.origin_id == first.origin_id) == ("bad_id", False)
    assert rest == [upsert("a"), DONE]
    assert listed(shown, Delete(origin_id="\\xff.md"), DONE) == [shown, DONE]


def test_an_endless_listing_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_ITEMS", 100)
    for items in (endless, lambda: iter(lambda: Refused(origin_id="a", reason="same", mend=""), None)):
        with pytest.raises(RefusedError, match="more than 100 documents"):
            list(guarded(Hostile(items=items)).list(None))


def test_an_endless_listing_is_not_read_ahead() -> None:
    assert len(list(islice(guarded(Hostile(items=endless)).list(None), 1000))) == 1000


def test_an_item_that_is_changed_after_it_was_given_is_a_copy() -> None:
    items = list(guarded(Hostile(items=mutating)).list(None))
    assert [item.document.origin_id for item in items if isinstance(item, Upsert)] == ["a", "b", "c"]


@pytest.mark.parametrize("origin_id", ["", "\0", "a\0b", "\ud800", "x" * 4097, "é" * 2049, "x" * 2**20])
def test_an_id_that_cannot_be_kept_is_listed_as_refused_under_one_that_can(origin_id: str) -> None:
    one, other, _ = listed(upsert(origin_id), upsert(f"{origin_id}\0"), DONE)
    assert isinstance(one, Refused)
    assert isinstance(other, Refused)
    assert one.reason == "bad_id"
    assert one.origin_id != other.origin_id
    assert "\0" not in one.origin_id
    assert 0 < len(one.origin_id.encode()) < 2000
    assert listed(Delete(origin_id=origin_id), DONE) == [Delete(origin_id=one.origin_id), DONE]


@pytest.mark.parametrize("origin_id", ["x" * 4096, "é" * 2048, "a\nb", " ", "../../etc/passwd", "🙂"])
def test_an_id_that_can_be_kept_is(origin_id: str) -> None:
    assert listed(upsert(origin_id, name="a"), DONE) == [upsert(origin_id, name="a"), DONE]


def test_one_value_out_of_bounds_refuses_one_document() -> None:
    assert refusals(upsert("a", name="\0")) == ["bad_name"]
    assert refusals(upsert("a", name="\udcff.txt")) == ["bad_name"]
    assert refusals(upsert("a", name="x" * 1025)) == ["bad_name"]
    assert refusals(upsert("a", stamp="x" * 1025), upsert("b", stamp="\ud800")) == ["bad_stamp", "bad_stamp"]
    assert refusals(upsert("a", size_bytes=-1)) == ["bad_size"]
    assert len(listed(upsert("a", name="x" * 1025), upsert("b"), DONE)) == 3


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a.txt",
        "//example.org/a",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "blob:https://example.org/1",
        "view-source:https://example.org",
        "https://example.org/a b",
        "https://example.org/é",
        "https://example.org/\n",
        "https://user:secret@example.org/",
        "https://token@example.org/",
        "sftp://user:secret@host/a",
        "https://[bad/",
        f"https://example.org/{'x' * 8192}",
    ],
)
def test_a_link_that_runs_leaks_or_is_none_refuses_the_document(uri: str) -> None:
    assert refusals(upsert(uri=uri)) == ["bad_uri"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.org/a?b=c#d",
        "file:a/b.txt",
        "s3://bucket/a@b.txt",
        "sftp://user@host/a",
        "mid:1@example.org",
        "database:7",
        "urn:isbn:123",
    ],
)
def test_a_link_of_any_other_kind_passes(uri: str) -> None:
    assert listed(upsert(uri=uri), DONE) == [upsert(uri=uri), DONE]


class Nowhere(tzinfo):
    """A time zone that fails."""

    def utcoffset(self, when: datetime | None) -> timedelta:  # noqa: ARG002
        raise ZeroDivisionError(SECRET)

    dst = utcoffset

    def tzname(self, when: datetime | None) -> str:  # noqa: ARG002
        return ""


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (datetime.min.replace(tzinfo=UTC), None),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=14))), None),
        (datetime.max.replace(tzinfo=UTC), None),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))), None),
        (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), None),
        (datetime(2200, 1, 1, tzinfo=UTC), None),
        (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), datetime(2025, 12, 31, 23, tzinfo=UTC)),
    ],
)
def test_times_are_taken_to_utc_and_those_that_mean_none_are_none(given: datetime, taken: datetime | None) -> None:
    item, _ = listed(upsert(modified=given, created=given), DONE)
    assert isinstance(item, Upsert)
    assert (item.document.modified, item.document.created) == (taken, taken)
    assert taken is None or item.document.modified.tzinfo is UTC  # type: ignore[union-attr]


def test_a_time_zone_that_fails_stops_the_run() -> None:
    with pytest.raises(RefusedError, match="ZeroDivisionError"):
        listed(upsert(modified=datetime(2026, 1, 1, tzinfo=Nowhere())), DONE)


# Errors

STOPPING = [ValueError, KeyError, RecursionError, SystemExit, AssertionError, NotImplementedError, UnicodeError]


@pytest.mark.parametrize("kind", STOPPING)
def test_an_unknown_exception_stops_a_listing_and_a_mirror_and_skips_a_document(kind: type[BaseException]) -> None:
    connector = guarded(Hostile(items=failing(kind(SECRET)), content=kind(SECRET), access=kind(SECRET)))
    with pytest.raises(RefusedError, match=f"Hostile failed with {kind.__name__}") as listing:
        list(connector.list(None))
    with pytest.raises(RefusedError, match=f"Hostile failed with {kind.__name__}") as mirroring:
        connector.permissions([document()])
    with pytest.raises(QuarantineError, match=f"Hostile failed on it with {kind.__name__}") as fetching:
        connector.fetch(document(), max_bytes=10)
    assert (fetching.value.reason, fetching.value.stage) == ("unreadable", "fetch")
    assert not any(SECRET in told(raised.value) for raised in (listing, mirroring, fetching))


def test_an_exception_before_the_first_item_is_one_while_listing() -> None:
    def items() -> Iterator[object]:
        raise ValueError(SECRET)

    with pytest.raises(RefusedError, match="ValueError"):
        list(guarded(Hostile(items=items)).list(None))


@pytest.mark.parametrize("error", [ConnectionResetError(SECRET), TimeoutError(SECRET)])
def test_a_lost_connection_is_for_later(error: OSError) -> None:
    connector = guarded(Hostile(items=failing(error), content=error, access=error))
    calls: list[Callable[[], object]] = [
        lambda: list(connector.list(None)),
        lambda: connector.fetch(document(), max_bytes=10),
        lambda: connector.permissions([document()]),
    ]
    for call in calls:
        with pytest.raises(DependencyError, match=type(error).__name__) as later:
            call()
        assert SECRET not in told(later.value)


def test_another_failure_of_the_system_ends_a_listing_for_now_and_skips_a_document() -> None:
    connector = guarded(Hostile(items=failing(PermissionError(SECRET)), content=FileNotFoundError(SECRET)))
    with pytest.raises(DependencyError, match="PermissionError"):
        list(connector.list(None))
    with pytest.raises(QuarantineError, match="FileNotFoundError"):
        connector.fetch(document(), max_bytes=10)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_who_stops_the_program_and_a_lack_of_memory_are_not_the_connector_s(error: BaseException) -> None:
    connector = guarded(Hostile(items=failing(error), content=error))
    with pytest.raises(type(error)):
        list(connector.list(None))
    with pytest.raises(type(error)):
        connector.fetch(document(), max_bytes=10)


@pytest.mark.parametrize(
    "error", [RefusedError("No.", mend="Mend."), DependencyError("Away.", mend="Wait."), AuditError("A.", mend="W.")]
)
def test_the_classes_of_the_contract_pass_as_they_are(error: PenstockError) -> None:
    connector = guarded(Hostile(items=failing(error), content=error, access=error))
    for call in (
        lambda: list(connector.list(None)),
        lambda: connector.fetch(document(), max_bytes=10),
        lambda: connector.permissions([document()]),
    ):
        with pytest.raises(type(error)) as raised:
            call()
        assert raised.value is error


def test_a_quarantine_passes_while_fetching_and_nowhere_else() -> None:
    error = QuarantineError("Gone.", reason="gone", stage="fetch", mend="Sync again.")
    connector = guarded(Hostile(items=failing(error), content=error, access=error))
    with pytest.raises(QuarantineError) as raised:
        connector.fetch(document(), max_bytes=10)
    assert raised.value is error
    with pytest.raises(RefusedError, match="failed with QuarantineError"):
        list(connector.list(None))
    with pytest.raises(RefusedError, match="failed with QuarantineError"):
        connector.permissions([document()])


@pytest.mark.parametrize(
    ("reason", "stage"), [("gone", "parse"), ("Gone now", "fetch"), (SECRET, "fetch"), (None, "fetch")]
)
def test_a_quarantine_with_another_code_is_unreadable(reason: str, stage: str) -> None:
    error = QuarantineError(SECRET, reason=reason, stage=stage, mend="")
    with pytest.raises(QuarantineError) as raised:
        guarded(Hostile(content=error)).fetch(document(), max_bytes=10)
    assert (raised.value.reason, raised.value.stage) == ("unreadable", "fetch")
    assert SECRET not in told(raised.value)


def test_any_other_error_of_the_project_is_unknown_too() -> None:
    with pytest.raises(RefusedError, match="failed with IntegrityError"):
        list(guarded(Hostile(items=failing(IntegrityError("Broken.", mend="")))).list(None))


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (None, None),
        (30, 30.0),
        (-5.0, 0.0),
        (10**9, 86_400.0),
        (float("inf"), None),
        (float("nan"), None),
        ("soon", None),
    ],
)
def test_how_long_an_origin_asks_to_be_left_alone_is_bounded(asked: float, taken: float | None) -> None:
    error = DependencyError("Busy.", mend="Wait.", retry_after_s=asked)
    with pytest.raises(DependencyError) as raised:
        guarded(Hostile(content=error)).fetch(document(), max_bytes=10)
    assert raised.value.retry_after_s == taken


# Fetching


def test_bytes_up_to_the_limit_pass_and_more_are_too_large() -> None:
    assert guarded(Hostile(content=b"x" * 10)).fetch(document(), max_bytes=10) == b"x" * 10
    with pytest.raises(QuarantineError, match="larger than 10 bytes") as refusal:
        guarded(Hostile(content=b"x" * 11)).fetch(document(), max_bytes=10)
    assert (refusal.value.reason, refusal.value.stage) == ("too_large", "fetch")


@pytest.mark.parametrize("content", ["text", None, bytearray(b"x"), memoryview(b"x"), 7])
def test_what_is_fetched_and_no_bytes_stops_the_run(content: object) -> None:
    with pytest.raises(RefusedError, match="Hostile fetches something that is no bytes"):
        guarded(Hostile(content=content)).fetch(document(), max_bytes=10)


# Permissions


def access(allow: object = frozenset({"group:staff"}), deny: object = frozenset(), as_of: object = None) -> Access:
    return Access(allow=allow, deny=deny, as_of=as_of)  # type: ignore[arg-type]


def permitted(found: object) -> dict[str, Access]:
    return guarded(Hostile(access=found)).permissions([document("a"), document("b")])


def test_permissions_pass_as_they_are() -> None:
    found = {"a": access(), "b": access(allow=frozenset(), deny=frozenset({"user:eve", "group:CN=Guests, OU=All"}))}
    assert permitted(found) == found
    assert permitted({}) == {}


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {"c": access()},
        {"a": access(), "c": access()},
        {7: access()},
        {"a": None},
        {"a": {"allow": ["group:staff"]}},
        {"a": access(allow=["group:staff"])},
        {"a": access(allow="group:staff")},
        {"a": access(deny=None)},
        {"a": access(as_of=datetime(2026, 1, 1, tzinfo=UTC))},
    ],
)
def test_permissions_of_another_form_or_for_others_stop_the_run(found: object) -> None:
    with pytest.raises(RefusedError, match="The connector Hostile gives"):
        permitted(found)


@pytest.mark.parametrize(
    "principal",
    [
        "staff",
        "group:",
        "group: staff",
        "group:*",
        "*",
        "",
        "everyone:x",
        "user:a\nb",
        "user:\ud800",
        "USER:ann",
        7,
        None,
        f"user:{'x' * 300}",
    ],
)
@pytest.mark.parametrize("side", ["allow", "deny"])
def test_a_malformed_principal_admits_nobody_to_its_document(principal: object, side: str) -> None:
    assert permitted({"a": access(**{side: frozenset({"group:staff", principal})}), "b": access()}) == {"b": access()}


def test_more_principals_than_anyone_can_mean_admit_nobody() -> None:
    crowd = frozenset(f"user:{number}" for number in range(10_001))
    assert permitted({"a": access(allow=crowd), "b": access(deny=crowd)}) == {}


def test_the_documents_asked_for_cannot_be_changed() -> None:
    class Greedy(Hostile):
        def permissions(self, documents: object) -> dict[str, Access]:
            documents.append(document("c"))  # type: ignore[attr-defined]
            return {}

    asked: list[SourceDocument] = [document("a")]
    with pytest.raises(RefusedError, match="AttributeError"):
        guarded(Greedy()).permissions(asked)
    assert asked == [document("a")]


def test_what_a_connector_shows_of_itself_is_not_shown() -> None:
    class Talkative(Hostile):
        def __repr__(self) -> str:
            return SECRET

    assert SECRET not in repr(guarded(Talkative()))
