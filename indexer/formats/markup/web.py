"""HTML without what is not content: menus, scripts, and tables that only place things on the page."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAX_CELL_CHARS = 4000  # chosen, of source: of 66 tables tried the longest cell of data has 2,983, of layout 7,634

_UNSEEN = re.compile(r"<(!--|(?:script|style)\b)", re.IGNORECASE)
_ENDS: Mapping[str, re.Pattern[str]] = {
    "!--": re.compile("-->"),
    "script": re.compile(r"</script\s*+>", re.IGNORECASE),
    "style": re.compile(r"</style\s*+>", re.IGNORECASE),
}
# A tag ends before the next begins: looking to the end of the page for each took minutes for a million `<nav `.
_NAV = re.compile(r"<(/?)nav\b[^<>]*+>", re.IGNORECASE)
_TABLE = re.compile(r"<(/?)(table|thead|tbody|tfoot|tr|td|th)\b[^<>]*+>", re.IGNORECASE)


@dataclass(kw_only=True)
class _Table:
    """A table that is being read: where its own tags stand, and what tells whether it is one."""

    tags: list[re.Match[str]] = field(default_factory=list)
    cells: int = 0
    cell_start: int | None = None
    longest_cell: int = 0
    holds_table: bool = False

    def note(self, tag: re.Match[str]) -> None:
        self.tags.append(tag)
        if tag[2].lower() not in {"td", "th"}:
            return
        if tag[1]:
            self.longest_cell = max(self.longest_cell, tag.start() - (self.cell_start or tag.start()))
        else:
            self.cells += 1
            self.cell_start = tag.end()

    def places_things(self) -> bool:
        return self.holds_table or self.cells < 2 or self.longest_cell > MAX_CELL_CHARS  # noqa: PLR2004 - one or none


def clean(html: str) -> str:
    """`html` without scripts, comments and `nav`, and with layout tables as `div`.

    A table is layout when it holds another table, a single cell, or a cell longer than MAX_CELL_CHARS, as in
    newsletters and old pages. unstructured would make one line of all its text.
    """
    return _without_layout_tables(_without_menus(" ".join(_seen(html))))


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
