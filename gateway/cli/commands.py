"""Every command under its name."""

from importlib.metadata import version
from typing import Annotated

import typer
from typer.core import TyperGroup

from gateway.cli import (
    audits,
    calibration,
    credentials,
    doctor,
    homes,
    jobs,
    manifests,
    purges,
    quarantine,
    serving,
    standing,
    syncs,
)
from gateway.cli.exits import EPILOG
from gateway.cli.shell import Run, show


def build() -> typer.Typer:
    """The command line as an application to call."""
    app = _group(None)
    app.info.epilog = EPILOG
    app.callback()(options)
    for name, command in (
        ("init", homes.init),
        ("check", manifests.check),
        ("plan", manifests.plan),
        ("apply", manifests.apply),
        ("sync", syncs.sync),
        ("permissions", syncs.permissions),
        ("rebuild", syncs.rebuild),
        ("worker", jobs.worker),
        ("status", standing.status),
        ("calibrate", calibration.calibrate),
        ("serve", serving.serve),
        ("query", serving.query),
        ("verify", audits.verify),
        ("doctor", doctor.doctor),
        ("schema", manifests.schema),
    ):
        app.command(name)(command)
    key = _group("API keys: who may ask, for which purposes, from where.")
    key.command("create")(credentials.create)
    key.command("list")(credentials.list_keys)
    key.command("revoke")(credentials.revoke)
    purge = _group("Deletion of what is past its retention, with a signed receipt.")
    purge.command("plan")(purges.plan)
    purge.command("run")(purges.run)
    purge.command("receipts")(purges.receipts)
    purge.command("check")(purges.check)
    audit = _group("The record of every act: an append-only chain.")
    audit.command("verify")(audits.verify_audit)
    audit.command("show")(audits.show_audit)
    job = _group("Work on sources: asked for, running or ended.", cls=jobs.ListByDefault)
    job.command("list")(jobs.list_jobs)
    job.command("show")(jobs.show_job)
    job.command("pause")(jobs.pause)
    job.command("resume")(jobs.resume)
    job.command("cancel")(jobs.cancel)
    held = _group("Documents that could not be taken in, and why.")
    held.command("list")(quarantine.list_quarantined)
    held.command("retry")(quarantine.retry)
    held.command("drop")(quarantine.drop)
    groups = {"key": key, "purge": purge, "audit": audit, "jobs": job, "quarantine": held}
    for name, group in groups.items():
        app.add_typer(group, name=name)
    return app


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - how typer calls it
    if wanted:
        show(version("penstock"))
        raise typer.Exit


def options(
    context: typer.Context,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of whatever goes wrong.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Governed retrieval over an organisation's documents: connect, check, index, answer, delete, prove.

    A first round: penstock init, check, apply, sync, key create, serve. Each tells more with --help.
    """
    run = context.obj
    if isinstance(run, Run):
        run.debug = debug


def _group(help_text: str | None, *, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    return typer.Typer(
        help=help_text,
        cls=cls,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,  # main() says it in one line
        add_completion=False,
    )
