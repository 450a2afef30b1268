"""What the child processes of this one have cost, by Linux's /proc."""

import os
import resource
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_INTERVAL_S = 0.02
_LISTED = Path("/proc/self/task", str(os.getpid()), "children")
"""Is there where the kernel lists children by thread (CONFIG_PROC_CHILDREN), which costs a hundredth of a search."""


def running() -> list[int]:
    """The processes that this one has started and that have not been buried."""
    if not _LISTED.exists():
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _field(entry, 1) == os.getpid()]
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return found


def cpu_s() -> float:
    """The seconds of processor time of all children so far, dead ones too."""
    dead = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(_field(Path(f"/proc/{pid}"), 11) + _field(Path(f"/proc/{pid}"), 12) for pid in running())
    return dead.ru_utime + dead.ru_stime + living / _TICKS_PER_S


class Peak:
    """Within the block, the most resident memory that any one child has, looked at every 20 ms."""

    def __init__(self) -> None:
        self.rss_bytes = 0
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        for pid in running():
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): reset the peak to what is resident now
        self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._watch.join()
        self._look()

    def _look_on(self) -> None:
        while not self._ended.wait(_INTERVAL_S):
            self._look()

    def _look(self) -> None:
        self.rss_bytes = max(self.rss_bytes, *map(_peak_rss_bytes, running()), 0)


def _peak_rss_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _field(process: Path, at: int) -> int:
    """A number of /proc/PID/stat, counted from the state; 0 where the process is gone."""
    try:
        return int((process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[at])
    except OSError:
        return 0
