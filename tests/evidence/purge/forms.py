"""Needles laid out in every form that a scanner must know, in a folder where each must be found."""

import base64
import gzip
import random
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from tests.evidence.purge.acts import search
from tests.evidence.purge.planted import needles_of, plant

NEEDLES = 60
NOISE_BYTES = 2**18


def proved(place: Path) -> tuple[int, list[str]]:
    """Lay needles out in every form and look for them. How many there were, and which form hides any of them."""
    chance = random.Random(0)  # noqa: S311 - a repeatable run, not a secret
    needles, wrong = sorted(needles_of(plant(NEEDLES, chance))), list[str]()
    for name, laid in FORMS.items():
        folder = place / f"form of {name}"
        folder.mkdir()
        # Text as UTF-16 is a form of text only.
        sought = [needle for needle in needles if needle.isascii()] if name.startswith("utf-16") else needles
        (folder / "file").write_bytes(chance.randbytes(1001) + b"".join(laid(needle) for needle in sought))
        result = search(folder, sought)
        for who, found in (("plain scanner", result.plainly), ("indexer.scan", result.by_scan)):
            if set(sought) - found:
                wrong.append(f"{who}: {len(set(sought) - found)} of {len(sought)} needles are not found as {name}")
    noise = place / "noise"
    noise.mkdir()
    (noise / "file").write_bytes(chance.randbytes(NOISE_BYTES))
    return len(FORMS) * len(needles), wrong + (["needles are found in noise"] if search(noise, needles).found else [])


def _zipped(content: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", content)
    return file.getvalue()


def _in_base64(before: int, *, url: bool) -> Callable[[bytes], bytes]:
    code = base64.urlsafe_b64encode if url else base64.b64encode
    return lambda needle: code(b"?" * before + needle + b"??") + b"\n"


FORMS: Mapping[str, Callable[[bytes], bytes]] = {
    "it is": lambda needle: b"." + needle,
    "utf-16-le": lambda needle: needle.decode().encode("utf-16-le"),
    "utf-16-be": lambda needle: needle.decode().encode("utf-16-be"),
    **{f"base64 behind {before}": _in_base64(before, url=False) for before in range(3)},
    **{f"base64 for addresses behind {before}": _in_base64(before, url=True) for before in range(3)},
    "hexadecimal": lambda needle: needle.hex().encode() + b"\n",
    "capital hexadecimal": lambda needle: needle.hex().upper().encode() + b"\n",
    "zlib": lambda needle: zlib.compress(b"before " + needle + b" behind"),
    "gzip": lambda needle: gzip.compress(b"before " + needle + b" behind"),
    "ZIP": _zipped,
    "base64 in gzip": lambda needle: gzip.compress(base64.b64encode(b"a" + needle)),
    "hexadecimal in zlib in gzip": lambda needle: gzip.compress(zlib.compress(needle.hex().encode())),
}
"""How each form is laid out."""
