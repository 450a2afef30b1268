"""One home is made for all journeys; each that changes something gets a copy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys import nursery as nurseries
from tests.journeys.nursery import Nursery
from tests.journeys.penstock import Penstock
from tests.journeys.samples import DOCUMENTS


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with nurseries.nursery() as opened:
        yield opened


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Penstock:
    """A home whose documents are indexed. Not to be changed."""
    penstock = Penstock(folder=tmp_path_factory.mktemp("settled"), nursery=nursery)
    penstock.start(DOCUMENTS)
    return penstock


@pytest.fixture
def penstock(settled: Penstock, tmp_path: Path) -> Penstock:
    """A copy of that home, with its documents, to do anything to."""
    return settled.copied(tmp_path / "copy")
