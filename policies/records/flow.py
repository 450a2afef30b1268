"""The way of a source's data, from its origin to its callers: what is configured, what was observed, and the drift."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies import transfers
from policies.records import drift, words
from policies.records.drift import Usage, Use, Work
from policies.records.exits import exits
from policies.records.known import Facts, Known
from policies.regions import contains

_SHOWN = 3
"""Chosen: as many kinds of redacted values or of denials as a box shows before it counts the rest."""
_PASSES = ("visible passages", "answers")
"""What goes on from the catalog and from the gateway."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line in a box; `use` where it tells of something configured or observed."""

    text: str
    use: Use | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A station on the way: what it is, where it is, and what there is to say of it."""

    title: str
    place: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """The way of one source: its boxes in order, with what passes between each and the next."""

    source: str
    title: str
    law: str
    boxes: tuple[Box, ...]
    passes: tuple[str, ...]


def flows(facts: Facts) -> tuple[Flow, ...]:
    """The way of every source, in the order given."""
    return tuple(_flow(known, facts) for known in facts.sources)


def _flow(known: Known, facts: Facts) -> Flow:
    source, policy = known.source, known.source.policy
    return Flow(
        source=source.name,
        title=source.title,
        law=f"{policy.controller} · {policy.regime} · {_basis(known)} · {source.state}",
        boxes=(
            _origin(known),
            _redaction(known, facts),
            _catalog(known, facts),
            _gateway(known),
            _callers(known, facts),
        ),
        passes=("documents", "text" if policy.redaction.profile == "none" else "redacted text", *_PASSES),
    )


def _basis(known: Known) -> str:
    return words.name("en", words.BASES, known.source.policy.lawful_basis.basis)


def _origin(known: Known) -> Box:
    source, seen = known.source, known.observed
    synced = f"last read {seen.last_synced:%Y-%m-%d}" if seen.last_synced else "never read yet"
    return Box(
        title="Origin",
        place=source.connector.kind,
        lines=(
            Line(text=_number(sum(seen.documents.values()), "document")),
            Line(text=f"read by cron {source.schedule.sync}" if source.schedule.sync else "read when asked for"),
            Line(text=synced),
        ),
    )


def _redaction(known: Known, facts: Facts) -> Box:
    clause, seen = known.source.policy.redaction, known.observed
    profile = f"profile {clause.covered}" + (f" ({', '.join(clause.languages)})" if clause.languages else "")
    held = seen.documents.get("quarantined", 0)
    return Box(
        title="Parse and redact",
        place=f"in memory: {words.regions(known.source.policy.residency.process)}",
        lines=(
            *_here(known, facts, "processes"),
            Line(text=profile),
            *_top(seen.redactions, "replaced"),
            *((Line(text=f"{held} quarantined"),) if held else ()),
        ),
    )


def _catalog(known: Known, facts: Facts) -> Box:
    policy, seen, cron = known.source.policy, known.observed, known.source.schedule.purge
    kept = words.say("en", policy.retention.anchor, period=words.period("en", policy.retention.period))
    return Box(
        title="Catalog and index",
        place=f"at rest: {words.regions(policy.residency.store)}",
        lines=(
            *_here(known, facts, "stores", "logs"),
            Line(text=_number(seen.documents.get("indexed", 0), "document")),
            Line(text=_number(seen.passages, "passage")),
            Line(text="catalog sealed, index not"),
            Line(text=f"kept {kept}"),
            Line(text=f"purged by cron {cron}" if cron else "purged when asked for"),
            *((Line(text=f"{seen.overdue} past it: hidden, purge due"),) if seen.overdue else ()),
            *((Line(text=f"{seen.spared} past it: hidden, kept by order"),) if seen.spared else ()),
            *(Line(text=f"{count} under {kind}") for kind, count in sorted(seen.orders.items())),
            *((Line(text=f"{seen.purged} purged with receipt"),) if seen.purged else ()),
        ),
    )


def _gateway(known: Known) -> Box:
    seen = known.observed
    return Box(
        title="Gateway",
        place="serving on" if known.source.serving else "serving off",
        lines=(
            *(_line(usage, usage.name) for usage in drift.purposes(known)),
            *_top(seen.denied, "refused"),
        ),
    )


def _callers(known: Known, facts: Facts) -> Box:
    seen = known.observed
    grounds = {each.region: each.mechanism for each in exits(known.source.policy, facts.now)}
    callers = f"{_number(len(seen.credentials), 'credential')}, {_number(len(seen.agents), 'agent')}"
    return Box(
        title="Callers",
        place=_number(seen.retrievals, "answer"),
        lines=(
            *(_line(usage, _region(known, usage, grounds)) for usage in drift.regions_served(known)),
            *((Line(text=callers),) if seen.retrievals else ()),
        ),
    )


def _region(known: Known, usage: Usage, grounds: Mapping[str, str]) -> str:
    name = usage.name.upper()
    if usage.use is Use.STRAY or transfers.home(known.source.policy.regime) is None:
        return name
    return f"{name} ({grounds.get(usage.name, 'at home')})"


def _line(usage: Usage, text: str) -> Line:
    return Line(text=f"{text}: {usage.count}" if usage.count else text, use=usage.use)


def _here(known: Known, facts: Facts, *works: Work) -> Iterable[Line]:
    found = (each for each in drift.of_node(known, facts.node) if each.work in works)
    return dict.fromkeys(
        Line(text=f"this node: {_country(known, facts, each.country)}", use=Use.USED if each.listed else Use.STRAY)
        for each in found
    )


def _country(known: Known, facts: Facts, country: str | None) -> str:
    """The country with the mechanism that leads there, if one is needed."""
    outs = exits(known.source.policy, facts.now)
    mechanism = next((f" ({each.mechanism})" for each in outs if country and contains([each.region], country)), "")
    return f"{words.regions([country])}{mechanism}"


def _top(counts: Mapping[str, int], what: str) -> Iterable[Line]:
    if not counts:
        return (Line(text=f"nothing {what}"),)
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    shown = [Line(text=f"· {_readable(name)}: {count:,}") for name, count in ordered[:_SHOWN]]
    rest = sum(count for _, count in ordered[_SHOWN:])
    first = Line(text=f"{sum(counts.values()):,} {what}")
    return (first, *shown, Line(text=f"· others: {rest:,}")) if rest else (first, *shown)


def _readable(name: str) -> str:
    return name.lower().replace("_", " ")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
