import io
import zipfile

import pptx
from pptx.util import Emu

from indexer.formats.office.package import as_document

ALTERNATIVE = (
    b'<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
    b'<mc:Choice Requires="a14">%s</mc:Choice><mc:Fallback>%s</mc:Fallback></mc:AlternateContent>'
)
FORMULA = (
    b'</a:t></a:r><a14:m xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main"><m:oMathPara xmlns:m="http://'
    b'schemas.openxmlformats.org/officeDocument/2006/math"><m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath></m:oMathPara>'
    b"</a14:m><a:r><a:t>"
)


def deck(*, left: int = 0) -> bytes:
    """A slide with a title and, last, a box that reads `boxed PLACE.`"""
    made, target = pptx.Presentation(), io.BytesIO()
    slide = made.slides.add_slide(made.slide_layouts[5])
    slide.shapes.title.text = "Results"
    slide.shapes.add_textbox(Emu(left), Emu(9), Emu(9), Emu(9)).text_frame.text = "boxed PLACE."
    made.save(target)
    return target.getvalue()


def with_slide(data: bytes, slide: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, slide if name == "ppt/slides/slide1.xml" else old.read(name))
    return target.getvalue()


def slide_of(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read("ppt/slides/slide1.xml")


def shapes(data: bytes) -> list[tuple[str, bool]]:
    """Their texts, and whether each begins on the slide."""
    (slide,) = pptx.Presentation(io.BytesIO(as_document(data))).slides
    return [(shape.text_frame.text, shape.left >= 0 and shape.top >= 0) for shape in slide.shapes]


def test_a_shape_that_has_an_alternative_is_there_once() -> None:
    slide = slide_of(deck())
    begin, end = slide.rindex(b"<p:sp>"), slide.rindex(b"</p:sp>") + len(b"</p:sp>")
    shape = slide[begin:end]
    changed = slide[:begin] + ALTERNATIVE % (shape, shape.replace(b"boxed", b"other")) + slide[end:]
    assert shapes(with_slide(deck(), changed)) == [("Results", True), ("boxed PLACE.", True)]


def test_a_shape_beside_the_slide_stands_on_it() -> None:
    assert shapes(deck(left=-9_000_000)) == [("Results", True), ("boxed PLACE.", True)]


def test_a_formula_is_text() -> None:
    changed = with_slide(deck(), slide_of(deck()).replace(b"PLACE", FORMULA))
    assert shapes(changed) == [("Results", True), ("boxed x=1.", True)]


def test_a_deck_that_hides_nothing_stays_as_it_is() -> None:
    data = deck()
    assert as_document(data) == data
