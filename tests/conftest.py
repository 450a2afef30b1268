"""What every test runs under: no socket leads outside, no library calls home, and a slow machine fails no property."""

import pytest
from hypothesis import settings
from pytest_socket import socket_allow_hosts

from gateway.settings import apply_quiet_defaults

LOCAL = ["127.0.0.1", "::1", "localhost"]


def pytest_configure() -> None:
    apply_quiet_defaults()
    settings.register_profile("penstock", deadline=None)
    settings.load_profile("penstock")


# First of all, so that fixtures of every scope are under it; the plugin itself lifts it after each test.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    socket_allow_hosts(LOCAL, allow_unix_socket=True)
