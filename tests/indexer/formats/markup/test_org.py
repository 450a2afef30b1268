from indexer.formats.markup.org import org
from tests.patience import patient


def told(text: str) -> list[tuple[str, int, str]]:
    return [(item.kind, item.depth, item.text) for item in org(text.encode()).elements]


def test_an_org_file_gives_headings_text_lists_and_rows_with_their_header() -> None:
    text = (
        "#+TITLE: Leave policy\n#+OPTIONS: toc:nil\n# a comment\n* TODO [#A] Annual leave :hr:\n"
        ":PROPERTIES:\n:ID: 7\n:END:\nStaff have [[https://x.example][25 days]].\n"
        "#+begin_quote\nA quote.\n#+end_quote\n\n- five days\n- ten days\n"
        "** Carry over\n#+CAPTION: Grades\n| Grade | Days |\n|-------+------|\n| A     | 25   |\n"
    )
    assert org(text.encode()).title == "Leave policy"
    assert told(text) == [
        ("title", 1, "Annual leave"),
        ("text", 0, "Staff have 25 days.\nA quote."),
        ("list", 0, "- five days"),
        ("list", 0, "- ten days"),
        ("title", 2, "Carry over"),
        ("text", 0, "Grades"),
        ("table", 0, "Grade: A; Days: 25"),
    ]


def test_bold_words_are_no_heading_and_a_drawer_that_nothing_ends_is_text() -> None:
    assert told("*bold* words\n:LOGBOOK:\nstays\n") == [("text", 0, "*bold* words\n:LOGBOOK:\nstays")]


def test_hostile_repetition_costs_no_more_than_its_length() -> None:
    with patient():
        for piece in ("[[", ":a:\n", "*" * 50, "|-", "* :a"):
            org((piece * 100_000).encode())
