"""HTML without what is not content: menus, scripts, and tables that only place things on the page."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

MAX_CELL_CHARS = 4000  # chosen, of source: of 66 tables tried the longest cell of data has 2,983, of layout 7,634

_NAME_ENDS = r"(?=[\s/>])"  # `nav-bar` is not `nav`
_UNSEEN = re.compile(rf"<(!(?=--)|(?:script|style){_NAME_ENDS})", re.IGNORECASE)
_ENDS: Mapping[str, re.Pattern[str]] = {
    "!": re.compile("--!?>"),  # also in `<!-->`, which is a whole comment
    "script": re.compile(rf"</script{_NAME_ENDS}[^<>]*+>", re.IGNORECASE),
    "style": re.compile(rf"</style{_NAME_ENDS}[^<>]*+>", re.IGNORECASE),
}
# A tag ends before the next begins: looking to the end of the page for each took minutes for a million `<nav `.
_NAV = re.compile(rf"<(/?)nav{_NAME_ENDS}[^<>]*+>", re.IGNORECASE)
_TABLE = re.compile(rf"<(/?)(table|thead|tbody|tfoot|tr|td|th|form){_NAME_ENDS}[^<>]*+>", re.IGNORECASE)
# Of the page unstructured reads the first `main` alone, and never what is for readers without scripts.
_PASSED_OVER = re.compile(rf"<(/?)(?:main|noscript){_NAME_ENDS}[^<>]*+>", re.IGNORECASE)
_CELLS = frozenset({"td", "th"})
# What changes the look of letters, and parts no words.
_LOOKS = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "mark", "s", "small", "span", "strong", "tt", "u", "wbr"}
)


@dataclass(kw_only=True)
class _Table:
    """A table that is being read: where its own tags stand, and what tells whether it is one."""

    tags: list[re.Match[str]] = field(default_factory=list)
    cells: int = 0
    cell_start: int | None = None
    longest_cell: int = 0
    holds_table: bool = False
    holds_form: bool = False

    def note(self, tag: re.Match[str]) -> None:
        if tag[2].lower() == "form":
            self.holds_form |= not self._in_cell()
            return
        self.tags.append(tag)
        if tag[2].lower() not in _CELLS:
            return
        if tag[1]:
            self.longest_cell = max(self.longest_cell, tag.start() - (self.cell_start or tag.start()))
        else:
            self.cells += 1
            self.cell_start = tag.end()

    def places_things(self) -> bool:
        whole = self.cells > 1 and not self.holds_table and not self.holds_form
        return not whole or self.longest_cell > MAX_CELL_CHARS

    def _in_cell(self) -> bool:
        return self.tags[-1][2].lower() in _CELLS and not self.tags[-1][1]


def clean(html: str) -> str:
    """`html` without scripts, comments and `nav`, and with `main`, `noscript` and layout tables as `div`.

    A table is layout when it holds another table, a single cell, a form around rows, or a cell longer than
    MAX_CELL_CHARS, as in newsletters and old pages. unstructured would make one line of all its text, or drop the rows.
    """
    # Nothing takes the place of a comment: `jane@<!-- -->example.com` is one word to a reader.
    return _without_layout_tables(_PASSED_OVER.sub(r"<\1div>", _without_menus("".join(_seen(html)))))


def flowing(node: Any) -> str:  # noqa: ANN401 - lxml publishes no types
    """The text in an element, parted where one in it begins or ends that does more than change the look of letters."""
    text: list[str] = []
    for event, inner in etree.iterwalk(node, events=("start", "end")):
        text.append("" if inner.tag in _LOOKS else " ")
        text.append((inner.text if event == "start" else inner is not node and inner.tail) or "")
    return "".join(text)


def _seen(html: str) -> Iterator[str]:
    """What stands between scripts, styles and comments; one that does not end is left to the parser."""
    begin = at = 0
    endless: set[str] = set()
    while opening := _UNSEEN.search(html, at):
        kind, at = opening[1].lower(), opening.end()
        end = None if kind in endless else _ENDS[kind].search(html, at)
        if end:
            yield html[begin : opening.start()]
            begin = at = end.end()
        else:
            endless.add(kind)
    yield html[begin:]


def _without_menus(html: str) -> str:
    kept: list[str] = []
    depth, begin = 0, 0
    for tag in _NAV.finditer(html):
        if not tag[1]:
            if depth == 0:
                kept.append(html[begin : tag.start()])
                begin = tag.start()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                begin = tag.end()
    return "".join([*kept, html[begin:]])  # with a menu that never ends


def _without_layout_tables(html: str) -> str:
    open_tables: list[_Table] = []
    layout: list[re.Match[str]] = []
    for tag in _TABLE.finditer(html):
        name, closing = tag[2].lower(), bool(tag[1])
        if name == "table" and not closing:
            if open_tables:
                open_tables[-1].holds_table = True
            open_tables.append(_Table())
        if not open_tables:
            continue
        open_tables[-1].note(tag)
        if name == "table" and closing:
            table = open_tables.pop()
            layout += table.tags if table.places_things() else []
    for table in open_tables:
        layout += table.tags if table.places_things() else []
    return "".join(_with_divs(html, sorted(layout, key=re.Match.start)))


def _with_divs(html: str, tags: list[re.Match[str]]) -> Iterator[str]:
    begin = 0
    for tag in tags:
        yield html[begin : tag.start()]
        yield f"<{tag[1]}div>"
        begin = tag.end()
    yield html[begin:]
