import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies import globs
from policies.errors import RefusedError
from tests.patience import patient


@pytest.mark.parametrize(
    ("pattern", "origin_id", "expected"),
    [
        ("board/**", "board/minutes.docx", True),
        ("board/**", "board/2026/may/minutes.docx", True),
        ("board/**", "board", False),
        ("board/**", "boards/minutes.docx", False),
        ("board/**", "hr/board/minutes.docx", False),
        ("board/**", "Board/minutes.docx", False),
        ("board/*", "board/minutes.docx", True),
        ("board/*", "board/2026/minutes.docx", False),
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("*", "a/b", False),
        ("**/*.md", "read.md", True),
        ("**/*.md", "a/b/read.md", True),
        ("**/*.md", "a/b/read.md.bak", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "a/b/c/y", False),
        ("a/**/m/**/z", "a/m/x/m/z", True),
        ("**/a/**/b", "x/a/b/a/c/b", True),
        ("q?.xlsx", "q1.xlsx", True),
        ("q?.xlsx", "q.xlsx", False),
        ("q?.xlsx", "q10.xlsx", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("what.md", "whatXmd", False),
        ("a/**/**", "a/b", True),
        ("a/**/**", "a", False),
    ],
)
def test_a_star_stays_in_its_folder_and_two_cross_folders(pattern: str, origin_id: str, expected: bool) -> None:  # noqa: FBT001
    assert globs.matches(pattern, origin_id) is expected


@pytest.mark.parametrize(
    "pattern",
    ["", "/etc", "a/", "a//b", "./a", "../a", "a/../b", "a**", "**b/c", "[ab].md", "{a,b}.md", "a\\b", "!a", "a" * 513],
)
def test_a_pattern_that_cannot_mean_what_it_says_is_refused(pattern: str) -> None:
    with pytest.raises(RefusedError):
        globs.check(pattern)


@pytest.mark.parametrize("pattern", ["**", "*", "a/**", "**/a", "a/**/b", "Über uns/*.md", "a b/c?.md", "x" * 512])
def test_an_ordinary_pattern_is_accepted(pattern: str) -> None:
    globs.check(pattern)


def test_a_rule_finds_a_name_in_either_unicode_form() -> None:
    composed, decomposed = (unicodedata.normalize(form, "Vorstände") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert globs.matches(f"{composed}/**", f"{decomposed}/a.md")
    assert globs.matches(f"{decomposed}/**", f"{composed}/a.md")


def test_a_hostile_name_does_not_stall_matching() -> None:
    pattern = "/".join(["**"] + ["*a*a*a*a*a*b", "**"] * 20)
    origin_id = "/".join(["a" * 200] * 40)
    with patient():
        assert not globs.matches(pattern, origin_id)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ("board/**", "board/**", True),
        ("**", "board/*.md", True),
        ("board/**", "board/2026/*", True),
        ("board/*", "board/minutes.md", True),
        ("board/2026/**", "board/**", False),
        ("board/**", "boards/x", False),
        ("*/x/**", "a/x/**", False),
        ("a", "b", False),
    ],
)
def test_covering_is_seen_where_it_is_certain(earlier: str, later: str, expected: bool) -> None:  # noqa: FBT001
    assert globs.covers(earlier, later) is expected


_FOLDERS = st.sampled_from(["a", "b", "*", "**", "?", "a*"])
_PATTERNS = st.lists(_FOLDERS, min_size=1, max_size=4).map("/".join)
_IDS = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4).map("/".join)


@given(earlier=_PATTERNS, later=_PATTERNS, origin_id=_IDS)
@example(earlier="a/**", later="a/*", origin_id="a/b")
def test_what_covers_matches_all_that_the_covered_matches(earlier: str, later: str, origin_id: str) -> None:
    if globs.covers(earlier, later) and globs.matches(later, origin_id):
        assert globs.matches(earlier, origin_id)


@given(origin_id=st.text(min_size=1).filter(lambda text: "*" not in text and "?" not in text))
def test_an_id_without_wildcards_matches_itself(origin_id: str) -> None:
    assert globs.matches(origin_id, origin_id)
    assert globs.matches("**", origin_id)
