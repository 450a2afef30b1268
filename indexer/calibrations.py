"""Where the confidence models of sources are kept, as the text their owner made of them: two for a source at the most.

One is what an operator's act fitted, with its basis: which passages it was fitted on, and the golden questions, so that
they can be asked again. The other is what the questions made when they were asked again the last time. It goes when an
operator acts anew.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update
from sqlmodel import Session, SQLModel

from indexer.tables import BasisRow, CalibrationRow, ReplayRow
from policies.model import SourceName

_CALIBRATION, _BASIS, _REPLAY = (SQLModel.metadata.tables[name] for name in ("calibration", "basis", "replay"))
_OF_SOURCE = _CALIBRATION.c.source == bindparam("source")
_REPLAYED = (_REPLAY.c.source == _CALIBRATION.c.source) & (_REPLAY.c.calibration == _CALIBRATION.c.id)
_LATEST = (
    select(_CALIBRATION.c.model, _REPLAY.c.model.label("again"), _CALIBRATION.c.created, _REPLAY.c.created.label("at"))
    .outerjoin(_REPLAY, _REPLAYED)
    .where(_OF_SOURCE)
)
_STORED = (
    select(
        _CALIBRATION.c.id,
        _CALIBRATION.c.created,
        _BASIS.c.failed,
        _BASIS.c.audience,
        _REPLAY.c.id.label("again"),
        _REPLAY.c.audience.label("again_for"),
    )
    .outerjoin(_BASIS, (_BASIS.c.source == _CALIBRATION.c.source) & (_BASIS.c.calibration == _CALIBRATION.c.id))
    .outerjoin(_REPLAY, _REPLAYED)
    .where(_OF_SOURCE)
)
_MODEL, _AGAIN = (
    select(table.c.model).where((table.c.source == bindparam("source")) & (table.c.id == bindparam("id")))
    for table in (_CALIBRATION, _REPLAY)
)
_EXTENT = select(_BASIS.c.extent).where(
    (_BASIS.c.source == bindparam("source")) & (_BASIS.c.calibration == bindparam("id"))
)
_EXTENT_AGAIN = select(_REPLAY.c.extent).where(
    (_REPLAY.c.source == bindparam("source")) & (_REPLAY.c.id == bindparam("id"))
)
_SCOPES = select(_REPLAY.c.scopes).where(_REPLAY.c.source == bindparam("source"))
_BASED = select(_BASIS.c.calibration, _BASIS.c.extent, _BASIS.c.golden, _BASIS.c.failed, _BASIS.c.tried).where(
    _BASIS.c.source == bindparam("source")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """Which models a source has: `id` is the operator's, `again` that of its questions asked again, None before.

    `audience` and `again_for` tell for whom it matters whether they could be asked again, and were; `failed` is why
    they could not be asked again of what is there now, None where they could.
    """

    id: str
    created: str
    failed: str | None
    audience: str | None
    again: str | None
    again_for: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What an operator's model was fitted on. `golden` is sealed, None where the questions were not kept.

    `tried` names what the questions were asked of in vain, `failed` why it was.
    """

    calibration: str
    extent: bytes
    golden: bytes | None
    failed: str | None
    tried: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """A model that kept questions made, to be stored: `of` is the id of the operator's model that they are from."""

    of: str
    id: str
    model: str
    extent: bytes
    audience: str
    scope: str


def latest(session: Session, source: SourceName) -> str | None:
    """The model of a source that was fitted last, or None."""
    row = session.connection().execute(_LATEST, {"source": source}).first()
    return None if row is None else row.again or row.model


def made_at(session: Session, source: SourceName) -> datetime | None:
    """When the model that `latest` gives was stored, UTC, aware; None where there is none."""
    row = session.connection().execute(_LATEST, {"source": source}).first()
    return None if row is None else datetime.fromisoformat(row.at or row.created)


def stored(session: Session, source: SourceName) -> Stored | None:
    """Which models a source has, and how they stand; None where it has none."""
    row = session.connection().execute(_STORED, {"source": source}).first()
    return None if row is None else Stored(**row._mapping)  # noqa: SLF001 - the public name of a row's columns


def model(session: Session, source: SourceName, calibration: str, *, again: bool) -> str | None:
    """The operator's model of this id, or with `again` that of the questions asked again; None where it is gone."""
    found: str | None = (
        session.connection().execute(_AGAIN if again else _MODEL, {"source": source, "id": calibration}).scalar()
    )
    return found


def extent(session: Session, source: SourceName, calibration: str) -> bytes | None:
    """Which passages a model of a source was fitted on; None where nobody kept it."""
    of_model = {"source": source, "id": calibration}
    connection = session.connection()
    found: bytes | None = connection.execute(_EXTENT_AGAIN, of_model).scalar()
    if found is None:
        found = connection.execute(_EXTENT, of_model).scalar()
    return found


def basis(session: Session, source: SourceName) -> Basis | None:
    """What the operator's model of a source was fitted on; None where there is no model, or nobody kept it."""
    row = session.connection().execute(_BASED, {"source": source}).first()
    return None if row is None else Basis(**row._mapping)  # noqa: SLF001 - the public name of a row's columns


def scopes(session: Session, source: SourceName) -> tuple[str, ...]:
    """What the questions of a source were asked of since an operator acted, the last one last."""
    found = session.connection().execute(_SCOPES, {"source": source}).scalar()
    return () if found is None else tuple(json.loads(found))


def store(session: Session, source: SourceName, *, calibration: str, model: str, now: datetime) -> None:
    """Put an operator's model in the place of all that there was before."""
    session.merge(CalibrationRow(source=source, id=calibration, created=now.isoformat(), model=model))
    session.connection().execute(delete(_REPLAY).where(_REPLAY.c.source == source))


def keep(
    session: Session,
    source: SourceName,
    *,
    calibration: str,
    extent: bytes,
    golden: bytes | None,
    audience: str | None = None,
) -> None:
    """Keep what an operator's model was fitted on, in the place of the basis of the one before."""
    session.merge(BasisRow(source=source, calibration=calibration, extent=extent, golden=golden, audience=audience))


def renew(session: Session, source: SourceName, again: Again, *, most: int, now: datetime) -> None:
    """Put what kept questions made in the place of what they made before. `most` scopes are remembered."""
    seen = (*(scope for scope in scopes(session, source) if scope != again.scope), again.scope)
    session.merge(
        ReplayRow(
            source=source,
            calibration=again.of,
            id=again.id,
            created=now.isoformat(),
            model=again.model,
            extent=again.extent,
            audience=again.audience,
            scopes=json.dumps(seen[-most:]),
        )
    )
    mend(session, source, calibration=again.of)


def mend(session: Session, source: SourceName, *, calibration: str) -> None:
    """Note that the questions of a model are answered for what there is now."""
    _note(session, source, calibration, {"failed": None, "tried": None})


def fail(
    session: Session, source: SourceName, *, calibration: str, why: str, tried: str, audience: str | None = None
) -> None:
    """Note that the questions of a model could not be asked again: from then on it is stale for its audience."""
    _note(session, source, calibration, {"failed": why, "tried": tried} | ({"audience": audience} if audience else {}))


def _note(session: Session, source: SourceName, calibration: str, values: Mapping[str, str | None]) -> None:
    of_model = (_BASIS.c.source == source) & (_BASIS.c.calibration == calibration)
    session.connection().execute(update(_BASIS).where(of_model).values(**values))
