"""Identifiers of France, and passports, whose numbers do not tell their country."""

import re

from indexer.recognisers.rule import CHECKED, DISTINCT, IN_CONTEXT, NUMBER, Rule, context, luhn, shape

_LA_POSTE = "356000000"


def _is_nir(value: str) -> bool:
    """INSEE: the key is 97 minus the number modulo 97, where 2A counts as 19 and 2B as 18 (décret n° 82-103)."""
    number, key = value[:13].replace("2A", "19").replace("2B", "18"), value[13:]
    return number.isdigit() and 97 - int(number) % 97 == int(key)


def _is_siret(digits: str) -> bool:
    """Luhn; La Poste, which has more establishments than Luhn allows: digits sum to a multiple of 5 (INSEE)."""
    return luhn(digits) or (digits.startswith(_LA_POSTE) and sum(map(int, digits)) % 5 == 0)


def _is_tax_number(digits: str) -> bool:
    """DGFiP, as python-stdnum's `fr.nif` has it: the last three digits are the first ten modulo 511."""
    return int(digits[:10]) % 511 == int(digits[10:])


_NIR_13 = (
    r"[1-478][ .-]{0,2}\d{2}[ .-]{0,2}(?:0[1-9]|1[0-2]|[2-9]\d)[ .-]{0,2}(?:\d{2}|2[AB])[ .-]{0,2}\d{3}[ .-]{0,2}\d{3}"
)
_TAX_NUMBER = r"[0-3]\d{0}\d{2}{0}\d{3}{0}\d{3}{0}\d{3}"
_RCS = r"(?=[ ,]{1,3}(?:R\.?C\.?S|au RCS))"

RULES = (
    Rule(
        entity="FR_NIR",
        pattern=shape(rf"{_NIR_13}[ ./-]{{0,3}}\d{{2}}", ignore_case=True),
        first=NUMBER,
        score=CHECKED,
        check=_is_nir,
    ),
    Rule(
        entity="FR_NIR",
        pattern=shape(rf"{_NIR_13}(?:[ ./-]{{0,3}}\d{{2}})?", ignore_case=True),
        score=IN_CONTEXT,
        context=context(
            *("nir", "securite sociale", "numero de secu", "n° de secu", "no de secu", "numero secu", "nss"),
            *("social security number", "insee number", "numero insee"),
        ),
    ),
    Rule(
        entity="FR_SIRET",
        pattern=shape(r"\d{3} \d{3} \d{3} \d{5}"),
        first=NUMBER,
        score=CHECKED,
        check=_is_siret,
    ),
    Rule(
        entity="FR_SIRET",
        pattern=shape(r"(?:\d{3}[ .-]{0,2}){3}\d{3}[ .-]{0,2}\d{2}"),
        score=CHECKED,
        check=_is_siret,
        context=context("siret", "n° siret", "numero siret"),
    ),
    Rule(
        entity="FR_SIREN",
        pattern=shape(r"\d{3}[ .-]{0,2}\d{3}[ .-]{0,2}\d{3}"),
        score=CHECKED,
        check=luhn,
        context=context("siren", "rcs", "r.c.s", "registre du commerce", "numero siren", "n° siren"),
    ),
    Rule(
        entity="FR_SIREN",
        pattern=shape(rf"\d{{3}} ?\d{{3}} ?\d{{3}}{_RCS}"),
        first=NUMBER,
        score=CHECKED,
        check=luhn,
    ),
    Rule(
        entity="FR_TAX_NUMBER",
        pattern=shape(_TAX_NUMBER.replace("{0}", " ")),
        first=NUMBER,
        score=CHECKED,
        check=_is_tax_number,
    ),
    Rule(
        entity="FR_TAX_NUMBER",
        pattern=shape(_TAX_NUMBER.replace("{0}", "[ .-]{0,2}")),
        score=CHECKED,
        check=_is_tax_number,
        context=context(
            *(
                "numero fiscal",
                "n° fiscal",
                "no fiscal",
                "identifiant fiscal",
                "reference fiscale",
                "spi",
                "tif",
                "nif",
            ),
            *("french tax number", "tax number", "tax identification number", "tin", "avis d'imposition", "impots"),
        ),
    ),
    Rule(  # arrêté du 20 décembre 2012: since 2013 two digits, two letters, five digits; before, twelve digits
        entity="FR_DRIVING_LICENCE",
        pattern=shape(r"\d{2} ?[A-Z]{2} ?\d{5}|\d{2}(?: ?\d{2}){5}", ignore_case=True),
        score=IN_CONTEXT,
        context=context(
            *("permis de conduire", "numero de permis", "n° de permis", "permis n°", "permis no", "numero du permis"),
            *("french driving licence", "driving licence", "driver's license", "driver's licence"),
        ),
    ),
    Rule(
        entity="FR_CNI",
        pattern=shape(r"\d{12}|\d{10}|(?=[A-Z]*\d)[0-9A-Z]{9}", ignore_case=True),
        score=IN_CONTEXT,
        context=context(
            *("cni", "cnie", "carte d'identite", "carte nationale d'identite", "piece d'identite"),
            *("carte identite", "national identity card", "identity card", "id card", "titre de sejour"),
            *("carte de sejour", "residence permit", "numero etranger", "agdref"),
        ),
    ),
    Rule(
        entity="PASSPORT",
        pattern=shape(
            r"\d{9}|[A-Z]{2}[ ]?\d{7}|[A-Z][ ]?\d{8}|\d{2}[ ]?[A-Z]{2}[ ]?\d{5}|\d{3} \d{3} \d{3}", ignore_case=True
        ),
        score=IN_CONTEXT,
        context=context("passport", "passeport", "travel document", "document de voyage"),
    ),
    Rule(  # ICAO Doc 9303, part 4: either line of the zone that machines read
        entity="PASSPORT",
        pattern=re.compile(
            r"(?<![0-9A-Z<])(?:P[A-Z<][A-Z<]{42}|[0-9A-Z<]{9}\d[A-Z<]{3}\d{6}\d[MFX<]\d{6}\d[0-9A-Z<]{14}[\d<]\d)"
            r"(?![0-9A-Z<])"
        ),
        score=DISTINCT,
        gate=re.compile("<"),
    ),
)
