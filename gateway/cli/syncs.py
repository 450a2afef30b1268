"""Taking documents in."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from connectors.registry import connector
from gateway.cli.exits import exit_code
from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show_json, show_table
from gateway.cli.sources import chosen, described
from policies.errors import PenstockError

if TYPE_CHECKING:
    from indexer.sync import Progress as Step
    from indexer.sync import Report

LINES_PER_SYNC = 10
"""Chosen: how often a sync without a terminal says how far it is."""


def sync(
    sources: Annotated[list[str] | None, typer.Argument(metavar="SOURCE...", help="Names of sources.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every active source.")] = False,
    confirm_deletes: Annotated[
        bool, typer.Option("--confirm-deletes", help="Remove documents even beyond limits.max_deletes.")
    ] = False,
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try documents again that could not be read before.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring sources to what their origins hold now.

    Each listed document ends as indexed, unchanged or quarantined; penstock status --documents tells why. A sync that
    was stopped goes on where it was.

    Example: [bold]penstock sync handbook[/bold]
    """
    from indexer.sync import sync as run

    codes: list[int] = []
    reports: dict[str, Report] = {}
    with installation(home) as opened:
        for registered in chosen(opened, sources or [], every=every):
            source = described(registered)
            if every and source.state != "active":
                say(f"{source.name}: left out, its state is {source.state}.")
                continue
            try:
                origin = source.connector
                with _progress(source.name) as progress:
                    reports[source.name] = run(
                        opened.workshop(),
                        source,
                        connector(origin.kind, origin.options, base=registered.manifest_path.parent),
                        actor=operator(),
                        progress=progress,
                        confirm_deletes=confirm_deletes,
                        retry_quarantined=retry_quarantined,
                    )
            except PenstockError as error:
                codes.append(exit_code(error))
                say(f"{source.name}: error: {error}")
    _show_reports(reports, as_json=as_json)
    if codes:
        raise typer.Exit(max(codes))


@contextmanager
def _progress(source: str) -> Iterator[Callable[["Step"], None]]:
    """What shows how far the sync is: a bar on a terminal, some lines elsewhere."""
    if not sys.stderr.isatty():
        yield lambda step: _say_step(source, step)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(source, total=None)
        yield lambda step: bar.update(task, completed=step.done, total=step.listed)


def _say_step(source: str, step: "Step") -> None:
    if step.done == step.listed or step.done % max(1, step.listed // LINES_PER_SYNC) == 0:
        say(f"{source}: {step.done} of {step.listed} documents")


class _Rate(ProgressColumn):
    """Documents a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


def _show_reports(reports: Mapping[str, "Report"], *, as_json: bool) -> None:
    plain = [
        {
            "source": source,
            "listed": report.listed,
            **{outcome.value: number for outcome, number in report.counts.items()},
            "reasons": dict(sorted(report.reasons.items())),
            "generation": report.generation,
        }
        for source, report in reports.items()
    ]
    if as_json:
        show_json(plain)
    elif plain:
        columns = ("source", "listed", "indexed", "unchanged", "quarantined", "removed")
        show_table(columns, ([report[column] for column in columns] for report in plain))
        for source, report in reports.items():
            for reason, number in sorted(report.reasons.items()):
                say(f"{source}: {number} quarantined as {reason}.")
        if any(report.reasons for report in reports.values()):
            say("Which documents, and what to do: penstock status --documents")
