"""How a source's model stands for somebody now: what has changed since it was fitted, and what that makes of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from sqlmodel import Session

from gateway.confidence.audience import Audience
from gateway.confidence.model import Makers, Model
from indexer import calibrations
from indexer.extent import changed
from indexer.generation import Generation
from indexer.vectors import Ranges
from policies.model import Caller, ConfidenceStatus, SourceName

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
    READER = "reader_changed"
    REPLAY = "replay_failed"
    PASSAGES = "passages_changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A status, and where it is `stale` why; `changed` is the share of the visible passages that has."""

    status: ConfidenceStatus
    causes: tuple[Staleness, ...]
    changed: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """The model that speaks to somebody, and where its questions could not be asked again, why, if that may be told."""

    model: Model
    failed: str | None


def speaking(session: Session, source: SourceName, caller: Caller | None) -> Spoken | None:
    """The model of a source that speaks to this caller; to None, its operator, the one that was fitted last.

    Questions are asked again when what their audience sees has changed, of which nobody else may notice anything: to
    the others the model of the operator's last act speaks, and how it stands they are told by what they see themselves.
    None where there is no model.

    Raises:
        IntegrityError: it cannot be read, or another version of Penstock fitted it.
    """
    stored = calibrations.stored(session, source)
    if stored is None:
        return None
    again = stored.again if _is_for(stored.again_for, caller) else None
    found = calibrations.model(session, source, again or stored.id, again=again is not None)
    if found is None:
        return None
    return Spoken(model=loaded(found), failed=stored.failed if _is_for(stored.audience, caller) else None)


def _is_for(audience: str | None, caller: Caller | None) -> bool:
    return caller is None or (audience is not None and _audience(audience).includes(caller))


@lru_cache(maxsize=64)
def _audience(content: str) -> Audience:
    return Audience.load(content)


@dataclass(frozen=True, kw_only=True)
class Ledge:
    """Tells how models stand, and remembers what it measured. Safe to use from several threads."""

    _shares: dict[tuple[str, str], float] = field(default_factory=dict)

    def standing(
        self, session: Session, spoken: Spoken, generation: Generation, visible: Ranges, makers: Makers
    ) -> Standing:
        """How a source's model stands for one who sees these rows, by them alone."""
        model = spoken.model
        share = self._changed(session, model, generation, visible)
        causes = [_OF_MAKER[name] for name in _OF_MAKER if getattr(makers, name) != getattr(model.makers, name)]
        if share and spoken.failed:
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
            extent = calibrations.extent(session, model.source, model.id)
            # Where nobody kept what it was fitted on, nobody can say that it is nearly the same.
            known = 1.0 if extent is None else changed(extent, generation, visible)
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
    "reader": Staleness.READER,
}
