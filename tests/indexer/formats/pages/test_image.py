import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from indexer.formats.pages.image import MAX_FRAMES, Kind, image
from policies.errors import QuarantineError


def picture(kind: str, frames: int = 1) -> bytes:
    target = io.BytesIO()
    pages = [Image.new("L", (4, 4), number % 255) for number in range(frames)]
    more: dict[str, Any] = {"save_all": True, "append_images": pages[1:]} if frames > 1 else {}
    pages[0].save(target, kind, **more)
    return target.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def claimed(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has these sides."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\x00" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "name"), [("bmp", "BMP"), ("jpg", "JPEG"), ("png", "PNG"), ("tiff", "TIFF"), ("webp", "WEBP")]
)
def test_a_picture_is_a_page_that_waits_for_ocr(kind: Kind, name: str) -> None:
    parsed = image(picture(name), kind=kind)
    assert (parsed.kind, parsed.elements, parsed.scanned) == (kind, (), (1,))


def test_each_frame_of_a_tiff_is_a_page_and_a_film_is_one() -> None:
    assert image(picture("TIFF", 3), kind="tiff").scanned == (1, 2, 3)
    assert image(picture("PNG", 3), kind="png").scanned == (1,)


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        (claimed(20_000, 20_000), "png", "bomb"),
        (claimed(10_000, 10_000), "png", "bomb"),
        (claimed(2**31 - 1, 2**31 - 1), "png", "bomb"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "png", "corrupt"),
        (picture("PNG"), "tiff", "corrupt"),
        (picture("TIFF", MAX_FRAMES + 1), "tiff", "too_large"),
    ],
)
def test_a_picture_that_claims_too_much_or_is_none_is_refused(data: bytes, kind: Kind, reason: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        image(data, kind=kind)
    assert caught.value.reason == reason
