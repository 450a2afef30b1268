"""Lines on pages to paragraphs and headings, by where they stand."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from indexer.formats.elements import Element

# All factors chosen by reading what came of 16 files: reports, papers in two columns, forms, letters, receipts.
HEADING_RATIO = 1.15  # of a line's height to that of most text
MAX_HEADING_CHARS = 150
MAX_HEADING_SHARE = 0.2  # of all text; above that, height says nothing in this document
MAX_HEADING_DEPTH = 3
_GAP = 1.35  # of the usual distance between lines
_HEIGHT = 1.15
_INDENT = 0.8  # of a line's height
_FULL = 0.75  # of the paragraph's width: a shorter line was ended on purpose
_MAX_PITCH = 2.5  # of a line's height: on a page of few lines the usual distance says nothing
_BESIDE = 0.3  # of the lower of two heights: a raised digit overlaps its line by 0.4
_MIN_REPEATS = 3

_TERMINAL = re.compile(r"[.!?:;»”\"')\]]\s*$")
_BULLET = re.compile(r"(?:[•‣▪◦·●■–*-]|\(?[0-9]{1,3}[.)]|\(?[a-zA-Z][.)])\s")
_HYPHENATED = re.compile("\\b(\\w+)\ufffe(\\w+)")  # PDFium's mark for a hyphen at the end of a line
_DIGITS = re.compile(r"\d+")
_LEADERS = re.compile(r"\s?(?:\.\s?){4,}")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A run of text on one page, in points from the lower left; `height` is the size of its first letter."""

    text: str
    page: int
    left: float
    right: float
    bottom: float
    height: float


@dataclass(frozen=True, kw_only=True)
class _Block:
    text: str
    page: int
    height: float
    lines: int


def arrange(lines: Sequence[Line]) -> list[Element]:
    """The lines, in reading order, as paragraphs and titles; a line repeated on most pages stays once."""
    blocks = [_merge(group) for group in _groups(lines)]
    blocks = _without_repeats(blocks)
    if not blocks:
        return []
    spelled = Counter(word for block in blocks for word in re.findall(r"[\w-]+", block.text.lower()))
    heights = _heading_heights(blocks)
    elements = []
    for block in blocks:
        depth = heights.get(round(block.height), 0) if _may_head(block) else 0
        text = _LEADERS.sub(" … ", block.text)
        text = _HYPHENATED.sub(lambda match: _rejoin(match[1], match[2], spelled), text)
        elements.append(Element(text=text, kind="title" if depth else "text", depth=depth, page=block.page))
    return elements


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Runs of lines that belong to one paragraph."""
    pitches: dict[int, list[float]] = {}
    for above, line in pairwise(lines):
        if above.page == line.page and above.bottom > line.bottom:
            pitches.setdefault(line.page, []).append(above.bottom - line.bottom)
    usual = {page: median(distances) for page, distances in pitches.items()}
    group: list[Line] = []
    for line in lines:
        if group and not _continues(group, line, usual.get(line.page, line.height)):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _continues(group: Sequence[Line], line: Line, usual_pitch: float) -> bool:
    above = group[-1]
    if above.page != line.page:
        return False
    if _beside(above, line):
        return True
    if not 1 / _HEIGHT < line.height / above.height < _HEIGHT or _BULLET.match(line.text):
        return False
    if line.bottom > above.bottom:  # the next column: the same sentence or another paragraph
        return not _TERMINAL.search(above.text) and line.text[:1].islower()
    left, width = min(member.left for member in group), max(_width(member) for member in [*group, line])
    ended = bool(_TERMINAL.search(above.text)) and (
        line.left > left + _INDENT * line.height or _width(above) < _FULL * width
    )
    pitch = min(max(usual_pitch, line.height), _MAX_PITCH * line.height)
    return above.bottom - line.bottom <= _GAP * pitch and not ended


def _width(line: Line) -> float:
    return line.right - line.left


def _beside(above: Line, line: Line) -> bool:
    """Whether `line` goes on at the right of `above`, as after a raised digit."""
    overlap = min(above.bottom + above.height, line.bottom + line.height) - max(above.bottom, line.bottom)
    return overlap > _BESIDE * min(above.height, line.height) and line.left >= above.right - above.height / 2


def _merge(group: Sequence[Line]) -> _Block:
    """The group as one text: lines that fill the width are joined, others stay lines, as in a table or an address."""
    width = max(map(_width, group))
    text = group[0].text
    for above, line in pairwise(group):
        if text.endswith("\ufffe"):
            joint = ""
        elif _beside(above, line):
            joint = " " if line.left - above.right > line.height / 5 else ""
        else:
            joint = " " if _width(above) >= _FULL * width else "\n"
        text += joint + line.text
    height = max(group, key=lambda line: len(line.text)).height
    return _Block(text=text, page=group[0].page, height=height, lines=len(group))


def _without_repeats(blocks: Sequence[_Block]) -> list[_Block]:
    """Running headers, footers and page numbers only where they come first."""

    def shape(block: _Block) -> str:
        return _DIGITS.sub("#", block.text)

    pages = {block.page for block in blocks}
    repeats = Counter(shape for _, shape in {(block.page, shape(block)) for block in blocks if block.lines == 1})
    running = {text for text, count in repeats.items() if count >= max(_MIN_REPEATS, len(pages) / 2)}
    seen: set[str] = set()
    kept = []
    for block in blocks:
        text = shape(block)
        if text not in running or text not in seen:
            kept.append(block)
        seen.add(text)
    return kept


def _heading_heights(blocks: Sequence[_Block]) -> dict[int, int]:
    """Depth by height in whole points, from 1 for the highest; {} where headings cannot be told."""
    chars: Counter[int] = Counter()
    for block in blocks:
        chars[round(block.height)] += len(block.text)
    usual = chars.most_common(1)[0][0]
    headings = [block for block in blocks if _may_head(block) and round(block.height) >= HEADING_RATIO * usual]
    if sum(len(block.text) for block in headings) > MAX_HEADING_SHARE * chars.total():
        return {}
    heights = sorted({round(block.height) for block in headings}, reverse=True)
    return {height: min(rank, MAX_HEADING_DEPTH) for rank, height in enumerate(heights, start=1)}


def _may_head(block: _Block) -> bool:
    return len(block.text) <= MAX_HEADING_CHARS and sum(map(str.isalpha, block.text)) * 2 > len(block.text)


def _rejoin(head: str, tail: str, spelled: Counter[str]) -> str:
    """A word broken at a line's end, with its hyphen where the document spells it so elsewhere."""
    joined, hyphenated = head + tail, f"{head}-{tail}"
    if not tail[0].islower() or spelled[hyphenated.lower()] > spelled[joined.lower()]:
        return hyphenated
    return joined
