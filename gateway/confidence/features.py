"""What a confidence is made of: features of one result, computed from what this caller may see and from nothing else.

Most come out of the search; three are read in the first passages themselves, where the words of a question that stand
together in one sentence say more than the same words spread over a page.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import reduce
from itertools import chain, pairwise
from operator import or_

from indexer.analyse import terms
from indexer.content import PassageText
from indexer.search import Evidence, TermEvidence
from indexer.sentences import sentences

FEATURES: Mapping[str, str] = {
    "dense_top": "cosine of the best passage by meaning, -1 to 1",
    "dense_margin": "how far it stands above the tenth, 0 to 2",
    "dense_lift": "how far it stands above the mean of the eleventh to the hundredth, 0 to 2",
    "dense_rank": "one over one plus the place of the first passage returned among the best by meaning, 0 to 1",
    "lexical_top": "BM25 of the best passage by words over the most any passage could reach, 0 to 1",
    "lexical_margin": "how far it stands above the tenth, 0 to 1",
    "fused_margin": "how far the first passage's score, of meaning and words, stands above the eleventh's, 0 to 1",
    "agreement": "share of the ten best by meaning that are among the ten best by words, 0 to 1",
    "coverage_best": "share of the query's weight in words that one returned passage holds, 0 to 1",
    "coverage_all": "share of the query's weight in words that the returned passages hold together, 0 to 1",
    "rarest_missing": "weight of the rarest word that no returned passage holds over the heaviest word's, 0 to 1",
    "names_held": "share of the weight of words written like names that is held, 0 to 1; 1 without such words",
    "numbers_held": "share of the words with a digit that are held, 0 to 1; 1 without such words",
    "sentence_top": "share of the query's weight in words that one sentence of the first passage holds, 0 to 1",
    "sentence_margin": "how far the best passage stands above the next by the words that its heading and two sentences "
    "in a row hold, 0 to 1",
    "heading_top": "share of the query's weight in words that one passage's heading holds, 0 to 1",
    "length": "natural logarithm of one plus the number of words that count",
}
"""The features of this schema with their range, in the order a model's coefficients have. "Returned" are the first
READ passages, however many were asked for."""
SIGNS: Mapping[str, int] = dict.fromkeys(FEATURES, 1) | {"rarest_missing": -1, "heading_top": 0, "length": 0}
"""Which way a feature may move a confidence, all others alike: 1 up, -1 down, 0 either. A match of the heading speaks
for the topic, so that the same match of the passage says less of the answer."""
SCHEMA = 2
_RUNS = re.compile(r"\w+")
_SHORT, _LONG = 2, 3
_SPACED_NUMBER = re.compile(r"\d\s\d")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """What one passage holds of the query's weight: best sentence, best two in a row with the heading, heading.

    From 0 to the whole weight.
    """

    sentence: float
    pair: float
    heading: float


def features(evidence: Evidence, passages: Sequence[PassageText], languages: Sequence[str]) -> tuple[float, ...]:
    """The features of one query, in the order of FEATURES. An empty result gives the worst.

    `passages` are the first READ that were found, best first, or all where there are fewer; `languages` those of their
    index.
    """
    dense, lexical, fused = evidence.dense, evidence.lexical, evidence.fused
    weights = [term.idf for term in evidence.terms]
    total = sum(weights)
    missing = [term.idf for term in evidence.terms if not term.matched]
    read = _read(evidence.terms, passages, languages)
    pairs = sorted((one.pair for one in read), reverse=True)
    return (
        dense[0] if dense else 0.0,
        dense[0] - dense[-1] if dense else 0.0,
        max(0.0, dense[0] - evidence.background) if dense else 0.0,
        1.0 / (1 + evidence.dense_rank),
        lexical[0] if lexical else 0.0,
        lexical[0] - (lexical[-1] if len(lexical) == evidence.depth else 0.0) if lexical else 0.0,
        fused[0] - fused[-1] if fused else 0.0,
        evidence.agreement,
        evidence.coverage_best,
        1.0 - sum(missing) / total if total else 0.0,
        max(missing, default=0.0) / max(weights) if total else 1.0,
        _held([term for term in evidence.terms if term.is_name]),
        _held([term for term in evidence.terms if any(map(str.isdecimal, term.text)) and not term.is_name]),
        read[0].sentence / total if read and total else 0.0,
        (pairs[0] - pairs[1]) / total if len(pairs) > 1 and total else 0.0,
        max((one.heading for one in read), default=0.0) / total if total else 0.0,
        math.log1p(len(weights)),
    )


def _held(asked: Sequence[TermEvidence]) -> float:
    total = sum(term.idf for term in asked)
    return sum(term.idf for term in asked if term.matched) / total if total else 1.0


def _read(asked: Sequence[TermEvidence], passages: Sequence[PassageText], languages: Sequence[str]) -> list[_Read]:
    cut = [[passage.text[start:end] for start, end in sentences(passage.text)] for passage in passages]
    held = _held_by({*chain.from_iterable(cut), *(passage.heading for passage in passages)}, asked, languages)
    weights: dict[int, float] = {}

    def weight(terms_held: int) -> float:
        if terms_held not in weights:
            # In the order of the query, so that equal sets give equal sums.
            weights[terms_held] = sum([term.idf for place, term in enumerate(asked) if terms_held >> place & 1])
        return weights[terms_held]

    read = []
    for passage, texts in zip(passages, cut, strict=True):
        heading = held[passage.heading]
        singles = [held[text] for text in texts]
        pairs = [left | right | heading for left, right in pairwise(singles)] or [singles[0] | heading]
        read.append(_Read(sentence=max(map(weight, singles)), pair=max(map(weight, pairs)), heading=weight(heading)))
    return read


def _held_by(texts: Collection[str], asked: Sequence[TermEvidence], languages: Sequence[str]) -> dict[str, int]:
    """Which of the terms asked for each text holds: a number with a bit for each."""
    bits = {term.text: 1 << place for place, term in enumerate(asked)}

    def holding(text: str) -> int:
        return reduce(or_, [bits.get(term, 0) for term in terms(text, languages)], 0)

    split = {text: _words(text) for text in texts}
    starts = frozenset(start for text in bits for start in _starts(text))
    # Only words that begin like a term are stemmed: stemming the others costs the most by far.
    found = {word: holding(word) for word in set[str]().union(*split.values()) if _may_begin(word, starts)}
    telling = {word: held for word, held in found.items() if held}
    return {
        # A number with a space in it is one term of two words.
        text: holding(text)
        if _SPACED_NUMBER.search(text)
        else reduce(or_, [telling[word] for word in telling.keys() & words], 0)
        for text, words in split.items()
    }


def _words(text: str) -> list[str]:
    """The words of a text in lower case, without the commonest marks behind them."""
    return text.casefold().replace(", ", " ").replace(". ", " ").split()


def _may_begin(word: str, starts: AbstractSet[str]) -> bool:
    if word[:_LONG] in starts or word[:_SHORT] in starts:
        return True
    if word.isalpha() and word.isascii():
        return False
    # Numbers and accents are written in several ways, and a word may hold several terms.
    return any(
        not (run.isascii() and run.isalpha()) or run[:_LONG] in starts or run[:_SHORT] in starts
        for run in _RUNS.findall(word)
    )


def _starts(term: str) -> tuple[str, str]:
    """How the words of a term may begin: a stem keeps so much of a word, but that "dying" becomes "die"."""
    start = term[: _SHORT if len(term) <= _LONG else _LONG]
    return start, start.replace("i", "y")
