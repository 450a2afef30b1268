from itertools import count

from indexer.formats.elements import Element
from indexer.formats.pages.layout import Line, arrange


def column(
    *texts: str, page: int = 1, top: float = 700, left: float = 50, height: float = 10, width: float = 300
) -> list[Line]:
    """Lines under each other, one and a fifth of their height apart."""
    return [
        Line(text=text, page=page, left=left, right=left + width, bottom=top - row * 1.2 * height, height=height)
        for row, text in zip(count(), texts, strict=False)
    ]


def texts(lines: list[Line]) -> list[str]:
    return [element.text for element in arrange(lines)]


def test_full_lines_are_joined_and_a_wider_gap_starts_a_paragraph() -> None:
    lines = [*column("The first line", "goes on here."), *column("Another one.", top=640)]
    assert texts(lines) == ["The first line goes on here.", "Another one."]


def test_short_lines_stay_lines() -> None:
    address = [
        *column("Ada Lovelace", width=80),
        *column("12 St James's Square, in the city of", top=688),
        *column("London", top=676, width=40),
    ]
    assert texts(address) == ["Ada Lovelace\n12 St James's Square, in the city of London"]


def test_a_sentence_goes_on_in_the_next_column() -> None:
    lines = [*column("It was the best", "of times, it was", top=100), *column("the worst of times.", top=700, left=400)]
    assert texts(lines) == ["It was the best of times, it was the worst of times."]


def test_a_raised_digit_stays_in_its_line() -> None:
    lines = [
        Line(text="Zejiang Shen", page=1, left=50, right=120, bottom=700, height=10),
        Line(text="1", page=1, left=120, right=124, bottom=705, height=7),
        Line(text="and others", page=1, left=127, right=200, bottom=700, height=10),
    ]
    assert texts(lines) == ["Zejiang Shen1 and others"]


def test_a_hyphen_at_the_end_of_a_line_goes_unless_the_document_spells_it() -> None:
    lines = column("an im\ufffe", "portant dual\ufffe", "encoder and a Lucene\ufffe", "BM25 with a dual-encoder")
    assert texts(lines) == ["an important dual-encoder and a Lucene-BM25 with a dual-encoder"]


def test_higher_lines_are_titles_by_their_height() -> None:
    body = column(*["A line of the body text that is long enough to count."] * 9, top=600)
    lines = [*column("Report", height=24), *column("Introduction", top=640, height=14), *body]
    assert [(item.kind, item.depth, item.text) for item in arrange(lines)][:2] == [
        ("title", 1, "Report"),
        ("title", 2, "Introduction"),
    ]


def test_where_much_is_high_nothing_is_a_title() -> None:
    lines = [*column("A poster that shouts", height=30), *column("and whispers a little", top=600)]
    assert {item.kind for item in arrange(lines)} == {"text"}


def test_running_headers_stay_once() -> None:
    lines = []
    for page in range(1, 6):
        lines += column("Annual report", page=page, top=800)
        lines += column(f"What stands on page {'abcdef'[page]} alone.", page=page)
        lines += column(f"Page {page} of 5", page=page, top=20)
    found = arrange(lines)
    assert [(item.page, item.text) for item in found if "alone" not in item.text] == [
        (1, "Annual report"),
        (1, "Page 1 of 5"),
    ]
    assert len([item for item in found if "alone" in item.text]) == 5


def test_dot_leaders_shrink() -> None:
    assert texts(column("The Veil ............................. 48")) == ["The Veil … 48"]


def test_nothing_gives_nothing() -> None:
    assert arrange([]) == []
    assert arrange(column("x")) == [Element(text="x", page=1)]
