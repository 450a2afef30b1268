"""Identifiers of every kind, in the forms that people write them in. The whole table: `tests.evidence.identifiers`."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.recognisers import ENTITIES, RULES, lines, spaced
from indexer.recognisers.fold import fold, folder
from tests.evidence.identifiers import ADVERSARIAL, forms, twisted, written, wrong
from tests.indexer.identifiers.kinds import KINDS, Kind

SPECIAL = folder(ENTITIES)
UNDONE = frozenset({"zero width", "full width", "soft hyphen", "&nbsp;", "homoglyphs"})
"""The forms that folding undoes."""


def found(text: str) -> list[tuple[str, int, int]]:
    plain = fold(text, SPECIAL)
    hits = [(rule.entity, hit) for rule in RULES for hit in rule.find(plain.text)]
    hits += [*lines.find(plain.text, ENTITIES), *spaced.find(plain.text, ENTITIES)]
    return [(entity, *plain.origin(hit.start, hit.end)) for entity, hit in hits]


def left(text: str, start: int, end: int) -> str:
    """What of that stretch nothing found hides."""
    hidden = {at for _, first, last in found(text) for at in range(first, last)}
    return "".join(text[at] for at in range(start, end) if text[at].isalnum() and at not in hidden)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_valid_one_in_context_is_found_in_every_form(kind: Kind) -> None:
    rng = random.Random(7)  # noqa: S311
    for _ in range(2):
        groups = kind.make(rng)
        for form in forms(kind):
            for label in (kind.english, kind.french):
                assert left(*written(kind, groups, form, label)) == "", (form, label, groups)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.alone], ids=lambda kind: kind.name)
def test_one_of_a_shape_or_checksum_of_its_own_needs_no_context(kind: Kind) -> None:
    rng = random.Random(8)  # noqa: S311
    for _ in range(2):
        groups = kind.make(rng)
        assert left(*written(kind, groups, "printed", "It is")) == "", groups


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.checked], ids=lambda kind: kind.name)
def test_a_wrong_checksum_is_not_taken_for_a_right_one(kind: Kind) -> None:
    rng = random.Random(9)  # noqa: S311
    for _ in range(2):
        text, start, end = written(kind, wrong(kind.make(rng)), "printed", kind.english)
        assert [
            entity for entity, first, last in found(text) if entity in kind.entities and first < end and start < last
        ] == []


@pytest.mark.parametrize("form", sorted(UNDONE & {*ADVERSARIAL}))
def test_a_spelling_that_looks_the_same_is_found_too(form: str) -> None:
    rng = random.Random(10)  # noqa: S311
    for kind in KINDS:
        value = twisted(kind.make(rng), form)
        before = f"{kind.english} "
        if kind.spelt and not kind.fixed:
            assert left(f"{before}{value}.", len(before), len(before) + len(value)) == "", kind.name


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    "&nbsp;",
                    "&#64;",
                    "&shy;",
                    "&",
                    "ﬁ",
                    "é",
                    "e\u0301",
                    "\u200b",
                    "\u00ad",
                    "１",
                    "Ａ",
                    "\u3164",
                    "А",
                    "…",
                ]
            ),
            st.characters(exclude_characters="⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉①②③④⑤⑥⑦⑧⑨⓪"),
        ),
        max_size=12,
    ).map("".join),
    st.data(),
)
def test_a_span_goes_back_to_what_was_written(text: str, data: st.DataObject) -> None:
    plain = fold(text, SPECIAL)
    if plain.text:
        start = data.draw(st.integers(0, len(plain.text) - 1))
        end = data.draw(st.integers(start + 1, len(plain.text)))
        first, last = plain.origin(start, end)
        assert 0 <= first < last <= len(text)
        assert plain.text[start:end] in fold(text[first:last], SPECIAL).text


def test_raised_figures_are_a_number_where_they_are_many() -> None:
    assert fold("⁴⁵³²⁰ x² ①②③④", SPECIAL).text == "45320 x  1234"
    assert fold("see note¹²", SPECIAL).text == "see note  "


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("lives at 12 Mill Lane, Leeds LS1 4AB, since", "12 Mill Lane, Leeds LS1 4AB"),
        ("350 Fifth Avenue, Apt 4B, New York, NY 10118", "350 Fifth Avenue, Apt 4B, New York, NY 10118"),
        ("14 bis, rue de la République, 69002 Lyon", "14 bis, rue de la République, 69002 Lyon"),
        ("BP 123, 35000 Rennes Cedex 7", "BP 123, 35000 Rennes Cedex 7"),
        ("adresse : BP 123", "BP 123"),
        ("write to PO Box 45", "PO Box 45"),
        ("Flat 3, 12 Mill Lane", "Flat 3, 12 Mill Lane"),
        ("1 Microsoft Way, Redmond, WA 98052", "1 Microsoft Way, Redmond, WA 98052"),
        ("12 High Street\nLeeds\nLS1 4AB", "12 High Street\nLeeds\nLS1 4AB"),
    ],
)
def test_an_address_is_found_whole(text: str, value: str) -> None:
    start = text.index(value)
    assert ("ADDRESS", start, start + len(value)) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "blood pressure BP 120/80, a 256 GB Hard Drive, and in 2008 Wall Street",
        "before 5 High Court judges, 3 cours de danse, 1 place de parking",
        "Invoice, ID 12345, parts AB-123-CD and X12-3456-YZ",
        "rows 0 1 2 3 4 5 6 7 8 9 and a, b, c, d, e, f, g, h, i",
        "version 1.2.3-4.5.6, 1,234,567.89 EUR, 12 345 678 901 in all",
        "0 1 0 0 1 1 0 1 0 1 1 0 1 0 0 1",
        "the dossier holds 123456 rows, aged 9 months, page 95 of 120",
    ],
)
def test_technical_and_financial_text_is_left_alone(text: str) -> None:
    assert found(text) == []
