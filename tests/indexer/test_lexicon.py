import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import lexicon
from indexer.lexicon import DELTA, K1, B, Lexicon
from indexer.vectors import Ranges
from policies.errors import IntegrityError

PASSAGES = (
    ("leave", "parent", "leave"),
    ("leave", "holiday"),
    ("expense", "travel", "holiday", "travel"),
    (),
    ("leave", "holiday"),
)
EVERYTHING = [(0, len(PASSAGES))]


@pytest.fixture
def index(tmp_path: Path) -> Lexicon:
    return _index(tmp_path, PASSAGES)


def _index(folder: Path, passages: Sequence[Sequence[str]]) -> Lexicon:
    lexicon.write(folder, len(passages), [lexicon.counted(passages, range(len(passages)))])
    return Lexicon(folder)


def _rows(*rows: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(rows, dtype=np.int64)


def _textbook(passages: Sequence[Sequence[str]], terms: Sequence[str]) -> list[float]:
    """BM25+ as in Lv and Zhai 2011, with an idf that stays above 0, less the constant factor k1 + 1."""
    mean_length = sum(map(len, passages)) / len(passages) or 1
    scores = [0.0] * len(passages)
    for term in dict.fromkeys(terms):
        frequency = sum(term in passage for passage in passages)
        idf = math.log(1 + (len(passages) - frequency + 0.5) / (frequency + 0.5))
        for row, passage in enumerate(passages):
            count = passage.count(term)
            if count:
                scores[row] += idf * (count / (count + K1 * (1 - B + B * len(passage) / mean_length)) + DELTA)
    return scores


def test_scores_are_those_of_the_textbook(index: Lexicon) -> None:
    scoring = index.score(["holiday", "leave", "unknown"], EVERYTHING)

    assert scoring.scores(_rows(0, 1, 2, 3, 4)) == pytest.approx(_textbook(PASSAGES, ["holiday", "leave", "unknown"]))


def test_scores_are_those_of_the_textbook_however_long_the_postings(tmp_path: Path) -> None:
    passages = [["common"] * (1 + row % 3) + ["even"] * (row % 2 == 0) for row in range(40_000)]
    index = _index(tmp_path, passages)

    scores = index.score(["common", "even"], [(0, 40_000)]).scores(np.arange(40_000))

    assert scores == pytest.approx(_textbook(passages, ["common", "even"]))


def test_the_best_come_first_ties_by_row_and_never_what_holds_no_term(index: Lexicon) -> None:
    rows, scores = index.score(["holiday"], EVERYTHING).top(10)

    assert rows.tolist() == [1, 4, 2]
    assert scores[0] == scores[1] > scores[2] > 0


@pytest.mark.parametrize(("k", "expected"), [(0, []), (1, [1]), (2, [1, 4]), (3, [1, 4, 2])])
def test_no_more_than_k_are_returned_and_ties_at_the_edge_go_by_row(
    index: Lexicon, k: int, expected: list[int]
) -> None:
    assert index.score(["holiday"], EVERYTHING).top(k)[0].tolist() == expected


def test_a_term_is_weighed_by_how_few_visible_passages_hold_it(index: Lexicon) -> None:
    scoring = index.score(["leave", "travel", "unknown"], [(0, 3)])

    assert [(term.text, term.frequency) for term in scoring.terms] == [("leave", 2), ("travel", 1), ("unknown", 0)]
    assert [term.idf for term in scoring.terms] == pytest.approx([math.log(1.6), math.log(1 + 2.5 / 1.5), math.log(8)])
    assert scoring.passages == 3
    assert scoring.attainable == pytest.approx((1 + DELTA) * sum(term.idf for term in scoring.terms))


def test_the_attainable_score_is_approached_but_not_exceeded(tmp_path: Path) -> None:
    index = _index(tmp_path, [["leave"] * 10_000, *[["other"] * 10_000] * 5])
    scoring = index.score(["leave"], [(0, 6)])

    assert 0.999 < scoring.scores(_rows(0))[0] / scoring.attainable <= 1


def test_repeating_a_term_in_the_query_changes_nothing(index: Lexicon) -> None:
    once, twice = (index.score(terms, EVERYTHING) for terms in (["leave", "holiday"], ["leave", "holiday", "leave"]))

    assert once.terms == twice.terms
    assert once.top(5)[1].tolist() == twice.top(5)[1].tolist()


def test_matches_say_which_row_holds_which_term(index: Lexicon) -> None:
    matches = index.score(["leave", "unknown", "holiday"], EVERYTHING).matches(_rows(4, 0, 3))

    assert matches.tolist() == [[True, False, True], [True, False, False], [False, False, False]]


def test_a_query_without_terms_finds_nothing(index: Lexicon) -> None:
    scoring = index.score([], EVERYTHING)

    assert scoring.top(5)[0].tolist() == []
    assert scoring.attainable == 0
    assert scoring.matches(_rows(0, 1)).shape == (2, 0)


@pytest.mark.parametrize("visible", [[], [(2, 2)]])
def test_a_caller_who_sees_nothing_finds_nothing(index: Lexicon, visible: Ranges) -> None:
    scoring = index.score(["leave"], visible)

    assert scoring.top(5)[0].tolist() == []
    assert (scoring.passages, scoring.terms[0].frequency) == (0, 0)


@pytest.mark.parametrize("row", [-1, 0, 3, 4])
def test_a_hidden_row_has_no_score(index: Lexicon, row: int) -> None:
    scoring = index.score(["leave"], [(1, 3)])

    with pytest.raises(ValueError, match="visible"):
        scoring.scores(_rows(1, row))
    with pytest.raises(ValueError, match="visible"):
        scoring.matches(_rows(1, row))


@pytest.mark.parametrize("visible", [[(0, 6)], [(-1, 2)], [(2, 1)], [(3, 4), (0, 1)], [(0, 3), (2, 4)], [(0, 1 << 40)]])
def test_ranges_that_are_no_ranges_of_the_index_are_refused(index: Lexicon, visible: Ranges) -> None:
    with pytest.raises(ValueError, match="ranges"):
        index.score(["leave"], visible)


WORDS = st.sampled_from(["a", "b", "c", "é", "日本", "z1"])


@settings(deadline=None, max_examples=100)
@given(
    passages=st.lists(st.tuples(st.booleans(), st.lists(WORDS, max_size=6)), max_size=30),
    terms=st.lists(WORDS, max_size=5),
    k=st.integers(0, 8),
)
def test_a_result_is_the_same_to_the_last_bit_whether_or_not_hidden_passages_exist(
    tmp_path_factory: pytest.TempPathFactory, passages: list[tuple[bool, list[str]]], terms: list[str], k: int
) -> None:
    shown = [row for row, (visible, _) in enumerate(passages) if visible]
    among_hidden = _index(tmp_path_factory.mktemp("all"), [words for _, words in passages])
    alone = _index(tmp_path_factory.mktemp("alone"), [passages[row][1] for row in shown])

    found = among_hidden.score(terms, [(row, row + 1) for row in shown])
    expected = alone.score(terms, [(0, len(shown))])

    rows, scores = expected.top(k)
    assert [shown[row] for row in rows] == found.top(k)[0].tolist()
    assert scores.tobytes() == found.top(k)[1].tobytes()
    assert found.terms == expected.terms
    assert (found.passages, found.attainable) == (expected.passages, expected.attainable)
    assert found.matches(_rows(*shown)).tolist() == expected.matches(np.arange(len(shown))).tolist()


def test_touching_ranges_are_as_good_as_one(index: Lexicon) -> None:
    whole, parts = index.score(["leave"], [(0, 5)]), index.score(["leave"], [(0, 1), (1, 4), (4, 4), (4, 5)])

    assert whole.top(5)[0].tolist() == parts.top(5)[0].tolist()
    assert whole.scores(np.arange(5)).tobytes() == parts.scores(np.arange(5)).tobytes()


def test_an_index_of_nothing_opens_and_finds_nothing(tmp_path: Path) -> None:
    index = _index(tmp_path, [])

    assert index.passages == 0
    assert index.score(["leave"], []).top(5)[0].tolist() == []


def test_equal_passages_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _index(tmp_path / name, PASSAGES)

    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


@pytest.mark.parametrize("name", ["terms", "term_ends", "posting_ends", "rows", "counts", "lengths"])
def test_a_lexicon_with_a_file_missing_or_cut_does_not_open(tmp_path: Path, name: str) -> None:
    _index(tmp_path, PASSAGES)
    file = tmp_path / f"{name}.npy"

    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        Lexicon(tmp_path)

    file.unlink()
    with pytest.raises(IntegrityError):
        Lexicon(tmp_path)


def test_files_of_two_builds_do_not_open_together(tmp_path: Path) -> None:
    _index(tmp_path, PASSAGES)
    np.save(tmp_path / "rows.npy", np.zeros(3, dtype=np.int32))

    with pytest.raises(IntegrityError):
        Lexicon(tmp_path)


@settings(deadline=None, max_examples=100)
@given(
    before=st.lists(st.lists(WORDS, max_size=6), max_size=12),
    fresh=st.lists(st.lists(WORDS, max_size=6), max_size=6),
    data=st.data(),
)
def test_moved_and_new_rows_together_give_the_bytes_that_one_writing_gives(
    tmp_path_factory: pytest.TempPathFactory, before: list[list[str]], fresh: list[list[str]], data: st.DataObject
) -> None:
    stays = [row for row in range(len(before)) if data.draw(st.booleans())]
    places = data.draw(st.permutations(range(len(stays) + len(fresh))))
    moved = np.full(len(before), -1, dtype=np.int64)
    moved[stays] = places[: len(stays)]
    after = [*(before[row] for row in stays), *fresh]
    arranged = [words for _, words in sorted(zip(places, after, strict=True))]
    parts = [
        _index(tmp_path_factory.mktemp("before"), before).moved(moved),
        lexicon.counted(fresh, places[len(stays) :]),
    ]
    for name, order in (("one", parts), ("two", parts[::-1])):
        folder = tmp_path_factory.mktemp(name)
        lexicon.write(folder, len(arranged), order)
        _index(at_once := tmp_path_factory.mktemp("at-once"), arranged)
        assert _bytes(folder) == _bytes(at_once)


def test_a_term_that_only_rows_that_went_held_is_in_no_file(tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    lexicon.write(tmp_path / "next", 1, [_index(tmp_path, [["xylander"], ["leave"]]).moved(_rows(-1, 0))])

    assert not any(b"xylander" in content for content in _bytes(tmp_path / "next").values())


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}
