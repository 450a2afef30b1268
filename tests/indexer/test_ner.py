"""The embedded recogniser: what it finds, that windows change nothing, and that it is what was shipped."""

import hashlib
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.ner import tagger as module
from indexer.ner.recogniser import LEAST, Known, read
from indexer.ner.tagger import LABELS, SHA256, WEIGHTS, Tagger, tagger
from indexer.ner.words import folded, shape, spans
from indexer.recognisers.fold import BLANK
from policies.errors import IntegrityError

LETTER = (
    "Dear Margaret,\n\nWe spoke to Jonathan Okonkwo-Reilly on Tuesday about the invoice. His colleague Mrs Villeneuve "
    "was not there. Please write to them.\n\nKind regards,\nAnneke van der Berg"
)
LETTRE = (
    "Madame,\n\nNous avons rencontre Jean-Baptiste Lefranc mardi au sujet de la facture. Sa collegue Solene Kervadec "
    "etait absente.\n\nCordialement,\nFatoumata Diallo"
)


def people(text: str) -> list[str]:
    return [text[name.start : name.end] for name in tagger().names(text, least=LEAST) if name.entity == "PERSON"]


def test_people_are_found_in_english_and_french() -> None:
    assert people(LETTER) == ["Margaret", "Jonathan Okonkwo-Reilly", "Villeneuve", "Anneke van der Berg"]
    assert people(LETTRE) == ["Jean-Baptiste Lefranc", "Solene Kervadec", "Fatoumata Diallo"]


def test_places_and_organisations_are_told_apart() -> None:
    text = "Amina Yusuf moved from Lisbon to the University of Leeds in March."
    found = {text[name.start : name.end]: name.entity for name in tagger().names(text, least=LEAST)}
    assert found == {"Amina Yusuf": "PERSON", "Lisbon": "LOCATION", "University of Leeds": "ORGANIZATION"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\n ",
        "The Controller shall notify the Processor without undue delay under Article 33.",
        "Set PYTHONPATH before you run Docker; Kubernetes restarts the pod.",
        "La Cour rappelle que le Gouvernement conteste cette these.",
        "ERROR 2026-11-01 ConnectionReset: retrying in 5 s",
    ],
)
def test_text_without_people_has_none(text: str) -> None:
    assert people(text) == []


def test_a_lower_bound_finds_more_and_none_of_an_entity_without_one() -> None:
    few, many = ({(name.start, name.end) for name in tagger().names(LETTER, least={"PERSON": p})} for p in (0.99, 0.01))
    assert len(few) <= len(many)
    assert list(tagger().names(LETTER, least={})) == []


def test_a_name_says_how_likely_it_is() -> None:
    names = list(tagger().names(LETTER, least=LEAST))
    assert all(LEAST[name.entity] <= name.score <= 1.0 for name in names)


@given(st.text(max_size=400), st.integers(1, 40))
def test_windows_change_nothing(text: str, window: int) -> None:
    places = spans(text)
    if not places:
        return
    whole = tagger().probabilities(text, places)
    assert whole.shape == (len(places), len(LABELS))
    _forget()
    before, module.WINDOW = module.WINDOW, window
    try:
        np.testing.assert_allclose(tagger().probabilities(text, places), whole, atol=1e-5)
    finally:
        module.WINDOW = before


@given(st.text(max_size=400), st.lists(st.tuples(st.integers(0, 400), st.integers(1, 20)), max_size=4))
def test_a_text_with_hidden_values_reads_as_if_it_were_new(text: str, values: list[tuple[int, int]]) -> None:
    hidden = text
    for start, length in values:
        hidden = hidden[:start] + BLANK * len(hidden[start : start + length]) + hidden[start + length :]
    if not (places := spans(hidden)) or not spans(text):
        return
    tagger().probabilities(text, spans(text))
    again = tagger().probabilities(hidden, places)
    _forget()
    np.testing.assert_allclose(again, tagger().probabilities(hidden, places), atol=1e-5)


def _forget() -> None:
    """Have the tagger read something else, for it remembers the text before."""
    tagger().probabilities("On", spans("On"))


@given(st.text(max_size=200))
def test_names_are_in_order_disjoint_and_hold_a_letter(text: str) -> None:
    end = 0
    for name in tagger().names(text, least=dict.fromkeys(LABELS[1:], 0.1)):
        assert end <= name.start < name.end <= len(text)
        assert any(map(str.isalpha, text[name.start : name.end]))
        assert "\n" not in text[name.start : name.end]
        end = name.end


@pytest.mark.parametrize(
    ("word", "expected"),
    [("Jane", "Xxx"), ("JANE", "XXXX"), ("jane", "xxxx"), ("2026", "dddd"), ("McCoy", "XxXxx"), ("&", "&")],
)
def test_how_a_word_looks(word: str, expected: str) -> None:
    assert shape(word) == expected


def test_a_word_is_looked_up_without_case_and_accents() -> None:
    assert folded("ÉLODIE") == folded("elodie") == "elodie"
    assert folded("1984") == "0000"


def test_the_weights_are_the_ones_that_were_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    content = files("indexer.ner").joinpath(WEIGHTS).read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256
    assert len(content) <= 10 * 2**20
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    with pytest.raises(IntegrityError, match="not what was shipped"):
        tagger.__wrapped__()


@pytest.fixture
def known() -> Known:
    return Known(tagger())


def test_a_person_who_was_found_is_found_again_by_each_part(known: Known) -> None:
    known.add(["Jonathan Okonkwo-Reilly"])
    text = "Okonkwo-Reilly said so. JONATHAN agreed, Jonathan Reilly too; the okonkwo did not."
    assert [text[start:end] for start, end in known.find(text)] == ["Okonkwo-Reilly", "JONATHAN", "Jonathan Reilly"]


@pytest.mark.parametrize("name", ["Will Said", "May", "Li"])
def test_a_word_that_means_something_else_is_not_looked_for(known: Known, name: str) -> None:
    known.add([name])
    assert list(known.find("Will the Order come in May? Li.")) == []


def test_a_tagger_without_words_finds_nothing() -> None:
    assert isinstance(tagger(), Tagger)
    assert list(tagger().names("\t", least=LEAST)) == []


def read_people(text: str) -> list[str]:
    return [text[name.start : name.end] for name in read(tagger(), text, ["PERSON"])]


@pytest.mark.parametrize(
    "text",
    [
        "Merle 9 installer guide",
        "Dijkstra's algorithm finds the shortest path.",
        "Mark the checkbox and restart the server.",
    ],
)
def test_a_term_of_technical_prose_is_no_person(text: str) -> None:
    assert people(text)
    assert read_people(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The installer was written by Merle for the server API.", ["Merle"]),
        ("Sarah Merle installed version 2.4.1 of the server.", ["Sarah Merle"]),
        ("Let Martin sign the form.", ["Martin"]),
        ("Merle 9 will see you now.", ["Merle"]),
        ("Dr Dijkstra equations were his life.", ["Dijkstra"]),
    ],
)
def test_a_person_stays_one_in_technical_prose_and_beside_words_of_it(text: str, expected: list[str]) -> None:
    assert read_people(text) == expected
