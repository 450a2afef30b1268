import traceback
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from connectors.filesystem import FilesystemConnector
from connectors.guard import guarded
from connectors.registry import GROUP, choose, connector, made
from connectors.secrets import Secrets
from policies.errors import RefusedError
from tests.connectors.hostile import SECRET

FOLDER = EntryPoint(name="folder", value="one:Folder", group=GROUP)
OTHER_FOLDER = EntryPoint(name="folder", value="two:Folder", group=GROUP)
MAIL = EntryPoint(name="mail", value="one:Mail", group=GROUP)


def test_the_installed_filesystem_connector_is_found_guarded_and_takes_the_options(tmp_path: Path) -> None:
    found = connector(
        "filesystem", {"root": "hr", "include": ["**/*.md"]}, secrets=Secrets(environment={}, base=tmp_path)
    )
    plain = FilesystemConnector(root=tmp_path / "hr", include=("**/*.md",), exclude=(), uri_prefix="file:")
    assert found == guarded(plain)


def test_the_one_offer_of_a_kind_is_chosen() -> None:
    assert choose("folder", [MAIL, FOLDER]) is FOLDER


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"No connector is called 'files'.*: folder, mail"):
        choose("files", [MAIL, FOLDER, OTHER_FOLDER])
    with pytest.raises(RefusedError, match=": none"):
        choose("files", [])
    with pytest.raises(RefusedError, match="filesystem"):
        connector("files", {}, secrets=Secrets(environment={}, base=tmp_path))


def test_a_kind_that_two_packages_offer_is_refused() -> None:
    with pytest.raises(RefusedError, match="'folder': one:Folder, two:Folder"):
        choose("folder", [OTHER_FOLDER, FOLDER])


def test_a_connector_that_cannot_be_loaded_or_made_is_refused_without_its_words(tmp_path: Path) -> None:
    secrets = Secrets(environment={}, base=tmp_path)
    for value, fault in (
        ("no_such_package:Connector", "ModuleNotFoundError"),
        ("tests.connectors.hostile:Missing", "AttributeError"),
        ("tests.connectors.hostile:SECRET", "AttributeError"),
    ):
        with pytest.raises(RefusedError, match=f"'x' .* cannot be made: {fault}"):
            made(EntryPoint(name="x", value=value, group=GROUP), {}, secrets=secrets)
    hostile = EntryPoint(name="hostile", value="tests.connectors.hostile:Hostile", group=GROUP)
    with pytest.raises(RefusedError, match="cannot be made: ValueError") as refusal:
        made(hostile, {"fault": ValueError(SECRET)}, secrets=secrets)
    assert SECRET not in "".join(traceback.format_exception(refusal.value))


def test_a_connector_s_own_refusal_of_an_option_is_told(tmp_path: Path) -> None:
    hostile = EntryPoint(name="hostile", value="tests.connectors.hostile:Hostile", group=GROUP)
    with pytest.raises(RefusedError, match="No such option") as refusal:
        made(
            hostile,
            {"fault": RefusedError("No such option.", mend="x")},
            secrets=Secrets(environment={}, base=tmp_path),
        )
    assert refusal.value.mend == "x"
