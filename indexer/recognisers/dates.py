"""Dates, and the dates that are somebody's birthday."""

import re

from indexer.recognisers.rule import COMMON, DIGIT, DISTINCT, IN_CONTEXT, RIGHT, Rule, context, shape

MONTH = (
    r"(?:jan(?:uary|vier)?|feb(?:ruary)?|fev(?:rier)?|mar(?:ch|s)?|apr(?:il)?|avr(?:il)?|may|mai|june?|juin|july?"
    r"|juil(?:let)?|aug(?:ust)?|aout|sept?(?:ember|embre)?|oct(?:ober|obre)?|nov(?:ember|embre)?|dec(?:ember|embre)?)"
)
"""A month's name in English or French, without accents."""
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NUMBER = r"(?:0?[1-9]|1[0-2])"
_DAY_MONTH = rf"{_DAY}(?:st|nd|rd|th|er)?(?: of)?[ -]{{1,2}}{MONTH}"
_MONTH_DAY = rf"{MONTH}\.?[ -]{{1,2}}{_DAY}(?:st|nd|rd|th)?"
_YEAR = r"\.? ?,?[ -]{1,2}(?:\d{4}|'?\d{2})"
_TEXTUAL = rf"{_DAY_MONTH}{_YEAR}|{_MONTH_DAY} ?,?[ -]{{1,2}}\d{{4}}"
_TIME = r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z| ?(?:UTC|GMT|[+-]\d{2}:?\d{2}))?)"  # ISO 8601, RFC 3339
_NUMERIC = (
    rf"\d{{4}}-{_NUMBER}-{_DAY}{_TIME}?|\d{{4}}(?:/{_NUMBER}/|\.{_NUMBER}\.){_DAY}"
    + "".join(rf"|(?:{_DAY}{mark}{_NUMBER}|{_NUMBER}{mark}{_DAY}){mark}\d{{4}}" for mark in ("/", "-", r"\."))
    + rf"|(?:{_DAY}/{_NUMBER}|{_NUMBER}/{_DAY})/\d{{2}}"
)

_OLD = r"(?:9\d|1[01]\d|120)"

RULES = (
    Rule(  # 45 CFR 164.514(b)(2)(i)(C): ages over 89
        entity="AGE",
        pattern=shape(rf"{_OLD}(?=[ -]years?[ -](?:old|of age)| ?y\.?/?o\.?(?![a-z])|[ -]yrs?[ -]old)"),
        score=DISTINCT,
        first=DIGIT,
    ),
    Rule(
        entity="AGE",
        pattern=re.compile(
            rf"[Aa](?<![0-9A-Za-z].)ge(?:d?(?: of)?:?|e?s? de)\s{{1,2}}({_OLD}){RIGHT}(?! ?[%.,]?\d)", re.ASCII
        ),
        score=DISTINCT,
    ),
    Rule(
        entity="DATE",
        pattern=shape(rf"{_DAY_MONTH}{_YEAR}|{_NUMERIC}", ignore_case=True),
        score=COMMON,
        first=DIGIT,
    ),
    Rule(
        entity="DATE",
        pattern=shape(rf"(?=[adfjmnos])(?:{_MONTH_DAY} ?,?[ -]{{1,2}}\d{{4}})", ignore_case=True),
        score=COMMON,
    ),
    Rule(  # with the name at birth between
        entity="DATE_OF_BIRTH",
        pattern=re.compile(rf"(?i:nee?) (?:[A-Z][A-Za-z'-]* ){{1,4}}le ((?i:{_TEXTUAL}|{_NUMERIC})){RIGHT}", re.ASCII),
        first=re.compile(r"(?<![A-Za-z])[Nn]ee? (?=[A-Z])"),
        score=IN_CONTEXT,
    ),
    Rule(
        entity="DATE_OF_BIRTH",
        pattern=shape(
            rf"{_TEXTUAL}|{_NUMERIC}|\d{{1,2}}[ .-]\d{{1,2}}[ .-](?:\d{{4}}|\d{{2}})|\d{{8}}|{_DAY_MONTH}|{_MONTH_DAY}",
            ignore_case=True,
        ),
        score=IN_CONTEXT,
        context=context(
            *("born", "dob", "d.o.b", "date of birth", "birth date", "birthdate", "birthday"),
            *("ne le", "nee le", "ne(e) le", "ne.e le", "nes le", "ne a", "nee a", "ne(e) a"),
            *("date de naissance", "naissance", "ddn"),
        ),
    ),
)
