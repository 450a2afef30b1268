"""What the tests of reviewers work on."""

from collections.abc import Iterator

import pytest

from tests import catalogs
from tests.gateway.reviewing import KEPT, House, fill, house_over
from tests.indexer.workbench import Bench, create, opened


@pytest.fixture
def house(bench: Bench) -> Iterator[House]:
    fill(bench, KEPT)
    with house_over(bench) as made:
        yield made


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which one hand-off waits, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("quiet")
    create(folder / "home")
    with opened(folder / "home") as bench:
        fill(bench, KEPT)
        with house_over(bench) as made:
            made.ask()
            yield made
    catalogs.drop(folder)
