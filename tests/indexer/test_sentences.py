"""The cutter of sentences against a slower one that says more plainly where a sentence ends."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexer.sentences import BINDING, SPACE, sentences

END = re.compile(rf"\n[{SPACE}]*|(?P<mark>[.!?…]+)(?:[\"'”’)\]]|[\xa0\u202f ]?»)*[{SPACE}]+")
LAST_WORD = re.compile(r"[^\W_][\w.'’°-]*\Z")
MARKS = " \n\t\r.!?…\"'”’)]»_-°(:;,\xa0\u202f\u2003\u2028\x1c\x85"
WORDS = [
    "a",
    "B",
    "é",
    "İ",
    "ſ",
    "1",
    "12",
    "Mr",
    "no",
    "N°",
    "messrs",
    "Meſſrs",
    "approx",
    "e.g",
    "word",
    "Word",
    "中",
]
PIECES = st.sampled_from([*MARKS, ". ", ".\n", " »", *WORDS])


def plainly(text: str) -> list[tuple[int, int]]:
    ends = [match.end() for match in END.finditer(text) if is_end(text, match)]
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    return list(zip([0, *ends], ends, strict=False))


def is_end(text: str, match: re.Match[str]) -> bool:
    if match["mark"] is None or "\n" in match[0]:
        return True
    if text[match.end() : match.end() + 1].islower():
        return False
    if match["mark"] != ".":
        return True
    line = text.rfind("\n", 0, match.start()) + 1
    word = LAST_WORD.search(text, max(line, match.start() - 24), match.start())
    if word is None:
        return True
    before = text[line : word.start()].rstrip()
    is_item_number = word[0].isdecimal() and (not before or before[-1] in ".!?…:;")
    is_initial = len(word[0]) == 1 and word[0].isalpha()
    return not (is_item_number or is_initial or "." in word[0] or BINDING.fullmatch(word[0]))


@settings(deadline=None, max_examples=300)
@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60))
@example("a" * 23 + " b. C")
@example("_" * 30 + "no. 7")
@example("1. First. 2. Second… third ?! Fourth «so. » It is.\n\n Last")
def test_every_text_is_cut_where_the_plain_rule_does(text: str) -> None:
    assert sentences(text) == plainly(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ["." * 500_000 + "x", "A word there. Another one. " * 200_000, "Yes. 12. 13. " * 400_000]
)
def test_a_long_line_takes_no_longer_than_its_length(text: str) -> None:
    assert sentences(text)[-1][1] == len(text)
