"""What SQLite leaves where it moved a row to another page: bytes in the unused part of a page, which no query sees."""

from pathlib import Path

_LEAF_OF_TABLE = 13
_HEADER = 8


def leave(path: Path, content: bytes) -> None:
    """Put bytes into the unused part of a page of a table. Nothing may have the file open, and no log may be beside it.

    The format: https://www.sqlite.org/fileformat.html, section 1.6.
    """
    whole = bytearray(path.read_bytes())
    size = int.from_bytes(whole[16:18], "big")
    for start in range(size, len(whole), size):
        cells = int.from_bytes(whole[start + 3 : start + 5], "big")
        unused, used = _HEADER + 2 * cells, int.from_bytes(whole[start + 5 : start + 7], "big")
        if whole[start] == _LEAF_OF_TABLE and cells and used - unused > len(content):
            whole[start + unused : start + unused + len(content)] = content
            path.write_bytes(whole)
            return
    raise AssertionError("no page has room")
