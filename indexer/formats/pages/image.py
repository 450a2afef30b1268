"""Pictures: how many pages one has, by its header alone. Reading them is a matter of OCR."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeAlias

from PIL import Image

from indexer.formats.elements import Parsed, quarantine

Kind: TypeAlias = Literal["bmp", "jpg", "png", "tiff", "webp"]

MAX_FRAMES = 500  # chosen: a long fax or scanned file

KINDS: Mapping[Kind, str] = {"bmp": "BMP", "jpg": "JPEG", "png": "PNG", "tiff": "TIFF", "webp": "WEBP"}
"""The pictures that are read, with Pillow's names for them."""


def image(data: bytes, *, kind: Kind) -> Parsed:
    """A page that waits for OCR for each frame. Nothing is unpacked.

    Raises:
        QuarantineError: `too_large` for more than MAX_FRAMES, else as `opened`.
    """
    with opened(data, kind) as picture:
        frames = 1 if kind in {"png", "webp"} else getattr(picture, "n_frames", 1)  # else a film, or a camera's preview
    if frames > MAX_FRAMES:
        raise quarantine("too_large")
    return Parsed(kind=kind, title=None, elements=(), scanned=tuple(range(1, frames + 1)))


@contextmanager
def opened(data: bytes, kind: Kind) -> Iterator[Image.Image]:
    """The picture, of which no more than the header was read.

    Raises:
        QuarantineError: `corrupt`, or `bomb` for more than 89 million pixels, which is Pillow's own limit: A3 at 600
            dpi has 70. The same for what is found out while it is read in the block.
    """
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(io.BytesIO(data), formats=[KINDS[kind]]) as picture,
        ):
            yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise quarantine("bomb") from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise quarantine("corrupt") from None
