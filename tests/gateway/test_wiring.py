from pathlib import Path

import pytest

from gateway.settings import Settings, encode_master_key, load
from gateway.wiring import create_installation, open_installation
from policies.errors import SettingsError
from policies.ledger import Head, current_head
from policies.model import Node


def settings(home: Path, *, key: bytes = b"m" * 32, **environ: str) -> Settings:
    return load({"PENSTOCK_HOME": str(home), "PENSTOCK_MASTER_KEY": encode_master_key(key)} | environ)


@pytest.fixture
def made(tmp_path: Path) -> Settings:
    created = settings(tmp_path / "home")
    create_installation(created, store_region="gb")
    return created


def test_what_was_made_can_be_opened_and_is_empty(made: Settings) -> None:
    with open_installation(made) as installation:
        with installation.database.reading() as session:
            assert current_head(session) == Head(sequence=0, hash="0" * 64)
        assert installation.keyring.tombstones() == frozenset()
        assert installation.node == Node(process_region="gb", store_region="gb")
    with open_installation(settings(made.home, PENSTOCK_REGION="fr")) as elsewhere:
        assert elsewhere.node == Node(process_region="fr", store_region="gb")


@pytest.mark.parametrize(
    ("lost", "message", "mend"),
    [
        ("catalog.db", "The catalog .* is missing", "Restore it from its backup"),
        ("keyring/keyring.db", "The keyring .* is missing", "Mount the volume"),
    ],
)
def test_a_catalog_or_a_keyring_that_is_missing_is_never_replaced(
    made: Settings, lost: str, message: str, mend: str
) -> None:
    """A new keyring would know no tombstone, and a new catalog would orphan every key."""
    path = made.home / lost
    kept = path.rename(path.with_suffix(".away"))
    with pytest.raises(SettingsError, match=message) as caught, open_installation(made):
        pass
    assert mend in caught.value.mend
    assert not path.exists()
    kept.rename(path)
    with open_installation(made):
        pass


def test_an_installation_is_not_made_over_another(made: Settings) -> None:
    with open_installation(made) as installation:
        public_key = installation.keyring.public_key()
    with pytest.raises(SettingsError, match="is not empty"):
        create_installation(made, store_region="gb")
    with open_installation(made) as installation:
        assert installation.keyring.public_key() == public_key


def test_without_its_master_key_nothing_is_made_or_opened(made: Settings, tmp_path: Path) -> None:
    unkeyed = load({"PENSTOCK_HOME": str(tmp_path / "other"), "PENSTOCK_MASTER_KEY_FILE": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match="cannot be read"):
        create_installation(unkeyed, store_region="gb")
    assert not (tmp_path / "other").exists()
    with (
        pytest.raises(SettingsError, match="not the one this home was made with"),
        open_installation(settings(made.home, key=b"x" * 32)),
    ):
        pass
