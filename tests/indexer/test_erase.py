import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from indexer import build, catalog, erase, sqlite
from indexer import sync as sync_module
from indexer.content import open_vector
from indexer.dues import plan
from indexer.erase import Step, purge, receipts
from indexer.keyring import Keyring
from indexer.signature import verify_signature
from policies.errors import ConflictError, IntegrityError
from policies.manifest import Source
from policies.model import Action, DocumentId
from policies.purge import OUT_OF_REACH, is_genuine
from tests import catalogs
from tests.indexer.remains import leave
from tests.indexer.workbench import (
    ACTOR,
    MASTER,
    MODIFIED,
    Bench,
    File,
    Killed,
    everything_below,
    killed_at,
    left_below,
    opened,
    parse_manifest,
    text,
)
from tests.policies import handbook

NAME = "people/the-file-of-quentin-xylander.md"
TITLE = "The file of Quentin Xylander"
PASSAGE = "Quentin Xylander was warned on the third of May about parking."
REFERENCE = "case4711xyz"
OLD = MODIFIED - timedelta(days=500)
LATER = OLD + timedelta(days=740)
"""By then the old document is due and the others are not."""


def dated(file: File, modified: datetime) -> File:
    return replace(file, modified=modified)


def old_file() -> File:
    return dated(text(TITLE, PASSAGE, f"It was case {REFERENCE} of 2026-06-01T12:00:00 and nothing else. " * 20), OLD)


@pytest.fixture
def source(bench: Bench) -> Source:
    bench.clock.now = OLD + timedelta(days=510)
    applied = bench.apply()
    bench.origin.files = {
        NAME: old_file(),
        "leave.md": text("Leave", "Twenty five days a year."),
        "board/plan.md": text("Plan", "The plan of the board."),
    }
    bench.sync(applied)
    bench.clock.now = LATER
    return applied


@pytest.fixture
def needles(bench: Bench, source: Source) -> list[bytes]:
    """What must be nowhere after the purge: names, text, references, and the vectors as half floats."""
    document = bench.documents(source)[bench.id(source, NAME)]
    revision = document.revision.id
    key = bench.keyring.document_keys([revision])[revision]
    with bench.database.reading() as session:
        stored = list(catalog.passages(session, revision))
    assert len(stored) > 1
    vectors = [open_vector(key, revision, one.ordinal, one.vector).tobytes() for one in stored]
    pieces = [piece for one in stored for piece in (one.text[12:60], one.vector[12:60], one.text[:12])]
    texts = [NAME, "Quentin", "Xylander", "third of May", REFERENCE]
    lowered = [word.encode() for word in ("quentin", "xyland", "park", "warn")]
    return [*vectors, *pieces, document.revision.sealed[:40], *(word.encode() for word in texts), *lowered]


def stored(bench: Bench) -> dict[Path, bytes]:
    """Every file but those in which SQLite notes its readers."""
    return {path: content for path, content in everything_below(bench.home.root).items() if path.suffix != ".db-shm"}


def test_a_plan_names_what_is_due_when_and_why_and_changes_nothing(bench: Bench, source: Source) -> None:
    before = stored(bench)
    with bench.database.reading() as session:
        planned = plan(session, source, bench.keyring, now=LATER)
    (entry,) = planned.documents
    assert entry.document == bench.id(source, NAME)
    assert (entry.due.year, entry.due.month, entry.due.day) == (OLD.year + 2, OLD.month, OLD.day)
    assert planned.reason == "The retention of P2Y from modified has passed."
    assert stored(bench) == before
    with bench.database.reading() as session:
        assert plan(session, source, bench.keyring, now=entry.due - timedelta(microseconds=1)).documents == ()
        assert len(plan(session, source, bench.keyring, now=entry.due).documents) == 1


def test_after_a_purge_nothing_of_the_document_is_in_any_file_or_name(
    bench: Bench, source: Source, needles: list[bytes]
) -> None:
    def left() -> set[bytes]:
        return left_below(bench.home.root, needles) | left_below(catalogs.folder(bench.home.catalog), needles)

    catalogs.flush(bench.home.catalog)
    assert len(left()) > len(needles) // 2
    kept = bench.documents(source).keys() - {bench.id(source, NAME)}
    (signed,) = purge(bench.workshop, source, actor=ACTOR)
    assert left() == set()
    assert bench.documents(source).keys() == kept == bench.served(source)
    receipt = json.loads(signed)["receipt"]
    assert receipt["documents"] == [bench.id(source, NAME)]
    assert (receipt["keys_destroyed"], receipt["actor"], receipt["source"]) == (1, ACTOR, source.name)
    assert all(check["found"] == 0 and check["searched"] > 0 for check in receipt["checks"])
    assert receipt["files_scanned"] == len(everything_below(bench.home.root))
    assert receipt["out_of_reach"] == [*OUT_OF_REACH, *bench.database.out_of_reach]
    assert len(bench.database.out_of_reach) == (catalogs.kind() == "postgresql")


def test_the_key_of_a_purged_document_is_gone_and_others_are_not(bench: Bench, source: Source) -> None:
    purged = bench.documents(source)[bench.id(source, NAME)].revision
    purge(bench.workshop, source, actor=ACTOR)
    assert bench.keyring.document_key_ids() == {one.revision.id for one in bench.documents(source).values()}
    assert bench.keyring.needle_purges() == frozenset()
    assert bench.keyring.tombstones() == {(bench.id(source, NAME), purged.version)}


def test_a_receipt_is_genuine_and_an_edited_one_is_not(bench: Bench, source: Source) -> None:
    (signed,) = purge(bench.workshop, source, actor=ACTOR)
    public_key = bench.keyring.public_key()
    assert is_genuine(signed, verifier=verify_signature, public_key=public_key)
    edited = signed.replace('"passages": ', '"passages": 1')
    assert edited != signed
    assert not is_genuine(edited, verifier=verify_signature, public_key=public_key)
    with bench.database.reading() as session:
        assert receipts(session, source.name) == (signed,)


def test_a_second_run_does_nothing_and_gives_no_receipt(bench: Bench, source: Source) -> None:
    purge(bench.workshop, source, actor=ACTOR)
    before = stored(bench)
    assert purge(bench.workshop, source, actor=ACTOR) == ()
    assert stored(bench) == before


@pytest.mark.only("sqlite")
def test_what_the_database_left_of_a_row_that_it_moved_is_found_and_goes(bench: Bench, source: Source) -> None:
    revision = bench.documents(source)[bench.id(source, NAME)].revision.id
    with bench.database.reading() as session:
        sealed = [passage.text for passage in catalog.passages(session, revision)][-1]
    bench.database.checkpoint()
    bench.database.close()
    leave(bench.home.catalog, sealed)
    (signed,) = purge(bench.workshop, source, actor=ACTOR)
    assert not any(check["found"] for check in json.loads(signed)["receipt"]["checks"])
    assert left_below(bench.home.root, [sealed[:32]]) == set()


def test_a_purge_ends_where_nothing_can_be_written_anew_if_nothing_is_left(
    bench: Bench, source: Source, needles: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=0)))
    assert len(purge(bench.workshop, source, actor=ACTOR)) == 1
    assert left_below(bench.home.root, needles) == set()


def test_a_sync_does_not_bring_purged_content_back(bench: Bench, source: Source, needles: list[bytes]) -> None:
    purge(bench.workshop, source, actor=ACTOR)
    for file, reason in ((old_file(), "retention_passed"), (dated(old_file(), LATER), "tombstoned")):
        bench.origin.files[NAME] = file
        assert bench.sync(source).reasons == {reason: 1}
        assert bench.id(source, NAME) not in bench.served(source)
        assert left_below(bench.home.root, needles) == set()


def test_a_catalog_from_before_the_purge_does_not_bring_content_back(
    bench: Bench, source: Source, tmp_path: Path
) -> None:
    bench.database.checkpoint()
    bench.database.close()
    catalogs.copy(bench.home.catalog, tmp_path / "backup.db")
    purge(bench.workshop, source, actor=ACTOR)
    bench.close()
    catalogs.copy(tmp_path / "backup.db", bench.home.catalog)
    with opened(bench.home.root, origin=bench.origin, now=LATER, first_id=100) as restored:
        restored.workshop.rebuild(source, actor=ACTOR)
        assert restored.id(source, NAME) not in restored.served(source)
        (signed,) = purge(restored.workshop, source, actor=ACTOR)
        assert json.loads(signed)["receipt"]["documents"] == [restored.id(source, NAME)]
        assert restored.id(source, NAME) not in restored.documents(source)
        assert left_below(restored.home.root, [b"Quentin", b"quentin"]) == set()


class DyingAtTombstones(Keyring):
    """The process dies when a purge is planned and nothing else of it has happened."""

    def entomb(
        self,
        versions: Mapping[DocumentId, str],
        *,
        purge: str,
        now: datetime,
        also: Iterable[tuple[DocumentId, str]] = (),
    ) -> None:
        assert versions, (purge, now, also)
        raise Killed


def planned_only(bench: Bench, source: Source) -> None:
    dying = DyingAtTombstones(bench.keyring.path, MASTER)
    with pytest.raises(Killed):
        purge(replace(bench.workshop, keyring=dying), source, actor=ACTOR)
    dying.close()
    assert steps(bench) == [Step.PLANNED]
    assert len(bench.keyring.needle_purges()) == 1


def steps(bench: Bench) -> list[str]:
    with bench.database.reading() as session:
        return list(session.connection().exec_driver_sql("SELECT step FROM purge ORDER BY begun, id").scalars())


def test_a_purge_that_was_only_planned_is_planned_anew(bench: Bench, source: Source) -> None:
    """By then more is due, and that of which the retention was prolonged is not."""
    planned_only(bench, source)
    bench.clock.now = MODIFIED + timedelta(days=800)
    (signed,) = purge(bench.workshop, source, actor=ACTOR)
    assert len(json.loads(signed)["receipt"]["documents"]) == 3
    assert steps(bench) == [Step.RECEIPTED]


def test_a_purge_that_was_only_planned_deletes_nothing_once_the_retention_is_longer(
    bench: Bench, source: Source
) -> None:
    planned_only(bench, source)
    longer = bench.apply(("period: P2Y", "period: P9Y"))
    assert purge(bench.workshop, longer, actor=ACTOR) == ()
    assert bench.id(source, NAME) in bench.served(source)
    assert (steps(bench), bench.keyring.needle_purges()) == ([], frozenset())


def test_a_purge_under_a_manifest_that_was_replaced_deletes_nothing(bench: Bench, source: Source) -> None:
    bench.apply(("period: P2Y", "period: P9Y"))
    before = stored(bench)
    with pytest.raises(ConflictError, match="Another manifest"):
        purge(bench.workshop, source, actor=ACTOR)
    assert stored(bench) == before


def held_up_before_publishing(bench: Bench, source: Source) -> None:
    ids = iter(["1" * 24])

    def new_id() -> str:
        for made in ids:
            return made
        raise Killed

    with pytest.raises(Killed):
        purge(replace(bench.workshop, new_id=new_id), source, actor=ACTOR)
    assert steps(bench) == [Step.TOMBSTONED]


def held_up_before_its_receipt(bench: Bench, source: Source) -> None:
    left = bench.home.root / "left-behind"
    left.write_text(PASSAGE)
    with pytest.raises(IntegrityError, match="left something behind"):
        purge(bench.workshop, source, actor=ACTOR)
    left.unlink()
    assert steps(bench) == [Step.PUBLISHED]


@pytest.mark.parametrize("hold_up", [held_up_before_publishing, held_up_before_its_receipt])
def test_a_finished_purge_that_a_restored_catalog_brings_back_is_closed_and_blocks_nothing(
    bench: Bench, source: Source, tmp_path: Path, hold_up: Callable[[Bench, Source], None]
) -> None:
    hold_up(bench, source)
    bench.database.checkpoint()
    bench.database.close()
    catalogs.copy(bench.home.catalog, tmp_path / "backup.db")
    assert len(purge(bench.workshop, source, actor=ACTOR)) == 1
    bench.close()
    catalogs.copy(tmp_path / "backup.db", bench.home.catalog)
    with opened(bench.home.root, origin=bench.origin, now=LATER, first_id=100) as restored:
        for _ in range(2):
            assert purge(restored.workshop, source, actor=ACTOR) == ()
            assert steps(restored) == [Step.RECEIPTED]
        restored.sync(source)
        assert restored.id(source, NAME) not in restored.served(source)
        restored.clock.now = MODIFIED + timedelta(days=800)
        assert len(purge(restored.workshop, source, actor=ACTOR)) == 1


def test_a_document_that_shares_everything_with_a_remaining_one_is_purged(bench: Bench, source: Source) -> None:
    """In this source and in another: the words stay in their lexicons and the vectors in their files, rightly."""
    bench.origin.files["people/copy.md"] = dated(old_file(), MODIFIED)
    bench.set_back(MODIFIED)
    bench.sync(source)
    other_text = handbook.bend(("source: hr-handbook", "source: other"), ("profile: balanced", "profile: strict"))
    other = parse_manifest(other_text)
    from indexer import register

    register.apply(bench.workshop, other, manifest=other_text, path=Path("other.yaml"), actor=ACTOR)
    bench.sync(other, confirm_deletes=True)
    bench.clock.now = LATER
    del bench.origin.files["people/copy.md"]
    (signed,) = purge(bench.workshop, source, actor=ACTOR)
    assert json.loads(signed)["receipt"]["documents"] == [bench.id(source, NAME)]
    assert bench.id(source, "people/copy.md") in bench.served(source)
    assert left_below(bench.home.root, [REFERENCE.encode()])


def test_a_title_that_a_manifest_holds_does_not_block(bench: Bench) -> None:
    bench.clock.now = OLD
    source = bench.apply(("title: HR handbook", f"title: {TITLE}"))
    bench.origin.files = {"document.md": dated(text(TITLE, "revision", "generation"), OLD)}
    bench.sync(source)
    bench.clock.now = LATER
    assert len(purge(bench.workshop, source, actor=ACTOR)) == 1


def test_bytes_left_behind_in_any_file_give_no_receipt_until_they_are_gone(
    bench: Bench, source: Source, needles: list[bytes]
) -> None:
    left = bench.home.root / "left-behind"
    for content in (PASSAGE.encode(), needles[0], REFERENCE.encode(), NAME.encode(), TITLE.encode()):
        left.write_bytes(b"\0" * 1000 + content + b"\0")
        with pytest.raises(IntegrityError, match="left something behind"):
            purge(bench.workshop, source, actor=ACTOR)
        assert bench.id(source, NAME) not in bench.served(source)
        with bench.database.reading() as session:
            assert receipts(session, source.name) == ()
    left.unlink()
    assert len(purge(bench.workshop, source, actor=ACTOR)) == 1


def test_sealed_bytes_left_behind_give_no_receipt(bench: Bench, source: Source) -> None:
    with bench.database.reading() as session:
        revision = bench.documents(source)[bench.id(source, NAME)].revision
        (first, *_) = catalog.passages(session, revision.id)
    (key,) = bench.keyring.wrapped_document_keys([revision.id])
    for content in (first.text, first.vector, revision.sealed, key):
        (bench.home.root / "left-behind").write_bytes(content)
        with pytest.raises(IntegrityError, match="sealed"):
            purge(bench.workshop, source, actor=ACTOR)


def test_a_purge_that_waits_for_its_receipt_is_not_held_up_by_a_sync_in_between(bench: Bench, source: Source) -> None:
    left = bench.home.root / "left-behind"
    left.write_bytes(PASSAGE.encode())
    with pytest.raises(IntegrityError, match="left something behind"):
        purge(bench.workshop, source, actor=ACTOR)
    left.unlink()
    assert bench.sync(source).reasons == {"retention_passed": 1}
    bench.origin.files[NAME] = dated(text(TITLE, "Another version, and a newer one."), LATER)
    bench.sync(source)
    assert bench.id(source, NAME) in bench.served(source)
    assert len(purge(bench.workshop, source, actor=ACTOR)) == 1
    assert bench.id(source, NAME) in bench.served(source)


def test_all_documents_of_a_source_can_be_purged(bench: Bench, source: Source) -> None:
    bench.clock.now = MODIFIED + timedelta(days=800)
    (signed,) = purge(bench.workshop, source, actor=ACTOR)
    assert len(json.loads(signed)["receipt"]["documents"]) == 3
    assert bench.served(source) == frozenset()
    assert bench.keyring.document_key_ids() == frozenset()


def test_nobody_purges_while_another_writes(bench: Bench, source: Source) -> None:
    with bench.database.exclusive(source.name), pytest.raises(ConflictError):
        purge(bench.workshop, source, actor=ACTOR)


def test_the_acts_of_a_purge_are_in_the_audit_by_opaque_ids(bench: Bench, source: Source) -> None:
    records = len(bench.audit())
    (signed,) = purge(bench.workshop, source, actor=ACTOR)
    acts = bench.audit()[records:]
    assert [record.action for record in acts] == [
        Action.PURGE_PLANNED,
        Action.PURGE_TOMBSTONED,
        Action.GENERATION_PUBLISHED,
        Action.PURGE_FINISHED,
    ]
    named = [source.name, json.loads(signed)["receipt"]["purge"], bench.id(source, NAME)]
    assert [json.loads(record.objects) for record in acts if record.action.startswith("purge")] == [named] * 3
    assert bench.keyring.anchors()[-1].hash == acts[-1].hash


SCRIPTS = frozenset({erase.__file__, sync_module.__file__, build.__file__})


def end_of(bench: Bench, source: Source) -> tuple[object, ...]:
    documents = bench.documents(source)
    return (
        set(documents),
        bench.served(source),
        bench.hidden(source),
        bench.keyring.document_key_ids() - {one.revision.id for one in documents.values()},
        bench.keyring.needle_purges(),
        bench.keyring.tombstones(),
        len(list(bench.home.generations(source.name).iterdir())),
    )


def test_a_purge_killed_at_any_line_resumes_to_the_same_end(
    bench: Bench, source: Source, needles: list[bytes], tmp_path: Path
) -> None:
    bench.database.checkpoint()
    bench.keyring.database.checkpoint()
    bench.database.close()
    catalogs.copy_home(bench.home.root, tmp_path / "before")
    purge(bench.workshop, source, actor=ACTOR)
    expected = end_of(bench, source)
    deaths = 0
    for step in range(0, 1000, 10):
        root = tmp_path / f"copy-{step}"
        catalogs.copy_home(tmp_path / "before", root)
        with (
            opened(root, origin=bench.origin, now=LATER, first_id=1000) as dying,
            suppress(Killed),
            killed_at(step, SCRIPTS),
        ):
            purge(dying.workshop, source, actor=ACTOR)
            break
        deaths += 1
        with opened(root, origin=bench.origin, now=LATER, first_id=2000) as resumed:
            assert len(purge(resumed.workshop, source, actor=ACTOR)) <= 1
            assert end_of(resumed, source) == expected
            with resumed.database.reading() as session:
                assert len(receipts(session, source.name)) == 1
            assert purge(resumed.workshop, source, actor=ACTOR) == ()
        assert left_below(root, needles) == set()
        shutil.rmtree(root)
        catalogs.drop(root)
    assert deaths > 15
