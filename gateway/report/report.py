"""A report: everything that is known of a source's confidence, as plain data to draw, print or hand on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from gateway.confidence import Certificate, Point
from gateway.report import words
from gateway.report.drift import Drift
from gateway.report.measures import Figure, Measures, measures
from policies.model import ConfidenceStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How far the confidence of a source carries, what that means, why it is so, and what is missing."""

    status: ConfidenceStatus
    meaning: str
    why: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """Labelled questions of one origin, by whether the source has their answer."""

    origin: str
    answerable: int
    unanswerable: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All that a report tells. It holds no text of any question or document.

    `population` is whom `measures` and `guarantee` speak of. `standing`, `labels` and `drift` are of a source in
    service; a measurement of a set of questions has none of them. `compared` holds the figures of other confidences
    on the same questions, by the name of each.
    """

    subject: str
    made: datetime
    population: str | None
    max_risk: float
    measures: Measures | None
    guarantee: str | None
    standing: Standing | None = None
    labels: tuple[Labels, ...] = ()
    drift: Drift | None = None
    compared: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)


def measure(  # noqa: PLR0913 - what a measurement is known by
    points: Sequence[Point],
    *,
    subject: str,
    population: str,
    made: datetime,
    max_risk: float,
    threshold: float | None = None,
    certificate: Certificate | None = None,
    status: ConfidenceStatus | None = None,
    compared: Mapping[str, Mapping[str, Figure]] | None = None,
) -> Report:
    """The report on labelled questions, at least one, whose confidences are by a model that did not know them.

    `subject` is its heading; `population` completes "questions drawn like these (…)".
    """
    return Report(
        subject=subject,
        made=made,
        population=population,
        max_risk=max_risk,
        measures=measures(points, threshold=threshold, certificate=certificate),
        guarantee=None if certificate is None else words.guarantee(certificate, population, status),
        compared=dict(compared or {}),
    )


def plain(report: Report) -> dict[str, Any]:
    """The same for JSON: names as in the classes, shares from 0 to 1, times in ISO 8601."""
    told = asdict(report) | {"made": report.made.isoformat()}
    if told["measures"] is not None:
        told["measures"] |= {part: _served(told["measures"][part]) for part in ("certified", "caution")}
        told["measures"]["curve"] = [_served(one) for one in told["measures"]["curve"]]
    if report.drift is not None:
        told["drift"] |= {"since": report.drift.since.isoformat(), "differs": report.drift.differs}
    return told


def _served(told: dict[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    served = told["served"]
    return told | {"coverage": served / told["questions"], "risk": told["wrong"] / served if served else 0.0}
