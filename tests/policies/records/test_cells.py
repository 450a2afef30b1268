import csv
import io

import pytest

from policies.records.cells import Origin, config, escape, gap, gaps_of, operator, origins_of, table, text_of, to_csv


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@sum", "\tx", "\rx"])
def test_no_cell_is_a_formula(cell: str) -> None:
    text = to_csv([["a", cell]], separator=",")
    assert text[0] == "\ufeff"
    assert list(csv.reader(io.StringIO(text[1:], newline=""))) == [["a", f"'{cell}"]]


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_cell_with_quotes_and_separators_is_one_cell(separator: str) -> None:
    row = ['say "a", b; d', "c=d"]
    text = to_csv([row], separator=separator)
    assert list(csv.reader(io.StringIO(text[1:], newline=""), delimiter=separator)) == [row]


def test_markdown_shows_every_sign() -> None:
    assert escape("a|b <i>*c*</i> [d](e) `f` \\") == r"a\|b \<i\>\*c\*\</i\> \[d\](e) \`f\` \\"
    assert table(("A",), [["x\ny|z"]]) == "| A |\n| --- |\n| x y\\|z |\n"


def test_statements_are_joined_and_keep_their_origins() -> None:
    cell = (config("A sentence."), operator("another."), config("c."))
    assert text_of(cell) == "A sentence; another; c."
    assert text_of(()) == ""
    assert origins_of(cell) == (Origin.CONFIG, Origin.OPERATOR)
    assert gaps_of([cell, (gap("x"), gap("y")), (gap("x"),)]) == ("x", "y")
