"""Numbers of court cases, by which a judgment is found and with it everybody in it."""

import pytest

from indexer.recognisers import PROFILES
from indexer.recognisers.court import RULES
from indexer.recognisers.fold import fold, folder


def numbers(text: str) -> set[str]:
    plain = fold(text, folder(()))
    return {text[slice(*plain.origin(hit.start, hit.end))] for rule in RULES for hit in rule.find(plain.text)}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("The case originated in an application (no. 41288/05) against", {"41288/05"}),
        ("(Applications nos. 12733/03, 4512/04 and 31/05)", {"12733/03", "4512/04", "31/05"}),
        ("Kalinina v. Latvia, no. 57001/00, § 39, ECHR 2005-VII", {"57001/00"}),
        ("Moreau and Others v. Malta, nos. 5794/00 and 57945/00", {"5794/00", "57945/00"}),
        ("(Requête nº 41288/05)", {"41288/05"}),
        ("de la requête no 3392/07\nprésentée par", {"3392/07"}),
        ("Claim No. HQ13X01234", {"HQ13X01234"}),
        ("CASE NO: CO/1234/2011", {"CO/1234/2011"}),
        ("(case no. II C 345/98)", {"II C 345/98"}),
        ("Criminal case no. 61122 was opened", {"61122"}),
        ("D.C. No. 2:07-cv-04210-GHK-AGR", {"2:07-cv-04210-GHK-AGR"}),
        ("No. 09-55673", {"09-55673"}),
        ("Pourvoi n° H 08-44.012", {"H 08-44.012"}),
        ("Arrêt n° 1187 F-D", {"1187 F-D"}),
        ("N° RG 11/04432", {"11/04432"}),
        ("R.G. : 2014/00123", {"2014/00123"}),
        ("Case C-441/14", {"C-441/14"}),
    ],
)
def test_a_case_number_is_found(text: str, values: set[str]) -> None:
    assert numbers(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "Case numbers rose by 1,500 in 2014.",
        "There is no 3/10 share; on 12/03/2014 no 24/7 service ran.",
        "Nos bureaux ouvrent le 12/03 et le 14/03.",
        "See case 3, file no. 12 and step no. 4 of action no. 7.",
        "loi n° 78-17 du 6 janvier 1978, article L. 1234-5",
        "part no. A1204, C-12, H264 and ISO 27001",
        "In this case no 2024 budget was set.",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert numbers(text) == set()


def test_every_profile_that_hides_identifiers_hides_case_numbers() -> None:
    assert all("CASE_NUMBER" in PROFILES[profile] for profile in ("identifiers", "balanced", "strict"))
