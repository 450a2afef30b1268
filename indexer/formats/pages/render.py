"""A page of a PDF or a picture as grey levels, as large as OCR needs it and no larger."""

from contextlib import closing
from dataclasses import dataclass
from math import sqrt
from typing import cast

import pypdfium2
from PIL import Image, ImageOps

from indexer.formats.elements import quarantine
from indexer.formats.pages.image import KINDS, Kind, opened

# Chosen on a report scanned at 130 dpi: 150, 200 and 300 dpi were read with 79, 87 and 90 % confidence in 0.6, 0.8 and
# 1.0 s; and a page of 612 × 792 pixels with 50 % as it is, with 89 % at twice the size.
DOTS_PER_INCH = 300
MAX_PIXELS = 16_000_000  # chosen: A4 at 400 dpi; Tesseract keeps several copies
MIN_SIDE_PIXELS = 1500  # of the longer side; smaller pictures are doubled
_POINTS_PER_INCH = 72


@dataclass(frozen=True, kw_only=True)
class Page:
    """`picture` has one byte a pixel, black is 0."""

    picture: Image.Image
    dots_per_inch: int


def rendered(data: bytes, kind: str, number: int) -> Page:
    """Page `number`, counted from 1, of a PDF, or that frame of a picture.

    Raises:
        QuarantineError: `corrupt`, `bomb`.
    """
    if kind == "pdf":
        return _pdf_page(data, number)
    if kind in KINDS:
        return _frame(data, cast("Kind", kind), number)
    raise quarantine("corrupt")


def _pdf_page(data: bytes, number: int) -> Page:
    try:
        with closing(pypdfium2.PdfDocument(data)) as document, closing(document[number - 1]) as page:
            width, height = page.get_size()
            scale = min(DOTS_PER_INCH / _POINTS_PER_INCH, sqrt(MAX_PIXELS / max(width * height, 1)))
            picture = page.render(scale=scale, grayscale=True).to_pil().convert("L")
    except (IndexError, pypdfium2.PdfiumError):
        raise quarantine("corrupt") from None
    return Page(picture=picture, dots_per_inch=max(round(scale * _POINTS_PER_INCH), 1))


def _frame(data: bytes, kind: Kind, number: int) -> Page:
    with opened(data, kind) as picture:
        picture.seek(number - 1)
        if picture.width * picture.height > (Image.MAX_IMAGE_PIXELS or 0):  # a later frame may be larger than the first
            raise quarantine("bomb")
        if kind == "jpg":
            side = int(sqrt(MAX_PIXELS))
            picture.draft("L", (side, side))
        upright = ImageOps.exif_transpose(picture)
        grey = _on_white(upright).convert("L")
    pixels, side = grey.width * grey.height, max(grey.size)
    scale = sqrt(MAX_PIXELS / pixels) if pixels > MAX_PIXELS else 2.0 if side < MIN_SIDE_PIXELS else 1.0
    if scale != 1.0:
        size = (max(int(grey.width * scale), 1), max(int(grey.height * scale), 1))
        grey = grey.resize(size, Image.Resampling.LANCZOS)
    return Page(picture=grey, dots_per_inch=DOTS_PER_INCH)


def _on_white(picture: Image.Image) -> Image.Image:
    """What is transparent is paper, not ink."""
    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
