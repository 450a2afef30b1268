import io
import zipfile
from collections.abc import Mapping

import openpyxl
from openpyxl.comments import Comment

from indexer.formats.office.workbook import workbook

MICROSOFT = "http://schemas.microsoft.com/office"
THREADED = (
    f'<ThreadedComments xmlns="{MICROSOFT}/spreadsheetml/2018/threadedcomments"><threadedComment ref="B2">'
    "<text>Who counted?</text></threadedComment></ThreadedComments>"
)
BOXED = (
    '<wsDr xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><a:p><a:r><a:t>Checked </a:t></a:r><a:r>'
    "<a:t>twice</a:t></a:r></a:p><a:p><a:r><a:t>in May</a:t></a:r></a:p></wsDr>"
)


def book(*, author: str = "Ada") -> bytes:
    made, target = openpyxl.Workbook(), io.BytesIO()
    sheet = made.active
    sheet.title = "Stock"
    sheet.append(["Item", "Count"])
    sheet.append(["Bolt", 7])
    sheet["B2"].comment = Comment("Counted by hand", author)
    sheet.oddHeader.center.text = "Depot R&&D"
    sheet.oddHeader.center.font, sheet.oddHeader.center.size, sheet.oddHeader.center.color = "Arial,Bold", 12, "CC3300"
    sheet.oddFooter.left.text, sheet.oddFooter.right.text = "Page &P", "internal"
    made.create_sheet("Bare")["A1"].comment = Comment("Nothing yet", "Ada")
    made.save(target)
    return target.getvalue()


def related(data: bytes, parts: Mapping[str, str]) -> bytes:
    """The book whose first sheet also has these parts, by the types of their relations."""
    lines = "".join(f'<Relationship Id="n{at}" Type="{kind}" Target="/xl/{at}"/>' for at, kind in enumerate(parts))
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/worksheets/_rels/sheet1.xml.rels":
                content = content.replace(b"</Relationships>", f"{lines}</Relationships>".encode())
            new.writestr(name, content)
        for at, part in enumerate(parts.values()):
            new.writestr(f"xl/{at}", part)
    return target.getvalue()


def told(data: bytes) -> list[tuple[int | None, str]]:
    return [(element.page, element.text) for element in workbook(data)]


def test_comments_headers_and_footers_follow_the_rows_of_their_sheet() -> None:
    assert [(page, " ".join(text.split())) for page, text in told(book())] == [
        (1, "Stock"),
        (1, "Item: Bolt; Count: 7"),
        (1, "B2: Counted by hand"),
        (1, "Depot R&D"),
        (1, "Page internal"),
        (2, "A1: Nothing yet"),
    ]


def test_a_threaded_comment_is_read_and_not_what_stands_in_for_it() -> None:
    data = related(book(author="tc={1}"), {f"{MICROSOFT}/2017/10/relationships/threadedComment": THREADED})
    assert [text for _, text in told(data) if text.startswith("B2")] == ["B2: Who counted?"]


def test_text_boxes_are_read() -> None:
    data = related(book(), {"http://schemas.openxmlformats.org/officeDocument/2006/relationships/drawing": BOXED})
    assert {(1, "Checked twice"), (1, "in May")} < set(told(data))


def test_headers_after_many_rows_are_found() -> None:
    made, target = openpyxl.Workbook(write_only=True), io.BytesIO()
    sheet = made.create_sheet("Long")
    sheet.oddFooter.center.text = "internal"
    for number in range(40_000):
        sheet.append([number, "words"])
    made.save(target)
    assert told(target.getvalue())[-1] == (1, " internal")
