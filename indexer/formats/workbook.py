"""A spreadsheet to elements."""

import datetime as dt
import io
from collections.abc import Iterator, Sequence

from openpyxl import load_workbook

from indexer.formats.elements import Element
from indexer.formats.tables import tabulate

_EXACT = 2.0**53  # floats above it skip integers


def workbook(data: bytes) -> list[Element]:
    """Each sheet's name as a title, then its rows, with what stands between blank rows as a table of its own.

    Formulas give the value they had when the file was saved. `page` is the number of the sheet.
    """
    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    elements: list[Element] = []
    for number, sheet in enumerate(book.worksheets, start=1):
        sheet.reset_dimensions()  # what a file says about its size may be wrong by a million rows
        tables = [
            table for rows in _regions(sheet.iter_rows(values_only=True)) for table in tabulate(rows, page=number)
        ]
        if tables:
            elements += [Element(text=sheet.title, kind="title", depth=1, page=number), *tables]
    return elements


def _regions(rows: Iterator[Sequence[object]]) -> Iterator[list[list[str]]]:
    """Runs of rows that hold anything, each without the empty columns at its left and right."""
    region: list[list[str]] = []
    for row in rows:
        cells = [_text(value) for value in row]
        if any(cells):
            region.append(cells)
        elif region:
            yield region
            region = []
    if region:
        yield region


def _text(value: object) -> str:
    """A cell as a reader would say it: no trailing `.0`, no midnight after a date."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
        case dt.datetime() if value.time() == dt.time.min:
            return value.date().isoformat()
        case dt.datetime():
            return value.isoformat(sep=" ", timespec="minutes")
        case _:
            return str(value).strip()
