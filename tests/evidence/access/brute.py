"""The best passages by brute force: plain dictionaries over what is visible, one passage after the other."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

K1, B, DELTA, DENSE_WEIGHT, CANDIDATES = 1.2, 0.6, 0.25, 0.55, 100
"""As `indexer.lexicon`, `indexer.fuse` and `indexer.search` document them; written down again, so that a slip shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A passage as the catalog has it. `place` orders equals: class, anchor, document, ordinal."""

    place: tuple[str, int, str, int]
    vector: NDArray[np.float32]
    counts: Counter[str]

    @property
    def name(self) -> tuple[str, int]:
        """Document and ordinal."""
        return self.place[2], self.place[3]


@dataclass(frozen=True, kw_only=True, slots=True)
class Best:
    """Document, ordinal and score of the best, best first; and the weight of each distinct term of the query."""

    hits: tuple[tuple[str, int, float], ...]
    weights: tuple[float, ...]


def best(
    passages: Sequence[Passage], vector: NDArray[np.float32], terms: Sequence[str], k: int, *, all_of_them: bool
) -> Best:
    """The best `k` of these passages; among all of them, or as documented among the candidates of each leg."""
    cosines = [float(np.einsum("i,i->", passage.vector, vector)) for passage in passages]
    words, weights = _words(passages, list(dict.fromkeys(terms)))
    attainable = (1 + DELTA) * math.fsum(weights)
    scores = [min(max(_fused(cosine, word, attainable), 0.0), 1.0) for cosine, word in zip(cosines, words, strict=True)]
    ranks = range(len(passages))
    among: set[int] = set(ranks)
    if not all_of_them:
        depth = max(k, CANDIDATES)
        by_meaning = sorted(ranks, key=lambda rank: (-cosines[rank], passages[rank].place))
        by_words = sorted((r for r in ranks if words[r] > 0), key=lambda rank: (-words[rank], passages[rank].place))
        among = {*by_meaning[:depth], *by_words[:depth]}
    ordered = sorted(among, key=lambda rank: (-scores[rank], passages[rank].place))
    return Best(hits=tuple((*passages[rank].name, scores[rank]) for rank in ordered[:k]), weights=tuple(weights))


def exact(passage: Passage, vector: NDArray[np.float32]) -> float:
    """The cosine as it would be with no rounding between the products."""
    return math.fsum(float(one) * float(other) for one, other in zip(passage.vector, vector, strict=True))


def _fused(cosine: float, words: float, attainable: float) -> float:
    share = words / attainable if attainable else 0.0
    return DENSE_WEIGHT * ((1 + cosine) / 2) + (1 - DENSE_WEIGHT) * share


def _words(passages: Sequence[Passage], terms: Sequence[str]) -> tuple[list[float], list[float]]:
    """BM25+ of every passage, and the weight of every term."""
    scores, weights = [0.0] * len(passages), []
    lengths = [passage.counts.total() for passage in passages]
    per_term = K1 * B * len(passages) / max(sum(lengths), 1)
    for term in terms:
        frequencies = [passage.counts.get(term, 0) for passage in passages]
        holders = sum(frequency > 0 for frequency in frequencies)
        weight = math.log1p((len(passages) - holders + 0.5) / (holders + 0.5))
        weights.append(weight)
        for rank, frequency in enumerate(frequencies):
            if frequency:
                norm = K1 * (1 - B) + per_term * lengths[rank]
                scores[rank] += weight * (frequency / (frequency + norm) + DELTA)
    return scores, weights
