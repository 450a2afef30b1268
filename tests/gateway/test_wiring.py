from dataclasses import replace
from pathlib import Path

import pytest

from gateway.settings import Settings, encode_master_key, load
from gateway.wiring import create_installation, open_installation
from indexer.address import Address
from indexer.catalog import Registration
from indexer.joblog import JobKind
from indexer.master import LocalMasterKey, MasterKey
from indexer.seal import Key
from policies.errors import DependencyError, RefusedError, SettingsError
from policies.ledger import Head, current_head
from policies.model import Node, PolicyHash, SourceName
from tests import catalogs


def settings(home: Path, *, key: bytes = b"m" * 32, **environ: str) -> Settings:
    own = {"PENSTOCK_HOME": str(home), "PENSTOCK_MASTER_KEY": encode_master_key(key)}
    return load(own | catalogs.environment(home) | environ)


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
        assert installation.node == Node(process_region="gb", store_regions=frozenset({"gb"}), system_region="gb")
    with open_installation(settings(made.home, PENSTOCK_REGION="fr")) as elsewhere:
        assert elsewhere.node == Node(process_region="fr", store_regions=frozenset({"gb"}), system_region="gb")


@pytest.mark.parametrize(
    ("lost", "message", "mend"),
    [
        pytest.param(
            "catalog.db", "The catalog .* is missing", "Restore it from its backup", marks=pytest.mark.only("sqlite")
        ),
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


def test_another_installations_catalog_is_never_opened_or_taken_over(made: Settings, tmp_path: Path) -> None:
    other = settings(tmp_path / "other")
    create_installation(other, store_region="gb")
    for home in (made.home, other.home):
        with open_installation(settings(home)):
            pass
    catalogs.copy(made.home / "catalog.db", other.home / "catalog.db")
    with pytest.raises(SettingsError, match="of another installation"), open_installation(settings(other.home)):
        pass
    with open_installation(made):
        pass


@pytest.mark.only("postgresql")
def test_a_database_that_is_taken_makes_no_installation_and_leaves_no_home(made: Settings, tmp_path: Path) -> None:
    taken = replace(settings(tmp_path / "other"), database=made.database)
    for _ in range(2):
        with pytest.raises(SettingsError, match="of another installation"):
            create_installation(taken, store_region="gb")
    create_installation(settings(taken.home), store_region="gb")
    with open_installation(made):
        pass


@pytest.mark.only("postgresql")
def test_a_home_whose_database_is_not_named_is_not_opened(made: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is missing") as caught, open_installation(replace(made, database=None)):
        pass
    assert "PENSTOCK_DATABASE" in caught.value.mend
    elsewhere = settings(tmp_path / "elsewhere").database
    with pytest.raises(SettingsError, match="holds no catalog"), open_installation(replace(made, database=elsewhere)):
        pass


def test_a_manifest_may_refer_to_no_key_of_the_installation(made: Settings, tmp_path: Path) -> None:
    key, password, token = (tmp_path / name for name in ("master.key", "database.password", "token"))
    for file in (key, password, token):
        file.write_text("s3cret")
    server = Address.parse("postgresql://penstock@db.example/catalog", password_file=password)
    registered = Registration(
        name=SourceName("crm"),
        manifest="",
        manifest_path=tmp_path / "crm.yaml",
        policy_hash=PolicyHash(""),
        generation=None,
        generation_digest=None,
        unpublished=False,
        changes=0,
        cursor=None,
        listed_at=None,
        mirrored_at=None,
    )
    with open_installation(made) as installation:
        told = replace(installation, settings=replace(made, master_key=key, database=server))
        secrets = told.secrets(registered)
    for name in ("master.key", "database.password", "home/keyring/keyring.db", "home/../master.key"):
        with pytest.raises(RefusedError, match="Penstock's own"):
            secrets.read({"file": name}, option="password")
    assert secrets.read({"file": "token"}, option="password").get_secret_value() == "s3cret"


class Hsm:
    """A key service in memory, whose references are `key` or `away`."""

    @classmethod
    def from_reference(cls, reference: str) -> MasterKey:
        if reference == "away":
            raise TimeoutError("no answer")
        return LocalMasterKey(Key(b"h" * 32))


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is installed that offers the service under the name `hsm`."""
    package = tmp_path / "site" / "hsm-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: hsm\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[penstock.kms]\nhsm = tests.gateway.test_wiring:Hsm\n")
    monkeypatch.syspath_prepend(str(package.parent))


def with_service(home: Path, reference: str = "key") -> Settings:
    return load({"PENSTOCK_HOME": str(home), "PENSTOCK_KMS": f"hsm:{reference}"} | catalogs.environment(home))


@pytest.mark.usefixtures("offered")
def test_a_key_service_can_hold_the_master_key(tmp_path: Path) -> None:
    kept = with_service(tmp_path / "home")
    create_installation(kept, store_region="gb")
    with open_installation(kept) as installation:
        public_key = installation.keyring.public_key()
        with pytest.raises(SettingsError, match="does not give it away"):
            installation.settings.read_master_key()
    with pytest.raises(SettingsError, match="not the one this home"), open_installation(settings(kept.home)):
        pass
    with open_installation(kept) as installation:
        installation.keyring.rotate(LocalMasterKey(Key(b"m" * 32)))
    with open_installation(settings(kept.home)) as installation:
        assert installation.keyring.public_key() == public_key


@pytest.mark.usefixtures("offered")
def test_while_a_key_service_is_away_nothing_is_made_or_opened(tmp_path: Path) -> None:
    away = with_service(tmp_path / "home", "away")
    with pytest.raises(DependencyError, match=r"'hsm' cannot be used \(TimeoutError\)"):
        create_installation(away, store_region="gb")
    assert not away.home.exists()
    create_installation(with_service(away.home), store_region="gb")
    with pytest.raises(DependencyError), open_installation(away):
        pass
    with open_installation(with_service(away.home)):
        pass


def test_a_keyring_of_another_home_is_refused_whatever_its_master_key(made: Settings, tmp_path: Path) -> None:
    for name, key in (("same", b"m"), ("other", b"x")):
        other = settings(tmp_path / name, key=key * 32)
        create_installation(other, store_region="gb")
        kept = (made.home / "keyring" / "keyring.db").read_bytes()
        (made.home / "keyring" / "keyring.db").write_bytes((other.home / "keyring" / "keyring.db").read_bytes())
        message = "of another installation" if name == "same" else "or the keyring is another home's"
        with pytest.raises(SettingsError, match=message) as caught, open_installation(made):
            pass
        assert "from its backup" in caught.value.mend
        (made.home / "keyring" / "keyring.db").write_bytes(kept)
    with open_installation(made):
        pass


def test_every_kind_of_job_has_what_carries_it_out(made: Settings) -> None:
    with open_installation(made) as installation:
        assert installation.worker().openers.keys() == set(JobKind)
