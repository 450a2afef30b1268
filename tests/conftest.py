"""What every test runs under: no socket leads outside, no library calls home, and a slow machine fails no property.

`--database=postgresql` runs the same tests with their catalogs in PostgreSQL. Temporary folders lie in memory where
there is room: half the time of a test that commits is waiting for the disk. `TMPDIR` puts them elsewhere.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pytest_socket import socket_allow_hosts

from gateway.settings import apply_quiet_defaults
from tests import catalogs

LOCAL = ["127.0.0.1", "::1", "localhost"]
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of a random name is made in it
LEAST_FREE_BYTES = 4 * 2**30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=catalogs.KINDS, default="sqlite", help="where the catalogs of tests lie")


def pytest_configure(config: pytest.Config) -> None:
    apply_quiet_defaults()
    _keep_temporary_files_in_memory()
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


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new home of `tests.indexer.workbench`, to be copied: to make one takes thirty times as long."""
    from tests.indexer import workbench

    folder = tmp_path_factory.mktemp("blank")
    workbench.create(folder / "home")
    yield folder / "home"
    catalogs.drop(folder)


@pytest.fixture(autouse=True)
def _dropped(request: pytest.FixtureRequest) -> Iterator[None]:
    """The databases that a test made go with it."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        catalogs.drop(folder)


def _keep_temporary_files_in_memory() -> None:
    """For this process and those it starts, if there is room and the tests may run programs there."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir():  # noqa: TID251 - what every temporary file goes by
        return
    there = os.statvfs(MEMORY)
    if there.f_bavail * there.f_frsize >= LEAST_FREE_BYTES and not there.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)  # noqa: TID251 - as above
