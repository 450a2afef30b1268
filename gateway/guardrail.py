"""The verdict: what a downstream guardrail is told to do, and why. It never says more than its calibration carries."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.answer import NO_VISIBLE_PASSAGE, Confidence
from policies.model import ConfidenceStatus, Verdict


class Cause(StrEnum):
    """Why a verdict is what it is. Stable codes that callers may act on."""

    NO_VISIBLE_PASSAGE = NO_VISIBLE_PASSAGE
    UNCALIBRATED = "uncalibrated"
    PROVISIONAL = "provisional"
    STALE = "stale"
    SEVERAL_SOURCES = "several_sources"
    NO_THRESHOLD = "no_threshold"
    NOT_CERTIFIED = "not_certified"
    BELOW_THRESHOLD = "below_threshold"
    BELOW_CERTIFIED = "below_certified"
    TERMS_UNMATCHED = "terms_unmatched"


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """From which confidence on what is given; `answer` is None where nothing is certified, and at least `caution`."""

    caution: float
    answer: float | None


def decide(
    confidence: Confidence, *, thresholds: Thresholds | None, several_sources: bool, terms_unmatched: bool
) -> tuple[Verdict, tuple[Cause, ...]]:
    """The verdict for an answer that has passages, with its causes.

    Without a calibrated value, or without a threshold that keeps the source's risk, the verdict is `handoff`. `answer`
    takes a certified value from its certified threshold on, from one source, of which a word at least was found;
    everything else carries `caution` at the most.
    """
    if confidence.value is None or not 0 <= confidence.value <= 1:
        return Verdict.HANDOFF, (Cause.UNCALIBRATED,)
    causes = [cause for status, cause in _OF_STATUS.items() if status is confidence.status]
    if several_sources:
        causes.append(Cause.SEVERAL_SOURCES)
    if terms_unmatched:
        causes.append(Cause.TERMS_UNMATCHED)
    if thresholds is None:
        return Verdict.HANDOFF, (Cause.NO_THRESHOLD, *causes)
    # What must hold is asked, not what must not: a number that is none reaches no threshold.
    if not confidence.value >= thresholds.caution:
        return Verdict.HANDOFF, (Cause.BELOW_THRESHOLD, *causes)
    if causes:
        return Verdict.CAUTION, tuple(causes)
    if thresholds.answer is None or not confidence.value >= thresholds.answer:
        return Verdict.CAUTION, (Cause.BELOW_CERTIFIED,)
    return Verdict.ANSWER, ()


_OF_STATUS = {
    ConfidenceStatus.UNCALIBRATED: Cause.UNCALIBRATED,
    ConfidenceStatus.PROVISIONAL: Cause.PROVISIONAL,
    ConfidenceStatus.CALIBRATED: Cause.NOT_CERTIFIED,
    ConfidenceStatus.STALE: Cause.STALE,
}
