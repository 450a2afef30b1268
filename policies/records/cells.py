"""Cells of a record: text whose origin is known, written for spreadsheets and for Markdown."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection)."""
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~$&])")


class Origin(StrEnum):
    """Where a statement comes from: the manifest's policy, what happened, what the operator wrote, or from nowhere."""

    CONFIG = "config"
    OBSERVED = "observed"
    OPERATOR = "operator"
    GAP = "gap"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A statement and its origin."""

    text: str
    origin: Origin


Cell = tuple[Part, ...]
"""One answer of a record, as one or more statements."""


def config(text: str) -> Part:
    """A statement that follows from the manifest's policy."""
    return Part(text=text, origin=Origin.CONFIG)


def observed(text: str) -> Part:
    """A statement of what happened."""
    return Part(text=text, origin=Origin.OBSERVED)


def operator(text: str) -> Part:
    """A statement that somebody wrote."""
    return Part(text=text, origin=Origin.OPERATOR)


def gap(text: str) -> Part:
    """What is missing."""
    return Part(text=text, origin=Origin.GAP)


def text_of(cell: Cell) -> str:
    """The cell in one line."""
    texts = [part.text for part in cell]
    return "; ".join((*(text.removesuffix(".") for text in texts[:-1]), *texts[-1:]))


def origins_of(cell: Cell) -> tuple[Origin, ...]:
    """The origins of a cell's statements, each once."""
    return tuple(dict.fromkeys(part.origin for part in cell))


def gaps_of(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Everything that is missing in these cells, each once."""
    return tuple(dict.fromkeys(part.text for cell in cells for part in cell if part.origin is Origin.GAP))


def to_csv(rows: Iterable[Sequence[str]], *, separator: str) -> str:
    """The rows as CSV (RFC 4180 but for the separator), with the mark that tells a spreadsheet that it is UTF-8.

    No cell is a formula.
    """
    file = io.StringIO()
    file.write("\ufeff")
    csv.writer(file, delimiter=separator).writerows([_plain(cell) for cell in row] for row in rows)
    return file.getvalue()


def escape(text: str) -> str:
    """The text as Markdown shows it letter by letter."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown. Cells are escaped, headings are not."""
    lines = [headings, ["---"] * len(headings), *([escape(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
