"""Whole documents through the real sandbox: what comes out, and what is refused for which reason."""

import gzip
import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pptx.util import Inches
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from indexer.formats.elements import FORMATS, Parsed
from indexer.parse import MAX_DOCUMENT_BYTES, parse, parser
from indexer.sandbox import JSON, Sandbox
from policies.errors import QuarantineError
from tests.indexer.formats.compound import compound

HERE = Path(__file__).parent
EVAL = Path(os.environ.get("PENSTOCK_EVAL_DATA", "../shared/data")) / "documents"  # noqa: TID251 - the only input
ENCRYPTED = compound({"EncryptionInfo": b"x", "EncryptedPackage": b"x" * 5000})
VISIO = compound({"VisioDocument": b"x"})
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe0def46b8"
    "0000000049454e44ae426082"
)

MAIL = b"From: a@b.example\nTo: c@d.example\nSubject: Hi\n\nHello.\n"
MAILBOX = b"".join(b"From a Thu Jan  1 00:00:00 1970\n" + MAIL + b"\n" for _ in range(2))

DEPOT = (
    "The depot in Leeds was opened in March and has since then taken over all of the international trade, which had "
    "been handled in two places before and was always late. It is now on time."
)

Read = Callable[[bytes, str], Parsed]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with parser() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def read(box: Sandbox) -> Read:
    return lambda data, name: parse(box, data=data, name=name, languages=["en"])


@pytest.fixture
def refused(box: Sandbox) -> Callable[[bytes, str], str]:
    def reason(data: bytes, name: str) -> str:
        with pytest.raises(QuarantineError) as caught:
            parse(box, data=data, name=name, languages=["en"])
        assert caught.value.stage == "parse"
        assert caught.value.mend
        return caught.value.reason

    return reason


def told(parsed: Parsed) -> list[tuple[str, int, str]]:
    return [(element.kind, element.depth, element.text) for element in parsed.elements]


def saved(document: object) -> bytes:
    target = io.BytesIO()
    document.save(target)  # type: ignore[attr-defined]
    return target.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.core_properties.title = "Leave policy"
    document.add_heading("Annual leave", level=1)
    document.add_paragraph("Staff have 25 days a year.")
    document.add_heading("Carry over", level=2)
    document.add_paragraph("Five days", style="List Bullet")
    table = document.add_table(rows=3, cols=2)
    for row, cells in zip(table.rows, [("Grade", "Days"), ("A", "25"), ("B", "30")], strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    return saved(document)


def slides() -> bytes:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Results"
    box = slide.shapes.add_textbox(Inches(1), Inches(2), Inches(4), Inches(1))
    box.text_frame.text = "North Region"
    slide.notes_slide.notes_text_frame.text = "Mention the new depot."
    deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "Outlook"
    return saved(deck)


def sheet() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Stock"
    for row in (["Item", "Count", "Price"], ["Bolt", 1200, 0.25], ["Nut", 7.0, None], [], ["Checked by the depot"]):
        book.active.append(row)
    book.create_sheet("Empty")
    return saved(book)


def pages(*texts: list[tuple[float, float, int, str]], title: str = "") -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4)
    canvas.setTitle(title)
    for page in texts:
        for left, bottom, size, text in page:
            canvas.setFont("Helvetica", size)
            canvas.drawString(left, bottom, text)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def zipped(parts: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def opened(mimetype: str, manifest: bytes, content: bytes = b"<c/>") -> bytes:
    """An OpenDocument package."""
    return zipped({"mimetype": mimetype.encode(), "META-INF/manifest.xml": manifest, "content.xml": content})


def with_part(package: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    parts[name] = change(parts.get(name, b""))
    return zipped(parts)


def test_a_word_file_gives_headings_lists_and_rows_with_their_header(read: Read) -> None:
    parsed = read(word(), "policy.docx")
    assert (parsed.kind, parsed.title, parsed.skipped_parts) == ("docx", "Leave policy", 0)
    assert told(parsed) == [
        ("title", 1, "Annual leave"),
        ("text", 0, "Staff have 25 days a year."),
        ("title", 2, "Carry over"),
        ("list", 0, "Five days"),
        ("table", 0, "Grade: A; Days: 25\nGrade: B; Days: 30"),
    ]


def test_a_word_file_gives_what_is_inserted_boxed_controlled_or_noted_and_not_what_is_deleted(read: Read) -> None:
    inner = b"<w:p><w:r><w:t>%s</w:t></w:r></w:p>"
    body = b"".join(
        (
            b"<w:p><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins>",
            b"<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>",
            b"<w:sdt><w:sdtPr/><w:sdtContent>" + inner % b"controlled" + b"</w:sdtContent></w:sdt>",
            b"<w:p><w:r><w:t>anchor</w:t></w:r><w:r><w:pict><w:txbxContent>" + inner % b"boxed",
            b"</w:txbxContent></w:pict></w:r></w:p>",
        )
    )
    package = with_part(
        saved(docx.Document()), "word/document.xml", lambda part: part.replace(b"<w:sectPr", body + b"<w:sectPr", 1)
    )
    namespace = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    notes = b"<w:footnotes %s><w:footnote w:type='separator'>%s</w:footnote><w:footnote>%s</w:footnote></w:footnotes>"
    package = with_part(package, "word/footnotes.xml", lambda _: notes % (namespace, inner % b"rule", inner % b"noted"))
    texts = [text for _, _, text in told(read(package, "x.docx"))]
    assert texts == [
        "inserted",
        "controlled",
        "anchor",
        "boxed",
        "noted",
    ]


def test_slides_give_titles_by_place_notes_and_page_numbers(read: Read) -> None:
    parsed = read(slides(), "deck.pptx")
    assert parsed.title == "Results"
    assert sorted((element.page, element.kind, element.text) for element in parsed.elements) == [
        (1, "text", "Mention the new depot."),
        (1, "text", "North Region"),
        (1, "title", "Results"),
        (2, "title", "Outlook"),
    ]


def test_a_workbook_gives_sheet_names_and_tables_between_blank_rows(read: Read) -> None:
    assert told(read(sheet(), "stock.xlsx")) == [
        ("title", 1, "Stock"),
        ("table", 0, "Item: Bolt; Count: 1200; Price: 0.25\nItem: Nut; Count: 7"),
        ("text", 0, "Checked by the depot"),
    ]


def test_a_pdf_gives_paragraphs_headings_and_pages(read: Read) -> None:
    first = [
        (50.0, 780.0, 20, "Annual report"),
        (50.0, 740.0, 10, "The depot in Leeds was opened in March and has since then taken over all of the inter-"),
        (50.0, 728.0, 10, "national trade, which had been handled in two places before and was always late. It is now"),
        (50.0, 716.0, 10, "on time."),
        (50.0, 680.0, 10, "Nothing else happened."),
    ]
    parsed = read(pages(first, [(50.0, 780.0, 10, "The end.")], title="Report 2025"), "report.pdf")
    assert parsed.title == "Report 2025"
    assert [(element.kind, element.page, element.text) for element in parsed.elements] == [
        ("title", 1, "Annual report"),
        ("text", 1, DEPOT),
        ("text", 1, "Nothing else happened."),
        ("text", 2, "The end."),
    ]


def scan(*, words: str = "", stamp: str = "") -> bytes:
    """A page of words, if any, a page that is a picture with a stamp on it, if any, and an empty page."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4)
    if words:
        canvas.drawString(50, 700, words)
        canvas.showPage()
    canvas.drawImage(ImageReader(io.BytesIO(PICTURE)), 0, 0, *A4)
    canvas.drawString(50, 20, stamp)
    canvas.showPage()
    canvas.showPage()
    canvas.save()
    return target.getvalue()


@pytest.mark.parametrize(
    ("stamp", "scanned"), [("", (2,)), ("Scanned by a free app", (2,)), ("A page of words beside a picture. " * 4, ())]
)
def test_a_page_that_is_a_picture_is_counted_where_there_is_no_ocr(
    read: Read, stamp: str, scanned: tuple[int, ...]
) -> None:
    parsed = read(scan(words="A page of text.", stamp=stamp), "mixed.pdf")
    assert (parsed.scanned, parsed.skipped_parts, parsed.ocr_pages) == (scanned, len(scanned), 0)
    assert told(parsed)[0] == ("text", 0, "A page of text.")


def test_files_attached_to_a_pdf_are_parts(read: Read) -> None:
    writer = PdfWriter(PdfReader(io.BytesIO(pages([(50, 700, 10, "An invoice.")]))))
    writer.add_attachment("../invoice.xml", b"<invoice/>")
    target = io.BytesIO()
    writer.write(target)
    parsed = read(target.getvalue(), "a.pdf")
    assert [(part.name, part.content) for part in parsed.parts] == [("invoice.xml", b"<invoice/>")]


def test_attachments_of_a_mail_and_messages_of_a_mailbox_are_parts(read: Read) -> None:
    mail = EmailMessage()
    mail["From"] = "a@b.example"
    mail.set_content("See the plan.")
    mail.add_attachment(word(), maintype="application", subtype="octet-stream", filename="plan.docx")
    (plan,) = read(mail.as_bytes(), "a.eml").parts
    assert read(plan.content, plan.name).title == "Leave policy"
    mailbox = read(MAILBOX, "a.mbox")
    assert (mailbox.kind, mailbox.elements) == ("mbox", ())
    assert [part.name for part in mailbox.parts] == ["message-000001.eml", "message-000002.eml"]
    assert {read(part.content, part.name).title for part in mailbox.parts} == {"Hi"}


@pytest.mark.parametrize(
    ("make", "name", "plain", "other", "kind"),
    [
        ("word", "a.docm", "wordprocessingml.document.main", "ms-word.document.macroEnabled.main", "docx"),
        ("word", "a.dotx", "wordprocessingml.document.main", "wordprocessingml.template.main", "docx"),
        ("slides", "a.ppsx", "presentationml.presentation.main", "presentationml.slideshow.main", "pptx"),
        (
            "slides",
            "a.pptm",
            "presentationml.presentation.main",
            "ms-powerpoint.presentation.macroEnabled.main",
            "pptx",
        ),
        ("sheet", "a.xlsm", "spreadsheetml.sheet.main", "ms-excel.sheet.macroEnabled.main", "xlsx"),
    ],
)
def test_templates_slide_shows_and_files_with_macros_give_their_text(
    read: Read, make: str, name: str, plain: str, other: str, kind: str
) -> None:
    data = {"word": word, "slides": slides, "sheet": sheet}[make]()
    prefix = "openxmlformats-officedocument."
    other = other if other.startswith("ms-") else prefix + other
    retyped = with_part(
        data, "[Content_Types].xml", lambda part: part.replace((prefix + plain).encode(), other.encode())
    )
    assert retyped != data
    assert (read(retyped, name).kind, told(read(retyped, name))) == (kind, told(read(data, "a")))


@pytest.mark.parametrize(("name", "kind"), [("policy.doc", "doc"), ("results.ppt", "ppt"), ("stock.xls", "xls")])
def test_old_office_files_are_read_inside_the_sandbox(read: Read, name: str, kind: str) -> None:
    data = gzip.decompress((HERE / "formats" / "office" / f"{name}.gz").read_bytes())
    parsed = read(data, name)
    assert (parsed.kind, bool(parsed.elements), parsed.elements[0].kind) == (kind, True, "title")


def test_a_book_and_an_open_document_are_read_inside_the_sandbox(read: Read) -> None:
    container = '<c xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfile full-path="b.opf"/></c>'
    spine = '<item id="a" href="a.html" media-type="text/html"/><itemref idref="a"/>'
    table = "<table><tr><th>Day</th><th>Hours</th></tr><tr><td>Mo</td><td>9</td></tr></table>"
    book = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": container.encode(),
        "b.opf": f'<p xmlns="http://www.idpf.org/2007/opf">{spine}</p>'.encode(),
        "a.html": f"<!DOCTYPE html><h2>Chapter</h2>{table}".encode(),
    }
    assert told(read(zipped(book), "a.epub")) == [("title", 2, "Chapter"), ("table", 0, "Day: Mo; Hours: 9")]
    names = " ".join(
        f'xmlns:{name[0]}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text")
    )
    body = "<o:body><o:text><t:h>Head</t:h><t:p>Text.</t:p></o:text></o:body>"
    text = opened("application/vnd.oasis.opendocument.text", b"<m/>", f"<o:c {names}>{body}</o:c>".encode())
    assert told(read(text, "a.odt")) == [("title", 1, "Head"), ("text", 0, "Text.")]


def test_what_was_typed_into_a_form_is_text(read: Read) -> None:
    target = io.BytesIO()
    canvas = Canvas(target)
    canvas.drawString(50, 700, "Surname")
    canvas.acroForm.textfield(name="surname", value="Okonkwo", x=50, y=650, width=200, height=20)
    canvas.save()
    assert "Okonkwo" in " ".join(element.text for element in read(target.getvalue(), "form.pdf").elements)


def test_a_web_page_gives_headings_and_no_menu_and_no_script(read: Read) -> None:
    page = b"""<html><head><title>Opening &amp; hours</title></head><body><nav><a>Home</a></nav><h1>Hours</h1>
    <p>Open from <b>9</b> to 5.</p><script>var x = "secret";</script><h3>Holidays</h3><ul><li>Closed</li></ul>
    <table><tr><th>Day</th><th>Hours</th></tr><tr><td>Monday</td><td>9-5</td></tr></table></body></html>"""
    parsed = read(page, "hours.html")
    assert parsed.title == "Opening & hours"
    assert told(parsed) == [
        ("title", 1, "Hours"),
        ("text", 0, "Open from 9 to 5."),
        ("title", 3, "Holidays"),
        ("list", 0, "Closed"),
        ("table", 0, "Day: Monday; Hours: 9-5"),
    ]


def test_a_web_page_is_read_in_the_encoding_it_declares(read: Read) -> None:
    page = '<meta charset="shift_jis"><p>東京の天気</p>'.encode("shift_jis")
    assert told(read(page, "x.html")) == [("text", 0, "東京の天気")]


def test_markdown_keeps_front_matter_and_headings(read: Read) -> None:
    text = b"---\ntitle: 'Guide'\nowner: ops\n---\n# Start\n\nRead *this* first.\n\n## Next\n\n- one\n- two\n"
    parsed = read(text, "guide.md")
    assert parsed.title == "Guide"
    assert told(parsed) == [
        ("text", 0, "title: 'Guide'\nowner: ops"),
        ("title", 1, "Start"),
        ("text", 0, "Read this first."),
        ("title", 2, "Next"),
        ("list", 0, "one"),
        ("list", 0, "two"),
    ]


@pytest.mark.parametrize(
    ("name", "data", "kind", "text"),
    [
        ("a.txt", b"Plain words.", "txt", "Plain words."),
        ("README", b"Plain words.", "txt", "Plain words."),
        ("a.csv", b"Name;Town\nAda;Paris", "csv", "Name: Ada; Town: Paris"),
        ("a.tsv", b"Name\tTown\nAda\tParis, France", "tsv", "Name: Ada; Town: Paris, France"),
        ("a.json", b'{"name": "Ada", "towns": ["Paris"]}', "json", "name: Ada\n\ntowns: Paris"),
        ("a.jsonl", b'{"a": 1}\n{"a": 2}\n', "json", "a: 1\n\na: 2"),
        ("a.xml", b"<r><p><n>Ada</n></p><p><n>Bo</n></p></r>", "xml", "p.n: Ada\n\np.n: Bo"),
        ("a.eml", b"From: a@b.example\n\nHello.", "eml", "From: a@b.example\nHello."),
        ("a.rtf", rb"{\rtf1 caf\'e9\par}", "rtf", "café"),
        ("a.rst", b"Title\n=====\n\n.. note:: Mind it.\n", "rst", "Title\nNote\nMind it."),
        ("a.org", b"* Title\nText.", "org", "Title\nText."),
        ("a.yaml", b"name: Ada", "txt", "name: Ada"),
        ("a.ics", b"BEGIN:VCALENDAR\nSUMMARY:Plan", "txt", "BEGIN:VCALENDAR\nSUMMARY:Plan"),
        (
            "a.csv",
            "名前,町\n佐藤太郎,東京\n三木英子,大阪".encode("cp932"),
            "csv",
            "名前: 佐藤太郎; 町: 東京\n名前: 三木英子; 町: 大阪",
        ),
    ],
)
def test_text_formats_are_read(read: Read, name: str, data: bytes, kind: str, text: str) -> None:
    parsed = read(data, name)
    assert (parsed.kind, "\n".join(element.text for element in parsed.elements)) == (kind, text)


@pytest.mark.parametrize(
    ("make", "name", "kind"),
    [
        (word, "report.pdf", "docx"),
        (word, "report.txt", "docx"),
        (word, "report.bin", "docx"),
        (sheet, "sheet.docx", "xlsx"),
        (lambda: pages([(50, 700, 10, "Words.")]), "letter.docx", "pdf"),
        (lambda: b"<!DOCTYPE html><p>Words.</p>", "page.txt", "html"),
        (lambda: b"From: a@b.example\nTo: c@d.example\nSubject: Hi\n\nHello.", "mail.txt", "eml"),
        (lambda: b"From a Thu Jan  1 00:00:00 1970\n" + MAIL, "mail.txt", "eml"),
        (lambda: MAILBOX, "mails.txt", "mbox"),
        (lambda: MAILBOX, "mails.eml", "mbox"),
        (lambda: b"<html><p>Words.</p></html>", "export.xls", "html"),
        (lambda: b"{\\rtf1 Words.}", "letter.doc", "rtf"),
    ],
)
def test_a_wrong_name_does_not_matter_when_the_content_is_supported(
    read: Read, make: Callable[[], bytes], name: str, kind: str
) -> None:
    assert read(make(), name).kind == kind


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n\t\r\n", "empty"),
        ("a.txt", b"\xff\xfe", "empty"),
        ("a.html", b"<html><body><nav>Home</nav></body></html>", "empty"),
        ("a.docx", saved(docx.Document()), "empty"),
        ("a.xlsx", saved(openpyxl.Workbook()), "empty"),
        ("a.docx", ENCRYPTED, "encrypted"),
        ("a.doc", ENCRYPTED, "encrypted"),
        ("a.odt", opened("application/vnd.oasis.opendocument.text", b"<m:encryption-data/>"), "encrypted"),
        ("a.eml", b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nMIAG", "encrypted"),
        ("a.docx", word()[:-200], "corrupt"),
        ("a.docx", b"PK\x03\x04" + b"\x00" * 100, "corrupt"),
        ("a.pdf", b"%PDF-1.7\nnothing else", "corrupt"),
        ("a.pdf", bytes(range(256)) * 20, "corrupt"),
        ("a.txt", bytes(range(256)) * 20, "corrupt"),
        ("a.doc", ENCRYPTED[:600], "corrupt"),
        ("a.epub", zipped({"mimetype": b"application/epub+zip"}), "corrupt"),
        ("a.odt", zipped({"mimetype": b"application/vnd.oasis.opendocument.text"}), "corrupt"),
        ("a.mbox", b"From: a@b.example\n\nHello.", "corrupt"),
        ("a.png", PICTURE[:20], "corrupt"),
        ("a.json", b'{"a": ', "corrupt"),
        ("a.json", b'{"a": NaN}', "corrupt"),
        ("a.json", b"[" * 200_000, "corrupt"),
        ("a.json", b"[" * 500 + b"1" + b"]" * 500, "corrupt"),
        ("a.xml", b"<a><b></a>", "corrupt"),
        ("a.eml", b"no header here", "corrupt"),
        ("a.xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "hostile"),
        ("a.vsd", VISIO, "unsupported_format"),
        ("a.doc", VISIO, "wrong_format"),
        ("a.docx", b"only words", "wrong_format"),
        ("a.doc", b"only words", "wrong_format"),
        ("a.png", PICTURE, "no_ocr"),
        ("a.docx", PICTURE, "no_ocr"),
        ("a.gif", b"GIF89a", "unsupported_format"),
        ("a.zip", zipped({"a.txt": b"words"}), "unsupported_format"),
        ("a.docx", zipped({"a.txt": b"words"}), "wrong_format"),
        ("a.exe", b"MZ\x90\x00", "unsupported_format"),
        ("a.py", b"print(1)", "unsupported_format"),
        ("a.pdf", pages([]), "no_text"),
    ],
)
def test_what_cannot_be_read_is_refused_for_its_reason(
    refused: Callable[[bytes, str], str], name: str, data: bytes, reason: str
) -> None:
    assert refused(data, name) == reason


def test_a_pdf_behind_a_password_is_encrypted(refused: Callable[[bytes, str], str]) -> None:
    writer = PdfWriter(PdfReader(io.BytesIO(pages([(50, 700, 10, "Words.")]))))
    writer.encrypt("secret", algorithm="RC4-128")
    target = io.BytesIO()
    writer.write(target)
    assert refused(target.getvalue(), "a.pdf") == "encrypted"


def test_an_unsupported_format_names_the_supported_ones(box: Sandbox) -> None:
    with pytest.raises(QuarantineError) as caught:
        parse(box, data=b"x", name="a.xyz", languages=[])
    assert all(name in caught.value.mend for name in FORMATS)


def test_where_there_is_no_ocr_scans_name_it_as_the_mend(box: Sandbox) -> None:
    with pytest.raises(QuarantineError, match="Install tesseract-ocr") as caught:
        parse(box, data=scan(), name="a.pdf", languages=["en"])
    assert caught.value.reason == "no_ocr"


def test_a_document_over_the_limit_is_refused_without_a_child() -> None:
    with parser() as unused, pytest.raises(QuarantineError) as caught:
        parse(unused, data=b"x" * (MAX_DOCUMENT_BYTES + 1), name="a.txt", languages=[])
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("part", ["word/document.xml", "_rels/.rels", "docProps/core.xml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_in_any_part_of_a_package_are_hostile(
    refused: Callable[[bytes, str], str], part: str, encoding: str
) -> None:
    attack = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'.encode(encoding)
    assert refused(with_part(word(), part, lambda _: b" " * 3_000_001 + attack), "a.docx") == "hostile"


def test_archives_that_unpack_to_too_much_are_bombs(refused: Callable[[bytes, str], str]) -> None:
    types = {"[Content_Types].xml": b"wordprocessingml.document.main+xml"}
    ratio = zipped({**types, "word/document.xml": b"\x00" * 2**25})
    many = zipped({**types, **{f"word/{number}.xml": b"" for number in range(10_001)}}, method=zipfile.ZIP_STORED)
    overlapping = bytearray(zipped({**types, "a": b"x" * 1000, "b": b"y" * 1000}, method=zipfile.ZIP_STORED))
    directory = overlapping.rindex(b"PK\x01\x02")
    overlapping[directory + 20 : directory + 24] = (10**6).to_bytes(4, "little")  # what the entry says it takes up
    assert [refused(bomb, "a.docx") for bomb in (ratio, many, bytes(overlapping))] == ["bomb", "bomb", "bomb"]


def test_a_row_that_claims_a_million_empty_cells_costs_nothing(read: Read) -> None:
    def claim(part: bytes) -> bytes:
        return re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:XFD1048576"', part)

    assert told(read(with_part(sheet(), "xl/worksheets/sheet1.xml", claim), "a.xlsx"))[0] == ("title", 1, "Stock")


def test_text_comes_without_controls_and_hiding_characters(read: Read) -> None:
    text = "a\u200bda@exa\u00admple.com \u202eright\u202c e\u0301\u00a0x\r\ny\u2028z \ud83d\ude00".encode(
        "utf-16", "surrogatepass"
    )
    assert told(read(text, "a.txt")) == [("text", 0, "ada@example.com right é x\ny\nz 😀")]


def test_nothing_is_downloaded_and_unstructured_never_asks_for_its_model() -> None:
    with Sandbox(
        "served_parse", stage="parse", address_space_bytes=2**30, start_timeout_s=60, import_from=HERE
    ) as counting:
        documents = {"a.docx": word(), "a.pptx": slides(), "a.html": b"<p>The dog runs.</p>", "a.md": b"The dog runs."}
        for name, data in documents.items():
            answer = counting.call({"name": name, "languages": ["en"]}, data, timeout_s=60)
            assert answer["reached"] == []
            assert answer["elements"]
            assert answer["threads"] == 1  # Landlock does not bind threads that run already


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "a very secret sentence"),
        ("skipped_parts", -1),
        ("skipped_parts", 2**70),
        ("elements", [["text", "text", -1, None]]),
        ("elements", [["text", "text", 0, 2**70]]),
        ("elements", [["text", "image", 0, None]]),
        ("parts", [["../../etc/passwd", b"x"]]),
        ("parts", [["C:\\x.txt", b"x"]]),
        ("parts", [["", b"x"]]),
        ("parts", [["a.txt", "x"]]),
        ("parts", [["a.txt", b""]]),
        ("parts", [["a.txt", b"x"], ["A.TXT", b"y"]]),
        ("scanned", [0]),
        ("scanned", [2**70]),
        ("scanned", ["1"]),
    ],
)
def test_an_answer_that_no_parser_gives_is_not_believed(key: str, value: object) -> None:
    class TakenOver(Sandbox):
        def call(self, *_arguments: object, **_options: object) -> dict[str, JSON]:
            answer: dict[str, JSON] = {
                "kind": "txt",
                "title": None,
                "elements": [],
                "skipped_parts": 0,
                "parts": [],
                "scanned": [],
            }
            return {**answer, key: value}  # type: ignore[dict-item]

    box = TakenOver("none", stage="parse", address_space_bytes=0, start_timeout_s=0)
    with pytest.raises(QuarantineError) as caught:
        parse(box, data=b"x", name="a.txt", languages=["en"])
    assert caught.value.reason == "crashed"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 100_000), flip=st.integers(1, 255), which=st.integers(0, 3))
def test_a_flipped_byte_is_parsed_or_refused_and_never_more(box: Sandbox, at: int, flip: int, which: int) -> None:
    name, data = [
        ("a.docx", word()),
        ("a.xlsx", sheet()),
        ("a.pptx", slides()),
        ("a.pdf", pages([(50, 700, 10, "Words.")])),
    ][which]
    damaged = bytearray(data)
    damaged[at % len(damaged)] ^= flip
    try:
        parsed = parse(box, data=bytes(damaged), name=name, languages=["en"])
    except QuarantineError:
        return
    assert all(element.text for element in parsed.elements)


@pytest.mark.skipif(not EVAL.is_dir(), reason="needs the outside evaluation documents (PENSTOCK_EVAL_DATA)")
def test_real_documents_are_parsed_and_the_others_are_refused_for_a_known_reason(read: Read) -> None:
    reasons: dict[str, int] = {}
    parsed = 0
    for folder in ("markitdown", "unstructured-example-docs"):
        for path in sorted((EVAL / folder).rglob("*")):
            if not path.is_file() or "872p" in path.name:
                continue
            try:
                read(path.read_bytes(), path.name)
                parsed += 1
            except QuarantineError as error:
                reasons[error.reason] = reasons.get(error.reason, 0) + 1
    assert reasons == {"empty": 7, "encrypted": 4, "no_ocr": 21, "unsupported_format": 6}
    assert parsed == 240


def test_the_parent_process_loads_no_parsing_library() -> None:
    code = "import sys, indexer.parse; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    libraries = {
        "PIL",
        "chardet",
        "docutils",
        "lxml",
        "office_oxide",
        "olefile",
        "openpyxl",
        "pypdfium2",
        "spacy",
        "xlrd",
    }
    assert "indexer.parse" in loaded
    assert libraries.isdisjoint(loaded)
    assert "unstructured" not in loaded
