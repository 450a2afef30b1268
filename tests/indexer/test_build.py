import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy import text as sql
from sqlmodel import Session

from indexer import build as module
from indexer import catalog, revisions
from indexer.build import FORGOTTEN_AT_ONCE, Built, build, class_of, collect, publish
from indexer.database import Database
from indexer.keyring import KeyId
from policies.errors import ConflictError, DependencyError, IntegrityError
from policies.manifest import Source
from policies.model import Access, GenerationId
from tests import catalogs
from tests.indexer.workbench import (
    ACTOR,
    MODIFIED,
    NOW,
    Bench,
    Killed,
    killed_at,
    opened,
    text,
    with_database,
)
from tests.policies import handbook

FILES = {
    "leave.md": text("Leave", "Twenty five days a year."),
    "pay.md": text("Pay", "Paid on the last day of the month."),
    "board/plan.md": text("Plan", "The plan of the board."),
}
NEXT = GenerationId("f" * 24)


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply()
    bench.origin.files = dict(FILES)
    bench.sync(applied)
    return applied


def built(bench: Bench, source: Source, generation: GenerationId = NEXT) -> Built:
    identity = bench.stages.embedder_identity
    return build(
        bench.database,
        bench.keyring,
        source,
        bench.home.generations(source.name),
        generation=generation,
        embedder=identity.key,
        dim=identity.dim,
        former=None,
    )


def change(bench: Bench, source: Source, name: str, **changes: object) -> None:
    """Amend a document as another writer would."""
    document = bench.documents(source)[bench.id(source, name)]
    with bench.database.writing() as session:
        catalog.amend(session, replace(document, **changes))  # type: ignore[arg-type]


def folders(bench: Bench, source: Source) -> set[str]:
    return {path.name for path in bench.home.generations(source.name).iterdir()}


def test_equal_rules_make_one_class_and_others_do_not() -> None:
    one = Access(allow=frozenset({"group:a", "group:b"}), deny=frozenset())
    assert class_of(one) == class_of(Access(allow=frozenset({"group:b", "group:a"}), deny=frozenset()))
    mirrored = replace(one, as_of=NOW)
    assert class_of(mirrored) == class_of(replace(one, as_of=NOW + timedelta(minutes=1)))
    others = [
        Access(allow=frozenset({"group:a"}), deny=frozenset({"group:b"})),
        Access(allow=frozenset(), deny=frozenset({"group:a", "group:b"})),
        Access(allow=frozenset({"group:a,group:b"}), deny=frozenset()),
        Access(allow=frozenset({'group:a", "group:b'}), deny=frozenset()),
        Access(allow=frozenset(), deny=frozenset()),
    ]
    assert len({class_of(access) for access in [one, mirrored, *others]}) == 7


def test_the_same_catalog_gives_the_same_bytes(bench: Bench, source: Source) -> None:
    digests = [built(bench, source, GenerationId(name)).digest for name in ("a", "b")]
    assert digests[0] == digests[1] == bench.registered(source).generation_digest


def test_what_is_built_does_not_serve_until_it_is_published(bench: Bench, source: Source) -> None:
    before = bench.registered(source)
    made = built(bench, source)
    assert (made.documents, made.passages, made.left_out) == (3, 3, ())
    assert bench.registered(source) == before
    publish(bench.database, source, made, actor=ACTOR, now=NOW)
    assert bench.registered(source).generation == NEXT
    assert {member.document for member in bench.generation(source).members()} == set(bench.documents(source))


@pytest.mark.parametrize(
    "changes",
    [
        {"access": Access(allow=frozenset({"group:other"}), deny=frozenset())},
        {"access": Access(allow=frozenset({"group:staff"}), deny=frozenset())},
    ],
)
def test_a_generation_that_does_not_know_the_present_readers_is_not_published(
    bench: Bench, source: Source, changes: dict[str, object]
) -> None:
    made = built(bench, source)
    change(bench, source, "leave.md", **changes)
    with pytest.raises(ConflictError, match="changed while its index was built"):
        publish(bench.database, source, made, actor=ACTOR, now=NOW)
    assert bench.hidden(source) == {bench.id(source, "leave.md")}
    assert bench.registered(source).generation != NEXT


def test_a_generation_that_does_not_know_a_documents_date_is_not_published(bench: Bench, source: Source) -> None:
    made = built(bench, source)
    revision = bench.documents(source)[bench.id(source, "leave.md")].revision
    change(bench, source, "leave.md", revision=replace(revision, modified=MODIFIED - timedelta(days=600)))
    with pytest.raises(ConflictError, match="changed while its index was built"):
        publish(bench.database, source, made, actor=ACTOR, now=NOW)


def test_a_generation_with_a_removed_document_is_not_published(bench: Bench, source: Source) -> None:
    made = built(bench, source)
    with bench.database.writing() as session:
        catalog.remove(session, source.name, [bench.id(source, "pay.md")])
    records = len(bench.audit())
    with pytest.raises(ConflictError):
        publish(bench.database, source, made, actor=ACTOR, now=NOW)
    assert len(bench.audit()) == records


def test_a_generation_without_a_new_document_is_not_published(bench: Bench, source: Source) -> None:
    made = built(bench, source)
    bench.origin.files["new.md"] = text("New", "Something new.")
    bench.sync(source)
    with pytest.raises(ConflictError):
        publish(bench.database, source, made, actor=ACTOR, now=NOW)


class Watched(Database):
    """Tells what is asked of it, and calls `at_end`, while nobody else can write."""

    at_end: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.place, [])
        self.asked: list[str] = []

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with super().writing() as session:
            event.listen(session.connection(), "before_cursor_execute", lambda *told: self.asked.append(told[2]))
            yield session
            self.at_end()


def test_no_document_is_read_while_nobody_else_can_write(bench: Bench, source: Source) -> None:
    """Of many that takes longer than anybody waits to write."""
    made = built(bench, source)
    watched = Watched(bench)
    publish(watched, source, made, actor=ACTOR, now=NOW)
    watched.close()
    assert bench.registered(source).generation == NEXT
    assert [asked.split()[0] for asked in watched.asked if "document" in asked] == ["UPDATE"]


def test_documents_without_a_key_or_with_a_tombstone_are_left_out(bench: Bench, source: Source) -> None:
    documents = bench.documents(source)
    lost, purged = bench.id(source, "leave.md"), bench.id(source, "pay.md")
    bench.keyring.destroy(keys=[documents[lost].revision.id])
    bench.keyring.entomb({purged: documents[purged].revision.version}, purge="p1", now=NOW)
    made = built(bench, source)
    assert set(made.left_out) == {lost, purged}
    publish(bench.database, source, made, actor=ACTOR, now=NOW)
    assert {member.document for member in bench.generation(source).members()} == {bench.id(source, "board/plan.md")}


def test_documents_redacted_otherwise_than_the_manifest_says_are_left_out(bench: Bench, source: Source) -> None:
    stricter = handbook.source(("profile: balanced", "profile: strict"))
    made = built(bench, stricter)
    assert set(made.left_out) == set(bench.documents(source))
    assert (made.documents, made.passages) == (0, 0)
    assert built(bench, source, GenerationId("a")).left_out == ()


def test_a_class_of_mirrored_rules_is_as_old_as_its_oldest_and_no_rule_of_the_manifest_rejuvenates_it(
    bench: Bench, source: Source
) -> None:
    rules = Access(allow=frozenset({"group:staff"}), deny=frozenset())
    younger, older = replace(rules, as_of=NOW), replace(rules, as_of=NOW - timedelta(minutes=5))
    for name, access in zip(FILES, (rules, younger, older), strict=True):
        change(bench, source, name, access=access)
    bench.workshop.rebuild(source, actor=ACTOR)
    classes = [
        (entry.access, entry.documents[1] - entry.documents[0]) for entry in bench.generation(source).inventory.classes
    ]
    assert sorted(classes, key=lambda entry: entry[1]) == [(rules, 1), (older, 2)]


def test_superseded_revisions_are_forgotten_in_small_transactions(bench: Bench, source: Source) -> None:
    """While one lasts no answer can be recorded."""
    bench.sync(source)
    documents = list(bench.documents(source).values())
    sizes: list[int] = []
    with bench.database.writing() as session:
        for number in range(2 * FORGOTTEN_AT_ONCE + 1):
            revision = replace(documents[0].revision, id=KeyId(f"{number:024x}"), passages=0)
            catalog.store(session, replace(documents[0], revision=revision), (), listing="job")
        catalog.store(session, replace(documents[0], revision=replace(revision, id=KeyId("f" * 24))), (), listing="job")

    class Counting(Database):
        def writing(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
            with bench.database.reading() as session:
                sizes.append(len(revisions.ids(session)))
            return super().writing()

    counting = Counting(bench.place, [])
    collect(counting, bench.keyring, source, bench.home.generations(source.name))
    counting.close()
    forgotten = [before - after for before, after in itertools.pairwise(sizes)]
    assert [number for number in forgotten if number] == [FORGOTTEN_AT_ONCE, FORGOTTEN_AT_ONCE, 2]
    assert len(bench.documents(source)) == 3


def test_a_tombstone_of_another_version_leaves_a_document_in(bench: Bench, source: Source) -> None:
    bench.keyring.entomb({bench.id(source, "pay.md"): "another"}, purge="p1", now=NOW)
    assert built(bench, source).left_out == ()


@pytest.mark.parametrize("column", ["text", "vector"])
def test_a_passage_that_does_not_open_stops_the_build(bench: Bench, source: Source, column: str) -> None:
    with bench.database.writing() as session:
        session.connection().execute(sql(f"UPDATE passage SET {column} = :zeros"), {"zeros": bytes(60)})  # noqa: S608
    with pytest.raises(IntegrityError, match="does not open"):
        built(bench, source)


def test_a_passage_that_is_missing_stops_the_build(bench: Bench, source: Source) -> None:
    with bench.database.writing() as session:
        session.connection().exec_driver_sql("DELETE FROM passage")
    with pytest.raises(IntegrityError, match="does not have the passages it should have"):
        built(bench, source)


def test_collecting_removes_what_nothing_names_and_can_be_repeated(bench: Bench, source: Source) -> None:
    folder = bench.home.generations(source.name)
    serving = bench.registered(source).generation
    (folder / "stray").write_text("a file")
    outside = bench.home.keyring.parent
    (folder / "link").symlink_to(outside)
    (folder / ".building-x" / "lexicon").mkdir(parents=True)
    built(bench, source)
    for _ in range(2):
        collect(bench.database, bench.keyring, source, folder)
        assert folders(bench, source) == {serving}
    assert bench.home.keyring.is_file()
    assert set(bench.documents(source)) == bench.served(source)


def test_folders_are_deleted_while_others_can_write_and_before_what_they_name_is_forgotten(
    bench: Bench, source: Source
) -> None:
    folder = bench.home.generations(source.name)
    serving = bench.registered(source).generation
    (folder / ".building-x" / "lexicon").mkdir(parents=True)
    seen: list[set[str]] = []
    watched = Watched(bench)
    watched.at_end = lambda: seen.append(folders(bench, source))
    collect(watched, bench.keyring, source, folder)
    watched.close()
    assert seen[0] == {serving, ".building-x"}
    assert len(seen) > 1
    assert all(names == {serving} for names in seen[1:])


def test_what_another_process_deletes_meanwhile_is_no_fault(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bench.home.generations(source.name)
    for name in ("stray", "other"):
        (folder / name).mkdir()
        for file in "abc":
            (folder / name / file).touch()
    unlink = os.unlink

    def late(path: str, *, dir_fd: int | None = None) -> None:
        unlink(path, dir_fd=dir_fd)
        if path == "b":
            raise FileNotFoundError(errno.ENOENT, "gone")

    monkeypatch.setattr(os, "unlink", late)
    collect(bench.database, bench.keyring, source, folder)
    assert folders(bench, source) == {bench.registered(source).generation}


class FullDisk(Database):
    """Fails to write as SQLite does on a full disk, from the `after`-th transaction on."""

    after = 0

    def writing(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        self.after -= 1
        if self.after < 0:
            raise DependencyError("catalog.db cannot be used.", mend="Check that the disk is not full.")
        return super().writing()


def test_a_full_disk_at_any_transaction_leaves_the_former_generation_serving(bench: Bench, source: Source) -> None:
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    full = FullDisk(bench.place, [])
    failed = 0
    for after in range(20):
        full.after = after
        before = bench.registered(source).generation
        try:
            with_database(bench, full).sync(source)
        except DependencyError:
            failed += 1
            registered = bench.registered(source)
            # Only the last transactions, which clear up and record, come behind the publishing one.
            assert registered.generation == before or not registered.unpublished
            bench.generation(source)
        else:
            break
    full.close()
    assert failed == 9
    assert bench.served(source) == set(bench.documents(source))


SCRIPT = frozenset({module.__file__})


def test_a_process_killed_at_any_line_of_build_publish_and_collect_leaves_a_whole_index(
    bench: Bench, source: Source, tmp_path: Path
) -> None:
    """Lines of `indexer.build` count once each; after every death the next sync brings the new content."""
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    del bench.origin.files["pay.md"]
    bench.keyring.database.checkpoint()
    bench.database.checkpoint()
    before = {member.revision for member in bench.generation(source).members()}
    bench.database.close()
    wanted = {bench.id(source, "leave.md"), bench.id(source, "board/plan.md")}
    deaths = old = new = 0
    for step in range(0, 1000, 6):
        root = tmp_path / f"copy-{step}"
        catalogs.copy_home(bench.home.root, root)
        with opened(root, origin=bench.origin, first_id=1000) as copy:
            with suppress(Killed), killed_at(step, SCRIPT):
                copy.sync(source)
                break
            deaths += 1
            revisions = {member.revision for member in copy.generation(source).members()}
            old, new = old + (revisions == before), new + (revisions != before)
            assert copy.served(source) <= wanted
            copy.sync(source)
            assert copy.served(source) == set(copy.documents(source)) == wanted
            assert len(folders(copy, source)) == 1
            assert copy.keyring.document_key_ids() == {one.revision.id for one in copy.documents(source).values()}
        shutil.rmtree(root)
        catalogs.drop(root)
    assert old > 10
    assert new >= 2
    assert deaths == old + new


def test_a_generation_serves_on_while_the_next_is_made_and_after_its_folder_is_gone(
    bench: Bench, source: Source
) -> None:
    held = bench.generation(source)
    rows = held.vectors.search(bench.stages.embedder.embed_query("days"), [(0, 3)], 3)
    bench.origin.files["leave.md"] = text("Leave", "Thirty days a year.")
    bench.sync(source)
    assert not bench.home.generation(source.name, held.id).exists()
    again = held.vectors.search(bench.stages.embedder.embed_query("days"), [(0, 3)], 3)
    assert [part.tobytes() for part in again] == [part.tobytes() for part in rows]
