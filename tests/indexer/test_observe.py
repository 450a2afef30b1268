from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from indexer import protect
from indexer.observe import observe
from policies import ledger
from policies.manifest import Source
from policies.model import Action, AuditEvent, SourceName
from policies.orders import OrderKind
from policies.records import Observed
from tests.indexer.workbench import MODIFIED, NOW, Bench, File, text

Detail = Mapping[str, str | int | float | bool | list[str] | None]
LATER = timedelta(days=800)
"""Past the handbook's retention."""


def _observed(bench: Bench, source: Source) -> Observed:
    with bench.database.reading() as session:
        return observe(
            session,
            [source],
            keyring=bench.keyring.database,
            confidences={source.name: "calibrated"},
            now=bench.clock(),
        )[source.name]


def _retrieved(bench: Bench, **detail: object) -> None:
    usual: dict[str, object] = {
        "credential": "key:a",
        "agent": None,
        "region": "gb",
        "purpose": "employee-support",
        "sources": ["hr-handbook"],
        "denied": [],
    }
    event = AuditEvent(actor="caller:ann", action=Action.RETRIEVED, detail=cast("Detail", usual | detail))
    with bench.database.writing() as session:
        ledger.append(session, event, now=bench.clock())


def test_a_source_that_was_never_read_has_nothing_but_its_manifest(bench: Bench) -> None:
    seen = _observed(bench, bench.apply())
    assert seen == Observed(
        documents={"indexed": 0, "quarantined": 0}, first_applied=NOW, last_applied=NOW, confidence="calibrated"
    )


def test_what_is_held_is_counted_and_never_told(bench: Bench) -> None:
    bench.origin.files = {
        "a.md": text("Leave", "Ask zed@example.org or zedd@example.org."),
        "b.md": text("Pay", "Ask zed@example.org."),
    }
    bench.origin.files["c.md"] = File(content=b"!encrypted")
    source = bench.apply()
    bench.clock.forward(timedelta(hours=1))
    bench.sync(source)
    seen = _observed(bench, source)
    assert seen.documents == {"indexed": 2, "quarantined": 1}
    assert seen.redactions == {"EMAIL_ADDRESS": 3}
    assert seen.passages == 2
    assert (seen.overdue, seen.spared, seen.orders) == (0, 0, {})
    assert (seen.first_applied, seen.last_synced) == (NOW, NOW + timedelta(hours=1))


def test_documents_past_their_period_are_told_apart_from_those_an_order_keeps(bench: Bench) -> None:
    bench.origin.files = {name: text(name, "Some text.") for name in ("a.md", "b.md", "c.md")}
    source = bench.apply()
    bench.sync(source)
    assert MODIFIED < NOW
    kept = bench.id(source, "a.md")
    protect.place(bench.workshop, OrderKind.HOLD, source.name, [kept], reference="LIT-1", by="operator:test")
    bench.clock.forward(LATER)
    seen = _observed(bench, source)
    assert (seen.overdue, seen.spared, seen.orders) == (2, 1, {"hold": 1})


def test_a_date_that_the_origin_does_not_know_is_not_past(bench: Bench) -> None:
    bench.origin.files = {"a.md": text("a", "Some text.")}
    source = bench.apply(("from: modified", "from: ingested"))
    bench.sync(source)
    bench.clock.forward(LATER)
    assert _observed(bench, source).overdue == 1


def test_retrievals_are_counted_by_what_the_audit_tells_of_them(bench: Bench) -> None:
    source = bench.apply()
    _retrieved(bench)
    _retrieved(bench, credential="key:b", region="fr", agent="bot")
    _retrieved(bench, sources=[], denied=["hr-handbook:caller_region", "other:serving_off"])
    _retrieved(bench, sources=["other"])
    bench.clock.forward(timedelta(days=1))
    _retrieved(bench, region=None)
    seen = _observed(bench, source)
    assert seen.retrievals == 3
    assert seen.purposes == {"employee-support": 3}
    assert seen.regions == {"gb": 1, "fr": 1}
    assert seen.credentials == {"key:a": 2, "key:b": 1}
    assert seen.agents == {"bot": 1}
    assert seen.denied == {"caller_region": 1}
    assert seen.last_retrieved == NOW + timedelta(days=1)


def test_what_was_purged_is_added_up(bench: Bench) -> None:
    source = bench.apply()
    for number in (2, 3):
        event = AuditEvent(
            actor="operator:test",
            action=Action.PURGE_FINISHED,
            objects=(source.name, "p1"),
            detail={"documents": number, "receipt_sha256": "0"},
        )
        with bench.database.writing() as session:
            ledger.append(session, event, now=NOW)
    assert _observed(bench, source).purged == 5


def test_every_source_gets_its_own(bench: Bench) -> None:
    first = bench.apply()
    other = bench.apply(("source: hr-handbook", "source: other"))
    _retrieved(bench, sources=["hr-handbook", "other"])
    with bench.database.reading() as session:
        names: Mapping[SourceName, str] = {first.name: "stale", other.name: "certified"}
        found = observe(session, [first, other], keyring=bench.keyring.database, confidences=names, now=NOW)
    assert {name: (seen.retrievals, seen.confidence) for name, seen in found.items()} == {
        "hr-handbook": (1, "stale"),
        "other": (1, "certified"),
    }
