import numpy as np
import pytest

from gateway.confidence import shift, shifted
from gateway.confidence.shift import MAX_SHIFT


def drawn(share: float, size: int = 4000) -> tuple[list[float], list[bool]]:
    """Confidences that are right where half of the questions have an answer, for questions of which `share` have."""
    rng = np.random.default_rng(0)
    answered = rng.random(size) < share
    logits = rng.normal(np.where(answered, 2.0, -2.0), 2.0)
    return (1 / (1 + np.exp(-logits))).tolist(), answered.tolist()


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_another_share_of_answers_is_found_without_a_label(share: float) -> None:
    confidences, answered = drawn(share)
    offset = shift(confidences, 0.5)
    assert offset == pytest.approx(np.log(share / (1 - share)), abs=0.15)
    moved = np.array([shifted(value, offset) for value in confidences])
    assert moved.mean() == pytest.approx(np.mean(answered), abs=0.02)
    assert abs(np.mean(confidences) - share) >= abs(moved.mean() - share) - 0.01


@pytest.mark.parametrize(("share", "bound"), [(0.01, -MAX_SHIFT), (0.99, MAX_SHIFT)])
def test_a_shift_is_bounded(share: float, bound: float) -> None:
    assert shift(drawn(share)[0], 0.5) == bound


def test_the_extremes_stay_probabilities() -> None:
    assert shift([0.0, 0.0], 0.5) == -MAX_SHIFT
    assert shift([1.0], 0.5) == MAX_SHIFT
    assert 0 <= shifted(0.0, -1.5) < shifted(0.5, 1.5) < shifted(1.0, 1.5) <= 1
