"""What is known of a source's confidence, at the terminal, as a page and as a picture."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from gateway.cli.shell import HomeOption, JsonOption, installation, say, show, show_json, show_table
from gateway.cli.sources import described
from gateway.cli.standing import confidence_of
from policies.errors import RefusedError
from policies.model import ConfidenceStatus, SourceName

if TYPE_CHECKING:
    from gateway.report import Measures, Report

_HEAD_BYTES: Final = 1000


def report(
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    *,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it as a page, in place of an older report of that name.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Write its pictures as one SVG, in place of an older one.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far a source's confidence carries: status, guarantee with its population, figures, drift, labels.

    It holds no text of questions or documents.

    Example: [bold]penstock report handbook --html handbook.html[/bold]
    """
    from gateway.report import MARK, SVG_MARK, page, plain
    from gateway.report import svg as drawn

    told = _told(home, SourceName(source))
    if html is not None:
        _write(html, page(told), mark=MARK)
    if svg is not None:
        _write(svg, drawn(told), mark=SVG_MARK)
    if as_json:
        show_json(plain(told))
    else:
        _show(told)
    for written in filter(None, (html, svg)):
        say(f"Written: {written}")


def _told(home: Path | None, source: SourceName) -> "Report":
    from gateway.report import of_source
    from gateway.wiring import clock
    from indexer import catalog
    from indexer.asked import kept_from

    with installation(home) as opened, opened.database.reading() as session:
        registered = catalog.require(session, source)
        standing = confidence_of(opened, session, registered)
        policy, now = described(registered).policy, clock()
        return of_source(
            session,
            source,
            status=ConfidenceStatus(standing.status),
            why=standing.why,
            max_risk=policy.guardrail.max_risk,
            made=now,
            kept_since=kept_from(policy.retention.period, now),
        )


def _write(path: Path, content: str, *, mark: str) -> None:
    """Put a file in place, whole or not at all. Only an older one with the same mark is replaced.

    Raises:
        RefusedError: something else is there, or it cannot be written.
    """
    try:
        if path.exists() and not _is_report(path, mark):
            raise RefusedError(f"{str(path)!r} exists and is no such report.", mend="Name a new file.")
        with _in_place_of(path) as opened:
            opened.write(content)
    except OSError as error:
        raise RefusedError(
            f"The report could not be written to {str(path)!r} ({type(error).__name__}).",
            mend="Name a file in a folder that you can write to.",
        ) from error


def _is_report(path: Path, mark: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return mark.encode() in opened.read(_HEAD_BYTES)


@contextmanager
def _in_place_of(path: Path) -> Iterator[TextIO]:
    """A new file that takes the place of `path` when the block ends, and goes if it fails."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with fresh.open("x", encoding="utf-8", newline="") as opened:
            yield opened
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _show(told: "Report") -> None:
    from gateway.report import on_drift

    if told.standing:
        show(f"{told.subject}: {told.standing.status.value}. {told.standing.meaning}")
        for name, lines in (("Why", told.standing.why), ("Missing", told.standing.missing)):
            for one in lines:
                show(f"  {name}: {one}")
    if told.population:
        show(f"  Population: {told.population}. Everything below is of questions drawn like these, and of no others.")
    if told.guarantee:
        show(f"  Guarantee: {told.guarantee}")
    if told.measures:
        show_table(("figure", "value", "95 %"), _rows(told.measures))
    show_table(("labels", "answerable", "not"), [(one.origin, one.answerable, one.unanswerable) for one in told.labels])
    if told.drift:
        show(on_drift(told.drift))


def _rows(found: "Measures") -> Iterator[tuple[str, str, str]]:
    """The figures as the page has them, and what either threshold does."""
    from gateway.report import FIGURES, interval, percent, percents, written

    for name, meaning in FIGURES.items():
        yield meaning.label, written(name, found.figures[name].value), interval(name, found.figures[name])
    for name, one in (("answer", found.certified), ("caution", found.caution)):
        if one:
            start = f"{name}, from {one.threshold:.3f}"
            yield f"{start}: coverage", percent(one.coverage), ""
            yield f"{start}: answer missing", percent(one.risk), percents(one.low, one.high)
