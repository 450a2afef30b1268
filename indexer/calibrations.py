"""Where the confidence models of sources are kept: one for each source, as the text its owner made of it.

With a model goes its basis: which passages it was fitted on, and the golden questions, so that they can be asked again.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlmodel import Session, SQLModel

from indexer.tables import BasisRow, CalibrationRow
from policies.model import SourceName

_CALIBRATION, _BASIS = (SQLModel.metadata.tables[name] for name in ("calibration", "basis"))
_OF_SOURCE = _CALIBRATION.c.source == bindparam("source")
_LATEST = select(_CALIBRATION.c.model).where(_OF_SOURCE)
_CREATED = select(_CALIBRATION.c.created).where(_OF_SOURCE)
_STORED = (
    select(_CALIBRATION.c.id, _CALIBRATION.c.model, _BASIS.c.failed)
    .outerjoin(_BASIS, (_BASIS.c.source == _CALIBRATION.c.source) & (_BASIS.c.calibration == _CALIBRATION.c.id))
    .where(_OF_SOURCE)
)
_BASED = select(_BASIS.c.calibration, _BASIS.c.extent, _BASIS.c.golden, _BASIS.c.failed, _BASIS.c.tried).where(
    _BASIS.c.source == bindparam("source")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A stored model, and why its questions could not be asked again of what is there now; None where they could."""

    id: str
    model: str
    failed: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What a model was fitted on. `golden` is sealed, None where the questions were not kept.

    `tried` names what the questions were asked of in vain, `failed` why it was.
    """

    calibration: str
    extent: bytes
    golden: bytes | None
    failed: str | None
    tried: str | None


def latest(session: Session, source: SourceName) -> str | None:
    """The stored model of a source, or None."""
    model: str | None = session.connection().execute(_LATEST, {"source": source}).scalar()
    return model


def stored(session: Session, source: SourceName) -> Stored | None:
    """The stored model of a source with how it stands, or None."""
    row = session.connection().execute(_STORED, {"source": source}).first()
    return None if row is None else Stored(id=row.id, model=row.model, failed=row.failed)


def basis(session: Session, source: SourceName) -> Basis | None:
    """What the stored model of a source was fitted on; None where there is no model, or nobody kept it."""
    row = session.connection().execute(_BASED, {"source": source}).first()
    return None if row is None else Basis(**row._mapping)  # noqa: SLF001 - the public name of a row's columns


def store(session: Session, source: SourceName, *, calibration: str, model: str, now: datetime) -> None:
    """Put a model in the place of the one before."""
    session.merge(CalibrationRow(source=source, id=calibration, created=now.isoformat(), model=model))


def keep(session: Session, source: SourceName, *, calibration: str, extent: bytes, golden: bytes | None) -> None:
    """Keep what a stored model was fitted on, in the place of the basis of the one before."""
    session.merge(BasisRow(source=source, calibration=calibration, extent=extent, golden=golden))


def fail(session: Session, source: SourceName, *, calibration: str, why: str, tried: str) -> None:
    """Note that the questions of a model could not be asked again: from then on it is stale."""
    of_model = (_BASIS.c.source == source) & (_BASIS.c.calibration == calibration)
    session.connection().execute(update(_BASIS).where(of_model).values(failed=why, tried=tried))


def made_at(session: Session, source: SourceName) -> datetime | None:
    """When the stored model of a source was stored, UTC, aware; None where there is none."""
    created = session.connection().execute(_CREATED, {"source": source}).scalar()
    return None if created is None else datetime.fromisoformat(created)
