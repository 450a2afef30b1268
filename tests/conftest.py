"""What every test runs under: no socket leads outside, no library calls home, and a slow machine fails no property.

`--database=postgresql` runs the same tests with their catalogs in PostgreSQL.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from pytest_socket import socket_allow_hosts

from gateway.settings import apply_quiet_defaults
from tests import catalogs

LOCAL = ["127.0.0.1", "::1", "localhost"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=catalogs.KINDS, default="sqlite", help="where the catalogs of tests lie")


def pytest_configure(config: pytest.Config) -> None:
    apply_quiet_defaults()
    catalogs.choose(config.getoption("--database"))
    config.addinivalue_line("markers", "only(kind): of the kinds of database the test is about this one")
    settings.register_profile("penstock", deadline=None)
    settings.load_profile("penstock")


# First of all, so that fixtures of every scope are under it; the plugin itself lifts it after each test.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    socket_allow_hosts(LOCAL, allow_unix_socket=True)
    for mark in item.iter_markers("only"):
        if mark.args != (catalogs.kind(),):
            pytest.skip(f"it is about {mark.args[0]}")


@pytest.fixture(autouse=True)
def _dropped(request: pytest.FixtureRequest) -> Iterator[None]:
    """The databases that a test made go with it."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        catalogs.drop(folder)
