"""The template for connectors of other packages: what it promises to whoever copies it."""

import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from connectors.base import Finished, Upsert
from connectors.guard import guarded
from connectors.registry import GROUP, made
from connectors.secrets import Secrets
from policies.errors import DependencyError, QuarantineError, RefusedError

FOLDER = Path(__file__).parents[2] / "data-samples" / "connector-template"


def load(name: str) -> ModuleType:
    """A module of the template, as if its package were installed."""
    spec = spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


load("penstock_zip")
TestTemplateConforms = load("test_penstock_zip").TestZipConforms


@pytest.fixture
def offer() -> EntryPoint:
    """The entry point that the template's package declares."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())
    ((name, value),) = project["project"]["entry-points"][GROUP].items()
    return EntryPoint(name=name, value=value, group=GROUP)


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(environment={}, base=tmp_path)


def test_its_entry_point_makes_a_connector_that_reads(offer: EntryPoint, secrets: Secrets) -> None:
    with zipfile.ZipFile(secrets.base / "export.zip", "w") as archive:
        archive.mkdir("handbook")
        archive.writestr("handbook/leave.md", "Thirty days.")
    connector = made(offer, {"archive": "export.zip"}, secrets=secrets)
    item, last = connector.list(None)
    assert isinstance(item, Upsert)
    assert (item.document.origin_id, item.document.uri) == ("handbook/leave.md", "zip:handbook/leave.md")
    assert last == Finished(complete=True)
    assert connector.fetch(item.document, max_bytes=100) == b"Thirty days."


@pytest.mark.parametrize("options", [{}, {"archive": 7}, {"archive": "a.zip", "more": 1}])
def test_wrong_options_are_refused(offer: EntryPoint, secrets: Secrets, options: dict[str, object]) -> None:
    with pytest.raises(RefusedError, match=r"archive: path/of\.zip"):
        made(offer, options, secrets=secrets)


def test_a_bomb_and_a_broken_entry_are_skipped(offer: EntryPoint, secrets: Secrets) -> None:
    with zipfile.ZipFile(secrets.base / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", b"\0" * 10_000_000)
        archive.writestr("broken.txt", b"broken" * 100)
    content = bytearray((secrets.base / "bomb.zip").read_bytes())
    start = content.rindex(b"broken.txt", 0, content.index(b"PK\x01\x02")) + len("broken.txt")
    content[start : start + 4] = b"\xff\xff\xff\xff"
    (secrets.base / "bomb.zip").write_bytes(content)
    connector = made(offer, {"archive": "bomb.zip"}, secrets=secrets)
    reasons = []
    for item in connector.list(None):
        if isinstance(item, Upsert):
            with pytest.raises(QuarantineError) as refusal:
                connector.fetch(item.document, max_bytes=1000)
            reasons.append(refusal.value.reason)
    assert reasons == ["too_large", "unreadable"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_entries_of_one_name_the_last_counts(offer: EntryPoint, secrets: Secrets) -> None:
    with zipfile.ZipFile(secrets.base / "export.zip", "w") as archive:
        for content in ("first", "last one"):
            archive.writestr("a.txt", content)
        archive.writestr("b.txt", "")
    connector = guarded(made(offer, {"archive": "export.zip"}, secrets=secrets))
    first, second, _ = connector.list(None)
    assert isinstance(first, Upsert)
    assert isinstance(second, Upsert)
    assert (first.document.origin_id, second.document.origin_id) == ("a.txt", "b.txt")
    assert len(connector.fetch(first.document, max_bytes=100)) == first.document.size_bytes == len("last one")


def test_an_archive_that_is_half_written_is_for_later_and_a_missing_one_is_a_fault(
    offer: EntryPoint, secrets: Secrets
) -> None:
    connector = made(offer, {"archive": "export.zip"}, secrets=secrets)
    with pytest.raises(RefusedError):
        list(connector.list(None))
    with zipfile.ZipFile(secrets.base / "export.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    whole = (secrets.base / "export.zip").read_bytes()
    for half in (whole[:-5], whole[:10], b""):
        (secrets.base / "export.zip").write_bytes(half)
        with pytest.raises(DependencyError):
            list(connector.list(None))


def test_it_is_under_a_hundred_lines_with_its_test() -> None:
    files = (*FOLDER.glob("*.py"), FOLDER / "pyproject.toml")
    assert sum(len([line for line in file.read_text().splitlines() if line.strip()]) for file in files) < 100
