import pytest

from indexer.formats.archive import package_of
from policies.errors import QuarantineError
from tests.bombs.packages import archive, deflated, docx, epub

DECLARED = '<!DOCTYPE x [<!ENTITY e "text">]>'


@pytest.mark.parametrize(
    "part",
    [
        DECLARED.encode(),
        b"\xef\xbb\xbf \r\n" + DECLARED.encode(),
        b" " * 1000 + DECLARED.encode(),
        DECLARED.encode("utf-16"),
        DECLARED.encode("utf-16-be"),
        DECLARED.encode("utf-32"),
        DECLARED.encode("utf-32-be"),
        ("<?xml version='1.0' encoding='utf-7'?>" + DECLARED).encode("utf-7"),
        f"<?xml version='1.0'?>{DECLARED}".encode("cp037"),
    ],
)
def test_a_part_that_begins_as_xml_declares_nothing_whatever_its_name(part: bytes) -> None:
    with pytest.raises(QuarantineError) as caught:
        package_of(docx(more=[deflated("word/document.bin", part)]))
    assert caught.value.reason == "hostile"


@pytest.mark.parametrize(("path", "name"), [("p.txt", "p.txt"), ("p.html", "p.html"), ("a%20b.svg", "a b.svg")])
def test_the_root_of_a_book_declares_nothing_whatever_its_name(path: str, name: str) -> None:
    container = f'<container><rootfiles><rootfile full-path="{path}"/></rootfiles></container>'
    book = archive(
        [
            deflated("mimetype", "application/epub+zip"),
            deflated("META-INF/container.xml", container),
            deflated(name, f"{DECLARED}<package/>"),
        ]
    )
    with pytest.raises(QuarantineError) as caught:
        package_of(book)
    assert caught.value.reason == "hostile"


@pytest.mark.parametrize("name", ["OPS/toc.ncx", "OPS/page.xhtml", "OPS/drawing.svg"])
def test_what_a_book_shows_may_declare_its_type(name: str) -> None:
    shown = b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd"><html/>'
    assert package_of(epub("page.xhtml", page=shown)) == "epub"
    assert package_of(docx(more=[deflated(name, shown)])) == "docx"


@pytest.mark.parametrize("content", [b"", b"<\0\0\0\1\0\0\0", b"\x89PNG", b"words <!DOCTYPE x>", b"\0\0\0<ftypisom"])
def test_what_is_no_xml_is_no_harm(content: bytes) -> None:
    assert package_of(docx(more=[deflated("word/media/a.bin", content)])) == "docx"
