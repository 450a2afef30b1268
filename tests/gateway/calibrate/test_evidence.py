"""The evidence of confidence, small."""

from dataclasses import replace

import numpy as np
import pytest

from gateway.confidence import FEATURES, Linear
from policies.errors import RefusedError
from tests.evidence.confidence import guarantee, measuring, paging
from tests.evidence.confidence.asking import Table

COUNT = len(FEATURES)
START = Linear(mean=(0.5,) * COUNT, scale=(0.1,) * COUNT, coefficients=(1.0,) * 3 + (0.0,) * (COUNT - 3), intercept=0.0)


def table(size: int) -> Table:
    """The first three features tell what is sufficient, each a little."""
    rng = np.random.default_rng(0)
    sufficient = rng.random(size) < 0.6
    features = rng.standard_normal((size, COUNT))
    features[:, :3] += np.where(sufficient, 0.9, -0.9)[:, None]
    return Table(
        features=0.5 + 0.1 * features,
        sufficient=sufficient,
        kinds=np.where(sufficient, "answerable", "deleted"),
        groups=rng.integers(size // 2, size=size),
    )


def test_the_fit_of_a_source_beats_one_score_and_has_intervals() -> None:
    found = measuring.compared(table(1200), START, labels=None, seed=0)
    assert found["source"].means["auroc"] > found["platt"].means["auroc"] + 0.05
    assert found["source"].lows["auroc"] < found["source"].means["auroc"] < found["source"].highs["auroc"]
    # Each fold has a curve of its own, which moves the order between folds a little.
    assert found["platt"].means["auroc"] == pytest.approx(found["cosine"].means["auroc"], abs=0.002)


def test_what_is_measured_shares_no_document_with_what_is_fitted_on() -> None:
    asked = table(400)
    folds = measuring.folded(asked, 0)
    for fitted, rest in [measuring.halved(asked, 0), *folds]:
        assert not set(asked.groups[fitted]) & set(asked.groups[rest])
        assert len(fitted) + len(rest) == 400
    assert sorted(np.concatenate([rest for _, rest in folds]).tolist()) == list(range(400))


def test_the_fit_of_a_source_is_as_right_as_chance_lets_it_be_in_most_halvings() -> None:
    assert measuring.share_within_null(table(1200), START, seed=0) >= 0.7


def test_labels_are_drawn_in_the_proportion_of_the_set_with_a_few_of_either_kind() -> None:
    asked = table(1000)
    fitted, rest = measuring.drawn(asked, 100, seed=3)
    assert asked.sufficient[fitted].mean() == pytest.approx(asked.sufficient.mean(), abs=0.005)
    assert sorted([*fitted.tolist(), *rest.tolist()]) == list(range(1000))
    one_sided = replace(asked, sufficient=np.arange(1000) < 990)
    assert (~one_sided.sufficient[measuring.drawn(one_sided, 50, seed=3)[0]]).sum() == measuring.LEAST_OF_EACH


def test_a_fold_that_knows_one_kind_of_result_only_is_measured() -> None:
    asked = table(100)
    one_document = replace(asked, groups=np.where(asked.sufficient, 0, np.arange(1, 101)))
    found = measuring.compared(one_document, START, labels=None, seed=0)
    assert 0 <= found["shifted"].means["ece"] <= 1


def test_too_few_results_of_a_kind_are_refused() -> None:
    with pytest.raises(RefusedError, match="fewer --labels"):
        measuring.compared(table(60), START, labels=54, seed=0)
    one_kind = table(60).part(np.flatnonzero(table(60).sufficient))
    with pytest.raises(RefusedError, match="Add questions"):
        measuring.compared(one_kind, START, labels=None, seed=0)


def test_the_page_shows_the_fit_of_the_source_beside_the_others() -> None:
    asked = table(300)
    page = paging.page_of(asked, START, measuring.compared(asked, START, labels=None, seed=0), name="a <set>")
    assert "questions of a &lt;set&gt;" in page
    assert all(kind in page for kind in ("cosine", "platt", "shipped", "source"))


def test_certified_thresholds_keep_their_risk_over_splits() -> None:
    found = guarantee.kept(table(900), START, seed=0, splits=25)
    assert {(row.labels, row.max_risk) for row in found} == {
        (labels, risk) for labels in (200, 400) for risk in guarantee.RISKS
    }
    lax = next(row for row in found if (row.labels, row.max_risk) == (400, 0.2))
    assert lax.broken <= lax.allowed
    assert lax.uncertified == 0
    assert 0.5 * lax.oracle < lax.coverage <= lax.oracle
