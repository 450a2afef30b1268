"""The guided tour of the demo, with every way out of this machine closed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "data-samples" / "demo.py"
TIMEOUT_S = 600

GUARD = '''\
"""Imported by every Python process below: no address outside this machine is looked up or connected to."""

import os
import socket

_LOOPBACK = {"127.0.0.1", "::1", "localhost", None}


def _refuse(host):
    with open(os.environ["OUTSIDE_LOG"], "a") as log:
        log.write(f"{host}\\n")
    raise OSError("the outside is closed")


class _Inside(socket.socket):
    def connect(self, address):
        self._check(address)
        return super().connect(address)

    def connect_ex(self, address):
        self._check(address)
        return super().connect_ex(address)

    def sendto(self, data, *rest):
        self._check(rest[-1])
        return super().sendto(data, *rest)

    def _check(self, address):
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in _LOOPBACK:
            _refuse(address[0])


_look_up = socket.getaddrinfo


def _look_up_inside(host, *arguments, **options):
    if host not in _LOOPBACK:
        _refuse(host)
    return _look_up(host, *arguments, **options)


socket.socket = _Inside
socket.getaddrinfo = _look_up_inside
'''


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose Python processes cannot reach out. What they try stands in OUTSIDE_LOG."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD, "utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}  # noqa: TID251 - handed on to the process under test
    return inherited | {"PYTHONPATH": str(guard), "OUTSIDE_LOG": str(tmp_path / "outside.log")}


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 9), timeout=2)",
        "socket.getaddrinfo('example.com', 443)",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    ],
)
def test_the_guard_closes_the_way_out(environment: dict[str, str], attempt: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import socket; {attempt}"],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the outside is closed" in done.stderr
    assert Path(environment["OUTSIDE_LOG"]).exists()


@pytest.mark.timeout(TIMEOUT_S)
def test_the_tour_comes_out_as_it_should_without_a_network(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DEMO, "--once", "--folder", tmp_path / "demo"],
        env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "NOT as it should be" not in done.stdout
    assert done.stdout.count("✓ as it should be") == 13
    assert not Path(environment["OUTSIDE_LOG"]).exists()


def test_the_demo_does_not_touch_a_folder_it_did_not_make(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me", "utf-8")
    done = subprocess.run(
        [sys.executable, DEMO, "--once", "--folder", tmp_path / "mine"],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "was not made by this demo" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
