"""Identifiers of France, and passports, whose numbers do not tell their country."""

from indexer.recognisers.rule import CHECKED, IN_CONTEXT, Rule, context, luhn, shape

_LA_POSTE = "356000000"


def _is_nir(value: str) -> bool:
    """INSEE: the key is 97 minus the number modulo 97, where 2A counts as 19 and 2B as 18 (décret n° 82-103)."""
    number, key = value[:13].replace("2A", "19").replace("2B", "18"), value[13:]
    return number.isdigit() and 97 - int(number) % 97 == int(key)


def _is_siret(digits: str) -> bool:
    """Luhn; La Poste, which has more establishments than Luhn allows: digits sum to a multiple of 5 (INSEE)."""
    return luhn(digits) or (digits.startswith(_LA_POSTE) and sum(map(int, digits)) % 5 == 0)


_NIR_13 = (
    r"[1-478][ .-]{0,2}\d{2}[ .-]{0,2}(?:0[1-9]|1[0-2]|[2-9]\d)[ .-]{0,2}(?:\d{2}|2[AB])[ .-]{0,2}\d{3}[ .-]{0,2}\d{3}"
)
_RCS = r"(?=[ ,]{1,3}(?:R\.?C\.?S|au RCS))"

RULES = (
    Rule(
        entity="FR_NIR",
        pattern=shape(rf"{_NIR_13}[ ./-]{{0,3}}\d{{2}}", ignore_case=True),
        score=CHECKED,
        check=_is_nir,
    ),
    Rule(
        entity="FR_NIR",
        pattern=shape(_NIR_13, ignore_case=True),
        score=IN_CONTEXT,
        context=context(
            *("nir", "securite sociale", "numero de secu", "n° de secu", "no de secu", "numero secu", "nss"),
            *("social security number", "insee number", "numero insee"),
        ),
    ),
    Rule(
        entity="FR_SIRET",
        pattern=shape(r"\d{3} \d{3} \d{3} \d{5}"),
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
    Rule(entity="FR_SIREN", pattern=shape(rf"\d{{3}} ?\d{{3}} ?\d{{3}}{_RCS}"), score=CHECKED, check=luhn),
    Rule(
        entity="FR_CNI",
        pattern=shape(r"\d{12}|(?=[A-Z]*\d)[0-9A-Z]{9}", ignore_case=True),
        score=IN_CONTEXT,
        context=context(
            *("cni", "cnie", "carte d'identite", "carte nationale d'identite", "piece d'identite"),
            *("carte identite", "national identity card", "identity card", "id card"),
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
)
