import itertools

import pytest

from gateway.answer import NO_VISIBLE_PASSAGE, Confidence
from gateway.guardrail import Cause, decide
from policies.model import ConfidenceStatus, Verdict

PROVISIONAL = Confidence(value=0.8, status=ConfidenceStatus.PROVISIONAL, calibration="c1")
STALE = Confidence(value=0.8, status=ConfidenceStatus.STALE, calibration="c1")
UNKNOWN = Confidence(value=None, status=ConfidenceStatus.UNCALIBRATED, calibration=None)


def decided(
    confidence: Confidence, threshold: float | None, *, several: bool = False, unmatched: bool = False
) -> tuple[Verdict, tuple[Cause, ...]]:
    return decide(confidence, threshold=threshold, several_sources=several, terms_unmatched=unmatched)


@pytest.mark.parametrize("threshold", [None, 0.0, 0.5])
def test_without_a_calibrated_value_a_person_takes_over(threshold: float | None) -> None:
    assert decided(UNKNOWN, threshold) == (Verdict.HANDOFF, (Cause.UNCALIBRATED,))


def test_without_a_threshold_a_person_takes_over_however_confident() -> None:
    sure = Confidence(value=1.0, status=ConfidenceStatus.PROVISIONAL, calibration="c1")
    assert decided(sure, None) == (Verdict.HANDOFF, (Cause.NO_THRESHOLD, Cause.PROVISIONAL))


@pytest.mark.parametrize(
    ("threshold", "verdict", "causes"),
    [
        (0.7999, Verdict.CAUTION, (Cause.PROVISIONAL,)),
        (0.8, Verdict.CAUTION, (Cause.PROVISIONAL,)),
        (0.8001, Verdict.HANDOFF, (Cause.BELOW_THRESHOLD, Cause.PROVISIONAL)),
    ],
)
def test_the_threshold_itself_is_enough(threshold: float, verdict: Verdict, causes: tuple[Cause, ...]) -> None:
    assert decided(PROVISIONAL, threshold) == (verdict, causes)


def test_every_cause_is_named() -> None:
    verdict, causes = decided(STALE, 0.5, several=True, unmatched=True)
    assert (verdict, causes) == (Verdict.CAUTION, (Cause.STALE, Cause.SEVERAL_SOURCES, Cause.TERMS_UNMATCHED))


def test_nothing_gets_more_than_caution() -> None:
    """No calibration is certified yet, so that no answer is given without a word of care."""
    for status, value, threshold, several, unmatched in itertools.product(
        ConfidenceStatus, (0.0, 0.5, 1.0), (None, 0.0, 0.5, 1.0), (False, True), (False, True)
    ):
        confidence = Confidence(value=value, status=status, calibration="c1")
        verdict, _ = decided(confidence, threshold, several=several, unmatched=unmatched)
        expected = Verdict.CAUTION if threshold is not None and value >= threshold else Verdict.HANDOFF
        assert verdict is expected


def test_the_reason_of_a_denial_is_the_one_that_callers_know() -> None:
    assert Cause.NO_VISIBLE_PASSAGE == NO_VISIBLE_PASSAGE
