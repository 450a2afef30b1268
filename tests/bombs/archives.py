"""Archives that lie about what they hold, and the office files that are made of them."""

import io
import zipfile
from functools import partial

from tests.bombs.bomb import CANARY_FILE, CANARY_URL, Bomb
from tests.bombs.packages import Entry, archive, deflated, docx, epub, odt, relation, xlsx, zeros

LAUGHS = "<!DOCTYPE x [<!ENTITY l0 'ha'>{}]>".format(
    "".join(f"<!ENTITY l{at} '{f'&l{at - 1};' * 10}'>" for at in range(1, 12))
)
QUADRATIC = f"<!DOCTYPE x [<!ENTITY q '{'a' * 50_000}'>]>"
EXTERNAL = f'<!DOCTYPE x [<!ENTITY q SYSTEM "file://{CANARY_FILE}"><!ENTITY r SYSTEM "{CANARY_URL}">]>'
PARAMETER = f'<!DOCTYPE x [<!ENTITY % q SYSTEM "{CANARY_URL}"> %q;]>'
DECLARATIONS = {"laughs": LAUGHS, "quadratic": QUADRATIC, "external": EXTERNAL, "parameter": PARAMETER}
"""Document types that no office program writes, each with what it declares."""


def _nested(levels: int) -> bytes:
    inner = docx()
    for level in range(levels):
        inner = archive([deflated(f"{level}.zip", inner)])
    return inner


def _zip_of_zips() -> bytes:
    """42.zip: sixteen times sixteen times … a file of zeros."""
    inner = archive([zeros("0.dll", 16)])
    for _ in range(4):
        inner = archive([deflated(f"{number}.zip", inner) for number in range(16)])
    return inner


def _overlapping() -> bytes:
    kernel = zeros("0", 16)
    return archive(
        [
            deflated("[Content_Types].xml", "wordprocessingml.document.main+xml"),
            *(Entry(name=str(number), raw=kernel.raw, size=kernel.size, crc=kernel.crc) for number in range(200)),
        ],
        overlapping=True,
    )


def _encoded(declaration: str, codec: str) -> bytes:
    """A core part in an encoding in which no byte of a declaration looks like one."""
    text = f'<?xml version="1.0" encoding="{codec}"?>{declaration}<x>&l11;</x>'
    raw = text.encode(codec).replace(b"<!", b"+ADwAIQ-" if codec == "utf-7" else b"<!")
    return docx(more=[deflated("docProps/core.xml", raw)])


def _linked() -> bytes:
    relations = "".join(
        relation(f"e{at}", kind, target, external=True)
        for at, (kind, target) in enumerate(
            [
                ("attachedTemplate", f"{CANARY_URL}/template.dotm"),
                ("image", f"{CANARY_URL}/image.png"),
                ("image", f"file://{CANARY_FILE}"),
                ("oleObject", f"{CANARY_URL}/object"),
                ("subDocument", f"file://{CANARY_FILE}"),
                ("hyperlink", f"{CANARY_URL}/link"),
                ("frame", f"{CANARY_URL}/frame"),
            ]
        )
    )
    fields = "".join(
        f'<w:p><w:fldSimple w:instr="{code}"><w:r><w:t>a field</w:t></w:r></w:fldSimple></w:p>'
        for code in (f"INCLUDETEXT {CANARY_FILE}", f"INCLUDEPICTURE {CANARY_URL}", f"DDEAUTO c:\\\\x {CANARY_URL}")
    )
    return docx(f'{fields}<w:altChunk r:id="e3"/><w:subDoc r:id="e4"/>', relations=relations)


def _sheet_rows(count: int, column: str) -> str:
    return "".join(f'<row r="{at}"><c r="{column}{at}"><v>1</v></c></row>' for at in range(1, count + 1))


def _slides() -> bytes:
    import pptx

    deck, target = pptx.Presentation(), io.BytesIO()
    deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "A line."
    deck.save(target)
    changed = io.BytesIO()
    with zipfile.ZipFile(target) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            head = LAUGHS.encode() if name == "ppt/slides/slide1.xml" else b""
            new.writestr(name, head + old.read(name).partition(b"?>")[2] if head else old.read(name))
    return changed.getvalue()


_DEEP = 100_000
_LINK = 0xA1ED0000  # a symbolic link, in the upper half of the attributes

ZIPS = (
    Bomb(name="docx in a zip in a zip", file="a.zip", outcome="unsupported_format", make=lambda: _nested(2)),
    Bomb(name="docx in a zip in a zip, called docx", file="a.docx", outcome="wrong_format", make=lambda: _nested(2)),
    Bomb(name="zips in zips in zips", file="a.docx", outcome="wrong_format", make=_zip_of_zips),
    Bomb(name="200 entries that are one", file="a.docx", outcome="bomb", make=_overlapping),
    Bomb(
        name="a part of one gigabyte",
        file="a.docx",
        outcome="bomb",
        make=lambda: docx(more=[zeros("word/media/x", 1024)]),
    ),
    Bomb(
        name="a part of one gigabyte that claims 1000 bytes",
        file="a.docx",
        outcome="corrupt",
        make=lambda: docx(more=[zeros("word/styles.xml", 1024, size=1000)]),
    ),
    Bomb(
        name="100,000 parts",
        file="a.docx",
        outcome="bomb",
        make=lambda: docx(more=[deflated(f"word/{number}.xml", "") for number in range(100_000)]),
    ),
    Bomb(
        name="9,900 parts that the document refers to",
        file="a.docx",
        outcome="read",
        make=lambda: docx(
            relations="".join(relation(f"x{at}", "customXml", f"{at}.bin") for at in range(9900)),
            more=[deflated(f"word/{at}.bin", "x") for at in range(9900)],
        ),
    ),
    Bomb(
        name="absolute, climbing and linked names",
        file="a.docx",
        outcome="corrupt",
        make=lambda: docx(
            relations=relation("x1", "image", "/../../../..//etc/passwd")
            + relation("x2", "styles", "../../../../etc/passwd"),
            more=[
                deflated("/etc/passwd", "x"),
                deflated("../../../../etc/passwd", "x"),
                deflated("word/link.xml", CANARY_FILE, attributes=_LINK),
                deflated("C:\\x\0.xml", "<x/>"),
            ],
        ),
    ),
)
OFFICE_FILES = (
    *(
        Bomb(
            name=f"{what} in the document part",
            file="a.docx",
            outcome="hostile",
            make=partial(docx, head=head),
        )
        for what, head in DECLARATIONS.items()
    ),
    *(
        Bomb(name=f"{what} in a sheet", file="a.xlsx", outcome="hostile", make=partial(xlsx, "", head=head))
        for what, head in DECLARATIONS.items()
    ),
    *(
        Bomb(name=f"{what} in the content", file="a.odt", outcome="hostile", make=partial(odt, head=head))
        for what, head in DECLARATIONS.items()
    ),
    *(
        Bomb(
            name=f"{what} in the package file",
            file="a.epub",
            outcome="hostile",
            make=partial(epub, "page.xhtml", head=head),
        )
        for what, head in DECLARATIONS.items()
    ),
    Bomb(name="laughs in a slide", file="a.pptx", outcome="hostile", make=_slides),
    Bomb(name="laughs in UTF-16", file="a.docx", outcome="hostile", make=lambda: _encoded(LAUGHS, "utf-16")),
    Bomb(name="laughs in UTF-7", file="a.docx", outcome="hostile", make=lambda: _encoded(LAUGHS, "utf-7")),
    Bomb(name="laughs in EBCDIC", file="a.docx", outcome="hostile", make=lambda: _encoded(LAUGHS, "cp037")),
    Bomb(name="laughs in UTF-32", file="a.docx", outcome="hostile", make=lambda: _encoded(LAUGHS, "utf-32")),
    Bomb(name="links to everything", file="a.docx", outcome="read", make=_linked),
    Bomb(
        name="tables in tables, 100,000 deep",
        file="a.docx",
        outcome="corrupt",
        make=lambda: docx("<w:tbl><w:tr><w:tc>" * _DEEP + "</w:tc></w:tr></w:tbl>" * _DEEP),
    ),
    Bomb(
        name="tables in tables, 80 deep",
        file="a.docx",
        outcome="read",
        make=lambda: docx("<w:tbl><w:tr><w:tc>" * 80 + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * 80),
    ),
    Bomb(
        name="a cell that spans a billion columns",
        file="a.docx",
        outcome="read",
        make=lambda: docx(
            '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="1000000000"/></w:tcPr><w:p/></w:tc></w:tr></w:tbl>'
        ),
    ),
    Bomb(
        name="content controls 5,000 deep",
        file="a.docx",
        outcome="corrupt",
        make=lambda: docx("<w:sdt><w:sdtContent>" * 5000 + "</w:sdtContent></w:sdt>" * 5000),
    ),
    Bomb(
        name="300,000 empty paragraphs",
        file="a.docx",
        outcome="too_large",
        make=lambda: docx("<w:p/>" * 300_000),
    ),
    Bomb(
        name="one value in a sheet of all rows and columns",
        file="a.xlsx",
        outcome="read",
        make=lambda: xlsx('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    ),
    Bomb(
        name="300,000 rows with a value in the last column",
        file="a.xlsx",
        outcome="too_large",
        make=lambda: xlsx(_sheet_rows(300_000, "XFD")),
    ),
    Bomb(
        name="a row number of a billion",
        file="a.xlsx",
        outcome="corrupt",
        make=lambda: xlsx('<row r="1000000000"><c r="A1000000000"><v>1</v></c></row>'),
    ),
    Bomb(
        name="one string of a megabyte in 100,000 cells",
        file="a.xlsx",
        outcome="out_of_memory",
        make=lambda: xlsx(
            "".join(f'<row r="{at}"><c r="A{at}" t="s"><v>0</v></c></row>' for at in range(1, 100_001)),
            strings=f"<si><t>{'word ' * 200_000}</t></si>",
        ),
    ),
    Bomb(
        name="a billion spaces by one element",
        file="a.odt",
        outcome="read",
        make=lambda: odt('<text:p>x<text:s text:c="1000000000"/>y</text:p>'),
    ),
    Bomb(
        name="a cell repeated a billion times",
        file="a.odt",
        outcome="too_large",
        make=lambda: odt(
            '<table:table><table:table-row table:number-rows-repeated="1000000"><table:table-cell '
            'table:number-columns-repeated="1000"><text:p>x</text:p></table:table-cell></table:table-row></table:table>'
        ),
    ),
    Bomb(
        name="sections 100,000 deep",
        file="a.odt",
        outcome="corrupt",
        make=lambda: odt("<text:section>" * _DEEP + "</text:section>" * _DEEP),
    ),
    Bomb(
        name="a Word file that says it is OpenDocument",
        file="a.odt",
        outcome="wrong_format",
        make=lambda: odt(mimetype="application/msword"),
    ),
    Bomb(
        name="a spine of files outside",
        file="a.epub",
        outcome="read",
        make=lambda: epub(
            "page.xhtml", f"../../../..{CANARY_FILE}", CANARY_FILE, f"file://{CANARY_FILE}", CANARY_URL, "missing.xhtml"
        ),
    ),
    Bomb(
        name="a spine that names one page 10,000 times",
        file="a.epub",
        outcome="read",
        make=lambda: epub(
            *["page.xhtml"] * 10_000, page=b"<html><body>" + b"<p>An ordinary line.</p>" * 50_000 + b"</body></html>"
        ),
    ),
    Bomb(
        name="a package file outside",
        file="a.epub",
        outcome="corrupt",
        make=lambda: epub("page.xhtml", rootfile=f"../../../..{CANARY_FILE}"),
    ),
)
