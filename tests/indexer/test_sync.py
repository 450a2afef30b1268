import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from connectors.base import Upsert
from indexer import catalog
from indexer.content import Description, open_description, open_text
from indexer.formats.elements import quarantine
from indexer.joblog import Job
from indexer.outcome import Outcome
from indexer.tables import DocumentState
from policies.errors import ConflictError, DependencyError, QuarantineError, RefusedError
from policies.manifest import Source
from policies.model import Access, Action, DocumentId, Node
from tests.indexer.workbench import (
    MODIFIED,
    NOW,
    Bench,
    FakeOrigin,
    File,
    Report,
    everything_below,
    gone,
    left_below,
    opened,
    refused,
    text,
)
from tests.policies import handbook
from tests.policies.handbook import RULES

MIRRORED = (RULES, "documents: {from: connector}")
STAFF = Access(allow=frozenset({"group:staff"}), deny=frozenset(), as_of=NOW)


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


def described(bench: Bench, source: Source, name: str) -> Description:
    revision = bench.documents(source)[bench.id(source, name)].revision
    return open_description(bench.keyring.document_keys([revision.id])[revision.id], revision.id, revision.sealed)


def passage_texts(bench: Bench, source: Source, name: str) -> list[str]:
    revision = bench.documents(source)[bench.id(source, name)].revision.id
    key = bench.keyring.document_keys([revision])[revision]
    with bench.database.reading() as session:
        return [open_text(key, revision, one.ordinal, one.text).text for one in catalog.passages(session, revision)]


def ingested(bench: Bench, source: Source) -> dict[DocumentId, datetime]:
    return {document.id: document.revision.ingested for document in bench.documents(source).values()}


def test_every_listed_document_ends_somewhere_and_the_counts_add_up(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files() | {
        "locked.md": File(content=b"!encrypted"),
        "old.md": replace(text("Old", "Kept too long."), modified=MODIFIED - timedelta(days=900)),
        "undated.md": replace(text("Undated", "Nobody knows when."), modified=None),
        "fault.md": File(content=b"!fault"),
        "blank.md": File(content=b" \n \n"),
    }
    bench.origin.extra = [refused("link.md")]
    seen: list[Job] = []
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
    assert {progress.total for progress in seen} == {9}
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
    with bench.database.reading() as session:
        (stored,) = catalog.passages(session, document.revision.id)
    passage = open_text(key, document.revision.id, 0, stored.text)
    assert "zedekiah" not in passage.indexed_text
    assert "rule QX-4711" in passage.text
    assert document.revision.redactions == {"EMAIL_ADDRESS": 3}
    assert left_below(bench.home.root, [b"zedekiah", b"QX-4711", b"About", b"Write to"]) == set()


def test_personal_data_in_a_name_with_spaces_does_not_stand_in_the_address(bench: Bench, source: Source) -> None:
    """An address is written with % signs, which no recogniser reads through."""
    name = "people/letter to zedekiah@example.org (50% off).md"
    bench.origin.files = {name: text("A letter", "Twenty five days.")}
    assert "zedekiah%40" in bench.origin.document(name).uri
    bench.sync(source)
    uri = described(bench, source, name).uri
    assert re.fullmatch(
        r"https://origin\.example/people/letter%20to%20\[EMAIL_ADDRESS_\w+\]%20\(50%25%20off\)\.md", uri
    ), uri


@pytest.mark.parametrize("name", ["a b.md", "no #1.md", "why?.md", "100%.md", "%20.md", "caf\udce9.md", "é.md"])
def test_an_address_without_personal_data_is_cited_to_the_letter(bench: Bench, source: Source, name: str) -> None:
    bench.origin.files = {name: text("A file", "Twenty five days.")}
    bench.sync(source)
    assert described(bench, source, name).uri == bench.origin.document(name).uri


def test_parts_that_were_not_read_are_counted(bench: Bench, source: Source) -> None:
    bench.stages.fake_parser.skipped_parts = 2
    bench.origin.files = handbook_files()
    assert bench.sync(source).skipped_parts == 6
    assert [document.revision.skipped_parts for document in bench.documents(source).values()] == [2, 2, 2]
    assert bench.sync(source).skipped_parts == 0


def test_neither_stamps_nor_versions_tell_that_two_documents_are_equal_or_what_they_hold(
    bench: Bench, source: Source
) -> None:
    bench.origin.files = {name: text("Leave", "Twenty five days a year.") for name in ("a.md", "b.md")}
    bench.sync(source)
    documents = bench.documents(source).values()
    stamps = {bench.origin.document(name).stamp for name in bench.origin.files}
    assert {document.stamp[:24] for document in documents} == {bench.keyring.fingerprint(stamp) for stamp in stamps}
    assert len({document.stamp[24:] for document in documents}) == 2
    assert len({document.revision.version for document in documents}) == 2
    assert left_below(bench.home.root, [stamp.encode() for stamp in stamps]) == set()


def test_the_same_bytes_taken_in_anew_keep_the_time_they_first_came(bench: Bench, source: Source) -> None:
    """Retention may count from it, and other code must not prolong it."""
    bench.origin.files = handbook_files()
    bench.sync(source)
    first = ingested(bench, source)
    assert set(first.values()) == {NOW}
    bench.clock.forward(timedelta(days=30))
    bench.stages.identity = replace(bench.stages.identity, sha256="1" * 64)
    bench.origin.files["pay.md"] = text("Pay", "Paid on the first day of the month.")
    assert counted(bench.sync(source)) == (3, 0, 0, 0)
    assert ingested(bench, source) == first | {bench.id(source, "pay.md"): NOW + timedelta(days=30)}


def test_the_time_bytes_first_came_outlasts_a_quarantine(bench: Bench, source: Source) -> None:
    bench.origin.files = {"leave.md": text("Leave", "Twenty five days a year.")}
    bench.sync(source)
    first = ingested(bench, source)
    for number, broken in ((1, quarantine("corrupt")), (2, None)):
        bench.clock.forward(timedelta(days=30))
        bench.stages.identity = replace(bench.stages.identity, sha256=str(number) * 64)
        bench.stages.fake_parser.broken = broken
        bench.sync(source)
        assert ingested(bench, source) == first
    assert bench.served(source) == set(first)


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
    with pytest.raises(RefusedError, match=r"2 of 3 documents .* more than the 50% .*--confirm"):
        bench.sync(source)
    assert bench.served(source) == served
    assert counted(bench.sync(source, confirm_deletes=True)) == (0, 1, 0, 2)
    assert bench.served(source) == {bench.id(source, "leave.md")}


def test_a_sync_that_would_remove_too_much_publishes_everything_else(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    bench.origin.files = {"leave.md": text("Leave", "Thirty days a year."), "new.md": text("New", "Something new.")}
    with pytest.raises(RefusedError, match="2 of 3 documents"):
        bench.sync(source)
    assert bench.served(source) == {bench.id(source, name) for name in [*handbook_files(), "new.md"]}
    assert not bench.registered(source).unpublished
    revisions = {member.revision for member in bench.generation(source).members()}
    assert revisions == {document.revision.id for document in bench.documents(source).values()}
    assert bench.audit()[-1].action == Action.SYNC_FINISHED


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

    def killed(progress: Job) -> None:
        if progress.done == 1:
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
    assert hidden == [{leave}]
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


@pytest.mark.parametrize("reason", ["unreadable", "changed"])
def test_a_document_that_cannot_be_fetched_for_now_stays_as_it_was(bench: Bench, source: Source, reason: str) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    before = bench.documents(source)
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")

    def passing(_: str) -> None:
        raise QuarantineError("Not now.", reason=reason, stage="fetch", mend="Sync again.")

    bench.origin.on_fetch = passing
    report = bench.sync(source)
    assert (counted(report), report.reasons) == ((0, 2, 1, 0), {reason: 1})
    assert bench.documents(source) == before
    assert bench.served(source) == set(before)
    bench.origin.on_fetch = lambda _: None
    assert counted(bench.sync(source)) == (1, 2, 0, 0)
    assert passage_texts(bench, source, "leave.md") == ["Thirty days a year."]


PASSING_AT_INGEST = [
    ("timeout", "parse"), ("crashed", "parse"), ("out_of_memory", "parse"), ("redaction_timeout", "redact"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "stage"), PASSING_AT_INGEST)
def test_a_document_that_cannot_be_ingested_for_now_stays_as_it_was(
    bench: Bench, source: Source, reason: str, stage: str
) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    before = bench.documents(source)
    bench.origin.files["leave.md"] = replace(
        text("Leave", "Thirty days a year."), modified=MODIFIED + timedelta(days=1)
    )
    broken = QuarantineError("Not now.", reason=reason, stage=stage, mend="Sync again.")
    bench.stages.fake_parser.broken = broken
    report = bench.sync(source)
    assert (counted(report), report.reasons) == ((0, 2, 1, 0), {reason: 1})
    assert bench.documents(source) == before
    assert bench.served(source) == set(before)
    bench.stages.fake_parser.broken = None
    assert counted(bench.sync(source)) == (1, 2, 0, 0)
    assert passage_texts(bench, source, "leave.md") == ["Thirty days a year."]


@pytest.mark.parametrize(("reason", "stage"), PASSING_AT_INGEST)
def test_what_was_quarantined_for_a_reason_that_may_pass_is_tried_again(
    bench: Bench, source: Source, reason: str, stage: str
) -> None:
    bench.origin.files = {"leave.md": text("Leave", "Twenty five days a year.")}
    bench.stages.fake_parser.broken = QuarantineError("Not now.", reason=reason, stage=stage, mend="Sync again.")
    bench.sync(source)
    before = bench.documents(source)
    assert bench.sync(source).reasons == {reason: 1}
    assert bench.stages.fake_parser.parsed == 2
    assert bench.documents(source) == before
    bench.stages.fake_parser.broken = None
    assert counted(bench.sync(source)) == (1, 0, 0, 0)
    assert bench.served(source) == set(before)


@pytest.mark.parametrize("narrower", [replace(STAFF, allow=frozenset({"user:ann"})), None])
def test_a_document_that_cannot_be_read_for_now_has_its_present_readers_all_the_same(
    bench: Bench, narrower: Access | None
) -> None:
    source = bench.apply(MIRRORED)
    bench.origin.files = {"leave.md": replace(text("Leave", "Twenty five days a year."), access=STAFF)}
    bench.sync(source)
    bench.origin.files["leave.md"] = replace(text("Leave", "Thirty days a year."), access=narrower)
    bench.stages.fake_parser.broken = QuarantineError("Not now.", reason="timeout", stage="parse", mend="Sync again.")
    bench.sync(source)
    (visibility,) = bench.generation(source).inventory.classes
    assert visibility.access.allow == (narrower.allow if narrower else frozenset())
    assert passage_texts(bench, source, "leave.md") == ["Twenty five days a year."]


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
    narrower = replace(STAFF, allow=frozenset({"user:ann"}))
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=narrower)
    assert counted(bench.sync(source)) == (0, 3, 0, 0)
    assert bench.hidden(source) == frozenset()
    classes = {visibility.access for visibility in bench.generation(source).inventory.classes}
    deny = frozenset({"group:contractors"})
    assert classes == {replace(STAFF, deny=deny), replace(narrower, deny=deny)}


def test_a_document_without_mirrored_readers_is_for_nobody(bench: Bench) -> None:
    source = bench.apply(MIRRORED)
    bench.origin.files = handbook_files()
    bench.sync(source)
    (visibility,) = bench.generation(source).inventory.classes
    assert visibility.access == Access(allow=frozenset(), deny=frozenset(), as_of=NOW)


def test_a_mirror_that_is_only_younger_builds_no_index(bench: Bench) -> None:
    source = bench.apply(MIRRORED)
    bench.origin.files = {"leave.md": replace(text("Leave", "x"), access=STAFF)}
    first = bench.sync(source).generation
    assert bench.registered(source).mirrored_at == NOW
    bench.clock.forward(timedelta(minutes=10))
    assert bench.sync(source).generation == first
    assert bench.registered(source).mirrored_at == NOW + timedelta(minutes=10)


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


def test_what_could_not_be_read_counts_from_the_day_when_it_can(bench: Bench) -> None:
    kept_30_days = bench.apply(("{period: P2Y, from: modified}", "{period: P30D, from: ingested}"))
    bench.origin.files = {"locked.md": File(content=b"!encrypted")}
    bench.sync(kept_30_days)
    bench.clock.forward(timedelta(days=200))
    bench.origin.files["locked.md"] = text("Open", "It can be read by now.")
    assert bench.sync(kept_30_days).reasons == {}
    (document,) = bench.documents(kept_30_days).values()
    assert (document.state, document.revision.ingested) == (DocumentState.INDEXED, bench.clock())


def test_not_even_the_name_is_kept_of_what_nobody_may_look_at_any_more(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files() | {"locked.md": File(content=b"!encrypted")}
    bench.sync(source)
    assert described(bench, source, "locked.md").name == "locked.md"
    leave = bench.id(source, "leave.md")
    bench.keyring.entomb({leave: bench.documents(source)[leave].revision.version}, purge="p1", now=NOW)
    bench.stages.identity = replace(bench.stages.identity, sha256="1" * 64)
    old = MODIFIED - timedelta(days=900)
    bench.origin.files |= {
        "old.md": replace(text("Old", "Kept too long."), modified=old),
        "locked.md": File(content=b"!encrypted", modified=old),
    }
    assert bench.sync(source).reasons == {"retention_passed": 2, "tombstoned": 1}
    for name in ("leave.md", "old.md", "locked.md"):
        assert described(bench, source, name) == Description(origin_id="", name="", uri="", title="")
    before = bench.documents(source)
    assert bench.sync(source).reasons == {"retention_passed": 2, "tombstoned": 1}
    assert bench.documents(source) == before
    assert bench.keyring.document_key_ids() == {one.revision.id for one in before.values()}


REFUSED_AS_A_WHOLE = {
    "suspended": (("state: active", "state: suspended"), "state is not active"),
    "draft": (("state: active", "state: draft"), "state is not active"),
    "stored elsewhere": (("store: [gb]", "store: [fr]"), "may not be stored where this home"),
    "processed elsewhere": (("process: [gb]", "process: [fr]"), "may not be processed where this node runs"),
}


@pytest.mark.parametrize("case", REFUSED_AS_A_WHOLE)
@pytest.mark.usefixtures("source")
def test_a_sync_that_the_policy_refuses_as_a_whole_touches_nothing(bench: Bench, case: str) -> None:
    """Asked of each document it would quarantine them all, and publishing would destroy their keys."""
    swap, why = REFUSED_AS_A_WHOLE[case]
    bench.origin.files = handbook_files()
    bench.sync(handbook.source())
    source = bench.apply(swap)
    fetched, keys = list(bench.origin.fetched), bench.keyring.document_key_ids()
    before = (bench.documents(source), bench.registered(source), bench.audit())
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    with pytest.raises(RefusedError, match=why):
        bench.sync(source)
    assert (bench.documents(source), bench.registered(source), bench.audit()) == before
    assert (bench.origin.fetched, bench.keyring.document_key_ids()) == (fetched, keys)
    assert counted(bench.sync(bench.apply())) == (1, 2, 0, 0)


def test_a_node_whose_place_is_not_known_takes_nothing_in(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    before = (bench.documents(source), bench.audit())
    nowhere = replace(
        bench,
        workshop=replace(
            bench.workshop, node=Node(process_region=None, store_regions=frozenset({"gb"}), system_region="gb")
        ),
    )
    with pytest.raises(RefusedError, match="processed"):
        nowhere.sync(source)
    assert (bench.documents(source), bench.audit()) == before


def test_a_sync_under_a_manifest_that_was_replaced_is_refused(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.apply(("period: P2Y", "period: P1Y"))
    records = bench.audit()
    with pytest.raises(ConflictError, match="Another manifest of 'hr-handbook'"):
        bench.sync(source)
    assert (bench.documents(source), bench.origin.fetched, bench.audit()) == ({}, [], records)


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

    def second_sync(job: Job) -> None:
        with opened(bench.home.root, origin=FakeOrigin()) as other, pytest.raises(ConflictError) as caught:
            other.carry_on(source, job)
        refused_too.append(caught.value.message)

    assert counted(bench.sync(source, progress=second_sync)) == (3, 0, 0, 0)
    assert len(refused_too) == 3
    assert "is being worked on by process" in refused_too[0]


def test_the_acts_of_a_sync_are_in_the_audit_and_anchored(bench: Bench, source: Source) -> None:
    bench.origin.files = handbook_files()
    bench.sync(source)
    acts = [record.action for record in bench.audit()]
    assert acts == [Action.SOURCE_APPLIED, Action.SYNC_STARTED, Action.GENERATION_PUBLISHED, Action.SYNC_FINISHED]
    assert bench.audit()[-1].detail == '{"indexed":3,"quarantined":0,"removed":0,"unchanged":0}'
    assert bench.keyring.anchors()[-1].hash == bench.audit()[-1].hash
    assert not any("leave" in str(record) for record in bench.audit())
