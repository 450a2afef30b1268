"""What the tagger reads in a text, and what was found in one place looked for in the others."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from indexer.ner.tagger import Name, Tagger
from indexer.ner.words import folded

LEAST: Mapping[str, float] = MappingProxyType({"PERSON": 0.15, "LOCATION": 0.5, "ORGANIZATION": 0.5, "ADDRESS": 0.5})
"""The probability from which a word is part of a name. Chosen: to miss a name costs more than a word too many."""
_BETWEEN = re.compile(r"[ _'-]| [A-Z]\. ")
_PART = re.compile(r"(?<![^\W\d_])[^\W\d_]{3,}(?![^\W\d_])")


def read(tagger: Tagger, text: str, entities: Iterable[str]) -> Iterator[Name]:
    """People, places, organisations and postal addresses in a text, those of these entities, less a genitive's 's."""
    least = {entity: LEAST[entity] for entity in entities if entity in LEAST}
    for name in tagger.names(text, least=least):
        end = name.end - 2 * text.endswith("'s", name.start, name.end)
        if end > name.start:
            yield replace(name, end=end)


@dataclass(frozen=True, slots=True)
class Known:
    """Names of people that were found in a document, word by word."""

    tagger: Tagger
    _parts: set[str] = field(default_factory=set)

    def add(self, names: Iterable[str]) -> None:
        """Remember names, as folded text has them."""
        for name in names:
            words = _PART.findall(name)
            self._parts.update(
                folded(word) for word in words if word[0].isupper() and self.tagger.is_sure(word, alone=len(words) == 1)
            )

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Where words of the names stand in folded text."""
        if not self._parts:
            return
        start = end = 0
        for word in _PART.finditer(text):
            if not word.group()[0].isupper() or folded(word.group()) not in self._parts:
                continue
            if start < end and _BETWEEN.fullmatch(text, end, word.start()):
                end = word.end()
                continue
            if start < end:
                yield start, end
            start, end = word.span()
        if start < end:
            yield start, end
