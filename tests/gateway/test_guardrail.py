import itertools
import math

import pytest

from gateway.answer import NO_VISIBLE_PASSAGE, Confidence
from gateway.guardrail import Cause, Thresholds, decide
from policies.model import ConfidenceStatus, Verdict

PLACED = Thresholds(caution=0.5, answer=0.8)
UNCERTIFIED = Thresholds(caution=0.5, answer=None)


def decided(
    value: float | None,
    status: ConfidenceStatus = ConfidenceStatus.CERTIFIED,
    thresholds: Thresholds | None = PLACED,
    *,
    several: bool = False,
    unmatched: bool = False,
) -> tuple[Verdict, tuple[Cause, ...]]:
    confidence = Confidence(value=value, status=status, calibration="c1")
    return decide(confidence, thresholds=thresholds, several_sources=several, terms_unmatched=unmatched)


@pytest.mark.parametrize("thresholds", [None, UNCERTIFIED, PLACED])
def test_without_a_calibrated_value_a_person_takes_over(thresholds: Thresholds | None) -> None:
    found = decided(None, ConfidenceStatus.UNCALIBRATED, thresholds)
    assert found == (Verdict.HANDOFF, (Cause.UNCALIBRATED,))


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_none(value: float) -> None:
    assert decided(value) == (Verdict.HANDOFF, (Cause.UNCALIBRATED,))


def test_a_threshold_that_is_no_number_is_reached_by_nothing() -> None:
    assert decided(1.0, thresholds=Thresholds(caution=math.nan, answer=0.8))[0] is Verdict.HANDOFF
    assert decided(1.0, thresholds=Thresholds(caution=0.5, answer=math.nan))[0] is Verdict.CAUTION


def test_without_a_threshold_a_person_takes_over_however_confident() -> None:
    assert decided(1.0, thresholds=None) == (Verdict.HANDOFF, (Cause.NO_THRESHOLD,))


@pytest.mark.parametrize(
    ("value", "verdict", "causes"),
    [
        (0.4999, Verdict.HANDOFF, (Cause.BELOW_THRESHOLD,)),
        (0.5, Verdict.CAUTION, (Cause.BELOW_CERTIFIED,)),
        (0.7999, Verdict.CAUTION, (Cause.BELOW_CERTIFIED,)),
        (0.8, Verdict.ANSWER, ()),
        (1.0, Verdict.ANSWER, ()),
    ],
)
def test_a_threshold_itself_is_enough(value: float, verdict: Verdict, causes: tuple[Cause, ...]) -> None:
    assert decided(value) == (verdict, causes)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (ConfidenceStatus.UNCALIBRATED, Cause.UNCALIBRATED),
        (ConfidenceStatus.PROVISIONAL, Cause.PROVISIONAL),
        (ConfidenceStatus.CALIBRATED, Cause.NOT_CERTIFIED),
        (ConfidenceStatus.STALE, Cause.STALE),
    ],
)
def test_what_is_not_certified_gets_caution_at_the_most(status: ConfidenceStatus, cause: Cause) -> None:
    assert decided(1.0, status) == (Verdict.CAUTION, (cause,))
    assert decided(0.4, status) == (Verdict.HANDOFF, (Cause.BELOW_THRESHOLD, cause))


def test_every_cause_is_named() -> None:
    found = decided(1.0, ConfidenceStatus.STALE, several=True, unmatched=True)
    assert found == (Verdict.CAUTION, (Cause.STALE, Cause.SEVERAL_SOURCES, Cause.TERMS_UNMATCHED))


def test_only_the_certified_value_of_one_source_that_holds_a_word_is_an_answer() -> None:
    answers = {
        case
        for case in itertools.product(
            ConfidenceStatus, (None, 0.0, 0.5, 0.8, 1.0), (None, UNCERTIFIED, PLACED), (False, True), (False, True)
        )
        if decided(case[1], case[0], case[2], several=case[3], unmatched=case[4])[0] is Verdict.ANSWER
    }
    assert answers == {(ConfidenceStatus.CERTIFIED, value, PLACED, False, False) for value in (0.8, 1.0)}


def test_the_reason_of_a_denial_is_the_one_that_callers_know() -> None:
    assert Cause.NO_VISIBLE_PASSAGE == NO_VISIBLE_PASSAGE
