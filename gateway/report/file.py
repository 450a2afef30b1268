"""The pictures of a report as a file of their own."""

import textwrap
from html import escape
from typing import Final

from gateway.report.chart import HEIGHT, WIDTH, Picture
from gateway.report.panels import panels
from gateway.report.report import Report
from gateway.report.style import PICTURE

SVG_MARK: Final = "<!-- penstock report -->"
"""By this a file is known as the pictures of a report, which another may replace."""
_MARGIN: Final = 24
_TOP: Final = 76
_LINE_CHARACTERS: Final = 150


def svg(report: Report) -> str:
    """The pictures as one SVG, which refers to nothing outside and follows the reader's dark mode."""
    shown = [panel.picture for panel in panels(report) if panel.picture]
    rows = -(-len(shown) // 2)
    width, height = 2 * WIDTH + 5 * _MARGIN, _TOP + rows * (HEIGHT + 3 * _MARGIN)
    about = " ".join(picture.about for picture in shown)
    under = textwrap.shorten(_subtitle(report), _LINE_CHARACTERS, placeholder="…")
    cards = "".join(_card(picture, *divmod(number, 2)) for number, picture in enumerate(shown))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="t d">\n{SVG_MARK}\n<title id="t">Confidence of {escape(report.subject)}</title>\n'
        f'<desc id="d">{escape(about)}</desc>\n<style>{PICTURE}</style>\n'
        f'<rect class="c-paper" width="{width}" height="{height}" rx="10"/>\n'
        f'<text class="c-head" x="{_MARGIN}" y="38">Confidence of {escape(report.subject)}</text>\n'
        f'<text class="c-text" x="{_MARGIN}" y="60">{escape(under)}</text>\n{cards}</svg>\n'
    )


def _card(picture: Picture, row: int, column: int) -> str:
    x, y = _MARGIN + column * (WIDTH + 2 * _MARGIN), _TOP + row * (HEIGHT + 3 * _MARGIN)
    return (
        f'<g transform="translate({x} {y})"><rect class="c-card" x=".5" y=".5" width="{WIDTH + _MARGIN}" '
        f'height="{HEIGHT + 2 * _MARGIN}" rx="8"/>'
        f'<text class="c-text c-sub" x="16" y="28">{escape(picture.title)}</text>'
        f'<g transform="translate(12 40)">{picture.body}</g></g>\n'
    )


def _subtitle(report: Report) -> str:
    status = f"{report.standing.status.value}, " if report.standing else ""
    return f"{status}{report.population or 'no labelled questions'}"
