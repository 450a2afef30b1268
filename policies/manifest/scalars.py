"""The kinds of value a manifest holds. Each takes the text a file gives, or the value itself, and refuses the rest."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

from policies import facts, globs, regions
from policies.errors import RefusedError
from policies.manifest import regexes
from policies.retention import Period

_DIGITS = re.compile(r"[0-9]{1,12}")
_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AGE = re.compile(r"P(?:[0-9]{1,3}D)?(?:T(?=[0-9])(?:[0-9]{1,4}H)?(?:[0-9]{1,5}M)?)?")
MAX_AGE = timedelta(days=7)
"""Chosen: permissions mirrored longer ago than a week say little about who may read now."""
_CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_CRON_PART = re.compile(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([1-9][0-9]?))?")


def refused(message: str, mend: str) -> PydanticCustomError:
    """An error that carries its own mend to the report."""
    return PydanticCustomError("refused", "{message}", {"message": message, "mend": mend})


def _guard(check: Callable[[str], object]) -> Callable[[str], str]:
    def validate(text: str) -> str:
        try:
            check(text)
        except RefusedError as error:
            raise refused(error.message, error.mend) from error
        return text

    return validate


def _switch(value: object) -> object:
    if isinstance(value, bool):
        return value
    if value not in ("on", "off"):
        raise refused(f"{value!r} is neither on nor off.", "Write on or off.")
    return value == "on"


def _number(shape: re.Pattern[str], kind: type[int] | type[float], mend: str) -> Callable[[object], object]:
    def validate(value: object) -> object:
        if not isinstance(value, str):
            return value
        if not shape.fullmatch(value):
            raise refused(f"{value!r} is not a number.", mend)
        return kind(value)

    return validate


def _period(value: object) -> Period:
    try:
        return Period.parse(value if isinstance(value, str) else repr(value))
    except RefusedError as error:
        raise refused(error.message, error.mend) from error


def _age(value: object) -> object:
    if isinstance(value, str) and (value == "P" or not _AGE.fullmatch(value)):
        raise refused(f"{value!r} is not a span of time.", "Write an ISO 8601 duration, such as PT15M, PT4H or P1D.")
    return value


def _within_bounds(value: timedelta) -> timedelta:
    if not timedelta() < value <= MAX_AGE:
        raise refused("The span of time is not between a minute and seven days.", "Write one such as PT15M or P1D.")
    return value


def _day(value: object) -> object:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise refused(f"{value!r} is not a date.", "Write year, month and day, such as 2026-03-31.")
    return value


def _cron(text: str) -> str:
    fields = text.split()
    values = list(map(_cron_values, fields, _CRON_FIELDS))
    if len(fields) != len(_CRON_FIELDS) or not all(values):
        raise refused(
            f"{text!r} is not a schedule.",
            'Write the five fields of cron in quotes: minute, hour, day, month, weekday, such as "*/15 * * * *".',
        )
    _, _, days, months, _ = values
    if fields[-1] == "*" and min(days) > max(_MONTH_DAYS[month - 1] for month in months):
        raise refused(f"{text!r} names a day that no year has.", "Name a day that the month has.")
    return text


def _cron_values(field: str, bounds: tuple[int, int]) -> frozenset[int]:
    """The values that a field of cron names, none where it is not one."""
    low, high = bounds
    values: set[int] = set()
    for part in field.split(","):
        found = _CRON_PART.fullmatch(part)
        if found is None:
            return frozenset()
        first, last = int(found[1] or low), int(found[2] or found[1] or high)
        if not low <= first <= last <= high:
            return frozenset()
        values.update(range(first, last + 1, int(found[3] or 1)))
    return frozenset(values)


def _none_listed(value: object) -> object:
    return () if value == "none" else value


def _country(code: str) -> str:
    regions.check(code)
    if code in facts.regions().groups:
        raise RefusedError(f"{code!r} is a group of countries.", mend="Write one country, such as fr.")
    return code


def _sorted(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values in order, so that writing them in another order is no change of policy."""
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise refused(f"{twice!r} stands in the list twice.", "Keep one of the two.")
    return tuple(sorted(values))


_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
SLUG = StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=63)
Slug = Annotated[str, SLUG]
"""A name of lower-case letters, digits and hyphens, at most 63 characters."""
Text = Annotated[str, StringConstraints(pattern=_LINE, strip_whitespace=True, min_length=1, max_length=300)]
"""One line of text."""
Prose = Annotated[str, StringConstraints(pattern=_LINE, strip_whitespace=True, min_length=1, max_length=3000)]
"""A paragraph, which YAML may fold over several lines."""
Principal = Annotated[
    str, StringConstraints(pattern=r"^(group|user):[^\s*\x00-\x1f]([^*\x00-\x1f]*[^\s*\x00-\x1f])?$", max_length=256)
]
"""`group:` or `user:` and a name as the identity provider spells it. There is no wildcard."""
Region = Annotated[str, AfterValidator(_guard(regions.check))]
"""An ISO 3166-1 alpha-2 code in lower case, `eu` or `eea`."""
Country = Annotated[str, AfterValidator(_guard(_country))]
"""An ISO 3166-1 alpha-2 code in lower case."""
Glob = Annotated[str, AfterValidator(_guard(globs.check))]
"""A pattern of origin ids; see `policies.globs`."""
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
"""An ISO 639-1 code."""
EntityName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$", max_length=40)]
"""A kind of personal data: capitals and digits, parted by `_`."""
Regex = Annotated[str, AfterValidator(_guard(regexes.check))]
"""A pattern that is fast on every text; see `policies.manifest.regexes`."""
Phrase = Annotated[str, StringConstraints(pattern=r"[^\W_]", strip_whitespace=True, min_length=1, max_length=60)]
"""Words that announce a value."""
Cron = Annotated[str, AfterValidator(_cron)]
"""Five fields: minute, hour, day of the month, month, day of the week."""

Slugs = Annotated[tuple[Slug, ...], AfterValidator(_sorted)]
Principals = Annotated[tuple[Principal, ...], AfterValidator(_sorted)]
Regions = Annotated[tuple[Region, ...], AfterValidator(_sorted)]
EntityNames = Annotated[tuple[EntityName, ...], AfterValidator(_sorted)]
Phrases = Annotated[tuple[Phrase, ...], Field(max_length=20), AfterValidator(_sorted)]
_LITERAL = r"^[^\x00-\x1f\x7f-\x9f]*[^\W_][^\x00-\x1f\x7f-\x9f]*[^\W_][^\x00-\x1f\x7f-\x9f]*$"
Literals = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=_LITERAL, strip_whitespace=True, max_length=100)], ...],
    Field(max_length=200),
    AfterValidator(_sorted),
]
"""Strings that are looked for as they are written: two letters or digits at least, in one line."""
Languages = Annotated[tuple[Language, ...], AfterValidator(_sorted)]
Listed = Annotated[
    tuple[Text, ...], BeforeValidator(_none_listed, json_schema_input_type=Literal["none"] | tuple[Text, ...])
]
"""Lines of text in the order they were written, or `none`, which is read as an empty list."""
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_none_listed, json_schema_input_type=Literal["none"] | tuple[str, ...]),
    AfterValidator(_sorted),
]
"""Names out of a table of facts, or `none`, which is read as an empty list."""

Switch = Annotated[bool, BeforeValidator(_switch, json_schema_input_type=Literal["on", "off"])]
Whole = Annotated[
    int, BeforeValidator(_number(_DIGITS, int, "Write a whole number."), json_schema_input_type=int), Field(strict=True)
]
Share = Annotated[
    float,
    BeforeValidator(_number(_DECIMAL, float, "Write a decimal between 0 and 1."), json_schema_input_type=float),
    Field(strict=True, ge=0, le=1),
]
Retained = Annotated[
    Period,
    BeforeValidator(_period, json_schema_input_type=str),
    PlainSerializer(str, return_type=str),
]
Age = Annotated[timedelta, BeforeValidator(_age, json_schema_input_type=str), AfterValidator(_within_bounds)]
Day = Annotated[date, BeforeValidator(_day)]
