"""Web pages, Markdown, reStructuredText and RTF whose shape is the weapon."""

from functools import partial

from tests.bombs.archives import DECLARATIONS
from tests.bombs.bomb import CANARY_FILE, CANARY_URL, Bomb

_LINE = "An ordinary line.\n"


def html(body: str) -> str:
    """A page of one line, then `body`."""
    return f"<!DOCTYPE html><html><body><p>{_LINE}</p>{body}"


_LINKS = f"""
<base href="{CANARY_URL}"><iframe src="file://{CANARY_FILE}"></iframe><img src="{CANARY_URL}">
<link rel=stylesheet href="{CANARY_URL}"><object data="file://{CANARY_FILE}">
"""
_INCLUSIONS = f"""{_LINE}
.. include:: {CANARY_FILE}

.. raw:: html
   :file: {CANARY_FILE}

.. raw:: html
   :url: {CANARY_URL}

.. csv-table::
   :file: {CANARY_FILE}

.. literalinclude:: {CANARY_FILE}
"""
_FIELDS = (
    r"{\rtf1 An ordinary line.\par {\field{\*\fldinst INCLUDETEXT FILE}{\fldrslt x}}{\*\template URL}"
    r"{\object\objlink{\*\objdata HEX}}}"
)


PAGES = (
    *(
        Bomb(name=what, file="a.html", outcome="read", make=partial(html, f"{head}&l11;&q;"))
        for what, head in DECLARATIONS.items()
    ),
    Bomb(
        name="1,000,000 tags that never close", file="a.html", outcome="corrupt", make=lambda: html("<div>" * 1_000_000)
    ),
    Bomb(
        name="1,000,000 bold tags that never close",
        file="a.html",
        outcome="corrupt",
        make=lambda: html("<b>word " * 1_000_000),
    ),
    Bomb(
        name="tables in tables, 100,000 deep",
        file="a.html",
        outcome="corrupt",
        make=lambda: html("<table><tr><td>" * 100_000),
    ),
    Bomb(
        name="lists in lists, 100,000 deep",
        file="a.html",
        outcome="corrupt",
        make=lambda: html("<ul><li>word" * 100_000),
    ),
    Bomb(
        name="100,000 paragraphs",
        file="a.html",
        outcome="too_large",
        make=lambda: html("<p>An ordinary line." * 100_000),
    ),
    Bomb(
        name="a table of 1,000,000 cells",
        file="a.html",
        outcome="too_large",
        make=lambda: html("<table>" + ("<tr>" + "<td>x</td>" * 10) * 100_000),
    ),
    Bomb(
        name="cells that span 1000 by 65,534",
        file="a.html",
        outcome="read",
        make=lambda: html("<table>" + "<tr><td colspan=1000 rowspan=65534>x</td></tr>" * 30_000),
    ),
    Bomb(
        name="1,000,000 comments that never end", file="a.html", outcome="read", make=lambda: html("<!--" * 1_000_000)
    ),
    Bomb(
        name="1,000,000 scripts that never end",
        file="a.html",
        outcome="read",
        make=lambda: html("<script>" * 1_000_000),
    ),
    Bomb(
        name="1,000,000 cells that never end", file="a.html", outcome="too_large", make=lambda: html("<td " * 1_000_000)
    ),
    Bomb(name="1,000,000 menus that never end", file="a.html", outcome="read", make=lambda: html("<nav " * 1_000_000)),
    Bomb(name="3,000,000 titles", file="a.html", outcome="corrupt", make=lambda: html("<title>" * 3_000_000)),
    Bomb(
        name="a tag of 5 megabytes",
        file="a.html",
        outcome="read",
        make=lambda: html("<a x='" + "y" * 5_000_000 + "'>z</a>"),
    ),
    Bomb(
        name="links to everything",
        file="a.html",
        outcome="read",
        make=lambda: html(_LINKS),
    ),
    Bomb(name="quotes 50,000 deep", file="a.md", outcome="read", make=lambda: ">" * 50_000 + f" {_LINE}"),
    Bomb(
        name="lists 2,000 deep",
        file="a.md",
        outcome="read",
        make=lambda: b"".join(b" " * 2 * at + b"- word\n" for at in range(2000)),
    ),
    Bomb(name="500,000 brackets", file="a.md", outcome="read", make=lambda: b"[" * 500_000),
    Bomb(name="500,000 stars", file="a.md", outcome="read", make=lambda: b"*a **b " * 70_000),
    Bomb(
        name="500,000 backticks",
        file="a.md",
        outcome="read",
        make=lambda: b"".join(b"`" * (1 + at % 300) + b"a" for at in range(3000)),
    ),
    Bomb(
        name="front matter that never ends",
        file="a.md",
        outcome="read",
        make=lambda: b"---\ntitle: " + b"a" + b" " * 300_000 + b"b\n" + b"x: y\n" * 500_000,
    ),
    Bomb(
        name="a title of spaces in front matter",
        file="a.md",
        outcome="read",
        make=lambda: b"---\ntitle: a" + b" " * 300_000 + b"b\n---\n" + _LINE.encode(),
    ),
    Bomb(
        name="files included",
        file="a.rst",
        outcome="read",
        make=lambda: _INCLUSIONS,
    ),
    Bomb(
        name="a substitution that doubles thirty times",
        file="a.rst",
        outcome="bomb",
        make=lambda: (
            "".join(f".. |s{at}| replace:: |s{at - 1}| |s{at - 1}|\n" for at in range(1, 30))
            + ".. |s0| replace:: word\n\n|s29|\n"
        ),
    ),
    Bomb(
        name="a substitution that doubles thirty times, backwards",
        file="a.rst",
        outcome="bomb",
        make=lambda: (
            "|s29|\n\n"
            + "".join(f".. |s{at}| replace:: |s{at - 1}| |s{at - 1}|\n" for at in range(29, 0, -1))
            + ".. |s0| replace:: word\n"
        ),
    ),
    Bomb(
        name="substitutions in a circle",
        file="a.rst",
        outcome="read",
        make=lambda: "A word.\n\n.. |a| replace:: |b|\n.. |b| replace:: |a|\n\n|a|\n",
    ),
    Bomb(
        name="quotes 2,000 deep",
        file="a.rst",
        outcome="corrupt",
        make=lambda: b"".join(b" " * at + b"word\n\n" for at in range(2000)),
    ),
    Bomb(
        name="groups 100,000 deep",
        file="a.rtf",
        outcome="corrupt",
        make=lambda: b"{\\rtf1 " + b"{" * 100_000 + b"x" + b"}" * 100_001,
    ),
    Bomb(
        name="groups that never close",
        file="a.rtf",
        outcome="corrupt",
        make=lambda: b"{\\rtf1 " + b"{\\b x" * 2_000_000,
    ),
    Bomb(
        name="groups that were never opened",
        file="a.rtf",
        outcome="read",
        make=lambda: b"{\\rtf1 An ordinary line." + b"}" * 2_000_000,
    ),
    Bomb(
        name="two gigabytes of binary that are not there",
        file="a.rtf",
        outcome="read",
        make=lambda: b"{\\rtf1 An ordinary line.\\par {\\pict\\bin2147483647 x}}",
    ),
    Bomb(
        name="an object of hex and links",
        file="a.rtf",
        outcome="read",
        make=lambda: _FIELDS.replace("FILE", CANARY_FILE).replace("URL", CANARY_URL).replace("HEX", "00" * 1_000_000),
    ),
    Bomb(
        name="unicode escapes with a billion fallbacks",
        file="a.rtf",
        outcome="read",
        make=lambda: b"{\\rtf1\\uc1000000000 " + b"\\u233 ?" * 300_000 + b"}",
    ),
)
