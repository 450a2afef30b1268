"""Where the confidence models of sources are kept: one for each source, as the text its owner made of it."""

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlmodel import Session, SQLModel

from indexer.tables import CalibrationRow
from policies.model import SourceName

_CALIBRATION = SQLModel.metadata.tables["calibration"]
_LATEST = select(_CALIBRATION.c.model).where(_CALIBRATION.c.source == bindparam("source"))


def latest(session: Session, source: SourceName) -> str | None:
    """The stored model of a source, or None."""
    model: str | None = session.connection().execute(_LATEST, {"source": source}).scalar()
    return model


def store(session: Session, source: SourceName, *, calibration: str, model: str, now: datetime) -> None:
    """Put a model in the place of the one before."""
    session.merge(CalibrationRow(source=source, id=calibration, created=now.isoformat(), model=model))
