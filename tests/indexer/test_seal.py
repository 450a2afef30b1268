import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.seal import KEY_BYTES, Key, new_key, seal, unseal
from policies.errors import IntegrityError

KEY = Key(b"k" * KEY_BYTES)


@given(plain=st.binary(max_size=200), place=st.text(max_size=30))
def test_what_was_sealed_opens_at_its_place(plain: bytes, place: str) -> None:
    assert unseal(KEY, seal(KEY, plain, place=place), place=place) == plain


def test_no_two_seals_of_the_same_bytes_are_alike_and_none_shows_them() -> None:
    plain = b"twenty five days of leave"
    seals = {seal(KEY, plain, place="p") for _ in range(100)}
    assert len(seals) == 100
    assert all(plain not in sealed for sealed in seals)


def test_another_place_another_key_and_every_flipped_bit_are_refused() -> None:
    sealed = seal(KEY, b"twenty five days", place="r1:0:text")
    for place in ("r1:1:text", "r1:0:vector", ""):
        with pytest.raises(IntegrityError, match="does not open"):
            unseal(KEY, sealed, place=place)
    with pytest.raises(IntegrityError, match="does not open"):
        unseal(new_key(), sealed, place="r1:0:text")
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IntegrityError, match="does not open"):
            unseal(KEY, bytes(flipped), place="r1:0:text")


@pytest.mark.parametrize("length", [0, 5, 12, 27])
def test_bytes_too_short_to_be_a_seal_are_refused(length: int) -> None:
    with pytest.raises(IntegrityError, match="does not open"):
        unseal(KEY, bytes(length), place="p")


def test_new_keys_are_of_full_length_and_all_different() -> None:
    keys = {new_key() for _ in range(100)}
    assert {len(key) for key in keys} == {32}
    assert len(keys) == 100
