"""The contracts on imports hold, and each of them fails when it is broken."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("policies", "connectors", "indexer", "gateway")
VIOLATIONS = {
    "Imports go down: gateway, indexer, connectors, policies": {
        "policies/violation.py": "import connectors.base\n",
        "connectors/violation.py": "from indexer import scan\n",
        "indexer/violation.py": "def late() -> None:\n    import gateway.answer\n",
    },
    "policies knows no framework and no arrays": {"policies/violation.py": "import connectors.base\nimport numpy\n"},
}
"""For each contract, modules that break it."""


def lint(folder: Path) -> tuple[int, dict[str, str]]:
    """The exit code, and KEPT or BROKEN for each contract."""
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return run.returncode, dict(re.findall(r"^(.+?) (KEPT|BROKEN)\b", run.stdout, re.MULTILINE))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages' modules, elsewhere."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        for module in (ROOT / package).rglob("*.py"):
            target = tmp_path / module.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, target)
    return tmp_path


def test_every_contract_has_a_violation_below() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert {contract["name"] for contract in config["contracts"]} == VIOLATIONS.keys()
    assert tuple(config["root_packages"]) == PACKAGES


def test_the_contracts_hold(copy: Path) -> None:
    assert lint(copy) == (0, dict.fromkeys(VIOLATIONS, "KEPT"))


@pytest.mark.parametrize("contract", sorted(VIOLATIONS))
def test_a_contract_that_is_broken_fails(copy: Path, contract: str) -> None:
    for name, content in VIOLATIONS[contract].items():
        (copy / name).write_text(content)
    code, results = lint(copy)
    assert code == 1
    assert results[contract] == "BROKEN"
