"""Telephone numbers of the United Kingdom, France and the United States, and international ones of any country.

Not `phonenumbers.PhoneNumberMatcher`: it took nearly half of the time of all patterns, sees no number in a column of
them ("020 7946 0958 020 7946 0959"), and gives up in silence after 65,535 tries on one text. The shapes are ours,
lengths and canonical forms are phonenumbers'.
"""

import re
from collections.abc import Iterator

import phonenumbers

from indexer.recognisers.rule import CHECKED, DISTINCT, IN_CONTEXT, NUMBER, Hit, Rule, context, shape

REGIONS = ("GB", "FR", "US")
"""Where a number without a country code is looked for, in this order."""

_INTERNATIONAL = re.compile(
    r"[(+0](?<![0-9A-Za-z].)(?:(?<=\()\+[ .(]{0,2}|(?<=\+)[ .(]{0,2}|(?<=0)0[ .-]?)"
    r"[1-9](?:[ .()/-]{0,3}\d){6,15}(?!\d)",
    re.ASCII,
)


class International:
    """Finds numbers with a country code, after `+` or `00`."""

    entity = "PHONE_NUMBER"

    def find(self, text: str) -> Iterator[Hit]:
        """Every such number in `text`: of digits that go on, as many groups as make a number."""
        for match in _INTERNATIONAL.finditer(text):
            value = match.group()
            for group in reversed(list(re.finditer(r"\d+", value))):
                if _parse(value[: group.end()], REGIONS[0]):
                    yield Hit(match.start(), match.start() + group.end(), CHECKED)
                    break


def load() -> None:
    """Have the lengths of every country's numbers at hand, so that no number of a text has them read from a file."""
    phonenumbers.PhoneMetadata.load_all()


def e164(value: str) -> str:
    """`value` in E.164 where it can be a number, else its digits.

    A number without country code is read as French where it has ten digits from 0, the length of all French numbers
    and of few British ones, as American where it has ten from 2 to 9, else as of the first of REGIONS.
    """
    digits = re.sub(r"\D", "", value)
    french, american = re.fullmatch(r"0[1-9]\d{8}", digits), re.fullmatch(r"[2-9]\d{9}", digits)
    order = ("FR", "GB") if french else ("US", "GB", "FR") if american else REGIONS
    numbers = [number for region in order if (number := _parse(value, region))]
    number = next(filter(phonenumbers.is_valid_number, numbers), numbers[0] if numbers else None)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)) if number else digits


def _parse(value: str, region: str) -> phonenumbers.PhoneNumber | None:
    """The number, if it is as long as one. Not `is_valid_number`: invented numbers, as in examples, are not valid."""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    length = phonenumbers.is_possible_number_with_reason(number)
    return number if length == phonenumbers.ValidationResult.IS_POSSIBLE else None


def _is_possible(digits: str) -> bool:
    return any(_parse(digits, region) for region in REGIONS)


def _grouped(lengths: str) -> str:
    """The shape of a British number: 0 and these groups of digits. Exact, so that it ends where the next one begins."""
    area, *groups = lengths.split()
    return rf"\(?0(?=[1-35789])\d{{{area}}}\)?" + "".join(rf"[ .-]{{1,2}}\d{{{group}}}" for group in groups)


_BRITISH = ("2 4 4", "3 3 4", "4 3 3", "4 6", "4 5", "5 5", "5 4", "3 6", "3 7")
_BRACKETED = r"\(0(?=[1-35789])\d{2,4}\)[ .-]{0,2}(?:\d{3}[ .-]\d{3,4}|\d{4}[ .-]\d{4}|\d{5,8})"
_EXTENSION = r"(?:[ ,;]{0,2}(?:x|ext\.?|extension) ?\d{1,6})?"

RULES = (
    Rule(
        entity="PHONE_NUMBER",
        pattern=shape(
            "|".join(rf"0[1-9](?:{between}\d{{2}}){{4}}" for between in (" {1,2}", r"\.", "-"))
            + r"|0 ?[89]\d{2} \d{3} \d{3}"
        ),
        first=NUMBER,
        score=DISTINCT,
    ),
    Rule(
        entity="PHONE_NUMBER",
        pattern=shape(f"(?:{'|'.join(map(_grouped, _BRITISH))}|{_BRACKETED}){_EXTENSION}"),
        score=DISTINCT,
    ),
    Rule(  # not the ISBN in a URL
        entity="PHONE_NUMBER",
        pattern=shape(r"(?<![/=])0[1-9]\d{8,9}"),
        first=NUMBER,
        score=DISTINCT,
    ),
    Rule(
        entity="PHONE_NUMBER",
        pattern=shape(
            r"(?:1[ .-]{1,2})?(?:\([2-9]\d{2}\)[ .-]{0,2}|[2-9]\d{2}(?:[ .-]| - ))[2-9]\d{2}(?:[ .-]| - )\d{4}"
            + _EXTENSION
        ),
        score=DISTINCT,
    ),
    Rule(  # ten bare digits may be an order number, so they need to be announced
        entity="PHONE_NUMBER",
        pattern=shape(r"\(?\d(?:[ .()-]{0,2}\d){8,11}"),
        score=IN_CONTEXT,
        check=_is_possible,
        context=context(
            *("phone", "telephone", "tel", "mobile", "mob", "cell", "call", "fax", "ring", "text", "whatsapp", "sms"),
            *("portable", "gsm", "appeler", "appelez", "joindre", "contact", "contacter", "phone number"),
        ),
    ),
    Rule(  # a cell of a table, beside one with an e-mail address
        entity="PHONE_NUMBER",
        pattern=re.compile(r"@[0-9A-Za-z.-]{1,253} ?[,;|\t] ?(\(?\d(?:[ .()-]{0,2}\d){8,11})(?= ?(?:[,;|\t\n]|\Z))"),
        score=IN_CONTEXT,
        check=_is_possible,
        words=("@",),
    ),
    Rule(  # American, within an area; not the lower half of a number on two lines
        entity="PHONE_NUMBER",
        pattern=shape(rf"(?<!\d\n)[2-9]\d{{2}}[ .-]\d{{4}}{_EXTENSION}"),
        score=IN_CONTEXT,
        context=context("phone", "telephone", "tel", "mobile", "cell", "fax", "phone number"),
    ),
)
