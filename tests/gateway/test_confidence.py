import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.confidence import (
    FEATURES,
    SCHEMA,
    SIGNS,
    Certificate,
    Linear,
    Makers,
    Model,
    features,
    load_linear,
    shipped,
)
from gateway.guardrail import Thresholds
from indexer.analyse import terms as analyse
from indexer.content import PassageText
from indexer.search import Evidence, TermEvidence
from policies.errors import IntegrityError
from policies.model import ConfidenceStatus, SourceName

COUNT = len(FEATURES)
LINEAR = Linear(mean=(0.5,) * COUNT, scale=(2.0,) * COUNT, coefficients=(1.0, *(0.0,) * (COUNT - 1)), intercept=0.25)
MAKERS = Makers(embedder="e1", analyser="a1", splitter="s1", redactor="r1")
MODEL = Model(
    id="c1",
    schema=SCHEMA,
    source=SourceName("hr"),
    scope="s1",
    classes=("c1", "c2"),
    makers=MAKERS,
    k=5,
    linear=LINEAR,
    threshold=0.5,
    certificate=None,
    labels_needed=400,
    max_risk=0.1,
    labels=80,
    unanswerable=20,
    gone=0,
    feedback=0,
    feedback_unanswerable=0,
    purpose="support",
    population="golden",
    figures={"auroc": 0.9},
    points=(),
)
CERTIFICATE = Certificate(threshold=0.8, max_risk=0.1, delta=0.1, labels=100, served=60, wrong=1)
EMPTY = Evidence(
    visible=0, depth=10, dense=(), lexical=(), fused=(), background=0.0, dense_rank=100, agreement=0.0,
    coverage_best=0.0, terms=(),
)  # fmt: skip


def term(text: str, idf: float, *, matched: bool, is_name: bool = False) -> TermEvidence:
    return TermEvidence(text=text, idf=idf, matched=matched, is_name=is_name)


def passage(text: str, heading: str = "") -> PassageText:
    return PassageText(text=text, heading=heading, page=None, section=None, start=0, end=len(text))


def named(evidence: Evidence, *passages: PassageText) -> dict[str, float]:
    return dict(zip(FEATURES, features(evidence, passages, ("en",)), strict=True))


def test_the_features_of_a_full_result() -> None:
    evidence = Evidence(
        visible=50,
        depth=3,
        dense=(0.9, 0.6, 0.4),
        lexical=(0.8, 0.5, 0.3),
        fused=(0.7, 0.6, 0.5, 0.4),
        background=0.25,
        dense_rank=1,
        agreement=0.5,
        coverage_best=0.7,
        terms=(
            term("leav", 4.0, matched=True),
            term("zed", 3.0, matched=False, is_name=True),
            term("2026", 2.0, matched=True),
            term("14", 1.0, matched=False),
        ),
    )
    found = named(
        evidence,
        passage("Leave is granted. In 2026 it grew. Zed knows.", "Leave"),
        passage("Nothing here. On day 14 of 2026."),
    )
    assert found == pytest.approx(
        {
            "dense_top": 0.9,
            "dense_margin": 0.5,
            "dense_lift": 0.65,
            "dense_rank": 0.5,
            "lexical_top": 0.8,
            "lexical_margin": 0.5,
            "fused_margin": 0.3,
            "agreement": 0.5,
            "coverage_best": 0.7,
            "coverage_all": 0.6,
            "rarest_missing": 0.75,
            "names_held": 0.0,
            "numbers_held": 2 / 3,
            "sentence_top": 0.4,
            "sentence_margin": 0.9 - 0.3,
            "heading_top": 0.4,
            "length": math.log(5),
        }
    )


def test_fewer_lexical_hits_than_the_depth_stand_above_nothing() -> None:
    assert named(replace(EMPTY, depth=10, lexical=(0.8, 0.5)))["lexical_margin"] == 0.8


def test_an_empty_result_and_a_query_without_words_look_like_the_worst() -> None:
    worst = {"rarest_missing": 1.0, "names_held": 1.0, "numbers_held": 1.0, "dense_rank": pytest.approx(1 / 101)}
    assert named(EMPTY) == dict.fromkeys(FEATURES, 0.0) | worst


def test_a_passage_of_one_sentence_and_one_alone_are_read() -> None:
    evidence = replace(EMPTY, terms=(term("leav", 2.0, matched=True), term("day", 2.0, matched=True)))
    found = named(evidence, passage("Days.", "Leave"))
    assert (found["sentence_top"], found["heading_top"], found["sentence_margin"]) == (0.5, 0.5, 0.0)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("die", "She was dying."),
        ("œuvre", "Une OEUVRE."),
        ("oeuvre", "Des œuvres."),
        ("1,234", "It is 1 234 here"),
        ("E-214", "Error e214."),
        ("école", "À l'ecole!"),
        ("Écoles", "(L’école)"),
        ("[PERSON_0123456789abcdef]", "Ask [PERSON_0123456789abcdef]."),
        ("cells", "A T-cell"),
        ("sky", "Blue skies"),
    ],
)
def test_a_word_is_found_however_it_is_written(asked: str, text: str) -> None:
    (held,) = set(analyse(asked, ("fr", "en"))) & set(analyse(text, ("fr", "en")))
    evidence = replace(EMPTY, terms=(term(held, 2.0, matched=True),))
    found = features(evidence, [passage(text)], ("fr", "en"))
    assert found[list(FEATURES).index("sentence_top")] == 1.0


share = st.floats(0, 1)
terms = st.lists(
    st.builds(
        TermEvidence,
        text=st.sampled_from(["leav", "day", "14", "zed"]),
        idf=st.floats(0.001, 20),
        matched=st.booleans(),
        is_name=st.booleans(),
    ),
    max_size=12,
).map(tuple)
best_first = st.lists(share, max_size=10).map(lambda scores: tuple(sorted(scores, reverse=True)))


read = st.lists(st.builds(passage, st.sampled_from(["Leave.", "14 days. Zed left.", "—"]), st.just("Zed")), max_size=5)


@given(st.builds(Evidence, visible=st.just(9), depth=st.just(10), dense=best_first, lexical=best_first,
                 fused=best_first, background=share, dense_rank=st.integers(0, 100), agreement=share,
                 coverage_best=share, terms=terms), read)  # fmt: skip
def test_features_stay_in_their_ranges_and_never_fail(evidence: Evidence, passages: list[PassageText]) -> None:
    found = named(evidence, *passages)
    assert all(-1e-9 <= value <= 1 + 1e-9 for name, value in found.items() if name != "length")
    assert 0 <= found["length"] <= math.log(13)
    assert 0 < MODEL.probability(tuple(found.values())) < 1


def test_the_confidence_is_the_logistic_of_the_standardised_features() -> None:
    assert MODEL.probability((2.5, *(9.0,) * (COUNT - 1))) == pytest.approx(1 / (1 + math.exp(-1.25)))


def test_a_logit_out_of_all_bounds_is_still_a_probability() -> None:
    for value, expected in ((1e12, 1.0), (-1e12, 0.0)):
        assert MODEL.probability((value, *(0.0,) * (COUNT - 1))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("number", [COUNT - 1, COUNT + 1])
def test_another_number_of_features_is_no_query_of_this_model(number: int) -> None:
    with pytest.raises(ValueError, match="zip"):
        MODEL.probability((0.0,) * number)


@pytest.mark.parametrize(
    ("labels", "unanswerable", "certificate", "status"),
    [
        (50, 20, None, ConfidenceStatus.CALIBRATED),
        (49, 20, None, ConfidenceStatus.PROVISIONAL),
        (500, 19, None, ConfidenceStatus.PROVISIONAL),
        (50, 20, CERTIFICATE, ConfidenceStatus.CERTIFIED),
        (500, 19, CERTIFICATE, ConfidenceStatus.PROVISIONAL),
    ],
)
def test_labels_make_a_model_calibrated_and_a_certificate_certified(
    labels: int, unanswerable: int, certificate: Certificate | None, status: ConfidenceStatus
) -> None:
    model = replace(MODEL, labels=labels, unanswerable=unanswerable, certificate=certificate)
    assert model.status is status


def test_thresholds_are_those_of_caution_and_of_the_certificate() -> None:
    certified = replace(MODEL, certificate=CERTIFICATE)
    risk, delta, purpose = MODEL.max_risk, CERTIFICATE.delta, MODEL.purpose
    served = Thresholds(caution=0.5, answer=0.8)
    assert replace(MODEL, threshold=None).thresholds(max_risk=risk, delta=delta, purpose=purpose) is None
    assert MODEL.thresholds(max_risk=risk, delta=delta, purpose=purpose) == replace(served, answer=None)
    assert certified.thresholds(max_risk=risk, delta=delta, purpose=purpose) == served
    assert certified.thresholds(max_risk=risk / 2, delta=delta, purpose=purpose) is None
    assert certified.thresholds(max_risk=risk, delta=delta / 2, purpose=purpose) == replace(served, answer=None)
    assert certified.thresholds(max_risk=risk, delta=delta, purpose="another") == replace(served, answer=None)


def test_the_shipped_model_moves_with_each_feature_as_it_may() -> None:
    for coefficient, sign in zip(shipped().coefficients, SIGNS.values(), strict=True):
        assert coefficient * sign >= 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"features": [], "model": {}}'])
def test_a_shipped_model_that_is_damaged_is_not_used(tmp_path: Path, content: str) -> None:
    path = tmp_path / "shipped.json"
    with pytest.raises(IntegrityError, match="damaged"):
        load_linear(path)
    path.write_text(content)
    with pytest.raises(IntegrityError, match="damaged"):
        load_linear(path)


def test_a_model_is_read_back_as_written() -> None:
    for model in (MODEL, replace(MODEL, threshold=None), replace(MODEL, certificate=CERTIFICATE)):
        assert Model.load(model.dump()) == model


@pytest.mark.parametrize("schema", [SCHEMA - 1, SCHEMA + 1])
def test_a_model_of_another_version_is_not_read_as_one_of_this(schema: int) -> None:
    with pytest.raises(IntegrityError, match="another version of Penstock") as caught:
        Model.load(replace(MODEL, schema=schema).dump())
    assert caught.value.mend == "Fit it again: penstock calibrate hr GOLDEN.jsonl"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "1", json.dumps(json.loads(MODEL.dump()) | {"more": 1}),
     json.dumps({key: value for key, value in json.loads(MODEL.dump()).items() if key != "linear"})],
)  # fmt: skip
def test_what_is_no_model_is_an_integrity_error(content: str) -> None:
    with pytest.raises(IntegrityError, match="penstock calibrate"):
        Model.load(content)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_feature_that_is_no_number_gives_no_confidence(number: float) -> None:
    with pytest.raises(IntegrityError):
        MODEL.probability((number, *(0.0,) * (COUNT - 1)))


@pytest.mark.parametrize(
    "changes",
    [
        {"certificate": replace(CERTIFICATE, served=0, wrong=0)},
        {"certificate": replace(CERTIFICATE, wrong=CERTIFICATE.served + 1)},
        {"certificate": replace(CERTIFICATE, threshold=0.25)},
        {"certificate": replace(CERTIFICATE, max_risk=MODEL.max_risk * 2)},
        {"linear": replace(LINEAR, bend=(math.nan, 1.0, 1.0))},
        {"threshold": math.nan},
    ],
)
def test_a_stored_model_that_no_fit_makes_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        Model.load(replace(MODEL, **{"certificate": CERTIFICATE} | changes).dump())
