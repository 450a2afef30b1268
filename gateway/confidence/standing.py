"""How a source's model stands for somebody now: what has changed since it was fitted, and what that makes of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from sqlmodel import Session

from gateway.confidence.model import Makers, Model
from indexer import calibrations
from indexer.calibrations import Stored
from indexer.extent import changed
from indexer.generation import Generation
from indexer.vectors import Ranges
from policies.model import ConfidenceStatus

MAX_CHANGED = 0.02
"""The share of what is visible that may change before a model is stale whose questions were not asked again. Chosen: 40
% moved a calibration error by .14, so that 2 % move it by about .007: less than chance among 1,000 labels, .015."""
SHARES_KEPT = 256
"""Chosen: as many as a generation keeps names of what callers see."""


class Staleness(StrEnum):
    """Why a model is stale."""

    EMBEDDER = "embedder_changed"
    ANALYSER = "analyser_changed"
    SPLITTER = "splitter_changed"
    REDACTOR = "redactor_changed"
    REPLAY = "replay_failed"
    PASSAGES = "passages_changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A status, and where it is `stale` why; `changed` is the share of the visible passages that has."""

    status: ConfidenceStatus
    causes: tuple[Staleness, ...]
    changed: float


@dataclass(frozen=True, kw_only=True)
class Ledge:
    """Tells how models stand, and remembers what it measured. Safe to use from several threads."""

    _shares: dict[tuple[str, str], float] = field(default_factory=dict)

    def standing(
        self, session: Session, stored: Stored, model: Model, generation: Generation, visible: Ranges, makers: Makers
    ) -> Standing:
        """How a source's stored model stands for one who sees these rows, by them alone."""
        share = self._changed(session, model, generation, visible)
        causes = [_OF_MAKER[name] for name in _OF_MAKER if getattr(makers, name) != getattr(model.makers, name)]
        if share and stored.failed:
            causes.append(Staleness.REPLAY)
        if share > MAX_CHANGED:
            causes.append(Staleness.PASSAGES)
        status = ConfidenceStatus.STALE if causes else model.status
        return Standing(status=status, causes=tuple(causes), changed=share)

    def _changed(self, session: Session, model: Model, generation: Generation, visible: Ranges) -> float:
        scope = generation.scope(visible)
        if scope == model.scope:
            return 0.0
        known = self._shares.get((model.id, scope))
        if known is None:
            basis = calibrations.basis(session, model.source)
            # Where nobody kept what it was fitted on, nobody can say that it is nearly the same.
            kept = basis is not None and basis.calibration == model.id
            known = changed(basis.extent, generation, visible) if basis is not None and kept else 1.0
            if len(self._shares) >= SHARES_KEPT:
                self._shares.clear()
            self._shares[model.id, scope] = known
        return known


@lru_cache(maxsize=64)
def loaded(content: str) -> Model:
    """The model that `Model.dump` wrote, read once.

    Raises:
        IntegrityError: it is not such a model, or of another version.
    """
    return Model.load(content)


_OF_MAKER = {
    "embedder": Staleness.EMBEDDER,
    "analyser": Staleness.ANALYSER,
    "splitter": Staleness.SPLITTER,
    "redactor": Staleness.REDACTOR,
}
