"""Whether the process behind a worker's record still lives."""

import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from indexer.joblog import Worker

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_PIDS: Final = Path("/proc/self/ns/pid")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pulse:
    """How many beats a worker has told of, and since when by this process's own clock."""

    first: int
    beats: int
    since_s: float


@dataclass(frozen=True, kw_only=True)
class DeathWatch:
    """Looks at workers' beats by this process's own clock: those of other machines may be wrong, or go back."""

    patience_s: float
    _pulses: dict[str, _Pulse] = field(default_factory=dict)

    def is_dead(self, worker: Worker) -> bool:
        """Whether its process is gone, as this machine knows, or it has not beaten for as long as patience lasts."""
        if worker.host == host() and not _lives(worker.pid):
            return True
        now_s = time.monotonic()
        pulse = self._pulses.get(worker.id)
        if pulse is None or pulse.beats != worker.beats:
            first = worker.beats if pulse is None else pulse.first
            self._pulses[worker.id] = _Pulse(first=first, beats=worker.beats, since_s=now_s)
            return False
        return now_s - pulse.since_s > self.patience_s

    def has_beaten(self, worker: Worker) -> bool:
        """Whether it has beaten since it was looked at first."""
        pulse = self._pulses.get(worker.id)
        return pulse is not None and worker.beats > pulse.first


def host() -> str:
    """Where process ids mean the same: this boot of this machine, and this container of it."""
    try:
        return f"{_BOOT.read_text().strip()}/{_PIDS.readlink()}"
    except OSError:
        return socket.gethostname()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
