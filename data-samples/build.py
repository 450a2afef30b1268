"""Build the binary sample documents from their text sources, and check the whole sample set.

    python data-samples/build.py            # sources/**/*.{docx,pdf,pptx,xlsx}.md -> documents/
    python data-samples/build.py check      # counts, labels, retention and checksums; exit 1 with every finding

A source is a small Markdown: ``#`` title, ``##``/``###`` headings, ``-`` items, ``|`` tables, ``---`` for a page
break, ``>`` for speaker notes. In a workbook each ``##`` opens a sheet, in a deck each ``##`` opens a slide.
Dates and metadata are fixed, so that building twice gives the same bytes.
"""

import argparse
import io
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import docx
import openpyxl
import pptx
import yaml
from openpyxl.styles import Font
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

HERE = Path(__file__).resolve().parent
COMPANY = "Tarnbeck Thermal"
FIXED = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Block:
    """One piece of a source: its kind, its text, and the rows of a table."""

    kind: str
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)


def blocks(text: str) -> Iterator[Block]:
    """The pieces of a source in order; neighbouring lines of text are one paragraph."""
    for chunk in re.split(r"\n\s*\n", text.strip()):
        lines = chunk.splitlines()
        while lines:
            mark = lines[0].split(" ", 1)[0]
            if mark in {"#", "##", "###"}:
                yield Block(kind=f"h{len(mark)}", text=lines.pop(0)[len(mark) :].strip())
            elif lines[0] == "---":
                lines.pop(0)
                yield Block(kind="break")
            elif mark in {"-", ">"}:
                kind = "item" if mark == "-" else "note"
                yield Block(kind=kind, text=lines.pop(0)[1:].strip())
            elif lines[0].startswith("|"):
                count = next((i for i, line in enumerate(lines) if line[:1] != "|"), len(lines))
                table, lines = lines[:count], lines[count:]
                yield Block(kind="table", rows=[cells(line) for line in table])
            else:
                yield Block(kind="text", text=" ".join(lines))
                lines = []


def cells(line: str) -> list[str]:
    """The cells of one table line."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def build_docx(source: list[Block], out: io.BytesIO) -> None:
    """Write a Word document with real headings, lists and tables."""
    document = docx.Document()
    for block in source:
        match block.kind:
            case "h1":
                document.add_heading(block.text, level=0)
            case "h2" | "h3":
                document.add_heading(block.text, level=int(block.kind[1]) - 1)
            case "item":
                document.add_paragraph(block.text, style="List Bullet")
            case "break":
                document.add_page_break()  # type: ignore[no-untyped-call]
            case "table":
                table = document.add_table(rows=0, cols=len(block.rows[0]), style="Table Grid")
                for row in block.rows:
                    for cell, text in zip(table.add_row().cells, row, strict=True):
                        cell.text = text
            case _:
                document.add_paragraph(block.text)
    stamp(document.core_properties, source)
    document.save(out)


def build_pptx(source: list[Block], out: io.BytesIO) -> None:
    """Write a deck: a title slide, one slide per ``##``, and its speaker notes."""
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[0])
    body = slide.placeholders[1].text_frame
    for block in source:
        match block.kind:
            case "h1":
                slide.shapes.title.text = block.text
            case "h2":
                slide = deck.slides.add_slide(deck.slide_layouts[1])
                slide.shapes.title.text = block.text
                body = slide.placeholders[1].text_frame
            case "note":
                notes = slide.notes_slide.notes_text_frame
                notes.text = f"{notes.text} {block.text}".strip()
            case _:
                last = body.paragraphs[-1]
                (body.add_paragraph() if last.text else last).text = block.text
    stamp(deck.core_properties, source)
    deck.save(out)


def build_xlsx(source: list[Block], out: io.BytesIO) -> None:
    """Write a workbook: one sheet per ``##``, text as a first line, tables as rows, numbers as numbers."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for block in source:
        match block.kind:
            case "h1":
                continue
            case "h2":
                sheet = book.create_sheet(block.text)
            case "table":
                for number, row in enumerate(block.rows):
                    sheet.append([value(cell) for cell in row])
                    if number == 0:
                        for cell in sheet[sheet.max_row]:
                            cell.font = Font(bold=True)
            case _:
                sheet.append([block.text])
    stamp(book.properties, source)
    book.save(out)


def value(cell: str) -> str | float:
    """A cell as a number where it is one."""
    return float(cell) if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", cell) else cell


def build_pdf(source: list[Block], out: io.BytesIO) -> None:
    """Write an A4 document with headings, tables and page numbers."""
    styles = getSampleStyleSheet()
    story: list[Flowable] = []
    for block in source:
        match block.kind:
            case "h1" | "h2" | "h3":
                style = {"h1": "Title", "h2": "Heading2", "h3": "Heading3"}[block.kind]
                story.append(Paragraph(block.text, styles[style]))
            case "item":
                story.append(Paragraph(block.text, styles["BodyText"], bulletText="•"))
            case "break":
                story.append(PageBreak())
            case "table":
                rows = [[Paragraph(cell, styles["BodyText"]) for cell in row] for row in block.rows]
                grid = ("GRID", (0, 0), (-1, -1), 0.5, colors.grey)
                story += [Table(rows, style=[grid], repeatRows=1), Spacer(0, 4 * mm)]
            case _:
                story.append(Paragraph(block.text, styles["BodyText"]))

    def footer(canvas: Canvas, page: SimpleDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawCentredString(A4[0] / 2, 12 * mm, f"{COMPANY} · {page.page}")

    template = SimpleDocTemplate(out, pagesize=A4, title=title(source), author=COMPANY, invariant=1, topMargin=20 * mm)
    template.build(story, onFirstPage=footer, onLaterPages=footer)


BUILDERS: Mapping[str, Callable[[list[Block], io.BytesIO], None]] = {
    ".docx": build_docx,
    ".pptx": build_pptx,
    ".xlsx": build_xlsx,
    ".pdf": build_pdf,
}


def title(source: list[Block]) -> str:
    """The text of the first heading."""
    return next(block.text for block in source if block.kind == "h1")


def stamp(properties: object, source: list[Block]) -> None:
    """Fixed metadata; the three libraries spell the author differently."""
    author = "creator" if hasattr(properties, "creator") else "author"
    for name, fixed in {"title": title(source), author: COMPANY, "created": FIXED, "modified": FIXED}.items():
        setattr(properties, name, fixed)


def frozen(package: bytes) -> bytes:
    """The same Office file with fixed times: of each member, and of the change that openpyxl always notes itself."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "docProps/core.xml":
                day = FIXED.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
                part = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + day, part)
            new.writestr(zipfile.ZipInfo(name, FIXED.timetuple()[:6]), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def build() -> int:
    """Write every document that has a source and return how many there are."""
    found = sorted((HERE / "sources").rglob("*.md"))
    for path in found:
        target = HERE / "documents" / path.relative_to(HERE / "sources").with_suffix("")
        out = io.BytesIO()
        BUILDERS[target.suffix](list(blocks(path.read_text(encoding="utf-8"))), out)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(out.getvalue() if target.suffix == ".pdf" else frozen(out.getvalue()))
    return len(found)


# What must be true of the set, so that a demo and its measurements mean something.

FORMATS = frozenset({"md", "txt", "html", "docx", "pptx", "xlsx", "csv", "pdf", "eml", "json"})
LEAST_DOCUMENTS = {"handbook": 34, "support": 16, "france": 16}
LEAST_QUESTIONS = {"handbook": 400, "support": 60, "france": 60}
LEAST_EXPIRED = 2
UNANSWERABLE = (0.32, 0.34)
YEAR_DAYS = 365.25
DUE_BY_THE_TOUR_DAYS = (400, 650)
"""Age of everything in `support` that the tour's shorter period makes due: clear of both periods' ends."""
MAX_BYTES = 3_000_000


def check() -> Iterator[str]:
    """Every finding, one line each."""
    root = HERE / "documents"
    paths = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    ages = {row["path"]: row["modified_days_ago"] for row in json.loads(text("documents.json"))}
    yield from (f"only in one of documents/ and documents.json: {path}" for path in sorted(paths ^ set(ages)))
    if missing := FORMATS - {path.rsplit(".", 1)[1] for path in paths}:
        yield f"formats without a document: {sorted(missing)}"
    sizes = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    if sizes > MAX_BYTES:
        yield f"{sizes} bytes in all, more than {MAX_BYTES}"

    expired = {path for path, age in ages.items() if age > retention_days(path.split("/")[0])}
    for source, least in LEAST_DOCUMENTS.items():
        own = [path for path in paths if path.startswith(f"{source}/")]
        if len(own) < least:
            yield f"{source}: {len(own)} documents, fewer than {least}"
        if len(expired.intersection(own)) < LEAST_EXPIRED:
            yield f"{source}: fewer than {LEAST_EXPIRED} documents past retention"
    yield from check_golden(paths, expired)
    yield from check_tour(ages)
    yield from check_identifiers()


def text(name: str) -> str:
    """A file of this folder as text."""
    return (HERE / name).read_text(encoding="utf-8")


def retention_days(source: str) -> float:
    """The retention period of a source's manifest, which is a number of years."""
    period = yaml.safe_load(text(f"manifests/{source}.yaml"))["policy"]["retention"]["period"]
    return int(period.removeprefix("P").removesuffix("Y")) * YEAR_DAYS


def check_golden(paths: set[str], expired: set[str]) -> Iterator[str]:
    """Findings about the labelled questions."""
    rows = [json.loads(line) for line in text("golden.jsonl").splitlines()]
    for field_name in ("id", "query"):
        counts = Counter(row[field_name].casefold() for row in rows)
        yield from (f"{field_name} stands twice: {name}" for name, count in counts.items() if count > 1)
    for row in rows:
        if bool(row["documents"]) != row["answerable"]:
            yield f"{row['id']}: answerable and documents disagree"
        for path in (f"{row['source']}/{name}" for name in row["documents"]):
            if path not in paths:
                yield f"{row['id']}: no such document in the source: {path}"
            elif path in expired:
                yield f"{row['id']}: past retention: {path}"
    for source, least in LEAST_QUESTIONS.items():
        own = [row for row in rows if row["source"] == source]
        share = sum(not row["answerable"] for row in own) / max(len(own), 1)
        if len(own) < least or not UNANSWERABLE[0] < share < UNANSWERABLE[1]:
            yield f"{source}: {len(own)} questions, {share:.1%} of them unanswerable"
        unasked = {path for path in paths - expired if path.startswith(f"{source}/")}
        unasked.difference_update(f"{source}/{name}" for row in own for name in row["documents"])
        yield from (f"nothing is asked of {path}" for path in sorted(unasked))


def check_tour(ages: Mapping[str, int]) -> Iterator[str]:
    """Findings about the demo: its purge must take the example and leave most of the source."""
    tour = json.loads(text("tour.json"))
    youngest, oldest = DUE_BY_THE_TOUR_DAYS
    kept = {path: age for path, age in ages.items() if path.startswith("support/") and age < retention_days("support")}
    due = {path for path, age in kept.items() if age > YEAR_DAYS}
    if tour["purge"]["document"] not in due or not all(youngest <= kept[path] <= oldest for path in due):
        yield f"without the example, or not all between {youngest} and {oldest} days old: {sorted(due)}"
    if ages[tour["document"]] > retention_days(tour["source"]):
        yield "the tour's own question is past retention"


def luhn(number: str) -> bool:
    """Payment cards, SIREN and SIRET."""
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number)))
    return sum(sum(divmod(product, 10)) for product in doubled) % 10 == 0


def iban(number: str) -> bool:
    """ISO 13616: modulo 97 leaves one."""
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def nhs(number: str) -> bool:
    """Modulo 11 over ten digits."""
    return sum(int(digit) * (10 - at) for at, digit in enumerate(number)) % 11 == 0


def nir(number: str) -> bool:
    """The French social security number: the last two digits are its key."""
    return 97 - int(number[:13]) % 97 == int(number[13:])


def routing(number: str) -> bool:
    """The American bank routing number: weights 3, 7, 1."""
    return sum(int(digit) * weight for digit, weight in zip(number, (3, 7, 1) * 3, strict=True)) % 10 == 0


def nino(number: str) -> bool:
    """A National Insurance number has letters that are allowed in its prefix, and a suffix from A to D."""
    unused = {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
    return bool(re.fullmatch(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]", number)) and number[:2] not in unused


def ssn(number: str) -> bool:
    """A Social Security number has an area, group and serial that can be issued."""
    return number[:3] not in {"000", "666"} and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"


IDENTIFIERS: Sequence[tuple[str, Callable[[str], bool]]] = (
    (r"(?<!\d )\b(?:\d{4} ){3}\d{4}\b(?! \d)", luhn),
    (r"\b\d{3} \d{3} \d{3}(?: \d{5})?\b", luhn),
    (r"\b(?:GB|FR)\d\d(?: [A-Z0-9]{1,4}){5,6}\b", iban),
    (r"\b999 \d{3} \d{4}\b", nhs),
    (r"\b[12] \d\d \d\d \d\d \d{3} \d{3} \d\d\b", nir),
    (r"(?<=routing number )\d{9}\b", routing),
    (r"\b[A-Z]{2} \d\d \d\d \d\d [A-Z]\b", nino),
    (r"\b\d{3}-\d{2}-\d{4}\b", ssn),
)


def check_identifiers() -> Iterator[str]:
    """Identifiers whose checksum or shape is wrong, and kinds of which there is none."""
    folders = (HERE / "documents", HERE / "sources")
    files = [path for folder in folders for path in folder.rglob("*.*") if path.suffix not in BUILDERS]
    for pattern, valid in IDENTIFIERS:
        found = [(path, hit) for path in files for hit in re.findall(pattern, path.read_text(encoding="utf-8"))]
        if not found:
            yield f"no identifier for {valid.__name__}"
        for path, hit in found:
            if not valid(re.sub(r"[ -]", "", hit)):
                yield f"{path.relative_to(HERE)}: {valid.__name__} does not hold for {hit}"


def main() -> int:
    """Build, or check and return 1 on any finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", default="build", choices=["build", "check"])
    if parser.parse_args().command == "build":
        sys.stdout.write(f"{build()} documents built\n")
        return 0
    findings = list(check())
    sys.stdout.writelines(f"{finding}\n" for finding in findings or ["everything holds"])
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
