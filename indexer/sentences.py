"""Where sentences of English and French end."""

import re
from typing import Final

SPACE: Final = "\t\n\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Inside a regular expression's brackets: what every tokenizer takes for the end of a word. The controls that
Python's `\\s` also matches are deleted by BERT's, which joins the words on both sides."""

_END = re.compile(rf"\n[{SPACE}]*|(?P<mark>[.!?…]+)(?:[\"'”’)\]]|[\xa0\u202f ]?»)*[{SPACE}]+")
_LAST_WORD = re.compile(r"[^\W_][\w.'’°-]*\Z")
_LAST_WORD_CHARS = 24

# What binds to the capital or the number after it. "etc." and "Ltd." are left out: they end sentences as often.
_BINDING = re.compile(
    "mr|mrs|ms|dr|prof|rev|hon|gen|col|capt|lt|sgt|st|messrs|mme|mlle|mmes|mm|me|mgr|"
    "no|nos|n°|nr|fig|figs|art|arts|sec|sect|ch|chap|vol|ed|eds|éd|para|pt|app|tab|eq|ref|réf|p|pp|"
    "vs|cf|viz|approx|ca|ex|tél|tel|fax|bd|av|"
    "jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|janv|févr|avr|juil|déc",
    re.IGNORECASE,
)


def sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of `text` as (start, end) offsets that cover it without gap or overlap.

    White space belongs to the sentence before it. A line break ends a sentence; decimals, initials, numbered items
    and common abbreviations do not.
    """
    ends = [match.end() for match in _END.finditer(text) if _is_end(text, match)]
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    return list(zip([0, *ends], ends, strict=False))


def _is_end(text: str, match: re.Match[str]) -> bool:
    if match["mark"] is None or "\n" in match[0]:
        return True
    if text[match.end() : match.end() + 1].islower():
        return False
    if match["mark"] != ".":
        return True
    line = text.rfind("\n", 0, match.start()) + 1
    word = _LAST_WORD.search(text, max(line, match.start() - _LAST_WORD_CHARS), match.start())
    if word is None:
        return True
    before = text[line : word.start()].rstrip()
    is_item_number = word[0].isdecimal() and (not before or before[-1] in ".!?…:;")
    is_initial = len(word[0]) == 1 and word[0].isalpha()
    return not (is_item_number or is_initial or "." in word[0] or _BINDING.fullmatch(word[0]))
