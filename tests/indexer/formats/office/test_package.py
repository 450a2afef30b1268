import io
import zipfile

from indexer.formats.office.package import as_document, describe
from tests.bombs.packages import deflated, docx, relation


def test_a_strict_package_gets_the_names_that_every_reader_knows() -> None:
    strict = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(docx())) as plain, zipfile.ZipFile(strict, "w") as target:
        for name in plain.namelist():
            content = plain.read(name)
            for family in (b"officeDocument", b"wordprocessingml"):
                content = content.replace(
                    b"http://schemas.openxmlformats.org/%s/2006/" % family, b"http://purl.oclc.org/ooxml/%s/" % family
                )
            target.writestr(name, content)
    with (
        zipfile.ZipFile(io.BytesIO(as_document(strict.getvalue()))) as read,
        zipfile.ZipFile(io.BytesIO(docx())) as plain,
    ):
        assert {name: read.read(name) for name in read.namelist()} == {
            name: plain.read(name) for name in plain.namelist()
        }


def test_charts_smart_art_and_embedded_files_are_counted() -> None:
    names = (
        "charts/chart1.xml",
        "charts/style1.xml",
        "diagrams/data1.xml",
        "diagrams/layout1.xml",
        "embeddings/a.xlsx",
    )
    data = docx(more=[deflated(f"word/{name}", "<x/>") for name in names])
    assert describe("docx", data, []).skipped_parts == 3


def test_another_document_in_place_of_a_paragraph_is_counted_under_any_name() -> None:
    relations = relation("r9", "aFChunk", "/word/some.thing") + relation("r8", "aFChunk", "away.htm", external=True)
    data = docx('<w:altChunk r:id="r9"/>', relations=relations, more=[deflated("word/some.thing", "Words.")])
    assert describe("docx", data, []).skipped_parts == 1


def test_comments_on_slides_are_counted() -> None:
    names = ("comments/modernComment_1.xml", "comments/comment1.xml", "comments/_rels/comment1.xml.rels")
    data = docx(more=[deflated(f"ppt/{name}", "<x/>") for name in names])
    assert describe("pptx", data, []).skipped_parts == 2
