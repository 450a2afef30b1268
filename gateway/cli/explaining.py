"""Why somebody may or may not read something."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import FINDINGS
from gateway.cli.shell import HomeOption, JsonOption, installation, show, show_json, show_table
from gateway.cli.sources import described, document_ids
from policies.errors import RefusedError
from policies.manifest import Source
from policies.model import Agent, Caller, DocumentId, SourceName

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.wiring import Installation
    from indexer.catalog import Registration


def explain(  # noqa: PLR0913 - every option of a command is an argument
    *,
    subject: Annotated[str, typer.Option("--as", help="Who: the subject of a key or token, or key:ID for one key.")],
    source: Annotated[str, typer.Option("--source", help="Name of the source.")],
    document: Annotated[
        str | None, typer.Option("--document", help="Id of a document, or its name at the origin.", show_default=False)
    ] = None,
    purpose: Annotated[
        str | None, typer.Option("--purpose", help="What it is wanted for. Default: the source's, if it has one only.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="A group of the subject; can be repeated. Default: its key's.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Where the subject is. Default: its key's.", show_default=False)
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", help="The agent that acts for it, by its grant.", show_default=False)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every step of the decision, in its order, and what each was decided by. Exit code 1 where it denies.

    Groups, purposes and region are those of the subject's API key, unless they are given here: a token carries its own.

    Example: [bold]penstock explain --as ann --source handbook --document leave.md[/bold]
    """
    from gateway.explain import Explainer
    from gateway.wiring import clock
    from indexer import catalog
    from indexer.shelf import Shelf

    with installation(home) as opened, opened.database.reading() as session:
        registered, now = catalog.require(session, SourceName(source)), clock()
        manifest = described(registered)
        wanted = _purpose(manifest, purpose)
        caller = _caller(opened, subject, group, region, wanted, now)
        if agent is not None:
            caller = _with_agent(opened, caller, agent)
        explainer = Explainer(keyring=opened.keyring, shelf=Shelf(home=opened.home), node=opened.node)
        meant = _document(opened, registered, document) if document else None
        steps = explainer.explain(session, registered, caller, wanted, meant, now=now)
    refusal = next((step for step in steps if step.code), None)
    if as_json:
        show_json(
            {
                "subject": caller.subject,
                "agent": caller.agent.subject if caller.agent else None,
                "source": source,
                "document": meant,
                "purpose": wanted,
                "permitted": refusal is None,
                "reason": refusal.code if refusal else None,
                "steps": [
                    {"step": step.step, "code": step.code, "sentence": step.sentence, "facts": step.facts}
                    for step in steps
                ],
            }
        )
    else:
        rows = ((step.step, step.code or "passes", step.sentence, step.facts) for step in steps)
        show_table(("step", "says", "why", "decided by"), rows)
        about = f"{source} {document}" if document else source
        if refusal is None:
            verb = "may read" if document else "may ask"
            show(f"{caller.subject} {verb} {about} for {wanted}.")
        else:
            verb = "may not read" if document else "may not ask"
            show(f"{caller.subject} {verb} {about} for {wanted}: {refusal.code}. {refusal.sentence}")
    if refusal is not None:
        raise typer.Exit(FINDINGS)


def _purpose(source: Source, purpose: str | None) -> str:
    if purpose is not None:
        return purpose
    if len(source.policy.purposes) > 1:
        raise RefusedError(
            f"Source {source.name!r} has several purposes.",
            mend=f"Give --purpose {' or '.join(source.policy.purposes)}.",
        )
    return source.policy.purposes[0]


def _caller(
    opened: "Installation", subject: str, groups: list[str] | None, region: str | None, purpose: str, now: "datetime"
) -> Caller:
    """The subject with what its one key in force says, less what was given."""
    from gateway import keys

    with opened.database.reading() as session:
        found = [
            key
            for key in keys.listing(session)
            if subject in {key.grant.subject, f"key:{key.id}"} and key.is_valid(now)
        ]
    if groups is not None and region is not None:
        return Caller(subject=subject, groups=frozenset(groups), purposes=frozenset({purpose}), region=region)
    if len(found) != 1:
        several = ", ".join(f"key:{key.id}" for key in found)
        raise RefusedError(
            f"{subject!r} has {len(found)} API keys in force, so its groups and region are not known.",
            mend=f"Name one: {several}." if found else "Give --group and --region, as its token would.",
        )
    caller = found[0].caller()
    return replace(
        caller,
        groups=caller.groups if groups is None else frozenset(groups),
        region=caller.region if region is None else region,
    )


def _with_agent(opened: "Installation", caller: Caller, agent: str) -> Caller:
    from gateway import agents
    from gateway.wiring import clock

    now = clock()
    with opened.database.reading() as session:
        found: list[Agent] = [
            one.grant.agent
            for one in agents.listing(session)
            if one.grant.agent.subject == agent and one.revoked is None and now < one.grant.expires
        ]
    if len(found) != 1:
        raise RefusedError(
            f"The agent {agent!r} has {len(found)} grants in force.", mend="See them with: penstock agent list"
        )
    return replace(caller, agent=found[0])


def _document(opened: "Installation", registered: "Registration", name: str) -> DocumentId:
    """The id of a document, also of one that is not there any more: it follows from the name."""
    from indexer import catalog

    with opened.database.reading() as session:
        known = catalog.documents(session, registered.name)
    entombed = {document for document, _ in opened.keyring.tombstones()}
    if name in known or name in entombed:
        return DocumentId(name)
    try:
        return document_ids(opened, registered.name, [name])[0]
    except RefusedError:
        return opened.keyring.document_id(registered.name, name)
