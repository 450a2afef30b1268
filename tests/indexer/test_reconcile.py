import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from indexer import catalog, protect
from indexer.generation import MANIFEST
from indexer.reconcile import REPAIRABLE, Fault, Finding, repair, verify
from indexer.workshop import Workshop
from policies.errors import ConflictError
from policies.manifest import Source
from policies.model import Action, SourceName
from policies.orders import OrderKind
from tests import catalogs
from tests.indexer.workbench import ACTOR, NOW, Bench, text
from tests.policies import handbook


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply()
    bench.origin.files = {
        "leave.md": text("Leave", "Twenty five days a year."),
        "board/plan.md": text("Plan", "The plan of the board."),
    }
    bench.sync(applied)
    return applied


def folder(bench: Bench, source: Source) -> Path:
    generation = bench.registered(source).generation
    assert generation is not None
    return bench.home.generation(source.name, generation)


def folder_of_all(bench: Bench, source: Source) -> Path:
    return bench.home.generations(source.name)


QUARANTINE = "UPDATE document SET state = 'quarantined' WHERE id = :id"


def execute(bench: Bench, statement: str, **values: str) -> None:
    with bench.database.writing() as session:
        session.connection().execute(sql(statement), values)


def missing_index(bench: Bench, source: Source) -> None:
    execute(bench, "UPDATE source SET generation = NULL, generation_digest = NULL")
    shutil.rmtree(folder_of_all(bench, source))


def damaged_index(bench: Bench, source: Source) -> None:
    path = folder(bench, source) / "vectors.bin"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def index_behind(bench: Bench, source: Source) -> None:
    with bench.database.writing() as session:
        catalog.remove(session, source.name, [bench.id(source, "leave.md")])


def document_not_indexed(bench: Bench, source: Source) -> None:
    """As if a generation had been published without it."""
    kept = bench.documents(source)
    execute(bench, QUARANTINE, id=bench.id(source, "leave.md"))
    bench.workshop.rebuild(source, actor=ACTOR)
    execute(bench, "UPDATE document SET state = 'indexed'")
    assert bench.documents(source) == kept


def document_orphaned(bench: Bench, source: Source) -> None:
    """As if a document had been taken out of the catalog behind its back."""
    execute(bench, QUARANTINE, id=bench.id(source, "leave.md"))


def orphaned_folder(bench: Bench, source: Source) -> None:
    (folder_of_all(bench, source) / ".building-x").mkdir()


def orphaned_key(bench: Bench, _: Source) -> None:
    bench.keyring.new_document_key(handbook.source().name)


REPAIRED: dict[Fault, Callable[[Bench, Source], None]] = {
    Fault.INDEX_MISSING: missing_index,
    Fault.INDEX_DAMAGED: damaged_index,
    Fault.INDEX_BEHIND: index_behind,
    Fault.DOCUMENT_NOT_INDEXED: document_not_indexed,
    Fault.DOCUMENT_ORPHANED: document_orphaned,
    Fault.FOLDER_ORPHANED: orphaned_folder,
    Fault.KEY_ORPHANED: orphaned_key,
}


def faults(bench: Bench) -> set[Fault]:
    return {finding.fault for finding in verify(bench.workshop)}


@pytest.mark.usefixtures("source")
def test_a_sound_home_has_no_findings(bench: Bench) -> None:
    assert verify(bench.workshop) == ()


def test_a_home_without_sources_has_no_findings(bench: Bench) -> None:
    assert verify(bench.workshop) == ()


def test_every_repairable_fault_is_produced_below() -> None:
    assert REPAIRED.keys() == REPAIRABLE


@pytest.mark.parametrize("fault", sorted(REPAIRED))
def test_a_fault_is_found_alone_and_repaired(bench: Bench, source: Source, fault: Fault) -> None:
    REPAIRED[fault](bench, source)
    findings = verify(bench.workshop)
    assert {finding.fault for finding in findings} == {fault}
    assert {finding.source for finding in findings} == {"" if fault is Fault.KEY_ORPHANED else source.name}
    repair(bench.workshop, findings, actor=ACTOR)
    assert verify(bench.workshop) == ()
    indexed = {key for key, document in bench.documents(source).items() if document.state == "indexed"}
    assert bench.served(source) == indexed


def test_an_index_that_is_not_there_counts_as_damaged(bench: Bench, source: Source) -> None:
    shutil.rmtree(folder(bench, source))
    findings = verify(bench.workshop)
    assert {finding.fault for finding in findings} == {Fault.INDEX_DAMAGED}
    repair(bench.workshop, findings, actor=ACTOR)
    assert verify(bench.workshop) == ()


def test_a_manifest_without_its_files_counts_as_damaged(bench: Bench, source: Source) -> None:
    for path in folder(bench, source).iterdir():
        if path.name != MANIFEST and path.is_file():
            path.unlink()
    assert faults(bench) == {Fault.INDEX_DAMAGED}


def test_a_lost_key_is_found_and_mended_by_a_sync(bench: Bench, source: Source) -> None:
    revision = bench.documents(source)[bench.id(source, "leave.md")].revision.id
    bench.keyring.destroy(keys=[revision])
    (finding,) = verify(bench.workshop)
    assert (finding.fault, finding.what) == (
        Fault.KEY_MISSING,
        f"revision {revision} cannot be read: sync its source again",
    )
    repair(bench.workshop, [finding], actor=ACTOR)
    assert Fault.KEY_MISSING in faults(bench)
    bench.sync(source)
    assert verify(bench.workshop) == ()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE audit SET actor = 'operator:eve' WHERE sequence = 2", "record 2: was changed after it was written"),
        ("DELETE FROM audit WHERE sequence = 2", "record 2: records are missing"),
        ("DELETE FROM audit WHERE sequence = 4", "record 4: the end was cut off; record 4 was anchored"),
    ],
)
@pytest.mark.usefixtures("source")
def test_a_changed_audit_is_found_and_cannot_be_repaired(bench: Bench, statement: str, what: str) -> None:
    assert len(bench.audit()) == 4
    execute(bench, statement)
    findings = verify(bench.workshop)
    assert {finding.fault for finding in findings} == {Fault.AUDIT}
    assert what in {finding.what for finding in findings}
    repair(bench.workshop, findings, actor=ACTOR)
    assert Fault.AUDIT in faults(bench)


def test_repairing_an_older_catalog_destroys_no_key_that_the_newer_one_needs(
    bench: Bench, source: Source, tmp_path: Path
) -> None:
    older, newer = tmp_path / "older.db", tmp_path / "newer.db"
    bench.database.checkpoint()
    bench.database.close()
    catalogs.copy(bench.home.catalog, older)
    bench.origin.files |= {"leave.md": text("Leave", "Thirty days a year."), "new.md": text("New", "x")}
    bench.sync(source)
    newest, keys = bench.documents(source), bench.keyring.document_key_ids()
    bench.database.checkpoint()
    bench.database.close()
    catalogs.copy(bench.home.catalog, newer)
    for backup in (older, newer):
        bench.database.close()
        catalogs.copy(backup, bench.home.catalog)
        findings = verify(bench.workshop)
        if backup == older:
            assert {Fault.AUDIT, Fault.KEY_ORPHANED} <= {finding.fault for finding in findings}
        repair(bench.workshop, findings, actor=ACTOR)
        assert bench.keyring.document_key_ids() == keys
    assert bench.served(source) == set(newest)


@pytest.mark.parametrize("fault", [Fault.DATABASE, Fault.AUDIT])
@pytest.mark.usefixtures("source")
def test_no_key_is_destroyed_while_the_catalog_cannot_be_believed(bench: Bench, fault: Fault) -> None:
    orphan, _ = bench.keyring.new_document_key(handbook.source().name)
    findings = verify(bench.workshop)
    repair(bench.workshop, [*findings, Finding(fault=fault, source="", what="x")], actor=ACTOR)
    assert orphan in bench.keyring.document_key_ids()
    repair(bench.workshop, findings, actor=ACTOR)
    assert orphan not in bench.keyring.document_key_ids()


@pytest.mark.parametrize("kind", OrderKind)
def test_no_key_of_a_source_under_an_order_is_destroyed_or_told_of(
    bench: Bench, source: Source, kind: OrderKind
) -> None:
    order = protect.place(bench.workshop, kind, source.name, [], reference="LIT-1", by=ACTOR)
    unnamed, _ = bench.keyring.new_document_key(source.name)
    elsewhere, _ = bench.keyring.new_document_key(SourceName("another"))
    findings = verify(bench.workshop)
    assert [finding.what for finding in findings] == [f"key {elsewhere}"]
    repair(bench.workshop, findings, actor=ACTOR)
    bench.workshop.rebuild(source, actor=ACTOR)
    assert bench.keyring.document_key_ids() >= {unnamed}
    assert elsewhere not in bench.keyring.document_key_ids()
    for by in ("caller:ann", "caller:bob"):
        if kind is OrderKind.HOLD:
            protect.release(bench.workshop, order.id, by=by)
    if kind is OrderKind.RESTRICTION:
        protect.lift(bench.workshop, order.id, by=ACTOR, notice="a letter")
    assert faults(bench) == {Fault.KEY_ORPHANED}
    bench.workshop.rebuild(source, actor=ACTOR)
    assert unnamed not in bench.keyring.document_key_ids()


def test_what_is_restricted_and_fits_no_index_any_more_is_no_finding_until_that_is_lifted(
    bench: Bench, source: Source
) -> None:
    order = protect.place(bench.workshop, OrderKind.RESTRICTION, source.name, [], reference="DSR-1", by=ACTOR)
    by_creation = bench.apply(("from: modified", "from: created"))
    bench.sync(by_creation)
    assert verify(bench.workshop) == ()
    protect.lift(bench.workshop, order.id, by=ACTOR, notice="a letter")
    assert faults(bench) == {Fault.DOCUMENT_NOT_INDEXED}
    bench.sync(by_creation)
    assert verify(bench.workshop) == ()


@pytest.mark.only("sqlite")
@pytest.mark.usefixtures("source")
@pytest.mark.parametrize("column", ["at", "actor", "objects", "detail", "previous", "hash"])
def test_a_field_of_the_audit_of_another_type_is_a_finding(bench: Bench, column: str) -> None:
    execute(bench, f"UPDATE audit SET {column} = CAST({column} AS BLOB) WHERE sequence = 2")  # noqa: S608
    assert faults(bench) == {Fault.AUDIT}


@pytest.mark.only("sqlite")
@pytest.mark.usefixtures("source")
def test_bytes_in_the_audit_that_are_no_text_are_a_finding(bench: Bench) -> None:
    execute(bench, "UPDATE audit SET actor = CAST(x'66ff' AS TEXT) WHERE sequence = 2")
    assert faults(bench) == {Fault.AUDIT}


@pytest.mark.usefixtures("source")
def test_an_anchor_that_was_not_signed_here_is_found(bench: Bench) -> None:
    with bench.keyring.database.writing() as session:
        session.connection().exec_driver_sql("UPDATE anchor SET signature = zeroblob(64)")
    assert faults(bench) == {Fault.AUDIT}


def test_a_chain_that_was_cut_and_grew_again_is_found(bench: Bench, source: Source) -> None:
    execute(bench, "DELETE FROM audit WHERE sequence = 4")
    bench.clock.now = NOW.replace(year=2027)
    bench.sync(source)
    assert Fault.AUDIT in faults(bench)


@pytest.mark.usefixtures("source")
def test_a_damaged_database_is_found(bench: Bench) -> None:
    bench.keyring.database.checkpoint()
    path = bench.keyring.path
    content = bytearray(path.read_bytes())
    assert len(content) > 5 * 4096
    content[-4096:-2048] = b"\xff" * 2048
    bench.keyring.database.close()
    path.write_bytes(content)
    assert faults(bench) == {Fault.DATABASE}


def test_repair_waits_for_nobody(bench: Bench, source: Source) -> None:
    bench.keyring.new_document_key(handbook.source().name)
    with bench.database.exclusive(source.name), pytest.raises(ConflictError):
        repair(bench.workshop, verify(bench.workshop), actor=ACTOR)


def test_repair_rebuilds_under_the_manifest_that_is_in_force_by_then(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged_index(bench, source)
    findings, holding = verify(bench.workshop), Workshop.holding

    def late(workshop: Workshop, name: str) -> AbstractContextManager[Workshop]:
        monkeypatch.undo()
        bench.apply(("period: P2Y", "period: P3Y"))
        return holding(workshop, name)

    monkeypatch.setattr(Workshop, "holding", late)
    repair(bench.workshop, findings, actor=ACTOR)
    published = [record for record in bench.audit() if record.action == Action.GENERATION_PUBLISHED][-1]
    assert published.policy_hash == bench.registered(source).policy_hash != source.policy_hash
