"""The home that most tests of the indexer work on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.indexer.copies import copied
from tests.indexer.workbench import Bench


@pytest.fixture
def bench(blank: Path, tmp_path: Path) -> Iterator[Bench]:
    with copied(blank, tmp_path / "home") as made:
        yield made
