"""The numbers behind the pictures of a report, as tables of a page."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from gateway.report.drift import Drift
from gateway.report.measures import Figure, Measures, Served
from gateway.report.report import Labels
from gateway.report.words import FIGURES, interval, percent, percents, written

_COVERAGES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def bins(found: Measures) -> str:
    """Each bin of the reliability diagram."""
    rows = (
        (
            f"{one.confidence:.3f}",
            percent(one.sufficient),
            percents(one.low, one.high),
            "yes" if one.within else "no",
        )
        for one in found.bins
    )
    return table("Bins of equal mass", ("Confidence", "Answer there", "Perfect model", "Within"), rows)


def risks(found: Measures) -> str:
    """What the thresholds do, then the risk at about each tenth of coverage."""
    near = (min(found.curve, key=lambda one: abs(one.coverage - share)) for share in _COVERAGES)
    named = [("answer", found.certified), ("caution", found.caution)]
    rows = [_risk_row(name, one) for name, one in named if one]
    rows += [_risk_row("", one) for one in dict.fromkeys(near)]
    return table("Risk at coverages", ("From", "Served", "Answer missing", "Interval", "Verdict"), rows)


def _risk_row(name: str, one: Served) -> tuple[str, ...]:
    spread = percents(one.low, one.high)
    return f"{one.threshold:.3f}", percent(one.coverage), percent(one.risk), spread, name


def scores(found: Measures) -> str:
    """Questions of both kinds in each tenth of the confidence."""
    pairs = zip(found.bars[::2], found.bars[1::2], strict=True)
    rows = (
        (f"{one.start:.1f} to {other.end:.1f}", f"{one.sufficient + other.sufficient:,}",
         f"{one.insufficient + other.insufficient:,}")
        for one, other in pairs
    )  # fmt: skip
    return table("Questions by confidence", ("Confidence", "Answer there", "Answer missing"), rows)


def shares(found: Drift) -> str:
    """Each tenth of the confidence then and since, and the verdicts; "" without a request."""
    if not found.requests:
        return ""
    tenths = (
        (f"{one.start:.1f} to {one.end:.1f}", percent(one.calibration), percent(one.served)) for one in found.tenths
    )
    verdicts = ((verdict, f"{number:,}") for verdict, number in found.verdicts.items())
    return table("Shares by confidence", ("Confidence", "Labelled", "Served since"), tenths) + table(
        "Verdicts since", ("Verdict", "Requests"), verdicts
    )


def figures(found: Measures) -> str:
    """The section with every figure and how to read it."""
    rows = (
        (meaning.label, written(name, found.figures[name].value), interval(name, found.figures[name]),
         meaning.reading)
        for name, meaning in FIGURES.items()
    )  # fmt: skip
    head = ("Figure", "Value", "Interval, 95 %", "How to read it")
    about = f"Of all {found.questions:,} labelled questions."
    return (
        '<section class="figures" aria-labelledby="figures">\n<h2 id="figures">Figures</h2>\n'
        f'<p class="reading">{about}</p>\n{table("Figures", head, rows)}\n</section>\n'
    )


def compared(columns: Mapping[str, Mapping[str, Figure]]) -> str:
    """The section with the figures of several confidences, those that all of them have."""
    shown = [name for name in FIGURES if all(name in column for column in columns.values())]
    rows = ((FIGURES[name].label, *(_cell(name, column[name]) for column in columns.values())) for name in shown)
    return (
        '<section aria-labelledby="compared">\n<h2 id="compared">Beside other confidences</h2>\n'
        f'<p class="reading">On the same questions.</p>\n{table("Other confidences", ("Figure", *columns), rows)}\n'
        "</section>\n"
    )


def labelled(origins: Sequence[Labels]) -> str:
    """Labelled questions by origin."""
    rows = (
        (one.origin, f"{one.answerable:,}", f"{one.unanswerable:,}", f"{one.answerable + one.unanswerable:,}")
        for one in origins
    )
    return table("Labelled questions", ("Origin", "Answerable", "Not", "All"), rows)


def _cell(name: str, figure: Figure) -> str:
    spread = interval(name, figure)
    return written(name, figure.value) + (f" ({spread})" if spread else "")


def text(words: str) -> str:
    """Words as HTML, in which no number parts from its percent sign."""
    return escape(words, quote=True).replace(" %", "\N{NO-BREAK SPACE}%")


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the row. Words stand to the left, numbers to the right."""
    columns = "".join(f'<th scope="col"{_kind(name)}>{text(name)}</th>' for name in head)
    lines = "".join(_row(head, row) for row in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}"><table>'
        f"<caption>{text(caption)}</caption>\n<thead><tr>{columns}</tr></thead>\n<tbody>\n{lines}</tbody></table></div>\n"
    )


def _row(head: Sequence[str], row: Sequence[str]) -> str:
    first, *others = row
    cells = "".join(f"<td{_kind(name)}>{text(cell)}</td>" for name, cell in zip(head[1:], others, strict=True))
    return f'<tr><th scope="row"{_kind(head[0])}>{text(first)}</th>{cells}</tr>\n'


def _kind(name: str) -> str:
    match name:
        case "How to read it":
            return ' class="says"'
        case "Figure" | "Origin" | "Verdict" | "Confidence" | "From":
            return ""
        case _:
            return ' class="number"'
