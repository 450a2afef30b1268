from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.calibrate import MIN_LABELS, MIN_SERVED, Binding, Golden, Observation, _threshold, fit, read_golden
from gateway.confidence import FEATURES, SCHEMA
from policies.errors import RefusedError
from policies.model import SourceName

HR = SourceName("hr")
BINDING = Binding(
    source=HR, scope="s1", classes=("c1", "c2"), embedder="e1", k=5, population="golden.jsonl", max_risk=0.1
)
COUNT = len(FEATURES)


def observations(total: int, *, seed: int = 0, signal: float = 2.0) -> list[Observation]:
    """Every other one is sufficient; the first feature says which, to a degree."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(total):
        sufficient = number % 2 == 0
        values = rng.standard_normal(COUNT)
        values[0] += signal * (1 if sufficient else -1)
        made.append(Observation(features=tuple(values.tolist()), sufficient=sufficient, answerable=number % 4 != 1))
    return made


def test_a_model_tells_sufficient_results_from_others() -> None:
    model = fit(observations(200), BINDING, calibration="c1")
    assert (model.id, model.schema, model.source, model.embedder) == ("c1", SCHEMA, HR, "e1")
    assert (model.scope, model.classes, model.k) == ("s1", ("c1", "c2"), 5)
    assert (model.labels, model.unanswerable, model.population) == (200, 50, "golden.jsonl")
    assert len(model.mean) == len(model.scale) == len(model.coefficients) == COUNT
    held_out = observations(400, seed=1)
    right = [(model.probability(one.features) > 0.5) == one.sufficient for one in held_out]
    assert sum(right) / len(right) > 0.95
    assert model.figures["auroc"] > 0.95
    assert model.figures["base_rate"] == 0.5


def test_the_threshold_keeps_the_risk_of_what_it_was_chosen_on() -> None:
    model = fit(observations(400, signal=0.7), BINDING, calibration="c1")
    assert model.threshold is not None
    assert model.figures["risk"] <= 0.1
    assert 0 < model.figures["coverage"] < 1


def test_noise_gets_no_threshold() -> None:
    model = fit(observations(400, signal=0.0), replace(BINDING, max_risk=0.01), calibration="c1")
    assert model.threshold is None
    assert (model.figures["coverage"], model.figures["risk"]) == (0.0, 0.0)


def test_the_same_labels_give_the_same_model() -> None:
    assert fit(observations(100), BINDING, calibration="c1") == fit(observations(100), BINDING, calibration="c1")


def test_a_feature_that_never_changes_does_no_harm() -> None:
    flat = [replace(one, features=(*one.features[:-1], 1.0)) for one in observations(100)]
    model = fit(flat, BINDING, calibration="c1")
    assert 0 < model.probability(flat[0].features) < 1


@pytest.mark.parametrize(("sufficient", "total"), [(25, MIN_LABELS - 1), (19, 60), (41, 60), (0, 100), (100, 100)])
def test_too_few_labels_of_either_kind_are_refused(sufficient: int, total: int) -> None:
    few = [replace(one, sufficient=number < sufficient) for number, one in enumerate(observations(total))]
    with pytest.raises(RefusedError, match=rf"{total} questions, {sufficient} of them"):
        fit(few, BINDING, calibration="c1")


def array(*values: float) -> NDArray[np.float64]:
    return np.array(values)


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
    predicted = np.repeat(array(0.2, 0.9), 30)
    labels = np.concatenate([np.zeros(30, dtype=bool), np.ones(30, dtype=bool)])
    assert _threshold(predicted, labels, 0.0) == 0.9
    assert _threshold(predicted, labels, 0.5) == 0.2


def test_a_threshold_needs_enough_above_it_to_say_anything() -> None:
    predicted = np.arange(MIN_SERVED - 1) / 100
    assert _threshold(predicted, np.ones(MIN_SERVED - 1, dtype=bool), 0.5) is None
    predicted = np.arange(MIN_SERVED) / 100
    assert _threshold(predicted, np.ones(MIN_SERVED, dtype=bool), 0.5) == 0.0


def golden(tmp_path: Path, content: str) -> tuple[Golden, ...]:
    path = tmp_path / "golden.jsonl"
    path.write_text(content, "utf-8")
    return read_golden(path, HR)


def test_questions_for_the_source_are_read_and_others_left_out(tmp_path: Path) -> None:
    content = (
        '{"source": "hr", "query": " How many days? ", "documents": ["leave.md", "b.md"]}\n\n'
        '{"source": "legal", "query": "Who signs?", "documents": ["x.md"]}\r\n'
        '{"source": "hr", "query": "Une ligne\u2028de plus ?", "documents": []}\n'
    )
    assert golden(tmp_path, content) == (
        Golden(query="How many days?", documents=("leave.md", "b.md")),
        Golden(query="Une ligne\u2028de plus ?", documents=()),
    )


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '"x"',
        '{"source": "hr", "query": "q"}',
        '{"source": "hr", "query": " ", "documents": []}',
        '{"source": "hr", "query": 1, "documents": []}',
        '{"source": 1, "query": "q", "documents": []}',
        '{"source": "hr", "query": "q", "documents": "leave.md"}',
        '{"source": "hr", "query": "q", "documents": [1]}',
        '{"source": "legal", "query": 1, "documents": []}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_question_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    first = '{"source": "hr", "query": "q", "documents": []}\n'
    with pytest.raises(RefusedError, match=r"golden\.jsonl:2: this is not a golden question") as caught:
        golden(tmp_path, first + line)
    assert '"query": "q"' not in caught.value.message


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be read as UTF-8"):
        read_golden(tmp_path / "away.jsonl", HR)
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9")
    with pytest.raises(RefusedError, match="cannot be read as UTF-8"):
        read_golden(tmp_path / "latin.jsonl", HR)
