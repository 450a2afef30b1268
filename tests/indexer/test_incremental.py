from dataclasses import replace

import pytest

from connectors.base import Cursor
from indexer.outcome import Outcome
from indexer.sync import FULL_LISTING_EVERY
from policies.errors import DependencyError, QuarantineError, RefusedError
from policies.manifest import Source
from tests.indexer.test_sync import handbook_files
from tests.indexer.workbench import Bench, gone, text


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply()
    bench.origin.files = handbook_files()
    bench.origin.cursor = Cursor("first: leave.md")
    bench.sync(applied)
    return applied


def test_a_listing_starts_where_the_last_one_ended(bench: Bench, source: Source) -> None:
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    bench.origin.changed = {"leave.md"}
    bench.origin.cursor = Cursor("second")
    report = bench.sync(source)
    assert (report.counts[Outcome.INDEXED], report.counts[Outcome.UNCHANGED]) == (1, 0)
    bench.origin.changed = set()
    bench.sync(source)
    assert bench.origin.cursors == [None, "first: leave.md", "second"]
    assert len(bench.served(source)) == 3


def test_what_an_incremental_listing_does_not_name_stays_and_what_it_names_as_gone_goes(
    bench: Bench, source: Source
) -> None:
    bench.origin.extra = [gone("pay.md")]
    report = bench.sync(source)
    assert report.counts[Outcome.REMOVED] == 1
    assert bench.served(source) == {bench.id(source, "leave.md"), bench.id(source, "board/plan.md")}


def test_a_cursor_is_not_readable_in_any_file(bench: Bench, source: Source) -> None:
    assert bench.registered(source).cursor is not None
    assert not any(b"leave.md" in path.read_bytes() for path in bench.home.root.rglob("*") if path.is_file())


def test_everything_is_listed_again_after_a_day(bench: Bench, source: Source) -> None:
    bench.clock.forward(FULL_LISTING_EVERY)
    bench.sync(source)
    assert bench.origin.cursors[-1] is None


@pytest.mark.usefixtures("source")
def test_everything_is_listed_again_where_the_code_or_the_policy_is_another(bench: Bench) -> None:
    bench.sync(bench.apply(("P2Y", "P3Y")))
    assert bench.origin.cursors[-1] is None
    bench.stages.identity = replace(bench.stages.identity, sha256="1" * 64)
    bench.sync(bench.apply(("P2Y", "P3Y")))
    assert bench.origin.cursors == [None, None, None]


def test_everything_is_listed_again_while_a_document_may_yet_be_taken_in(bench: Bench, source: Source) -> None:
    bench.stages.fake_parser.broken = QuarantineError("Died.", reason="crashed", stage="parse", mend="Look at it.")
    bench.origin.files["new.md"] = text("New", "Something new.")
    bench.origin.changed = {"new.md"}
    assert bench.sync(source).counts[Outcome.QUARANTINED] == 1
    bench.stages.fake_parser.broken = None
    bench.sync(source)
    assert bench.origin.cursors[-1] is None
    assert len(bench.served(source)) == 4


def test_a_listing_that_failed_or_was_cut_off_moves_no_cursor_and_removes_nothing(bench: Bench, source: Source) -> None:
    before = bench.registered(source)
    bench.clock.forward(FULL_LISTING_EVERY)
    bench.origin.cut_after = 1
    bench.sync(source)
    bench.origin.broken = DependencyError("The line went dead.", mend="Retry later.")
    with pytest.raises(DependencyError):
        bench.sync(source)
    assert len(bench.served(source)) == 3
    assert bench.registered(source).listed_at == before.listed_at


def test_an_unchanged_passage_of_a_changed_document_is_not_embedded_again(bench: Bench, source: Source) -> None:
    lines = [f"Sentence {number} of the handbook says this and that about leave." for number in range(200)]
    bench.origin.files["long.md"] = text("Long", *lines)
    bench.origin.changed = {"long.md"}
    bench.sync(source)
    embedded = bench.stages.counting.passages
    lines[-1] = lines[-1].replace("leave", "holidays")
    bench.origin.files["long.md"] = text("Long", *lines)
    bench.sync(source)
    assert bench.stages.counting.passages == embedded + 1


def test_a_document_that_is_only_called_otherwise_keeps_its_id_and_is_told_by_its_new_name(
    bench: Bench, source: Source
) -> None:
    bench.origin.names["leave.md"] = "holidays.md"
    bench.origin.changed = {"leave.md"}
    embedded = bench.stages.counting.passages
    report = bench.sync(source)
    assert report.counts[Outcome.INDEXED] == 1
    assert bench.stages.counting.passages == embedded
    assert len(bench.documents(source)) == 3


def test_a_held_sync_keeps_the_cursor_from_moving(bench: Bench, source: Source) -> None:
    bench.origin.extra = [gone("pay.md"), gone("leave.md")]
    with pytest.raises(RefusedError, match="2 of 3"):
        bench.sync(source)
    bench.sync(source, confirm_deletes=True)
    assert bench.origin.cursors == [None, "first: leave.md", None]
