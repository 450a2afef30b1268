"""The frame that every picture is drawn in. Colours are classes, so that a page and a file can dress them alike."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 460
HEIGHT: Final = 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 24, 30, 46
STYLE: Final = """
.c-text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  fill: var(--soft); }
.c-name { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--card); stroke-width: 4px;
  stroke-linejoin: round; }
.c-grid { stroke: var(--line); } .c-axis { stroke: var(--soft); }
.c-ideal { stroke: var(--soft); stroke-dasharray: 4 4; fill: none; }
.c-band { stroke: var(--band); stroke-width: 11; } .c-cloud { fill: var(--band); }
.c-link { stroke: var(--held); fill: none; stroke-width: 1; }
.c-dot { fill: var(--held); stroke: var(--card); stroke-width: 1.5; }
.c-far { fill: var(--lacked); stroke: var(--card); stroke-width: 1.5; }
.c-line { stroke: var(--held); fill: none; stroke-width: 2; stroke-linejoin: round; }
.c-held { fill: var(--held); } .c-lacked { fill: var(--lacked); } .c-then { fill: var(--then); }
.c-limit { stroke: var(--limit); stroke-width: 1.5; stroke-dasharray: 6 4; }
.c-error { stroke: var(--ink); stroke-width: 2; fill: none; }
.c-point { fill: var(--ink); stroke: var(--card); stroke-width: 2; }
.c-soft { fill: var(--card); stroke: var(--ink); stroke-width: 2; }
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A drawing of WIDTH by HEIGHT, with the name and the description that stand for it where it cannot be seen."""

    title: str
    about: str
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """A plot whose left and lower edge are axes, from `start` to `end` each."""

    x_start: float = 0.0
    x_end: float = 1.0
    y_start: float = 0.0
    y_end: float = 1.0

    def x(self, value: float) -> float:
        """Where a value lies across."""
        share = (value - self.x_start) / (self.x_end - self.x_start)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Where a value lies from above; one beyond the edge lies on it."""
        share = (min(self.y_end, max(self.y_start, value)) - self.y_start) / (self.y_end - self.y_start)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP), 1)

    def axes(self, across: Sequence[float], up: Sequence[float], *, x_name: str, y_name: str, share: bool) -> str:
        """The grid with its numbers: percentages across and, with `share`, up; else counts without a sign."""
        left, right, low = self.x(self.x_start), self.x(self.x_end), self.y(self.y_start)
        rows = (
            line("c-grid", left, self.y(one), right, self.y(one))
            + text(left - 7, self.y(one) + 4, f"{100 * one:g} %" if share else f"{abs(one):,.0f}", anchor="end")
            for one in up
        )
        columns = (text(self.x(one), low + 17, f"{100 * one:g} %", anchor="middle") for one in across)
        names = text((left + right) / 2, HEIGHT - 8, x_name, anchor="middle") + text(left - 44, 15, y_name)
        return "".join((*rows, line("c-axis", left, low, right, low), *columns, names))

    def limit(self, value: float, name: str, *, row: int, low: float) -> str:
        """A line up from (value, low), with its name beside its upper end, `row` lines down."""
        at, top = self.x(value), self.y(self.y_end)
        beyond = at > WIDTH * 0.6
        name_at = at - 5 if beyond else at + 5
        named = text(name_at, top + 11 + 15 * row, name, "c-name", anchor="end" if beyond else "start")
        return line("c-limit", at, top, at, self.y(low)) + named


def ticks(start: float, end: float, *, whole: bool = False) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, from `start` to `end`, at most seven; with `whole` no fractions."""
    sizes = (factor * 10.0**power for power in range(0 if whole else -6, 12) for factor in (1, 2, 5))
    size = next(one for one in sizes if (end - start) / one <= 6)  # noqa: PLR2004 - more would crowd the axis
    return [number * size for number in range(math.ceil(start / size), math.floor(end / size) + 1)]


def text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    """A line of text."""
    return f'<text class="c-text {kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def path(kind: str, points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """Straight lines from point to point."""
    drawn = " L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path class="{kind}" d="M{drawn}{"Z" if closed else ""}"/>' if drawn else ""


def rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    """A filled rectangle; nothing where it has no height."""
    if height <= 0:
        return ""
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'


def dot(kind: str, x: float, y: float, radius: float = 4.5) -> str:
    """A disc."""
    return f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>'


def diamond(kind: str, x: float, y: float, size: float = 6.5) -> str:
    """A square on its corner: what is not a disc is told apart without colours."""
    return path(kind, ((x, y - size), (x + size, y), (x, y + size), (x - size, y)), closed=True)


def key(x: float, y: float, marked: str, words: str) -> str:
    """A line of a legend: a mark drawn around (x, y), and what it means."""
    return marked + text(x + 12, y + 4, words)
