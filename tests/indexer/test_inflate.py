import gzip
import io
import random
import secrets
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.forms import Finder
from indexer.inflate import MAX_INFLATED_A_FILE_BYTES, MAX_INFLATED_BYTES, Findings, Search

NEEDLE = b"needle-in-the-haystack"
NOISE = random.Random(5).randbytes(20_000)  # noqa: S311 - the same bytes each time, not a secret
TEXT = b" ".join(b"word%d" % number for number in range(20_000))
HIDDEN = TEXT[:30_000] + NEEDLE + TEXT[30_000:]

Pack = Callable[[bytes], bytes]


def searched(content: bytes, *, piece_bytes: int = 1 << 20, findings: Findings | None = None) -> Findings:
    found = findings or Findings()
    search = Search(Finder([NEEDLE]), found)
    for start in range(0, len(content), piece_bytes):
        search.feed(content[start : start + piece_bytes])
    search.close()
    return found


def zipped(content: bytes, *, name: str = "member.txt", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


STREAMS = {
    **{f"zlib {level}": zlib.compress(HIDDEN, level) for level in (0, 1, 3, 6, 9)},
    "gzip": gzip.compress(HIDDEN),
    "gzip with a name": gzip.compress(HIDDEN)[:3]
    + b"\x08"
    + gzip.compress(HIDDEN)[4:10]
    + b"name\0"
    + gzip.compress(HIDDEN)[10:],
    "zip": zipped(HIDDEN),
    "zip with a long name": zipped(HIDDEN, name="n" * 60_000),
}
compressed = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


@compressed
def test_a_needle_in_a_stream_is_found_at_whatever_offset(stream: bytes) -> None:
    for before, after in ((b"", b""), (b"x", b"x"), (NOISE, NOISE), (b"x\x9c" * 3, b""), (b"P" * 7, b"")):
        found = searched(before + stream + after)
        assert (found.hits, found.streams, found.unfinished) == ({NEEDLE}, 1, 0)


@compressed
@pytest.mark.parametrize("piece_bytes", [100, 4097])
def test_it_is_found_however_the_stream_comes_in_pieces(stream: bytes, piece_bytes: int) -> None:
    found = searched(stream[:200_000], piece_bytes=piece_bytes)
    assert found.hits == {NEEDLE}
    assert found.streams == 1


@settings(deadline=None, max_examples=50)
@given(before=st.integers(0, 80), piece_bytes=st.integers(1, 60), needle_at=st.integers(0, 300))
def test_it_is_found_wherever_pieces_meet(before: int, piece_bytes: int, needle_at: int) -> None:
    for pack in (zlib.compress, gzip.compress, zipped):
        content = NOISE[:before] + pack(TEXT[:needle_at] + NEEDLE)
        assert searched(content, piece_bytes=piece_bytes).hits == {NEEDLE}


def test_a_member_that_is_stored_is_found_as_it_is_and_is_no_stream() -> None:
    found = searched(zipped(HIDDEN, method=zipfile.ZIP_STORED))
    assert (found.hits, found.streams) == ({NEEDLE}, 0)


@pytest.mark.parametrize("outer", [zlib.compress, gzip.compress, zipped])
@pytest.mark.parametrize("inner", [zlib.compress, gzip.compress, zipped])
def test_a_stream_in_a_stream_is_looked_into_and_one_in_that_is_not(outer: Pack, inner: Pack) -> None:
    found = searched(outer(NOISE + inner(HIDDEN)))
    assert (found.hits, found.streams, found.unfinished) == ({NEEDLE}, 2, 0)
    assert searched(outer(outer(inner(HIDDEN)))).hits == set()


def test_every_stream_of_a_file_is_looked_into() -> None:
    found = searched(b"".join(zlib.compress(TEXT + b"%d" % number) for number in range(100)) + zlib.compress(HIDDEN))
    assert (found.hits, found.streams, found.unfinished) == ({NEEDLE}, 101, 0)


@compressed
def test_a_damaged_or_cut_stream_is_searched_up_to_where_it_breaks_and_told(stream: bytes) -> None:
    half = stream.partition(b"PK\x01\x02")[0][:-5000]
    found = searched(half)
    assert (found.hits, found.streams, found.unfinished) == ({NEEDLE}, 1, 1)
    # A member of a ZIP file has its checksum elsewhere, so that what only looks like its end is taken for it.
    assert searched(half + NOISE).hits == {NEEDLE}


@settings(deadline=None, max_examples=100)
@given(place=st.integers(2, 40), piece_bytes=st.integers(1, 100))
def test_what_a_stream_gave_before_it_broke_is_not_lost(place: int, piece_bytes: int) -> None:
    """zlib's own error throws away what the same call gave."""
    stream = zlib.compress(NEEDLE, 0)
    broken = stream[: 7 + len(NEEDLE)] + b"\xff" * place
    assert searched(broken, piece_bytes=piece_bytes).hits == {NEEDLE}
    deflated = zlib.compress(NEEDLE * 3 + TEXT, 9)
    assert searched(deflated[: 400 + place] + b"\xff" * 50, piece_bytes=piece_bytes).hits == {NEEDLE}


def test_a_bomb_is_left_at_its_limit_and_told_and_what_lies_behind_it_is_found() -> None:
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(MAX_INFLATED_BYTES // len(zeros) + 40)) + packer.flush()
    found = searched(bomb + zlib.compress(HIDDEN))
    assert (found.hits, found.streams, found.unfinished) == ({NEEDLE}, 2, 1)
    assert MAX_INFLATED_BYTES <= MAX_INFLATED_A_FILE_BYTES - found.left_bytes < MAX_INFLATED_BYTES * 1.2


def test_streams_beyond_what_a_file_may_unfold_to_are_told_and_not_looked_into() -> None:
    found = searched(zlib.compress(TEXT) + zlib.compress(HIDDEN), findings=Findings(left_bytes=len(TEXT) // 2))
    assert (found.hits, found.streams, found.unfinished) == (set(), 2, 2)


def test_streams_that_go_on_without_end_at_one_place_are_not_all_held_open() -> None:
    # Each begins in the last one's stored block, so that all of them go on beyond the piece.
    starts = b"".join(b"\x78\x01\x00\xff\xff\x00\x00" for _ in range(1000))
    found = searched(starts + bytes(2000), piece_bytes=len(starts))
    assert found.unfinished > 900


def test_random_bytes_are_no_streams() -> None:
    content = secrets.token_bytes(3_000_000)
    found = searched(content)
    assert (found.hits, found.unfinished) == (set(), 0)
