"""Every hostile file is read, or refused for its reason, in seconds, and the next document is read as ever."""

from collections.abc import Iterator

import pytest

from indexer.formats.elements import FORMATS
from indexer.ocr import available, reader
from indexer.parse import parser
from indexer.sandbox import Sandbox
from tests.attempts import attempt, reads_on
from tests.bombs import BOMBS, CANARY_TEXT, MAX_CPU_S, QUICK_BOMBS, Bomb
from tests.bombs.images import IMAGES

PATIENCE = 3
"""Times what a document may take, on whatever machine; `tests.evidence.formats` holds the parser to its time."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with parser() as sandbox:
        assert reads_on(sandbox)
        yield sandbox


@pytest.mark.parametrize("bomb", QUICK_BOMBS, ids=lambda bomb: f"{bomb.file}, {bomb.name}")
def test_a_bomb_costs_seconds_and_no_other_document(box: Sandbox, bomb: Bomb) -> None:
    if bomb.format not in {*FORMATS, "zip"}:
        pytest.skip("this format is not read")
    made = attempt(box, bomb.content(), bomb.file)
    assert bomb.ends_well(made.outcome), made.outcome
    assert made.cpu_s < PATIENCE * MAX_CPU_S
    assert CANARY_TEXT not in made.said
    assert "PermissionError" not in made.said  # it tried to reach a file or the network
    assert reads_on(box)


@pytest.fixture(scope="module")
def ocr() -> Iterator[Sandbox]:
    if not available():
        pytest.skip("Tesseract is not installed")
    with reader() as sandbox:
        yield sandbox


@pytest.mark.parametrize("bomb", IMAGES, ids=lambda bomb: f"{bomb.file}, {bomb.name}")
def test_a_picture_costs_ocr_no_more(box: Sandbox, ocr: Sandbox, bomb: Bomb) -> None:
    if bomb.format not in FORMATS:
        pytest.skip("this format is not read")
    made = attempt(box, bomb.content(), bomb.file, ocr=ocr)
    assert made.outcome == bomb.outcome
    assert made.cpu_s < PATIENCE * MAX_CPU_S


def test_no_two_bombs_have_one_name() -> None:
    assert len({(bomb.file, bomb.name) for bomb in BOMBS}) == len(BOMBS)
