"""Checking: the audit, and everything else that a home holds."""

from collections import deque
from dataclasses import asdict
from typing import Annotated

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.running import carry_out, plain
from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show, show_json, show_table
from gateway.cli.syncs import QueueOption
from policies.errors import RefusedError
from policies.model import Action, SourceName


def verify_audit(*, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check the whole audit: every record's hash, the chain, and the signed heads kept apart from it.

    Example: [bold]penstock audit verify[/bold]
    """
    from policies import ledger

    with installation(home) as opened, opened.database.reading() as session:
        anchors = opened.keyring.anchors()
        head = ledger.current_head(session)
        problems = ledger.verify(ledger.records(session), anchors)
    if as_json:
        show_json(
            {"records": head.sequence, "anchors": len(anchors), "problems": [asdict(problem) for problem in problems]}
        )
    else:
        for problem in problems:
            show(f"record {problem.sequence}: {problem.what}")
        kept = "does not hold" if problems else "holds"
        show(f"The audit {kept}: {head.sequence} records, {len(anchors)} signed heads.")
    if problems:
        raise typer.Exit(FINDINGS)


def show_audit(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many records, the last ones.")] = 20,
    action: Annotated[Action | None, typer.Option(help="Records of this act only.", show_default=False)] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the last records of the audit. It holds ids, codes and counts, never a query or a text.

    Example: [bold]penstock audit show --action retrieved --limit 5[/bold]
    """
    from policies import ledger

    with installation(home) as opened, opened.database.reading() as session:
        after = 0 if action else max(0, ledger.current_head(session).sequence - limit)
        records = ledger.records(session, after=after)
        found = deque((record for record in records if action in {None, record.action}), maxlen=limit)
    if as_json:
        show_json([asdict(record) for record in found])
        return
    for record in found:
        show(f"{record.sequence} {record.at} {record.actor} {record.action} {record.objects} {record.detail}")


def verify(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended from the catalog.")] = False,
    queue: QueueOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare catalog, keyring, indexes, audit and files, and list everything that is wrong.

    Example: [bold]penstock verify --repair[/bold]
    """
    from gateway.wiring import clock
    from indexer import reconcile
    from indexer.joblog import JobKind

    if queue and repair:
        raise RefusedError("A worker does not repair.", mend="Leave out --queue or --repair.")
    with installation(home) as opened:
        if queue:
            jobs, code = carry_out(opened, JobKind.VERIFY, [SourceName("")], {}, queue=True)
            if as_json:
                show_json([plain(job, clock()) for job in jobs])
            raise typer.Exit(code)
        workshop = opened.workshop()
        findings = reconcile.verify(workshop)
        if repair and findings:
            reconcile.repair(workshop, findings, actor=operator())
            before, findings = len(findings), reconcile.verify(workshop)
            say(f"{before - len(findings)} of {before} findings are mended.")
    if as_json:
        show_json([asdict(finding) | {"mend": reconcile.MENDS[finding.fault]} for finding in findings])
    elif findings:
        show_table(
            ("source", "fault", "what", "mend"),
            ([finding.source, finding.fault, finding.what, reconcile.MENDS[finding.fault]] for finding in findings),
        )
    else:
        show("All well.")
    if findings:
        raise typer.Exit(FINDINGS)
