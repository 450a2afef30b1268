"""Plain text, tables, JSON and XML whose shape is the weapon."""

from functools import partial

from tests.bombs.archives import DECLARATIONS
from tests.bombs.bomb import Bomb

_LINE = "An ordinary line.\n"


def _xml(declaration: str) -> str:
    return f"{declaration}<x>&l11;&q;</x>"


TEXTS = (
    Bomb(
        name="10,000,000 paragraphs of one letter",
        file="a.txt",
        outcome="too_large",
        make=lambda: b"a\n\n" * 10_000_000,
    ),
    Bomb(name="one line of 40 megabytes", file="a.txt", outcome="too_large", make=lambda: b"word " * 8_000_000),
    Bomb(name="one word of 10 megabytes", file="a.txt", outcome="read", make=lambda: b"a" * 10_000_000),
    Bomb(
        name="5 megabytes of spaces between two words",
        file="a.txt",
        outcome="read",
        make=lambda: b"a" + b" " * 5_000_000 + b"b",
    ),
    Bomb(
        name="5 megabytes of blank lines", file="a.txt", outcome="read", make=lambda: b"a" + b"\n \t" * 1_700_000 + b"b"
    ),
    Bomb(
        name="a letter with 1,000,000 accents",
        file="a.txt",
        outcome="read",
        make=lambda: "a" + "\u0301\u0323" * 500_000,
    ),
    Bomb(name="1,000,000 form feeds", file="a.txt", outcome="read", make=lambda: b"a" + b"\f" * 1_000_000 + b"b"),
    Bomb(
        name="zeros between the letters",
        file="a.txt",
        outcome="read",
        make=lambda: "An ordinary line.".encode("utf-16-be") * 1000,
    ),
    Bomb(name="half a character of UTF-16", file="a.txt", outcome="corrupt", make=lambda: b"\xff\xfea\0b"),
    Bomb(
        name="lone surrogates",
        file="a.txt",
        outcome="corrupt",
        make=lambda: "a\ud800 b \udfff".encode("utf-16", "surrogatepass"),
    ),
    Bomb(
        name="nothing but zero-width characters",
        file="a.txt",
        outcome="empty",
        make=lambda: "\u200b\u2060\ufeff" * 100_000,
    ),
    Bomb(
        name="bidirectional overrides",
        file="a.txt",
        outcome="read",
        make=lambda: "\u202e" * 100_000 + "abc" + "\u2066" * 100_000,
    ),
    Bomb(
        name="markup in UTF-7",
        file="a.html",
        outcome="read",
        make=lambda: b'<meta charset="utf-7">+ADw-script+AD4-alert(1)+ADw-/script+AD4- ' + _LINE.encode(),
    ),
    Bomb(
        name="1,000,000 lines of a mail that is none",
        file="a.txt",
        outcome="read",
        make=lambda: b"From: a\nTo: b\nDate: c\n" + b"Subject: d\n" * 1_000_000 + b"\nx",
    ),
)
TABLES = (
    Bomb(
        name="one cell of 10 megabytes",
        file="a.csv",
        outcome="corrupt",
        make=lambda: b'a,b\n"' + b"x" * 10_000_000 + b'",y\n',
    ),
    Bomb(name="1,000,000 columns", file="a.csv", outcome="read", make=lambda: (b"a," * 1_000_000 + b"b\n") * 3),
    Bomb(
        name="a header of 80 letters over 15,000,000 values",
        file="a.csv",
        outcome="out_of_memory",
        make=lambda: b"h" * 78 + b",b\n" + b"1,2\n" * 7_500_000,
    ),
    Bomb(
        name="a header of 1,000 names over 10,000 rows",
        file="a.csv",
        outcome="out_of_memory",
        make=lambda: ",".join(f"{at:a>70}" for at in range(1000)).encode() + b"\n" + (b"1," * 999 + b"1\n") * 10_000,
    ),
    Bomb(
        name="a quotation mark that never closes",
        file="a.csv",
        outcome="corrupt",
        make=lambda: b'a,b\n1,"2\n' + b"3,4\n" * 2_000_000,
    ),
    Bomb(name="10 megabytes of delimiters", file="a.tsv", outcome="empty", make=lambda: b"\t" * 10_000_000),
)
RECORDS = (
    Bomb(name="lists 200,000 deep", file="a.json", outcome="corrupt", make=lambda: b"[" * 200_000 + b"]" * 200_000),
    Bomb(name="lists 101 deep", file="a.json", outcome="corrupt", make=lambda: b"[" * 110 + b"1" + b"]" * 110),
    Bomb(
        name="objects 200,000 deep, in lines",
        file="a.jsonl",
        outcome="corrupt",
        make=lambda: b'{"a":1}\n' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    ),
    Bomb(
        name="10,000,000 empty lists",
        file="a.json",
        outcome="out_of_memory",
        make=lambda: b"[" + b"[]," * 10_000_000 + b"[]]",
    ),
    Bomb(
        name="10,000,000 numbers under a long path",
        file="a.json",
        outcome="out_of_memory",
        make=lambda: b'{"' + b"k" * 1000 + b'":[' + b"1," * 10_000_000 + b"1]}",
    ),
    Bomb(
        name="a number of 5,000,000 digits",
        file="a.json",
        outcome="read",
        make=lambda: b'{"a":' + b"9" * 5_000_000 + b"}",
    ),
    Bomb(
        name="elements 100,000 deep", file="a.xml", outcome="corrupt", make=lambda: b"<a>" * 100_000 + b"</a>" * 100_000
    ),
    Bomb(
        name="elements 99 deep with 100,000 leaves",
        file="a.xml",
        outcome="too_large",
        make=lambda: b"<tag>" * 99 + b"<b>c</b>" * 100_000 + b"</tag>" * 99,
    ),
    Bomb(
        name="5,000,000 elements",
        file="a.xml",
        outcome="out_of_memory",
        make=lambda: b"<a>" + b"<b/>" * 5_000_000 + b"</a>",
    ),
    Bomb(
        name="100,000 attributes",
        file="a.xml",
        outcome="read",
        make=lambda: b"<a " + b" ".join(b'x%d="y"' % at for at in range(100_000)) + b"/>",
    ),
    Bomb(
        name="1,000,000 namespaces",
        file="a.xml",
        outcome="read",
        make=lambda: b"<a>" + b"".join(b'<b xmlns:n%d="u">c</b>' % at for at in range(300_000)) + b"</a>",
    ),
    *(
        Bomb(name=what, file="a.xml", outcome="hostile", make=partial(_xml, head))
        for what, head in DECLARATIONS.items()
    ),
    *(
        Bomb(name=what, file="a.svg", outcome="hostile", make=partial(_xml, head))
        for what, head in DECLARATIONS.items()
    ),
)
