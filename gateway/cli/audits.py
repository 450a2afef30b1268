"""Checking: the audit, and everything else that a home holds."""

import base64
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.exports import checked
from gateway.cli.running import carry_out, plain
from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show, show_json, show_table
from gateway.cli.syncs import QueueOption
from policies.errors import RefusedError
from policies.model import Action, SourceName

if TYPE_CHECKING:
    from gateway.wiring import Installation

_DOCUMENT_ID = re.compile(r"[0-9a-f]{32}\Z")


def verify_audit(
    *,
    against: Annotated[
        Path | None,
        typer.Option(help="An export that the present audit must begin with.", metavar="EXPORT", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the whole audit: every record's hash, the chain, and the signed heads kept apart from it.

    Somebody who can write both the home and the keyring, and has a copy of both from before, can put them back and
    leave no trace in them. Such an audit shows only against an export that lies where that somebody cannot write.

    Example: [bold]penstock audit verify --against /mnt/worm/audit-2026-11.jsonl[/bold]
    """
    from indexer.custody import audited
    from policies.ledger import Problem

    with installation(home) as opened, opened.database.reading() as session:
        public_key = opened.keyring.public_key()
        exported = checked(against, public_key) if against else None
        seal = exported.seal if exported and not exported.problems else None
        found = audited(session, opened.keyring, also=(seal.after, seal.head) if seal else ())
    problems = found.problems
    if exported:
        problems += tuple(Problem(sequence=0, what=f"the export does not hold: {one}") for one in exported.problems)
    if as_json:
        show_json(
            {
                "records": found.records,
                "anchors": found.anchors,
                "public_key": base64.b64encode(public_key).decode(),
                "problems": [asdict(problem) for problem in problems],
            }
        )
    else:
        for problem in problems:
            show(str(problem))
        kept = "does not hold" if problems else "holds"
        show(f"The audit {kept}: {found.records} records, {found.anchors} signed heads.")
        if against and not problems:
            show(f"It begins with all that was exported to {str(against)!r}.")
    if problems:
        raise typer.Exit(FINDINGS)


def show_audit(  # noqa: PLR0913 - each is an option of the command
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many records, the last ones.")] = 20,
    action: Annotated[Action | None, typer.Option(help="Records of this act only.", show_default=False)] = None,
    actor: Annotated[
        str | None, typer.Option(help="Of this actor only, such as caller:ann.", show_default=False)
    ] = None,
    source: Annotated[str | None, typer.Option(help="That name this source, or asked it.", show_default=False)] = None,
    document: Annotated[
        str | None,
        typer.Option(help="That name this document, by its id or by its id at the origin.", show_default=False),
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="At this time (UTC) or later.", show_default=False)] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time (UTC).", show_default=False)] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the last records of the audit. It holds ids, codes and counts, never a query or a text.

    Who was given a document is told by its id, or by its id at the origin together with its source.

    Example: [bold]penstock audit show --source hr --document leave.md[/bold]
    """
    from policies import ledger
    from policies.inquiry import Inquiry, last

    with installation(home) as opened, opened.database.reading() as session:
        named = [] if document is None else [_document_id(opened, source, document)]
        # A document at an origin is of one source, whether or not a record names that as well.
        named = named or ([] if source is None else [source])
        inquiry = Inquiry(
            named=frozenset(named),
            actor=actor,
            action=action,
            since=since and since.replace(tzinfo=UTC),
            until=until and until.replace(tzinfo=UTC),
        )
        # With nothing to look for, the last ones are found without reading the others.
        after = None if inquiry != Inquiry() else ledger.current_head(session).sequence - limit
        found = last(ledger.records(session, after=after), inquiry, limit=limit)
    if as_json:
        show_json([asdict(record) for record in found])
        return
    for record in found:
        show(f"{record.sequence} {record.at} {record.actor} {record.action} {record.objects} {record.detail}")


def correct_clock(
    *,
    reference: Annotated[str, typer.Option(help="Of your record of what was wrong with the clock.", metavar="NUMBER")],
    home: HomeOption = None,
) -> None:
    """Go on by the present clock, which is behind the last record of the audit, because that one's time was wrong.

    Nothing is answered or done by a clock that is behind: it would show again what is past its retention. Only where
    the clock was ahead and is right now is this the mend. It stays on record.

    Example: [bold]penstock audit clock --reference INC-2026-031[/bold]
    """
    from gateway.wiring import clock
    from policies import ledger
    from policies.model import AuditEvent
    from policies.orders import check_reference

    detail = {"reference": check_reference(reference, "reference of the correction")}
    event = AuditEvent(actor=operator(), action=Action.CLOCK_CORRECTED, detail=detail)
    with installation(home) as opened:
        now = clock()
        with opened.database.writing() as session:
            if not ledger.is_behind(session, now):
                raise RefusedError("The clock is not behind the last record of the audit.", mend="Nothing is to do.")
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
    say(f"From here on {now:%Y-%m-%d %H:%M} UTC is the present.")


def _document_id(opened: "Installation", source: str | None, document: str) -> str:
    if _DOCUMENT_ID.match(document):
        return document
    if source is None:
        raise RefusedError(
            "--document is not a document's id.", mend="Name it as its origin does, and its source with --source."
        )
    return opened.keyring.document_id(SourceName(source), document)


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
