"""What the tests of reviewers work on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import catalogs
from tests.gateway.reviewing import KEPT, House, fill, house_over
from tests.indexer.copies import Template, worked_on
from tests.indexer.workbench import Bench


@pytest.fixture(scope="session")
def filled(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """A home with the handbook, whose questions' words are kept."""
    with worked_on(blank, tmp_path_factory.mktemp("filled"), lambda bench: fill(bench, KEPT)) as made:
        yield made


@pytest.fixture
def kept(filled: Template, tmp_path: Path) -> Iterator[Bench]:
    """A copy of it."""
    with filled.copied(tmp_path / "home") as bench:
        yield bench


@pytest.fixture
def house(kept: Bench) -> Iterator[House]:
    with house_over(kept) as made:
        yield made


@pytest.fixture(scope="module")
def quiet(filled: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which one hand-off waits, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("quiet")
    with filled.copied(folder / "home") as bench, house_over(bench) as made:
        made.ask()
        yield made
    catalogs.drop(folder)
