"""One plain spelling of a text for matching, and the way back to its own offsets.

Folded text holds ASCII digits, hyphens and spaces, no accents, no invisible characters, and Latin letters for
Cyrillic and Greek ones that look the same. Folding works character by character, so that a text folds alike
wherever it is cut.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

BLANK = "\ue000"
"""Stands in folded text for what is redacted already. No rule matches it, and no context reaches across it."""
BREAK = "\ue001"
"""Stands between two texts that are scanned together. No rule matches it."""

# Letters that are drawn like Latin ones (the sure ones of Unicode's confusables.txt), and marks.
_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧο" + "‘’ʼ′`´“”−",
    "ABESIJKMHOPCTYXaesijopcyxABEZHIKMNOPTYXo" + "''''''\"\"-",
)
_DROPPED = frozenset({"Cf", "Cc", "Cs", "Co", "Cn", "Mn", "Me"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """A text as it is matched.

    `edits` are the stretches whose length changed, as (start, end, start, end): folded offsets, then the text's own;
    sorted and disjoint.
    """

    text: str
    edits: Sequence[tuple[int, int, int, int]]

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the text itself that became `[start, end)`, which must not be empty."""
        return self._origin(start)[0], self._origin(end - 1)[1]

    def _origin(self, position: int) -> tuple[int, int]:
        index = bisect_right(self.edits, position, key=lambda edit: edit[0]) - 1
        # A dropped character leaves an empty stretch where the next character begins, so look for the last one there.
        if index < 0:
            return position, position + 1
        _, end, own_start, own_end = self.edits[index]
        if position < end:
            return own_start, own_end
        return own_end + position - end, own_end + position - end + 1


def folder(entities: Iterable[str]) -> re.Pattern[str]:
    """What `fold` looks at: characters that are not plain ASCII, and pseudonyms of these entities."""
    names = "|".join(sorted(entities, key=len, reverse=True))
    return re.compile(rf"\[(?:{names})_[a-p]{{20}}\]|[^\t\n -_a-~]")


def fold(text: str, special: re.Pattern[str]) -> Folded:
    """`text` folded; `special` is what `folder` made. A pseudonym becomes one BLANK."""
    parts: list[str] = []
    edits: list[tuple[int, int, int, int]] = []
    done = length = 0
    for match in special.finditer(text):
        start, end = match.span()
        plain = BLANK if end - start > 1 else _fold_character(match.group())
        parts += (text[done:start], plain)
        length += start - done
        if len(plain) != end - start:
            edits.append((length, length + len(plain), start, end))
        length += len(plain)
        done = end
    parts.append(text[done:])
    return Folded(text="".join(parts), edits=edits)


@cache
def _fold_character(character: str) -> str:
    if character.isspace():
        return "\n" if character in "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029" else " "
    match unicodedata.category(character):
        case "Nd":
            return str(unicodedata.digit(character))
        case "No":  # a footnote mark, which is no part of the number before it
            return " "
        case "Pd":
            return "-"
    decomposed = unicodedata.normalize("NFKD", character.translate(_ALIKE))
    return "".join(" " if part.isspace() else part for part in decomposed if unicodedata.category(part) not in _DROPPED)
