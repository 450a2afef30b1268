"""Hybrid search of one generation, within permits and only there.

Whatever is computed, scores, term statistics, order and evidence, is computed over the rows that the permits open, so
a result is the same to the last bit whether or not other documents exist.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer import lexicon
from indexer.fuse import fuse
from indexer.generation import Generation
from indexer.keyring import KeyId
from policies.model import DocumentId, Permit

CANDIDATES = 100
"""Chosen: how many rows each leg proposes; nDCG@10 does not change beyond 50."""
DEPTH = 10
"""How many of each leg's best the evidence looks at."""
READ = 5
"""Chosen: as many passages as an agent commonly reads. Evidence of what is returned looks at the first so many hits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A redacted query: its unit vector, shape (dim,), float32, and its terms as the lexicon has them.

    `names` are those of its terms that are written like names.
    """

    vector: NDArray[np.float32]
    terms: tuple[str, ...]
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A passage found. `score` orders the hits of one answer and is no probability; it lies between 0 and 1."""

    document: DocumentId
    revision: KeyId
    ordinal: int
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TermEvidence:
    """A term of the query: its weight among what is visible, and whether any of the first READ passages holds it."""

    text: str
    idf: float
    matched: bool
    is_name: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What a confidence can be made of, all of it over what this caller may see.

    `dense` holds the best cosine scores, `lexical` the best BM25 scores over the most any passage could reach, each
    best first and at most `depth` long, `fused` the best scores of both together, at most `depth` + 1. `background` is
    the mean cosine of the candidates behind those, of the last one where there are no more. `dense_rank` is the place,
    from 0, of the first hit among the candidates by meaning, CANDIDATES where it has none. `agreement` is the share of
    the best by meaning that are among the best by words, `coverage_best` the share of the query's term weight that
    one of the first READ passages holds.
    """

    visible: int
    depth: int
    dense: tuple[float, ...]
    lexical: tuple[float, ...]
    fused: tuple[float, ...]
    background: float
    dense_rank: int
    agreement: float
    coverage_best: float
    terms: tuple[TermEvidence, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The hits, best first, and the evidence."""

    hits: tuple[Hit, ...]
    evidence: Evidence


def search(
    generation: Generation, query: Query, *, within: Sequence[Permit], hidden: Collection[DocumentId], k: int
) -> Found:
    """The `k` best passages that the permits open, or all of them where there are fewer.

    Raises:
        IntegrityError: an index returned a passage that no permit opens. Nothing may be answered.
    """
    visible = generation.visible(within, hidden)
    depth = max(k, CANDIDATES)
    dense_rows, dense_scores = generation.vectors.search(query.vector, visible, depth)
    words = generation.lexicon.score(query.terms, visible)
    lexical_rows, lexical_scores = words.top(depth)
    rows = np.union1d(dense_rows, lexical_rows)
    fused = fuse(
        dense=generation.vectors.scores(query.vector, rows), lexical=words.scores(rows), attainable=words.attainable
    )
    order = np.lexsort((rows, -fused))
    best = order[:k]
    hits: list[Hit] = []
    for row, score in zip(rows[best], fused[best], strict=True):
        # The index has been asked for visible rows only; this asks the permits themselves.
        member = generation.check(int(row), within, hidden)
        hits.append(
            Hit(
                document=member.document,
                revision=member.revision,
                ordinal=int(row) - member.start,
                score=float(score),
            )
        )
    first = rows[order[:READ]]
    held = words.matches(first)
    return Found(
        hits=tuple(hits),
        evidence=Evidence(
            visible=sum(last - first for first, last in visible),
            depth=DEPTH,
            dense=tuple(dense_scores[:DEPTH].tolist()),
            lexical=tuple((lexical_scores[:DEPTH] / words.attainable).tolist() if words.attainable else ()),
            fused=tuple(fused[order[: DEPTH + 1]].tolist()),
            background=_background(dense_scores[:CANDIDATES]),
            dense_rank=_rank(dense_rows[:CANDIDATES], first),
            agreement=_agreement(dense_rows[:DEPTH], lexical_rows[:DEPTH]),
            coverage_best=_coverage(words.terms, held),
            terms=tuple(
                TermEvidence(
                    text=term.text,
                    idf=term.idf,
                    matched=bool(held[:, column].any()),
                    is_name=term.text in query.names,
                )
                for column, term in enumerate(words.terms)
            ),
        ),
    )


def _background(dense_scores: NDArray[np.float32]) -> float:
    behind = dense_scores[DEPTH:] if len(dense_scores) > DEPTH else dense_scores[-1:]
    return math.fsum(behind.tolist()) / len(behind) if len(behind) else 0.0


def _rank(dense_rows: NDArray[np.int64], first: NDArray[np.int64]) -> int:
    places = np.flatnonzero(dense_rows == first[0]) if len(first) else first
    return int(places[0]) if len(places) else CANDIDATES


def _agreement(dense: NDArray[np.int64], lexical: NDArray[np.int64]) -> float:
    return len(np.intersect1d(dense, lexical)) / len(dense) if len(dense) else 0.0


def _coverage(terms: Sequence[lexicon.Term], held: NDArray[np.bool_]) -> float:
    weights = np.array([term.idf for term in terms])
    return float((held @ weights).max(initial=0.0) / weights.sum()) if len(terms) else 0.0
