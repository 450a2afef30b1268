import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.analyse import terms

PSEUDONYM = "PERSON_qwertyuiopasdfghjklz"


def test_words_are_folded_stemmed_and_freed_of_stop_words_in_order() -> None:
    assert terms("The policies of Parental LEAVE, and the leaves", ["en"]) == ["polici", "parent", "leav", "leav"]
    assert terms("Les demandes de congés, et la demande", ["fr"]) == ["demand", "cong", "demand"]


@pytest.mark.parametrize(
    ("query", "passage", "languages"),
    [
        ("policy", "Policies", ["en"]),
        ("employee’s", "employees", ["en"]),
        ("congé maternité", "conge maternite", ["fr"]),
        ("congé maternité", "CONGES MATERNITE", ["en", "fr"]),
        ("l'enfant", "enfants", ["fr"]),
        ("lorsqu’un œuvre", "oeuvres", ["fr"]),
        ("finance", "\ufb01nance", ["en"]),
        ("information", "infor\u00admation", ["en"]),
        ("1000", "1,000", ["en"]),
        ("10000 euros", "10\u202f000 euros", ["fr"]),
        ("10 000 euros", "10\xa0000 euros", ["fr"]),
        ("2.5", "2,5", ["en", "fr"]),
        ("e\u2011214", "E-214", ["en"]),
        ("2019-2020", "2019\u20132020", ["en"]),
        ("İstanbul", "istanbul", ["en"]),
    ],
)
def test_spellings_of_one_thing_give_the_same_terms(query: str, passage: str, languages: list[str]) -> None:
    assert terms(query, languages) == terms(passage, languages) != []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("E-214", ["e", "214", "e214"]),
        ("E214", ["e214"]),
        ("P2Y", ["p2y"]),
        ("COVID-19", ["covid", "19", "covid19"]),
        ("T-cell", ["t", "cell", "tcell"]),
        ("2024-01-15", ["2024", "01", "15", "20240115"]),
        ("10.0.0.1", ["10.0.0.1"]),
        ("max_length", ["max", "length"]),
        ("follow-through", ["follow"]),
    ],
)
def test_codes_are_found_by_their_parts_and_as_one(text: str, expected: list[str]) -> None:
    assert terms(text, ["en"]) == expected


@pytest.mark.parametrize("languages", [["en"], ["fr"], ["en", "fr"], ["de"]])
def test_a_pseudonym_is_one_term_in_every_language(languages: list[str]) -> None:
    assert terms(f"[{PSEUDONYM}]", languages) == [PSEUDONYM.lower()]
    assert terms(f"d'[{PSEUDONYM}]'s, ([UK_NHS_2_{'a' * 20}])", languages) == [
        PSEUDONYM.lower(),
        f"uk_nhs_2_{'a' * 20}",
    ]


def test_a_mixed_source_keeps_words_that_are_empty_in_one_language_only() -> None:
    assert terms("car insurance for AI", ["en", "fr"]) == ["car", "insur", "ai"]
    assert terms("un an de congé", ["en", "fr"]) == ["an", "cong"]


def test_a_mixed_source_finds_both_languages_whatever_their_order() -> None:
    text = "Policies on annual leave / Les règles des congés annuels"

    assert terms(text, ["en", "fr"]) == terms(text, ["fr", "en"])
    assert set(terms("annual leaves", ["en", "fr"])) <= set(terms(text, ["en", "fr"]))
    assert set(terms("règle de congé", ["en", "fr"])) <= set(terms(text, ["en", "fr"]))


def test_a_language_without_a_stemmer_keeps_its_words_whole() -> None:
    assert terms("Die Häuser der Straße", ["de"]) == ["die", "hauser", "der", "strasse"]


@pytest.mark.parametrize("text", ["", " \n\t", "'", "’s", "--- ... ///", "\ud800", "[]", "l'", "\u0301"])
def test_text_without_words_has_no_terms(text: str) -> None:
    assert terms(text, ["en", "fr"]) == []


@given(st.text(max_size=200), st.sampled_from([["en"], ["fr"], ["en", "fr"], []]))
def test_any_text_gives_short_terms_that_can_be_stored(text: str, languages: list[str]) -> None:
    for term in terms(text, languages):
        assert 0 < len(term.encode()) <= 4096


@pytest.mark.parametrize("text", ["a" * 300_000, "a-" * 150_000, "1," * 150_000, "1 000 " * 50_000, "l'" * 150_000])
@pytest.mark.timeout(60)
def test_hostile_text_costs_no_more_time_or_memory_than_its_length(text: str) -> None:
    tracemalloc.start()
    try:
        found = terms(text, ["en", "fr"])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(map(len, found)) <= 2 * len(text)
    assert peak_bytes < 100_000_000
