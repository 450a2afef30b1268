import io
import zipfile
from collections.abc import Mapping

import pytest

from indexer.formats.elements import Element
from indexer.formats.markup.book import book
from policies.errors import QuarantineError

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)
PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<dc:title>Winter sports</dc:title></metadata><manifest>"
    '<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
    '<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="b" href="text/chapter%202.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="c" href="../../etc/passwd" media-type="application/xhtml+xml"/>'
    '<item id="p" href="cover.jpg" media-type="image/jpeg"/></manifest><spine>'
    '<itemref idref="n"/><itemref idref="p"/><itemref idref="b"/><itemref idref="a"/><itemref idref="b"/>'
    '<itemref idref="c"/><itemref idref="missing"/></spine></package>'
)
PARTS = {
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/nav.xhtml": "menu",
    "OEBPS/text/one.xhtml": "first",
    "OEBPS/text/chapter 2.xhtml": "second",
}


def packed(parts: Mapping[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def read(text: str) -> list[Element]:
    return [Element(text=text)]


def encrypted(uri: str) -> dict[str, str]:
    cipher = f'<e><c:CipherReference xmlns:c="http://www.w3.org/2001/04/xmlenc#" URI="{uri}"/></e>'
    return {"META-INF/encryption.xml": cipher}


def test_chapters_come_in_the_order_of_the_spine_each_once_and_without_navigation() -> None:
    parsed = book(packed(PARTS), read=read)
    assert (parsed.kind, parsed.title) == ("epub", "Winter sports")
    assert [element.text for element in parsed.elements] == ["second", "first"]


def test_an_encrypted_chapter_is_refused_and_an_encrypted_font_is_no_hindrance() -> None:
    assert book(packed(PARTS | encrypted("OEBPS/fonts/a.otf")), read=read).elements
    with pytest.raises(QuarantineError) as caught:
        book(packed(PARTS | encrypted("OEBPS/text/one.xhtml")), read=read)
    assert caught.value.reason == "encrypted"


@pytest.mark.parametrize("gone", ["META-INF/container.xml", "OEBPS/book.opf"])
def test_a_book_without_its_contents_is_corrupt(gone: str) -> None:
    with pytest.raises(QuarantineError) as caught:
        book(packed({name: content for name, content in PARTS.items() if name != gone}), read=read)
    assert caught.value.reason == "corrupt"
