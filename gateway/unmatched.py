"""The words of a query that found nothing: what a person needs to ask better, or to know what is missing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from gateway.answer import MOST_UNMATCHED
from indexer.analyse import terms
from indexer.redact import PSEUDONYM
from indexer.search import TermEvidence

_AROUND = " \t\n.,;:!?\"'’“”«»()"
"""What stands around a word and is no part of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sought:
    """What one source was asked: the query as it was redacted for it, and its terms as they were weighed there."""

    wording: str
    weighed: Sequence[TermEvidence]
    languages: Sequence[str]


def unmatched_terms(sought: Iterable[Sought]) -> tuple[str, ...]:
    """The words of the query that the first passages of none of these sources hold, MOST_UNMATCHED at most.

    A word is found where one of its terms is: "E-214" has three.
    """
    found: dict[str, bool] = {}
    for one in sought:
        matched, weighed = {term.text for term in one.weighed if term.matched}, {term.text for term in one.weighed}
        for word in one.wording.split():
            of_word = weighed.intersection(terms(word, one.languages))
            if of_word:
                name = word.strip(_AROUND) or word
                found[name] = found.get(name, False) or not matched.isdisjoint(of_word)
    # Without what tells one pseudonym from another: whose it is, an answer need not teach.
    missing = dict.fromkeys(PSEUDONYM.sub(r"[\1]", word) for word, is_found in found.items() if not is_found)
    return tuple(islice(missing, MOST_UNMATCHED))
