"""What the evidence of purges looks at, small; `python -m tests.evidence.purge` does it in full."""

import random
from pathlib import Path

import pytest

from tests.evidence.purge import __main__ as evidence
from tests.evidence.purge import acts, forms
from tests.evidence.purge.planted import FATES, Planted, fated, home, plant

pytestmark = pytest.mark.only("sqlite")
NEEDLES = 30
STRIDE = 120


def planted_documents(needles: int) -> list[Planted]:
    return plant(needles, random.Random(0))  # noqa: S311 - a repeatable test, not a secret


def test_both_scanners_find_needles_in_every_form(tmp_path: Path) -> None:
    sought, wrong = forms.proved(tmp_path)
    assert sought > len(forms.FORMS)
    assert wrong == []


def test_what_is_purged_is_gone_and_stays_gone(tmp_path: Path) -> None:
    planted = planted_documents(NEEDLES)
    assert {fate: len(fated(planted, fate)) for fate in FATES} == dict.fromkeys(FATES, NEEDLES // 15)
    rows = evidence.gone(tmp_path, planted)
    assert [(what, wrong) for what, _, wrong in rows if wrong] == []
    assert all(number for _, number, _ in rows)


def test_what_is_not_purged_is_told(tmp_path: Path) -> None:
    planted = planted_documents(NEEDLES)
    with home(tmp_path / "home", planted) as (bench, source):
        found = acts.problems(bench, source, planted)
        assert acts.receipts_wrong(bench, source, planted) != []
    assert set(found) == {
        "4 deleted documents are served",
        "deleted documents are indexed: 4",
        "a text needle is left",
        "a title needle is left",
        "a fp16 vector needle is left",
    }


def test_a_purge_that_dies_resumes_to_the_same_end(tmp_path: Path) -> None:
    planted = planted_documents(NEEDLES // 2)
    with home(tmp_path / "home", planted) as (bench, _):
        bench.database.checkpoint()
        bench.keyring.database.checkpoint()
    deaths, wrong = acts.killed_at_lines(tmp_path / "home", tmp_path / "work", planted, stride=STRIDE)
    assert deaths > 1
    assert wrong == []
