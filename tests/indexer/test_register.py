from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from indexer import dues
from indexer.address import Address
from indexer.database import Database
from indexer.keyring import KeyId, Keyring
from indexer.master import MasterKey
from indexer.register import effect
from indexer.seal import Key
from policies.errors import AuditError, ConflictError, DependencyError
from policies.manifest import Source
from policies.model import Access, Action
from tests.indexer.workbench import MASTER, MODIFIED, NOW, Bench, text
from tests.policies import handbook
from tests.policies.handbook import RULES

NARROWER = (RULES, 'documents: {from: rules, rules: [{match: "**/*.md", allow: [group:board]}]}')
WIDER = (RULES, 'documents: {from: rules, rules: [{match: "**/*.md", allow: [group:staff, group:board]}]}')


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply()
    bench.origin.files = {
        "leave.md": text("Leave", "Twenty five days a year."),
        "board/plan.md": text("Plan", "The plan of the board."),
    }
    bench.sync(applied)
    return applied


def readers(bench: Bench, source: Source) -> dict[str, set[str]]:
    """Who may read each document, by the serving generation."""
    generation = bench.generation(source)
    return {
        name: set(visibility.access.allow)
        for visibility in generation.inventory.classes
        for member in generation.members()[slice(*visibility.documents)]
        for name in bench.origin.files
        if bench.id(source, name) == member.document
    }


def test_a_new_source_is_registered_with_its_manifest_and_no_index(bench: Bench) -> None:
    source = bench.apply()
    registered = bench.registered(source)
    assert (registered.generation, registered.unpublished) == (None, True)
    assert registered.policy_hash == source.policy_hash
    assert registered.manifest == handbook.TEXT
    (record,) = bench.audit()
    assert (record.action, record.actor) == (Action.SOURCE_APPLIED, "operator:test")
    assert (record.objects, record.policy_hash) == ('["hr-handbook"]', source.policy_hash)
    assert bench.keyring.anchors()[-1].hash == record.hash


def test_other_readers_are_in_force_when_apply_returns(bench: Bench, source: Source) -> None:
    assert readers(bench, source) == {"leave.md": {"group:staff"}, "board/plan.md": {"group:board"}}
    bench.apply(NARROWER)
    assert readers(bench, source) == {"leave.md": {"group:board"}, "board/plan.md": {"group:board"}}
    bench.apply(WIDER)
    both = {"group:staff", "group:board"}
    assert readers(bench, source) == {"leave.md": both, "board/plan.md": both}
    assert bench.hidden(source) == frozenset()


def test_a_document_whose_readers_change_is_hidden_from_the_very_transaction(bench: Bench, source: Source) -> None:
    """A disk that is full when the new index is made leaves the document unseen, not seen by its former readers."""
    folder = bench.home.generations(source.name)
    (folder / f".building-{'0' * 23}3").write_text("in the way, as a full disk would be")
    with pytest.raises(OSError, match="Not a directory"):
        bench.apply(NARROWER)
    assert readers(bench, source)["leave.md"] == {"group:staff"}
    assert bench.hidden(source) == {bench.id(source, "leave.md")}
    assert bench.served(source) == {bench.id(source, "board/plan.md")}
    bench.sync(handbook.source(NARROWER))
    assert bench.hidden(source) == frozenset()


ANCHORED = ("from: modified", "from: ingested")
STRICTER = ("profile: balanced", "profile: strict")
OTHER_LANGUAGES = ("languages: [en, fr]", "languages: [en]")


@pytest.mark.parametrize("swap", [ANCHORED, STRICTER, OTHER_LANGUAGES])
def test_an_index_of_other_dates_or_other_redaction_is_hidden_from_the_very_transaction(
    bench: Bench, source: Source, swap: tuple[str, str]
) -> None:
    """Even where the disk is full when the new one is made."""
    (bench.home.generations(source.name) / f".building-{'0' * 23}3").write_text("in the way")
    with pytest.raises(OSError, match="Not a directory"):
        bench.apply(swap)
    assert bench.hidden(source) == set(bench.documents(source))
    assert bench.served(source) == frozenset()
    assert bench.registered(source).unpublished


def test_retention_counts_from_the_other_date_when_apply_returns(bench: Bench, source: Source) -> None:
    assert {member.anchor for member in bench.generation(source).members()} == {MODIFIED}
    bench.apply(ANCHORED)
    assert {member.anchor for member in bench.generation(source).members()} == {NOW}
    assert bench.served(source) == set(bench.documents(source))
    bench.apply(("from: modified", "from: created"))
    assert bench.served(source) == frozenset()  # the origin does not know it


@pytest.mark.parametrize("swap", [STRICTER, OTHER_LANGUAGES])
def test_what_was_redacted_otherwise_is_unseen_until_a_sync_has_redacted_it_anew(
    bench: Bench, source: Source, swap: tuple[str, str]
) -> None:
    everything = bench.served(source)
    assert len(everything) == 2
    otherwise = bench.apply(swap)
    assert bench.generation(source).members() == []
    bench.sync(otherwise)
    assert bench.served(source) == everything
    assert {one.revision.redaction for one in bench.documents(source).values()} == {otherwise.redaction}
    bench.apply()
    assert bench.served(source) == frozenset()
    bench.apply(swap)
    assert bench.served(source) == everything


def test_another_period_alone_hides_nothing_and_makes_no_index(bench: Bench, source: Source) -> None:
    before = bench.registered(source)
    bench.apply(("period: P2Y", "period: P1M"))
    assert bench.registered(source).generation == before.generation
    assert bench.hidden(source) == frozenset()


class Watchful(Keyring):
    """Opens documents only while another process could write to the catalog."""

    def __init__(self, path: Path, master: MasterKey, *, catalog: Path | Address) -> None:
        super().__init__(path, master)
        self.asked = 0
        self.catalog = Database(catalog, [])

    def document_keys(self, ids: Iterable[KeyId]) -> dict[KeyId, Key]:
        self.asked += 1
        with self.catalog.writing():
            return super().document_keys(ids)


def test_documents_are_opened_before_the_catalog_is_locked(bench: Bench, source: Source) -> None:
    """While it is, no answer can be recorded."""
    watchful = Watchful(bench.keyring.path, MASTER, catalog=bench.place)
    watching = replace(bench, workshop=replace(bench.workshop, keyring=watchful))
    watching.apply(NARROWER)
    assert watchful.asked > 1
    assert readers(bench, source)["leave.md"] == {"group:board"}
    watchful.catalog.close()
    watchful.close()


def test_a_shorter_retention_makes_documents_due_at_once(bench: Bench, source: Source) -> None:
    with bench.database.reading() as session:
        assert dues.plan(session, source, bench.keyring, now=NOW).documents == ()
    shorter = bench.apply(("period: P2Y", "period: P1M"))
    with bench.database.reading() as session:
        due = dues.plan(session, shorter, bench.keyring, now=NOW).documents
    assert {entry.document for entry in due} == set(bench.documents(source))
    assert {entry.due for entry in due} == {MODIFIED + timedelta(days=30)}


def test_without_a_record_nothing_is_applied(bench: Bench, source: Source) -> None:
    before = bench.registered(source)
    with bench.database.writing() as session:
        session.connection().execute(sql("DROP TABLE audit"))
    with pytest.raises((AuditError, DependencyError)):
        bench.apply(NARROWER)
    assert bench.registered(source) == before
    assert bench.hidden(source) == frozenset()


def test_nobody_applies_while_another_writes(bench: Bench, source: Source) -> None:
    before = bench.registered(source)
    with bench.database.exclusive(source.name), pytest.raises(ConflictError):
        bench.apply(NARROWER)
    assert bench.registered(source) == before


def test_the_same_manifest_again_leaves_the_index_alone(bench: Bench, source: Source) -> None:
    before = bench.registered(source)
    bench.apply()
    assert bench.registered(source) == before


def test_a_document_whose_key_is_gone_is_for_nobody(bench: Bench, source: Source) -> None:
    leave = bench.documents(source)[bench.id(source, "leave.md")]
    bench.keyring.destroy(keys=[leave.revision.id])
    bench.apply(WIDER)
    assert bench.documents(source)[leave.id].access == Access(allow=frozenset(), deny=frozenset())
    assert bench.served(source) == {bench.id(source, "board/plan.md")}


def test_rules_in_place_of_mirrored_permissions_cannot_go_stale(bench: Bench) -> None:
    mirrored = bench.apply((RULES, "documents: {from: connector}"))
    staff = Access(allow=frozenset({"group:staff"}), deny=frozenset(), as_of=NOW)
    bench.origin.files = {"leave.md": replace(text("Leave", "x"), access=staff)}
    bench.sync(mirrored)
    source = bench.apply()
    (document,) = bench.documents(source).values()
    assert document.access == Access(allow=frozenset({"group:staff"}), deny=frozenset({"group:contractors"}))


def test_the_effect_of_a_manifest_is_told_by_principal_and_changes_nothing(bench: Bench, source: Source) -> None:
    before = (bench.registered(source), bench.audit())
    found = effect(bench.workshop, handbook.source(NARROWER, ("period: P2Y", "period: P1M")), callers=())
    leave = frozenset({bench.id(source, "leave.md")})
    assert (dict(found.gaining), dict(found.losing)) == ({"group:board": leave}, {"group:staff": leave})
    assert (found.documents, found.due) == (2, frozenset(bench.documents(source)))
    assert {change.key for change in found.plan.changes} == {
        "policy.access.documents.rules",
        "policy.retention.period",
    }
    assert (bench.registered(source), bench.audit()) == before


def test_the_effect_of_a_first_manifest_is_all_of_it(bench: Bench) -> None:
    found = effect(bench.workshop, handbook.source(), callers=())
    assert (found.documents, found.due) == (0, frozenset())
    assert (dict(found.gaining), dict(found.losing)) == ({}, {})
    assert not found.conflicts
    assert found.plan.changes


def test_documents_that_another_version_redacted_are_told(bench: Bench, source: Source) -> None:
    same = handbook.source()
    assert effect(bench.workshop, same, callers=()).outdated == 0
    bench.stages.redactor.version = "0" * 64
    found = effect(bench.workshop, same, callers=())
    assert (found.outdated, found.plan.changes) == (2, ())
    bench.sync(source)
    assert effect(bench.workshop, same, callers=()).outdated == 0
    optioned = handbook.source(("languages: [en, fr]}", "languages: [en, fr], also: [LOCATION]}"))
    assert effect(bench.workshop, optioned, callers=()).outdated == 2
