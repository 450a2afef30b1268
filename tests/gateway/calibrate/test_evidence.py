"""The evidence of confidence, small."""

import json
from pathlib import Path

import numpy as np

from gateway.confidence import FEATURES, Linear
from tests.evidence.confidence import guarantee, measuring
from tests.evidence.confidence.asking import Table
from tests.evidence.confidence.questions import held_out, mixed, natural

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


def test_the_fit_of_a_source_beats_one_score_and_is_as_right_as_chance_lets_it_be() -> None:
    found = measuring.compared(table(1200), START, labels=None, seed=0)
    assert found["source"].means["auroc"] > found["platt"].means["auroc"] + 0.05
    assert found["source"].means["ece"] <= found["source"].means["ece_null_95"]
    assert found["source"].lows["auroc"] < found["source"].means["auroc"] < found["source"].highs["auroc"]
    assert found["platt"].means["auroc"] == found["cosine"].means["auroc"]


def test_the_halves_share_no_document() -> None:
    rows = table(400)
    fitted, rest = measuring.halved(rows, 0)
    assert not set(rows.groups[fitted]) & set(rows.groups[rest])
    assert len(fitted) + len(rest) == 400


def test_certified_thresholds_keep_their_risk_over_splits() -> None:
    found = guarantee.kept(table(900), START, seed=0, splits=25)
    assert {(row.labels, row.max_risk) for row in found} == {
        (labels, risk) for labels in (200, 400) for risk in guarantee.RISKS
    }
    lax = next(row for row in found if (row.labels, row.max_risk) == (400, 0.2))
    assert lax.broken <= lax.allowed
    assert lax.uncertified == 0
    assert 0.5 * lax.oracle < lax.coverage <= lax.oracle


def a_set(folder: Path) -> Path:
    queries = [{"id": f"q{number}", "text": f"Question {number}?"} for number in range(100)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels.tsv").write_text("".join(f"q{number}\td{number // 2}\t1\n" for number in range(90)))
    (folder / "holdout30.json").write_text(json.dumps({"holdout_docs": [f"d{number}" for number in range(15)]}))
    return folder


def test_a_mix_hides_what_answers_or_asks_for_what_is_not_there(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    asked = mixed(folder, limit=60, seed=0)
    kinds = [one.kind for one in asked]
    assert {kind: kinds.count(kind) for kind in kinds} == {"answerable": 36, "deleted": 12, "off_topic": 12}
    away = held_out(folder)
    for one in asked:
        assert bool(one.documents) == (one.kind == "answerable")
        assert bool(one.hidden) == (one.kind != "answerable")
        assert bool(one.hidden & away) == (one.kind == "off_topic")
    assert len({one.text for one in asked}) == 60


def test_a_set_as_it_is_has_questions_without_an_answer(tmp_path: Path) -> None:
    asked = natural(a_set(tmp_path), limit=1000, seed=0)
    assert sum(one.kind == "unanswerable" for one in asked) == 10
    assert len(asked) == 100
