import subprocess
import sys
from importlib import import_module

import pytest

from indexer.absent import absent

CHILDREN = ("indexer.detect", "indexer.formats.read")


def test_a_package_cannot_be_imported_within_the_block_and_can_after_it() -> None:
    sys.modules.pop("this", None)
    with absent("this"), pytest.raises(ImportError):
        import_module("this")
    assert "this" not in sys.modules


def test_a_package_that_is_loaded_already_stays_so() -> None:
    with absent("subprocess"):
        assert import_module("subprocess") is subprocess
    assert sys.modules["subprocess"] is subprocess


@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_takes_in_no_model_library(child: str) -> None:
    program = f"import sys, {child}; {child}.prepare(); print({{'torch', 'transformers'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
