"""A document beside what is left of it, in a terminal, and why."""

from collections.abc import Mapping
from types import MappingProxyType

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from gateway.cli.shown import Group, Piece, Shown, group, score, visible

NARROW_COLUMNS = 80
"""Below this the two stand one under the other (chosen: half of it is no line to read)."""
_EXCERPT_CHARACTERS = 40
_STYLES: Mapping[Group, str] = MappingProxyType(
    {
        Group.PEOPLE: "bold magenta",
        Group.CONTACT: "bold blue",
        Group.MONEY: "bold green",
        Group.SECRETS: "bold red",
        Group.TRACES: "bold yellow",
        Group.IDENTIFIERS: "bold cyan",
    }
)


def show_beside(shown: Shown, console: Console) -> None:
    """The document and what is left of it, element by element, then every finding.

    Where there are no colours, what is hidden stands between double brackets.
    """
    bare = not console.is_terminal
    if console.width < NARROW_COLUMNS:
        _stacked(shown, console, bare=bare)
    else:
        _columns(shown, console, bare=bare)
    findings = _findings(shown)
    if findings.row_count:
        console.print()
        console.print(findings)


def _columns(shown: Shown, console: Console, *, bare: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0), expand=True)
    table.add_column("", style="dim", no_wrap=True)
    table.add_column("original", ratio=1, overflow="fold")
    table.add_column("redacted", ratio=1, overflow="fold")
    for piece in shown.pieces:
        table.add_row(piece.place, _original(piece, bare=bare), _redacted(piece))
    console.print(table)


def _stacked(shown: Shown, console: Console, *, bare: bool) -> None:
    for piece in shown.pieces:
        console.print(Rule(piece.place, align="left", style="dim"))
        console.print(_original(piece, bare=bare), overflow="fold")
        if piece.hidden:
            console.print(Text("→ ", style="dim").append_text(_redacted(piece)), overflow="fold")


def _original(piece: Piece, *, bare: bool) -> Text:
    text = Text()
    for stretch, hidden in piece.stretches():
        if hidden is None:
            text.append(visible(stretch))
        else:
            marked = f"[[{visible(stretch)}]]" if bare else visible(stretch)
            text.append(marked, style=_STYLES[group(hidden.entity)])
    return text


def _redacted(piece: Piece) -> Text:
    text = Text()
    for stretch, hidden in piece.remains():
        text.append(visible(stretch), style=_STYLES[group(hidden.entity)] if hidden else None)
    return text


def _findings(shown: Shown) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("where", "at", "text", "type", "found by", "score", "why"):
        table.add_column(column, overflow="fold", justify="right" if column in {"at", "score"} else "left")
    for piece in shown.pieces:
        for hidden in piece.hidden:
            value = visible(piece.original[hidden.start : hidden.end]).replace("\n", " ")
            first = (piece.place, str(hidden.start), _excerpt(value), hidden.entity)
            for number, reason in enumerate(hidden.reasons):
                told = (reason.name, score(reason), reason.why.value)
                row = (*(first if not number else ("",) * len(first)), *told)
                table.add_row(*map(Text, row))
    return table


def _excerpt(value: str) -> str:
    return value if len(value) <= _EXCERPT_CHARACTERS else f"{value[: _EXCERPT_CHARACTERS - 1]}…"
