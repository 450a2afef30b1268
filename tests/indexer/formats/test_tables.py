import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.formats.tables import MAX_BLOCK_CHARS, delimited, html_table, tabulate
from policies.errors import QuarantineError


def lines(text: str) -> list[str]:
    return [line for element in delimited(text) for line in element.text.split("\n")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = "Name,Note,Town\nAda,x,Paris\nBo,y,Rome\n".replace(",", delimiter)
    assert lines(text) == ["Name: Ada; Note: x; Town: Paris", "Name: Bo; Note: y; Town: Rome"]


def test_quoted_fields_keep_their_delimiters_and_line_breaks_become_spaces() -> None:
    assert lines('Name,Note\nAda,"one, two\nthree"\n') == ["Name: Ada; Note: one, two three"]


def test_a_byte_order_mark_blank_lines_and_ragged_rows_do_no_harm() -> None:
    assert lines("\n\nA,B\r\n1\r\n2,3,4\r\n") == ["A: 1", "A: 2; B: 3; 4"]


def test_an_unclosed_quotation_mark_over_a_whole_file_is_corrupt() -> None:
    with pytest.raises(QuarantineError) as caught:
        delimited('a,b\n"' + "x,y\n" * 50_000)
    assert caught.value.reason == "corrupt"


def test_rows_without_a_header_stand_side_by_side() -> None:
    assert lines("1,2\n3,4\n") == ["1 | 2", "3 | 4"]


def test_years_name_columns() -> None:
    rows = [["", "2024", "2025"], ["Revenue", "5", "6"]]
    assert [element.text for element in tabulate(rows)] == ["Revenue; 2024: 5; 2025: 6"]


def test_captions_stand_before_the_table() -> None:
    rows = [["Stock", ""], ["Item", "Count"], ["Bolt", "3"]]
    assert [(element.kind, element.text) for element in tabulate(rows, page=2)] == [
        ("text", "Stock"),
        ("table", "Item: Bolt; Count: 3"),
    ]


def test_merged_cells_count_in_each_row_and_column_they_cover() -> None:
    html = (
        "<table><tr><th>Site</th><th colspan=2>Count</th><th>By</th></tr>"
        "<tr><td rowspan='2'>Leeds</td><td>1</td><td>2</td><td>Ada</td></tr>"
        "<tr><td>3</td><td>4</td><td>Bo</td></tr></table>"
    )
    assert [element.text for element in html_table(html)] == [
        "Site: Leeds; Count: 1; 2; By: Ada\nSite: Leeds; Count: 3; 4; By: Bo"
    ]


def test_hostile_spans_cost_nothing() -> None:
    html = f"<table><tr><td colspan=999999999 rowspan=999999999>a</td><td colspan='{'9' * 5000}'>b</td></tr></table>"
    assert [element.text for element in html_table(html)] == ["a | b"]


def test_long_tables_are_cut_between_rows_and_each_row_keeps_its_header() -> None:
    elements = tabulate([["Name", "Town"], *([f"Person {number}", "Paris"] for number in range(500))])
    assert len(elements) > 5
    assert all(len(element.text) <= MAX_BLOCK_CHARS for element in elements)
    rows = [line for element in elements for line in element.text.split("\n")]
    assert rows == [f"Name: Person {number}; Town: Paris" for number in range(500)]


@given(st.lists(st.lists(st.text(st.characters(categories=["L", "N"]), max_size=5), max_size=6), max_size=8))
def test_no_cell_is_ever_lost(rows: list[list[str]]) -> None:
    told = " ".join(element.text for element in tabulate(rows))
    for row in rows:
        for cell in row:
            assert cell in told


def test_a_table_may_be_wider_than_one_field_may_be_long() -> None:
    wide = ",".join(["1"] * 100_000)
    assert len(delimited(f"{wide}\n{wide}\n")) > 1
