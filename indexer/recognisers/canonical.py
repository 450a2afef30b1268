"""One spelling per value, so that two ways of writing it get one pseudonym."""

import re

from indexer.recognisers.dates import MONTH
from indexer.recognisers.fold import fold, folder
from indexer.recognisers.phone import e164
from indexer.recognisers.rule import compact

_SPECIAL = folder(())
_MONTH = re.compile(rf"{MONTH}(?![a-z])", re.IGNORECASE)
_MAX_DAY = 31
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:[.,]0+)?)?(?:Z|[+-]00:?00)?$")  # how programs write a date without a time
_MONTHS = (
    *(("jan",), ("feb", "fev"), ("mar",), ("apr", "avr"), ("may", "mai"), ("jun", "juin"), ("jul", "juil")),
    *(("aug", "aou"), ("sep",), ("oct",), ("nov",), ("dec",)),
)


def canonical(entity: str, value: str) -> str:  # noqa: PLR0911 - one for each way of spelling
    """The spelling of `value` that stands for all its spellings. A secret has only one."""
    plain = fold(value, _SPECIAL).text
    match entity:
        case "SECRET" | "CRYPTO" | "LONG_TOKEN":
            return value
        case "PHONE_NUMBER":
            return e164(" ".join(plain.split()))  # phonenumbers knows no line break
        case "EMAIL_ADDRESS":
            return _email(plain)
        case "DATE" | "DATE_OF_BIRTH":
            return _date(plain)
        case "PERSON":
            return " ".join(sorted(re.findall(r"[^\W_]+", plain.casefold())))  # Doe, Jane is Jane Doe
        case "IP_ADDRESS":
            return plain.lower()
        case _:
            return compact(plain) or plain.casefold()  # letters that are not Latin


def _email(plain: str) -> str:
    spelt = re.sub(r"[\[({<]?\b(?:at|arobase)\b[\])}>]|%40", "@", re.sub(r"\s", "", plain.lower()))
    return re.sub(r"[\[({<](?:dot|point|\.)[\])}>]", ".", spelt).strip(".\"'")


def _date(plain: str) -> str:
    """Day, month, year where that can be told; a year of two digits stays so, and 3/4/2020 is the third of April."""
    numbers = [int(number) for number in re.findall(r"\d+", _MIDNIGHT.sub("", plain))]
    if name := _MONTH.search(plain):
        month = next(place for place, names in enumerate(_MONTHS, 1) if name.group().lower().startswith(names))
        numbers.insert(1, month)
    else:
        match numbers:
            case [year, month, day, *time] if year > _MAX_DAY:
                numbers = [day, month, year, *time]
            case [month, day, year] if day > len(_MONTHS):
                numbers = [day, month, year]
    return "-".join(map(str, numbers))
