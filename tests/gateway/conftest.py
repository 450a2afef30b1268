"""What the tests of the operator's routes and commands work on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.operating import Office, office_over
from tests.indexer.copies import copied
from tests.indexer.workbench import Bench


@pytest.fixture
def bench(blank: Path, tmp_path: Path) -> Iterator[Bench]:
    with copied(blank, tmp_path / "home") as made:
        yield made


@pytest.fixture
def office(bench: Bench) -> Iterator[Office]:
    """An office whose only source is `hr-handbook`."""
    bench.apply()
    made = office_over(bench)
    with made.client:
        yield made
