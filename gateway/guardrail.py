"""The verdict: what a downstream guardrail is told to do, and why. It never says more than its calibration carries."""

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
    BELOW_THRESHOLD = "below_threshold"
    TERMS_UNMATCHED = "terms_unmatched"


def decide(
    confidence: Confidence, *, threshold: float | None, several_sources: bool, terms_unmatched: bool
) -> tuple[Verdict, tuple[Cause, ...]]:
    """The verdict for an answer that has passages, with its causes.

    Without a calibrated value, or without a threshold that keeps the source's risk, the verdict is `handoff`. A value
    that is provisional, stale or pooled over several sources carries `caution` at the most.
    """
    if confidence.value is None:
        return Verdict.HANDOFF, (Cause.UNCALIBRATED,)
    causes = [cause for status, cause in _OF_STATUS.items() if status is confidence.status]
    if several_sources:
        causes.append(Cause.SEVERAL_SOURCES)
    if terms_unmatched:
        causes.append(Cause.TERMS_UNMATCHED)
    if threshold is None:
        return Verdict.HANDOFF, (Cause.NO_THRESHOLD, *causes)
    if confidence.value < threshold:
        return Verdict.HANDOFF, (Cause.BELOW_THRESHOLD, *causes)
    return Verdict.CAUTION, tuple(causes)


_OF_STATUS = {ConfidenceStatus.PROVISIONAL: Cause.PROVISIONAL, ConfidenceStatus.STALE: Cause.STALE}
