"""Everything that may happen to a source, small; `python -m tests.evidence.lifecycle` does it for long."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from policies.orders import OrderKind
from tests.evidence.lifecycle import machine
from tests.evidence.lifecycle.history import History
from tests.evidence.lifecycle.model import Origin, Rules
from tests.indexer import workbench
from tests.indexer.workbench import NOW

pytestmark = pytest.mark.only("sqlite")
HISTORIES = 3
STEPS = 25


@pytest.fixture
def history(tmp_path: Path) -> History:
    (tmp_path / "template").mkdir()
    workbench.create(tmp_path / "template")
    history = History(tmp_path / "template", tmp_path / "home")
    history.write("a.md", Origin(text=1, kind="plain", modified=NOW, created=None))
    history.sync()
    history.check()
    return history


def test_a_source_is_as_its_model_whatever_happens(tmp_path: Path) -> None:
    steps: Counter[str] = Counter()
    machine.run(tmp_path, histories=HISTORIES, steps=STEPS, seed=0, counted=lambda what: steps.update([what]))
    assert steps.total() >= HISTORIES * STEPS


def test_a_document_that_is_shown_and_should_not_be_is_told(history: History) -> None:
    history.model.served.clear()
    with pytest.raises(AssertionError, match="is shown"):
        history.check()
    history.close()


def test_a_document_that_is_not_shown_and_should_be_is_told(history: History) -> None:
    history.model.now += timedelta(days=731)
    history.model.rules = Rules(days=7300)
    history.pass_time(timedelta())
    with pytest.raises(AssertionError, match="is shown"):
        history.check()
    history.close()


def test_an_order_that_does_not_stand_is_told(history: History) -> None:
    history.place(OrderKind.HOLD, ["a.md"])
    history.check()
    history.model.orders.clear()
    with pytest.raises(AssertionError, match="other orders"):
        history.check()
    history.close()
