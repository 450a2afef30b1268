import io
import zipfile
from collections.abc import Sequence
from typing import Literal

import pytest

from indexer.formats.elements import Parsed
from indexer.formats.office.opendocument import MAX_DEPTH, opendocument
from policies.errors import QuarantineError

NAMES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "presentation": "presentation",
        "style": "style",
    }.items()
)
META = f'<m xmlns:dc="http://purl.org/dc/elements/1.1/" {NAMES}><dc:title>Leave policy</dc:title></m>'


def package(kind: str, body: str, *, masters: str = "", more: Sequence[str] = ()) -> bytes:
    name = {"odt": "text", "odp": "presentation", "ods": "spreadsheet"}[kind]
    document = f"<office:document-content {NAMES}><office:body><office:{name}>{body}</office:{name}></office:body>"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("content.xml", f"{document}</office:document-content>")
        archive.writestr("meta.xml", META)
        styles = f"<office:master-styles>{masters}</office:master-styles>"
        archive.writestr("styles.xml", f"<office:document-styles {NAMES}>{styles}</office:document-styles>")
        for entry in more:
            archive.writestr(entry, "<x/>")
    return target.getvalue()


def read(body: str, kind: Literal["odt", "odp", "ods"] = "odt") -> Parsed:
    return opendocument(package(kind, body), kind=kind)


def told(parsed: Parsed) -> list[tuple[str, int, int | None, str]]:
    return [(item.kind, item.depth, item.page, item.text) for item in parsed.elements]


def test_a_text_gives_headings_lists_and_rows_with_their_header() -> None:
    parsed = read(
        '<text:h text:outline-level="2">Annual<text:s text:c="2"/>leave</text:h>'
        "<text:p>Staff<text:line-break/>have <text:span>25</text:span> days.</text:p>"
        "<text:list><text:list-item><text:p>Five days</text:p><text:list><text:list-item><text:p>Nested</text:p>"
        "</text:list-item></text:list></text:list-item></text:list>"
        "<table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>Grade</text:p>"
        "</table:table-cell><table:table-cell><text:p>Days</text:p></table:table-cell></table:table-row>"
        "</table:table-header-rows><table:table-row><table:table-cell><text:p>A</text:p><text:p>or B</text:p>"
        "</table:table-cell><table:table-cell><text:p>25</text:p></table:table-cell></table:table-row></table:table>"
    )
    assert (parsed.kind, parsed.title) == ("odt", "Leave policy")
    assert told(parsed) == [
        ("title", 2, None, "Annual  leave"),
        ("text", 0, None, "Staff\nhave 25 days."),
        ("list", 0, None, "Five days"),
        ("list", 0, None, "Nested"),
        ("table", 0, None, "Grade: A or B; Days: 25"),
    ]


def test_what_hangs_on_a_paragraph_follows_it_and_what_was_deleted_stays_out() -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><text:p>Text<text:note>"
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>noted</text:p></text:note-body></text:note>"
        "<office:annotation><text:p>remarked</text:p></office:annotation><draw:frame><draw:text-box><text:p>boxed"
        "</text:p></draw:text-box></draw:frame> goes on.</text:p>"
    )
    assert [text for *_, text in told(read(body))] == ["Text goes on.", "noted", "remarked", "boxed"]


def test_headers_and_footers_end_a_text() -> None:
    masters = (
        "<style:master-page><style:header><text:p>Depot</text:p></style:header><style:footer><text:p>Page "
        "<text:page-number>1</text:page-number></text:p></style:footer><style:footer-first><text:p>Draft</text:p>"
        "</style:footer-first></style:master-page>"
    )
    data = package("odt", "<text:p>Text.</text:p>", masters=masters)
    found = [text.strip() for *_, text in told(opendocument(data, kind="odt"))]
    assert found == ["Text.", "Depot", "Page", "Draft"]


def test_embedded_objects_are_counted_and_not_the_pictures_of_them() -> None:
    names = ("Object 1/content.xml", "Object 1/styles.xml", "Object 2", "ObjectReplacements/Object 1")
    data = package("odt", "<text:p>Text.</text:p>", more=names)
    assert opendocument(data, kind="odt").skipped_parts == 2


def test_slides_give_titles_by_place_notes_and_page_numbers() -> None:
    body = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>Results</text:p></draw:text-box>'
        "</draw:frame><draw:g><draw:custom-shape><text:p>North Region</text:p></draw:custom-shape></draw:g>"
        "<presentation:notes><draw:frame><draw:text-box><text:p>Mention it.<text:page-number>1</text:page-number>"
        "</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>"
        "<draw:page><draw:frame><draw:text-box><text:p>Outlook</text:p></draw:text-box></draw:frame></draw:page>"
    )
    assert told(read(body, "odp")) == [
        ("title", 1, 1, "Results"),
        ("text", 0, 1, "North Region"),
        ("text", 0, 1, "Mention it."),
        ("text", 0, 2, "Outlook"),
    ]


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def test_sheets_give_their_names_and_repeat_what_is_repeated() -> None:
    body = (
        '<table:table table:name="Stock">'
        + row(cell("Item"), cell("May"), cell("June"))
        + row(cell("Bolt"), cell("7", 'table:number-columns-repeated="2"'))
        + row(cell("Nut"), cell("8"), attributes='table:number-rows-repeated="2"')
        + row(cell("", 'table:number-columns-repeated="16384"'), attributes='table:number-rows-repeated="1048576"')
        + "</table:table>"
    )
    assert told(read(body, "ods")) == [
        ("title", 1, 1, "Stock"),
        ("table", 0, 1, "Item: Bolt; May: 7; June: 7\nItem: Nut; May: 8\nItem: Nut; May: 8"),
    ]


@pytest.mark.parametrize("count", ["1048576", "99999999999999999999"])
def test_a_cell_written_once_and_repeated_without_end_is_refused(count: str) -> None:
    many = row(cell("x", f'table:number-columns-repeated="{count}"'), attributes='table:number-rows-repeated="9"')
    with pytest.raises(QuarantineError) as caught:
        read(f"<table:table>{many}</table:table>", "ods")
    assert caught.value.reason == "too_large"


def test_nesting_without_end_and_a_package_without_content_are_corrupt() -> None:
    deep = "<text:section>" * MAX_DEPTH + "</text:section>" * MAX_DEPTH
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for data in (package("odt", deep), empty.getvalue()):
        with pytest.raises(QuarantineError) as caught:
            opendocument(data, kind="odt")
        assert caught.value.reason == "corrupt"
