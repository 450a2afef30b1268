from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from indexer import vectors
from indexer.content import VECTOR_DTYPE
from indexer.vectors import CACHE_LINE_BYTES, MIN_BLOCK_ROWS, Block, Vectors, write
from policies.errors import IntegrityError

DIM = 384
FEW = 6
"""So few different vectors in a file make ties the rule."""


def unit_rows(seed: int, rows: int, *, distinct: int | None = None) -> NDArray[np.float16]:
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((distinct or rows, DIM), dtype=np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return (made if distinct is None else made[rng.integers(0, distinct, rows)]).astype(VECTOR_DTYPE)


def query_of(seed: int) -> NDArray[np.float32]:
    query = np.random.default_rng(seed).standard_normal(DIM, dtype=np.float32)
    return query / np.linalg.norm(query)


def opened(path: Path, stored: NDArray[np.float16], cuts: Sequence[int]) -> Vectors:
    return Vectors(path, write(path, stored, cuts), dim=DIM)


def in_blocks(path: Path, stored: NDArray[np.float16], cuts: Sequence[int]) -> Vectors:
    """With a block for every cut, however small, by writing each piece as a file of its own."""
    blocks: list[Block] = []
    content = b""
    for first, last in pairwise(cuts):
        (block,) = write(path, stored[first:last], [0, last - first])
        content += bytes(-len(content) % CACHE_LINE_BYTES)
        blocks.append(Block(first=first, last=last, offset=len(content) + block.offset, size=block.size))
        content += path.read_bytes()
    path.write_bytes(content)
    return Vectors(path, blocks, dim=DIM)


def rows_in(ranges: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array([row for first, last in ranges for row in range(first, last)], dtype=np.int64)


def brute_force(
    stored: NDArray[np.float16], query: NDArray[np.float32], visible: Sequence[tuple[int, int]], k: int, index: Vectors
) -> list[int]:
    """The rows a full sort of the visible ones gives: by score as FAISS computes it, then by row."""
    rows = rows_in(visible)
    every, scores = index.search(query, [(0, len(stored))], len(stored))
    exact = dict(zip(every.tolist(), scores.tolist(), strict=True))
    return sorted(rows.tolist(), key=lambda row: (-exact[row], row))[:k]


ranges_of = st.lists(st.integers(0, 60), max_size=10).map(
    lambda edges: list(zip(sorted(set(edges))[::2], sorted(set(edges))[1::2], strict=False))
)
cuts_of = st.lists(st.integers(1, 59), max_size=5).map(lambda cuts: sorted({0, 60, *cuts}))


@settings(max_examples=150)
@given(seed=st.integers(0, 10**6), visible=ranges_of, cuts=cuts_of, k=st.integers(1, 70), tied=st.booleans())
def test_search_is_a_full_sort_of_the_visible_rows_whatever_the_blocks(
    *, seed: int, visible: list[tuple[int, int]], cuts: list[int], k: int, tied: bool
) -> None:
    stored = unit_rows(seed, 60, distinct=FEW if tied else None)
    query = stored[seed % 60].astype(np.float32) if seed % 2 else query_of(seed)
    with TemporaryDirectory() as folder:
        index = in_blocks(Path(folder) / "vectors.bin", stored, cuts)
        rows, scores = index.search(query, visible, k)
        assert rows.tolist() == brute_force(stored, query, visible, k, index)
        assert len(rows) == min(k, len(rows_in(visible)))
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        exact = stored[rows].astype(np.float64) @ query.astype(np.float64)
        assert np.abs(exact - scores).max(initial=0.0) < 1e-5


@settings(max_examples=100)
@given(
    seed=st.integers(0, 10**6), before=st.integers(0, 30), between=st.integers(0, 30), k=st.integers(1, 45),
    tied=st.booleans(), cuts=st.lists(st.integers(1, 39), max_size=3),
)  # fmt: skip
def test_rows_and_scores_are_the_same_to_the_bit_with_and_without_others_in_the_file(
    *, seed: int, before: int, between: int, k: int, tied: bool, cuts: list[int]
) -> None:
    mine = unit_rows(seed, 40, distinct=FEW if tied else None)
    others = unit_rows(seed + 1, before + between)
    query = mine[0].astype(np.float32)
    with TemporaryDirectory() as folder:
        alone = in_blocks(Path(folder) / "alone.bin", mine, [0, 40])
        stored = np.concatenate([others[:before], mine[:20], others[before:], mine[20:]])
        visible = [(before, before + 20), (before + 20 + between, len(stored))]
        edges = sorted({0, *(cut + before for cut in cuts), len(stored)})
        among = in_blocks(Path(folder) / "among.bin", stored, edges)
        rows, scores = alone.search(query, [(0, 40)], k)
        found, found_scores = among.search(query, visible, k)
        moved = np.where(rows < 20, rows + before, rows + before + between)
        assert found.tolist() == moved.tolist()
        assert found_scores.tobytes() == scores.tobytes()
        assert among.scores(query, moved).tobytes() == alone.scores(query, rows).tobytes()
        one_by_one = [alone.scores(query, rows[place : place + 1]).tobytes() for place in range(len(rows))]
        assert b"".join(one_by_one) == alone.scores(query, rows).tobytes()


def test_scores_of_given_rows_are_their_cosines_in_the_order_asked_for(tmp_path: Path) -> None:
    stored, query = unit_rows(1, 50), query_of(2)
    index = in_blocks(tmp_path / "vectors.bin", stored, [0, 7, 31, 50])
    rows = np.array([49, 0, 7, 6, 30, 31, 0], dtype=np.int64)
    np.testing.assert_allclose(index.scores(query, rows), stored[rows].astype(np.float64) @ query, atol=1e-6)
    assert index.scores(query, rows[:0]).shape == (0,)


def test_ties_come_in_the_order_of_rows_and_the_first_of_them_are_kept(tmp_path: Path) -> None:
    stored = np.repeat(unit_rows(1, 2), 10, axis=0)[[*range(10, 15), *range(10), *range(15, 20)]]
    index = opened(tmp_path / "vectors.bin", stored, [0, 20])
    best = stored[5].astype(np.float32)
    assert index.search(best, [(0, 20)], 12)[0].tolist() == [*range(5, 15), 0, 1]
    assert index.search(best, [(3, 4), (8, 20)], 9)[0].tolist() == [*range(8, 15), 3, 15]


def test_nothing_visible_and_an_empty_file_give_nothing(tmp_path: Path) -> None:
    index = opened(tmp_path / "vectors.bin", unit_rows(1, 5), [0, 5])
    empty = Vectors(tmp_path / "none.bin", (), dim=DIM)
    for found in (index.search(query_of(1), [], 3), empty.search(query_of(1), [], 3)):
        assert [len(part) for part in found] == [0, 0]
    assert (index.rows, empty.rows) == (5, 0)


def test_small_classes_share_a_block_and_a_large_one_has_its_own(tmp_path: Path) -> None:
    large = MIN_BLOCK_ROWS + 1
    stored = unit_rows(1, 50 + large + 20)
    cuts = [*range(0, 50, 5), 50, 50 + large, *range(50 + large + 2, 50 + large + 20, 2), 50 + large + 20]
    blocks = write(tmp_path / "vectors.bin", stored, cuts)
    assert [(block.first, block.last) for block in blocks] == [(0, 50 + large), (50 + large, 70 + large)]
    index = Vectors(tmp_path / "vectors.bin", blocks, dim=DIM)
    every_other_class = [(first, first + 5) for first in range(0, 50, 10)] + [(60 + large, 62 + large)]
    rows, _ = index.search(query_of(3), every_other_class, 100)
    assert sorted(rows.tolist()) == rows_in(every_other_class).tolist()


def test_rows_start_on_a_cache_line(tmp_path: Path) -> None:
    stored = unit_rows(1, 2 * MIN_BLOCK_ROWS)
    path = tmp_path / "vectors.bin"
    blocks = write(path, stored, [0, MIN_BLOCK_ROWS, 2 * MIN_BLOCK_ROWS])
    assert len(blocks) == 2
    content = path.read_bytes()
    for block in blocks:
        start = content.index(stored[block.first : block.last].tobytes())
        assert start % CACHE_LINE_BYTES == 0
        assert block.offset <= start < block.offset + block.size


@pytest.mark.parametrize("place", [0, 4, 12], ids=["magic", "dimension", "count"])
def test_a_block_that_is_not_the_index_it_should_be_is_refused(tmp_path: Path, place: int) -> None:
    path = tmp_path / "vectors.bin"
    blocks = write(path, unit_rows(1, 5), [0, 5])
    content = bytearray(path.read_bytes())
    content[blocks[0].offset + place] ^= 0x15
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="not the index it should be"):
        Vectors(path, blocks, dim=DIM)


def test_an_index_of_another_length_or_dimension_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.bin"
    (block,) = write(path, unit_rows(1, 5), [0, 5])
    with pytest.raises(IntegrityError, match="not the index it should be"):
        Vectors(path, [block], dim=DIM + 1)
    with pytest.raises(IntegrityError, match="not the index it should be"):
        Vectors(path, [Block(first=0, last=6, offset=block.offset, size=block.size)], dim=DIM)


class Careless:
    """An index that does not look at what it is asked for."""

    ntotal = 5

    def search(self, query: object, k: int, params: object) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        assert query is not None
        assert params is not None
        return np.ones((1, k), dtype=np.float32) * np.arange(k, 0, -1), np.arange(k, dtype=np.int64).reshape(1, -1)


def test_rows_that_were_not_asked_for_stop_the_search() -> None:
    with pytest.raises(IntegrityError, match="rows it was not asked for"):
        vectors._search_block(Careless(), query_of(1), 2, [(2, 5)])  # noqa: SLF001 - FAISS cannot be made to err


@pytest.mark.parametrize("rows", [1, 5, MIN_BLOCK_ROWS + 1])
def test_a_file_has_the_bytes_that_faiss_writes(tmp_path: Path, rows: int) -> None:
    stored = unit_rows(1, rows)
    path = tmp_path / "vectors.bin"
    (block,) = write(path, stored, [0, rows])
    index = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.add(stored.astype(np.float32))
    assert path.read_bytes()[block.offset :] == faiss.serialize_index(index).tobytes()


@settings(deadline=None, max_examples=50)
@given(cuts=cuts_of, order=st.permutations(range(60)), left=st.integers(0, 60))
def test_rows_are_moved_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], order: list[int], left: int
) -> None:
    stored = unit_rows(1, 60)
    stored[7] = np.frombuffer(np.random.default_rng(2).bytes(2 * DIM), dtype=VECTOR_DTYPE)
    index = in_blocks(tmp_path_factory.mktemp("moved") / "vectors.bin", stored, cuts)
    rows = np.array([-1 if place >= left else place for place in order], dtype=np.int64)
    into = np.zeros((left, DIM), dtype=VECTOR_DTYPE)
    index.move(rows, into)
    expected = [stored[order.index(place)].tobytes() for place in range(left)]
    assert [row.tobytes() for row in into] == expected


def test_a_search_is_the_work_of_one_thread_whichever_asks(tmp_path: Path) -> None:
    index = opened(tmp_path / "vectors.bin", unit_rows(1, 10), [0, 10])

    def threads_after_a_search() -> int:
        faiss.omp_set_num_threads(2)
        index.search(query_of(2), [(0, 10)], 3)
        return int(faiss.omp_get_max_threads())

    with ThreadPoolExecutor(1) as other:
        assert other.submit(threads_after_a_search).result() == 1
