from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.base import Upsert
from indexer.content import open_description, open_text
from indexer.sync import Outcome, Progress, Report
from indexer.tables import DocumentState
from policies.errors import ConflictError, DependencyError, QuarantineError, RefusedError
from policies.manifest import Source
from policies.model import Access, Action
from tests.indexer.workbench import (
    MODIFIED,
    NOW,
    Bench,
    FakeOrigin,
    File,
    create,
    everything_below,
    gone,
    left_below,
    opened,
    refused,
    text,
)
from tests.policies.handbook import RULES

MIRRORED = (RULES, "documents: {from: connector}")
STAFF = Access(allow=frozenset({"group:staff"}), deny=frozenset(), as_of=NOW)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    create(tmp_path / "home")
    with opened(tmp_path / "home") as made:
        yield made


@pytest.fixture
def source(bench: Bench) -> Source:
    return bench.apply()


def counted(report: Report) -> tuple[int, int, int, int]:
    """Indexed, unchanged, quarantined, removed."""
    return tuple(report.counts[outcome] for outcome in Outcome)  # type: ignore[return-value]


def handbook_files() -> dict[str, File]:
    return {
        "leave.md": text("Leave", "Twenty five days a year."),
        "pay.md": text("Pay", "Paid on the last day of the month."),
        "board/plan.md": text("Plan", "The plan of the board."),
    }


def test_every_listed_document_ends_somewhere_and_the_counts_add_up(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files() | {
        "locked.md": File(content=b"!encrypted"),
        "old.md": replace(text("Old", "Kept too long."), modified=MODIFIED - timedelta(days=900)),
        "undated.md": replace(text("Undated", "Nobody knows when."), modified=None),
        "fault.md": File(content=b"!fault"),
        "blank.md": File(content=b" \n \n"),
    }
    bench.origin.extra = [refused("link.md")]
    seen: list[Progress] = []
    report = bench.sync(source, progress=seen.append)
    assert counted(report) == (3, 0, 6, 0)
    assert report.listed == 9
    assert report.reasons == {
        "encrypted": 1,
        "retention_passed": 1,
        "retention_unknown": 1,
        "internal_error": 1,
        "empty": 1,
        "symbolic_link": 1,
    }
    assert [progress.done for progress in seen] == list(range(1, 10))
    assert {progress.listed for progress in seen} == {9}
    stages = {document.reason: document.stage for document in bench.documents(source).values() if document.reason}
    assert stages == {
        "encrypted": "parse",
        "retention_passed": "admit",
        "retention_unknown": "admit",
        "internal_error": "ingest",
        "empty": "split",
        "symbolic_link": "fetch",
    }
    assert all(document.mend for document in bench.documents(source).values() if document.reason)
    assert bench.served(source) == {bench.id(source, name) for name in handbook_files()}


def test_a_fault_of_ours_tells_its_kind_and_not_the_documents_text(bench: Bench, source: Source) -> None:
    bench.origin.files = {"fault.md": File(content=b"!fault")}
    bench.sync(source)
    (document,) = bench.documents(source).values()
    assert document.mend == "Report a fault of Penstock: ZeroDivisionError."


def test_a_document_is_stored_redacted_and_sealed(bench: Bench, source: Source) -> None:
    name = "people/zedekiah@example.org.md"
    bench.origin.files = {name: text("About zedekiah@example.org", "Write to zedekiah@example.org, rule QX-4711.")}
    bench.sync(source)
    (document,) = bench.documents(source).values()
    key = bench.keyring.document_keys([document.revision.id])[document.revision.id]
    description = open_description(key, document.revision.id, document.revision.sealed)
    assert (description.origin_id, description.name) == (name, "zedekiah@example.org.md")
    assert "zedekiah" not in description.title + description.uri
    assert description.title.startswith("About [EMAIL_ADDRESS_")
    from indexer import catalog

    with bench.database.reading() as session:
        (stored,) = catalog.passages(session, document.revision.id)
    passage = open_text(key, document.revision.id, 0, stored.text)
    assert "zedekiah" not in passage.indexed_text
    assert "rule QX-4711" in passage.text
    assert document.revision.redactions == {"EMAIL_ADDRESS": 3}
    assert left_below(bench.home.root, [b"zedekiah", b"QX-4711", b"About", b"Write to"]) == set()


def test_an_unchanged_document_costs_neither_fetch_nor_parse_nor_embedding(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files() | {"locked.md": File(content=b"!encrypted")}
    first = bench.sync(source)
    parsed, embedded, fetched = (
        bench.stages.fake_parser.parsed,
        bench.stages.counting.passages,
        list(bench.origin.fetched),
    )
    assert (parsed, embedded, len(fetched)) == (4, 3, 4)
    second = bench.sync(source)
    assert counted(second) == (0, 3, 1, 0)
    assert second.reasons == first.reasons == {"encrypted": 1}
    assert second.generation == first.generation
    assert (bench.stages.fake_parser.parsed, bench.stages.counting.passages) == (parsed, embedded)
    assert bench.origin.fetched == fetched


def test_a_second_sync_writes_nothing_but_its_audit(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files() | {"locked.md": File(content=b"!encrypted")}
    bench.sync(source)
    before = (everything_below(bench.home.generations(source.name)), bench.documents(source), bench.registered(source))
    keys, records = bench.keyring.document_key_ids(), len(bench.audit())
    bench.sync(source)
    after = (everything_below(bench.home.generations(source.name)), bench.documents(source), bench.registered(source))
    assert after == before
    assert bench.keyring.document_key_ids() == keys
    assert [record.action for record in bench.audit()[records:]] == [Action.SYNC_STARTED, Action.SYNC_FINISHED]


def test_the_same_bytes_under_another_stamp_are_fetched_but_not_parsed(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    bench.origin.files["pay.md"] = replace(bench.origin.files["pay.md"], modified=MODIFIED + timedelta(days=1))
    assert counted(bench.sync(source)) == (0, 3, 0, 0)
    assert bench.origin.fetched[3:] == ["pay.md"]
    assert bench.stages.fake_parser.parsed == 3
    anchors = {member.document: member.anchor for member in bench.generation(source).members()}
    assert anchors[bench.id(source, "pay.md")] == MODIFIED + timedelta(days=1)


def test_an_origin_without_stamps_is_read_and_compared(bench: Bench, source: Source) -> None:
    bench.origin.files = {"leave.md": replace(text("Leave", "Twenty five days."), stamped=False)}
    bench.sync(source)
    assert counted(bench.sync(source)) == (0, 1, 0, 0)
    assert bench.origin.fetched == ["leave.md", "leave.md"]
    assert bench.stages.fake_parser.parsed == 1


def test_a_changed_renamed_and_deleted_document(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files() | {f"{number}.md": text(f"T{number}", "x") for number in range(5)}
    bench.sync(source)
    old_keys = bench.keyring.document_key_ids()
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    bench.origin.files["salary.md"] = bench.origin.files.pop("pay.md")
    del bench.origin.files["board/plan.md"]
    assert counted(bench.sync(source)) == (2, 5, 0, 2)
    names = ["leave.md", "salary.md", *(f"{number}.md" for number in range(5))]
    assert bench.served(source) == set(bench.documents(source)) == {bench.id(source, name) for name in names}
    assert bench.hidden(source) == frozenset()
    assert bench.keyring.document_key_ids() == {one.revision.id for one in bench.documents(source).values()}
    assert len(old_keys - bench.keyring.document_key_ids()) == 3
    assert len(list(bench.home.generations(source.name).iterdir())) == 1


def test_too_many_deletions_stop_the_sync_until_they_are_confirmed(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    everything, served = bench.origin.files, bench.served(source)
    bench.origin.files = {"leave.md": everything["leave.md"]}
    with pytest.raises(RefusedError, match=r"2 of 3 documents .* more than the 50% .*--confirm-deletes"):
        bench.sync(source)
    assert bench.served(source) == served
    assert counted(bench.sync(source, confirm_deletes=True)) == (0, 1, 0, 2)
    assert bench.served(source) == {bench.id(source, "leave.md")}


def test_deletions_up_to_the_limit_need_no_confirmation(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files() | {"more.md": text("More", "x")}
    bench.sync(source)
    for name in ("pay.md", "more.md"):
        del bench.origin.files[name]
    assert counted(bench.sync(source)) == (0, 2, 0, 2)


def test_a_listing_of_changes_removes_what_it_says_and_nothing_else(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    bench.origin.complete = False
    bench.origin.files = {}
    bench.origin.extra = [gone("pay.md"), gone("never-was.md")]
    assert counted(bench.sync(source)) == (0, 0, 0, 1)
    assert bench.served(source) == {bench.id(source, "leave.md"), bench.id(source, "board/plan.md")}
    generation = bench.registered(source).generation
    bench.origin.extra = [gone("never-was.md")]
    assert counted(bench.sync(source)) == (0, 0, 0, 0)
    assert bench.registered(source).generation == generation


def test_a_document_that_was_deleted_and_made_again_is_there(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    bench.origin.complete = False
    listed = Upsert(document=bench.origin.document("pay.md"))
    bench.origin.extra = [gone("pay.md"), listed]
    assert counted(bench.sync(source)) == (0, 4, 0, 0)
    assert bench.id(source, "pay.md") in bench.served(source)


def test_an_origin_that_fails_half_way_deletes_nothing_and_what_was_stored_stays(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()

    def away(origin_id: str) -> None:
        if origin_id == "leave.md":
            raise DependencyError("The origin is away.", mend="Retry.")

    bench.origin.on_fetch = away
    with pytest.raises(DependencyError, match="away"):
        bench.sync(source)
    assert set(bench.documents(source)) == {bench.id(source, "board/plan.md")}
    assert bench.registered(source).generation is None
    bench.origin.on_fetch = lambda _: None
    assert counted(bench.sync(source)) == (2, 1, 0, 0)
    assert bench.origin.fetched.count("board/plan.md") == 1


def test_a_crash_between_storing_and_publishing_is_finished_by_the_next_sync(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    first = bench.sync(source).generation
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")

    def killed(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.sync(source, progress=killed)
    assert bench.registered(source).generation == first
    assert bench.registered(source).unpublished
    bench.generation(source)
    report = bench.sync(source)
    assert counted(report) == (0, 3, 0, 0)
    assert report.generation != first
    assert not bench.registered(source).unpublished
    revisions = {member.revision for member in bench.generation(source).members()}
    assert revisions == {document.revision.id for document in bench.documents(source).values()}


def test_an_update_that_is_quarantined_hides_the_old_version_at_once(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    leave = bench.id(source, "leave.md")
    bench.origin.files["leave.md"] = File(content=b"!encrypted")
    hidden: list[frozenset[str]] = []
    bench.sync(source, progress=lambda _: hidden.append(bench.hidden(source)))
    assert hidden == [frozenset(), {leave}, {leave}]
    assert bench.documents(source)[leave].state is DocumentState.QUARANTINED
    assert leave not in {member.document for member in bench.generation(source).members()}
    assert bench.keyring.document_key_ids() == {one.revision.id for one in bench.documents(source).values()}


def test_a_redaction_that_fails_quarantines_and_is_tried_again(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.stages.detector.broken = QuarantineError("Too slow.", reason="timeout", stage="redact", mend="Split it.")
    assert counted(bench.sync(source)) == (0, 0, 3, 0)
    assert bench.stages.counting.passages == 0
    assert bench.generation(source).inventory.passages == 0
    bench.stages.detector.broken = None
    assert counted(bench.sync(source)) == (3, 0, 0, 0)


def test_what_could_not_be_parsed_is_tried_again_only_when_asked_for(bench: Bench, source: Source) -> None:
    bench.origin.files = {"locked.md": File(content=b"!encrypted")}
    for retry, parsed in ((False, 1), (False, 1), (True, 2)):
        assert bench.sync(source, retry_quarantined=retry).reasons == {"encrypted": 1}
        assert bench.stages.fake_parser.parsed == parsed


def test_other_stages_read_every_document_anew(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    bench.stages.identity = replace(bench.stages.identity, sha256="1" * 64)
    assert counted(bench.sync(source)) == (3, 0, 0, 0)
    assert bench.generation(source).inventory.embedder == bench.stages.identity.key
    assert counted(bench.sync(bench.apply(("profile: balanced", "profile: strict")))) == (3, 0, 0, 0)


def test_vectors_of_another_embedder_are_left_out_until_a_sync_has_made_new_ones(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    bench.stages.identity = replace(bench.stages.identity, sha256="1" * 64)
    bench.workshop.rebuild(source, actor="operator:test")
    assert bench.served(source) == frozenset()
    assert counted(bench.sync(source)) == (3, 0, 0, 0)
    assert bench.served(source) == {bench.id(source, name) for name in handbook_files()}


def test_a_document_whose_key_is_lost_is_read_anew(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    leave = bench.id(source, "leave.md")
    bench.keyring.destroy(keys=[bench.documents(source)[leave].revision.id])
    assert counted(bench.sync(source)) == (1, 2, 0, 0)
    assert bench.served(source) == {bench.id(source, name) for name in handbook_files()}


def test_readers_that_change_at_the_origin_hide_the_document_until_the_index_knows(bench: Bench) -> None:
    source = bench.apply(MIRRORED)
    bench.origin.files = {name: replace(file, access=STAFF) for name, file in handbook_files().items()}
    bench.sync(source)
    leave = bench.id(source, "leave.md")
    narrower = replace(STAFF, allow=frozenset({"user:ann"}))
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=narrower)
    hidden: list[frozenset[str]] = []
    assert counted(bench.sync(source, progress=lambda _: hidden.append(bench.hidden(source)))) == (0, 3, 0, 0)
    assert hidden == [frozenset(), {leave}, {leave}]
    assert bench.hidden(source) == frozenset()
    classes = {visibility.access for visibility in bench.generation(source).inventory.classes}
    deny = frozenset({"group:contractors"})
    assert classes == {replace(STAFF, deny=deny), replace(narrower, deny=deny)}


def test_a_document_without_mirrored_readers_is_for_nobody(bench: Bench) -> None:
    source = bench.apply(MIRRORED)
    bench.origin.files = handbook_files()
    bench.sync(source)
    (visibility,) = bench.generation(source).inventory.classes
    assert visibility.access == Access(allow=frozenset(), deny=frozenset(), as_of=None)


def test_a_mirror_that_is_only_younger_hides_nothing_and_is_known_to_the_index(bench: Bench) -> None:
    source = bench.apply(MIRRORED)
    bench.origin.files = {"leave.md": replace(text("Leave", "x"), access=STAFF)}
    bench.sync(source)
    later = replace(STAFF, as_of=NOW + timedelta(minutes=10))
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=later)
    hidden: list[frozenset[str]] = []
    bench.sync(source, progress=lambda _: hidden.append(bench.hidden(source)))
    assert hidden == [frozenset()]
    (visibility,) = bench.generation(source).inventory.classes
    assert visibility.access.as_of == later.as_of


def test_content_with_a_tombstone_does_not_come_back_and_another_version_does(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    leave = bench.id(source, "leave.md")
    purged = bench.origin.files.pop("leave.md")
    bench.keyring.entomb({leave: bench.documents(source)[leave].revision.version}, purge="p1", now=NOW)
    bench.sync(source)
    bench.origin.files["leave.md"] = purged
    report = bench.sync(source)
    assert (counted(report), report.reasons) == ((0, 2, 1, 0), {"tombstoned": 1})
    assert leave not in bench.served(source)
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    assert counted(bench.sync(source)) == (1, 2, 0, 0)
    assert leave in bench.served(source)


def test_a_document_past_its_retention_is_left_for_the_purge_and_not_deleted_in_silence(
    bench: Bench, source: Source
) -> None:
    bench.origin.files = {"leave.md": text("Leave", "Twenty five days a year.")}
    bench.sync(source)
    before = bench.documents(source)
    bench.clock.forward(timedelta(days=800))
    assert counted(bench.sync(source)) == (0, 1, 0, 0)
    assert bench.documents(source) == before


def test_a_document_that_is_past_its_retention_by_a_new_date_is_given_that_date(bench: Bench, source: Source) -> None:
    bench.origin.files = {"leave.md": text("Leave", "Twenty five days a year.")}
    bench.sync(source)
    long_ago = MODIFIED - timedelta(days=900)
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], modified=long_ago)
    bench.sync(source)
    assert [member.anchor for member in bench.generation(source).members()] == [long_ago]


def test_an_empty_origin_gives_an_empty_index(bench: Bench, source: Source) -> None:
    assert counted(bench.sync(source)) == (0, 0, 0, 0)
    generation = bench.generation(source)
    assert (generation.inventory.documents, generation.inventory.classes, generation.members()) == (0, (), [])
    assert generation.visible([], frozenset()) == []


def test_one_of_two_writers_is_refused(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    refused_too: list[str] = []

    def second_sync(_: Progress) -> None:
        with opened(bench.home.root, origin=FakeOrigin()) as other, pytest.raises(ConflictError) as caught:
            other.sync(source)
        refused_too.append(caught.value.message)

    assert counted(bench.sync(source, progress=second_sync)) == (3, 0, 0, 0)
    assert len(refused_too) == 3
    assert "is being written by process" in refused_too[0]


def test_the_acts_of_a_sync_are_in_the_audit_and_anchored(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    acts = [record.action for record in bench.audit()]
    assert acts == [Action.SOURCE_APPLIED, Action.SYNC_STARTED, Action.GENERATION_PUBLISHED, Action.SYNC_FINISHED]
    assert bench.audit()[-1].detail == '{"indexed":3,"quarantined":0,"removed":0,"unchanged":0}'
    assert bench.keyring.anchors()[-1].hash == bench.audit()[-1].hash
    assert not any("leave" in str(record) for record in bench.audit())
