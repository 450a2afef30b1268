"""Paragraphs, cells and rows that come one after the other, to elements."""

from dataclasses import dataclass, field

from indexer.formats.elements import Element, ElementKind
from indexer.formats.tables import tabulate


@dataclass(kw_only=True)
class Paragraph:
    """The paragraph that is being read, or the cell."""

    text: list[str] = field(default_factory=list)
    depth: int = 0
    style: int = 0
    listed: bool = False
    in_table: bool = False


@dataclass(kw_only=True)
class Flow:
    """A run of paragraphs and tables: the body of a document, or what stands beside it."""

    elements: list[Element] = field(default_factory=list)
    paragraph: Paragraph = field(default_factory=Paragraph)
    cells: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def end_paragraph(self, depth: int) -> None:
        """A title of this depth, or with 0 text; inside a cell only the end of a line."""
        if self.paragraph.in_table:
            self.paragraph.text.append(" ")
            return
        text = self._take()
        self.end_table()
        kind: ElementKind = "title" if depth else "list" if self.paragraph.listed else "text"
        if text:
            self.elements.append(Element(text=text, kind=kind, depth=depth))
        self.paragraph.listed = False

    def end_cell(self) -> None:
        """What was read since the last cell is one."""
        self.cells.append(self._take())

    def end_row(self) -> None:
        """The cells since the last row are one."""
        self.rows.append(self.cells)
        self.cells = []

    def end_table(self) -> None:
        """The rows so far are a table, with a cell and a row that nothing ended."""
        if text := self._take():  # of a cell that nothing ended
            self.cells.append(text)
        if self.cells:
            self.end_row()
        self.elements += tabulate(self.rows)
        self.rows = []

    def _take(self) -> str:
        text = "".join(self.paragraph.text).strip()
        self.paragraph.text = []
        # Characters beyond the basic plane come in two halves.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
