"""PDF files that refer to themselves, and that unpack to far more than they are."""

import zlib
from collections.abc import Mapping

from tests.bombs.bomb import CANARY_FILE, CANARY_URL, Bomb

CATALOG, PAGES, PAGE, CONTENT = 1, 2, 3, 4
TEXT = b"BT /F 12 Tf 72 720 Td (An ordinary line.) Tj ET"
_FONT = b"<</Font <</F <</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
_ORDINARY: Mapping[int, bytes] = {
    CATALOG: b"<</Type/Catalog/Pages 2 0 R>>",
    PAGES: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
    PAGE: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources " + _FONT + b">>",
    CONTENT: b"<</Length %d>>stream\n%s\nendstream" % (len(TEXT), TEXT),
}


def pdf(objects: Mapping[int, bytes] | None = None, *, trailer: bytes = b"") -> bytes:
    """A document of one page with one line, with some of its `objects` replaced or added."""
    body, places = bytearray(b"%PDF-1.7\n"), {}
    for number, content in sorted({**_ORDINARY, **(objects or {})}.items()):
        places[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    size = max(places) + 1
    table = b"".join(
        b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n" for number in range(size)
    )
    start = len(body)
    body += b"xref\n0 %d\n%strailer\n<</Size %d/Root 1 0 R %s>>\n" % (size, table, size, trailer)
    return bytes(body + b"startxref\n%d\n%%%%EOF\n" % start).replace(b"@STARTXREF", b"%010d" % start)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A stream object that holds `content` as it is."""
    return b"<</Length %d %s>>stream\n%s\nendstream" % (len(content), entries, content)


def _packed(content: bytes, times: int = 1, entries: bytes = b"") -> bytes:
    for _ in range(times):
        content = zlib.compress(content, 9)
    return stream(content, b"/Filter[" + b"/FlateDecode" * times + b"]" + entries)


def _gigabyte(block: bytes, times: int) -> bytes:
    """`block`, a mebibyte, 1024 times, deflated `times` times over."""
    packer = zlib.compressobj(9)
    head = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    middle = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    again = middle.compress(block) + middle.flush(zlib.Z_FULL_FLUSH)
    raw = head + again * 1023 + b"\x03\x00\x00\x00\x00\x00"
    return _packed(raw, times - 1, b"").replace(b"/Filter[", b"/Filter[/FlateDecode")


def _page(entries: bytes, *, resources: bytes = _FONT) -> bytes:
    return b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources %s %s>>" % (resources, entries)


def _two_tables_in_a_ring() -> bytes:
    """An older table that names the newer as its older one."""
    first = pdf(trailer=b"/Prev @STARTXREF")
    start = len(first)
    second = b"xref\n0 0\ntrailer\n<</Size 5/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
    older = int(first.rsplit(b"startxref\n", 1)[1].split()[0])
    return first.replace(b"/Prev %010d" % older, b"/Prev %010d" % start) + second % (older, start)


def _deep_pages(levels: int) -> bytes:
    tree = {10 + at: b"<</Type/Pages/Parent %d 0 R/Kids[%d 0 R]/Count 1>>" % (9 + at, 11 + at) for at in range(levels)}
    return pdf({PAGES: b"<</Type/Pages/Kids[10 0 R]/Count 1>>", **tree, 10 + levels: _page(b"")})


_RECURSIVE_FORM = {
    CONTENT: stream(TEXT + b" /X Do"),
    PAGE: _page(b"", resources=b"<</XObject<</X 5 0 R>>/Font<</F 6 0 R>>>>"),
    5: stream(b"/X Do /X Do", b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>"),
    6: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
}
_FORMS_OF_FORMS = {
    CONTENT: stream(TEXT + b" /X Do"),
    PAGE: _page(b"", resources=b"<</XObject<</X 10 0 R>>/Font<</F 6 0 R>>>>"),
    6: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    **{
        10 + at: stream(
            b"/X Do " * 10,
            b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>" % (11 + at),
        )
        for at in range(12)
    },
    22: stream(TEXT, b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F 6 0 R>>>>"),
}
_DRAWN_BY_ITSELF = {
    CONTENT: stream(b"BT /F 12 Tf 72 720 Td (aaaa) Tj ET"),
    PAGE: _page(b"", resources=b"<</Font<</F 5 0 R>>>>"),
    5: b"<</Type/Font/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/CharProcs<</a 6 0 R>>/Encoding<</Type"
    b"/Encoding/Differences[97/a]>>/FirstChar 97/LastChar 97/Widths[9]/Resources<</Font<</F 5 0 R>>>>>>",
    6: stream(b"9 0 d0 BT /F 12 Tf (aaaa) Tj ET"),
}
_FIELDS_IN_A_RING = {
    CATALOG: b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[5 0 R]/DA(/F 9 Tf)>>>>",
    PAGE: _page(b"/Annots[5 0 R 6 0 R]"),
    5: b"<</T(a)/FT/Tx/Kids[6 0 R]/Parent 6 0 R/Type/Annot/Subtype/Widget/Rect[0 0 9 9]>>",
    6: b"<</T(b)/FT/Tx/Kids[5 0 R]/Parent 5 0 R/Type/Annot/Subtype/Widget/Rect[0 0 9 9]>>",
}
_NAMES_IN_A_RING = {
    CATALOG: b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles 5 0 R>>>>",
    5: b"<</Kids[5 0 R 6 0 R]/Limits[(a)(z)]>>",
    6: b"<</Kids[5 0 R]/Limits[(a)(z)]>>",
}
_REACHES_OUT = {
    CATALOG: b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/URI/URI(%s)>>/AA<</O<</S/GoToR/F(%s)>>>>>>"
    % (CANARY_URL.encode(), CANARY_FILE.encode()),
    PAGE: _page(b"", resources=b"<</XObject<</X 5 0 R>>/Font<</F 6 0 R>>>>"),
    CONTENT: stream(TEXT + b" /X Do"),
    5: b"<</Type/XObject/Subtype/Form/F<</FS/URL/F(%s)>>/FFilter/FlateDecode/Length 0>>stream\n\nendstream"
    % CANARY_URL.encode(),
    6: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
}
_WIDE_IMAGE = {
    PAGE: _page(b"", resources=b"<</XObject<</X 5 0 R>>>>"),
    CONTENT: stream(b"q 612 0 0 792 0 0 cm /X Do Q"),
    5: _packed(
        bytes(10_000),
        entries=b"/Type/XObject/Subtype/Image/Width 100000/Height 100000/BitsPerComponent 8/ColorSpace/DeviceRGB",
    ),
}
_SELF_STORED = stream(
    b"5 0 1 30 " + b"<</Type/ObjStm/N 2/First 9>>",
    b"/Type/ObjStm/N 2/First 9/Extends 5 0 R",
)

PDFS = (
    Bomb(name="an ordinary one, so that the others differ by what they do", file="a.pdf", outcome="read", make=pdf),
    Bomb(
        name="a page tree that contains itself",
        file="a.pdf",
        outcome="corrupt",
        make=lambda: pdf({PAGES: b"<</Type/Pages/Kids[2 0 R 2 0 R 3 0 R]/Count 3/Parent 2 0 R>>"}),
    ),
    Bomb(
        name="two nodes that are each other's parents",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf(
            {
                PAGES: b"<</Type/Pages/Kids[5 0 R]/Count 1/Parent 5 0 R>>",
                5: b"<</Type/Pages/Kids[3 0 R]/Count 1/Parent 2 0 R>>",
                PAGE: b"<</Type/Page/Parent 5 0 R/Contents 4 0 R>>",
            }
        ),
    ),
    Bomb(
        name="a tree of pages 100,000 deep",
        file="a.pdf",
        outcome="corrupt",
        make=lambda: _deep_pages(100_000),
    ),
    Bomb(
        name="a count of a billion pages",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf({PAGES: b"<</Type/Pages/Kids[3 0 R]/Count 1000000000>>"}),
    ),
    Bomb(
        name="a negative count of pages",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf({PAGES: b"<</Type/Pages/Kids[3 0 R]/Count -1>>"}),
    ),
    Bomb(
        name="one page 1,000,000 times",
        file="a.pdf",
        outcome="too_large",
        make=lambda: pdf({PAGES: b"<</Type/Pages/Kids[%s]/Count 1000000>>" % (b"3 0 R " * 1_000_000)}),
    ),
    Bomb(
        name="a table that is older than itself",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf(trailer=b"/Prev @STARTXREF"),
    ),
    Bomb(name="two tables in a ring", file="a.pdf", outcome="read", make=_two_tables_in_a_ring),
    Bomb(
        name="an object stream that is stored in itself",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf({5: _SELF_STORED}),
    ),
    Bomb(
        name="a length that refers to its own stream",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf({CONTENT: b"<</Length 4 0 R>>stream\n%s\nendstream" % TEXT}),
    ),
    Bomb(
        name="an object that is a reference to itself",
        file="a.pdf",
        outcome="no_text",
        make=lambda: pdf({CONTENT: b"4 0 R"}),
    ),
    Bomb(
        name="a gigabyte of zeros as content",
        file="a.pdf",
        outcome="crashed",
        make=lambda: pdf({CONTENT: _gigabyte(bytes(2**20), 1)}),
    ),
    Bomb(
        name="a gigabyte of zeros, deflated three times",
        file="a.pdf",
        outcome="crashed",
        make=lambda: pdf({CONTENT: _gigabyte(bytes(2**20), 3)}),
    ),
    Bomb(
        name="a gigabyte of text, deflated three times",
        file="a.pdf",
        outcome="crashed",
        make=lambda: pdf({CONTENT: _gigabyte((TEXT + b"\n").ljust(64) * 2**14, 3)}),
    ),
    Bomb(
        name="40 megabytes of text on one page",
        file="a.pdf",
        outcome="crashed",
        make=lambda: pdf(
            {CONTENT: _packed(b"BT /F 9 Tf 1 0 0 1 72 720 Tm " + b"(An ordinary line.) Tj T* " * 1_500_000 + b"ET")}
        ),
    ),
    Bomb(
        name="a filter named 10,000 times",
        file="a.pdf",
        outcome="no_text",
        make=lambda: pdf({CONTENT: stream(zlib.compress(TEXT), b"/Filter[" + b"/FlateDecode" * 10_000 + b"]")}),
    ),
    Bomb(
        name="a page of a billion points",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf({PAGE: _page(b"/MediaBox[0 0 1000000000 1000000000]")}),
    ),
    Bomb(name="a picture of 100,000 by 100,000 points", file="a.pdf", outcome="no_text", make=lambda: pdf(_WIDE_IMAGE)),
    Bomb(
        name="arrays 1,000,000 deep",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf({5: b"[" * 1_000_000 + b"]" * 1_000_000, CATALOG: b"<</Type/Catalog/Pages 2 0 R/X 5 0 R>>"}),
    ),
    Bomb(
        name="arrays 1,000,000 deep in the content",
        file="a.pdf",
        outcome="no_text",
        make=lambda: pdf({CONTENT: stream(b"[" * 1_000_000 + TEXT)}),
    ),
    Bomb(
        name="a state saved 2,000,000 times",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf({CONTENT: stream(b"q " * 2_000_000 + TEXT)}),
    ),
    Bomb(name="a form that draws itself", file="a.pdf", outcome="crashed", make=lambda: pdf(_RECURSIVE_FORM)),
    Bomb(name="a form of ten forms of ten forms", file="a.pdf", outcome="crashed", make=lambda: pdf(_FORMS_OF_FORMS)),
    Bomb(name="a font that is written in itself", file="a.pdf", outcome="read", make=lambda: pdf(_DRAWN_BY_ITSELF)),
    Bomb(
        name="fields that are each other's parents", file="a.pdf", outcome="read", make=lambda: pdf(_FIELDS_IN_A_RING)
    ),
    Bomb(name="a tree of names that contains itself", file="a.pdf", outcome="read", make=lambda: pdf(_NAMES_IN_A_RING)),
    Bomb(name="contents and actions elsewhere", file="a.pdf", outcome="read", make=lambda: pdf(_REACHES_OUT)),
    Bomb(
        name="one word of 3,000,000 letters",
        file="a.pdf",
        outcome="read",
        make=lambda: pdf({CONTENT: stream(b"BT /F 1 Tf 0 9 Td (" + b"a" * 3_000_000 + b") Tj ET")}),
    ),
)
