from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from gateway.calibrate import (
    CERTIFYING,
    FEWEST,
    FEWEST_OF_EACH,
    MIN_SERVED,
    Binding,
    Kept,
    Observation,
    check_labels,
    fit,
    linear_fit,
    probabilities,
)
from gateway.calibrate.fitting import BENDING, _threshold
from gateway.confidence import FEATURES, MIN_LABELS, SCHEMA, STRAIGHT, Linear, Makers
from indexer.labels import Labelled
from policies.errors import RefusedError
from policies.model import ConfidenceStatus, DocumentId, SourceName

HR = SourceName("hr")
MAKERS = Makers(embedder="e1", analyser="a1", splitter="s1", redactor="r1")
BINDING = Binding(
    source=HR,
    scope="s1",
    classes=("c1", "c2"),
    makers=MAKERS,
    k=5,
    purpose="support",
    population="golden.jsonl",
    max_risk=0.1,
    delta=0.1,
)
COUNT = len(FEATURES)
START = Linear(mean=(0.0,) * COUNT, scale=(1.0,) * COUNT, coefficients=(0.5,) + (0.0,) * (COUNT - 1), intercept=0.0)


def observations(total: int, *, seed: int = 0, signal: float = 2.0) -> list[Observation]:
    """Every other one is sufficient; the first feature says which, to a degree."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(total):
        sufficient = number % 2 == 0
        values = rng.standard_normal(COUNT)
        values[0] += signal * (1 if sufficient else -1)
        made.append(
            Observation(
                features=tuple(values.tolist()),
                sufficient=sufficient,
                answerable=number % 4 != 1,
                question=f"{seed} {number}",
                group=f"{seed}-{number}",
            )
        )
    return made


def test_a_model_tells_sufficient_results_from_others() -> None:
    model = fit(observations(150), BINDING, START, calibration="c1")
    assert (model.id, model.schema, model.source, model.makers) == ("c1", SCHEMA, HR, MAKERS)
    assert (model.scope, model.classes, model.k) == ("s1", ("c1", "c2"), 5)
    assert (model.labels, model.unanswerable, model.population) == (150, 38, "golden.jsonl")
    held_out = observations(400, seed=1)
    right = [(model.probability(one.features) > 0.5) == one.sufficient for one in held_out]
    assert sum(right) / len(right) > 0.95
    assert model.figures["auroc"] > 0.95
    assert model.figures["base_rate"] == 0.5
    assert model.status is ConfidenceStatus.CALIBRATED


def test_enough_labels_certify_a_threshold_on_questions_that_were_kept_apart() -> None:
    model = fit(observations(400), BINDING, START, calibration="c1")
    certificate = model.certificate
    assert certificate is not None
    assert (certificate.max_risk, certificate.delta) == (0.1, 0.1)
    assert 150 < certificate.labels < 250
    assert certificate.wrong < 0.1 * certificate.served
    assert model.threshold is not None
    assert model.threshold <= certificate.threshold
    assert model.status is ConfidenceStatus.CERTIFIED


def test_what_certifies_was_not_fitted_on_and_is_kept_apart_for_ever() -> None:
    some = observations(400)
    model = fit(some, BINDING, START, calibration="c1")
    assert model.certificate is not None
    without_effect = 0
    for number in range(40):
        turned = [*some]
        turned[number] = replace(some[number], sufficient=not some[number].sufficient)
        without_effect += fit(turned, BINDING, START, calibration="c1").linear == model.linear
    assert 10 < without_effect < 30
    more = fit([*some, *observations(100, seed=5)], BINDING, START, calibration="c1")
    assert more.certificate is not None
    assert more.certificate.labels > model.certificate.labels


def test_too_few_labels_to_certify_say_how_many_would_do() -> None:
    model = fit(observations(CERTIFYING - 1), BINDING, START, calibration="c1")
    assert model.certificate is None
    assert model.labels_needed is not None
    assert model.labels_needed >= 100


def test_few_labels_are_provisional() -> None:
    model = fit(observations(FEWEST), BINDING, START, calibration="c1")
    assert model.status is ConfidenceStatus.PROVISIONAL
    assert FEWEST < MIN_LABELS


def test_the_threshold_keeps_the_risk_of_what_it_was_chosen_on() -> None:
    model = fit(observations(190, signal=0.7), BINDING, START, calibration="c1")
    assert model.threshold is not None
    assert model.figures["risk"] <= 0.1
    assert 0 < model.figures["coverage"] < 1


def test_noise_gets_no_threshold() -> None:
    model = fit(observations(400, signal=0.0), replace(BINDING, max_risk=0.01), START, calibration="c1")
    assert (model.threshold, model.certificate, model.labels_needed) == (None, None, None)
    assert (model.figures["coverage"], model.figures["risk"]) == (0.0, 0.0)


def test_the_same_labels_give_the_same_model() -> None:
    first, again = (fit(observations(300), BINDING, START, calibration="c1") for _ in range(2))
    assert first == again


def test_one_by_one_and_all_at_once_are_the_same_confidence() -> None:
    rows = np.array([one.features for one in observations(50)])
    for linear in (START, replace(START, bend=(0.1, 1.5, 0.5))):
        assert probabilities(linear, rows) == pytest.approx([linear.probability(row) for row in rows.tolist()])


def test_many_labels_bend_a_model_that_is_surer_on_one_side_than_it_may_be() -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros((4000, COUNT))
    rows[:, 0] = rng.normal(0, 3, len(rows))
    logits = np.where(rows[:, 0] > 0, 0.5, 1.5) * rows[:, 0]
    sufficient = rng.random(len(rows)) < 1 / (1 + np.exp(-logits))
    linear = linear_fit(rows, sufficient, START)
    _, below, above = linear.bend
    assert below > 1.1
    assert 0 < above < 0.9
    assert probabilities(linear, rows) == pytest.approx(1 / (1 + np.exp(-logits)), abs=0.15)
    assert linear_fit(rows[: BENDING - 1], sufficient[: BENDING - 1], START).bend == STRAIGHT


def test_a_feature_that_speaks_against_its_sign_says_nothing() -> None:
    turned = observations(300)
    linear = linear_fit(
        -np.array([one.features for one in turned]), np.array([one.sufficient for one in turned]), START
    )
    assert linear.coefficients[0] == 0


@pytest.mark.parametrize(
    ("sufficient", "total"),
    [(10, FEWEST - 1), (FEWEST_OF_EACH - 1, 60), (61 - FEWEST_OF_EACH, 60), (0, 100), (100, 100)],
)
def test_too_few_labels_of_either_kind_are_refused(sufficient: int, total: int) -> None:
    few = [replace(one, sufficient=number < sufficient) for number, one in enumerate(observations(total))]
    with pytest.raises(RefusedError, match=rf"{total} questions, {sufficient} of them"):
        fit(few, BINDING, START, calibration="c1")


@pytest.mark.parametrize(("answerable", "total"), [(10, FEWEST - 1), (FEWEST_OF_EACH - 1, 60), (0, 100)])
def test_too_few_questions_are_refused_before_they_are_asked(answerable: int, total: int) -> None:
    with pytest.raises(RefusedError, match=rf"{total} questions, {answerable} of them with a document"):
        check_labels(kept(answerable, total))


@pytest.mark.parametrize(("answerable", "total"), [(FEWEST_OF_EACH, FEWEST), (60, 60)])
def test_questions_that_may_be_enough_are_asked(answerable: int, total: int) -> None:
    """Where all have an answer, some may not get it."""
    check_labels(kept(answerable, total))


def kept(answerable: int, total: int) -> list[Kept]:
    named = (DocumentId("d1"),)
    return [Kept(query=f"q{number}", documents=named if number < answerable else ()) for number in range(total)]


def test_the_threshold_is_the_lowest_value_that_keeps_the_risk() -> None:
    predicted = np.arange(100) / 100
    labels = predicted >= 0.5
    found = _threshold(predicted, labels, 0.1)
    assert found is not None
    served = predicted >= found
    assert (~labels[served]).mean() <= 0.1
    below = predicted >= predicted[np.flatnonzero(served)[0] - 1]
    assert (~labels[below]).mean() > 0.1


def test_equal_values_are_served_together_or_not_at_all() -> None:
    predicted = np.repeat([0.2, 0.9], 30)
    labels = np.concatenate([np.zeros(30, dtype=bool), np.ones(30, dtype=bool)])
    assert _threshold(predicted, labels, 0.0) == 0.9
    assert _threshold(predicted, labels, 0.5) == 0.2


def test_a_threshold_needs_enough_above_it_to_say_anything() -> None:
    predicted = np.arange(MIN_SERVED - 1) / 100
    assert _threshold(predicted, np.ones(MIN_SERVED - 1, dtype=bool), 0.5) is None
    predicted = np.arange(MIN_SERVED) / 100
    assert _threshold(predicted, np.ones(MIN_SERVED, dtype=bool), 0.5) == 0.0


def feedback(some: list[Observation], *, propensity: float = 1.0, schema: int = SCHEMA) -> list[Labelled]:
    return [
        Labelled(
            request=one.group,
            schema=schema,
            features=one.features,
            scope="s1",
            sufficient=one.sufficient,
            answerable=one.sufficient,
            propensity=propensity,
            labelled_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for one in some
    ]


def test_what_people_said_of_their_questions_is_fitted_on_and_certifies_nothing() -> None:
    golden = observations(400)
    alone = fit(golden, BINDING, START, calibration="c1")
    turned = [replace(one, sufficient=not one.sufficient) for one in observations(60, seed=9)]
    beside = fit(golden, BINDING, START, calibration="c1", feedback=feedback(turned))
    assert beside.linear != alone.linear
    assert (beside.labels, beside.unanswerable, len(beside.points)) == (alone.labels, alone.unanswerable, 400)
    assert (beside.feedback, beside.feedback_unanswerable) == (60, 30)
    assert alone.certificate is not None
    assert beside.certificate is None or beside.certificate.labels == alone.certificate.labels


def test_labels_of_other_features_or_of_golden_questions_are_left_out() -> None:
    golden = observations(100)
    alone = fit(golden, BINDING, START, calibration="c1")
    others = [*feedback(observations(30, seed=9), schema=SCHEMA + 1), *feedback(golden[:30])]
    assert fit(golden, BINDING, START, calibration="c1", feedback=others) == alone


def test_no_label_counts_for_more_than_ten() -> None:
    golden, some = observations(100), observations(20, seed=9)
    tenth, fiftieth = (
        fit(golden, BINDING, START, calibration="c1", feedback=feedback(some, propensity=propensity))
        for propensity in (0.1, 0.02)
    )
    assert tenth == fiftieth
    assert tenth != fit(golden, BINDING, START, calibration="c1", feedback=feedback(some))


def test_labels_of_people_make_a_model_calibrated_too() -> None:
    model = fit(observations(40), BINDING, START, calibration="c1")
    assert (model.status, model.missing_labels()) == (ConfidenceStatus.PROVISIONAL, 10)
    model = fit(observations(40), BINDING, START, calibration="c1", feedback=feedback(observations(20, seed=9)))
    assert model.status is ConfidenceStatus.CALIBRATED


READ_BY = replace(BINDING, makers=replace(MAKERS, reader="reader@1"))


def read(some: list[Observation], *, knowing: bool = True) -> list[Observation]:
    """Observations with the score of a reader, which knows or does not."""
    rng = np.random.default_rng(7)
    scores = [3.0 * one.sufficient * knowing + rng.standard_normal() for one in some]
    return [replace(one, features=(*one.features, score)) for one, score in zip(some, scores, strict=True)]


def test_a_reader_that_knows_makes_the_fit_better_and_one_that_does_not_moves_it_little() -> None:
    golden = observations(100, signal=0.3)
    plain = fit(golden, BINDING, START, calibration="c1")
    better = fit(read(golden), READ_BY, START, calibration="c1")
    useless = fit(read(golden, knowing=False), READ_BY, START, calibration="c1")
    assert [len(model.linear.coefficients) for model in (plain, better, useless)] == [COUNT, COUNT + 1, COUNT + 1]
    assert better.linear.coefficients[-1] > 1.0
    assert 0.0 <= useless.linear.coefficients[-1] < 0.4
    assert better.figures["auroc"] > plain.figures["auroc"] + 0.05


def test_labels_of_answers_without_the_reader_enter_no_fit_with_it_nor_those_of_another() -> None:
    golden = observations(100)
    some = observations(30, seed=9)
    schema = READ_BY.makers.schema
    alone = fit(read(golden), READ_BY, START, calibration="c1")
    others = [
        *feedback(some),
        *feedback(read(some), schema=replace(READ_BY.makers, reader="reader@2").schema),
    ]
    assert fit(read(golden), READ_BY, START, calibration="c1", feedback=others) == alone
    assert fit(read(golden), READ_BY, START, calibration="c1", feedback=feedback(read(some), schema=schema)) != alone
    plain = fit(golden, BINDING, START, calibration="c1")
    assert fit(golden, BINDING, START, calibration="c1", feedback=feedback(read(some), schema=schema)) == plain


def test_a_golden_question_that_was_labelled_is_known_whatever_the_reader_said_of_it_then() -> None:
    golden = read(observations(100))
    alone = fit(golden, READ_BY, START, calibration="c1")
    then = [replace(one, features=(*one.features[:-1], one.features[-1] + 0.5)) for one in golden[:30]]
    labels = feedback(then, schema=READ_BY.makers.schema)
    assert fit(golden, READ_BY, START, calibration="c1", feedback=labels) == alone
