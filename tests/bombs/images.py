"""Pictures that are small on disk."""

import struct
import zlib

from tests.bombs.bomb import Bomb


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *, more: bytes = b"") -> bytes:
    """A white picture, or what claims to be one."""
    packer = zlib.compressobj(9)
    rows = b"\xff" * min(1 + width // 8, 2**20)
    content = packer.compress(b"\0" + rows * min(height, 10)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + more + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")


def tiff(directories: int, *, ring: bool = False) -> bytes:
    """Pictures of one point in one file; in a `ring`, the first comes after the last again."""
    body = bytearray(b"II*\0\x08\0\0\0")
    for at in range(directories):
        tags = [(256, 1), (257, 1), (258, 1), (259, 1), (262, 0), (273, 4), (277, 1), (278, 1), (279, 1)]
        entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags)
        following = len(body) + 2 + len(entries) + 4
        last = 8 if ring else 0
        body += struct.pack("<H", len(tags)) + entries + struct.pack("<I", following if at + 1 < directories else last)
    return bytes(body)


def _gif(frames: int) -> bytes:
    frame = b"\x21\xf9\x04\0\0\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", 10_000, 10_000, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * frames + b";"


def _bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 62, 0, 0, 62, 40, width, height, 1, 1, 0, 0, 0, 0, 2, 0) + b"\0" * 8


IMAGES = (
    Bomb(name="100,000 by 100,000 points", file="a.png", outcome="bomb", make=lambda: png(100_000, 100_000)),
    Bomb(
        name="two billion by two billion points",
        file="a.png",
        outcome="bomb",
        make=lambda: png(2**31 - 1, 2**31 - 1),
    ),
    Bomb(
        name="a comment that inflates to 100 megabytes",
        file="a.png",
        outcome="corrupt",
        make=lambda: png(64, 64, more=_chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(100_000_000), 9))),
    ),
    Bomb(name="10,000 directories", file="a.tiff", outcome="too_large", make=lambda: tiff(10_000)),
    Bomb(name="directories in a ring", file="a.tiff", outcome="no_text", make=lambda: tiff(3, ring=True)),
    Bomb(name="10,000 frames", file="a.gif", outcome="too_large", make=lambda: _gif(10_000)),
    Bomb(name="100,000 by 100,000 points", file="a.bmp", outcome="bomb", make=lambda: _bmp(100_000, 100_000)),
    Bomb(name="less than a header", file="a.jpg", outcome="corrupt", make=lambda: b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
)
