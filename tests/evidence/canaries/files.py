"""Documents of every format, with a person in each place where one may stand."""

import csv
import html
import io
import json
from collections.abc import Callable, Mapping, Sequence
from email import policy
from email.message import EmailMessage
from types import MappingProxyType

import docx
import openpyxl
import pptx
from PIL import Image, ImageDraw, ImageFont
from pptx.util import Inches
from reportlab.pdfgen.canvas import Canvas

from tests.bombs import packages
from tests.evidence.canaries.people import Person

PLACES = ("prose", "table", "title", "metadata", "file name")
"""Where the people of a document stand, in this order."""
COLUMNS = ("Name", "E-mail", "Phone", "Address", "Date of birth")
FILLER = (
    "The pump in the second hall was taken apart and put together again before noon.",
    "Nobody was hurt, and the line ran at half of its speed until the new seal came.",
    "The report goes to the works council, which meets on the first Monday of the month.",
)


class Page:
    """What a document says, whatever its format."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.prose, self.row, self.heading, self.author, self.namesake = people
        self.title = f"Interview with {self.heading.name} about the pump"
        self.file_name = f"{self.namesake.surname} {self.namesake.given} pump"

    @property
    def paragraphs(self) -> list[str]:
        """Sentences as people write them."""
        return [*_about(self.prose), FILLER[0], *_about(self.namesake), FILLER[1], *_about(self.heading), FILLER[2]]

    @property
    def cells(self) -> list[str]:
        """Of the one row of its table."""
        row = self.row
        return [row.name, row.mail, row.phone, row.address, row.birth]


def _about(person: Person) -> list[str]:
    if person.locale == "fr_FR":
        return [
            f"{person.name} a appelé lundi. On peut lui écrire à {person.mail} ou le joindre au {person.phone}.",
            f"{person.name}, né le {person.birth}, habite {person.address}. Son {person.id_label} : {person.id}.",
        ]
    return [
        f"{person.name} called on Monday about the pump. Please write to {person.mail} or ring {person.phone}.",
        f"{person.name}, born on {person.birth}, lives at {person.address}. {person.id_label}: {person.id}.",
    ]


def _text(page: Page) -> bytes:
    cells = "\n".join(f"{column}: {cell}" for column, cell in zip(COLUMNS, page.cells, strict=True))
    return "\n\n".join((page.title, *page.paragraphs, cells, f"Written by {page.author.name}")).encode()


def _markdown(page: Page) -> bytes:
    table = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n| {' | '.join(page.cells)} |"
    front = f"---\nauthor: {page.author.name}\n---\n"
    return "\n\n".join((f"{front}\n# {page.title}", *page.paragraphs, table)).encode()


def _html(page: Page) -> bytes:
    head = f"<title>{html.escape(page.title)}</title><meta name=author content='{html.escape(page.author.name)}'>"
    return f"<!doctype html><html><head><meta charset=utf-8>{head}</head><body>{_body(page)}</body></html>".encode()


def _body(page: Page) -> str:
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in (COLUMNS, page.cells)
    )
    paragraphs = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in page.paragraphs)
    return f"<h1>{html.escape(page.title)}</h1>{paragraphs}<table>{rows}</table>"


def _delimited(page: Page, mark: str) -> bytes:
    out = io.StringIO()
    rows = csv.writer(out, delimiter=mark, lineterminator="\n")
    rows.writerow((*COLUMNS, "Remark"))
    rows.writerow((*page.cells, page.title))
    for paragraph in page.paragraphs:
        rows.writerow((page.author.name, page.author.mail, page.author.phone, "", "", paragraph))
    return out.getvalue().encode()


def _json(page: Page) -> bytes:
    return json.dumps(_record(page), ensure_ascii=True, indent=1).encode()


def _json_lines(page: Page) -> bytes:
    lines = [_record(page), *({"remark": paragraph} for paragraph in page.paragraphs)]
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()


def _record(page: Page) -> dict[str, object]:
    person = dict(zip(COLUMNS, page.cells, strict=True))
    return {"title": page.title, "author": page.author.name, "person": person, "remarks": page.paragraphs}


def _xml(page: Page) -> bytes:
    person = "".join(f"<cell>{html.escape(cell)}</cell>" for cell in page.cells)
    remarks = "".join(f"<remark>{html.escape(paragraph)}</remark>" for paragraph in page.paragraphs)
    title, author = html.escape(page.title), html.escape(page.author.name, quote=True)
    return f'<report author="{author}"><title>{title}</title><person>{person}</person>{remarks}</report>'.encode()


def _mail(page: Page) -> bytes:
    # An address beyond ASCII travels as it is (RFC 6532): in a Message-ID there is no other way to write it.
    message = EmailMessage(policy=policy.default.clone(utf8=not page.author.mail.isascii()))
    message["From"] = f"{page.author.name} <{page.author.mail}>"
    message["To"] = f"{page.row.name} <{page.row.mail}>"
    message["Subject"] = page.title
    message["Message-ID"] = f"<pump.{page.author.mail}>"
    message["X-Originating-User"] = page.author.mail
    message.set_content("\n\n".join(page.paragraphs))
    message.add_attachment(_delimited(page, ","), maintype="text", subtype="csv", filename=f"{page.row.surname}.csv")
    return bytes(message)


def _mailbox(page: Page) -> bytes:
    return b"From pump@example.com Mon Jan  5 10:00:00 2026\n" + _mail(page).replace(b"\nFrom ", b"\n>From ") + b"\n"


def _word(page: Page) -> bytes:
    made, out = docx.Document(), io.BytesIO()
    made.core_properties.author = made.core_properties.last_modified_by = page.author.name
    made.core_properties.title = page.title
    made.core_properties.comments = f"Ask {page.author.mail}"
    made.add_heading(page.title)
    for paragraph in page.paragraphs:
        made.add_paragraph(paragraph)
    table = made.add_table(rows=2, cols=len(COLUMNS))
    for place, (column, cell) in enumerate(zip(COLUMNS, page.cells, strict=True)):
        table.cell(0, place).text, table.cell(1, place).text = column, cell
    made.sections[0].header.paragraphs[0].text = f"Draft of {page.author.name}"
    made.save(out)
    return out.getvalue()


def _workbook(page: Page) -> bytes:
    made, out = openpyxl.Workbook(), io.BytesIO()
    made.properties.creator, made.properties.title = page.author.name, page.title
    sheet = made.active
    sheet.title = page.author.surname[:30]
    for row in (COLUMNS, page.cells, (page.title,), *((paragraph,) for paragraph in page.paragraphs)):
        sheet.append(list(row))
    made.save(out)
    return out.getvalue()


def _slides(page: Page) -> bytes:
    made, out = pptx.Presentation(), io.BytesIO()
    made.core_properties.author, made.core_properties.title = page.author.name, page.title
    slide = made.slides.add_slide(made.slide_layouts[5])
    slide.shapes.title.text = page.title
    box = slide.shapes.add_textbox(Inches(1), Inches(2), Inches(8), Inches(4)).text_frame
    box.text = "\n".join(page.paragraphs)
    table = slide.shapes.add_table(2, len(COLUMNS), Inches(1), Inches(6), Inches(8), Inches(1)).table
    for place, (column, cell) in enumerate(zip(COLUMNS, page.cells, strict=True)):
        table.cell(0, place).text, table.cell(1, place).text = column, cell
    slide.notes_slide.notes_text_frame.text = f"{page.author.name} speaks here."
    made.save(out)
    return out.getvalue()


def _pdf(page: Page) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.setAuthor(page.author.name)
    canvas.setTitle(page.title)
    for place, line in enumerate(_lines(page)):
        canvas.drawString(40, 800 - 14 * place, line)
    canvas.save()
    return out.getvalue()


def _lines(page: Page) -> list[str]:
    """The page in lines of at most 90 characters."""
    lines: list[str] = [page.title, ""]
    for paragraph in (*page.paragraphs, "; ".join(page.cells)):
        line = ""
        for word in paragraph.split():
            if len(line) + len(word) > 90:
                lines.append(line)
                line = ""
            line = f"{line} {word}".strip()
        lines += [line, ""]
    return lines


def _picture(page: Page) -> bytes:
    lines, out = _lines(page), io.BytesIO()
    image = Image.new("L", (1500, 40 * len(lines) + 80), color=255)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=28)
    for place, line in enumerate(lines):
        draw.text((40, 40 + 40 * place), line, fill=0, font=font)
    image.save(out, format="PNG", dpi=(200, 200))
    return out.getvalue()


def _open_text(page: Page) -> bytes:
    texts = (page.title, *page.paragraphs, *page.cells)
    return packages.odt("".join(f"<text:p>{html.escape(text)}</text:p>" for text in texts))


def _rich(page: Page) -> bytes:
    def escaped(text: str) -> str:
        return "".join(sign if sign.isascii() else f"\\u{ord(sign)}?" for sign in text)

    body = "\\par\n".join(map(escaped, (page.title, *page.paragraphs, *page.cells)))
    return ("{\\rtf1\\ansi{\\info{\\author " + escaped(page.author.surname) + "}}" + body + "}").encode("ascii")


def _book(page: Page) -> bytes:
    return packages.epub("page.xhtml", page=f"<html><body>{_body(page)}</body></html>".encode())


def _restructured(page: Page) -> bytes:
    head = f"{page.title}\n{'=' * len(page.title)}\n\n:Author: {page.author.name}"
    return "\n\n".join((head, *page.paragraphs, *page.cells)).encode()


def _org(page: Page) -> bytes:
    head = f"#+TITLE: {page.title}\n#+AUTHOR: {page.author.name}\n\n* {page.title}"
    return "\n\n".join((head, *page.paragraphs, f"| {' | '.join(page.cells)} |")).encode()


def _card(page: Page) -> bytes:
    name, mail, phone, address, birth = page.cells
    card = f"BEGIN:VCARD\nFN:{name}\nEMAIL:{mail}\nTEL:{phone}\nADR:;;{address}\nBDAY:{birth}\nEND:VCARD"
    return "\n\n".join((card, page.title, *page.paragraphs)).encode()


def _log(page: Page) -> bytes:
    lines = [f"2026-01-05T10:00:{place:02}Z INFO {line}" for place, line in enumerate(page.paragraphs)]
    return "\n".join((*lines, f"2026-01-05T10:01:00Z WARN user={page.row.mail} name={page.row.name}")).encode()


WRITERS: Mapping[str, Callable[[Page], bytes]] = MappingProxyType(
    {
        "txt": _text,
        "md": _markdown,
        "html": _html,
        "csv": lambda page: _delimited(page, ","),
        "tsv": lambda page: _delimited(page, "\t"),
        "json": _json,
        "jsonl": _json_lines,
        "xml": _xml,
        "eml": _mail,
        "mbox": _mailbox,
        "docx": _word,
        "xlsx": _workbook,
        "pptx": _slides,
        "pdf": _pdf,
        "png": _picture,
        "odt": _open_text,
        "rtf": _rich,
        "epub": _book,
        "rst": _restructured,
        "org": _org,
        "vcf": _card,
        "log": _log,
    }
)
"""A document of each format that is read, but for those of old Office and Outlook, which nothing here can write."""


def broken(page: Page, *, most_bytes: int) -> dict[str, bytes]:
    """Documents that go to quarantine, by suffix."""
    text, word = _text(page), _word(page)
    return {
        "cut.docx": word[: len(word) // 2],
        "cut.pdf": b"%PDF-1.7\n" + text,
        "cut.xlsx": b"PK\x03\x04" + text,
        "zip": packages.archive([packages.deflated(f"{page.file_name}.txt", text)]),
        "bin": bytes(range(256)) + text,
        "large.txt": text * (most_bytes // len(text) + 1),
        "bad.json": b'{"name": "' + text,
        "bad.xml": b"<report><name>" + text,
        "png": b"\x89PNG\r\n\x1a\n" + text,
        "exe": b"\x7fELF" + text,
    }
