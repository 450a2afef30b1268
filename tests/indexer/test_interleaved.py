"""What one job changes while another is in the middle: permissions never widen, names never outlive a receipt."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session

from connectors.base import Cursor, Finished, Listing
from indexer import catalog, erase, joblog, mirror
from indexer import sync as syncs
from indexer.database import Database
from indexer.joblog import Job, JobKind, JobState
from indexer.run import StoppedError
from policies.errors import AuditError, ConflictError, DependencyError, RefusedError
from policies.manifest import Source
from policies.model import Access
from tests.indexer.test_sync import MIRRORED, handbook_files
from tests.indexer.workbench import ACTOR, Bench, text, with_database

STAFF = Access(allow=frozenset({"group:staff"}), deny=frozenset())
ANN = Access(allow=frozenset({"user:ann"}), deny=frozenset())
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncs, "BATCH", 1)
    monkeypatch.setattr(mirror, "BATCH", 1)


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply(MIRRORED)
    bench.origin.files = {name: replace(file, access=STAFF) for name, file in handbook_files().items()}
    bench.sync(applied)
    bench.clock.forward(5 * MINUTE)
    return applied


class Interrupted:
    """The origin, where something happens once at the end of a listing."""

    def __init__(self, bench: Bench, happens: Callable[[], object]) -> None:
        self._origin = bench.origin
        self._happens = happens
        self.fetch = bench.origin.fetch
        self.permissions = bench.origin.permissions

    def list(self, cursor: Cursor | None) -> Listing:
        for change in self._origin.list(cursor):
            if isinstance(change, Finished):
                self._happens()
            yield change


class Overtaken(Database):
    """Where something happens once, just before somebody gets the write lock."""

    def __init__(self, bench: Bench, happens: Callable[[], object]) -> None:
        super().__init__(bench.place, [])
        self._happens = [happens]

    @contextmanager
    def writing(self) -> Iterator[Session]:
        while self._happens:
            self._happens.pop()()
        with super().writing() as session:
            yield session


def overtaken(bench: Bench, source: Source, happens: Callable[[], object]) -> Job:
    """Mirror the permissions, where something happens when they are told and compared, and not yet written."""
    job = bench.ask(JobKind.PERMISSIONS, source)
    database = Overtaken(bench, happens)
    with mirror.opened(with_database(bench, database).workshop, source, bench.origin, job) as run:
        run.finish()
    database.close()
    return bench.job(job.id)


def narrow(bench: Bench) -> None:
    """Have the origin say that only Ann reads leave.md."""
    bench.clock.forward(MINUTE)
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=ANN)


def run_sync(bench: Bench, source: Source, job: Job, origin: Interrupted) -> None:
    with syncs.opened(bench.workshop, source, origin, job) as run:
        for unit in range(run.prepare()):
            run.do(unit)
        run.finish()


def readers(bench: Bench, source: Source, name: str) -> frozenset[str]:
    return bench.documents(source)[bench.id(source, name)].access.allow


def test_a_mirroring_during_a_listing_holds_against_what_was_listed_before(bench: Bench, source: Source) -> None:
    leave = bench.origin.files["leave.md"]
    bench.origin.files["leave.md"] = replace(leave, content=b"# Leave\nThirty days.")

    def mirrored() -> None:
        narrow(bench)
        bench.mirror(source)

    run_sync(bench, source, bench.ask(JobKind.SYNC, source), Interrupted(bench, mirrored))
    assert readers(bench, source, "leave.md") == {"user:ann"}
    assert bench.registered(source).mirrored_at == bench.clock.now


def test_a_listing_during_a_mirroring_holds_against_what_was_told_before(bench: Bench, source: Source) -> None:
    """The mirroring was told of the staff; before it writes, a sync is told of Ann, and has not ended either."""
    sync = bench.ask(JobKind.SYNC, source)
    job = bench.ask(JobKind.PERMISSIONS, source)

    def mirror_ends() -> None:
        with mirror.opened(bench.workshop, source, told, job) as run:
            run.finish()

    def sync_lists() -> None:
        narrow(bench)
        with syncs.opened(bench.workshop, source, Interrupted(bench, lambda: None), sync) as run:
            run.prepare()

    told = Interrupted(bench, sync_lists)
    mirror_ends()
    assert readers(bench, source, "leave.md") == {"user:ann"}


@pytest.mark.parametrize("told", [True, False])
def test_a_document_that_a_sync_takes_in_at_the_last_moment_gets_the_readers_that_were_told(
    bench: Bench, source: Source, *, told: bool
) -> None:
    new = replace(text("New", "Something new."), access=STAFF)
    bench.origin.files["new.md"] = new
    sync = bench.ask(JobKind.SYNC, source)
    with syncs.opened(bench.workshop, source, bench.origin, sync) as run:
        units = run.prepare()
        bench.clock.forward(MINUTE)
        bench.origin.files["new.md"] = replace(new, access=ANN if told else None)
        job = overtaken(bench, source, lambda: [run.do(unit) for unit in range(units)])
        assert readers(bench, source, "new.md") == ({"user:ann"} if told else set())
        assert bench.hidden(source) == {bench.id(source, "new.md")}
        run.finish()
    assert job.tally == {"changed": 1, "unchanged": 4}
    assert readers(bench, source, "new.md") == ({"user:ann"} if told else set())


def test_readers_that_were_written_at_the_last_moment_give_way_to_those_told_later(
    bench: Bench, source: Source
) -> None:
    """When they were compared they were as they are told."""
    listed_at = bench.clock.now
    bench.clock.forward(MINUTE)
    wider = replace(STAFF, allow=STAFF.allow | {"user:bob"}, as_of=listed_at)

    def widen() -> None:
        with bench.database.writing() as session:
            catalog.reassign(session, source.name, {bench.id(source, "leave.md"): wider})

    assert overtaken(bench, source, widen).tally["changed"] == 1
    assert readers(bench, source, "leave.md") == {"group:staff"}


def test_readers_that_a_later_listing_confirms_at_the_last_moment_stay(bench: Bench, source: Source) -> None:
    """That they are the same and only younger is not counted as a change of the catalog."""
    leave = bench.id(source, "leave.md")
    bench.origin.files["leave.md"] = replace(bench.origin.files["leave.md"], access=ANN)
    before = bench.registered(source).changes

    def confirm() -> None:
        bench.clock.forward(MINUTE)
        with bench.database.writing() as session:
            known = catalog.documents(session, source.name)[leave]
            catalog.amend(session, replace(known, stamp="other", access=replace(known.access, as_of=bench.clock.now)))

    assert overtaken(bench, source, confirm).tally["changed"] == 0
    assert readers(bench, source, "leave.md") == {"group:staff"}
    assert bench.registered(source).changes == before


def test_a_document_that_goes_at_the_last_moment_is_not_given_readers(bench: Bench, source: Source) -> None:
    narrow(bench)

    def go() -> None:
        with bench.database.writing() as session:
            catalog.remove(session, source.name, [bench.id(source, "leave.md")])

    assert overtaken(bench, source, go).tally == {"changed": 0, "unchanged": 2}
    assert set(bench.documents(source)) == {bench.id(source, "board/plan.md"), bench.id(source, "pay.md")}


def test_what_a_complete_listing_does_not_name_is_for_nobody_even_where_its_removal_is_held(
    bench: Bench, source: Source
) -> None:
    bench.origin.files = {"leave.md": bench.origin.files["leave.md"]}
    with pytest.raises(RefusedError, match="2 of 3 documents"):
        bench.sync(source)
    assert readers(bench, source, "pay.md") == frozenset()
    assert readers(bench, source, "leave.md") == {"group:staff"}
    bench.origin.files |= {name: replace(file, access=STAFF) for name, file in handbook_files().items()}
    bench.sync(source)
    assert readers(bench, source, "pay.md") == {"group:staff"}
    assert len(bench.served(source)) == 3


def test_a_listing_that_is_begun_again_does_not_rely_on_what_it_saw_before(bench: Bench, source: Source) -> None:
    leave = bench.origin.files["leave.md"]
    bench.origin.files["leave.md"] = replace(leave, access=ANN)
    bench.sync(source)
    bench.clock.forward(MINUTE)
    job = bench.ask(JobKind.SYNC, source)
    with syncs.opened(bench.workshop, source, bench.origin, job) as run:
        bench.origin.files["leave.md"] = leave
        bench.origin.broken = DependencyError("It stumbled.", mend="Wait.")
        with pytest.raises(DependencyError):
            run.prepare()
        bench.origin.broken = None
        bench.clock.forward(MINUTE)
        bench.origin.files["leave.md"] = replace(leave, access=ANN)
        del bench.origin.files["pay.md"]
        for unit in range(run.prepare()):
            run.do(unit)
        run.finish()
    assert readers(bench, source, "leave.md") == {"user:ann"}
    assert bench.id(source, "pay.md") not in bench.documents(source)


@pytest.mark.parametrize("job", [Bench.mirror, Bench.sync])
def test_permissions_narrow_when_the_clock_was_ahead(
    bench: Bench, source: Source, job: Callable[[Bench, Source], object]
) -> None:
    bench.clock.forward(timedelta(hours=2))
    bench.mirror(source)
    bench.clock.forward(timedelta(hours=-2))
    narrow(bench)
    with pytest.raises(AuditError, match="behind the last record"):
        job(bench, source)
    bench.set_back(bench.clock.now)
    job(bench, source)
    assert readers(bench, source, "leave.md") == {"user:ann"}
    assert bench.registered(source).mirrored_at == bench.clock.now


def test_an_attachment_that_comes_in_beside_a_mirroring_gets_its_documents_readers(
    bench: Bench, source: Source
) -> None:
    leave = bench.origin.files["leave.md"]
    bench.origin.files["leave.md"] = replace(leave, content=b"# Leave\nwords\n+att.txt\ninner words of it")
    job = bench.ask(JobKind.SYNC, source)
    with syncs.opened(bench.workshop, source, bench.origin, job) as run:
        units = run.prepare()
        bench.clock.forward(MINUTE)
        bench.mirror(source)
        for unit in range(units):
            run.do(unit)
        run.finish()
    (part,) = [document for document in bench.documents(source).values() if document.parent]
    assert part.access.allow == {"group:staff"}


def test_a_sync_that_listed_under_another_manifest_is_not_gone_on_with(bench: Bench) -> None:
    source = bench.apply()
    bench.origin.files = handbook_files()
    job = bench.ask(JobKind.SYNC, source)
    with syncs.opened(bench.workshop, source, bench.origin, job) as run:
        run.prepare()
    narrower = bench.apply(("allow: [group:staff]", "allow: [group:hr]"))
    with pytest.raises(RefusedError, match="Another manifest"):
        bench.carry_on(narrower, bench.job(job.id))
    bench.sync(narrower)
    assert readers(bench, narrower, "leave.md") == {"group:hr"}


def test_a_mirroring_under_another_manifest_changes_nothing(bench: Bench, source: Source) -> None:
    job = bench.ask(JobKind.PERMISSIONS, source)
    told = Interrupted(bench, lambda: bench.apply(MIRRORED, ("title: HR handbook", "title: Handbook")))
    narrow(bench)
    with (
        mirror.opened(bench.workshop, source, told, job) as run,
        pytest.raises(ConflictError, match="Another manifest"),
    ):
        run.finish()
    assert readers(bench, source, "leave.md") == {"group:staff"}


def test_a_purge_ends_an_unfinished_sync_which_holds_names_of_what_it_deletes(bench: Bench) -> None:
    source = bench.apply()
    bench.origin.files = handbook_files()
    bench.sync(source)
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    job = bench.ask(JobKind.SYNC, source)
    with syncs.opened(bench.workshop, source, bench.origin, job) as run:
        run.prepare()
    key = bench.job(job.id).key
    bench.clock.forward(timedelta(days=3650))
    assert len(erase.purge(bench.workshop, source, actor=ACTOR)) == 1
    left = bench.job(job.id)
    assert (left.state, left.failure and left.failure.code) == (JobState.FAILED, "conflict")
    assert key not in bench.keyring.document_key_ids()
    with bench.database.reading() as session, pytest.raises(ConflictError, match="has ended"):
        joblog.listed(session, job.id, 0)


def test_a_sync_that_is_cancelled_in_the_middle_of_its_listing_stops_there(bench: Bench, source: Source) -> None:
    job = bench.ask(JobKind.SYNC, source)

    def cancel() -> None:
        with bench.database.writing() as session:
            joblog.end(session, job.id, JobState.CANCELLED, now=bench.clock())

    class Cancelling(Interrupted):
        def list(self, cursor: Cursor | None) -> Listing:
            listing = super().list(cursor)
            yield next(listing)
            cancel()
            yield from listing

    with (
        syncs.opened(bench.workshop, source, Cancelling(bench, lambda: None), job) as run,
        pytest.raises(StoppedError),
    ):
        run.prepare()
