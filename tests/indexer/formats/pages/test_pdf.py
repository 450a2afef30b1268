import pytest

from indexer.formats.pages.pdf import MAX_PAGE_ANNOTATIONS, pdf
from policies.errors import QuarantineError
from tests.bombs.pdfs import CATALOG, CONTENT, PAGE, TEXT, stream
from tests.bombs.pdfs import pdf as made

FONT = b"/Resources <</Font <</F <</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>%s>>"
FORM = {CATALOG: b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[]>>>>"}
PICTURE = b"/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray"


def page(entries: bytes = b"", *, resources: bytes = b"") -> bytes:
    return b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R%s%s>>" % (FONT % resources, entries)


def annotation(kind: bytes, entries: bytes) -> bytes:
    return b"<</Type/Annot/Subtype/%s/Rect[50 500 300 550]%s>>" % (kind, entries)


def texts(objects: dict[int, bytes]) -> list[str]:
    return [element.text for element in pdf(made(objects)).elements]


def test_annotations_follow_the_text_of_their_page() -> None:
    objects = {
        PAGE: page(b"/Annots[5 0 R 6 0 R 7 0 R]"),
        5: annotation(b"Text", b"/F 4/Contents(a sticky note)"),
        6: annotation(b"FreeText", b"/Contents<FEFF006500ED006E>"),
        7: annotation(b"Highlight", b"/Contents(said of a word)"),
    }
    parsed = pdf(made(objects))
    assert [(element.page, element.text) for element in parsed.elements] == [
        (1, "An ordinary line."),
        (1, "a sticky note"),
        (1, "eín"),
        (1, "said of a word"),
    ]


def test_what_is_hidden_or_said_elsewhere_is_not_read() -> None:
    objects = {
        PAGE: page(b"/Annots[5 0 R 6 0 R 7 0 R 8 0 R 9 0 R]"),
        5: annotation(b"Text", b"/F 2/Contents(hidden)"),
        6: annotation(b"Text", b"/F 32/Contents(not to be viewed)"),
        7: annotation(b"Popup", b"/Contents(of another)"),
        8: annotation(b"Link", b"/Contents(leads on)"),
        9: annotation(b"Text", b""),
    }
    assert texts(objects) == ["An ordinary line."]


@pytest.mark.parametrize("form", [{}, FORM])
def test_text_that_a_page_shows_by_an_annotation_is_there_once(form: dict[int, bytes]) -> None:
    look = b"BT /F 12 Tf 5 5 Td (An amendment) Tj ET"
    objects = {
        **form,
        PAGE: page(b"/Annots[5 0 R]"),
        5: annotation(b"FreeText", b"/F 4/Contents(An  amendment)/AP<</N 6 0 R>>"),
        6: stream(look, b"/Type/XObject/Subtype/Form/BBox[0 0 250 50]" + FONT % b""),
    }
    assert [" ".join(text.split()) for text in texts(objects)] == ["An ordinary line.", "An amendment"]


def test_a_file_attached_to_a_place_is_a_part_and_one_without_content_is_counted() -> None:
    objects = {
        PAGE: page(b"/Annots[5 0 R 6 0 R]"),
        5: annotation(b"FileAttachment", b"/FS 7 0 R/Contents(see the invoice)"),
        6: annotation(b"FileAttachment", b""),
        7: b"<</Type/Filespec/F(inv.txt)/UF(inv.txt)/EF<</F 8 0 R>>>>",
        8: stream(b"An invoice.", b"/Type/EmbeddedFile"),
    }
    parsed = pdf(made(objects))
    assert [(part.name, part.content) for part in parsed.parts] == [("inv.txt", b"An invoice.")]
    assert ([element.text for element in parsed.elements][1:], parsed.skipped_parts) == (["see the invoice"], 1)


def test_more_annotations_than_a_page_can_show_are_too_large() -> None:
    objects = {
        PAGE: page(b"/Annots[%s]" % (b"5 0 R " * (MAX_PAGE_ANNOTATIONS + 1))),
        5: annotation(b"Text", b"/Contents(x)"),
    }
    with pytest.raises(QuarantineError) as caught:
        pdf(made(objects))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(("strips", "scanned"), [(10, (1,)), (4, ())])
def test_a_scan_in_strips_is_a_scan(strips: int, scanned: tuple[int, ...]) -> None:
    drawn = b" ".join(b"q 600 0 0 80 0 %d cm /X Do Q" % (80 * at) for at in range(strips))
    objects = {
        PAGE: page(resources=b"/XObject<</X 5 0 R>>"),
        CONTENT: stream(TEXT + b" " + drawn),
        5: stream(b"0", PICTURE),
    }
    assert pdf(made(objects)).scanned == scanned
