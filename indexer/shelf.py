"""The generations a process has open: one for each source, verified once, swapped when another one serves."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from indexer.catalog import Registration
from indexer.generation import Generation
from indexer.home import Home
from policies.errors import IntegrityError
from policies.model import DocumentId, GenerationId, SourceName

REMEMBERED_S = 5.0
"""Chosen: so long a damaged index is not read again, which would keep every query waiting and find the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Damage:
    """What was wrong with a generation of this id and digest; believed until an instant of the monotonic clock."""

    of: tuple[GenerationId, str]
    until: float
    message: str
    mend: str


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Opens generations and keeps the last one of each source. Safe to use from several threads."""

    home: Home
    _open: dict[SourceName, Generation] = field(default_factory=dict)
    _damaged: dict[SourceName, _Damage] = field(default_factory=dict)
    _entombed: dict[SourceName, tuple[tuple[GenerationId, int], frozenset[DocumentId]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _opening: defaultdict[SourceName, Lock] = field(default_factory=lambda: defaultdict(Lock))

    def entombed(
        self, generation: Generation, burials: int, find: Callable[[], frozenset[DocumentId]]
    ) -> frozenset[DocumentId]:
        """What `find` found in a generation, asked anew when there are other `burials`: see `indexer.serving`."""
        of = generation.id, burials
        with self._lock:
            known = self._entombed.get(generation.inventory.source)
        if known is None or known[0] != of:
            known = of, find()
            with self._lock:
                self._entombed[generation.inventory.source] = known
        return known[1]

    def generation(self, registered: Registration) -> Generation | None:
        """The generation that serves a source, or None where nothing was published yet.

        Raises:
            IntegrityError: it is damaged, or was replaced meanwhile. Nothing of it may be searched.
        """
        if registered.generation is None or registered.generation_digest is None:
            return None
        held = self._open.get(registered.name)
        if held is not None and held.id == registered.generation:
            return held
        with self._lock:
            opening = self._opening[registered.name]
        # Verifying reads every file: of those who wait for one source the first does it, others search other sources.
        with opening:
            held = self._open.get(registered.name)
            if held is None or held.id != registered.generation:
                held = self._verified(registered.name, registered.generation, registered.generation_digest)
                self._open[registered.name] = held
        return held

    def _verified(self, source: SourceName, generation: GenerationId, digest: str) -> Generation:
        known = self._damaged.get(source)
        if known is not None and known.of == (generation, digest) and monotonic() < known.until:
            raise IntegrityError(known.message, mend=known.mend)
        try:
            return Generation(generation, self.home.generation(source, generation), digest=digest)
        except IntegrityError as error:
            if not isinstance(error.__cause__, OSError):  # which may pass
                self._damaged[source] = _Damage(
                    of=(generation, digest), until=monotonic() + REMEMBERED_S, message=str(error), mend=error.mend
                )
            raise
