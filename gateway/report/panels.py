"""The parts of a report: a picture each, what to see in it, and its numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.report import pictures, tables, words
from gateway.report.chart import Picture
from gateway.report.measures import Measures
from gateway.report.report import Report
from gateway.report.words import asked, percent, percents


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One part. `picture` is None where there is nothing to draw yet; `table` is HTML."""

    title: str
    picture: Picture | None
    reading: str
    table: str


def panels(report: Report) -> Iterator[Panel]:
    """Every part that the report has something for."""
    if report.measures:
        yield from _measured(report.measures, report.max_risk)
    if report.drift:
        yield Panel(
            title="Since the calibration",
            picture=pictures.drifted(report.drift) if report.drift.requests else None,
            reading=words.on_drift(report.drift),
            table=tables.shares(report.drift),
        )
    if report.labels:
        yield Panel(
            title="Labels",
            picture=pictures.labelled([(one.origin, one.answerable, one.unanswerable) for one in report.labels]),
            reading="A question is answerable where the source has its answer, whether or not it was found.",
            table=tables.labelled(report.labels),
        )


def _measured(found: Measures, max_risk: float) -> Iterator[Panel]:
    yield Panel(
        title="Reliability",
        picture=pictures.reliability(found.bins),
        reading=words.on_calibration(found),
        table=tables.bins(found),
    )
    yield Panel(
        title="Risk and coverage",
        picture=pictures.risk(found, max_risk),
        reading=_on_risk(found, max_risk),
        table=tables.risks(found),
    )
    yield Panel(
        title="Confidence of both kinds",
        picture=pictures.scores(found),
        reading="The further apart the two kinds lie, the more can be answered without asking a person.",
        table=tables.scores(found),
    )


def _on_risk(found: Measures, max_risk: float) -> str:
    if found.certified is None:
        return f"No threshold is certified at the risk of {asked(max_risk)} that is allowed."
    return (
        f"Of {found.certified.served:,} questions kept apart that reach {found.certified.threshold:.3f}, "
        f"{found.certified.wrong:,} lacked the answer: {percent(found.certified.risk)}, interval "
        f"{percents(found.certified.low, found.certified.high)}, where {asked(max_risk)} is allowed."
    )
