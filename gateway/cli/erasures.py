"""Erasure on request: finding what mentions a person, deleting it for good, or refusing with the law's reason."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.receipts import check_folder, give
from gateway.cli.shell import (
    HomeOption,
    JsonOption,
    PersonOption,
    YesOption,
    confirm,
    installation,
    person,
    say,
    show_json,
    show_table,
)
from gateway.cli.sources import described, document_ids, origin_ids
from policies.errors import RefusedError
from policies.model import Action, AuditEvent, DocumentId, SourceName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.wiring import Installation
    from indexer.catalog import Registration
    from indexer.subjects import Mention
    from policies.manifest import Source

SourceArgument = Annotated[str, typer.Argument(help="Name of the source.")]
ReferenceOption = Annotated[str, typer.Option("--reference", help="The request, as it is filed, such as DSR-2026-031.")]
SubjectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--subject",
        help="A name, address or number of the person; can be repeated. - reads them from standard input, a line each, "
        "so that none stands in the shell's history.",
    ),
]


def find(
    source: SourceArgument,
    *,
    subject: SubjectOption = None,
    reference: ReferenceOption,
    key: PersonOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which documents mention a person: by pseudonym where redaction knew the value, else as it is written.

    The person's name is not kept: the audit has the reference and what was found. Kept questions that mention the
    person are counted beside.

    Example: [bold]penstock erase find handbook --subject jane@example.com --reference DSR-2026-031[/bold]
    """
    from indexer import subjects

    with installation(home) as opened:
        registered, actor, values = _registered(opened, source), person(opened, key), _values(subject or [])
        found = _mentions(opened, registered, values, reference, actor)
        questions = subjects.count_questions(opened.workshop(), described(registered), values)
        names = _names(opened, registered, [mention.document for mention in found])
    if questions:
        say(f"{source}: {questions} kept questions mention the person.")
    if as_json:
        rows = (
            {"document": one.document, "origin_id": names[one.document], "named": one.named, "passages": one.passages}
            for one in found
        )
        show_json(list(rows))
        return
    if not found:
        say(f"{source}: no document mentions the person.")
        return
    rows_of = ((one.document, names[one.document], "yes" if one.named else "no", one.passages) for one in found)
    show_table(("document", "name", "named", "passages"), rows_of, whole={"document"})


def run(  # noqa: PLR0913 - every option of a command is an argument
    source: SourceArgument,
    *,
    reference: ReferenceOption,
    ground: Annotated[
        str, typer.Option(help="The ground in GDPR Art. 17(1), such as withdrawn_consent or no_longer_necessary.")
    ],
    document: Annotated[
        list[str] | None, typer.Option("--document", help="Id of a document, or its name at the origin; repeatable.")
    ] = None,
    subject: SubjectOption = None,
    receipt_dir: Annotated[
        Path | None, typer.Option(help="Folder to write the receipt to, outside the home.", show_default=False)
    ] = None,
    key: PersonOption = None,
    yes: YesOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete documents for good, and what came in them: these ones, and every one that mentions the person.

    They do not come back by a sync until `penstock erase lift`. Where a hold or a restriction stands nothing is
    deleted. Prints the signed receipt. The words of kept questions that mention the person go too; of questions alone
    the audit is the record, and there is no receipt.

    Example: [bold]penstock erase run handbook --document people/file.md --reference DSR-2026-031 --ground
    withdrawn_consent[/bold]
    """
    from indexer import erase, subjects
    from policies.purge import ErasureRequest, check_ground

    with installation(home, deleting=True) as opened:
        check_folder(receipt_dir, opened.home.root)
        registered, actor = _registered(opened, source), person(opened, key)
        ids = set(document_ids(opened, registered.name, document or []))
        values = _values(subject) if subject else []
        if values:
            ids |= {one.document for one in _mentions(opened, registered, values, reference, actor)}
        about = described(registered)
        if values and not ids and (meant := subjects.count_questions(opened.workshop(), about, values)):
            check_ground(reference, ground)
            say(f"{source}: no document mentions the person.")
            confirm(f"Delete the words of {meant} kept questions to {source} for good?", yes=yes)
            _forget(opened, about, values, reference, actor)
            give((), receipt_dir, as_json=as_json)
            return
        request = ErasureRequest(documents=frozenset(ids), reference=reference, ground=ground)
        request.check()
        for document_id, name in sorted(_names(opened, registered, sorted(ids)).items(), key=lambda one: one[::-1]):
            say(f"  {name or document_id}")
        confirm(f"Erase {len(ids)} documents of {source} for good?", yes=yes)
        if values:
            with opened.database.reading() as session:
                # An order that stands refuses here: then no question is forgotten either.
                erase.asked_for(opened.workshop(), about, request)(session)
            _forget(opened, about, values, reference, actor)
        signed = erase.erase(opened.workshop(), about, request, actor=actor)
    give(signed, receipt_dir, as_json=as_json)


def refuse(
    source: SourceArgument,
    *,
    reference: ReferenceOption,
    exception: Annotated[str, typer.Option(help="The exception in GDPR Art. 17(3), such as legal_claims.")],
    key: PersonOption = None,
    home: HomeOption = None,
) -> None:
    """Record that a request for erasure is refused, with the exception of Art. 17(3) that it rests on.

    Example: [bold]penstock erase refuse handbook --reference DSR-2026-031 --exception legal_claims[/bold]
    """
    from gateway.wiring import clock
    from policies import ledger
    from policies.orders import check_reference
    from policies.purge import check_exception

    told = check_reference(reference, "reference of the request")
    with installation(home) as opened:
        registered, now = _registered(opened, source), clock()
        article = check_exception(exception, described(registered).policy.regime)
        event = AuditEvent(
            actor=person(opened, key),
            action=Action.ERASURE_REFUSED,
            objects=(registered.name,),
            policy_hash=registered.policy_hash,
            detail={"reference": told, "exception": exception, "article": article},
        )
        with opened.database.writing() as session:
            head = ledger.append(session, event, now=now)
        opened.keyring.anchor(head, now=now)
    by = f"Art. {article}" if article else exception
    say(f"{source}: the refusal of {told} is recorded, by {by}.")


def lift(
    source: SourceArgument,
    document: Annotated[str, typer.Argument(help="Id of the document, as its receipt names it, or its origin's name.")],
    *,
    reference: ReferenceOption,
    key: PersonOption = None,
    home: HomeOption = None,
) -> None:
    """Let an erased document be taken in again by the next sync.

    Example: [bold]penstock erase lift handbook people/file.md --reference DSR-2026-031[/bold]
    """
    from indexer import tombstones

    with installation(home) as opened:
        registered = _registered(opened, source)
        erased = {entombed for entombed, _ in opened.keyring.tombstones()}
        # Its name is kept nowhere; its id follows from it.
        by_name = opened.keyring.document_id(registered.name, document)
        meant = by_name if by_name in erased else DocumentId(document)
        tombstones.lift(opened.workshop(), registered.name, meant, reference=reference, actor=person(opened, key))
    say(f"{source}: {meant} may be taken in again. Next: penstock sync {source}")


def _registered(opened: "Installation", source: str) -> "Registration":
    from indexer import catalog

    with opened.database.reading() as session:
        return catalog.require(session, SourceName(source))


def _forget(opened: "Installation", source: "Source", values: "Sequence[str]", reference: str, actor: str) -> None:
    from indexer import subjects

    forgotten = subjects.forget_questions(opened.workshop(), source, values, reference=reference, actor=actor)
    say(f"{source.name}: the words of {forgotten} kept questions that mention the person are deleted.")


def _mentions(
    opened: "Installation", registered: "Registration", values: "Sequence[str]", reference: str, actor: str
) -> "tuple[Mention, ...]":
    from indexer import subjects

    return subjects.find(opened.workshop(), described(registered), values, reference=reference, actor=actor)


def _values(given: "Sequence[str]") -> list[str]:
    values = [value for value in given if value != "-"]
    if len(values) < len(given):
        values += [line.strip() for line in sys.stdin if line.strip()]
    if not values:
        raise RefusedError("It must be clear who is meant.", mend="Give a --subject.")
    return values


def _names(opened: "Installation", registered: "Registration", ids: "Sequence[DocumentId]") -> dict[DocumentId, str]:
    from indexer import catalog

    with opened.database.reading() as session:
        known = catalog.documents(session, registered.name)
    return dict.fromkeys(ids, "") | origin_ids(opened, [known[document] for document in ids if document in known])
