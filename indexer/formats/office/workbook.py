"""Spreadsheets to elements."""

import datetime as dt
import io
import struct
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Literal

import xlrd
from openpyxl import load_workbook
from xlrd.biffh import XLRDError
from xlrd.book import Book
from xlrd.compdoc import CompDocError
from xlrd.sheet import Cell

from indexer.formats.elements import Element, Parsed, quarantine
from indexer.formats.office.ole import MAGIC, embedded_count
from indexer.formats.office.package import as_document
from indexer.formats.office.sheet import besides
from indexer.formats.tables import tabulate

MAX_CELLS = 2_000_000  # chosen: fills a third of the memory; a file can name a million by a few bytes
MAX_ROWS = 1_048_576  # Excel's own limit; openpyxl counts up to whatever number a row has
_EXACT = 2.0**53  # floats above it skip integers


def workbook(data: bytes) -> list[Element]:
    """The sheets of an .xlsx file. Formulas give the value they had when the file was saved.

    After the rows of a sheet comes what stands beside them, as `besides` says.

    Raises:
        QuarantineError: `corrupt` for more than MAX_ROWS, `too_large` for more than MAX_CELLS.
    """
    data = as_document(data)
    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what a file says about its size may be wrong by a million rows
    found = sheets((sheet.title, sheet.iter_rows(values_only=True)) for sheet in book.worksheets)
    pages = {sheet.title: number for number, sheet in enumerate(book.worksheets, start=1)}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found += besides(archive, pages)
    return sorted(found, key=lambda element: element.page or 0)


def old_workbook(data: bytes) -> Parsed:
    """The sheets of an .xls file, Excel 2.0 to 2003.

    Raises:
        QuarantineError: `encrypted`, `corrupt`, `too_large` for more than MAX_CELLS.
    """
    try:
        # Ragged rows: a cell in the last corner must not bring 16 million empty ones along.
        book = xlrd.open_workbook(file_contents=data, on_demand=True, ragged_rows=True)
        found = sheets((name, _old_rows(book, name)) for name in book.sheet_names())
    except XLRDError as error:
        raise quarantine("encrypted" if "encrypted" in str(error) else "corrupt") from None
    except (AssertionError, CompDocError, LookupError, TypeError, ValueError, struct.error):  # of a damaged file
        raise quarantine("corrupt") from None
    embedded = embedded_count(data) if data.startswith(MAGIC) else 0  # before Excel 5 a workbook was one stream
    return Parsed(kind="xls", title=None, elements=tuple(found), skipped_parts=embedded)


def sheets(named_rows: Iterable[tuple[str, Iterable[Sequence[object]]]]) -> list[Element]:
    """Each sheet's name as a title, then its rows, with what stands between blank rows as a table of its own.

    `page` is the number of the sheet. One without any text is left out.

    Raises:
        QuarantineError: `corrupt` for a sheet of more than MAX_ROWS, `too_large` for more than MAX_CELLS in all.
    """
    elements: list[Element] = []
    cells = 0

    def counted(rows: Iterable[Sequence[object]]) -> Iterator[Sequence[object]]:
        nonlocal cells
        for count, row in enumerate(rows, start=1):
            cells += len(row)
            if count > MAX_ROWS:
                raise quarantine("corrupt")
            if cells > MAX_CELLS:
                raise quarantine("too_large")
            yield row

    for number, (name, rows) in enumerate(named_rows, start=1):
        tables = [table for region in _regions(counted(rows)) for table in tabulate(region, page=number)]
        if tables:
            elements += [Element(text=name, kind="title", depth=1, page=number), *tables]
    return elements


def _old_rows(book: Book, name: str) -> Iterator[list[object]]:
    sheet = book.sheet_by_name(name)
    for cells in sheet.get_rows():
        yield [_old_value(cell, book.datemode) for cell in cells]
    book.unload_sheet(name)


def _old_value(cell: Cell, datemode: Literal[0, 1]) -> object:
    match cell.ctype, cell.value:
        case xlrd.XL_CELL_DATE, float(value):
            with suppress(xlrd.xldate.XLDateError, OverflowError, ValueError):  # else it stays a number
                moment = xlrd.xldate.xldate_as_datetime(value, datemode)
                return moment.time() if value < 1 else moment
        case xlrd.XL_CELL_BOOLEAN, value:
            return bool(value)
        case xlrd.XL_CELL_ERROR, int(code):
            return xlrd.error_text_from_code.get(code)
    return cell.value


def _regions(rows: Iterable[Sequence[object]]) -> Iterator[list[list[str]]]:
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
