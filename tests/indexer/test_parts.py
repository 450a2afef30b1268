from datetime import timedelta
from pathlib import Path

import pytest

from indexer import ocr, outcome, register
from indexer.formats.elements import quarantine
from indexer.outcome import Outcome
from indexer.reconcile import verify
from indexer.take import MAX_PART_DEPTH
from policies.errors import QuarantineError
from policies.manifest import Source
from policies.model import DocumentId
from tests.indexer.workbench import ACTOR, Bench, File, part_id, text
from tests.policies import handbook


@pytest.fixture
def source(bench: Bench) -> Source:
    return bench.apply()


def mail(*lines: str) -> File:
    return File(content="\n".join(lines).encode())


def part(bench: Bench, source: Source, whole: str, *path: int) -> DocumentId:
    return part_id(bench.keyring, bench.id(source, whole), bench.origin.files[whole].content, *path)


def test_an_attachment_is_a_document_of_its_own_with_the_readers_of_its_parent(bench: Bench, source: Source) -> None:
    bench.origin.files = {"board/mail.eml": mail("Dear all", "+plan.txt", "The plan."), "leave.md": text("Leave", "x")}
    report = bench.sync(source)
    assert (report.counts[Outcome.INDEXED], bench.job_tally(source)["parts"]) == (2, 1)
    documents = bench.documents(source)
    plan = documents[part(bench, source, "board/mail.eml", 1)]
    assert plan.parent == bench.id(source, "board/mail.eml")
    assert plan.access == documents[plan.parent].access
    assert plan.access.allow == {"group:board"}
    assert bench.served(source) == set(documents)
    assert verify(bench.workshop) == ()


def test_a_mail_that_is_nothing_but_its_attachments_is_indexed(bench: Bench, source: Source) -> None:
    bench.origin.files = {"mail.eml": mail("+a.txt", "One.", "+b.txt", "Two.")}
    assert bench.sync(source).counts[Outcome.INDEXED] == 1
    assert len(bench.documents(source)) == 3
    assert verify(bench.workshop) == ()


def test_an_attachment_that_cannot_be_read_is_quarantined_alone(bench: Bench, source: Source) -> None:
    bench.origin.files = {"mail.eml": mail("Dear all", "+locked.txt", "!encrypted", "+plain.txt", "Text.")}
    bench.sync(source)
    documents = bench.documents(source)
    assert documents[part(bench, source, "mail.eml", 1)].reason == "encrypted"
    assert documents[part(bench, source, "mail.eml", 2)].reason == ""


def test_an_attachment_that_cannot_be_read_for_now_is_read_by_a_later_sync(bench: Bench, source: Source) -> None:
    bench.origin.files = {
        "mail.eml": mail("Dear all", "+slow.txt", "!failing", "Text."),
        "leave.md": text("Leave", "x"),
    }
    bench.stages.fake_parser.failing = QuarantineError(
        "It took too long.", reason="timeout", stage="parse", mend="Wait."
    )
    bench.sync(source)
    slow = part(bench, source, "mail.eml", 1)
    assert bench.documents(source)[slow].reason == "timeout"
    bench.stages.fake_parser.failing = None
    parsed = bench.stages.fake_parser.parsed
    bench.sync(source)
    assert bench.documents(source)[slow].reason == ""
    assert bench.stages.fake_parser.parsed == parsed + 2  # the mail and what is in it
    bench.sync(source)
    assert bench.stages.fake_parser.parsed == parsed + 2


def test_a_scan_is_read_when_there_is_ocr_at_last(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.origin.files = {"scan.png": mail("!failing", "Text.")}
    bench.stages.fake_parser.failing = quarantine("no_ocr")
    monkeypatch.setattr(ocr, "available", lambda: ())
    bench.sync(source)
    bench.sync(source)
    assert bench.stages.fake_parser.parsed == 1
    bench.stages.fake_parser.failing = None
    monkeypatch.setattr(ocr, "available", lambda: ("en",))
    assert bench.sync(source).counts[Outcome.INDEXED] == 1


def test_the_parts_of_a_document_are_taken_for_so_long_and_no_longer(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "MAX_PARTS_S", -1.0)
    bench.origin.files = {"mail.eml": mail("Dear all", "+a.txt", "One.", "+b.txt", "Two.")}
    assert bench.sync(source).skipped_parts == 2
    assert set(bench.documents(source)) == {bench.id(source, "mail.eml")}


def test_attachments_in_attachments_are_taken_to_a_depth_and_counted_below(bench: Bench, source: Source) -> None:
    nested = [f"{'+' * depth}{depth}.eml" for depth in range(1, MAX_PART_DEPTH + 2)]
    bench.origin.files = {"mail.eml": mail("Dear all", *nested, "The innermost text.")}
    bench.sync(source)
    documents = bench.documents(source)
    inner = [part(bench, source, "mail.eml", *[1] * depth) for depth in range(1, MAX_PART_DEPTH + 1)]
    assert set(documents) == {bench.id(source, "mail.eml"), *inner}
    assert [documents[document].revision.skipped_parts for document in inner] == [0, 0, 1]
    assert {documents[document].parent for document in inner} == {bench.id(source, "mail.eml")}
    assert verify(bench.workshop) == ()


def test_a_mail_without_the_attachment_it_had_takes_it_along(bench: Bench, source: Source) -> None:
    bench.origin.files = {"mail.eml": mail("Dear all", "+a.txt", "One.", "+b.txt", "Two.")}
    bench.sync(source)
    bench.origin.files["mail.eml"] = mail("Dear all", "+a.txt", "One.")
    bench.sync(source)
    assert set(bench.documents(source)) == {bench.id(source, "mail.eml"), part(bench, source, "mail.eml", 1)}
    del bench.origin.files["mail.eml"]
    bench.sync(source, confirm_deletes=True)
    assert bench.documents(source) == {}
    assert verify(bench.workshop) == ()


def test_an_unchanged_mail_costs_neither_parsing_nor_embedding(bench: Bench, source: Source) -> None:
    bench.origin.files = {"mail.eml": mail("Dear all", "+a.txt", "One.")}
    bench.sync(source)
    parsed, embedded = bench.stages.fake_parser.parsed, bench.stages.counting.passages
    assert bench.sync(source).counts[Outcome.UNCHANGED] == 1
    assert (bench.stages.fake_parser.parsed, bench.stages.counting.passages) == (parsed, embedded)
    assert len(bench.served(source)) == 2


def test_other_readers_of_a_mail_are_those_of_its_attachments(bench: Bench, source: Source) -> None:
    bench.origin.files = {"mail.eml": mail("Dear all", "+a.txt", "One.")}
    bench.sync(source)
    narrower = ("allow: [group:staff]", "allow: [group:board]")
    register.apply(
        bench.workshop, handbook.source(narrower), manifest=handbook.bend(narrower), path=Path("hr.yaml"), actor=ACTOR
    )
    allowed = {document.access.allow for document in bench.documents(source).values()}
    assert allowed == {frozenset({"group:board"})}


def test_retention_ends_for_a_mail_and_its_attachments_at_one_instant(bench: Bench) -> None:
    source = bench.apply(("from: modified", "from: ingested"))
    bench.origin.files = {"mail.eml": mail("Dear all", "+a.txt", "One.")}
    bench.sync(source)
    bench.clock.forward(timedelta(days=1))
    bench.origin.files["mail.eml"] = mail("Dear all!", "+a.txt", "One.")
    bench.sync(source)
    assert len({document.revision.ingested for document in bench.documents(source).values()}) == 1
