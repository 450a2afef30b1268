"""Patterns whose worst case is known: what is taken is fast on every text, what is not is refused with its mend."""

import re

import pytest

from policies.errors import RefusedError
from policies.manifest import regexes
from tests.patience import patient

TAKEN = (
    *("NW-[0-9]{6}", "EMP-\\d+", "(?i:nw)-\\d{6}", r"\bNW\d+\b", "[a-z]+@[a-z]+\\.[a-z]+", "(?:AB|CD)-\\d{4,8}"),
    *("(?:\\d{1,4}-){1,5}X", "[A-Z]{1,20}[A-Z0-9]{1,20}", "[a-z]{1,20} [a-z]{1,20}", "NW[./-]?[0-9]{2}", "ab?c"),
)


@pytest.mark.parametrize("regex", TAKEN)
def test_a_pattern_that_is_taken_is_fast_on_what_it_nearly_matches(regex: str) -> None:
    regexes.check(regex)
    longest = regexes.longest(regex)
    pattern = re.compile(f"(?<![0-9A-Za-z])(?:{regex})(?![0-9A-Za-z])", re.ASCII)
    assert pattern.fullmatch(longest)
    text = " ".join([longest, f"{longest}x", longest[:-1]] * (16_000 // len(longest) // 3))
    with patient(5):
        assert list(pattern.finditer(text))


@pytest.mark.parametrize(
    ("regex", "mend"),
    [
        ("(?:a+)+b", "Say how often at most"),
        ("(?:x+x+)+y", "Say how often at most"),
        ("(?:a|a|aa){1,30}b", "do not repeat what repeats"),
        ("(?:[a-z]{1,10}){1,10}", "do not repeat what repeats"),
        ("(?:(?:(?:(?:a{254}){254}){254}){254}){254}", "do not repeat what repeats"),
        ("[A-Z0-9]+[0-9]+X", "do not repeat what repeats"),
        ("[a-z]+ ?[a-z]+ ?[a-z]+!", "do not repeat what repeats"),
        ("\\w+x", "+ and * may stand after letters and digits alone"),
        ("\\s*x", "+ and * may stand after letters and digits alone"),
        ("a{1,1000}", "Say how often at most"),
        ("(?:a?){3}b", "Have what repeats need a character"),
        ("a?", "Have it need a character"),
        ("a|", "Have it need a character"),
        ("", "Have it need a character"),
        (".{3}", "Write those that there may be"),
        ("[^a]b", "Write those that there may be"),
        ("\\Db", "Write those that there may be"),
        ("[\\Wb]", "Write those that there may be"),
        ("(a)b", "(?:…) in place of (…)"),
        ("(?P<n>a)b", "(?:…) in place of (…)"),
        ("(?i)nw", "(?i:…)"),
        ("(?s:a)", "(?i:…)"),
        ("^NW$", "Leave ^ and $ out"),
        ("(?=a)b", "context says what is near"),
        ("(?<!a)b", "context says what is near"),
        ("(?>a)b", "context says what is near"),
        ("a{2}+b", "context says what is near"),
        ("é", "e for é"),
        ("\\xe9", "e for é"),
        ("[\\u0400-\\u04ff]", "e for é"),
        ("[a-\\uffff]", "e for é"),
        ("[a", "Mend its syntax"),
        ("a{99999999999}", "Mend its syntax"),
        ("a" * 201, "at most 200 characters"),
    ],
)
def test_a_pattern_that_may_be_slow_or_take_too_much_is_refused(regex: str, mend: str) -> None:
    with pytest.raises(RefusedError) as caught:
        regexes.check(regex)
    assert mend in caught.value.mend
