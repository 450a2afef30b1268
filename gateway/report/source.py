"""The report on a source in service: its stored model, what people said of its answers, and what was asked since."""

from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from gateway.confidence import Model
from gateway.report import words
from gateway.report.drift import drift
from gateway.report.report import Labels, Report, Standing, measure
from indexer import asked, calibrations, labels
from policies.model import ConfidenceStatus, SourceName


def of_source(
    session: Session,
    source: SourceName,
    *,
    status: ConfidenceStatus,
    why: tuple[str, ...],
    max_risk: float,
    made: datetime,
    kept_since: datetime,
) -> Report:
    """What is known of a source's confidence. `status` is what it has now, `why` what made it stale or unreadable.

    `max_risk` is what its manifest allows, `kept_since` the instant since which answered questions are kept.

    Raises:
        IntegrityError: its stored model cannot be read.
    """
    stored, since = calibrations.latest(session, source), calibrations.made_at(session, source)
    feedback = _feedback(session, source, kept_since)
    if status is ConfidenceStatus.UNCALIBRATED or stored is None or since is None:
        return _uncalibrated(source, feedback, why, max_risk=max_risk, made=made)
    model = Model.load(stored)
    golden = Labels(
        origin="golden questions", answerable=model.labels - model.unanswerable, unanswerable=model.unanswerable
    )
    measured = measure(
        model.points,
        subject=source,
        population=model.population,
        made=made,
        max_risk=max_risk,
        threshold=model.threshold,
        certificate=model.certificate,
        status=status,
    )
    return replace(
        measured,
        standing=_standing(status, why, model, source, max_risk),
        labels=(golden, feedback),
        drift=drift(
            [point.confidence for point in model.points],
            asked.confidences(session, source, since),
            since=since,
            base_rate=sum(point.sufficient for point in model.points) / len(model.points),
        ),
    )


def _uncalibrated(
    source: SourceName, feedback: Labels, why: tuple[str, ...], *, max_risk: float, made: datetime
) -> Report:
    return Report(
        subject=source,
        made=made,
        population=None,
        max_risk=max_risk,
        measures=None,
        guarantee=None,
        standing=_standing(ConfidenceStatus.UNCALIBRATED, why, None, source, max_risk),
        labels=(Labels(origin="golden questions", answerable=0, unanswerable=0), feedback),
    )


def _standing(
    status: ConfidenceStatus, why: tuple[str, ...], model: Model | None, source: SourceName, max_risk: float
) -> Standing:
    lacking = words.missing(status, model, source)
    if model is not None and model.max_risk != max_risk:
        lacking += (words.other_risk(model.max_risk, max_risk, source),)
    return Standing(status=status, meaning=words.MEANINGS[status], why=why, missing=lacking)


def _feedback(session: Session, source: SourceName, since: datetime) -> Labels:
    """What people said of answers of this source, a question once; of contradictions only what was resolved."""
    told = labels.labelled(session, source, since=since)
    answerable = sum(one.answerable for one in told)
    return Labels(origin="feedback", answerable=answerable, unanswerable=len(told) - answerable)
