"""Exact dense search over half-float vectors, one block of rows for each visibility class. Only importer of faiss.

Every block is a complete FAISS scalar-quantiser index, so a search touches the blocks its caller may see and costs
what is visible, not what exists. A score depends on its row and the query alone, to the last bit. Nothing is trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from struct import Struct

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.content import VECTOR_DTYPE
from policies.errors import IntegrityError

MIN_BLOCK_ROWS = 16384
"""Chosen: a call into FAISS costs about 0.04 ms, scanning as many rows about 0.8 ms (`tests.benchmarks.query`)."""
CACHE_LINE_BYTES = 64
"""Rows start on one, so that a scan never reads a line twice."""
Ranges = Sequence[tuple[int, int]]
"""Half-open ranges of rows, ascending and disjoint."""
_MOVED_AT_ONCE = 1 << 14
"""Rows of which a copy is held while they are moved (chosen)."""
_CODES_LENGTH = Struct("<Q")
"""The last field of a header: how many bytes of codes follow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Rows `first` to `last` (exclusive) of a generation, as `size` bytes at `offset` of the vector file."""

    first: int
    last: int
    offset: int
    size: int


def write(path: Path, vectors: NDArray[np.float16], cuts: Sequence[int]) -> tuple[Block, ...]:
    """Write vectors of shape (n, dim) in blocks that end at some of `cuts`: 0 … n, where one class meets the next.

    A small class shares its block with its neighbours, because each block costs a call.
    """
    blocks: list[Block] = []
    offset = 0
    with path.open("wb") as file:
        for first, last in pairwise(_coarsened(cuts)):
            header = _header(rows=last - first, dim=vectors.shape[1])
            codes = np.ascontiguousarray(vectors[first:last], dtype=VECTOR_DTYPE)
            padding = -(offset + len(header)) % CACHE_LINE_BYTES
            file.write(bytes(padding) + header)
            file.write(codes.data)
            size = len(header) + codes.nbytes
            blocks.append(Block(first=first, last=last, offset=offset + padding, size=size))
            offset += padding + size
    return tuple(blocks)


def _header(*, rows: int, dim: int) -> bytes:
    """What FAISS writes before the codes of an index of so many rows, which are the rows themselves.

    Adding the rows to an index and serialising it gives the same bytes and holds five copies of them meanwhile.
    """
    index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.ntotal = rows
    empty = faiss.serialize_index(index).tobytes()
    size = rows * dim * VECTOR_DTYPE.itemsize
    return bytes(empty[: -_CODES_LENGTH.size]) + _CODES_LENGTH.pack(size)


class Vectors:
    """The vectors of one generation, mapped from its file. Verify the file's checksum first: FAISS keeps none."""

    def __init__(self, path: Path, blocks: Sequence[Block], *, dim: int) -> None:
        """Map the file.

        Raises:
            IntegrityError: a block is not the index it should be.
        """
        self.dim = dim
        self.rows = blocks[-1].last if blocks else 0
        self._blocks = tuple(blocks)
        # The indexes are views into this mapping, which must outlive them.
        self._mapped = np.memmap(path, dtype=np.uint8, mode="r") if self.rows else np.zeros(0, dtype=np.uint8)
        self._indexes = tuple(self._open(block) for block in blocks)
        self._codes = tuple(
            self._bytes_of(block)[-(block.last - block.first) * dim * VECTOR_DTYPE.itemsize :]
            .view(VECTOR_DTYPE)
            .reshape(-1, dim)
            for block in blocks
        )

    def search(
        self, query: NDArray[np.float32], visible: Ranges, k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `k` visible rows nearest to a unit query, best first, ties by row: rows (m,), cosine scores (m,).

        m is the smaller of `k` and the number of visible rows. Exact over half-float vectors.
        """
        # One query is one thread's work; idle OpenMP threads spin, and on busy cores that made a scan 30 times slower.
        # Each time, because it holds for the thread that says it.
        faiss.omp_set_num_threads(1)
        rows: list[NDArray[np.int64]] = []
        scores: list[NDArray[np.float32]] = []
        for block, index in zip(self._blocks, self._indexes, strict=True):
            pieces = _within(visible, block)
            if pieces:
                found_scores, found = _search_block(index, query, k, pieces)
                rows.append(found + block.first)
                scores.append(found_scores)
        if not rows:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        all_rows, all_scores = np.concatenate(rows), np.concatenate(scores)
        order = np.lexsort((all_rows, -all_scores))[:k]
        return all_rows[order], all_scores[order]

    def scores(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine score of each given row, shape (m,). Row by row, so independent of which rows are asked for."""
        out = np.zeros(len(rows), dtype=np.float32)
        for block, codes in zip(self._blocks, self._codes, strict=True):
            inside = (rows >= block.first) & (rows < block.last)
            if inside.any():
                out[inside] = np.einsum("ij,j->i", codes[rows[inside] - block.first].astype(np.float32), query)
        return out

    def codes(self) -> NDArray[np.float16]:
        """A copy of all vectors, shape (n, dim), float16: what is scanned."""
        return np.concatenate([np.zeros((0, self.dim), dtype=VECTOR_DTYPE), *self._codes])

    def move(self, rows: NDArray[np.int64], into: NDArray[np.float16]) -> None:
        """Put row i of this file into row `rows[i]`, bit for bit, but where that is -1."""
        for block, codes in zip(self._blocks, self._codes, strict=True):
            for first in range(0, len(codes), _MOVED_AT_ONCE):
                places = rows[block.first + first : block.last][:_MOVED_AT_ONCE]
                stays = places >= 0
                into[places[stays]] = codes[first : first + _MOVED_AT_ONCE][stays]

    def _open(self, block: Block) -> faiss.Index:
        content = self._bytes_of(block)
        try:
            index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(content), content.size))
        except RuntimeError as error:
            raise _damaged() from error
        if index.ntotal != block.last - block.first or index.d != self.dim:
            raise _damaged()
        return index

    def _bytes_of(self, block: Block) -> NDArray[np.uint8]:
        return self._mapped[block.offset : block.offset + block.size]


def _search_block(
    index: faiss.Index, query: NDArray[np.float32], k: int, pieces: Ranges
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    allowed = np.zeros(index.ntotal, dtype=bool)
    for first, last in pieces:
        allowed[first:last] = True
    if len(pieces) > 1:
        bitmap = np.packbits(allowed, bitorder="little")
        selector = faiss.IDSelectorBitmap(index.ntotal, faiss.swig_ptr(bitmap))
    else:
        selector = faiss.IDSelectorRange(*pieces[0])
    parameters = None if allowed.all() else faiss.SearchParameters(sel=selector)
    visible = int(allowed.sum())
    asked = min(k + 1, visible)
    scores, rows = (found[0] for found in index.search(query.reshape(1, -1), asked, params=parameters))
    while asked < visible and scores[k - 1] == scores[-1]:
        # Which of several equal rows FAISS keeps depends on what else stands in the block: ask until none is left out.
        asked = min(4 * asked, visible)
        scores, rows = (found[0] for found in index.search(query.reshape(1, -1), asked, params=parameters))
    if (rows < 0).any() or not allowed[rows].all():
        # FAISS has dropped selectors silently before (facebookresearch/faiss#5584).
        raise IntegrityError(
            "The vector index returned rows it was not asked for.", mend="Run: penstock verify --repair"
        )
    return scores, rows


def _coarsened(cuts: Sequence[int]) -> list[int]:
    kept = [cuts[0]]
    for cut in cuts[1:-1]:
        if cut - kept[-1] >= MIN_BLOCK_ROWS:
            kept.append(cut)
    return [*kept, cuts[-1]]


def _within(visible: Ranges, block: Block) -> list[tuple[int, int]]:
    """The visible rows of a block, counted from its start."""
    return [
        (max(first, block.first) - block.first, min(last, block.last) - block.first)
        for first, last in visible
        if first < block.last and last > block.first
    ]


def _damaged() -> IntegrityError:
    return IntegrityError("A vector file is not the index it should be.", mend="Run: penstock verify --repair")
