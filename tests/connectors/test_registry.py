from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from connectors.filesystem import FilesystemConnector
from connectors.registry import GROUP, choose, connector
from policies.errors import RefusedError

FOLDER = EntryPoint(name="folder", value="one:Folder", group=GROUP)
OTHER_FOLDER = EntryPoint(name="folder", value="two:Folder", group=GROUP)
MAIL = EntryPoint(name="mail", value="one:Mail", group=GROUP)


def test_the_installed_filesystem_connector_is_found_and_takes_the_options(tmp_path: Path) -> None:
    found = connector("filesystem", {"root": "hr", "include": ["**/*.md"]}, base=tmp_path)
    assert found == FilesystemConnector(root=tmp_path / "hr", include=("**/*.md",), exclude=(), uri_prefix="file:")


def test_the_one_offer_of_a_kind_is_chosen() -> None:
    assert choose("folder", [MAIL, FOLDER]) is FOLDER


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"No connector is called 'files'.*: folder, mail"):
        choose("files", [MAIL, FOLDER, OTHER_FOLDER])
    with pytest.raises(RefusedError, match=": none"):
        choose("files", [])
    with pytest.raises(RefusedError, match="filesystem"):
        connector("files", {}, base=tmp_path)


def test_a_kind_that_two_packages_offer_is_refused() -> None:
    with pytest.raises(RefusedError, match="'folder': one:Folder, two:Folder"):
        choose("folder", [OTHER_FOLDER, FOLDER])
