from pathlib import Path

from indexer.formats.elements import Element
from indexer.formats.markup.rst import restructured


def html(text: str) -> str:
    """The page that docutils made of it."""
    pages: list[str] = []

    def read(page: str) -> list[Element]:
        pages.append(page)
        return [Element(text="x")]

    parsed = restructured(text.encode(), read=read)
    assert (parsed.kind, parsed.elements) == ("rst", (Element(text="x"),))
    return pages[0]


def test_headings_keep_their_depth_and_tables_their_header() -> None:
    table = "=====  ====\nGrade  Days\n=====  ====\nA      25\n=====  ====\n"
    page = html(f"Leave\n=====\n\nText.\n\nCarry over\n----------\n\n{table}")
    assert "<h1>Leave" in page
    assert "<h2>Carry over" in page
    assert '<th class="head"><p>Grade</p></th>' in page


def test_no_file_is_inserted_and_nothing_raw_is_passed_on(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret", "utf-8")
    page = html(
        f".. include:: {secret}\n\n.. literalinclude:: {secret}\n\n.. csv-table::\n   :file: {secret}\n\n"
        f".. raw:: html\n   :file: {secret}\n\n.. raw:: html\n\n   <script>x</script>\n"
    )
    assert "a secret" not in page
    assert "<script>" not in page


def test_directives_and_roles_of_others_stay_as_they_are_written() -> None:
    page = html("See :ref:`target`.\n\n.. versionadded:: 2.0\n   The new door.\n\n.. toctree::\n\n   intro\n")
    assert "target" in page
    assert "The new door." in page
    assert "intro" in page
    assert "System Messages" not in page


def test_a_broken_file_is_read_as_far_as_it_goes() -> None:
    assert "Text" in html("Title\n==\n\nText *never closed\n\n+--+\n| x\n")


def test_a_paragraph_may_be_one_long_line() -> None:
    assert html("word " * 20_000).count("word") == 20_000


def test_no_document_changes_how_the_next_one_is_read() -> None:
    next_one = "See :ref:`target`, :strong:`this` and `that`.\n\n.. math:: a\n"
    before = html(next_one)
    html(
        ".. role:: ref(raw)\n   :format: latex\n\n.. role:: strong(math)\n.. role:: that(math)\n"
        ".. default-role:: math\n\n:ref:`x` :strong:`y` :that:`z` `w`\n"
    )
    assert html(next_one) == before
