from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.scan import _CHUNK_BYTES, MIN_NEEDLE_BYTES, _Finder, scan

NEEDLE = b"needle-in-the-haystack"


def test_planted_needles_are_found_in_every_file_and_folder_and_only_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep.bin").write_bytes(b"\0" * 999 + NEEDLE)
    (tmp_path / "top.bin").write_bytes(NEEDLE + b"other-needle")
    (tmp_path / "none.bin").write_bytes(NEEDLE[:-1])
    (tmp_path / "empty.bin").write_bytes(b"")
    result = scan(tmp_path, [NEEDLE, b"other-needle", b"never-there"])
    assert result.files == 4
    assert result.bytes_read == 999 + 2 * len(NEEDLE) + len(b"other-needle") + len(NEEDLE) - 1
    assert result.found == {"a/b/deep.bin": {NEEDLE}, "top.bin": {NEEDLE, b"other-needle"}}


@pytest.mark.parametrize("before", [0, 1, len(NEEDLE) // 2, len(NEEDLE) - 1, len(NEEDLE)])
def test_a_needle_across_the_border_of_two_chunks_is_found(tmp_path: Path, before: int) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.seek(_CHUNK_BYTES - before)
        file.write(NEEDLE)
        file.seek(2 * _CHUNK_BYTES + 3)
        file.write(b"x")
    assert scan(tmp_path, [NEEDLE, b"short-one"]).found == {"large.bin": {NEEDLE}}


@given(
    content=st.binary(max_size=300),
    needles=st.lists(st.binary(min_size=MIN_NEEDLE_BYTES, max_size=20), max_size=5),
    places=st.lists(st.integers(0, 300), max_size=5),
)
def test_the_finder_finds_what_a_plain_search_finds(content: bytes, needles: list[bytes], places: list[int]) -> None:
    for needle, place in zip(needles, places, strict=False):
        content = content[:place] + needle + content[place:]
    assert _Finder(needles).find(content) == {needle for needle in needles if needle in content}


@given(st.lists(st.sampled_from([b"aaaaaaaa", b"aaaaaaaab", b"aaaaaaaaa", b"baaaaaaaa"]), max_size=4), st.text("ab"))
def test_needles_that_begin_alike_are_told_apart(needles: list[bytes], content: str) -> None:
    raw = content.encode()
    assert _Finder(needles).find(raw) == {needle for needle in needles if needle in raw}


def test_a_needle_too_short_to_mean_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too short"):
        scan(tmp_path, [b"1234567"])


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "file").write_bytes(NEEDLE)
    (inside / "file").symlink_to(outside / "file")
    (inside / "folder").symlink_to(outside)
    result = scan(inside, [NEEDLE])
    assert (result.files, dict(result.found)) == (0, {})


def test_a_folder_that_cannot_be_read_stops_the_scan(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "away", [NEEDLE])
