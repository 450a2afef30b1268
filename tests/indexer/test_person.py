"""People whom a form of address, an office, a label or a lawsuit announces, in texts as they are written."""

from collections.abc import Mapping

import pytest

from indexer.detect import prepare
from indexer.sandbox import JSON, Handler
from policies.errors import QuarantineError


@pytest.fixture(scope="module")
def handler() -> Handler:
    return prepare()


def hidden(handler: Handler, *texts: str, entity: str = "PERSON") -> list[str]:
    header: dict[str, JSON] = {"texts": [*texts], "languages": ["en"], "profile": "balanced"}
    answer: Mapping[str, object] = handler(header, b"")
    spans = answer["spans"]
    assert isinstance(spans, list)
    return [text[start:end] for text, of in zip(texts, spans, strict=True) for start, end, kind in of if kind == entity]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Gendarme commander Tuncay Çelik maintained that the report was right.", ["Tuncay Çelik"]),
        ("Police officers Bondar, Hrytsenko and Moroz were later questioned.", ["Bondar, Hrytsenko and Moroz"]),
        (
            "Lord Justice Pemberton gave leave, Pemberton LJ observing that it was late.",
            ["Lord", "Pemberton", "Pemberton"],
        ),
        ("The test is that of Hollis v Dunmore [1994] 1 AC 212.", ["Hollis", "Dunmore"]),
        ("AFFAIRE LABITANI c. ITALIE", ["LABITANI"]),
        ("Il fut placé en garde à vue avec A.K. et S.Ö. le 3 mai.", ["A.K.", "S.Ö."]),
        ("Étaient présents MM. Roche, Lebrun et Da Silva.", ["Roche, Lebrun et Da Silva"]),
        ("Selon lui, l'agent Moïsseïev l'aurait frappé.", ["Moïsseïev"]),
        ("She married Ingrid Maria ter Horst in 1999.", ["Ingrid Maria ter Horst"]),
        ("Nom de naissance : ROSSIGNOL\nPrénom : Nadia", ["ROSSIGNOL", "Nadia"]),
        ("Patient : LE MEUR Jean-Yves", ["LE MEUR Jean-Yves"]),
        ("The first plaintiff, Garfield Trevanion, moved out.", ["Garfield Trevanion"]),
        ("Mr Kjærsgaard met Dr Großmann.", ["Kjærsgaard", "Großmann"]),
    ],
)
def test_who_is_announced_is_hidden_whole(handler: Handler, text: str, names: list[str]) -> None:
    assert hidden(handler, text) == names


@pytest.mark.parametrize(
    "text",
    [
        "REST vs. GraphQL, client v. server, Python 2 v Python 3, IPv4 v. IPv6.",
        "The applicant Government and the witness Statement; the judge Rules apply.",
        "The U.S. and the U.K. met at 4 p.m.; see 42 U.S.C. 1983.",
        "This page of the manual was translated into [Русский] [日本語] [한국어] [简体中文] [हिन्दी] [Ελληνικά]",
        "MarkdownIt reads JSON; OAuth and PyPI are described in the Changelog.",
    ],
)
def test_what_announces_nobody_is_left(handler: Handler, text: str) -> None:
    assert hidden(handler, text) == []


def test_who_was_addressed_once_is_known_by_the_bare_name(handler: Handler) -> None:
    texts = ("Present: G. Stavroulakis, Mrs Okonjoro.", "ACTION: STAVROULAKIS to send the draft to Okonjoro by June.")
    assert hidden(handler, *texts) == ["G. Stavroulakis", "Okonjoro", "STAVROULAKIS", "Okonjoro"]


@pytest.mark.parametrize("name", ["王小明", "محمد علي", "Ольга Кузнецова", "김철수", "Γιώργος Παππάς"])
def test_a_name_in_another_script_is_hidden(handler: Handler, name: str) -> None:
    assert hidden(handler, f"It was signed by the managing director ({name}) in March.") == [name]


@pytest.mark.parametrize("names", ["Иван Петров\nАнна Смирнова", "王小明\n李娜\n张伟\n刘洋\n陈静\n杨勇"])
def test_a_list_of_short_names_in_another_script_is_not_let_in(handler: Handler, names: str) -> None:
    with pytest.raises(QuarantineError):
        hidden(handler, f"Staff list\n{names}\n")


def test_a_date_of_birth_may_follow_the_name_at_birth(handler: Handler) -> None:
    text = "Madame BOUTEILLER Yvonne, née GICQUEL le 02/09/1938"
    assert hidden(handler, text, entity="DATE_OF_BIRTH") == ["02/09/1938"]


def test_an_address_in_capitals_is_hidden(handler: Handler) -> None:
    french = "3 BIS AVENUE DU MARECHAL FOCH\n13090 AIX EN PROVENCE"
    assert hidden(handler, f"Adresse :\n{french}\n", entity="ADDRESS") == [french]
    assert hidden(handler, "ship to\n12 HIGH STREET\n", entity="ADDRESS") == ["12 HIGH STREET"]
