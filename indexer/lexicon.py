"""Exact BM25+ over the passages a caller may see: whatever else the index holds, scores and statistics do not show it.

An inverted index in plain arrays. Postings lie by term, then by row, so what one caller sees of a term is a slice for
each visible range, and its length is the term's document frequency for that caller. Nothing is precomputed over all
passages: term weights and the mean length are taken from the visible ones at each query.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.arrays import mapped
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Postings:
    """Which rows of an index hold which terms, and how often: one entry for each pair.

    `terms` are distinct, in the order of their UTF-8 bytes. `numbers` (places in `terms`, ascending), `rows` and
    `counts` (1 at least) have shape (m,).
    """

    terms: Sequence[bytes]
    numbers: NDArray[np.int32]
    rows: NDArray[np.int32]
    counts: NDArray[np.unsignedinteger]


def counted(passages: Sequence[Sequence[str]], rows: Sequence[int]) -> Postings:
    """The postings of passages, each given as its terms, repeats among them, that stand in the given rows."""
    numbers: dict[str, int] = {}
    lengths = list(map(len, passages))
    seen = np.fromiter(
        (numbers.setdefault(term, len(numbers)) for term in chain.from_iterable(passages)),
        dtype=np.int64,
        count=sum(lengths),
    )
    # Order of UTF-8 bytes, which is also that of code points, so that a term is found by bisection in the file.
    vocabulary = sorted(numbers)
    ranks = {term: rank for rank, term in enumerate(vocabulary)}
    rank = np.fromiter((ranks[term] for term in numbers), dtype=np.int64, count=len(numbers))
    owners = np.repeat(np.array(rows, dtype=np.int64), lengths)
    stride = max(rows, default=0) + 1
    pairs, counts = np.unique(rank[seen] * stride + owners, return_counts=True)
    return Postings(
        terms=[term.encode() for term in vocabulary],
        numbers=(pairs // stride).astype(np.int32),
        rows=(pairs % stride).astype(np.int32),
        counts=counts.astype(np.uint32),
    )


def write(folder: Path, passages: int, parts: Sequence[Postings]) -> None:
    """Write the index of so many passages, of which no two parts hold the same, into an existing folder.

    Equal postings give equal bytes, in whatever parts they come. The caller flushes the files to the disk.
    """
    vocabulary = sorted({part.terms[number] for part in parts for number in np.unique(part.numbers).tolist()})
    ranks = {term: rank for rank, term in enumerate(vocabulary)}
    stride = max(passages, 1)
    pairs = np.concatenate(
        [np.zeros(0, dtype=np.int64), *(_ranked(part, ranks) * stride + part.rows for part in parts)]
    )
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    counts = np.concatenate([np.zeros(0, dtype=np.uint8), *(part.counts for part in parts)])[order]
    rows = (pairs % stride).astype(np.int32)
    arrays: tuple[NDArray[Any], ...] = (
        np.frombuffer(b"".join(vocabulary), dtype=np.uint8),
        np.cumsum([len(term) for term in vocabulary], dtype=np.int64),
        np.cumsum(np.bincount(pairs // stride, minlength=len(vocabulary)), dtype=np.int64),
        rows,
        counts.astype(np.min_scalar_type(counts.max(initial=0))),
        # Sums of whole numbers, which a double holds exactly.
        np.bincount(rows, weights=counts, minlength=passages).astype(np.int32),
    )
    for name, array in zip(_ARRAYS, arrays, strict=True):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def _ranked(part: Postings, ranks: Mapping[bytes, int]) -> NDArray[np.int64]:
    """The rank of each posting's term."""
    # A term that no row of the next index holds has no rank, and no posting either.
    by_number = np.fromiter((ranks.get(term, -1) for term in part.terms), dtype=np.int64, count=len(part.terms))
    return by_number[part.numbers]


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
            columns = [mapped(folder / f"{name}.npy") for name in _ARRAYS]
        except (OSError, EOFError, ValueError) as error:
            raise _damaged() from error
        self._terms, self._term_ends, self._posting_ends, self._rows, self._counts, self._lengths = columns
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

    def moved(self, rows: NDArray[np.int64]) -> Postings:
        """What this index has to give to the next one, where its row i becomes row `rows[i]`, or goes where that is -1.

        Each row goes to a place of its own.
        """
        numbers = np.repeat(np.arange(len(self._term_ends), dtype=np.int32), np.diff(self._posting_ends, prepend=0))
        places = rows.astype(np.int32)[self._rows]
        stays = places >= 0
        return Postings(
            terms=[self._term(number) for number in range(len(self._term_ends))],
            numbers=numbers[stays],
            rows=places[stays],
            counts=self._counts[stays],
        )

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
