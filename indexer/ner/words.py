"""Texts to words, and words to the numbers that the tagger knows them by."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np

from indexer.recognisers.fold import BLANK

WORD_ROWS = 8192
AFFIX_ROWS = 4096
SHAPE_ROWS = 1024
LISTS = ("first", "last", "place", "common")
"""Lists of single words: first names, family names, names of cities and countries; words that are mostly no name."""
REMEMBERED = 200_000
"""Words, so that no text can fill the memory with them."""
LONGEST = 64
"""A longer word is not remembered."""
NEW_LINE = "\n"
_WORDS = re.compile(rf"[^\W\d_]+|\d+(?:[.,:/-]\d+)*|\n|{BLANK}+|[^\w\s{BLANK}]{{4,}}|([^\w\s])\1*|_+")
_MAX_SHAPE = 8
_MARKS = re.compile("[\u0300-\u036f]")

Array = np.ndarray[Any, np.dtype[Any]]


def spans(text: str) -> list[tuple[int, int]]:
    """Where words stand: runs of letters, numbers, what is redacted, line breaks, signs; those that are many as one."""
    return [match.span() for match in _WORDS.finditer(text)]


def folded(word: str) -> str:
    """The spelling under which a word is looked up: small letters without accents, digits alike."""
    if word[0] == BLANK:
        return BLANK
    if word[0].isdigit():
        return "0" * min(len(word), _MAX_SHAPE)
    if word.isascii():
        return word.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", word)).casefold()


def shape(word: str) -> str:
    """How a word looks: `Xxx` for a name, `XX` for an abbreviation; the sign itself where it is no word."""
    if not word[0].isalnum():
        return word[0] + "+" * (len(word) > 1 and word[0] != BLANK)
    if word[0].isdigit():
        return "d" * min(len(word), _MAX_SHAPE)
    if word.islower():
        return "x" * min(len(word), _MAX_SHAPE)
    if word.isupper():
        return "X" * min(len(word), _MAX_SHAPE)
    marks = "".join("X" if letter.isupper() else "x" for letter in word[:_MAX_SHAPE])
    return re.sub("(x)x{2,}", "xx", marks)


def row(kind: str, text: str, rows: int) -> int:
    """A row of a table for a text: the same in every process."""
    return crc32(f"{kind}:{text}".encode(errors="surrogatepass")) % rows


COLUMNS = 7
"""Of a word: two rows of the table of words, one of prefixes, suffixes, shapes, lists; and whether a space precedes."""


@dataclass(slots=True)
class Words:
    """Turns texts into numbers, remembering the words it has seen. `lists` has the words of LISTS, by their hash."""

    lists: tuple[Collection[int], ...]
    _known: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def numbers(self, text: str, places: Sequence[tuple[int, int]]) -> Array:
        """The columns of each word: int32 of shape (words, COLUMNS)."""
        known, rows = self._known, []
        for start, stop in places:
            word = text[start:stop]
            found = known.get(word)
            if found is None:
                if len(known) > REMEMBERED:
                    known.clear()
                found = self._of(word)
                if len(word) <= LONGEST:
                    known[word] = found
            rows.append((*found, int(text[start - 1 : start].isspace())))
        return np.array(rows, np.int32).reshape(len(rows), COLUMNS)

    def _of(self, word: str) -> tuple[int, ...]:
        plain = folded(word)
        of_word = partial(row, text=plain, rows=WORD_ROWS)
        code = crc32(plain.encode(errors="surrogatepass"))
        listed = sum(1 << number for number, words in enumerate(self.lists) if code in words)
        return (
            of_word("w"),
            of_word("v"),
            row("p", plain[:3], AFFIX_ROWS),
            row("s", plain[-3:], AFFIX_ROWS),
            row("h", shape(word), SHAPE_ROWS),
            listed,
        )
