import pytest

from indexer.formats.pages import tesseract
from indexer.sandbox import Handler
from policies.errors import QuarantineError


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Handler:
    """What is served where Tesseract is missing."""
    monkeypatch.setattr(tesseract, "_LIBRARIES", ("libtesseract-that-is-not-installed.so",))
    return tesseract.prepare()


def test_where_tesseract_is_missing_no_language_is_known_and_no_page_is_read(handle: Handler) -> None:
    assert handle({"ask": "languages"}, b"") == {"languages": []}
    with pytest.raises(QuarantineError) as caught:
        handle({"kind": "png", "page": 1, "languages": ["en"]}, b"")
    assert caught.value.reason == "no_ocr"


def test_a_question_that_nobody_asks_is_not_answered(handle: Handler) -> None:
    with pytest.raises(TypeError):
        handle({"ask": "anything"}, b"")
