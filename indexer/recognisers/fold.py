"""One plain spelling of a text for matching, and the way back to its own offsets.

Folded text holds ASCII digits, hyphens and spaces, no accents, no invisible characters, and Latin letters for
Cyrillic and Greek ones that look the same. Folding works character by character, so that a text folds alike
wherever it is cut.
"""

import html
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
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухԁһӀӏԛԝԚԜҮѴѵ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρϲϳϹ" + "օսհՏ" + "ɡɑı" + "‘’ʼ′`´“”−\u2800",
    "ABESIJKMHOPCTYXaesijopcyxdhIlqwQWYVv" + "ABEZHIKMNOPTYXovpcjC" + "ouhS" + "gai" + "''''''\"\"- ",
)
_DROPPED = frozenset({"Cf", "Cc", "Cs", "Co", "Cn", "Mn", "Me"})
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters to Unicode, nothing to the eye."""
# As texts hold them that were taken out of a page badly.
_ESCAPE = r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#\d{2,7}|#[xX][0-9a-fA-F]{2,6});"
_RAISED = r"[⁰¹²³⁴-⁹₀-₉①-⑨⓪]{4,}"  # fewer are footnote marks


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

    def spelt(self, own: str) -> str:
        """The text, which is `own` unfolded, with its accents and its script, as long as the folded one."""
        parts: list[str] = []
        done = 0
        for start, end, own_start, own_end in self.edits:
            parts += (own[done:own_start], self.text[start:end])
            done = own_end
        return "".join((*parts, own[done:]))

    def _origin(self, position: int) -> tuple[int, int]:
        index = bisect_right(self.edits, position, key=lambda edit: edit[0]) - 1
        # A dropped character leaves an empty stretch where the next character begins, so look for the last one there.
        if index < 0:
            return position, position + 1
        _, end, own_start, own_end = self.edits[index]
        if position < end:
            return own_start, own_end
        return own_end + position - end, own_end + position - end + 1


def folder(entities: Iterable[str], *, traces: Iterable[str] = ()) -> re.Pattern[str]:
    """What `fold` looks at: characters that are not plain ASCII, HTML's escapes, and what took the place of values.

    That is a pseudonym of one of these entities, and where `traces` says so what `opaque` and `mask` leave behind.
    """
    names = "|".join(sorted(entities, key=len, reverse=True))
    letters = "(?:_[a-p]{20})?" if "opaque" in traces else "_[a-p]{20}"
    masks = r"\*{4,}(?:[0-9]{4}(?![0-9A-Za-z*]))?|" if "mask" in traces else ""
    return re.compile(rf"\[(?:{names}){letters}\]|{masks}{_ESCAPE}|{_RAISED}|[^\t\n -_a-~]")


def fold(text: str, special: re.Pattern[str]) -> Folded:
    """`text` folded; `special` is what `folder` made. What is redacted already becomes one BLANK."""
    parts: list[str] = []
    edits: list[tuple[int, int, int, int]] = []
    done = length = 0
    for match in special.finditer(text):
        start, end = match.span()
        plain = _fold_special(match.group())
        parts += (text[done:start], plain)
        length += start - done
        if len(plain) != end - start:
            edits.append((length, length + len(plain), start, end))
        length += len(plain)
        done = end
    parts.append(text[done:])
    return Folded(text="".join(parts), edits=edits)


def _fold_special(found: str) -> str:
    if len(found) == 1:
        return _fold_character(found)
    if found.startswith(("[", "*")):
        return BLANK
    if found.startswith("&"):
        return "".join(map(_fold_character, html.unescape(found)))
    return "".join(str(unicodedata.digit(character)) for character in found)


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
    seen = (part for part in decomposed if part not in _FILLERS and unicodedata.category(part) not in _DROPPED)
    return "".join(" " if part.isspace() else part for part in seen)
