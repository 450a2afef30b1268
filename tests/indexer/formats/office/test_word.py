import io
import zipfile
from collections.abc import Callable

import docx as word
import pytest

from indexer.formats.office.word import MAX_PARAGRAPHS, reveal
from policies.errors import QuarantineError
from tests.bombs.packages import WORD, deflated, docx, relation

MATH = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def paragraph(*inner: str) -> str:
    return f"<w:p>{''.join(inner)}</w:p>"


def inserted(text: str) -> str:
    return f"<w:p><w:ins>{run(text)}</w:ins></w:p>"


def part(tag: str, inner: str) -> str:
    return f'<w:{tag} xmlns:w="{WORD}">{inner}</w:{tag}>'


def texts(data: bytes) -> list[str]:
    """What python-docx sees of the paragraphs after the first."""
    return [found.text for found in word.Document(io.BytesIO(reveal(data))).paragraphs][1:]


def renamed(data: bytes, change: Callable[[str, bytes], tuple[str, bytes]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(*change(name, old.read(name)))
    return target.getvalue()


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (f'<w:fldSimple w:instr="REF a">{run("field")}</w:fldSimple>', "field"),
        (f'<w:dir w:val="rtl">{run("turned")}</w:dir>', "turned"),
        (f'<w:bdo w:val="rtl"><w:ins>{run("turned")}</w:ins></w:bdo>', "turned"),
        (f'<w:hyperlink w:anchor="x">{run("to ")}<w:fldSimple>{run("field")}</w:fldSimple></w:hyperlink>', "to field"),
        (f"<w:r><w:ruby><w:rt>{run('kana')}</w:rt><w:rubyBase>{run('kanji')}</w:rubyBase></w:ruby></w:r>", "kanji"),
        (f"<m:oMathPara {MATH}><m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath></m:oMathPara>", "x=1"),
        (
            (
                f"<m:oMath {MATH}><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:d><m:e><m:r><m:t>b+</m:t></m:r>"
                "<m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:e></m:d>"
                "</m:den></m:f></m:oMath>"
            ),
            "a/(b+c^2)",
        ),
    ],
)
def test_fields_directions_readings_and_formulas_are_text(inner: str, text: str) -> None:
    assert texts(docx(paragraph(run("a "), inner, run(" z")))) == [f"a {text} z"]


def test_the_document_is_read_under_any_name_with_the_notes_it_is_related_to() -> None:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        return name.replace("document.xml", "document2.xml"), content.replace(b"/document.xml", b"/document2.xml")

    notes = deflated("word/n1.xml", part("footnotes", f"<w:footnote>{paragraph(run('noted'))}</w:footnote>"))
    data = docx(inserted("in"), relations=relation("r7", "footnotes", "n1.xml"), more=[notes])
    assert texts(renamed(data, change)) == ["in", "noted"]


def test_the_prefix_of_the_namespace_does_not_matter() -> None:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        for before in (b"<", b"</", b"xmlns:"):
            content = content.replace(before + b"w:", before + b"ns0:").replace(b"xmlns:w=", b"xmlns:ns0=")
        return name, content

    assert texts(renamed(docx(inserted("in")), change)) == ["in"]


def test_headers_and_footers_are_revealed_too() -> None:
    body = '<w:sectPr><w:headerReference r:id="r7"/><w:footerReference r:id="r8"/></w:sectPr>'
    control = f"<w:sdt><w:sdtContent>{paragraph(run('controlled'))}</w:sdtContent></w:sdt>"
    data = docx(
        body,
        relations=relation("r7", "header", "header1.xml") + relation("r8", "footer", "footer1.xml"),
        more=[
            deflated("word/header1.xml", part("hdr", inserted("in"))),
            deflated("word/footer1.xml", part("ftr", control)),
        ],
    )
    with zipfile.ZipFile(io.BytesIO(reveal(data))) as archive:
        found = {name: archive.read(f"word/{name}1.xml").decode() for name in ("header", "footer")}
    assert all(word not in text for text in found.values() for word in ("ins>", "sdt"))
    assert ("in<" in found["header"], "controlled<" in found["footer"]) == (True, True)


def test_what_hides_nothing_stays_as_it_is() -> None:
    data = docx(paragraph(run("plain")))
    assert reveal(data) == data


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_paragraphs_are_counted_under_any_name_and_in_any_encoding(encoding: str) -> None:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        if name == "word/document.xml":
            content = content.decode().encode(encoding)
        return name.replace("document.xml", "other.xml"), content.replace(b"/document.xml", b"/other.xml")

    with pytest.raises(QuarantineError) as caught:
        reveal(renamed(docx("<w:p/>" * MAX_PARAGRAPHS), change))
    assert caught.value.reason == "too_large"


def test_paragraphs_of_notes_count_as_any_other() -> None:
    notes = deflated("word/comments.xml", part("comments", f"<w:comment>{'<w:p/>' * MAX_PARAGRAPHS}</w:comment>"))
    with pytest.raises(QuarantineError) as caught:
        reveal(docx(more=[notes]))
    assert caught.value.reason == "too_large"
