import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexer.embed import locate_model, token_counter
from indexer.formats.elements import Element
from indexer.passages import SHORT_TOKENS, Passage, document_text, split
from indexer.sentences import sentences
from tests.fakes import count_words

REAL_COUNT = token_counter(locate_model(None))
PSEUDONYM = "[EMAIL_ADDRESS_mfrggzdfmztwq2lknnwg23tp]"


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * count)


def title(text: str, depth: int = 1, page: int | None = None) -> Element:
    return Element(text=text, kind="title", depth=depth, page=page)


def sentences_of(text: str) -> list[str]:
    return [text[start:end].strip() for start, end in sentences(text)]


def divided(*elements: Element, of: str | None = None, max_tokens: int = 256) -> tuple[Passage, ...]:
    return split(of, elements, tokens=count_words, max_tokens=max_tokens)


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="aB1.!? \n\t…»«'\u00a0\u202f\u2028\x1f\x85\u0301\ud55c\u4e2d[]_", max_size=200),
    st.integers(1, 900).map(lambda count: "x" * count),
    st.integers(1, 120).map(lambda count: "한中" * count),
    st.integers(1, 40).map(lambda count: PSEUDONYM * count),
    st.lists(
        st.sampled_from(["Mr. Smith left.", "It cost 3.50 euros.", "Voilà !", PSEUDONYM, "word"]), max_size=300
    ).map(" ".join),
)
ELEMENTS = st.lists(
    st.builds(
        Element,
        text=HOSTILE,
        kind=st.sampled_from(["title", "text", "list", "table"]),
        depth=st.integers(0, 4),
        page=st.none() | st.integers(1, 9),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=150)
@given(heading=st.none() | HOSTILE, elements=ELEMENTS, max_tokens=st.sampled_from([128, 256]))
@example(heading=None, elements=[Element(text="a\x1fb" * 400)], max_tokens=128)
@example(heading=PSEUDONYM * 9, elements=[title(PSEUDONYM * 9)], max_tokens=128)
def test_every_character_stands_in_one_passage_that_the_model_reads_whole(
    heading: str | None, elements: list[Element], max_tokens: int
) -> None:
    text = document_text(elements)
    passages = split(heading, elements, tokens=REAL_COUNT, max_tokens=max_tokens)

    place = 0
    for ordinal, passage in enumerate(passages):
        assert passage.ordinal == ordinal
        assert not text[place : passage.start].strip()
        assert passage.text == text[passage.start : passage.end] == passage.text.strip() != ""
        assert REAL_COUNT([passage.indexed_text])[0] + 2 <= max_tokens
        place = passage.end
    assert not text[place:].strip()
    for pseudonym in re.finditer(re.escape(PSEUDONYM), text):
        assert any(p.start <= pseudonym.start() and pseudonym.end() <= p.end for p in passages)
    for passage in passages:
        assert passage.heading.count("[EMAIL") == passage.heading.count(PSEUDONYM)


@given(st.text(alphabet="aB1.!? \n…»'\u00a0", max_size=80))
def test_sentences_cover_a_text_without_gap_or_overlap(text: str) -> None:
    spans = sentences(text)
    assert "".join(text[start:end] for start, end in spans) == text
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Leave is paid. Ask first.", ["Leave is paid.", "Ask first."]),
        ("Ask Dr. Ho, Mr. Li or M. Roy. They know.", ["Ask Dr. Ho, Mr. Li or M. Roy.", "They know."]),
        ("Under Art. 6 and No. 4, e.g. Monday. Then stop.", ["Under Art. 6 and No. 4, e.g. Monday.", "Then stop."]),
        ("It costs 3.50 or 1.000,00 euros. Fine.", ["It costs 3.50 or 1.000,00 euros.", "Fine."]),
        ("Est-ce vrai ? Oui ! « Bien sûr. » Merci.", ["Est-ce vrai ?", "Oui !", "« Bien sûr. »", "Merci."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("1. Open the door. 2. Close it.", ["1. Open the door.", "2. Close it."]),
        ("We wait... and go on. Then?", ["We wait... and go on.", "Then?"]),
        ("From: a\nTo: b", ["From: a", "To: b"]),
        ("Contact J. K. Doe in 2024. She knows.", ["Contact J. K. Doe in 2024.", "She knows."]),
        ("no end", ["no end"]),
        ("", []),
    ],
)
def test_sentences_of_english_and_french_are_found(text: str, expected: list[str]) -> None:
    assert [sentence for sentence in sentences_of(text) if sentence] == expected


def test_a_short_document_is_one_passage_under_its_title() -> None:
    (passage,) = divided(Element(text="Ask your manager.", page=3), of="Leave policy")
    assert passage == Passage(
        text="Ask your manager.", heading="Leave policy", ordinal=0, page=3, section=None, start=0, end=17
    )
    assert passage.indexed_text == "Leave policy\nAsk your manager."


def test_a_document_without_text_or_title_has_no_passages_and_no_heading() -> None:
    assert divided() == ()
    assert divided(Element(text=" \n ")) == ()
    assert [p.indexed_text for p in divided(Element(text="alone"))] == ["alone"]


def test_large_sections_stay_apart_and_carry_their_path() -> None:
    passages = divided(
        title("Leave", 1),
        title("Annual", 2, page=1),
        Element(text=words(200, "annual"), page=1),
        title("Sick", 2, page=2),
        Element(text=words(200, "sick"), page=2),
        of="Handbook",
    )
    assert [(p.heading, p.text.split()[0], p.section, p.page) for p in passages] == [
        ("Handbook", "Leave", "Leave", None),
        ("Handbook › Leave", "Sick", "Sick", 2),
    ]


def test_the_rest_of_a_long_section_carries_its_title() -> None:
    passages = divided(title("Leave"), *[Element(text=words(100))] * 4, of="Handbook")
    assert [(p.heading, p.section) for p in passages] == [("Handbook", "Leave"), ("Handbook › Leave", "Leave")]


def test_small_sections_under_one_parent_share_a_passage() -> None:
    small = [part for name in "ABC" for part in (title(name, 2), Element(text=words(60)))]
    (passage,) = divided(title("Parent"), *small)
    assert [line for line in passage.text.split("\n\n") if len(line) == 1] == ["A", "B", "C"]


def test_two_large_chapters_do_not_share_a_passage_even_if_they_fit() -> None:
    passages = divided(title("One"), Element(text=words(80)), title("Two"), Element(text=words(80)))
    assert [p.section for p in passages] == ["One", "Two"]


def test_a_tiny_chapter_joins_its_neighbour() -> None:
    passages = divided(title("One"), Element(text=words(80)), title("Two"), Element(text=words(8)))
    assert [p.section for p in passages] == ["One"]


def test_a_title_is_never_parted_from_what_follows_it() -> None:
    passages = divided(Element(text=words(245)), title("Next"), Element(text=words(245)))
    assert [p.text.split()[0] for p in passages] == ["word", "Next"]


def test_the_last_passage_is_not_a_crumb() -> None:
    body = " ".join(["Nine words make one short sentence of this kind."] * 27)
    passages = divided(Element(text=body))
    assert len(passages) == 2
    assert all(count_words([p.text])[0] >= SHORT_TOKENS for p in passages)


def test_the_document_title_is_not_repeated_when_the_text_begins_with_it() -> None:
    passages = divided(title("Handbook"), title("Leave", 2), Element(text=words(240)), of="Handbook")
    assert [(p.heading, p.section) for p in passages] == [("", None)]
    long = Element(text=words(200))
    later = divided(title("Handbook"), long, title("Leave", 2), long, of="Handbook")
    assert [(p.heading, p.section) for p in later] == [("", None), ("Handbook", "Leave")]


def test_rows_and_items_are_not_cut_where_they_fit() -> None:
    rows = [f"Name: {words(30)}. Capital. {number}" for number in range(20)]
    items = [f"{words(30)}. Capital {number}" for number in range(20)]
    table = divided(Element(text="\n".join(rows), kind="table"))
    listed = divided(*[Element(text=item, kind="list") for item in items])
    assert [line for p in table for line in p.text.split("\n")] == rows
    assert [line for p in listed for line in p.text.split("\n\n")] == items


def test_a_word_longer_than_a_passage_is_cut_by_characters() -> None:
    passages = divided(Element(text="x" * 50_000))
    assert "".join(p.text for p in passages) == "x" * 50_000
    assert max(len(p.text) for p in passages) <= 254 * 16


def test_a_long_path_keeps_document_and_nearest_section() -> None:
    path = [title(f"{words(14)} {depth}", depth) for depth in range(1, 6)]
    passages = divided(*path, *[Element(text=words(150))] * 2, of="Handbook")
    assert passages[-1].heading == f"Handbook › {words(14)} 4 › {words(14)} 5"


def test_a_title_longer_than_a_heading_is_shortened_at_a_word() -> None:
    (*_, last) = divided(title(words(100)), Element(text=words(300)))
    assert last.heading == last.section
    assert re.fullmatch(r"(word )+word…", last.heading)


def test_passages_are_the_same_on_every_run() -> None:
    elements = [title("A"), Element(text=words(500)), title("B"), Element(text=words(500))]
    assert split("T", elements, tokens=REAL_COUNT) == split("T", elements, tokens=REAL_COUNT)


def test_texts_are_counted_in_few_calls() -> None:
    calls: list[int] = []

    def counting(texts: Sequence[str]) -> list[int]:
        calls.append(len(texts))
        return count_words(texts)

    split("T", [Element(text="One two. Three four. " * 2000)], tokens=counting)
    assert calls == [1, 2, 4000]
