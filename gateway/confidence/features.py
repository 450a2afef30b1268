"""What a confidence is made of: features of one result, computed from what this caller may see and from nothing else.

Most come out of the search; three are read in the first passages themselves, where the words of a question that stand
together in one sentence say more than the same words spread over a page.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import filterfalse, pairwise
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
    """What the first passages hold of the query's weight, from 0 to the whole of it.

    `sentence` is of the best sentence of the first, `margin` how far the best two in a row, with their heading, stand
    above those of the next passage, `heading` of the best heading.
    """

    sentence: float = 0.0
    margin: float = 0.0
    heading: float = 0.0


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
        read.sentence / total if total else 0.0,
        read.margin / total if total else 0.0,
        read.heading / total if total else 0.0,
        math.log1p(len(weights)),
    )


def _held(asked: Sequence[TermEvidence]) -> float:
    total = sum(term.idf for term in asked)
    return sum(term.idf for term in asked if term.matched) / total if total else 1.0


def _read(asked: Sequence[TermEvidence], passages: Sequence[PassageText], languages: Sequence[str]) -> _Read:
    if not passages:
        return _Read()
    texts = [_Text(passage.text) for passage in passages]
    headings = [_Text(passage.heading) for passage in passages]
    words = set[str]().union(*(text.words for text in (*texts, *headings)))
    reader = _Reader(asked, words, tuple(languages))
    told = [reader.held(heading) for heading in headings]
    most = [reader.most(text, heading) for text, heading in zip(texts, told, strict=True)]
    first, *others = range(len(passages))
    sentence, pair = reader.best(texts[first], told[first])
    pairs = [0.0, pair] if others else [pair, pair]
    # Cutting sentences costs the most: a passage that all in all holds no more than the second best is not cut.
    for place in sorted(others, key=lambda place: -most[place]):
        if most[place] > pairs[0]:
            pairs = sorted([*pairs, reader.best(texts[place], told[place])[1]])[1:]
    return _Read(sentence=sentence, margin=pairs[1] - pairs[0], heading=max(map(reader.weight, told)))


class _Text:
    """A text with its words in lower case, without the commonest marks behind them."""

    def __init__(self, text: str) -> None:
        self.text = text
        # As long as the text: İ is the one letter that becomes two.
        self._lower = text.replace("İ", "I").lower().replace(", ", "  ").replace(". ", "  ")
        self.words = frozenset(self._lower.split())

    def sentences(self) -> list[tuple[str, Sequence[str]]]:
        """Its sentences, each with its words."""
        return [(self.text[start:end], self._lower[start:end].split()) for start, end in sentences(self.text)]


class _Reader:
    """Reads texts made of these words for the terms asked for: a number with a bit for each that a text holds."""

    def __init__(self, asked: Sequence[TermEvidence], words: AbstractSet[str], languages: tuple[str, ...]) -> None:
        self._asked = asked
        self._languages = languages
        self._bits = {term.text: 1 << place for place, term in enumerate(asked)}
        self._weights: dict[int, float] = {}
        # A number with a space in it is one term of two words, and no word for itself.
        self._spaced = any(map(str.isdecimal, "".join(self._bits)))
        # Only words that begin like a term are stemmed: stemming the others costs the most by far.
        found = {word: self._holding(_word_terms(word, languages)) for word in _beginning(words, self._bits)}
        self._telling = {word: held for word, held in found.items() if held}

    def held(self, text: _Text) -> int:
        """What a text holds."""
        return self._held(text.text, text.words)

    def most(self, text: _Text, heading: int) -> float:
        """The weight that no sentences of a text go over with what its heading holds."""
        if self._spaced and _SPACED_NUMBER.search(text.text):
            return math.inf
        return self.weight(self._told(text.words) | heading)

    def best(self, text: _Text, heading: int) -> tuple[float, float]:
        """The weight of the best sentence of a text, and of the best two in a row with what its heading holds."""
        singles = [self._held(sentence, words) for sentence, words in text.sentences()]
        pairs = {left | right | heading for left, right in pairwise(singles)} or {singles[0] | heading}
        return max(map(self.weight, set(singles))), max(map(self.weight, pairs))

    def weight(self, held: int) -> float:
        """What the terms held weigh together."""
        if held not in self._weights:
            # In the order of the query, so that equal sets give equal sums.
            self._weights[held] = sum([term.idf for place, term in enumerate(self._asked) if held >> place & 1])
        return self._weights[held]

    def _held(self, text: str, words: Iterable[str]) -> int:
        if self._spaced and _SPACED_NUMBER.search(text):
            return self._holding(terms(text, self._languages))
        return self._told(words)

    def _told(self, words: Iterable[str]) -> int:
        held = 0
        for word in self._telling.keys() & words:
            held |= self._telling[word]
        return held

    def _holding(self, found: Iterable[str]) -> int:
        return reduce(or_, [self._bits.get(term, 0) for term in found], 0)


@lru_cache(maxsize=1 << 14)
def _word_terms(word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(terms(word, languages))


def _beginning(words: AbstractSet[str], asked: Iterable[str]) -> list[str]:
    """The words that may hold one of these terms, by how they begin."""
    starts = frozenset(start for term in asked for start in _starts(term))
    shortest = {start[:_SHORT] for start in starts}
    found = [word for word in words if word[:_SHORT] in shortest]
    found = [word for word in found if word[:_LONG] in starts or word[:_SHORT] in starts]
    # Nearly every word is of plain letters, which is told of all of them at once.
    odd = set(filterfalse(str.isalpha, words))
    if not "".join(words).isascii():
        odd.update(filterfalse(str.isascii, words))
    return [*found, *(word for word in odd.difference(found) if _has_part(word, starts))]


def _has_part(word: str, starts: AbstractSet[str]) -> bool:
    # Numbers and accents are written in several ways, and a word may hold several terms.
    return any(
        not (run.isascii() and run.isalpha()) or run[:_LONG] in starts or run[:_SHORT] in starts
        for run in _RUNS.findall(word)
    )


def _starts(term: str) -> tuple[str, str]:
    """How the words of a term may begin: a stem keeps so much of a word, but that "dying" becomes "die"."""
    start = term[: _SHORT if len(term) <= _LONG else _LONG]
    return start, start.replace("i", "y")
