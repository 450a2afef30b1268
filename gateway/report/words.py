"""What a report says in sentences: what a status means, what is missing, and of whom the guarantee speaks."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.confidence import MIN_LABELS, MIN_UNANSWERABLE, Certificate, Model
from gateway.report.drift import ENOUGH, Drift
from gateway.report.measures import Figure, Measures
from policies.model import ConfidenceStatus

MEANINGS: Final[Mapping[ConfidenceStatus, str]] = MappingProxyType(
    {
        ConfidenceStatus.UNCALIBRATED: "No question with a known answer has been asked of this source, so it vouches "
        "for nothing: every answer is a hand-off.",
        ConfidenceStatus.PROVISIONAL: "The confidence rests on too few labelled questions to be held to its word: an "
        "answer carries caution at the most.",
        ConfidenceStatus.CALIBRATED: "The confidence was measured on enough labelled questions. No threshold of it is "
        "certified, so an answer carries caution at the most.",
        ConfidenceStatus.CERTIFIED: "A threshold of the confidence was shown to keep the risk that the source allows: "
        "from it on, the verdict is answer.",
        ConfidenceStatus.STALE: "What is searched now is not what the confidence was fitted on: an answer carries "
        "caution at the most, and what was shown before does not hold now.",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """A figure's name, and how to read it in one sentence. `share` says that it is written as a percentage."""

    label: str
    reading: str
    share: bool = False


FIGURES: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "auroc": Meaning(
            label="AUROC",
            reading="How often a question whose answer is there ranks above one whose answer is not. "
            "0.5 is chance, 1 perfect.",
        ),
        "brier": Meaning(
            label="Brier score", reading="Mean squared error of the confidence. 0 is perfect, 0.25 is a coin."
        ),
        "log_loss": Meaning(
            label="Log-loss", reading="What its surprise costs, in nats. 0 is perfect, 0.69 is a coin."
        ),
        "bias": Meaning(
            label="Mean confidence − share answered", reading="Above 0 it promises too much, below 0 too little."
        ),
        "ece": Meaning(
            label="Calibration error (ECE)", reading="Mean gap between confidence and outcome, over bins of equal mass."
        ),
        "ece_null": Meaning(
            label="ECE of a perfect model", reading="What chance alone gives for these confidences: simulated mean."
        ),
        "ece_null_95": Meaning(
            label="ECE of a perfect model, 95th percentile",
            reading="An ECE below this is no sign of a wrong confidence.",
        ),
        "aurc": Meaning(label="AURC", reading="Mean risk among what is served, over all coverages. Lower is better."),
        "augrc": Meaning(
            label="AUGRC", reading="Mean share of all questions served wrongly, over all coverages. Lower is better."
        ),
        "coverage_5": Meaning(
            label="Coverage at 5 % risk",
            reading="Most questions that could be served so, looking back. No promise.",
            share=True,
        ),
        "coverage_10": Meaning(
            label="Coverage at 10 % risk",
            reading="Most questions that could be served so, looking back. No promise.",
            share=True,
        ),
        "base_rate": Meaning(label="Share answered", reading="Questions whose passages held the answer.", share=True),
    }
)
"""Every figure of a report, in the order of its table."""


def percent(share: float) -> str:
    """A share that was measured: 10.0 %."""
    return f"{100 * share:.1f} %"


def percents(low: float, high: float) -> str:
    """Two shares that something lies between: 2.7 to 8.9 %."""
    return f"{100 * low:.1f} to {percent(high)}"


def asked(share: float) -> str:
    """A share that somebody chose, as it was written: 10 %, 2.5 %."""
    return f"{100 * share:.6g} %"


def written(name: str, value: float) -> str:
    """A figure as the table has it."""
    return percent(value) if FIGURES[name].share else f"{value:.3f}".replace("-", "−")


def interval(name: str, figure: Figure) -> str:
    """A figure's interval as the table has it, "" where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    if FIGURES[name].share:
        return percents(figure.low, figure.high)
    return f"{written(name, figure.low)} to {written(name, figure.high)}"


def missing(status: ConfidenceStatus, model: Model | None, source: str) -> tuple[str, ...]:
    """What to do for the source to be relied on further, none where nothing is missing."""
    command = f"penstock calibrate {source} GOLDEN.jsonl"
    if model is None:
        of_them = f"at least {MIN_LABELS} of them, {MIN_UNANSWERABLE} of those not answerable"
        return (f"Ask questions with known answers, {of_them}: {command}",)
    match status:
        case ConfidenceStatus.STALE:
            return (f"Fit it again on what is searched now: {command}",)
        case ConfidenceStatus.PROVISIONAL:
            return (*_too_few(model), *_no_threshold(model))
        case ConfidenceStatus.CALIBRATED:
            return (*_no_threshold(model), _uncertified(model))
        case _:
            return ()


def _too_few(model: Model) -> tuple[str, ...]:
    labels, unanswerable = model.labels + model.feedback, model.unanswerable + model.feedback_unanswerable
    found = (
        (labels, MIN_LABELS, "labelled questions"),
        (unanswerable, MIN_UNANSWERABLE, "labelled questions that are not answerable"),
    )
    return tuple(f"{least - there} more {what}: {there} of {least}." for there, least, what in found if there < least)


def _no_threshold(model: Model) -> tuple[str, ...]:
    if model.threshold is not None:
        return ()
    return (f"No threshold keeps the risk within {asked(model.max_risk)}: every answer is a hand-off.",)


def _uncertified(model: Model) -> str:
    if model.labels_needed is None:
        return (
            f"Nothing can be certified at a risk of {asked(model.max_risk)} with this confidence, however many "
            "labels there were: allow a higher max_risk, or give the source what its questions lack."
        )
    return f"About {model.labels_needed:,} labelled questions would certify a risk of {asked(model.max_risk)}."


def other_risk(then: float, now: float, source: str) -> str:
    """What to do where the manifest allows another risk than the thresholds were placed for."""
    return (
        f"The manifest allows a risk of {asked(now)}, the thresholds are for {asked(then)}: fit it again with "
        f"penstock calibrate {source} GOLDEN.jsonl"
    )


def guarantee(certificate: Certificate, population: str, status: ConfidenceStatus | None) -> str:
    """What was shown, of which population. A guarantee that stands no longer says so first."""
    stands = "It does not hold now, for what is searched has changed. " if status is ConfidenceStatus.STALE else ""
    return (
        f"{stands}Of questions drawn like these ({population}), at most {asked(certificate.max_risk)} of those that "
        f"reach {certificate.threshold:.3f} come without a passage of a document that answers them, with a "
        f"probability of {asked(1 - certificate.delta)}. It was shown on {certificate.labels:,} of them, "
        f"kept apart from the fit: {certificate.served:,} reached it and {certificate.wrong:,} of those came without "
        "one."
    )


def on_calibration(measures: Measures) -> str:
    """Whether the confidence means what it says, as far as these questions can tell."""
    outside = sum(not one.within for one in measures.bins)
    error, highest = measures.figures["ece"].value, measures.figures["ece_null_95"].value
    held = "no more than" if error <= highest else "more than"
    return (
        f"{outside or 'None'} of {len(measures.bins)} bins, of {measures.bins[0].questions:,} questions or one more "
        f"each, lie outside what a perfect model shows. The calibration error is {error:.3f}, {held} the "
        f"{highest:.3f} that a perfect model stays below in 95 of 100 cases."
    )


def on_drift(drift: Drift) -> str:
    """What the comparison with the requests served says, and what it does not."""
    since = f"{drift.since:%Y-%m-%d %H:%M} UTC"
    if not drift.requests:
        return f"No requests yet since the calibration of {since}."
    if drift.distance is None or drift.chance is None or drift.psi is None:
        return f"{drift.requests:,} requests since {since}: too few to compare, {ENOUGH} are needed."
    chance = f"{drift.chance:.2f}" if drift.chance >= 0.01 else "below 0.01"  # noqa: PLR2004 - two decimals
    differs = "They differ by more than chance" if drift.differs else "No difference beyond chance is seen"
    share = (
        ""
        if drift.share is None
        else f" About {100 * drift.share:.0f} % of what was asked since seems to have its answer here, if only the "
        "share changed and not the questions."
    )
    return (
        f"{drift.requests:,} requests since {since}. {differs}: the largest gap between the two distributions is "
        f"{percent(drift.distance)} (Kolmogorov–Smirnov, p {chance}), the stability index {drift.psi:.2f}. A "
        "difference says that other questions are asked or found than were labelled; that there is none does not "
        f"say that the confidence still holds.{share}"
    )
