from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.base import SourceDocument
from indexer import mirror
from indexer.joblog import JobKind, JobState
from indexer.reconcile import verify
from policies.errors import DependencyError, RefusedError
from policies.manifest import Source
from policies.model import Access, Action
from tests.indexer.test_build import Watched
from tests.indexer.test_sync import MIRRORED, handbook_files
from tests.indexer.workbench import ACTOR, NOW, Bench, with_database

STAFF = Access(allow=frozenset({"group:staff"}), deny=frozenset())
ANN = Access(allow=frozenset({"user:ann"}), deny=frozenset())


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply(MIRRORED)
    bench.origin.files = {name: replace(file, access=STAFF) for name, file in handbook_files().items()}
    bench.sync(applied)
    bench.clock.forward(timedelta(minutes=10))
    return applied


def test_what_others_do_during_a_long_mirroring_does_not_stop_it(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = bench.origin.permissions

    def slow(documents: Sequence[SourceDocument]) -> dict[str, Access]:
        bench.clock.forward(timedelta(hours=1))
        bench.workshop.record(source, ACTOR, Action.SUBJECT_SEARCHED, {})
        return told(documents)

    monkeypatch.setattr(bench.origin, "permissions", slow)
    bench.mirror(source)
    (mirrored,) = [record for record in bench.audit() if record.action == Action.PERMISSIONS_MIRRORED]
    assert mirrored.at == bench.clock.now.isoformat()
    assert verify(bench.workshop) == ()


def test_other_permissions_are_in_force_without_fetching_or_parsing(bench: Bench, source: Source) -> None:
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=ANN)
    fetched = list(bench.origin.fetched)
    job = bench.mirror(source)
    assert (job.state, job.tally) == (JobState.FINISHED, {"changed": 1, "unchanged": 3})
    assert bench.origin.fetched == fetched
    leave = bench.documents(source)[bench.id(source, "leave.md")]
    assert leave.access.allow == {"user:ann"}
    assert bench.registered(source).mirrored_at == NOW + timedelta(minutes=10)
    assert bench.hidden(source) == frozenset()
    assert verify(bench.workshop) == ()


@pytest.mark.parametrize("changes", [0, 1])
def test_only_what_changes_is_read_while_nobody_else_can_write(bench: Bench, source: Source, changes: int) -> None:
    """All of many takes longer than anybody waits to write."""
    for name in ["leave.md"][:changes]:
        bench.origin.files[name] = replace(bench.origin.files[name], access=ANN)
    job = bench.ask(JobKind.PERMISSIONS, source)
    watched = Watched(bench)
    transactions: list[list[str]] = []
    watched.at_end = lambda: transactions.append(watched.asked.copy())
    with mirror.opened(with_database(bench, watched).workshop, source, bench.origin, job) as run:
        run.finish()
    watched.close()
    assert bench.job(job.id).tally == {"changed": changes, "unchanged": 3}
    read = [asked for asked in transactions[0] if asked.startswith("SELECT") and "FROM document" in asked]
    # Each by its id and by nothing else, or SQLite looks at all of the source.
    assert [asked.partition("WHERE ")[2].count("document.id IN") for asked in read] == [1] * changes
    assert not [asked for asked in read if "document.source =" in asked or "document.parent" in asked]


def test_unchanged_permissions_make_the_mirror_younger_and_build_no_index(bench: Bench, source: Source) -> None:
    before = bench.registered(source).generation
    bench.mirror(source)
    assert bench.registered(source).generation == before
    assert bench.registered(source).mirrored_at == bench.clock.now


def test_a_document_whose_permissions_are_no_longer_told_is_for_nobody(bench: Bench, source: Source) -> None:
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=None)
    del bench.origin.files["pay.md"]
    bench.mirror(source)
    documents = bench.documents(source)
    assert documents[bench.id(source, "leave.md")].access.allow == frozenset()
    assert documents[bench.id(source, "pay.md")].access.allow == frozenset()


def test_a_mirror_that_did_not_come_to_its_end_changes_nothing_and_ages(bench: Bench, source: Source) -> None:
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=ANN)
    bench.origin.complete = False
    with pytest.raises(DependencyError, match="stay as they were"):
        bench.mirror(source)
    assert bench.documents(source)[bench.id(source, "leave.md")].access.allow == {"group:staff"}
    assert bench.registered(source).mirrored_at == NOW


def test_while_a_sync_is_at_work_changed_documents_are_hidden_until_it_publishes(bench: Bench, source: Source) -> None:
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=ANN)
    with bench.workshop.sole_writer(source) as fenced:
        bench.mirror(source)
        assert bench.hidden(source) == {bench.id(source, "leave.md")}
        fenced.publish(source, actor="operator:test")
    assert bench.hidden(source) == frozenset()


def test_a_sync_that_listed_before_the_mirror_does_not_widen_what_the_mirror_narrowed(
    bench: Bench, source: Source
) -> None:
    changed = replace(bench.origin.files["leave.md"], content=b"# Leave\nThirty days.")
    bench.origin.files["leave.md"] = changed

    def narrow(_: str) -> None:
        bench.clock.forward(timedelta(seconds=5))
        bench.origin.files["leave.md"] = replace(changed, access=ANN)
        job = bench.ask(JobKind.PERMISSIONS, source)
        with mirror.opened(bench.workshop, source, bench.origin, job) as run:
            run.finish()

    bench.origin.on_fetch = narrow
    bench.sync(source)
    assert bench.documents(source)[bench.id(source, "leave.md")].access.allow == {"user:ann"}


def test_a_source_with_rules_of_its_own_has_nothing_to_mirror(bench: Bench) -> None:
    applied = bench.apply()
    with pytest.raises(RefusedError, match="nothing to mirror"):
        bench.mirror(applied)
