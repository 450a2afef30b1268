"""Rows to elements that keep their meaning when they are cut into passages."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from itertools import islice

from indexer.formats.elements import Element, quarantine

MAX_BLOCK_CHARS = 1500  # chosen: about two passages, so that a splitter has something to choose
MAX_SPAN = 1000  # HTML Living Standard, section 4.9.11: a colspan above it counts as 1000
MAX_HEADER_CHARS = 80  # chosen: a longer first cell is a sentence
_DELIMITERS = ",;\t|"
_SNIFFED_LINES = 50
_SPAN_DIGITS = 6
_YEAR = re.compile(r"(?:19|20)\d\d")
_SPACE = re.compile(r"\s+")


class _CellReader(HTMLParser):
    """Collects the cells of one HTML table without nested tables, repeating what a `colspan` or `rowspan` covers."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self.headed = False
        self._hanging: dict[int, tuple[int, str]] = {}
        self._span = (1, 1)
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"} and self.rows:
            self._hang()
            self.headed |= tag == "th" and len(self.rows) == 1
            spans = dict(attrs)
            self._span = _span(spans.get("colspan")), _span(spans.get("rowspan"))
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"} and self._in_cell:
            self._in_cell = False
            columns, height = self._span
            text = self.rows[-1][-1]
            for column in range(len(self.rows[-1]) - 1, len(self.rows[-1]) - 1 + columns):
                if height > 1:
                    self._hanging[column] = (height - 1, text)
            self.rows[-1] += [""] * (columns - 1)
        elif tag == "tr":
            self._hang()

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data

    def _hang(self) -> None:
        """Fill the places that cells of the rows above reach down into."""
        row = self.rows[-1]
        while (column := len(row)) in self._hanging:
            height, text = self._hanging.pop(column)
            if height > 1:
                self._hanging[column] = (height - 1, text)
            row.append(text)


def _span(value: str | None) -> int:
    return min(int(value[:_SPAN_DIGITS]), MAX_SPAN) if value and value.isdecimal() else 1


def html_table(html: str, *, page: int | None = None) -> list[Element]:
    """The rows of one HTML table."""
    reader = _CellReader()
    reader.feed(html)
    reader.close()
    return tabulate(reader.rows, page=page, headed=reader.headed)


def tabulate(rows: Sequence[Sequence[str]], *, page: int | None = None, headed: bool = False) -> list[Element]:
    """Blocks of rows as text, one line a row.

    With a header row (`headed`, or a first row that looks like one) a line reads `header: cell; header: cell`, else its
    cells stand side by side. Empty cells are left out. A row of a single cell above all others is a caption.
    """
    grid = [cells for row in rows if any(cells := [_SPACE.sub(" ", cell).strip() for cell in row])]
    elements: list[Element] = []
    while len(grid) > 1 and _filled(grid[0]) == 1 < max(map(_filled, grid)):
        elements.append(Element(text=" ".join(filter(None, grid.pop(0))), page=page))
    if not grid:
        return elements
    if max(map(_filled, grid)) == 1:
        return [*elements, Element(text="\n".join(" ".join(filter(None, cells)) for cells in grid), page=page)]
    names = grid[0] if len(grid) > 1 and (_names_columns(grid) or headed) else []
    unused = [name for at, name in enumerate(names) if name and not any("".join(row[at : at + 1]) for row in grid[1:])]
    block = " | ".join(unused)
    for cells in grid[1:] if names else grid:
        line = _line(names, cells)
        if block and len(block) + len(line) > MAX_BLOCK_CHARS:
            elements.append(Element(text=block, kind="table", page=page))
            block = ""
        block = f"{block}\n{line}" if block else line
    return [*elements, Element(text=block, kind="table", page=page)]


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell)


def _names_columns(grid: Sequence[Sequence[str]]) -> bool:
    """Whether the first row can name the columns: short, different, no numbers but years, at most one missing."""
    names = [cell for cell in grid[0] if cell]
    width = max(map(_filled, grid))
    return (
        width > 1
        and len(names) >= width - 1
        and len(set(names)) == len(names)
        and all(
            len(name) <= MAX_HEADER_CHARS and (any(map(str.isalpha, name)) or _YEAR.fullmatch(name)) for name in names
        )
    )


def _line(names: Sequence[str], cells: Sequence[str]) -> str:
    if not names:
        return " | ".join(filter(None, cells))
    named = [*names, *[""] * (len(cells) - len(names))]
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(named, cells, strict=False) if cell)


def delimited(text: str, *, delimiter: str | None = None) -> list[Element]:
    """The rows of CSV or TSV text; without a `delimiter` it is the one that cuts the first lines most evenly.

    Raises:
        QuarantineError: `corrupt` for a field over 128 KiB, which is an unclosed quotation mark.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return tabulate(list(_rows(text, delimiter or _delimiter(text))))
    except csv.Error:
        raise quarantine("corrupt") from None


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)


def _delimiter(text: str) -> str:
    """Not csv.Sniffer: it takes a letter for the delimiter of a single column, and is quadratic in the sample."""

    def evenness(delimiter: str) -> tuple[float, int]:
        try:
            widths = [len(row) for row in islice(_rows(text, delimiter), _SNIFFED_LINES) if row]
        except csv.Error:  # a line over 128 KiB, cut by another delimiter, is one field
            return (0, 1)  # as one that cuts nothing
        commonest = max(set(widths), key=widths.count, default=1)
        return (widths.count(commonest) / len(widths) if commonest > 1 else 0, commonest)

    return max(_DELIMITERS, key=evenness)
