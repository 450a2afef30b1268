import struct

import pytest

from indexer.formats.mail.rtfpack import MAX_UNPACKED_BYTES, unpack
from policies.errors import QuarantineError

# [MS-OXRTFCP], section 4.1.1 and 4.1.2: the two examples of the specification
SIMPLE = bytes.fromhex(
    "2d000000 2b000000 4c5a4675 f1c5c7a7 03000a00 72637067 31323542 320af320 68656c09 00206277 05b06c64 7d0a800f a0"
)
CROSSING = bytes.fromhex("1a000000 1c000000 4c5a4675 e2d44b51 41000420 5758595a 0d6e7d01 0eb0")


def test_the_examples_of_the_specification_are_unpacked() -> None:
    assert unpack(SIMPLE) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert unpack(CROSSING) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


def test_what_is_cut_short_is_unpacked_as_far_as_it_goes() -> None:
    assert unpack(SIMPLE[:-8]).startswith(b"{\\rtf1\\ansi\\ansicpg1252")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "corrupt"),
        (struct.pack("<IIII", 1, 1, 1, 1), "corrupt"),
        (struct.pack("<IIII", 1, MAX_UNPACKED_BYTES + 1, 0x75465A4C, 0), "too_large"),
    ],
)
def test_another_kind_of_data_and_too_much_of_it_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        unpack(data)
    assert caught.value.reason == reason
