import gc
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from indexer.arrays import mapped, unpacked


@pytest.fixture
def files(tmp_path: Path) -> Path:
    np.savez(tmp_path / "all.npz", starts=np.arange(4), names=np.array(["a", "bc"]))
    np.save(tmp_path / "starts.npy", np.arange(4))
    return tmp_path


@pytest.fixture
def collecting() -> Iterator[None]:
    """Garbage is collected all the time, and another thread gets its turn each time."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()

    def turn(*_: object) -> None:
        time.sleep(0)

    gc.callbacks.append(turn)
    gc.set_threshold(1)
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        gc.callbacks.remove(turn)
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)


def read(path: Path) -> None:
    assert mapped(path / "starts.npy").tolist() == [0, 1, 2, 3]
    assert {name: array.tolist() for name, array in unpacked((path / "all.npz").read_bytes()).items()} == {
        "starts": [0, 1, 2, 3],
        "names": ["a", "bc"],
    }


def deep(calls: int, reading: Callable[[], None]) -> None:
    """Read that many calls further down, many times."""
    if calls:
        deep(calls - 1, reading)
        return
    for _ in range(300):
        reading()


@pytest.mark.usefixtures("collecting")
def test_threads_read_at_once_however_deep_they_are(files: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(deep, 3 * thread, lambda: read(files)) for thread in range(4)]:
            done.result()


def test_what_is_mapped_is_a_plain_array_that_cannot_be_written(files: Path) -> None:
    array = mapped(files / "starts.npy")
    assert type(array) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_objects_are_never_read(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    packed = BytesIO()
    np.savez(packed, objects=np.array([{}]))
    with pytest.raises(ValueError, match=r"allow_pickle|Python objects"):
        mapped(tmp_path / "objects.npy")
    with pytest.raises(ValueError, match=r"allow_pickle|Python objects"):
        unpacked(packed.getvalue())
