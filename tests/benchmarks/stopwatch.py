"""Where the time of a sync goes, by stage, and processor time of a process with its children."""

import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from connectors.filesystem import FilesystemConnector
from indexer import ingest, sync
from indexer.embed import MiniLmEmbedder
from indexer.redact import Redactor
from indexer.workshop import Workshop
from tests.fakes import HashEmbedder

STAGES: Mapping[str, Sequence[tuple[object, str]]] = {
    "list": [(sync._SyncRun, "prepare")],  # noqa: SLF001
    "fetch": [(FilesystemConnector, "fetch")],
    "parse": [(ingest, "parse")],
    "redact": [(Redactor, "redact")],
    "split": [(ingest, "split")],
    "embed": [(MiniLmEmbedder, "embed_document"), (HashEmbedder, "embed_document")],
    "store": [(sync._SyncRun, "do")],  # noqa: SLF001
    "publish": [(sync._SyncRun, "finish"), (Workshop, "publish")],  # noqa: SLF001
}
"""The functions of each stage. What one calls in its turn counts as that one's, so that `store` is sealing and writing.

The rest of a sync's time goes to the job: starting, recording each step, and noticing its end.
"""
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What some work took. `stages_s` and `calls` are by stage; `cpu_s` is this process's and its children's."""

    wall_s: float
    cpu_s: float
    stages_s: Mapping[str, float]
    calls: Mapping[str, int]

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            stages_s={stage: self.stages_s[stage] + other.stages_s[stage] for stage in STAGES},
            calls={stage: self.calls[stage] + other.calls[stage] for stage in STAGES},
        )


@dataclass
class _Ledger:
    stages_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: Counter[str] = field(default_factory=Counter)


class Stopwatch:
    """Times the stages of every sync in this process while its block runs."""

    def __init__(self) -> None:
        self._ledger = _Ledger()
        self._inside = threading.local()
        self._originals: list[tuple[object, str, Any]] = []

    def __enter__(self) -> Self:
        for stage, functions in STAGES.items():
            for owner, name in functions:
                original = getattr(owner, name)
                self._originals.append((owner, name, original))
                setattr(owner, name, self._timed(stage, original))
        return self

    def __exit__(self, *_: object) -> None:
        for owner, name, original in self._originals:
            setattr(owner, name, original)

    @contextmanager
    def measuring(self) -> Iterator[Callable[[], Spent]]:
        """What is called in the end tells what the block took."""
        self._ledger = _Ledger()
        wall_s, cpu_s = time.perf_counter(), cpu_of(os.getpid())

        def spent() -> Spent:
            return Spent(
                wall_s=time.perf_counter() - wall_s,
                cpu_s=cpu_of(os.getpid()) - cpu_s,
                stages_s={stage: self._ledger.stages_s[stage] for stage in STAGES},
                calls={stage: self._ledger.calls[stage] for stage in STAGES},
            )

        yield spent

    def _timed(self, stage: str, original: Callable[..., object]) -> Callable[..., object]:
        def timed(*arguments: object, **named: object) -> object:
            outer: list[float] = self._inside.__dict__.setdefault("stack", [])
            outer.append(0.0)
            began = time.perf_counter()
            try:
                return original(*arguments, **named)
            finally:
                elapsed_s = time.perf_counter() - began
                self._ledger.stages_s[stage] += elapsed_s - outer.pop()
                self._ledger.calls[stage] += 1
                if outer:
                    outer[-1] += elapsed_s

        return timed


def cpu_of(pid: int) -> float:
    """Processor seconds of a process, of its live children and of those it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / _TICKS_A_SECOND
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return own + sum(map(cpu_of, children))
