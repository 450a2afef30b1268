"""The generations a process has open: one for each source, verified once, swapped when another one serves."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from indexer.catalog import Registration
from indexer.generation import Generation
from indexer.home import Home
from policies.model import DocumentId, GenerationId, SourceName


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Opens generations and keeps the last one of each source. Safe to use from several threads."""

    home: Home
    _open: dict[SourceName, Generation] = field(default_factory=dict)
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
                folder = self.home.generation(registered.name, registered.generation)
                held = Generation(registered.generation, folder, digest=registered.generation_digest)
                self._open[registered.name] = held
        return held
