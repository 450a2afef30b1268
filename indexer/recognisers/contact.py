"""E-mail addresses. Telephone numbers are in `phone`, postcodes in `uk`."""

import re

from indexer.recognisers.fold import BLANK, BREAK
from indexer.recognisers.rule import DISTINCT, Rule

# What RFC 5321 allows in front of the @, less what ends an address in the texts around it.
_LETTER = rf"""[^\s@<>()\[\]{{}},;:"'\\/?&=#|«»‹›…{BLANK}{BREAK}]"""
_LOCAL = rf"""(?:"[^"\n{BLANK}{BREAK}]{{1,64}}"|{_LETTER}+(?:'{_LETTER}+)*)"""
_LABEL = r"(?:[^\W_]|-)+"
_TOP = r"(?:xn--[0-9A-Za-z-]{2,59}|[^\W\d_]{2,24})"
_DOMAIN = rf"(?:{_LABEL}\.)+{_TOP}"

RULES = (
    Rule(
        entity="EMAIL_ADDRESS",
        pattern=re.compile(
            rf"(?<!{_LETTER})(?:{_LOCAL}(?:@|%40)){{1,64}}(?:{_DOMAIN}|\[?\d{{1,3}}(?:\.\d{{1,3}}){{3}}\]?)",
            re.IGNORECASE,
        ),
        score=DISTINCT,
        gate=re.compile("@|%40"),
    ),
    Rule(  # "ann (at) example (dot) com", "ann[at]example.com"
        entity="EMAIL_ADDRESS",
        pattern=re.compile(
            rf"(?<!{_LETTER}){_LETTER}+ ?[\[({{<] ?(?:at|arobase|@) ?[\])}}>] ?"
            rf"{_LABEL}(?: ?(?:\.|[\[({{<] ?(?:dot|point|\.) ?[\])}}>]) ?{_LABEL})*"
            rf" ?(?:\.|[\[({{<] ?(?:dot|point|\.) ?[\])}}>]) ?{_TOP}",
            re.IGNORECASE,
        ),
        score=DISTINCT,
        gate=re.compile(r"[\[({<] ?(?:at|arobase|@) ?[\])}>]", re.IGNORECASE),
    ),
)
