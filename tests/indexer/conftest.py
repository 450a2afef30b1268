"""The home that most tests of the indexer work on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.indexer.workbench import Bench, create, opened


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    create(tmp_path / "home")
    with opened(tmp_path / "home") as made:
        yield made
