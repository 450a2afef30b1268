"""Dates, and the dates that are somebody's birthday."""

from indexer.recognisers.rule import COMMON, IN_CONTEXT, Rule, context, shape

MONTH = (
    r"(?:jan(?:uary|vier)?|feb(?:ruary)?|fev(?:rier)?|mar(?:ch|s)?|apr(?:il)?|avr(?:il)?|may|mai|june?|juin|july?"
    r"|juil(?:let)?|aug(?:ust)?|aout|sept?(?:ember|embre)?|oct(?:ober|obre)?|nov(?:ember|embre)?|dec(?:ember|embre)?)"
)
"""A month's name in English or French, without accents."""
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NUMBER = r"(?:0?[1-9]|1[0-2])"
_DAY_MONTH = rf"{_DAY}(?:st|nd|rd|th|er)?(?: of)?[ -]{{1,2}}{MONTH}"
_MONTH_DAY = rf"{MONTH}\.?[ -]{{1,2}}{_DAY}(?:st|nd|rd|th)?"
_TEXTUAL = rf"{_DAY_MONTH}\.? ?,?[ -]{{1,2}}(?:\d{{4}}|'?\d{{2}})|{_MONTH_DAY} ?,?[ -]{{1,2}}\d{{4}}"
_NUMERIC = (
    rf"\d{{4}}(?:-{_NUMBER}-|/{_NUMBER}/|\.{_NUMBER}\.){_DAY}"
    + "".join(rf"|(?:{_DAY}{mark}{_NUMBER}|{_NUMBER}{mark}{_DAY}){mark}\d{{4}}" for mark in ("/", "-", r"\."))
    + rf"|(?:{_DAY}/{_NUMBER}|{_NUMBER}/{_DAY})/\d{{2}}"
)

RULES = (
    Rule(entity="DATE", pattern=shape(rf"(?=[\dadfjmnos])(?:{_TEXTUAL}|{_NUMERIC})", ignore_case=True), score=COMMON),
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
