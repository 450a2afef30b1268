"""The data-flow map as a picture (SVG) and as Mermaid."""

import textwrap
from collections.abc import Sequence
from xml.sax.saxutils import escape as xml_escape

from policies.records.drift import Use
from policies.records.flow import Box, Flow, Line

_WIDTH, _MARGIN, _GAP, _PAD = 1280, 32, 56, 14
_ROW, _TITLE, _HEAD, _TOP, _LANE_GAP, _LEGEND = 18, 50, 46, 78, 22, 48
_COLUMNS = 5
_BOX = (_WIDTH - 2 * _MARGIN - 2 * _PAD - (_COLUMNS - 1) * _GAP) / _COLUMNS
_CHARACTERS = 26
"""Chosen: as many characters of 12.5 px as fit into a box in the widest of the common sans-serif fonts."""
_STYLE = """
svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.paper { fill: #ffffff; } .lane { fill: #f6f8fa; stroke: #d0d7de; } .box { fill: #ffffff; stroke: #8c959f; }
.head { fill: #ddf4ff; } .strong { fill: #1f2328; font-weight: 600; } .text { fill: #1f2328; } .soft { fill: #59636e; }
.arrow { stroke: #0969da; fill: none; } .tip { fill: #0969da; } .used { fill: #1a7f37; } .stray { fill: #cf222e; }
.unused { fill: none; stroke: #9a6700; stroke-width: 1.5; } .late { fill: #9a6700; }
.wrong { fill: #cf222e; font-weight: 600; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117; } .lane { fill: #151b23; stroke: #3d444d; } .box { fill: #0d1117; stroke: #656c76; }
.head { fill: #12305a; } .strong, .text { fill: #f0f6fc; } .soft { fill: #9198a1; }
.arrow { stroke: #4493f8; } .tip { fill: #4493f8; } .used { fill: #3fb950; } .stray { fill: #f85149; }
.unused { stroke: #d29922; } .late { fill: #d29922; } .wrong { fill: #f85149; }
}
"""
_MARKS = {Use.USED: "used", Use.UNUSED: "unused", Use.STRAY: "stray"}
_TEXTS = {None: "text", Use.USED: "text", Use.UNUSED: "late", Use.STRAY: "wrong"}
_MERMAID_CLASSES = {Use.UNUSED: "never", Use.STRAY: "stray"}


def svg(flows: Sequence[Flow], *, made_on: str) -> str:
    """The flows as one picture, a lane for each. It refers to nothing outside, and follows the reader's dark mode."""
    lanes: list[str] = []
    top: float = _TOP
    for flow in flows:
        height = _lane_height(flow)
        lanes.append(_lane(flow, top, height))
        top += height + _LANE_GAP
    height = top + _LEGEND - _LANE_GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" '
        f'height="{height:g}" role="img" aria-label="Data-flow map">'
    )
    title = _text(_MARGIN, 40, "Where the data go", "strong", size=22) + _text(
        _MARGIN, 62, f"What the manifests allow, and what was observed until {made_on}", "soft", size=13
    )
    paper = f'<rect class="paper" width="{_WIDTH}" height="{height:g}" rx="10"/>'
    body = "\n".join((title, *lanes, _legend(height - 22)))
    return f"{head}\n<title>Data-flow map</title>\n<style>{_STYLE}</style>\n{paper}\n{body}\n</svg>\n"


def mermaid(flows: Sequence[Flow]) -> str:
    """The flows as a Mermaid flowchart, a subgraph for each."""
    lines = ["flowchart LR"]
    for lane, flow in enumerate(flows):
        lines.append(f'  subgraph lane{lane}["{_quoted(f"{flow.title} · {flow.law}")}"]')
        lines.append("    direction LR")
        for number, box in enumerate(flow.boxes):
            texts = (f"<b>{_quoted(box.title)}</b>", _quoted(box.place), *(_marked(line) for line in box.lines))
            lines.append(f'    n{lane}_{number}["{"<br/>".join(texts)}"]{_class_of(box)}')
        for number, passed in enumerate(flow.passes):
            lines.append(f'    n{lane}_{number} -->|"{_quoted(passed)}"| n{lane}_{number + 1}')
        lines.append("  end")
    lines += [
        "  classDef never stroke:#9a6700,stroke-dasharray:4 3",
        "  classDef stray stroke:#cf222e,stroke-width:3px",
    ]
    return "\n".join(lines) + "\n"


def _marked(line: Line) -> str:
    return _quoted(line.text) if line.use in {None, Use.USED} else f"<i>{_quoted(f'{line.text} ({line.use})')}</i>"


def _class_of(box: Box) -> str:
    uses = {line.use for line in box.lines}
    worst = next((use for use in (Use.STRAY, Use.UNUSED) if use in uses), None)
    return f":::{_MERMAID_CLASSES[worst]}" if worst else ""


def _quoted(text: str) -> str:
    """Text inside a quoted label: whatever Mermaid or HTML would read is written as an entity code."""
    return "".join(
        character if character.isalnum() or character in " .,;:()/·-%+" else f"#{ord(character)};" for character in text
    )


def _wrapped(line: Line) -> list[str]:
    return textwrap.wrap(line.text, _CHARACTERS - (2 if line.use else 0), max_lines=4, placeholder="…") or [""]


def _box_height(box: Box) -> float:
    return _HEAD + 14 + _ROW * sum(len(_wrapped(line)) for line in box.lines)


def _lane_height(flow: Flow) -> float:
    return _TITLE + max(_box_height(box) for box in flow.boxes) + _PAD


def _lane(flow: Flow, top: float, height: float) -> str:
    parts = [
        f'<rect class="lane" x="{_MARGIN}" y="{top:g}" width="{_WIDTH - 2 * _MARGIN}" height="{height:g}" rx="10"/>',
        _text(_MARGIN + _PAD, top + 22, flow.title, "strong", size=15),
        _text(_MARGIN + _PAD, top + 40, flow.law, "soft", size=12.5),
    ]
    tall = height - _TITLE - _PAD
    for number, box in enumerate(flow.boxes):
        left = _MARGIN + _PAD + number * (_BOX + _GAP)
        parts.append(_box(box, left, top + _TITLE, tall))
        if number < len(flow.passes):
            parts.append(_arrow(left + _BOX, top + _TITLE + _HEAD / 2, flow.passes[number]))
    return "\n".join(parts)


def _box(box: Box, left: float, top: float, tall: float) -> str:
    parts = [
        f'<rect class="box" x="{left:g}" y="{top:g}" width="{_BOX:g}" height="{tall:g}" rx="7"/>',
        (
            f'<path class="head" d="M{left + 0.5:g} {top + _HEAD:g} v{-_HEAD + 7:g} a6.5 6.5 0 0 1 6.5 -6.5 '
            f'h{_BOX - 14:g} a6.5 6.5 0 0 1 6.5 6.5 v{_HEAD - 7:g} z"/>'
        ),
        _text(left + 11, top + 20, box.title, "strong", size=14),
        _text(left + 11, top + 37, textwrap.shorten(box.place, _CHARACTERS + 2, placeholder="…"), "soft", size=12.5),
    ]
    row = top + _HEAD + 20
    for line in box.lines:
        indent = 0
        if line.use is not None:
            indent = 14
            parts.append(_mark(left + 16, row - 4, line.use))
        for piece in _wrapped(line):
            parts.append(_text(left + 11 + indent, row, piece, _TEXTS[line.use], size=12.5))
            row += _ROW
    return "\n".join(parts)


def _mark(x: float, y: float, use: Use) -> str:
    if use is Use.STRAY:
        return f'<path class="stray" d="M{x:g} {y - 5:g} l5 9 h-10 z"/>'
    return f'<circle class="{_MARKS[use]}" cx="{x:g}" cy="{y:g}" r="4"/>'


def _arrow(x: float, y: float, passed: str) -> str:
    end = x + _GAP
    pieces = textwrap.wrap(passed, 9)
    labels = "\n".join(
        _text(x + _GAP / 2, y + 16 + 11 * number, piece, "soft", size=9.5, middle=True)
        for number, piece in enumerate(pieces)
    )
    return (
        f'<path class="arrow" stroke-width="1.8" d="M{x + 4:g} {y:g} H{end - 9:g}"/>'
        f'<path class="tip" d="M{end - 3:g} {y:g} l-8 -4.5 v9 z"/>\n{labels}'
    )


def _legend(y: float) -> str:
    parts: list[str] = []
    x: float = _MARGIN + 6
    for use in Use:
        parts += [_mark(x, y - 4, use), _text(x + 12, y, use.value, _TEXTS[use], size=12.5)]
        x += 40 + 7.2 * len(use.value)
    return "\n".join(parts)


def _text(x: float, y: float, text: str, kind: str, *, size: float, middle: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" font-size="{size:g}"{anchor}>{xml_escape(text)}</text>'
