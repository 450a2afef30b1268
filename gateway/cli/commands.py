"""Every command under its name."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Annotated, Final

import typer
from typer.core import TyperGroup

from gateway.cli import (
    agents,
    audits,
    calibration,
    credentials,
    doctor,
    erasures,
    explaining,
    exports,
    handoffs,
    homes,
    jobs,
    keyring,
    manifests,
    orders,
    purges,
    quarantine,
    records,
    redacting,
    reporting,
    revealing,
    serving,
    standing,
    syncs,
)
from gateway.cli.exits import EPILOG
from gateway.cli.shell import Run, show

GROUPS: Final[Mapping[str, tuple[str, Mapping[str, Callable[..., None]]]]] = {
    "key": (
        "API keys: who may ask, for which purposes, from where.",
        {"create": credentials.create, "list": credentials.list_keys, "revoke": credentials.revoke},
    ),
    "agent": (
        "Agents that act for users: what each may get at most, under a grant that ends.",
        {"grant": agents.grant, "list": agents.list_grants, "revoke": agents.revoke},
    ),
    "purge": (
        "Deletion of what is past its retention, with a signed receipt.",
        {"plan": purges.plan, "run": purges.run, "receipts": purges.receipts, "check": purges.check},
    ),
    "hold": (
        "Legal holds: what must not be deleted, whoever or whatever would.",
        {"add": orders.add_hold, "release": orders.release_hold, "list": orders.list_holds},
    ),
    "restrict": (
        "Restrictions (GDPR Art. 18): what is kept and shown to nobody.",
        {"add": orders.add_restriction, "lift": orders.lift_restriction, "list": orders.list_restrictions},
    ),
    "erase": (
        "Erasure on request (GDPR Art. 17), with a signed receipt, or its refusal.",
        {"find": erasures.find, "run": erasures.run, "refuse": erasures.refuse, "lift": erasures.lift},
    ),
    "audit": (
        "The record of every act: an append-only chain.",
        {
            "verify": audits.verify_audit,
            "show": audits.show_audit,
            "clock": audits.correct_clock,
            "export": exports.export,
            "verify-export": exports.verify_export,
        },
    ),
    "keyring": (
        "The keys that everything is sealed with.",
        {"rotate": keyring.rotate},
    ),
    "handoff": (
        "Answers that wait for a person: handed off, or drawn for review.",
        {"list": handoffs.list_handoffs, "claim": handoffs.claim, "resolve": handoffs.resolve},
    ),
    "jobs": (
        "Work on sources: asked for, running or ended.",
        {
            "list": jobs.list_jobs,
            "show": jobs.show_job,
            "pause": jobs.pause,
            "resume": jobs.resume,
            "cancel": jobs.cancel,
        },
    ),
    "records": (
        "Records of processing, made from what is configured and what was observed.",
        {"export": records.export},
    ),
    "quarantine": (
        "Documents that could not be taken in, and why.",
        {"list": quarantine.list_quarantined, "retry": quarantine.retry, "drop": quarantine.drop},
    ),
}
"""What each group of commands is about, and its commands."""


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
        ("report", reporting.report),
        ("serve", serving.serve),
        ("query", serving.query),
        ("feedback", handoffs.feedback),
        ("explain", explaining.explain),
        ("redact", redacting.redact),
        ("reveal", revealing.reveal),
        ("verify", audits.verify),
        ("doctor", doctor.doctor),
        ("schema", manifests.schema),
    ):
        app.command(name)(command)
    for name, (about, commands) in GROUPS.items():
        group = _group(about, cls=jobs.ListByDefault if name == "jobs" else TyperGroup)
        for verb, command in commands.items():
            group.command(verb)(command)
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
