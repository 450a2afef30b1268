"""Where the confidence models of sources are kept: one for each source, as the text its owner made of it."""

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, SQLModel

from indexer.tables import CalibrationRow
from policies.model import SourceName

_CALIBRATION = SQLModel.metadata.tables["calibration"]


def latest(session: Session, source: SourceName) -> str | None:
    """The stored model of a source, or None."""
    statement = select(_CALIBRATION.c.model).where(_CALIBRATION.c.source == source)
    model: str | None = session.connection().execute(statement).scalar()
    return model


def store(session: Session, source: SourceName, *, calibration: str, model: str, now: datetime) -> None:
    """Put a model in the place of the one before."""
    session.merge(CalibrationRow(source=source, id=calibration, created=now.isoformat(), model=model))
