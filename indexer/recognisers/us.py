"""Identifiers of the United States."""

from indexer.recognisers.rule import CHECKED, DISTINCT, IN_CONTEXT, NUMBER, Rule, context, shape


def _is_routing_number(digits: str) -> bool:
    """ABA routing number policy: Federal Reserve prefix, and 3, 7, 1 repeated sums to 0 modulo 10."""
    issued = int(digits[:2]) in {*range(13), *range(21, 33), *range(61, 73), 80}
    return issued and sum(int(digit) * (3, 7, 1)[place % 3] for place, digit in enumerate(digits)) % 10 == 0


_MIN_LICENCE_DIGITS = 5  # fewer is a form number or a year


def _has_licence_digits(value: str) -> bool:
    return sum(map(str.isdigit, value)) >= _MIN_LICENCE_DIGITS


# Social Security Administration, POMS RM 10201.035: never 000, 666 or 9xx, nor 00, nor 0000.
_SSN = r"(?!000|666|9)\d{3}{0}(?!00)\d{2}{0}(?!0000)\d{4}"
# Internal Revenue Manual 3.21.263: 9xx, fourth and fifth digits 50-65, 70-88, 90-92, 94-99.
_ITIN = r"9\d{2}{0}(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9]){0}\d{4}"

RULES = (
    Rule(entity="US_SSN", pattern=shape(_SSN.replace("{0}", "-")), first=NUMBER, score=DISTINCT),
    Rule(
        entity="US_SSN",
        pattern=shape(_SSN.replace("{0}", "[ .-]{0,3}")),
        score=IN_CONTEXT,
        context=context("ssn", "social security", "social security number", "social security no", "ss#"),
    ),
    Rule(entity="US_ITIN", pattern=shape(_ITIN.replace("{0}", "-")), first=NUMBER, score=DISTINCT),
    Rule(
        entity="US_ITIN",
        pattern=shape(_ITIN.replace("{0}", "[ .-]{0,3}")),
        score=IN_CONTEXT,
        context=context("itin", "individual taxpayer identification number", "taxpayer id", "tax id"),
    ),
    Rule(
        entity="US_ABA_ROUTING",
        pattern=shape(r"\d{4}[ -]?\d{4}[ -]?\d"),
        score=CHECKED,
        check=_is_routing_number,
        context=context("aba", "aba number", "routing", "routing number", "routing no", "routing transit", "rtn"),
    ),
    Rule(
        entity="US_EIN",
        pattern=shape(r"\d{2}[ -]?\d{7}"),
        score=IN_CONTEXT,
        context=context("ein", "fein", "employer identification number", "employer id", "federal tax id"),
    ),
    Rule(  # each state has its own shape, so only what announces it tells
        entity="US_DRIVER_LICENSE",
        pattern=shape(
            r"[A-Z]{1,3} \d{5,18}|[A-Z]\d{2,4}(?:[ \n-]\d{3,4}){1,3}|[0-9A-Z](?:-?[0-9A-Z*]){5,18}"
            r"|\d{2,6}(?:[ .]\d{2,6}){1,4}",
            ignore_case=True,
        ),
        score=IN_CONTEXT,
        check=_has_licence_digits,
        context=context(
            *("driver's license", "drivers license", "driver license", "driver's licence", "driving license"),
            *("driving licence", "dl number", "dl no", "dl#", "dl:", "permis de conduire", "numero de permis"),
        ),
    ),
)
