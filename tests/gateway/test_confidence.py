import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.confidence import FEATURES, SCHEMA, Model, features
from indexer.search import Evidence, TermEvidence
from policies.errors import IntegrityError
from policies.model import ConfidenceStatus, SourceName

COUNT = len(FEATURES)
MODEL = Model(
    id="c1",
    schema=SCHEMA,
    source=SourceName("hr"),
    scope="s1",
    classes=("c1", "c2"),
    embedder="e1",
    k=5,
    mean=(0.5,) * COUNT,
    scale=(2.0,) * COUNT,
    coefficients=(1.0, *(0.0,) * (COUNT - 1)),
    intercept=0.25,
    threshold=0.5,
    max_risk=0.1,
    labels=80,
    unanswerable=20,
    population="golden",
    figures={"auroc": 0.9},
)
EMPTY = Evidence(visible=0, depth=10, dense=(), lexical=(), agreement=0.0, coverage_best=0.0, terms=())


def named(evidence: Evidence) -> dict[str, float]:
    return dict(zip(FEATURES, features(evidence), strict=True))


def test_the_features_of_a_full_result() -> None:
    evidence = Evidence(
        visible=50,
        depth=3,
        dense=(0.9, 0.6, 0.4),
        lexical=(0.8, 0.5, 0.3),
        agreement=0.5,
        coverage_best=0.7,
        terms=(
            TermEvidence(idf=4.0, matched=True),
            TermEvidence(idf=3.0, matched=False),
            TermEvidence(idf=1.0, matched=False),
        ),
    )
    assert named(evidence) == pytest.approx(
        {
            "dense_top": 0.9,
            "dense_margin": 0.5,
            "lexical_top": 0.8,
            "lexical_margin": 0.5,
            "agreement": 0.5,
            "coverage_best": 0.7,
            "coverage_all": 0.5,
            "rarest_missing": 0.75,
            "length": math.log(4),
        }
    )


def test_fewer_lexical_hits_than_the_depth_stand_above_nothing() -> None:
    assert named(replace(EMPTY, depth=10, lexical=(0.8, 0.5)))["lexical_margin"] == 0.8


def test_an_empty_result_and_a_query_without_words_look_like_the_worst() -> None:
    assert named(EMPTY) == dict.fromkeys(FEATURES, 0.0) | {"rarest_missing": 1.0}


share = st.floats(0, 1)
terms = st.lists(st.builds(TermEvidence, idf=st.floats(0.001, 20), matched=st.booleans()), max_size=12).map(tuple)
best_first = st.lists(share, max_size=10).map(lambda scores: tuple(sorted(scores, reverse=True)))


@given(st.builds(Evidence, visible=st.just(9), depth=st.just(10), dense=best_first, lexical=best_first,
                 agreement=share, coverage_best=share, terms=terms))  # fmt: skip
def test_features_stay_in_their_ranges_and_never_fail(evidence: Evidence) -> None:
    found = named(evidence)
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
    ("scope", "embedder", "status"),
    [
        ("s1", "e1", ConfidenceStatus.PROVISIONAL),
        ("s2", "e1", ConfidenceStatus.STALE),
        ("", "e1", ConfidenceStatus.STALE),
        ("s1", "e2", ConfidenceStatus.STALE),
    ],
)
def test_a_model_is_stale_for_anything_it_was_not_fitted_on(
    scope: str, embedder: str, status: ConfidenceStatus
) -> None:
    assert MODEL.status(scope=scope, embedder=embedder) is status


def test_a_model_is_read_back_as_written() -> None:
    for model in (MODEL, replace(MODEL, threshold=None)):
        assert Model.load(model.dump()) == model


@pytest.mark.parametrize("schema", [SCHEMA - 1, SCHEMA + 1])
def test_a_model_of_another_version_is_not_read_as_one_of_this(schema: int) -> None:
    with pytest.raises(IntegrityError, match="another version of Penstock") as caught:
        Model.load(replace(MODEL, schema=schema).dump())
    assert caught.value.mend == "Fit it again: penstock calibrate hr GOLDEN.jsonl"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "1", json.dumps(json.loads(MODEL.dump()) | {"more": 1}),
     json.dumps({key: value for key, value in json.loads(MODEL.dump()).items() if key != "mean"})],
)  # fmt: skip
def test_what_is_no_model_is_an_integrity_error(content: str) -> None:
    with pytest.raises(IntegrityError, match="penstock calibrate"):
        Model.load(content)
