"""One home is made for all journeys; each that changes something gets a copy."""

import shutil
from pathlib import Path

import pytest

from tests import catalogs
from tests.journeys.penstock import Penstock
from tests.journeys.samples import DOCUMENTS


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Penstock:
    """A home whose documents are indexed. Not to be changed."""
    penstock = Penstock(folder=tmp_path_factory.mktemp("settled"))
    penstock.start(DOCUMENTS)
    return penstock


@pytest.fixture
def penstock(settled: Penstock, tmp_path: Path) -> Penstock:
    """A copy of that home, with its documents, to do anything to."""
    copy = Penstock(folder=tmp_path / "copy")
    shutil.copytree(settled.folder, copy.folder)
    if catalogs.kind() == "postgresql":
        catalogs.copy(settled.home / "catalog.db", copy.home / "catalog.db")
    copy.must("apply", copy.manifest, "--yes")
    return copy
