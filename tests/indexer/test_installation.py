from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.database import Database
from indexer.installation import InstallationRow, claim, require
from policies.errors import SettingsError
from tests import catalogs

OURS, THEIRS = b"o" * 32, b"t" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(catalogs.place(tmp_path / "catalog.db"), [InstallationRow])
    yield opened
    opened.close()


def test_a_catalog_belongs_to_whoever_claims_it_first(database: Database) -> None:
    database.create()
    for _ in range(2):
        claim(database, OURS)
        require(database, OURS)
    for attempt in (claim, require):
        with pytest.raises(SettingsError, match="of another installation"):
            attempt(database, THEIRS)
    require(database, OURS)


def test_a_catalog_that_nobody_claimed_is_nobodys(database: Database) -> None:
    database.create()
    with pytest.raises(SettingsError, match="holds no catalog"):
        require(database, OURS)


def test_a_database_without_tables_holds_no_catalog(database: Database) -> None:
    with pytest.raises(SettingsError, match="holds no catalog") as caught:
        require(database, OURS)
    assert "PENSTOCK_DATABASE" in caught.value.mend
