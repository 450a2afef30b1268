"""What a rule is: a shape, a check, a context; and where it finds its entity in folded text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from indexer.recognisers.fold import BLANK

LEFT = r"(?<![0-9A-Za-z])"
"""No letter or digit before. Not `\\b`, for which the underscores of file names and column names are letters."""
RIGHT = r"(?![0-9A-Za-z])"
"""No letter or digit after."""

DIGIT = re.compile(r"[0-9](?<![0-9A-Za-z].)")
"""Where a value may begin that begins with a digit."""
NUMBER = re.compile(rf"{DIGIT.pattern}(?=(?:[ .()/-]{{0,3}}[0-9ABab]){{7}})")
"""Where a value may begin that begins with a digit and has eight or more; A and B are Corsica's."""
MIXED = re.compile(r"[A-Za-z](?<![0-9A-Za-z].)(?=[A-Za-z]{0,4}[ \n.-]{0,2}[0-9])")
"""Where a value may begin that begins with at most five letters, and a digit soon after."""
CODE = re.compile(r"[0-9A-Z](?<![0-9A-Za-z].)(?=[0-9A-Z-]{8})")
"""Where a value may begin that is nine or more capitals and digits in a row."""
CAPITAL = re.compile(r"[A-Z](?<![0-9A-Za-z].)")
"""Where a value may begin that begins with a capital."""

CHECKED = 1.0
"""Score of what a checksum confirms."""
IN_CONTEXT = 0.9
"""Score of what stands after words that announce it."""
DISTINCT = 0.8
"""Score of a shape that ordinary text does not have."""
COMMON = 0.6
"""Score of a shape that ordinary text does have, where a profile wants it all the same."""

REACH_CHARACTERS = 50  # chosen, not tuned: about eight words
LONGEST_CHARACTERS = 128
"""No value that needs context is longer."""


class Hit(NamedTuple):
    """A stretch of folded text that holds an entity, and how sure that is."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Words that announce a value.

    `pattern` is for lower case. Each of its matches holds one of `words`, which begins at most `before` characters
    after it does, and is at most `longest` characters long.
    """

    pattern: re.Pattern[str]
    words: tuple[str, ...]
    before: int
    longest: int

    def find(self, text: str) -> Iterator[re.Match[str]]:
        """Every place in `text` where a value is announced."""
        lowered = lower(text)  # looking for words in it is several times faster than the pattern, tried beside them
        end = 0
        for place in sorted(place for word in self.words for place in _occurrences(lowered, word)):
            start, stop = max(end, place - self.before), place + self.longest + 1
            if place >= end and (match := self.pattern.search(lowered, start, stop)) and match.start() <= place:
                yield match
                end = match.end()


def _occurrences(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


@lru_cache(maxsize=5)  # one text is given to many rules in a row
def _places(first: re.Pattern[str], text: str) -> list[int]:
    return [match.start() for match in first.finditer(text)]


@lru_cache(maxsize=1)
def lower(text: str) -> str:
    """`text` in lower case, character by character."""
    return "".join(map(_lower, text)) if "\u0130" in text else text.lower()


def _lower(character: str) -> str:
    return "i" if character == "\u0130" else character.lower()  # the one that is two characters in lower case


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A shape that stands for an entity.

    The value is the group that matched where the pattern has groups, else the whole match. `check` is given the value
    in capitals without anything but letters and digits. With a `context`, only what follows it within
    REACH_CHARACTERS counts, and each value found carries the reach on, as in a list or a column. `gate` is cheaper
    than the pattern and found in every text in which the pattern is; so is one of `words` in its lower case, where
    there are any. With a `first`, which many rules share, the pattern is tried only where that is found.
    """

    entity: str
    pattern: re.Pattern[str]
    score: float
    check: Callable[[str], bool] | None = None
    context: Context | None = None
    gate: re.Pattern[str] | None = None
    words: tuple[str, ...] = ()
    first: re.Pattern[str] | None = None

    def find(self, text: str) -> Iterator[Hit]:
        """Every value in `text`, from left to right, disjoint."""
        if self.gate and not self.gate.search(text):
            return
        if self.words and not any(word in lower(text) for word in self.words):
            return
        if self.context is None:
            yield from self._scan(text, 0, len(text)) if self.first is None else self._try(text, self.first)
            return
        reached = 0
        for announced in self.context.find(text):
            position = max(announced.end(), reached)
            while (hit := next(self._within_reach(text, position), None)) is not None:
                yield hit
                position = hit.end
            reached = position

    def _try(self, text: str, first: re.Pattern[str]) -> Iterator[Hit]:
        position = 0
        for place in _places(first, text):
            if place >= position and (match := self.pattern.match(text, place)) is not None:
                start, end = match.span(match.lastindex or 0)
                if self.check is None or self.check(compact(text[start:end])):
                    yield Hit(start, end, self.score)
                    position = max(end, match.end())

    def _within_reach(self, text: str, position: int) -> Iterator[Hit]:
        stop = min(len(text), position + REACH_CHARACTERS + LONGEST_CHARACTERS)
        if (barrier := text.find(BLANK, position, stop)) != -1:
            stop = barrier
        for hit in self._scan(text, position, stop):
            if hit.start - position > REACH_CHARACTERS:
                return
            yield hit

    def _scan(self, text: str, position: int, stop: int) -> Iterator[Hit]:
        while (match := self.pattern.search(text, position, stop)) is not None:
            start, end = match.span(match.lastindex or 0)
            if self.check is None or self.check(compact(text[start:end])):
                yield Hit(start, end, self.score)
                position = max(end, match.end())
            else:  # the value may begin inside what looked like one
                position = match.start() + 1


def compact(value: str) -> str:
    """`value` in capitals without anything but letters and digits."""
    return re.sub(r"[^0-9A-Z]", "", value.upper())


def shape(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """A pattern with no letter or digit on either side of it."""
    return re.compile(f"{LEFT}(?:{pattern}){RIGHT}", re.ASCII | (re.IGNORECASE if ignore_case else 0))


def context(*phrases: str) -> Context:
    """Any of these phrases, given in lower case without accents; a space stands for `-`, `_` and `.` too."""
    # Each begins with a letter of its own, not with a look behind it: re skips what begins with none of these letters.
    either = "|".join(
        rf"{phrase[0]}(?<![0-9a-z]{phrase[0]}){re.escape(phrase[1:])}".replace(r"\ ", r"[\s._-]{1,3}")
        for phrase in phrases
    )
    words = [max(phrase.split(), key=len) for phrase in phrases]
    return Context(
        pattern=re.compile(rf"(?:{either})s?(?![a-z])", re.ASCII),
        words=tuple(set(words)),
        before=max(map(_longest, (phrase[: phrase.index(word)] for phrase, word in zip(phrases, words, strict=True)))),
        longest=max(map(_longest, phrases)) + len("s"),
    )


def _longest(phrase: str) -> int:
    """Of how many characters a phrase is at most, where a space is up to three."""
    return len(phrase) + 2 * phrase.count(" ")


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0  # noqa: PLR2004 — decimal digits
