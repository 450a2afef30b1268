"""Identifiers of the United Kingdom."""

from indexer.recognisers.rule import CHECKED, DISTINCT, IN_CONTEXT, MIXED, NUMBER, Rule, context, shape

_AREAS = (
    "A[BL]|B|B[ABDHLNRST]|C[ABFHMORTVW]|D|D[ADEGHLNTY]|E|E[CHNX]|F[KY]|G|G[LUY]|H[ADGPRSUX]|I[GMPV]|JE|K[ATWY]|"
    "L|L[ADELNSU]|M|M[EKL]|N|N[EGNPRW]|O[LX]|P[AEHLOR]|R[GHM]|S|S[AEGKLMNOPRSTWY]|T[ADFNQRSW]|UB|W|W[ACDFNRSV]|YO|ZE"
)
_OUTWARD = rf"(?:{_AREAS})(?:\d{{1,2}}|\d[A-HJKMNP-Y])"
_INWARD = r"\d[ABD-HJLNP-UW-Z]{2}"
POSTCODE = rf"(?:{_OUTWARD} ?{_INWARD})"
"""A postcode in capitals."""


def _is_nhs_number(digits: str) -> bool:
    """NHS Data Dictionary, "NHS NUMBER": weights 10 to 2, check digit 11 minus the sum modulo 11; 10 is not issued."""
    total = sum(int(digit) * (10 - place) for place, digit in enumerate(digits[:9]))
    return (11 - total % 11) % 11 == int(digits[9]) and len(set(digits)) > 1


def _is_utr(digits: str) -> bool:
    """HMRC, as python-stdnum's `gb.utr` has it: the first digit checks the others, weighted and modulo 11."""
    weighted = zip(digits[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2), strict=True)
    return "21987654321"[sum(int(digit) * weight for digit, weight in weighted) % 11] == digits[0]


_NHS = context(
    *("nhs", "nhs number", "numero nhs", "patient number", "patient no", "numero de patient", "chi number", "chi no")
)
_POSTCODE = context("postcode", "post code", "postal code", "code postal", "address", "adresse")

RULES = (
    Rule(
        entity="UK_NHS",
        pattern=shape(r"\d{3} {1,2}\d{3} {1,2}\d{4}"),
        first=NUMBER,
        score=CHECKED,
        check=_is_nhs_number,
    ),
    Rule(
        entity="UK_NHS",
        pattern=shape(r"\d{3}[ .-]{0,3}\d{3}[ .-]{0,3}\d{4}"),
        score=CHECKED,
        check=_is_nhs_number,
        context=_NHS,
    ),
    Rule(  # HMRC, National Insurance Manual NIM39110: letters never used, prefixes never issued
        entity="UK_NINO",
        pattern=shape(
            r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
            r"(?:[ .-]{0,2}\d{2}){3}[ .-]{0,2}[A-D]",
            ignore_case=True,
        ),
        first=MIXED,
        score=DISTINCT,
    ),
    Rule(
        entity="UK_SORT_CODE",
        pattern=shape(r"\d{2}[ -]{0,3}\d{2}[ -]{0,3}\d{2}"),
        score=IN_CONTEXT,
        context=context("sort code", "sortcode"),
    ),
    Rule(  # DVLA: five of the surname, birth date (women: month + 50), initials, check characters, issue number
        entity="UK_DRIVING_LICENCE",
        pattern=shape(
            r"[A-Z](?:[A-Z]{4}|[A-Z]{3}9|[A-Z]{2}99|[A-Z]999|9999)[ \n-]?"
            r"\d(?:0[1-9]|1[0-2]|5[1-9]|6[0-2])(?:0[1-9]|[12]\d|3[01])\d[ \n-]?"
            r"[A-Z9]{2}[0-9A-Z][ -]?[A-Z]{2}(?:\d{2})?",
            ignore_case=True,
        ),
        first=MIXED,
        score=DISTINCT,
    ),
    Rule(
        entity="UK_UTR",
        pattern=shape(r"\d{5} ?\d{5}K?|\d{4} \d{3} \d{3}", ignore_case=True),
        score=IN_CONTEXT,
        context=context("utr", "unique taxpayer reference", "taxpayer reference", "tax reference", "utr number"),
    ),
    Rule(  # where less announces it, the check digit decides
        entity="UK_UTR",
        pattern=shape(r"\d{5} ?\d{5}"),
        score=CHECKED,
        check=_is_utr,
        context=context("hmrc", "self assessment", "self-assessment", "tax return", "taxpayer"),
    ),
    Rule(  # in any case, as a search box gets it, but not the "S3 2nd" and "S3 4GB" of other texts
        entity="UK_POSTCODE",
        pattern=shape(
            rf"(?=[A-Z]{{1,3}} ?\d)(?:{_OUTWARD} {{1,2}}(?!\d(?:st|nd|rd|th|gb|tb|pb|hz)){_INWARD}|GIR ?0AA)",
            ignore_case=True,
        ),
        first=MIXED,
        score=DISTINCT,
    ),
    Rule(
        entity="UK_POSTCODE",
        pattern=shape(rf"{_OUTWARD}[ -]{{0,2}}{_INWARD}", ignore_case=True),
        score=IN_CONTEXT,
        context=_POSTCODE,
    ),
)
