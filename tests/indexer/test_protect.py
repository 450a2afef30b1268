"""A hold against every path on which something is deleted, shown on keys, rows and files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from indexer import dues, erase, protect, revisions
from indexer.keyring import Keyring
from indexer.reconcile import repair, verify
from indexer.tables import DocumentState
from policies.errors import ConflictError
from policies.manifest import Source
from policies.orders import OrderKind
from tests import catalogs
from tests.indexer.protecting import (
    ANN,
    BOB,
    DUE,
    ERASURE,
    HELD,
    MAIL,
    NEW,
    WORDS,
    changed_at_the_origin,
    gone_at_the_origin,
    ids,
    is_served,
    kept,
    mail,
    past_its_retention,
    place,
    prepared,
    release,
)
from tests.indexer.workbench import ACTOR, MASTER, MODIFIED, Bench, File, Killed, opened, text


@pytest.fixture
def source(bench: Bench) -> Source:
    return prepared(bench)


# Every path on which something is deleted


def everything_gone_at_the_origin(bench: Bench, source: Source) -> Source:
    bench.origin.files = {}
    bench.sync(source, confirm_deletes=True)
    return source


def unreadable_at_the_origin(bench: Bench, source: Source) -> Source:
    bench.origin.files |= dict.fromkeys((HELD, MAIL), File(content=b"!encrypted"))
    assert bench.sync(source).reasons.keys() == {"encrypted"}
    return source


def without_its_attachment(bench: Bench, source: Source) -> Source:
    bench.origin.files |= {HELD: NEW, MAIL: mail()}
    bench.sync(source)
    return source


def redacted_anew(bench: Bench, _: Source) -> Source:
    stricter = bench.apply(("max_deletes: 0.5", "max_deletes: 1.0"), ("profile: balanced", "profile: strict"))
    bench.sync(stricter)
    return stricter


def repaired(bench: Bench, source: Source) -> Source:
    gone_at_the_origin(bench, source)
    (bench.home.generations(source.name) / "left").mkdir()
    bench.keyring.new_document_key(source.name)
    repair(bench.workshop, verify(bench.workshop), actor=ACTOR)
    return source


def rebuilt(bench: Bench, source: Source) -> Source:
    changed_at_the_origin(bench, source)
    with bench.workshop.sole_writer(source) as fenced:
        fenced.rebuild(source, actor=ACTOR)
    return source


PATHS = [
    gone_at_the_origin, everything_gone_at_the_origin, changed_at_the_origin, unreadable_at_the_origin,
    without_its_attachment, redacted_anew, past_its_retention, repaired, rebuilt,
]  # fmt: skip
SCOPES = {"document": ("held.md",), "mail": ("mail.eml",), "attachment": ("att.txt",), "source": ()}
COVERED = {
    "document": {"held.md"}, "mail": {"mail.eml", "att.txt"}, "attachment": {"att.txt"},
    "source": {"held.md", "mail.eml", "att.txt"},
}  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("path", PATHS)
def test_what_a_hold_covers_is_deleted_on_no_path_before_its_release_and_what_it_does_not_goes(
    bench: Bench, source: Source, path: Callable[[Bench, Source], Source], scope: str
) -> None:
    there = {name: kept(bench, source, name) for name in WORDS}
    order = place(bench, source, *SCOPES[scope])
    after = path(bench, source)
    free = WORDS.keys() - COVERED[scope]
    assert {name for name in COVERED[scope] if not there[name].is_whole} == set()
    assert {name for name in free if not there[name].is_gone} == set()
    protect.release(bench.workshop, order.id, by=ANN)
    bench.workshop.publish(after, actor=ACTOR)
    assert {name for name in COVERED[scope] if not there[name].is_whole} == set()
    protect.release(bench.workshop, order.id, by=BOB)
    if path is past_its_retention:
        erase.purge(bench.workshop, after, actor=ACTOR)
    bench.workshop.publish(after, actor=ACTOR)
    assert {name for name in COVERED[scope] if not there[name].is_gone} == set()
    assert not [finding for finding in verify(bench.workshop) if finding.fault.startswith("key")]


@pytest.mark.parametrize("path", PATHS)
def test_what_a_restriction_covers_is_deleted_on_no_path(
    bench: Bench, source: Source, path: Callable[[Bench, Source], Source]
) -> None:
    there = {name: kept(bench, source, name) for name in WORDS}
    place(bench, source, "mail.eml", kind=OrderKind.RESTRICTION)
    path(bench, source)
    assert {name for name in COVERED["mail"] if not there[name].is_whole} == set()
    assert there["held.md"].is_gone


def test_a_hold_extends_nothing_that_is_shown(bench: Bench, source: Source) -> None:
    place(bench, source)
    gone_at_the_origin(bench, source)
    assert bench.served(source) == {ids(bench, source)["other.md"]}
    assert bench.documents(source).keys() == {ids(bench, source)["other.md"]}
    bench.origin.files[HELD] = NEW
    bench.sync(source)
    assert bench.documents(source)[ids(bench, source)["held.md"]].state is DocumentState.INDEXED


def test_every_version_that_a_held_document_had_stays(bench: Bench, source: Source) -> None:
    place(bench, source, "held.md")
    found = {bench.documents(source)[ids(bench, source)["held.md"]].revision.id}
    for number in range(3):
        bench.origin.files[HELD] = text("Held", f"Version {number} of it.")
        bench.sync(source)
        found.add(bench.documents(source)[ids(bench, source)["held.md"]].revision.id)
    assert len(found) == 4
    with bench.database.reading() as session:
        assert found <= revisions.ids(session)
    assert found <= bench.keyring.document_key_ids()


def test_a_plan_leaves_out_what_is_held_and_names_the_order(bench: Bench, source: Source) -> None:
    hold = place(bench, source, "held.md")
    restriction = place(bench, source, "mail.eml", kind=OrderKind.RESTRICTION)
    bench.clock.now = DUE
    with bench.database.reading() as session:
        planned = dues.plan(session, source, bench.keyring, now=DUE)
    known = ids(bench, source)
    assert {entry.document for entry in planned.documents} == {known["other.md"]}
    assert {(one.document, one.order, one.kind) for one in planned.kept} == {
        (known["held.md"], hold.id, OrderKind.HOLD),
        (known["mail.eml"], restriction.id, OrderKind.RESTRICTION),
        (known["att.txt"], restriction.id, OrderKind.RESTRICTION),
    }
    (signed,) = erase.purge(bench.workshop, source, actor=ACTOR)
    assert json.loads(signed)["receipt"]["documents"] == [known["other.md"]]
    assert erase.purge(bench.workshop, source, actor=ACTOR) == ()


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("kind", OrderKind)
def test_an_erasure_is_refused_and_names_the_order(bench: Bench, source: Source, scope: str, kind: OrderKind) -> None:
    order = place(bench, source, *SCOPES[scope], kind=kind)
    there = {name: kept(bench, source, name) for name in WORDS}
    records = len(bench.audit())
    for name in COVERED[scope] | ({"mail.eml"} if scope == "attachment" else set()):
        request = replace(ERASURE, documents=frozenset({ids(bench, source)[name], ids(bench, source)["other.md"]}))
        with pytest.raises(ConflictError, match=order.id):
            erase.erase(bench.workshop, source, request, actor=ACTOR)
    assert all(one.is_whole for one in there.values())
    assert (len(bench.audit()), bench.keyring.tombstones()) == (records, frozenset())


def test_a_hold_on_a_source_is_over_what_comes_later(bench: Bench, source: Source) -> None:
    place(bench, source)
    bench.origin.files["case/late.md"] = text("Late", "It came later.")
    bench.sync(source)
    late = bench.documents(source)[bench.id(source, "case/late.md")].revision.id
    gone_at_the_origin(bench, source)
    with bench.database.reading() as session:
        assert late in revisions.ids(session)
    assert late in bench.keyring.document_key_ids()


def test_a_hold_holds_in_a_catalog_from_before_it_was_placed(bench: Bench, source: Source, tmp_path: Path) -> None:
    there = kept(bench, source, "held.md")
    bench.database.checkpoint()
    bench.database.close()
    catalogs.copy(bench.home.catalog, tmp_path / "backup.db")
    order = place(bench, source, "held.md")
    bench.close()
    catalogs.copy(tmp_path / "backup.db", bench.home.catalog)
    with opened(bench.home.root, origin=bench.origin, now=DUE, first_id=100) as restored:
        request = replace(ERASURE, documents=frozenset({there.document}))
        with pytest.raises(ConflictError, match=order.id):
            erase.erase(restored.workshop, source, request, actor=ACTOR)
        repair(restored.workshop, verify(restored.workshop), actor=ACTOR)
        erase.purge(restored.workshop, source, actor=ACTOR)
        restored.origin.files = {}
        restored.set_back(MODIFIED)
        restored.sync(source, confirm_deletes=True)
        assert replace(there, bench=restored).is_whole


def test_what_one_hold_keeps_can_come_under_another(bench: Bench, source: Source) -> None:
    there = kept(bench, source, "held.md")
    first = place(bench, source, "held.md")
    gone_at_the_origin(bench, source)
    second = place(bench, source, "held.md")
    release(bench, first)
    bench.workshop.publish(source, actor=ACTOR)
    assert there.is_whole
    release(bench, second)
    bench.workshop.publish(source, actor=ACTOR)
    assert there.is_gone


# Races


class PlacingAtTombstones(Keyring):
    """Somebody places a hold when a purge is planned and has deleted nothing."""

    happens: Callable[[], object]

    def needle_key(self, purge: str) -> object:  # type: ignore[override]
        self.happens()
        return super().needle_key(purge)


def purge_all(bench: Bench, source: Source, keyring: Keyring) -> object:
    bench.clock.now = DUE
    return erase.purge(replace(bench.workshop, keyring=keyring), source, actor=ACTOR)


def erase_all(bench: Bench, source: Source, keyring: Keyring) -> object:
    bench.clock.now = DUE
    request = replace(ERASURE, documents=frozenset(ids(bench, source).values()))
    return erase.erase(replace(bench.workshop, keyring=keyring), source, request, actor=ACTOR)


@pytest.mark.parametrize(("act", "kind"), [(purge_all, OrderKind.HOLD), (erase_all, OrderKind.RESTRICTION)])
def test_an_order_that_is_placed_after_the_plan_stops_the_deletion(
    bench: Bench, source: Source, act: Callable[[Bench, Source, Keyring], object], kind: OrderKind
) -> None:
    there = {name: kept(bench, source, name) for name in WORDS}
    racing = PlacingAtTombstones(bench.keyring.path, MASTER)
    racing.happens = lambda: place(bench, source, "held.md", kind=kind)
    with pytest.raises(ConflictError, match="was placed on documents"):
        act(bench, source, racing)
    racing.close()
    assert all(one.is_whole for one in there.values())
    assert bench.keyring.tombstones() == frozenset()
    (signed,) = erase.purge(bench.workshop, source, actor=ACTOR)
    receipt, held = json.loads(signed)["receipt"], there["held.md"]
    assert held.is_whole
    assert held.document not in receipt["documents"]
    assert [(one["document"], one["kind"]) for one in receipt["kept"]] == [(held.document, kind)]
    assert there["mail.eml"].is_gone


def test_an_order_placed_on_a_source_while_a_purge_deletes_stops_it_and_is_named(bench: Bench, source: Source) -> None:
    there = kept(bench, source, "held.md")
    made = iter(["1" * 24])

    def new_id() -> str:
        for one in made:
            return one
        raise Killed

    bench.clock.now = DUE
    with pytest.raises(Killed):
        erase.purge(replace(bench.workshop, new_id=new_id), source, actor=ACTOR)
    order = place(bench, source)
    with pytest.raises(ConflictError, match=order.id):
        erase.purge(bench.workshop, source, actor=ACTOR)
    assert there.is_whole
    assert not is_served(bench, source, "held.md")
    release(bench, order)
    (signed,) = erase.purge(bench.workshop, source, actor=ACTOR)
    assert len(json.loads(signed)["receipt"]["documents"]) == 4
    assert there.is_gone
