import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer.fuse import DENSE_WEIGHT, fuse


def _fuse(dense: list[float], lexical: list[float], attainable: float) -> NDArray[np.float64]:
    return fuse(dense=np.array(dense, dtype=np.float32), lexical=np.array(lexical), attainable=attainable)


def test_the_score_weighs_the_cosine_and_the_share_of_what_the_words_could_attain() -> None:
    scores = _fuse([1.0, 0.5, 0.0, -1.0], [8.0, 4.0, 2.0, 0.0], attainable=8.0)

    words = 1 - DENSE_WEIGHT
    assert scores == pytest.approx(
        [1.0, 0.75 * DENSE_WEIGHT + 0.5 * words, 0.5 * DENSE_WEIGHT + 0.25 * words, 0.0], abs=1e-12
    )


def test_where_the_words_say_nothing_meaning_decides() -> None:
    assert _fuse([0.1, 0.9, 0.5], [0.0, 0.0, 0.0], attainable=0.0).argsort().tolist() == [0, 2, 1]


def test_where_meaning_says_nothing_the_words_decide() -> None:
    assert _fuse([0.3, 0.3, 0.3], [1.0, 3.0, 2.0], attainable=20.0).argsort().tolist() == [0, 2, 1]


def test_a_common_word_alone_does_not_outweigh_meaning_as_a_rank_would() -> None:
    # The best of the words' ranking, but it attains a twentieth of what the query could.
    meant, worded = _fuse([0.7, 0.4], [0.0, 1.0], attainable=20.0)

    assert meant > worded


def test_holding_all_the_words_outweighs_being_near() -> None:
    near, worded = _fuse([0.6, 0.4], [2.0, 14.0], attainable=20.0)

    assert worded > near


def test_no_candidates_have_no_scores() -> None:
    assert _fuse([], [], attainable=3.0).shape == (0,)


@given(
    candidates=st.lists(st.tuples(st.floats(-1, 1, width=32), st.floats(0, 1)), min_size=1, max_size=8),
    attainable=st.floats(0.01, 1000),
)
def test_scores_lie_between_0_and_1_and_each_depends_on_its_own_passage_only(
    candidates: list[tuple[float, float]], attainable: float
) -> None:
    together = _fuse([d for d, _ in candidates], [s * attainable for _, s in candidates], attainable)
    apart = [_fuse([d], [s * attainable], attainable)[0] for d, s in candidates]

    assert together.tolist() == apart
    assert ((together >= 0) & (together <= 1)).all()
