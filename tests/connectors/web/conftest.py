from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.web.server import Web


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """A site on this machine."""
    site = Web(tmp_path)
    yield site
    site.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Web]:
    """A second one, of another origin."""
    site = Web(tmp_path)
    yield site
    site.close()
