"""Erasure on request: by id, whatever the content, with what came in it, until it is lifted."""

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from indexer import build, catalog, erase, protect, revisions, serving, tombstones
from indexer import sync as sync_module
from indexer.outcome import Outcome
from indexer.reconcile import Fault, verify
from indexer.tables import DocumentState
from policies.errors import ConflictError, PenstockError, RefusedError
from policies.manifest import Source
from policies.model import Action, DocumentId, SourceName
from policies.orders import OrderKind
from policies.purge import WHOLE_DOCUMENT, ErasureRequest
from tests import catalogs
from tests.indexer.workbench import (
    ACTOR,
    NOW,
    Bench,
    File,
    Killed,
    everything_below,
    killed_at,
    left_below,
    opened,
    part_id,
    text,
)

LETTER, MAIL, OTHER = "people/letter-of-quentin-xylander.md", "people/mail-to-xylander.eml", "leave.md"
WORDS = [b"Quentin", b"quentin", b"Xylander", b"xylander", b"parking-fine-4711", b"innermost"]


@pytest.fixture
def source(bench: Bench) -> Source:
    applied = bench.apply()
    bench.origin.files = {
        LETTER: text("The letter of Quentin Xylander", "Quentin Xylander about parking-fine-4711."),
        MAIL: mail("att.txt", "The innermost words to Xylander."),
        OTHER: text("Leave", "Twenty five days a year."),
    }
    bench.sync(applied)
    return applied


def mail(name: str, words: str) -> File:
    return File(content=f"Dear Xylander\n+{name}\n{words}".encode())


def part(bench: Bench, source: Source) -> DocumentId:
    return part_id(bench.keyring, bench.id(source, MAIL), bench.origin.files[MAIL].content, 1)


def request(*documents: DocumentId) -> ErasureRequest:
    return ErasureRequest(documents=frozenset(documents), reference="DSR-2026-031", ground="withdrawn_consent")


def erase_(bench: Bench, source: Source, *names: str) -> Sequence[str]:
    return erase.erase(bench.workshop, source, request(*(bench.id(source, name) for name in names)), actor=ACTOR)


def test_a_document_goes_with_what_came_in_it_and_nothing_of_either_stays(bench: Bench, source: Source) -> None:
    (signed,) = erase_(bench, source, LETTER, MAIL)
    assert bench.documents(source).keys() == {bench.id(source, OTHER)} == bench.served(source)
    assert left_below(bench.home.root, WORDS) == set()
    catalogs.flush(bench.home.catalog)
    assert left_below(catalogs.folder(bench.home.catalog), WORDS) == set()
    erased = {bench.id(source, LETTER), bench.id(source, MAIL), part(bench, source)}
    whole = {document for document, version in bench.keyring.tombstones() if version == WHOLE_DOCUMENT}
    assert whole == set(erased)
    receipt = json.loads(signed)["receipt"]
    assert (receipt["kind"], receipt["reference"]) == ("erasure", "DSR-2026-031")
    assert receipt["reason"] == "Erasure was asked for (GDPR Art. 17(1)(b))."
    assert set(receipt["documents"]) == erased
    assert receipt["keys_destroyed"] == 3
    assert verify(bench.workshop) == ()


def test_an_attachment_can_be_erased_alone(bench: Bench, source: Source) -> None:
    erase.erase(bench.workshop, source, request(part(bench, source)), actor=ACTOR)
    assert left_below(bench.home.root, [b"innermost"]) == set()
    assert bench.served(source) == {bench.id(source, name) for name in (LETTER, MAIL, OTHER)}
    erased = part(bench, source)
    bench.origin.files[MAIL] = File(content=bench.origin.files[MAIL].content.replace(b"Dear", b"Once more"))
    bench.sync(source)
    assert part(bench, source) == erased
    again = bench.documents(source)[part(bench, source)]
    assert (again.state, again.reason) == (DocumentState.QUARANTINED, "erased")
    assert left_below(bench.home.root, [b"innermost"]) == set()


def test_the_key_of_every_revision_is_destroyed(bench: Bench, source: Source) -> None:
    """Also those of which the index that serves is not rid of yet, and those of a document gone from its origin."""
    document = bench.id(source, LETTER)
    held = [bench.documents(source)[document].revision.id]
    bench.origin.files[LETTER] = text("The letter", "Quentin Xylander again.")
    superseding = bench.documents(source)[document]
    key_id, _ = bench.keyring.new_document_key(source.name)
    with bench.database.writing() as session:
        newer = replace(superseding, revision=replace(superseding.revision, id=key_id, version="2" * 24, sealed=b""))
        catalog.store(session, newer, (), listing="")
        catalog.remove(session, source.name, [document])
    held.append(key_id)
    (signed,) = erase.erase(bench.workshop, source, request(document), actor=ACTOR)
    assert json.loads(signed)["receipt"]["keys_destroyed"] == 2
    assert bench.keyring.document_keys(held) == {}
    with bench.database.reading() as session:
        assert revisions.ids(session).isdisjoint(held)


def test_a_quarantined_document_can_be_erased(bench: Bench, source: Source) -> None:
    name = "people/locked-file-of-quentin-xylander.pdf"
    bench.origin.files[name] = File(content=b"!encrypted")
    bench.sync(source)
    erase_(bench, source, name)
    assert bench.id(source, name) not in bench.documents(source)
    assert left_below(bench.home.root, [name.encode()]) == set()


def test_an_erased_document_does_not_come_back_whatever_its_content(bench: Bench, source: Source) -> None:
    erase_(bench, source, LETTER)
    for file in (bench.origin.files[LETTER], text("The letter", "Quentin Xylander again.")):
        bench.origin.files[LETTER] = file
        fetched = len(bench.origin.fetched)
        assert bench.sync(source).reasons == {"erased": 1}
        assert LETTER not in bench.origin.fetched[fetched:]
        assert bench.id(source, LETTER) not in bench.served(source)
    assert left_below(bench.home.root, [LETTER.encode(), b"parking-fine"]) == set()
    assert verify(bench.workshop) == ()


def test_lifted_it_comes_back_by_the_next_sync(bench: Bench, source: Source) -> None:
    erase_(bench, source, LETTER, MAIL)
    bench.sync(source)
    tombstones.lift(bench.workshop, source.name, bench.id(source, LETTER), reference="DSR-2026-040", actor=ACTOR)
    record = bench.audit()[-1]
    assert (record.action, record.actor) == (Action.ERASURE_LIFTED, ACTOR)
    assert json.loads(record.objects) == [source.name, bench.id(source, LETTER)]
    assert json.loads(record.detail) == {"reference": "DSR-2026-040"}
    bench.sync(source)
    assert bench.served(source) == {bench.id(source, LETTER), bench.id(source, OTHER)}


def test_it_is_lifted_in_a_catalog_that_knows_nothing_of_the_erasure(
    bench: Bench, source: Source, tmp_path: Path
) -> None:
    bench.database.checkpoint()
    catalogs.copy(bench.home.catalog, tmp_path / "backup.db")
    erase_(bench, source, LETTER)
    bench.database.close()
    catalogs.copy(tmp_path / "backup.db", bench.home.catalog)
    with opened(bench.home.root, origin=bench.origin, first_id=100) as restored:
        letter = restored.id(source, LETTER)
        tombstones.lift(restored.workshop, source.name, letter, reference="DSR-2026-040", actor=ACTOR)
        restored.sync(source)
        assert letter in restored.served(source)


def test_what_was_not_erased_cannot_be_lifted(bench: Bench, source: Source) -> None:
    bench.clock.forward(timedelta(days=3650))
    erase.purge(bench.workshop, source, actor=ACTOR)
    records = len(bench.audit())
    with pytest.raises(RefusedError, match="was not erased"):
        tombstones.lift(bench.workshop, source.name, bench.id(source, LETTER), reference="DSR-1", actor=ACTOR)
    with pytest.raises(RefusedError, match="The reference"):
        tombstones.lift(bench.workshop, source.name, bench.id(source, LETTER), reference="", actor=ACTOR)
    assert len(bench.audit()) == records
    assert {version == WHOLE_DOCUMENT for _, version in bench.keyring.tombstones()} == {False}


@pytest.mark.parametrize(
    ("bent", "message"),
    [
        (replace(request(DocumentId("0" * 32))), "has no document"),
        (request(), "nothing to erase"),
        (replace(request(DocumentId("0" * 32)), ground="because"), "no ground"),
        (replace(request(DocumentId("0" * 32)), reference="\n"), "reference of the request"),
    ],
)
def test_what_is_not_in_order_erases_nothing(bench: Bench, source: Source, bent: ErasureRequest, message: str) -> None:
    records, documents = len(bench.audit()), bench.documents(source)
    with pytest.raises(RefusedError, match=message):
        erase.erase(bench.workshop, source, bent, actor=ACTOR)
    assert (len(bench.audit()), bench.documents(source)) == (records, documents)
    assert bench.keyring.tombstones() == frozenset()


def test_nobody_erases_while_another_writes(bench: Bench, source: Source) -> None:
    with bench.database.exclusive(source.name), pytest.raises(ConflictError):
        erase_(bench, source, LETTER)


def test_the_reference_of_a_request_is_kept_without_the_blanks_around_it(bench: Bench, source: Source) -> None:
    padded = replace(request(bench.id(source, LETTER)), reference="  DSR-2026-031 ")
    (signed,) = erase.erase(bench.workshop, source, padded, actor=ACTOR)
    assert json.loads(signed)["receipt"]["reference"] == "DSR-2026-031"


def test_a_catalog_from_before_the_erasure_does_not_bring_it_back(bench: Bench, source: Source, tmp_path: Path) -> None:
    bench.database.checkpoint()
    bench.database.close()
    catalogs.copy(bench.home.catalog, tmp_path / "backup.db")
    erase_(bench, source, LETTER, MAIL)
    bench.close()
    catalogs.copy(tmp_path / "backup.db", bench.home.catalog)
    with opened(bench.home.root, origin=bench.origin, first_id=100) as restored:
        restored.workshop.rebuild(source, actor=ACTOR)
        assert restored.served(source) == {restored.id(source, OTHER)}
        restored.sync(source)
        assert restored.served(source) == {restored.id(source, OTHER)}
        assert left_below(restored.home.root, WORDS[:2]) == set()


SCRIPTS = frozenset({erase.__file__, sync_module.__file__, build.__file__})


def test_an_erasure_killed_at_any_line_is_done_by_asking_again(bench: Bench, source: Source, tmp_path: Path) -> None:
    bench.database.checkpoint()
    bench.keyring.database.checkpoint()
    bench.database.close()
    catalogs.copy_home(bench.home.root, tmp_path / "before")
    meant = request(bench.id(source, LETTER), bench.id(source, MAIL))
    deaths = 0
    for step in range(0, 1000, 60):
        root = tmp_path / f"copy-{step}"
        catalogs.copy_home(tmp_path / "before", root)
        with (
            opened(root, origin=bench.origin, now=NOW, first_id=1000) as dying,
            suppress(Killed),
            killed_at(step, SCRIPTS),
        ):
            erase.erase(dying.workshop, source, meant, actor=ACTOR)
            break
        deaths += 1
        with opened(root, origin=bench.origin, now=NOW, first_id=2000) as resumed:
            with suppress(RefusedError):  # it was finished first, and its documents are no more
                erase.erase(resumed.workshop, source, meant, actor=ACTOR)
            with resumed.database.reading() as session:
                (signed,) = erase.receipts(session, source.name)
            assert len(json.loads(signed)["receipt"]["documents"]) == 3
            assert resumed.documents(source).keys() == resumed.served(source) == {resumed.id(source, OTHER)}
            assert len(resumed.keyring.tombstones()) == 3
            assert resumed.keyring.needle_purges() == frozenset()
            assert verify(resumed.workshop) == ()
        assert left_below(root, WORDS) == set()
        assert everything_below(root)
        shutil.rmtree(root)
        catalogs.drop(root)
    assert deaths > 4


def test_an_erased_attachment_does_not_come_back_under_another_number(bench: Bench) -> None:
    applied = bench.apply()
    bench.origin.files = {MAIL: File(content=b"Dear\n+first.txt\nNothing of note.\n+second.txt\nXylander was warned.")}
    bench.sync(applied)
    second = part_id(bench.keyring, bench.id(applied, MAIL), bench.origin.files[MAIL].content, 2)
    erase.erase(bench.workshop, applied, request(second), actor=ACTOR)
    bench.origin.files = {MAIL: File(content=b"Dear\n+second.txt\nXylander was warned.")}
    assert bench.sync(applied).counts[Outcome.INDEXED] == 1
    assert bench.served(applied) == {bench.id(applied, MAIL)}
    tombstones.lift(bench.workshop, applied.name, second, reference="DSR-2", actor=ACTOR)
    bench.sync(applied)
    assert len(bench.served(applied)) == 2


def test_a_restricted_attachment_is_not_shown_under_another_number(bench: Bench) -> None:
    applied = bench.apply()
    bench.origin.files = {MAIL: File(content=b"Dear\n+first.txt\nNothing of note.\n+second.txt\nXylander was warned.")}
    bench.sync(applied)
    second = part_id(bench.keyring, bench.id(applied, MAIL), bench.origin.files[MAIL].content, 2)
    protect.place(bench.workshop, OrderKind.RESTRICTION, applied.name, [second], reference="DSR-3", by=ACTOR)
    bench.origin.files = {MAIL: File(content=b"Dear\n+second.txt\nXylander was warned.")}
    bench.sync(applied)
    with bench.database.reading() as session:
        unseen = serving.unseen(session, bench.keyring.database, applied.name) or frozenset()
    assert bench.served(applied) == {bench.id(applied, MAIL), second}
    assert unseen == {second}


def test_what_is_erased_in_one_source_is_not_lifted_in_another(bench: Bench, source: Source) -> None:
    erase_(bench, source, LETTER)
    bench.apply(("source: hr-handbook", "source: other"))
    with pytest.raises(RefusedError, match="was not erased"):
        tombstones.lift(bench.workshop, SourceName("other"), bench.id(source, LETTER), reference="DSR-1", actor=ACTOR)


def test_with_a_keyring_from_before_an_erasure_nothing_is_taken_in_shown_or_deleted(
    bench: Bench, source: Source
) -> None:
    erase_(bench, source, LETTER)
    erased = bench.id(source, LETTER)
    with bench.keyring.database.writing() as session:
        session.connection().execute(sql("DELETE FROM tombstone"))
    for act in (
        lambda: bench.sync(source),
        lambda: erase.purge(bench.workshop, source, actor=ACTOR),
        lambda: bench.workshop.sole_writer(source).__enter__(),
    ):
        with pytest.raises(PenstockError, match="older keyring"):
            act()
    assert erased not in bench.served(source)
    assert Fault.AUDIT in {finding.fault for finding in verify(bench.workshop)}
