"""What the tests of the operator's routes and commands work on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.operating import Office, office_over
from tests.indexer.copies import Template, copied, worked_on
from tests.indexer.workbench import Bench


@pytest.fixture
def bench(blank: Path, tmp_path: Path) -> Iterator[Bench]:
    with copied(blank, tmp_path / "home") as made:
        yield made


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest, blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """A home on which the module's `fill` was done, once for all of its tests."""
    with worked_on(blank, tmp_path_factory.mktemp("filled"), request.module.fill) as made:
        yield made


@pytest.fixture
def office(bench: Bench) -> Iterator[Office]:
    """An office whose only source is `hr-handbook`."""
    bench.apply()
    made = office_over(bench)
    with made.client:
        yield made
