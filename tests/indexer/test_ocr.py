"""Pictures and scanned pages through the real OCR process; skipped where Tesseract is not installed."""

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import reportlab
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from indexer import ocr
from indexer.ocr import PAGE_TIMEOUT_S, Reading, read_pages
from indexer.parse import parse, parser
from indexer.sandbox import JSON, Sandbox
from policies.errors import QuarantineError

HERE = Path(__file__).parent
FONT = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
LEAVE = "Annual leave is twenty-five days a year."
CARRY = "Five days may be carried over until March."
FRENCH = "L'été dernier, la société a payé une facture."


@pytest.fixture(scope="module")
def languages() -> tuple[str, ...]:
    return ocr.available()


@pytest.fixture(scope="module")
def reader(languages: tuple[str, ...]) -> Iterator[Sandbox]:
    if "en" not in languages:
        pytest.skip("Tesseract with English is not installed (apt-get install tesseract-ocr)")
    with ocr.reader() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with parser() as sandbox:
        yield sandbox


def drawn(*lines: str, turned: int = 0) -> Image.Image:
    """A sheet with these paragraphs, turned counter-clockwise by this many degrees."""
    sheet = Image.new("L", (1600, 1000), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.truetype(FONT, size=48)
    for number, line in enumerate(lines):
        draw.text((100, 100 + 200 * number), line, fill=0, font=font)
    return sheet.rotate(turned, expand=True)


def saved(picture: Image.Image, kind: str = "PNG", *more: Image.Image) -> bytes:
    target = io.BytesIO()
    if more:
        picture.save(target, kind, save_all=True, append_images=more)
    else:
        picture.save(target, kind)
    return target.getvalue()


def scan(*pages: str | Image.Image) -> bytes:
    """A PDF of pages with text and pages that are pictures."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4)
    for page in pages:
        if isinstance(page, str):
            canvas.drawString(50, 700, page)
        else:
            canvas.drawImage(ImageReader(page), 0, 200, 595, 372)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def told(reading: Reading) -> list[tuple[int | None, str]]:
    return [(element.page, element.text) for element in reading.elements]


def test_a_picture_is_read_paragraph_by_paragraph(reader: Sandbox) -> None:
    reading = read_pages(reader, data=saved(drawn(LEAVE, CARRY)), kind="png", pages=[1], languages=["en"], timeout_s=60)
    assert (told(reading), reading.read, reading.unread, reading.failure) == (
        [(1, LEAVE), (1, CARRY)],
        1,
        (),
        None,
    )


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_sheet_that_lies_on_its_side_or_its_head_is_read(reader: Sandbox, turned: int) -> None:
    sheet = drawn(LEAVE, CARRY, "The depot in Leeds was opened in March.", turned=turned)
    reading = read_pages(reader, data=saved(sheet), kind="png", pages=[1], languages=["en"], timeout_s=60)
    assert [text for _, text in told(reading)][:2] == [LEAVE, CARRY]


def test_french_is_read_with_its_accents_alone_and_beside_english(reader: Sandbox, languages: tuple[str, ...]) -> None:
    if "fr" not in languages:
        pytest.skip("Tesseract's data for French is not installed (apt-get install tesseract-ocr-fra)")
    for asked in (["fr"], ["en", "fr"]):
        reading = read_pages(reader, data=saved(drawn(FRENCH)), kind="png", pages=[1], languages=asked, timeout_s=60)
        assert [text.replace("’", "'") for _, text in told(reading)] == [FRENCH]


def test_pages_of_pictures_and_of_text_come_in_their_order(box: Sandbox, reader: Sandbox) -> None:
    data = scan("Page one is text.", drawn(LEAVE), "Page three is text.", drawn(CARRY))
    parsed = parse(box, data=data, name="a.pdf", languages=["en"], ocr=reader)
    assert [(element.page, element.text) for element in parsed.elements] == [
        (1, "Page one is text."),
        (2, LEAVE),
        (3, "Page three is text."),
        (4, CARRY),
    ]
    assert (parsed.ocr_pages, parsed.scanned, parsed.skipped_parts) == (2, (), 0)


def test_each_frame_of_a_tiff_is_a_page(box: Sandbox, reader: Sandbox) -> None:
    data = saved(drawn(LEAVE), "TIFF", drawn(CARRY))
    parsed = parse(box, data=data, name="fax.tif", languages=["en"], ocr=reader)
    assert [(element.page, element.text) for element in parsed.elements] == [(1, LEAVE), (2, CARRY)]


def test_a_picture_without_words_holds_no_text(box: Sandbox, reader: Sandbox) -> None:
    with pytest.raises(QuarantineError) as caught:
        parse(box, data=saved(drawn()), name="a.png", languages=["en"], ocr=reader)
    assert caught.value.reason == "no_text"


@pytest.mark.parametrize("asked", [[], ["xx"]])
def test_a_language_that_is_not_installed_is_not_guessed(box: Sandbox, reader: Sandbox, asked: list[str]) -> None:
    with pytest.raises(QuarantineError, match="Install tesseract-ocr") as caught:
        parse(box, data=saved(drawn(LEAVE)), name="a.png", languages=asked, ocr=reader)
    assert caught.value.reason == "no_ocr"
    mixed = parse(box, data=scan("Text.", drawn(LEAVE), drawn(CARRY)), name="a.pdf", languages=asked, ocr=reader)
    assert (len(mixed.elements), mixed.scanned, mixed.skipped_parts) == (1, (2, 3), 2)


def test_a_damaged_picture_is_corrupt(box: Sandbox, reader: Sandbox) -> None:
    data = saved(drawn(LEAVE))
    with pytest.raises(QuarantineError) as caught:
        parse(box, data=data[: len(data) // 2], name="a.png", languages=["en"], ocr=reader)
    assert caught.value.reason == "corrupt"


@pytest.mark.usefixtures("reader")
def test_the_process_runs_no_thread_beside_its_own() -> None:  # Landlock does not bind threads that run already
    with Sandbox(
        "served_ocr", stage="parse", address_space_bytes=2**30, start_timeout_s=60, import_from=HERE
    ) as counting:
        header: dict[str, JSON] = {"kind": "png", "page": 1, "languages": ["en"]}
        answer = counting.call(header, saved(drawn(LEAVE)), timeout_s=60)
    assert (answer["elements"], answer["threads"]) == ([[LEAVE, "text"]], 1)


class Scripted(Sandbox):
    """Answers or fails as told, page by page."""

    def __init__(self, answer: Callable[[int], dict[str, JSON]]) -> None:
        super().__init__("none", stage="parse", address_space_bytes=0, start_timeout_s=0)
        self._answer_page = answer
        self.timeouts_s: list[float] = []

    def call(self, header: object, _body: bytes, *, timeout_s: float) -> dict[str, JSON]:
        self.timeouts_s.append(timeout_s)
        return self._answer_page(header["page"])  # type: ignore[index]


def failed(reason: str) -> QuarantineError:
    return QuarantineError("It failed.", reason=reason, stage="parse", mend="Split it.")


def test_a_page_that_fails_costs_itself_alone() -> None:
    def answer(page: int) -> dict[str, JSON]:
        if page == 2:
            raise failed("crashed")
        return {"elements": [[f"Page {page}.", "text"]]}

    sandbox = Scripted(answer)
    reading = read_pages(sandbox, data=b"", kind="pdf", pages=[1, 2, 3], languages=["en"], timeout_s=60)
    assert told(reading) == [(1, "Page 1."), (3, "Page 3.")]
    assert (reading.read, reading.unread) == (2, (2,))
    assert all(0 < timeout_s <= PAGE_TIMEOUT_S for timeout_s in sandbox.timeouts_s)


def test_pages_that_the_time_does_not_suffice_for_are_left_unread() -> None:
    def answer(page: int) -> dict[str, JSON]:
        time.sleep(0.2)
        return {"elements": [[f"Page {page}.", "text"]]}

    sandbox = Scripted(answer)
    reading = read_pages(sandbox, data=b"", kind="pdf", pages=range(1, 100), languages=["en"], timeout_s=0.5)
    assert 1 <= reading.read <= 3
    assert reading.unread == tuple(range(reading.read + 1, 100))
    assert max(sandbox.timeouts_s) <= 0.5


def test_where_every_page_fails_the_document_fails_for_its_reason(box: Sandbox) -> None:
    def answer(_page: int) -> dict[str, JSON]:
        raise failed("timeout")

    with pytest.raises(QuarantineError) as caught:
        parse(box, data=saved(drawn()), name="a.png", languages=["en"], ocr=Scripted(answer))
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize(
    "answer",
    [{}, {"elements": "x"}, {"elements": [["x"]]}, {"elements": [["", "text"]]}, {"elements": [["x", "title"]]}],
)
def test_an_answer_that_no_reader_gives_is_not_believed(answer: dict[str, JSON]) -> None:
    reading = read_pages(Scripted(lambda _: answer), data=b"", kind="png", pages=[1], languages=["en"], timeout_s=60)
    assert reading.failure is not None
    assert (reading.elements, reading.failure.reason) == ((), "crashed")
