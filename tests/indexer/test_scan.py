import base64
import gzip
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from indexer import apart
from indexer import scan as module
from indexer.apart import CHUNK_BYTES
from indexer.forms import Finder
from indexer.scan import ENCODINGS, scan

NEEDLE = b"needle-in-the-haystack?>"
NOISE = random.Random(3).randbytes(20_000)  # noqa: S311 - the same bytes each time, not a secret


def test_planted_needles_are_found_in_every_file_and_folder_and_only_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep.bin").write_bytes(b"\0" * 999 + NEEDLE)
    (tmp_path / "top.bin").write_bytes(NEEDLE + b"other-needle")
    (tmp_path / "none.bin").write_bytes(NEEDLE[:-1])
    (tmp_path / "empty.bin").write_bytes(b"")
    result = scan(tmp_path, [NEEDLE, b"other-needle", b"never-there"])
    assert result.files == 4
    assert result.bytes_read == 999 + 2 * len(NEEDLE) + len(b"other-needle") + len(NEEDLE) - 1
    assert result.found == {"a/b/deep.bin": {NEEDLE}, "top.bin": {NEEDLE, b"other-needle"}}


@pytest.mark.parametrize("before", [0, 1, len(NEEDLE) // 2, len(NEEDLE) - 1, len(NEEDLE)])
def test_a_needle_across_the_border_of_two_chunks_is_found(tmp_path: Path, before: int) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.seek(CHUNK_BYTES - before)
        file.write(NEEDLE)
        file.seek(2 * CHUNK_BYTES + 3)
        file.write(b"x")
    assert scan(tmp_path, [NEEDLE, b"short-one"]).found == {"large.bin": {NEEDLE}}


def written(needle: bytes) -> dict[str, bytes]:
    """The needle in everything that it is looked for in, with other bytes around it."""
    whole = b"before " + needle + b" behind"
    return {
        "raw": whole,
        "utf-16-le": whole.decode().encode("utf-16-le"),
        "utf-16-be": whole.decode().encode("utf-16-be"),
        **{f"base64 {before}": base64.b64encode(b"-" * before + whole) for before in range(3)},
        **{f"base64 of the web {before}": base64.urlsafe_b64encode(b"~?>" * before + whole) for before in range(3)},
        "hex": whole.hex().encode(),
        "HEX": whole.hex().upper().encode(),
        "zlib": zlib.compress(whole),
        "gzip": gzip.compress(whole),
        "gzip in zlib": zlib.compress(b"outer " + gzip.compress(whole)),
        "utf-16 in gzip": gzip.compress(whole.decode().encode("utf-16-le")),
        "base64 in zlib": zlib.compress(base64.b64encode(whole)),
    }


everywhere = pytest.mark.parametrize("content", written(NEEDLE).values(), ids=written(NEEDLE))


@everywhere
def test_every_encoding_is_found_in_the_middle_of_a_file_and_in_its_last_bytes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alone").write_bytes(content)
    (tmp_path / "last").write_bytes(NOISE + content)
    (tmp_path / "middle").write_bytes(NOISE + content + NOISE)
    (tmp_path / "without").write_bytes(NOISE)
    result = scan(tmp_path, [NEEDLE, b"never-there"])
    assert result.found == {name: {NEEDLE} for name in ("alone", "last", "middle")}
    assert result.unfinished == 0
    assert result.encodings == ENCODINGS


@everywhere
def test_every_encoding_is_found_across_the_border_of_two_chunks(tmp_path: Path, content: bytes) -> None:
    for before in {1, 2, 3, 4, 5, len(content) // 3, len(content) // 2, len(content) - 2, len(content) - 1}:
        with (tmp_path / f"{before}.bin").open("wb") as file:
            file.seek(CHUNK_BYTES - before)
            file.write(content + NOISE)
    files = {path.name for path in tmp_path.iterdir()}
    assert scan(tmp_path, [NEEDLE]).found == {name: {NEEDLE} for name in files}


def test_bytes_that_are_no_text_are_found_raw_and_in_base64_and_in_hexadecimal(tmp_path: Path) -> None:
    needle = NOISE[:28]
    ways = (needle, base64.b64encode(b"--" + needle + b"-"), needle.hex().encode(), zlib.compress(needle))
    for number, content in enumerate(ways):
        (tmp_path / f"{number}").write_bytes(content)
    assert scan(tmp_path, [needle]).found == {f"{number}": {needle} for number in range(len(ways))}


def test_streams_that_were_not_read_to_their_end_are_told(tmp_path: Path) -> None:
    stream = zlib.compress(NOISE)
    (tmp_path / "whole").write_bytes(stream)
    (tmp_path / "cut").write_bytes(stream[:-2000])
    result = scan(tmp_path, [NEEDLE])
    assert (result.streams, result.unfinished) == (2, 1)


class Vanishing(Finder):
    """Does something to the folder when it is first asked to look."""

    act: Callable[[], object] = staticmethod(lambda: None)

    def find(self, content: bytes) -> set[bytes]:
        act, Vanishing.act = Vanishing.act, staticmethod(lambda: None)
        act()
        return super().find(content)


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> type[Vanishing]:
    monkeypatch.setattr(module, "Finder", Vanishing)
    return Vanishing


def test_a_file_or_folder_that_goes_away_while_others_are_read_does_not_stop_the_scan(
    tmp_path: Path, vanishing: type[Vanishing]
) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("a", "b", "c", "folder/d"):
        (tmp_path / name).write_bytes(NEEDLE)

    def remove() -> None:
        (tmp_path / "b").unlink()
        shutil.rmtree(tmp_path / "folder")

    vanishing.act = staticmethod(remove)
    result = scan(tmp_path, [NEEDLE])
    assert (result.files, set(result.found)) == (2, {"a", "c"})


def test_a_file_that_goes_elsewhere_while_others_are_read_is_read_there(
    tmp_path: Path, vanishing: type[Vanishing]
) -> None:
    for name in ("early", "late"):
        (tmp_path / name).mkdir()
    (tmp_path / "a").write_bytes(b"something else")
    (tmp_path / "b").write_bytes(NEEDLE)
    vanishing.act = staticmethod(lambda: (tmp_path / "b").rename(tmp_path / "0"))
    result = scan(tmp_path, [NEEDLE])
    assert result.files == 2
    assert result.found == {"0": {NEEDLE}}


def test_a_file_that_cannot_be_read_stops_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(NEEDLE)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "no", str(path))

    monkeypatch.setattr(module, "_chunks", refuse)
    with pytest.raises(PermissionError):
        scan(tmp_path, [NEEDLE])


def test_a_database_that_goes_away_while_others_are_read_does_not_stop_the_scan(
    tmp_path: Path, vanishing: type[Vanishing]
) -> None:
    for name in ("a", "catalog.db", "catalog.db-wal"):
        (tmp_path / name).write_bytes(NEEDLE)
    vanishing.act = staticmethod((tmp_path / "catalog.db-wal").unlink)
    assert scan(tmp_path, [NEEDLE]).found == {"a": {NEEDLE}, "catalog.db": {NEEDLE}}


READ_HALF = "import sys; sys.stdin.readline(); sys.stdout.buffer.write(bytes([0, 0, 0, 24]) + b'half of it')"
NO_ACCESS = "import sys; sys.stdin.readline(); sys.stdout.buffer.write(bytes([0, 0, 0, 0, 0, 0, 0, 13]))"


@pytest.mark.parametrize("code", ["", READ_HALF, NO_ACCESS, "raise MemoryError", "import os; os.abort()"])
def test_a_database_that_cannot_be_read_stops_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    (tmp_path / "catalog.db").write_bytes(NEEDLE)
    monkeypatch.setattr(apart, "_PROGRAM", code)
    with pytest.raises(OSError, match=r"catalog\.db"):
        scan(tmp_path, [NEEDLE])


@pytest.mark.parametrize("interpreter", ["/nowhere/python", "/bin/true"])
def test_without_an_interpreter_no_database_counts_as_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpreter: str
) -> None:
    (tmp_path / "catalog.db").write_bytes(NEEDLE)
    monkeypatch.setattr(sys, "executable", interpreter)
    with pytest.raises(OSError, match=r"process .*catalog\.db"):
        scan(tmp_path, [NEEDLE])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_stops_a_worker_does_not_stop_its_reader(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "catalog.db").write_bytes(NEEDLE)
    with apart.Apart() as reader:
        assert b"".join(reader.chunks(tmp_path / "catalog.db")) == NEEDLE
        process = reader._process  # noqa: SLF001 - what a service manager would signal
        assert process is not None
        assert os.getsid(process.pid) == process.pid
        process.send_signal(number)
        assert b"".join(reader.chunks(tmp_path / "catalog.db")) == NEEDLE
    assert process.returncode == 0


@pytest.mark.parametrize("second_name", ["", "catalog.bak"])
def test_a_database_stays_locked_while_it_is_looked_through_and_its_log_stays_there(
    tmp_path: Path, second_name: str
) -> None:
    path = tmp_path / "catalog.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("PRAGMA journal_mode=WAL")
        held.execute("CREATE TABLE kept (value)")
        if second_name:
            (tmp_path / second_name).hardlink_to(path)
        held.execute("BEGIN IMMEDIATE")
        held.execute("INSERT INTO kept VALUES (?)", [NEEDLE])
        scan(tmp_path, [NEEDLE])
        assert "locked" in by_another_process(path, "INSERT INTO kept VALUES (2)")
        held.execute("COMMIT")
        scan(tmp_path, [NEEDLE])
        assert by_another_process(path, "SELECT * FROM kept") == ""
        assert (tmp_path / "catalog.db-wal").exists()
        assert set(scan(tmp_path, [NEEDLE]).found) == {"catalog.db-wal"}


def by_another_process(path: Path, statement: str) -> str:
    """The error that a statement on a database gives there, if it gives one."""
    program = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)\n"
        "database.execute(sys.argv[2]).fetchall()\n"
        "database.close()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, path, statement], capture_output=True, text=True, check=False
    ).stderr


def test_files_that_keep_going_away_stop_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(NEEDLE)

    def lose(path: Path) -> None:
        path.unlink()
        path.with_name(f"{path.name}a").write_bytes(NEEDLE)
        raise FileNotFoundError(2, "gone", str(path))

    monkeypatch.setattr(module, "_chunks", lose)
    with pytest.raises(OSError, match="keep going away"):
        scan(tmp_path, [NEEDLE])


def test_a_needle_too_short_to_mean_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too short"):
        scan(tmp_path, [b"1234567"])


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "file").write_bytes(NEEDLE)
    (inside / "file").symlink_to(outside / "file")
    (inside / "folder").symlink_to(outside)
    result = scan(inside, [NEEDLE])
    assert (result.files, dict(result.found)) == (0, {})


def test_a_folder_that_cannot_be_read_stops_the_scan(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan(tmp_path / "away", [NEEDLE])
