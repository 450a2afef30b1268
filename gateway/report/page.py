"""A report as one page that loads nothing, runs nothing and prints well."""

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.pagehead import opening
from gateway.report import tables, words
from gateway.report.chart import HEIGHT, WIDTH, Picture
from gateway.report.measures import Measures
from gateway.report.panels import Panel, panels
from gateway.report.report import Report
from gateway.report.style import STYLE
from gateway.report.tables import text
from gateway.report.words import asked, percent, percents
from policies.model import ConfidenceStatus

MARK: Final = '<meta name="generator" content="penstock report">'
"""By this a page is known as a report, which another may replace."""


def page(report: Report) -> str:
    """The page: what the confidence carries, of whom that is said, every picture with its numbers beside it."""
    return "".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    subject = text(report.subject)
    yield opening(f"{subject} – how far its confidence carries", STYLE, mark=f"{MARK}\n")
    yield f'<header>\n<h1>How far the confidence of {subject} carries</h1>\n<p class="made">'
    yield f"Made {report.made:%Y-%m-%d %H:%M} UTC by penstock report. It holds no text of questions or documents.</p>\n"
    yield from _head(report)
    yield "</header>\n<main>\n"
    yield from map(_section, panels(report))
    if report.measures:
        yield tables.figures(report.measures)
    if report.compared:
        yield tables.compared(report.compared)
    yield "</main>\n<footer>Intervals are 95 %: exact (Clopper–Pearson) for risks, by resampling the questions for "
    yield "other figures. All figures are of confidences by a model that did not know the question.</footer>\n"
    yield "</body>\n</html>\n"


def _head(report: Report) -> Iterator[str]:
    if standing := report.standing:
        status = standing.status.value
        yield f'<p class="status {status}">{status}</p>\n<p>{text(standing.meaning)}</p>\n'
        yield _list("Why", standing.why) + _list("What is missing", standing.missing)
    if report.population:
        yield f"<p><strong>Population.</strong> All figures are of {text(report.population)}, and speak of questions "
        yield "drawn like these. Of other questions or other callers they say nothing.</p>\n"
    if report.guarantee:
        lapsed = " lapsed" if _is_stale(report) else ""
        yield f'<p class="promise{lapsed}"><strong>Guarantee.</strong> {text(report.guarantee)}</p>\n'
    if report.measures:
        yield f'<ul class="tiles">{"".join(_tiles(report, report.measures))}</ul>\n'


def _list(heading: str, told: Sequence[str]) -> str:
    items = "".join(f"<li>{text(one)}</li>" for one in told)
    return f'<p><strong>{heading}</strong></p>\n<ul class="missing">{items}</ul>\n' if told else ""


def _tiles(report: Report, found: Measures) -> Iterator[str]:
    certified, allowed = found.certified, asked(report.max_risk)
    was = "Was certified" if _is_stale(report) else "Certified"
    if certified:
        yield _tile(
            f"{was} to be answered", percent(certified.coverage), f"{certified.served:,} of {certified.questions:,}"
        )
        interval = f"{percents(certified.low, certified.high)}, allowed {allowed}"
        yield _tile("Realised risk there", percent(certified.risk), interval)
    else:
        lacking = found.questions - found.sufficient
        yield _tile("Certified to be answered", "none", f"at a risk of {allowed}")
        yield _tile("Answer missing", percent(lacking / found.questions), f"{lacking:,} of {found.questions:,}")
    error, highest, ranking = (found.figures[name] for name in ("ece", "ece_null_95", "auroc"))
    yield _tile("Calibration error", f"{error.value:.3f}", f"a perfect model stays below {highest.value:.3f}")
    yield _tile("AUROC", f"{ranking.value:.3f}", words.interval("auroc", ranking))


def _tile(name: str, value: str, more: str) -> str:
    return f"<li><span>{text(name)}</span><b>{text(value)}</b><span>{text(more)}</span></li>"


def _is_stale(report: Report) -> bool:
    return report.standing is not None and report.standing.status is ConfidenceStatus.STALE


def _section(panel: Panel) -> str:
    name = "".join(character for character in panel.title.lower() if character.isalpha())
    drawn = _inline(panel.picture, name) if panel.picture else ""
    reading = f'<p class="reading">{text(panel.reading)}</p>\n'
    beside = f'<div class="pair">\n{drawn}<div>{reading}{panel.table}</div>\n</div>\n' if drawn else reading
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{text(panel.title)}</h2>\n{beside}</section>\n'


def _inline(picture: Picture, name: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{text(picture.title)}</title><desc id="{name}-d">{text(picture.about)}</desc>'
        f"{picture.body}</svg>\n"
    )
