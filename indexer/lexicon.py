"""Exact BM25+ over the passages a caller may see: whatever else the index holds, scores and statistics do not show it.

An inverted index in plain arrays. Postings lie by term, then by row, so what one caller sees of a term is a slice for
each visible range, and its length is the term's document frequency for that caller. Nothing is precomputed over all
passages: term weights and the mean length are taken from the visible ones at each query.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.vectors import Ranges
from policies.errors import IntegrityError

# Chosen on four sets (scientific claims, web questions, encyclopedia questions, French public service): the best mean
# nDCG@10 of eleven pairs K1, B, within .004 of the best pair on each; then DELTA with the weight in indexer.fuse.
K1 = 1.2
"""How late repeats of a term stop counting."""
B = 0.6
"""How far a passage's length counts against it, 0 to 1."""
DELTA = 0.25
"""What holding a term counts for by itself, however long the passage (Lv and Zhai, CIKM 2011, less their k1 + 1)."""

_BLOCK_POSTINGS = 1 << 14
"""Chosen: temporaries that stay in the cache scored five times faster than whole posting lists."""
_ARRAYS = ("terms", "term_ends", "posting_ends", "rows", "counts", "lengths")


def write(folder: Path, passages: Sequence[Sequence[str]]) -> None:
    """Write the index of `passages`, each given as its terms, into an existing folder; row i is passage i.

    Equal passages give equal bytes. The caller flushes the files to the disk.
    """
    lengths = np.fromiter(map(len, passages), dtype=np.int32, count=len(passages))
    numbers: dict[str, int] = {}
    seen = np.fromiter(
        (numbers.setdefault(term, len(numbers)) for term in chain.from_iterable(passages)),
        dtype=np.int64,
        count=int(lengths.sum(dtype=np.int64)),
    )
    # Order of UTF-8 bytes, which is also that of code points, so that a term is found by bisection in the file.
    vocabulary = sorted(numbers)
    ranks = {term: rank for rank, term in enumerate(vocabulary)}
    rank = np.fromiter((ranks[term] for term in numbers), dtype=np.int64, count=len(numbers))
    owners = np.repeat(np.arange(len(passages), dtype=np.int64), lengths)
    stride = max(len(passages), 1)
    postings, counts = np.unique(rank[seen] * stride + owners, return_counts=True)
    encoded = [term.encode() for term in vocabulary]
    arrays = (
        np.frombuffer(b"".join(encoded), dtype=np.uint8),
        np.cumsum([len(term) for term in encoded], dtype=np.int64),
        np.cumsum(np.bincount(postings // stride, minlength=len(vocabulary)), dtype=np.int64),
        (postings % stride).astype(np.int32),
        counts.astype(np.min_scalar_type(counts.max(initial=0))),
        lengths,
    )
    for name, array in zip(_ARRAYS, arrays, strict=True):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One distinct term of a query; `frequency` counts the visible passages that hold it, `idf` is above 0."""

    text: str
    frequency: int
    idf: float


class Lexicon:
    """The index of one generation, mapped from its folder. Verify the files' checksums first: it keeps none."""

    def __init__(self, folder: Path) -> None:
        """Map the files.

        Raises:
            IntegrityError: a file is missing, or they do not fit together.
        """
        try:
            arrays = [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS]
        except (OSError, ValueError) as error:
            raise _damaged() from error
        # As plain arrays: slicing an np.memmap costs several microseconds each time.
        self._terms, self._term_ends, self._posting_ends, self._rows, self._counts, self._lengths = map(
            np.asarray, arrays
        )
        if not (
            len(self._term_ends) == len(self._posting_ends)
            and len(self._terms) == self._term_ends[-1:].sum()
            and len(self._rows) == len(self._counts) == self._posting_ends[-1:].sum()
        ):
            raise _damaged()
        self.passages = len(self._lengths)

    def score(self, terms: Sequence[str], visible: Ranges) -> "Scoring":
        """Score these terms over `visible` alone. Repeats of a term count once.

        Raises:
            ValueError: the ranges are not ascending, disjoint and within the index.
        """
        bounds = [0, *chain.from_iterable(visible), self.passages]
        if any(last < first for first, last in pairwise(bounds)):
            raise ValueError("Visible ranges must be ascending, disjoint and within the index.")
        edges = np.array(bounds[1:-1], dtype=np.int32).reshape(-1, 2)
        passages = int((edges[:, 1] - edges[:, 0]).sum(dtype=np.int64))
        length = sum(int(self._lengths[first:last].sum(dtype=np.int64)) for first, last in edges.tolist())
        per_term = K1 * B * passages / max(length, 1)
        distinct = tuple(dict.fromkeys(terms))
        weighed: list[Term] = []
        scores = np.zeros(self.passages)
        holders: list[NDArray[np.int32]] = []
        for term in distinct:
            rows, counts = self._postings(term, edges)
            idf = math.log1p((passages - len(rows) + 0.5) / (len(rows) + 0.5))
            # A row stands once in a term's postings, so its score is one sum in the order of the query's terms.
            for start in range(0, len(rows), _BLOCK_POSTINGS):
                block = rows[start : start + _BLOCK_POSTINGS].astype(np.intp)
                frequency = counts[start : start + _BLOCK_POSTINGS].astype(np.float64)
                norm = K1 * (1 - B) + per_term * self._lengths[block]
                scores[block] += idf * (frequency / (frequency + norm) + DELTA)
            weighed.append(Term(text=term, frequency=len(rows), idf=idf))
            holders.append(rows)
        return Scoring(tuple(weighed), passages, edges, scores, tuple(holders))

    def _postings(self, term: str, edges: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.unsignedinteger]]:
        """The visible rows that hold `term`, ascending, and how often each does."""
        number = bisect_left(range(len(self._term_ends)), term.encode(), key=self._term)
        if number == len(self._term_ends) or self._term(number) != term.encode():
            return self._rows[:0], self._counts[:0]
        held = slice(self._posting_ends[number - 1] if number else 0, self._posting_ends[number])
        rows, counts = self._rows[held], self._counts[held]
        cuts = np.searchsorted(rows, edges).tolist()
        return (
            np.concatenate([rows[:0], *(rows[first:last] for first, last in cuts)]),
            np.concatenate([counts[:0], *(counts[first:last] for first, last in cuts)]),
        )

    def _term(self, number: int) -> bytes:
        start = self._term_ends[number - 1] if number else 0
        return self._terms[start : self._term_ends[number]].tobytes()


class Scoring:
    """A query's terms, weighed and scored over the passages its caller sees. Nothing in it depends on any other."""

    def __init__(
        self,
        terms: tuple[Term, ...],
        passages: int,
        edges: NDArray[np.int32],
        scores: NDArray[np.float64],
        holders: tuple[NDArray[np.int32], ...],
    ) -> None:
        self.terms = terms
        self.passages = passages
        """How many passages are visible."""
        self.attainable = (1 + DELTA) * math.fsum(term.idf for term in terms)
        """What no passage's score exceeds, approached by one that repeats every term; 0 without terms."""
        self._edges, self._scores, self._holders = edges, scores, holders

    def top(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The at most `k` best visible passages that hold any term, best first, ties by row: rows (m,), scores (m,)."""
        pieces = (first + np.flatnonzero(self._scores[first:last]) for first, last in self._edges.tolist())
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *pieces])
        if len(rows) > k > 0:
            threshold = np.partition(self._scores[rows], -k)[-k]
            rows = rows[self._scores[rows] >= threshold]
        best = rows[np.argsort(-self._scores[rows], kind="stable")[:k]]
        return best, self._scores[best]

    def scores(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The BM25+ score of each given row, shape (m,), 0 where it holds no term.

        Raises:
            ValueError: a row is not visible.
        """
        self._admit(rows)
        return self._scores[rows]

    def matches(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which given row holds which term, shape (m, len(terms)).

        Raises:
            ValueError: a row is not visible.
        """
        self._admit(rows)
        held = np.zeros((len(rows), len(self.terms)), dtype=np.bool_)
        for column, holders in enumerate(self._holders):
            held[:, column] = np.searchsorted(holders, rows, "left") < np.searchsorted(holders, rows, "right")
        return held

    def _admit(self, rows: NDArray[np.int64]) -> None:
        ranges = np.searchsorted(self._edges[:, 0], rows, side="right") - 1
        if (ranges < 0).any() or (rows >= self._edges[ranges, 1]).any():
            raise ValueError("Only visible rows have a score.")


def _damaged() -> IntegrityError:
    return IntegrityError("A lexicon's files do not fit together.", mend="Run: penstock verify --repair")
