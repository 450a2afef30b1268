"""A redacted document cut into passages that the embedding model reads whole."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

from indexer.formats.elements import Element
from indexer.sentences import SPACE, sentences
from indexer.versions import code_version

TokenCounter: TypeAlias = Callable[[Sequence[str]], Sequence[int]]
"""Texts to their numbers of tokens, in the same order, special tokens left out."""

SPECIAL_TOKENS: Final = 2
SHORT_TOKENS: Final = 40
"""A passage below this retrieves badly, and a section below this may join any neighbour (chosen)."""
CHARS_PER_TOKEN: Final = 16
"""No text counts fewer tokens than one for so many characters: to the model 50,000 letters without a space are one
unknown word, but a passage must stay readable. English has 4 to 5 (chosen)."""

_SEPARATOR = "\n\n"
_ARROW = " › "

# What a cut or its absence costs, in units of which another passage costs ten (chosen: see tests/indexer).
_PASSAGE = 10
_CUT_AT_ELEMENT = 2
_CUT_AT_ROW = 3
_CUT_AT_SENTENCE = 6
_CUT_IN_SENTENCE = 15
_CUT_UNDER_TITLE = 20
_JOIN_SIBLINGS = 2
_JOIN_SHORT = 4
_JOIN_APART = 25

_SPACES = re.compile(rf"[{SPACE}]+")
_PSEUDONYM = re.compile(r"\[[A-Z][A-Z0-9_]{1,80}(?:_[0-9a-z]{1,80})?\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A stretch of a redacted document.

    `text` is `document_text(elements)[start:end]`, neither blank nor padded. `heading` names the document and the
    sections above, "" where there are none; what `text` begins with is not repeated in it. `ordinal` counts from 0,
    `page` is the page `text` begins on and `section` the title of the section it begins in, None where unknown.
    """

    text: str
    heading: str
    ordinal: int
    page: int | None
    section: str | None
    start: int
    end: int

    @property
    def indexed_text(self) -> str:
        """What is embedded and searched: the heading on a line of its own, then the text."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where an element stands: the sections around it, outermost first, by the index of their titles."""

    sections: tuple[int, ...]
    above: tuple[int, ...]
    heads_document: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    """Text that no cut divides: offsets in its element's text, tokens, what it costs to begin a passage here.

    `must` is true where the cut before it goes through a word: counts on both sides do not add up to that of the whole.
    """

    element: int
    start: int
    end: int
    tokens: int
    cut: int
    must: bool = False


def splitter_version() -> str:
    """Names the code that cuts: passages of another one are not those that a confidence was fitted on."""
    return code_version(["passages.py", "sentences.py"], [])


def document_text(elements: Sequence[Element]) -> str:
    """The text that a passage's offsets point into."""
    return _SEPARATOR.join(element.text for element in elements)


def split(
    title: str | None, elements: Sequence[Element], *, tokens: TokenCounter, max_tokens: int = 256
) -> tuple[Passage, ...]:
    """The passages of a document in reading order, none for a blank document.

    `tokens([passage.indexed_text])` and two special tokens are at most `max_tokens` (128 or more). Every character that
    is not white space stands in exactly one passage. Cuts fall at section titles, else between elements, sentences,
    words or, in a word longer than a passage, characters; never within a pseudonym, and within a list item or table
    row only where it is longer than a passage less its heading. Passages under SHORT_TOKENS are avoided.

    `tokens` must add up over texts that are cut at white space.
    """
    heading_tokens = max_tokens * 3 // 16
    room = max_tokens - SPECIAL_TOKENS
    title = _SPACES.sub(" ", title or "").strip()
    places = _outline(title, elements)
    names = _names(title, elements, tokens, heading_tokens)
    headings = _headings(names, {place.above for place in places}, tokens, heading_tokens, with_title=bool(title))
    pieces = _pieces(elements, tokens, room - heading_tokens)
    rooms = [
        room if places[piece.element].heads_document else room - headings[places[piece.element].above][1]
        for piece in pieces
    ]
    starts = list(accumulate((len(element.text) + len(_SEPARATOR) for element in elements), initial=0))
    text = document_text(elements)
    passages: list[Passage] = []
    for first, end in _cheapest(pieces, rooms, _joins(pieces, places)):
        head, tail = pieces[first], pieces[end - 1]
        begin, stop = starts[head.element] + head.start, starts[tail.element] + tail.end
        body = text[begin:stop]
        if not body.strip():
            continue
        begin += len(body) - len(body.lstrip())
        place = places[head.element]
        passages.append(
            Passage(
                text=body.strip(),
                heading="" if place.heads_document else headings[place.above][0],
                ordinal=len(passages),
                page=elements[head.element].page,
                section=names[place.sections[-1]] if place.sections else None,
                start=begin,
                end=begin + len(body.strip()),
            )
        )
    return tuple(passages)


def _outline(title: str, elements: Sequence[Element]) -> list[_Place]:
    """The place of each element. A title that repeats the document's is no section."""
    open_sections: list[tuple[int, int]] = []
    places = []
    for index, element in enumerate(elements):
        above = tuple(section for _, section in open_sections)
        if element.kind == "title":
            while open_sections and open_sections[-1][0] >= element.depth:
                open_sections.pop()
            above = tuple(section for _, section in open_sections)
            if _SPACES.sub(" ", element.text).strip().casefold() == title.casefold():
                places.append(_Place(sections=above, above=above, heads_document=True))
                continue
            open_sections.append((element.depth, index))
        places.append(_Place(sections=tuple(section for _, section in open_sections), above=above))
    return places


def _names(title: str, elements: Sequence[Element], tokens: TokenCounter, limit: int) -> dict[int, str]:
    """The titles of document (-1) and sections (by index) on one line of at most `limit` tokens."""
    names = {-1: title} | {
        index: _SPACES.sub(" ", element.text).strip()
        for index, element in enumerate(elements)
        if element.kind == "title"
    }
    for (index, name), cost in zip(names.items(), _costs(list(names.values()), tokens), strict=True):
        if cost > limit:
            end = _divide(name, tokens, limit - 1)[0][1]
            names[index] = f"{name[: _before_pseudonym(name, end)].strip()}…"
    return names


def _headings(
    names: dict[int, str], paths: set[tuple[int, ...]], tokens: TokenCounter, limit: int, *, with_title: bool
) -> dict[tuple[int, ...], tuple[str, int]]:
    """The heading under each path with its tokens: where all of it is too long, the sections in the middle go first."""
    choices: list[tuple[tuple[int, ...], str]] = []
    for path in sorted(paths):
        head = (-1,) if with_title else ()
        shorter = [(*head, *path[skipped:]) for skipped in range(max(1, len(path)))]
        choices += [(path, _ARROW.join(names[part] for part in parts)) for parts in [*shorter, path[-1:] or head]]
    headings: dict[tuple[int, ...], tuple[str, int]] = {}
    for (path, heading), count in zip(choices, tokens([heading for _, heading in choices]), strict=True):
        if count <= limit:
            headings.setdefault(path, (heading, count))
    return headings


def _pieces(elements: Sequence[Element], tokens: TokenCounter, limit: int) -> list[_Piece]:
    """The elements in pieces of at most `limit` tokens, in order."""
    spans = [(index, start, end) for index, element in enumerate(elements) for start, end in _parts(element)]
    texts = [elements[index].text[start:end] for index, start, end in spans]
    pieces = []
    for (index, start, end), text, cost in zip(spans, texts, _costs(texts, tokens), strict=True):
        whole = [(0, end - start, cost)]
        for left, right, tokens_of_piece in whole if cost <= limit else _divide(text, tokens, limit):
            pieces.append(
                _Piece(
                    element=index,
                    start=start + left,
                    end=start + right,
                    tokens=tokens_of_piece,
                    cut=_CUT_IN_SENTENCE if left else _cut(elements, index, start),
                    must=left > 0 and not _SPACES.fullmatch(text[left - 1]),
                )
            )
    return pieces


def _parts(element: Element) -> list[tuple[int, int]]:
    """What is kept whole if it fits: a row of a table, an item of a list, a sentence of other text."""
    match element.kind:
        case "table":
            ends = list(accumulate(map(len, element.text.splitlines(keepends=True))))
            return list(zip([0, *ends], ends, strict=False))
        case "list":
            return [(0, len(element.text))]
        case "title" | "text":
            return sentences(element.text)


def _cut(elements: Sequence[Element], index: int, start: int) -> int:
    """What it costs to begin a passage with the part of an element at `start`."""
    if start > 0:
        return _CUT_AT_ROW if elements[index].kind == "table" else _CUT_AT_SENTENCE
    if index > 0 and elements[index - 1].kind == "title":
        return _CUT_UNDER_TITLE
    return 0 if elements[index].kind == "title" else _CUT_AT_ELEMENT


def _costs(texts: Sequence[str], tokens: TokenCounter) -> list[int]:
    return [
        max(count, math.ceil(len(text) / CHARS_PER_TOKEN)) for text, count in zip(texts, tokens(texts), strict=True)
    ]


def _divide(text: str, tokens: TokenCounter, limit: int) -> list[tuple[int, int, int]]:
    """`text` halved until each part has at most `limit` tokens: (start, end, tokens) of the parts in order."""
    done = []
    spans = [(0, len(text))]
    while spans:
        halves = []
        for (start, end), cost in zip(spans, _costs([text[start:end] for start, end in spans], tokens), strict=True):
            if cost <= limit:
                done.append((start, end, cost))
            else:
                middle = start + _middle(text[start:end])
                halves += [(start, middle), (middle, end)]
        spans = halves
    return sorted(done)


def _middle(text: str) -> int:
    """The end of a sentence nearest the middle of `text`, else of a word, else a character outside pseudonyms."""
    middle = len(text) // 2
    ends = [end for _, end in sentences(text)][:-1] or [match.end() for match in _SPACES.finditer(text)]
    inner = [end for end in ends if 0 < end < len(text)]
    if inner:
        return min(inner, key=lambda end: abs(end - middle))
    return _before_pseudonym(text, middle) or _after_pseudonym(text) or middle


def _before_pseudonym(text: str, at: int) -> int:
    """`at`, or the start of the pseudonym around it."""
    return next((m.start() for m in _PSEUDONYM.finditer(text) if m.start() < at < m.end()), at)


def _after_pseudonym(text: str) -> int:
    """The end of the pseudonym that `text` begins with, 0 where that is all of it."""
    match = _PSEUDONYM.match(text)
    return match.end() if match and match.end() < len(text) else 0


def _joins(pieces: Sequence[_Piece], places: Sequence[_Place]) -> list[int]:
    """What it costs, for each piece, to let a passage run on into it: more than nothing only at a section's start."""
    size_tokens: Counter[tuple[int, ...]] = Counter()
    for piece in pieces:
        sections = places[piece.element].sections
        for depth in range(len(sections) + 1):
            size_tokens[sections[:depth]] += piece.tokens
    joins = [0]
    for before, piece in pairwise(pieces):
        left, right = places[before.element].sections, places[piece.element].sections
        if right[: len(left)] == left:
            joins.append(0)
        elif min(size_tokens[left], size_tokens[right]) < SHORT_TOKENS:
            joins.append(_JOIN_SHORT)
        elif len(right) > 1 and right[:-1] == left[:-1]:
            joins.append(_JOIN_SIBLINGS)
        else:
            joins.append(_JOIN_APART)
    return joins


def _cheapest(pieces: Sequence[_Piece], rooms: Sequence[int], joins: Sequence[int]) -> list[tuple[int, int]]:
    """The passages of least total cost, as (first, end) indexes of pieces; of equal ones those with the longest first.

    Takes time proportional to the pieces times those that fit into one passage.
    """
    best: list[float] = [0.0, *[math.inf] * len(pieces)]
    origin = [0] * (len(pieces) + 1)
    for first, piece in enumerate(pieces):
        cost = best[first] + piece.cut + _PASSAGE
        used = 0
        for end in range(first + 1, len(pieces) + 1):
            last = pieces[end - 1]
            used += last.tokens
            if used > rooms[first] or (last.must and end > first + 1):
                break
            if end > first + 1:
                cost += joins[end - 1]
            total = cost + max(0, SHORT_TOKENS - used)
            if total < best[end]:
                best[end], origin[end] = total, first
    passages = []
    end = len(pieces)
    while end > 0:
        passages.append((origin[end], end))
        end = origin[end]
    return passages[::-1]
