import io

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from indexer.formats.pages.render import MAX_PIXELS, rendered
from policies.errors import QuarantineError


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def pdf(width: float, height: float) -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=(width, height))
    canvas.drawString(5, 5, "x")
    canvas.save()
    return target.getvalue()


def test_a_page_of_a_pdf_is_drawn_at_300_dpi() -> None:
    page = rendered(pdf(72, 144), "pdf", 1)
    assert (page.picture.mode, page.picture.size, page.dots_per_inch) == ("L", (300, 600), 300)


def test_a_huge_page_is_drawn_no_larger_than_ocr_can_bear() -> None:
    page = rendered(pdf(14_400, 14_400), "pdf", 1)
    assert page.picture.width * page.picture.height <= 1.01 * MAX_PIXELS
    assert page.dots_per_inch < 30


def test_a_small_picture_is_doubled_and_a_large_one_is_reduced() -> None:
    assert rendered(saved(Image.new("L", (600, 800)), "PNG"), "png", 1).picture.size == (1200, 1600)
    assert rendered(saved(Image.new("L", (1600, 800)), "PNG"), "png", 1).picture.size == (1600, 800)
    large = rendered(saved(Image.new("1", (9000, 9000)), "PNG"), "png", 1).picture
    assert large.width * large.height <= MAX_PIXELS


def test_what_is_transparent_is_paper() -> None:
    picture = Image.new("RGBA", (2000, 10), (0, 0, 0, 0))
    assert rendered(saved(picture, "PNG"), "png", 1).picture.getextrema() == (255, 255)


def test_a_photograph_is_turned_as_the_camera_says() -> None:
    turned = Image.new("L", (2000, 100)).getexif()
    turned[0x0112] = 6
    assert rendered(saved(Image.new("L", (2000, 100)), "JPEG", exif=turned), "jpg", 1).picture.size == (100, 2000)


def test_each_frame_is_drawn_by_itself() -> None:
    frames = [Image.new("L", (2000, 10), shade) for shade in (0, 200)]
    data = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert [rendered(data, "tiff", number).picture.getextrema() for number in (1, 2)] == [(0, 0), (200, 200)]


@pytest.mark.parametrize(
    ("data", "kind", "number"),
    [
        (pdf(72, 72), "pdf", 2),
        (b"%PDF-1.7", "pdf", 1),
        (saved(Image.new("L", (4, 4)), "TIFF"), "tiff", 2),
        (saved(Image.new("L", (400, 400), 7), "PNG")[:60], "png", 1),
        (b"words", "txt", 1),
    ],
)
def test_what_cannot_be_drawn_is_corrupt(data: bytes, kind: str, number: int) -> None:
    with pytest.raises(QuarantineError) as caught:
        rendered(data, kind, number)
    assert caught.value.reason == "corrupt"
