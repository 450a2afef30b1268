"""Whose catalog it is. The keyring opens what the catalog holds, so a catalog and a keyring belong together."""

from sqlalchemy import inspect, select
from sqlmodel import Field, SQLModel

from indexer.database import Database
from policies.errors import SettingsError


class InstallationRow(SQLModel, table=True):
    """The one installation that this catalog is of, by the public key that its keyring signs with."""

    __tablename__ = "installation"

    public_key: bytes = Field(primary_key=True)


_INSTALLATION = SQLModel.metadata.tables["installation"]


def claim(database: Database, public_key: bytes) -> None:
    """Make the catalog that of the installation with this public key. Doing so again changes nothing.

    Raises:
        SettingsError: it is another's.
    """
    with database.writing() as session:
        owner = session.connection().execute(select(_INSTALLATION.c.public_key)).scalar()
        if owner is None:
            session.add(InstallationRow(public_key=public_key))
        elif owner != public_key:
            raise _of_another(database)


def require(database: Database, public_key: bytes) -> None:
    """Return if the catalog is that of the installation with this public key.

    Raises:
        SettingsError: it is another's, or there is no catalog.
    """
    with database.reading() as session:
        connection = session.connection()
        there = inspect(connection).has_table(_INSTALLATION.name)
        owner = connection.execute(select(_INSTALLATION.c.public_key)).scalar() if there else None
    if owner is None:
        raise SettingsError(
            f"{database.name} holds no catalog.",
            mend="Set PENSTOCK_DATABASE as it was when this home was made, or restore the catalog from its backup.",
        )
    if owner != public_key:
        raise _of_another(database)


def _of_another(database: Database) -> SettingsError:
    return SettingsError(
        f"{database.name} holds the catalog of another installation than the keyring is of.",
        mend="Restore the one that is not this installation's from its backup, or set PENSTOCK_DATABASE to its own.",
    )
