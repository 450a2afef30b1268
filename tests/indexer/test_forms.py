import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indexer.forms import MIN_NEEDLE_BYTES, Finder, forms

TEXT = "Quentin Xylander’s file"
RAW = TEXT.encode()
BINARY = bytes(range(0x80, 0x9C))


@given(
    content=st.binary(max_size=300) | st.binary(min_size=500, max_size=530),
    needles=st.lists(st.binary(min_size=MIN_NEEDLE_BYTES, max_size=20), max_size=5),
    places=st.lists(st.integers(0, 300), max_size=5),
)
def test_the_finder_finds_what_a_plain_search_finds(content: bytes, needles: list[bytes], places: list[int]) -> None:
    for needle, place in zip(needles, places, strict=False):
        content = content[:place] + needle + content[place:]
    assert Finder(needles).find(content) == {
        needle for needle in needles if any(form in content for form in forms(needle))
    }


@given(st.lists(st.sampled_from([b"aaaaaaaa", b"aaaaaaaab", b"aaaaaaaaa", b"baaaaaaaa"]), max_size=4), st.text("ab"))
def test_needles_that_begin_alike_are_told_apart(needles: list[bytes], content: str) -> None:
    raw = content.encode()
    assert Finder(needles).find(raw) == {needle for needle in needles if needle in raw}


@given(
    needle=st.binary(min_size=MIN_NEEDLE_BYTES, max_size=40), before=st.binary(max_size=9), after=st.binary(max_size=9)
)
@example(needle=bytes(range(248, 256)), before=b"", after=b"")
def test_a_needle_is_found_in_base64_and_in_hexadecimal_whatever_stands_beside_it(
    needle: bytes, before: bytes, after: bytes
) -> None:
    whole = before + needle + after
    written = (
        base64.b64encode(whole),
        base64.b64encode(whole).rstrip(b"="),
        base64.urlsafe_b64encode(whole),
        whole.hex().encode(),
        whole.hex().upper().encode(),
        whole.hex(" ", len(whole)).encode(),
    )
    finder = Finder([needle])
    assert [finder.find(content) for content in written] == [{needle}] * len(written)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_needle_of_text_is_found_as_utf_16_even_if_it_was_cut_in_a_character(codec: str, cut: int) -> None:
    snippet = "the résumé of ’".encode()
    needle = snippet[: len(snippet) - cut]
    assert Finder([needle]).find("here: the résumé of ’ and more".encode(codec)) == {needle}


def test_a_name_that_is_no_utf_8_is_found_as_the_origin_has_it() -> None:
    needle = "caf\udce9 of Quentin".encode("utf-8", "surrogatepass")
    assert Finder([needle]).find("the caf\udce9 of Quentin".encode("utf-16-le", "surrogatepass")) == {needle}


def test_bytes_that_are_no_text_are_not_looked_for_as_text() -> None:
    assert forms(BINARY) == {
        BINARY,
        BINARY.hex().encode(),
        BINARY.hex().upper().encode(),
        *(form for form in forms(BINARY) if form.isascii() and len(form) < 2 * len(BINARY)),
    }


@given(st.binary(min_size=MIN_NEEDLE_BYTES, max_size=40))
def test_no_form_is_too_short_to_mean_anything(needle: bytes) -> None:
    assert min(map(len, forms(needle))) >= MIN_NEEDLE_BYTES


def test_a_needle_too_short_to_mean_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Finder([b"1234567"])


def test_without_needles_nothing_is_found() -> None:
    assert Finder([]).find(RAW) == set()


@pytest.mark.parametrize("content", [b"", b"1234567", RAW[:-1]])
def test_what_is_shorter_than_a_needle_does_not_hold_it(content: bytes) -> None:
    assert Finder([RAW]).find(content) == set()
