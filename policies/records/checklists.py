"""Checklists: one page for each flow, and what the ICO asks a controller to be able to show."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies.records import drift, words
from policies.records.answers import ANSWERS, View, redaction, vault
from policies.records.cells import Cell, Origin, escape, gaps_of, table, text_of
from policies.records.known import Facts, Known
from policies.records.registers import language_of, rows

_PLACED = ("provisional", "calibrated", "certified")
"""How confidence stands where a threshold was placed on labelled questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A point of a list and whether it is met."""

    text: str
    met: bool
    otherwise: str

    def line(self) -> str:
        """The point as a line of a task list."""
        return f"- [{'x' if self.met else ' '}] {escape(self.text)}" + (
            "" if self.met else f" — {escape(self.otherwise)}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """Something the ICO's accountability framework asks for: the answers that tell of it, and what shows it.

    Without answers, it is the whole record that tells.
    """

    asks: str
    law: str
    answers: tuple[str, ...]
    shown_by: str


UK_ITEMS = (
    Item(
        asks="A record of processing with every mandatory column",
        law="UK GDPR Art. 30",
        answers=(),
        shown_by="penstock records export FOLDER",
    ),
    Item(
        asks="A lawful basis that is in force, with its reference",
        law="UK GDPR Art. 6",
        answers=("basis",),
        shown_by="penstock explain --as SUBJECT --source {source}",
    ),
    Item(
        asks="The legitimate interests assessment, where that is the basis",
        law="UK GDPR Art. 6(1)(f)",
        answers=("lia",),
        shown_by="the assessment itself",
    ),
    Item(
        asks="A condition for special categories, and one of Schedule 1",
        law="UK GDPR Art. 9; DPA 2018 s. 10",
        answers=("condition", "schedule_1"),
        shown_by="penstock check MANIFEST",
    ),
    Item(
        asks="A purpose for every use",
        law="UK GDPR Art. 5(1)(b)",
        answers=("purpose",),
        shown_by="penstock audit show --action retrieved",
    ),
    Item(
        asks="No more personal data than needed",
        law="UK GDPR Art. 5(1)(c)",
        answers=("data",),
        shown_by="penstock status {source}",
    ),
    Item(
        asks="A retention schedule that is kept to",
        law="UK GDPR Art. 5(1)(e)",
        answers=("retention", "adherence"),
        shown_by="penstock purge plan {source}",
    ),
    Item(
        asks="Security appropriate to the risk",
        law="UK GDPR Art. 32",
        answers=("security",),
        shown_by="penstock doctor; penstock verify",
    ),
    Item(
        asks="A contract with every processor",
        law="UK GDPR Art. 28(3)",
        answers=("processor",),
        shown_by="penstock check MANIFEST",
    ),
    Item(
        asks="Safeguards for every restricted transfer",
        law="UK GDPR Art. 44A to 49",
        answers=("third_countries", "safeguards"),
        shown_by="penstock explain --as SUBJECT --source {source}",
    ),
    Item(
        asks="An impact assessment where the risk is high",
        law="UK GDPR Art. 35",
        answers=("dpia_required", "dpia"),
        shown_by="dpia-input-{source}.md",
    ),
    Item(
        asks="A way for people to exercise their rights",
        law="UK GDPR Art. 12 to 22",
        answers=("rights",),
        shown_by="penstock erase find; penstock restrict list",
    ),
    Item(
        asks="Decisions by automated means are known",
        law="UK GDPR Art. 22A to 22D",
        answers=("automated_decisions",),
        shown_by="the privacy notice",
    ),
    Item(
        asks="A data protection officer, or the reason why there is none",
        law="UK GDPR Art. 37",
        answers=("dpo",),
        shown_by="the appointment",
    ),
    Item(
        asks="A record of personal data breaches",
        law="UK GDPR Art. 33(5)",
        answers=("breaches",),
        shown_by="the register of breaches",
    ),
)


def uk(facts: Facts) -> str:
    """What a controller in the United Kingdom must be able to show (Art. 5(2)), for every source under uk-gdpr."""
    parts = ["# United Kingdom: accountability checklist", f"Made on {facts.now:%Y-%m-%d}."]
    for known in facts.sources:
        if known.source.policy.regime == "uk-gdpr":
            parts += [
                f"## {escape(known.source.title)}",
                table(("Asked", "Law", "Stands", "Shown by"), _uk(known, facts)),
            ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _uk(known: Known, facts: Facts) -> Iterable[tuple[str, str, str, str]]:
    for item in UK_ITEMS:
        cell = _joined(known, facts, item.answers)
        gaps = gaps_of([cell]) if item.answers else record_gaps(known, facts)
        stands = "; ".join(gaps) or text_of(cell) or "every column is answered"
        yield item.asks, item.law, stands, item.shown_by.format(source=known.source.name)


def _joined(known: Known, facts: Facts, names: Iterable[str]) -> Cell:
    views = [
        View(known=known, purpose=purpose, language="en", node=facts.node, now=facts.now)
        for purpose in known.source.policy.purposes
    ]
    return tuple(dict.fromkeys(part for name in names for view in views for part in ANSWERS[name](view)))


def flow(known: Known, facts: Facts) -> str:
    """The one-page checklist of a flow: sources, constraints, guardrails, metrics, gate."""
    source, seen = known.source, known.observed
    points = gate(known, facts)
    verdict = "open" if all(point.met for point in points) else "closed"
    parts = (
        f"# Checklist: {escape(source.title)}",
        (
            f"Source {escape(source.name)}, manifest version {source.version}, policy {source.policy_hash[:12]}, "
            f"made on {facts.now:%Y-%m-%d}."
        ),
        "## Sources",
        table(("", ""), _sources(known)),
        "## Constraints",
        table(("", ""), _constraints(known, facts)),
        "## Guardrails",
        table(("", ""), _guardrails(known)),
        "## Metrics",
        table(
            ("", ""),
            (
                ("Documents", _counts(seen.documents)),
                ("Passages", str(seen.passages)),
                ("Replaced before indexing", _counts(seen.redactions)),
                ("Passages in languages whose names are not looked for", str(seen.patterns_only)),
                ("Answered with passages of it", str(seen.retrievals)),
                ("Refused", _counts(seen.denied)),
                ("Past retention, not purged yet", str(seen.overdue)),
                ("Past retention, kept by an order", str(seen.spared)),
                ("Under a hold or a restriction", _counts(seen.orders)),
                ("Confidence", seen.confidence),
            ),
        ),
        f"## Gate: {verdict}",
        "\n".join(point.line() for point in points),
    )
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def gate(known: Known, facts: Facts) -> tuple[Point, ...]:
    """What must be so before a source goes live."""
    source, seen = known.source, known.observed
    gaps = record_gaps(known, facts)
    drifted = drift.strays(known, facts.node)
    return (
        Point(text="The manifest is active", met=source.state == "active", otherwise=f"state: {source.state}"),
        Point(text="The record of processing has no gap", met=not gaps, otherwise="; ".join(gaps)),
        Point(text="Nothing is used that is not configured", met=not drifted, otherwise=" ".join(drifted)),
        Point(
            text="Documents are indexed",
            met=seen.documents.get("indexed", 0) > 0,
            otherwise=f"run: penstock sync {source.name}",
        ),
        Point(
            text="Nothing is past its retention",
            met=seen.overdue == seen.spared == 0,
            otherwise=_past(known),
        ),
        Point(
            text="A threshold was placed on labelled questions, if only a provisional one",
            met=seen.confidence in _PLACED,
            otherwise=f"{seen.confidence}; run: penstock calibrate {source.name} GOLDEN.jsonl",
        ),
    )


def _past(known: Known) -> str:
    """Which documents are past their retention, and what to run."""
    seen = known.observed
    told = [f"{seen.overdue} documents; run: penstock purge run {known.source.name}"] if seen.overdue else []
    told += [f"{seen.spared} past their period, kept by an order; see: penstock hold list"] if seen.spared else []
    return "; ".join(told)


def record_gaps(known: Known, facts: Facts) -> tuple[str, ...]:
    """What is missing in the source's record of processing; nothing where the law asks for none."""
    language = language_of(known)
    if language is None:
        return ()
    return gaps_of(cell for row in rows(facts, [known], language) for cell in row.cells)


def _sources(known: Known) -> list[tuple[str, str]]:
    source = known.source
    return [
        ("Owner", source.owner),
        ("Connector", source.connector.kind),
        ("Read", f"by cron {source.schedule.sync} (UTC)" if source.schedule.sync else "when asked for"),
        ("Last read", f"{known.observed.last_synced:%Y-%m-%d}" if known.observed.last_synced else "never"),
    ]


def _constraints(known: Known, facts: Facts) -> list[tuple[str, str]]:
    policy = known.source.policy
    residency = policy.residency
    named = (("Basis", "basis"), ("Retention", "retention"), ("Access", "recipients"), ("Transfers", "safeguards"))
    return [
        ("Regime", policy.regime),
        ("Purposes", ", ".join(policy.purposes)),
        *((heading, text_of(_without_gaps(_joined(known, facts, [name])))) for heading, name in named),
        ("Stored in", words.regions(residency.store)),
        ("Processed in", words.regions(residency.process)),
        ("Served to", words.regions(residency.serve)),
        ("Logs in", words.regions(residency.system or residency.store)),
    ]


def _without_gaps(cell: Cell) -> Cell:
    return tuple(part for part in cell if part.origin is not Origin.GAP)


def _guardrails(known: Known) -> list[tuple[str, str]]:
    source = known.source
    clause = source.policy.guardrail
    return [
        ("Serving", "on" if source.serving else "off"),
        (
            "On labelled questions at most this share of answers rests on passages that do not hold them",
            f"{clause.max_risk:g}",
        ),
        ("Share of the other answers that a person is asked to review", f"{clause.review_share:g}"),
        ("Questions are kept for reviewers", "redacted" if clause.keep_query else "no"),
        ("Redaction", redaction(source.policy, "en")),
        ("Reversal of pseudonyms", vault(source.policy, "en")),
        ("A sync that would lose more than this share stops", f"{source.limits.max_deletes:g}"),
        ("Permissions of the origin count for", str(source.policy.access.max_age or "not mirrored")),
    ]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "none"
