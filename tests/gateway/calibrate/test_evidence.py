"""The evidence of confidence, small."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.confidence import FEATURES, Linear
from policies.errors import RefusedError
from tests.evidence.confidence import guarantee, measuring, paging
from tests.evidence.confidence.asking import Table
from tests.evidence.confidence.folder import held_out, judgements, languages, rows
from tests.evidence.confidence.questions import asked_of, mixed, natural

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


def a_set(folder: Path) -> Path:
    queries = [{"id": f"q{number}", "text": f"Question {number}?"} for number in range(100)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    documents = [{"id": f"d{number}", "text": f"Text {number}."} for number in range(50)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
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


def test_a_set_without_unanswerable_questions_gets_some_and_one_with_enough_stays(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    (folder / "holdout30.json").unlink()
    asked, away = asked_of(folder, holdout=False, limit=1000, seed=0)
    assert away == held_out(folder)
    assert 5 < len(away) < 25
    assert {one.kind for one in asked} == {"answerable", "deleted", "off_topic"}
    (folder / "qrels.tsv").write_text("".join(f"q{number}\td{number // 2}\t1.0\n" for number in range(70)))
    asked, away = asked_of(folder, holdout=False, limit=1000, seed=0)
    assert not away
    assert sum(one.kind == "unanswerable" for one in asked) == 30


def test_a_set_with_hardly_a_question_is_refused(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    (folder / "qrels.tsv").write_text("q1\td1\t1\n")
    with pytest.raises(RefusedError, match="with, or without, an answer"):
        asked_of(folder, holdout=True, limit=1000, seed=0)


def test_questions_whose_answer_is_said_to_be_somewhere_are_not_taken_for_unanswerable(tmp_path: Path) -> None:
    folder = a_set(tmp_path)
    queries = [{"id": "q0", "text": "A?"}, {"id": "q98", "text": "B?", "answerable": True}, {"id": "q99", "text": "C?"}]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    assert {one.text: one.kind for one in natural(folder, limit=9, seed=0)} == {
        "A?": "answerable",
        "C?": "unanswerable",
    }


def test_judgements_may_have_a_header_no_grade_or_a_grade_of_0(tmp_path: Path) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text("\ufeffquery-id\tcorpus-id\tscore\r\nq1\td1\t2\r\nq1\td2\t0\r\nq2\td3\r\n\r\n", "utf-8")
    assert judgements(path) == {"q1": {"d1"}, "q2": {"d3"}}


@pytest.mark.parametrize("content", ["q1 d1 1\n", "q1\td1\t1\nq2\td2\thigh\n", "q1\t0\td1\t1\n"])
def test_what_is_no_judgement_is_refused_with_its_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(content)
    with pytest.raises(RefusedError, match=r"qrels.tsv line \d .*A set is corpus.jsonl"):
        judgements(path)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"id": "a"}', '{"text": "A"}', '{"id": 1, "text": "A"}\n{"id": "1", "text": "B"}', "\xff"],
)
def test_what_is_no_corpus_is_refused_with_the_mend(tmp_path: Path, content: str) -> None:
    path = tmp_path / "corpus.jsonl"
    with pytest.raises(RefusedError, match=r"A set is corpus\.jsonl"):
        rows(path)
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(RefusedError, match=r"A set is corpus\.jsonl"):
        rows(path)


def test_the_languages_of_a_set_are_found() -> None:
    english, french = {"text": "What is in the box of the house?"}, {"text": "Ce qui est dans la boîte de la maison."}
    assert languages([english] * 30) == "en"
    assert languages([french] * 30 + [english]) == "fr"
    assert languages([french] * 20 + [english] * 10) == "fr,en"
