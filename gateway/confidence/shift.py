"""What another share of answerable questions means for a confidence, without one label."""

import math
from collections.abc import Sequence

MAX_SHIFT = 1.5
"""In logits. Chosen: a share of 0.5 that becomes 0.82 or 0.18; more than that is no shift of shares but another kind of
question, of which nothing is known."""
_STEPS = 100


def shift(confidences: Sequence[float], base_rate: float) -> float:
    """How many logits to add to confidences so that they fit the share of answers among these recent questions.

    At most MAX_SHIFT either way. `base_rate` is the share among the labels, between 0 and 1. It holds where the
    confidences are right for the labels (from a model of 50 labels it made the calibration error worse) and only the
    share changed, not what answerable and unanswerable questions look like, which confidences do not tell. So it moves
    no confidence that is served: a report says what share it means. Expectation and maximisation: Saerens, Latinne and
    Decaestecker, Neural Computation 14, 2002, section 2.2.
    """
    share = base_rate
    for _ in range(_STEPS):
        offset = _logit(share) - _logit(base_rate)
        share = math.fsum(shifted(value, offset) for value in confidences) / len(confidences)
        share = min(max(share, 1e-6), 1 - 1e-6)
    return max(-MAX_SHIFT, min(MAX_SHIFT, _logit(share) - _logit(base_rate)))


def shifted(confidence: float, offset: float) -> float:
    """The confidence with so many logits added."""
    inside = min(max(confidence, 1e-12), 1 - 1e-12)
    return 1.0 / (1.0 + math.exp(-(_logit(inside) + offset)))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
