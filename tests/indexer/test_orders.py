"""What a restriction is, and how orders are placed, kept and ended."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text as sql

from indexer import erase, orders, protect, tombstones
from indexer.formats.elements import quarantine
from indexer.tables import DocumentState
from policies.errors import DependencyError, RefusedError
from policies.manifest import Source
from policies.model import Access, Action, DocumentId, SourceName
from policies.orders import Order, OrderId, OrderKind
from tests import catalogs
from tests.indexer.protecting import (
    ANN,
    BOB,
    DUE,
    ERASURE,
    HELD,
    MAIL,
    NEW,
    changed_at_the_origin,
    ids,
    kept,
    lift,
    past_its_retention,
    place,
    prepared,
    release,
    restrict,
)
from tests.indexer.test_sync import MIRRORED
from tests.indexer.workbench import ACTOR, Bench, File, Killed, refused, text


@pytest.fixture
def source(bench: Bench) -> Source:
    return prepared(bench)


# Restriction


@pytest.mark.parametrize("name", ["held.md", "mail.eml"])
def test_a_restricted_document_is_not_updated_until_the_restriction_is_lifted(
    bench: Bench, source: Source, name: str
) -> None:
    before = bench.documents(source)[ids(bench, source)[name]]
    order = restrict(bench, source, name)
    changed_at_the_origin(bench, source)
    assert bench.documents(source)[before.id] == before
    lift(bench, order)
    bench.sync(source)
    assert bench.documents(source)[before.id].revision.id != before.revision.id


def test_a_restricted_attachment_that_is_replaced_at_the_origin_is_kept_and_not_shown(
    bench: Bench, source: Source
) -> None:
    known = ids(bench, source)["att.txt"]
    before = kept(bench, source, "att.txt")
    restrict(bench, source, "att.txt")
    bench.origin.files[MAIL] = File(content=b"Once more\n+att.txt\nOther inner words")
    bench.sync(source)
    assert before.is_whole
    assert known not in bench.served(source)


def test_the_readers_of_a_restricted_document_are_kept_up_to_date(bench: Bench) -> None:
    source = bench.apply(MIRRORED)
    staff, board = (Access(allow=frozenset({f"group:{name}"}), deny=frozenset()) for name in ("staff", "board"))
    bench.origin.files = {HELD: replace(NEW, access=staff)}
    bench.sync(source)
    before = bench.documents(source)[bench.id(source, HELD)]
    restrict(bench, source, "held.md")
    bench.clock.forward(timedelta(minutes=1))
    bench.origin.files[HELD] = replace(text("Held", "Changed."), access=board, modified=bench.clock.now)
    bench.sync(source)
    after = bench.documents(source)[before.id]
    assert after.access.allow == {"group:board"}
    assert after.revision == before.revision


def test_a_restricted_document_that_its_origin_refuses_stays_as_it_was(bench: Bench, source: Source) -> None:
    before = bench.documents(source)[ids(bench, source)["held.md"]]
    restrict(bench, source, "held.md")
    del bench.origin.files[HELD]
    bench.origin.extra = [refused(HELD)]
    bench.sync(source)
    assert bench.documents(source)[before.id] == before


@pytest.mark.parametrize("name", ["held.md", "mail.eml"])
def test_a_restriction_placed_after_the_listing_is_seen_when_a_document_is_taken(
    bench: Bench, source: Source, name: str
) -> None:
    before = bench.documents(source)[ids(bench, source)[name]]
    bench.origin.files |= {HELD: NEW, MAIL: File(content=b"Other words\n+att.txt\nOther inner words")}
    placed: list[Order] = []

    def restrict_once(_: str) -> None:
        if not placed:
            placed.append(restrict(bench, source, name))

    bench.origin.on_fetch = restrict_once
    bench.origin.files["a.md"] = text("First", "It is fetched before the others.")
    bench.sync(source)
    assert len(placed) == 1
    assert bench.documents(source)[before.id] == before


def test_a_restricted_document_is_past_no_retention_that_deletes_it(bench: Bench, source: Source) -> None:
    order = restrict(bench, source, "held.md")
    there = kept(bench, source, "held.md")
    past_its_retention(bench, source)
    assert there.is_whole
    lift(bench, order)
    (signed,) = erase.purge(bench.workshop, source, actor=ACTOR)
    assert json.loads(signed)["receipt"]["documents"] == [there.document]
    assert there.is_gone


# Placing and ending


@pytest.mark.parametrize("kind", OrderKind)
def test_an_order_can_be_read_as_it_was_written_and_others_are_not_touched(
    bench: Bench, source: Source, kind: OrderKind
) -> None:
    first, second = (place(bench, source, "held.md", "mail.eml", kind=kind) for _ in range(2))
    with bench.keyring.database.reading() as session:
        assert orders.find(session, first.id) == first
        assert orders.standing(session, source.name) == (first, second)
        assert orders.standing(session, source.name, kind=kind) == (first, second)
        (other,) = set(OrderKind) - {kind}
        assert orders.standing(session, source.name, kind=other) == ()
    ended = release(bench, first) if kind is OrderKind.HOLD else lift(bench, first)
    with bench.keyring.database.reading() as session:
        assert orders.standing(session, source.name) == (second,)
        assert orders.listing(session, kind=kind) == (ended, second)
        assert orders.listing(session, kind=kind, source=source.name) == (ended, second)
        assert orders.listing(session, kind=other) == ()


def test_an_order_that_ended_stays_as_it_ended(bench: Bench, source: Source) -> None:
    order = place(bench, source, "held.md")
    ended = release(bench, order)
    with bench.keyring.database.writing() as session:
        orders.save(session, order)
        assert orders.find(session, order.id) == ended


def test_every_step_of_an_order_is_in_the_audit(bench: Bench, source: Source) -> None:
    records = len(bench.audit())
    hold = place(bench, source, "held.md")
    release(bench, hold)
    restriction = restrict(bench, source)
    lift(bench, restriction)
    acts = bench.audit()[records:]
    assert [(one.action, one.actor) for one in acts] == [
        (Action.HOLD_PLACED, ANN),
        (Action.HOLD_RELEASE_ASKED, ANN),
        (Action.HOLD_RELEASED, BOB),
        (Action.RESTRICTION_PLACED, ANN),
        (Action.RESTRICTION_LIFTED, BOB),
    ]
    about = [source.name, hold.id, ids(bench, source)["held.md"]]
    assert [json.loads(one.objects) for one in acts] == [about] * 3 + [[source.name, restriction.id]] * 2
    assert json.loads(acts[-1].detail)["notice"] == "letter of 3 May 2026"
    assert bench.keyring.anchors()[-1].hash == acts[-1].hash


@pytest.mark.parametrize(
    ("documents", "reference", "message"),
    [(["0" * 32], "LIT-1", "has no document"), ([], " ", "The reference"), ([], "a\nb", "The reference")],
)
def test_what_cannot_be_placed_leaves_nothing(
    bench: Bench, source: Source, documents: list[str], reference: str, message: str
) -> None:
    records = len(bench.audit())
    with pytest.raises(RefusedError, match=message):
        protect.place(
            bench.workshop,
            OrderKind.HOLD,
            source.name,
            [DocumentId(document) for document in documents],
            reference=reference,
            by=ANN,
        )
    assert len(bench.audit()) == records
    with bench.keyring.database.reading() as session:
        assert orders.standing(session, source.name) == ()


def test_a_source_that_there_is_none_of_is_refused(bench: Bench) -> None:
    with pytest.raises(RefusedError, match="No source"):
        protect.place(bench.workshop, OrderKind.HOLD, SourceName("other"), [], reference="LIT-1", by=ANN)


def test_an_order_that_there_is_none_of_cannot_be_ended(bench: Bench, source: Source) -> None:
    place(bench, source, "held.md")
    with pytest.raises(RefusedError, match="There is no order 'nonsense'"):
        protect.release(bench.workshop, OrderId("nonsense"), by=ANN)
    with pytest.raises(RefusedError, match="There is no order"):
        protect.lift(bench.workshop, OrderId("0" * 24), by=ANN, notice="a letter")


def unwritable(bench: Bench) -> None:
    """Have the catalog refuse every record."""
    with bench.database.writing() as session:
        session.connection().execute(
            sql("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'disk full'); END")
        )


@pytest.mark.skipif(catalogs.kind() == "postgresql", reason="the trigger is written for SQLite")
def test_no_order_is_placed_or_ended_without_its_record(bench: Bench, source: Source) -> None:
    hold, restriction = place(bench, source, "held.md"), restrict(bench, source, "mail.eml")
    protect.release(bench.workshop, hold.id, by=ANN)
    request = replace(ERASURE, documents=frozenset({ids(bench, source)["other.md"]}))
    erase.erase(bench.workshop, source, request, actor=ACTOR)
    unwritable(bench)
    acts: list[Callable[[], object]] = [
        lambda: place(bench, source, "held.md"),
        lambda: restrict(bench, source),
        lambda: protect.release(bench.workshop, hold.id, by=BOB),
        lambda: lift(bench, restriction),
        lambda: tombstones.lift(bench.workshop, source.name, min(request.documents), reference="DSR-1", actor=ACTOR),
    ]
    with bench.keyring.database.reading() as session:
        before = orders.standing(session, source.name)
    for act in acts:
        with pytest.raises(DependencyError):
            act()
    with bench.keyring.database.reading() as session:
        assert orders.standing(session, source.name) == before
    assert len(before) == 2
    assert bench.keyring.tombstones() == {(min(request.documents), "")}


def test_an_order_is_in_force_before_its_record_and_ends_after_it(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = place(bench, source, "held.md")
    protect.release(bench.workshop, hold.id, by=ANN)
    records = len(bench.audit())

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(orders, "save", die)
    with pytest.raises(Killed):
        protect.release(bench.workshop, hold.id, by=BOB)
    with pytest.raises(Killed):
        place(bench, source, "mail.eml")
    monkeypatch.undo()
    assert [one.action for one in bench.audit()[records:]] == [Action.HOLD_RELEASED]
    with bench.keyring.database.reading() as session:
        (standing,) = orders.standing(session, source.name)
    assert standing.id == hold.id
    assert not protect.release(bench.workshop, hold.id, by=BOB).stands


def test_an_unreadable_document_that_is_held_keeps_its_former_version(bench: Bench, source: Source) -> None:
    there = kept(bench, source, "held.md")
    place(bench, source, "held.md")
    bench.stages.fake_parser.broken = quarantine("corrupt")
    bench.origin.files[HELD] = NEW
    bench.sync(source)
    assert bench.documents(source)[there.document].state is DocumentState.QUARANTINED
    assert there.is_whole


def test_the_protected_documents_of_a_source_are_named_with_their_order(bench: Bench, source: Source) -> None:
    known = ids(bench, source)

    def protected(at: datetime) -> Mapping[DocumentId, OrderId]:
        bench.clock.now = at
        with bench.database.reading() as session:
            found = orders.protected(session, bench.keyring.database, source.name)
        return {document: order.id for document, order in found.items()}

    assert protected(DUE) == {}
    first = place(bench, source, "mail.eml")
    assert protected(DUE) == {known["mail.eml"]: first.id, known["att.txt"]: first.id}
    bench.clock.forward(timedelta(days=1))
    second = place(bench, source)
    expected = dict.fromkeys(known.values(), second.id) | {known["mail.eml"]: first.id, known["att.txt"]: first.id}
    assert protected(bench.clock.now) == expected
