"""Files that LibreOffice saved, of texts of our own: writing these formats takes an office program."""

import gzip
from pathlib import Path

import pytest

from indexer.formats.elements import Parsed
from indexer.formats.office.legacy import legacy
from indexer.formats.office.workbook import old_workbook
from policies.errors import QuarantineError

HERE = Path(__file__).parent


def saved(name: str) -> bytes:
    return gzip.decompress((HERE / f"{name}.gz").read_bytes())


def told(parsed: Parsed) -> list[tuple[str, int, int | None, str]]:
    return [(element.kind, element.depth, element.page, element.text) for element in parsed.elements]


def test_an_old_word_file_gives_headings_lists_and_rows_with_their_header() -> None:
    parsed = legacy(saved("policy.doc"), kind="doc")
    assert (parsed.kind, parsed.title) == ("doc", "Leave policy")
    assert told(parsed) == [
        ("title", 1, None, "Annual leave"),
        ("text", 0, None, "Staff have 25 days a year, the café’s too."),
        ("title", 2, None, "Carry over"),
        ("list", 0, None, "Five days"),
        ("table", 0, None, "Grade: A; Days: 25\nGrade: B; Days: 30"),
    ]


def test_old_slides_give_titles_notes_and_page_numbers() -> None:
    assert told(legacy(saved("results.ppt"), kind="ppt")) == [
        ("title", 1, 1, "Results"),
        ("text", 0, 1, "North Region"),
        ("text", 0, 1, "Mention the new depot."),
        ("title", 1, 2, "Outlook"),
    ]


def test_an_old_workbook_says_of_its_cells_what_a_new_one_says() -> None:
    bolt = "Item: Bolt; Count: 1200; Price: 0.25; Day: 2024-05-01; Sold: true"
    nut = "Item: Nut; Count: 7; Day: 2024-05-01 13:30; Sold: false"
    assert told(old_workbook(saved("stock.xls"))) == [
        ("title", 1, 1, "Stock"),
        ("table", 0, 1, f"{bolt}\n{nut}"),
        ("text", 0, 1, "Checked by the depot"),
    ]


def test_a_word_file_behind_a_password_is_encrypted() -> None:
    data = bytearray(saved("policy.doc"))
    block = data.index(b"\xec\xa5")  # [MS-DOC] 2.5.2: wIdent of the FibBase; fEncrypted is the first bit of byte 11
    data[block + 11] |= 1
    with pytest.raises(QuarantineError) as caught:
        legacy(bytes(data), kind="doc")
    assert caught.value.reason == "encrypted"


def test_a_workbook_behind_a_password_is_encrypted() -> None:
    data = bytearray(saved("stock.xls"))
    begin = data.index(b"\x09\x08\x10\x00\x00\x06")  # [MS-XLS] 2.4.21: the BOF record of the workbook
    after = begin + 20
    data[after : after + 10] = b"\x2f\x00\x06\x00\x00\x00\x01\x00\x01\x00"  # 2.4.117: FilePass
    with pytest.raises(QuarantineError) as caught:
        old_workbook(bytes(data))
    assert caught.value.reason == "encrypted"


@pytest.mark.parametrize("name", ["policy.doc", "results.ppt"])
def test_what_is_cut_short_is_corrupt(name: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        legacy(saved(name)[:1500], kind="doc" if name.endswith("doc") else "ppt")
    assert caught.value.reason == "corrupt"


def test_a_workbook_of_something_else_is_corrupt() -> None:
    with pytest.raises(QuarantineError) as caught:
        old_workbook(b"\x09\x08words")
    assert caught.value.reason == "corrupt"
