"""Strings that a source's policy leaves as they are."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from indexer.recognisers.fold import fold, folder

_PLAIN = folder(())
_EXACT = "SECRET"
"""The kind whose other signs count: a password goes on after its last letter."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Looks for strings in folded text. Each has a word that is in every text in which it is found."""

    entries: tuple[tuple[str, re.Pattern[str]], ...]

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """The strings, folded. Letter case and the kind of white space do not count; words are whole."""
        return cls(tuple(map(_entry, entries)))

    def spare(self, text: str, spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
        """The spans but for those of which every letter and digit, of a secret every sign, is in one allowed string."""
        if not spans or not self.entries:
            return list(spans)
        places = list(self._find(text))
        return [span for span in spans if not _is_covered(text, span, places)]

    def _find(self, text: str) -> Iterator[tuple[int, int]]:
        lowered = text.lower()
        for word, pattern in self.entries:
            if word in lowered:
                yield from (match.span() for match in pattern.finditer(text))


def _entry(entry: str) -> tuple[str, re.Pattern[str]]:
    words = fold(entry, _PLAIN).text.split()
    plain = r"\s{1,3}".join(map(re.escape, words))
    pattern = re.compile(rf"(?<![^\W_]){plain}(?![^\W_])", re.IGNORECASE)
    return max(words, key=len).lower(), pattern


def _is_covered(text: str, span: tuple[int, int, str], places: Iterable[tuple[int, int]]) -> bool:
    start, end, entity = span
    while entity != _EXACT and start < end and not text[start].isalnum():
        start += 1
    while entity != _EXACT and start < end and not text[end - 1].isalnum():
        end -= 1
    return start < end and any(first <= start and end <= last for first, last in places)
