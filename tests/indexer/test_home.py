import base64
import json
from pathlib import Path

import pytest

from indexer.home import Home, create, find
from indexer.master import create_master_key
from policies.errors import SettingsError
from policies.model import GenerationId, SourceName
from tests.policies.handbook import NOW

HR, LEGAL = SourceName("hr"), SourceName("legal")


def test_a_home_is_found_where_it_was_made_and_is_its_owners_alone(tmp_path: Path) -> None:
    made = create(tmp_path / "a" / "home", store_region="gb", now=NOW)
    assert find(made.root) == made == Home(root=tmp_path / "a" / "home", store_region="gb")
    assert made.root.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in made.root.iterdir()} == {"home.json"}
    assert made.generation(HR, GenerationId("g1")) == made.root / "sources" / "hr" / "g1"


def test_an_empty_folder_becomes_a_home_and_loses_its_open_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    create(tmp_path, store_region="gb", now=NOW)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_home_is_not_made_over_anything(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("there")
    with pytest.raises(SettingsError, match="is not empty"):
        create(tmp_path, store_region="gb", now=NOW)
    with pytest.raises(SettingsError, match="No home can be made"):
        create(tmp_path / "something", store_region="gb", now=NOW)
    with pytest.raises(SettingsError, match="No home can be made"):
        create(tmp_path / "something" / "below", store_region="gb", now=NOW)
    assert (tmp_path / "something").read_text() == "there"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 6, "store_region": "gb"}', "newer Penstock"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": "x", "store_region": "gb"}', "is damaged"),
        ('{"format": 1}', "is damaged"),
        ("\udcff", "is damaged"),
    ],
)
def test_a_home_that_cannot_be_read_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "home.json").write_text(content, errors="surrogateescape")
    with pytest.raises(SettingsError, match=message):
        find(tmp_path)


def test_a_folder_that_is_no_home_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a Penstock home"):
        find(tmp_path)


def test_the_record_of_a_home_is_plain(tmp_path: Path) -> None:
    create(tmp_path, store_region="gb", now=NOW)
    content = json.loads((tmp_path / "home.json").read_text())
    assert content == {"format": 5, "store_region": "gb", "created": NOW.isoformat()}


def test_a_master_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    create_master_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(base64.b64decode(path.read_bytes(), validate=False)) == 32
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="FileExistsError"):
        create_master_key(path)
    assert path.read_bytes() == before
