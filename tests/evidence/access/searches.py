"""Searches end to end, each beside brute force over what the oracle says is visible."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from gateway.lookup import Opened
from indexer.analyse import terms
from indexer.search import Query, search
from indexer.shelf import Shelf
from tests.evidence.access.brute import CANDIDATES, best
from tests.evidence.access.library import Library, library
from tests.fakes import HashEmbedder

OF_EACH = 1250
DOCUMENTS = (30, 90, 300)
"""So many searches of each library, of one of these sizes."""
SHOWN = 5


@dataclass(kw_only=True, slots=True)
class Tally:
    """What was compared, and every way of differing."""

    searches: int = 0
    libraries: int = 0
    with_hits: int = 0
    hits: int = 0
    passages: int = 0
    other_documents: int = 0
    other_scores: int = 0
    other_statistics: int = 0
    beyond_candidates: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Take in what somebody else counted."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        del self.examples[SHOWN:]

    def differ(self, what: str) -> None:
        """Keep an example."""
        if len(self.examples) < SHOWN:
            self.examples.append(what)


def searched(searches: int, seed: int, *, documents: Sequence[int] = DOCUMENTS, of_each: int = OF_EACH) -> Tally:
    """So many searches of libraries that are drawn anew after `of_each`."""
    chance, tally = Random(seed), Tally()  # noqa: S311 - a repeatable run, not a secret
    while tally.searches < searches:
        with library(chance, documents=chance.choice(documents)) as drawn:
            tally.libraries += 1
            shelf = drawn.shelf()
            for _ in range(min(of_each, searches - tally.searches)):
                _compare(drawn, chance, tally, shelf)
    return tally


def _compare(drawn: Library, chance: Random, tally: Tally, shelf: Shelf) -> None:
    case, text, k = drawn.case(), drawn.query(), chance.choice((1, 3, 10, 10, 50))
    query = Query(vector=HashEmbedder().embed_query(text), terms=tuple(terms(text, drawn.languages)))
    opened = drawn.opened(case, shelf)
    visible = drawn.visible(case)
    tally.searches += 1
    tally.passages += len(visible)
    right = best(visible, query.vector, query.terms, k, all_of_them=False)
    if not isinstance(opened, Opened):
        if visible:
            tally.other_documents += 1
            tally.differ(f"{opened} where {len(visible)} passages are visible: {case} {drawn.world.manifest}")
        return
    found = search(opened.generation, query, within=opened.permits, hidden=opened.hidden, k=k)
    hits = tuple((str(hit.document), hit.ordinal, hit.score) for hit in found.hits)
    tally.with_hits += bool(hits)
    tally.hits += len(hits)
    if [hit[:2] for hit in hits] != [hit[:2] for hit in right.hits]:
        tally.other_documents += 1
        tally.differ(f"other passages: {hits} where {right.hits} are best for {text!r}")
    elif hits != right.hits:
        tally.other_scores += 1
        tally.differ(f"other scores: {hits} where {right.hits} are right for {text!r}")
    if visible:
        weights = tuple(term.idf for term in found.evidence.terms)
        tally.other_statistics += (found.evidence.visible, weights) != (len(visible), right.weights)
        if len(visible) > CANDIDATES:
            whole = best(visible, query.vector, query.terms, k, all_of_them=True)
            tally.beyond_candidates += whole.hits != right.hits
    elif found.evidence.visible:
        tally.other_statistics += 1
