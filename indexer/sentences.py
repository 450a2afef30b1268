"""Where sentences of English and French end."""

import re
from typing import Final

SPACE: Final = "\t\n\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Inside a regular expression's brackets: what every tokenizer takes for the end of a word. The controls that
Python's `\\s` also matches are deleted by BERT's, which joins the words on both sides."""

# It begins with one set of characters, which is looked for six times as fast as what two alternatives begin with; a run
# of marks is tried at its first, because at each of them takes the square of its length.
_END = re.compile(
    rf"[\n.!?…](?:(?<=\n)[{SPACE}]*|(?<!\n)(?<![.!?…]{{2}})[.!?…]*+(?:[\"'”’)\]]|[\xa0\u202f ]?»)*[{SPACE}]+)"
)
_MARKS = ".!?…"
_LAST_WORD = re.compile(r"[^\W_][\w.'’°-]*\Z")
_LAST_WORD_CHARS = 24

# What binds to the capital or the number after it. "etc." and "Ltd." are left out: they end sentences as often.
BINDING = re.compile(
    "mr|mrs|ms|dr|prof|rev|hon|gen|col|capt|lt|sgt|st|messrs|mme|mlle|mmes|mm|me|mgr|"
    "no|nos|n°|nr|fig|figs|art|arts|sec|sect|ch|chap|vol|ed|eds|éd|para|pt|app|tab|eq|ref|réf|p|pp|"
    "vs|cf|viz|approx|ca|ex|tél|tel|fax|bd|av|"
    "jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|janv|févr|avr|juil|déc",
    re.IGNORECASE,
)
_LONGEST_BINDING = 6


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
    found, start = match[0], match.start()
    if "\n" in found:
        return True
    if text[match.end() : match.end() + 1].islower():
        return False
    if found[0] != "." or found[1] in _MARKS:
        return True
    word = _last_word(text, start)
    if word is None:
        return True
    place = word.start()
    while place and text[place - 1].isspace() and text[place - 1] != "\n":
        place -= 1
    is_item_number = word[0].isdecimal() and (not place or text[place - 1] in "\n.!?…:;")
    is_initial = len(word[0]) == 1 and word[0].isalpha()
    is_binding = len(word[0]) <= _LONGEST_BINDING and BINDING.fullmatch(word[0])
    return not (is_item_number or is_initial or "." in word[0] or is_binding)


def _last_word(text: str, end: int) -> re.Match[str] | None:
    """The word that ends there, from the last space or line on, because the pattern is tried at every place."""
    first = max(0, end - _LAST_WORD_CHARS)
    first = max(first, text.rfind("\n", first, end) + 1, text.rfind(" ", first, end) + 1)
    return _LAST_WORD.search(text, first, end)
