"""Answers that wait for a person, and what people say of answers."""

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.shell import HomeOption, JsonOption, holder, installation, operator, say, show_json, show_table
from policies.errors import RefusedError
from policies.model import Role, SourceName

if TYPE_CHECKING:
    from gateway.review.desk import Reviewer, Waiting
    from gateway.wiring import Installation
    from indexer.handoffs import Handoff

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

HandoffArgument = Annotated[str, typer.Argument(metavar="HANDOFF", help="Id of the hand-off.")]
ReviewerOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        help="File with an API key, - for standard input: acts as the person it proves, who needs the role reviewer "
        "and sees what that person may read. Default: this operator, who sees all.",
        show_default=False,
    ),
]
SufficientOption = Annotated[
    bool, typer.Option("--sufficient/--insufficient", help="Whether the passages held what was needed.")
]
AnswerableOption = Annotated[
    bool | None,
    typer.Option(
        "--answerable/--unanswerable", help="Whether the source holds it at all; it does where the passages did."
    ),
]


def list_handoffs(
    *,
    source: Annotated[str | None, typer.Option(help="Of this source only.", show_default=False)] = None,
    state: Annotated[
        str | None, typer.Option(help="waiting, claimed or resolved. Default: all.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="How many at most.")] = DEFAULT_LIMIT,
    key: ReviewerOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List answers that wait for a person, or waited, the oldest first.

    The question is shown, redacted, where the source's manifest has policy.guardrail.keep_query on.

    Example: [bold]penstock handoff list --state waiting[/bold]
    """
    from gateway.review.schemas import plain
    from gateway.wiring import new_id
    from indexer.handoffs import HandoffState

    if state is not None and state not in set(HandoffState):
        raise RefusedError(f"{state!r} is no state.", mend=f"Name one of {', '.join(HandoffState)}.")
    with installation(home) as opened:
        found = opened.review().listing(
            _reviewer(opened, key),
            source=None if source is None else SourceName(source),
            state=None if state is None else HandoffState(state),
            limit=limit,
            request_id=new_id(),
        )
    if as_json:
        show_json(list(map(plain, found)))
        return
    if not found:
        say("There is no such hand-off.")
        return
    columns = ("handoff", "source", "kind", "asked", "by", "reasons", "confidence", "state", "question")
    show_table(columns, map(_row, found), whole={"handoff"})


def claim(
    handoff: HandoffArgument, *, key: ReviewerOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Take a hand-off for 24 hours, so that no other reviewer does.

    Example: [bold]penstock handoff claim 0c9d3c5b7a1f4e2d8b6a9f01 --key my-key.txt[/bold]
    """
    from indexer.handoffs import HandoffId

    with installation(home) as opened:
        held = opened.review().claim(_reviewer(opened, key), HandoffId(handoff))
    _tell(held, as_json=as_json)


def resolve(
    handoff: HandoffArgument,
    *,
    sufficient: SufficientOption,
    answerable: AnswerableOption = None,
    document: Annotated[
        str | None,
        typer.Option(help="A document that answers: its id, or its name at the origin.", show_default=False),
    ] = None,
    key: ReviewerOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a hand-off: what you say of the answer is a label for the source's confidence.

    Example: [bold]penstock handoff resolve 0c9d3c5b7a1f4e2d8b6a9f01 --insufficient --answerable --document
    leave/annual-leave.md[/bold]
    """
    from gateway.review.desk import Opinion
    from indexer.handoffs import HandoffId

    _check(sufficient=sufficient, answerable=answerable)
    if not sufficient and answerable is None:
        raise RefusedError(
            "It must be clear whether the source holds the answer at all.", mend="Give --answerable or --unanswerable."
        )
    if document is not None and answerable is False:
        raise RefusedError("What no document answers is answered by none.", mend="Leave out --document.")
    opinion = Opinion(sufficient=sufficient, answerable=sufficient or answerable, document=document)
    with installation(home) as opened:
        held = opened.review().resolve(_reviewer(opened, key), HandoffId(handoff), opinion)
    _tell(held, as_json=as_json)


def feedback(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The request_id of an answer.")],
    *,
    sufficient: SufficientOption,
    answerable: AnswerableOption = None,
    key: ReviewerOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of an answer whether its passages held what was needed: a label for the source's confidence.

    Example: [bold]penstock feedback 7d0f5c2ab91e4c6f0a1b2c3d --insufficient --answerable --key my-key.txt[/bold]
    """
    from gateway.review.desk import Opinion

    _check(sufficient=sufficient, answerable=answerable)
    with installation(home) as opened:
        opinion = Opinion(sufficient=sufficient, answerable=answerable)
        opened.review().feedback(_reviewer(opened, key), request, opinion)
    if as_json:
        show_json({"request_id": request, "sufficient": sufficient, "answerable": answerable})
        return
    say(f"{request}: kept as {'sufficient' if sufficient else 'insufficient'}.")


def _reviewer(opened: "Installation", key: str | None) -> "Reviewer":
    from gateway.review.desk import Reviewer, reviewer_of

    if key is None:
        return Reviewer(actor=operator(), caller=None)
    return reviewer_of(holder(opened, key, Role.REVIEWER))


def _check(*, sufficient: bool, answerable: bool | None) -> None:
    if sufficient and answerable is False:
        raise RefusedError("Passages that hold the answer are the source's.", mend="Leave out --unanswerable.")


def _tell(held: "Handoff", *, as_json: bool) -> None:
    from gateway.review.schemas import standing

    if as_json:
        show_json(standing(held))
        return
    say(f"{held.asked.source}: hand-off {held.id} is {held.state}.")


def _row(waiting: "Waiting") -> tuple[object, ...]:
    handoff, words = waiting.handoff, waiting.words
    question = handoff.asked
    person = handoff.resolved_by or handoff.claimed_by
    return (
        handoff.id,
        question.source,
        handoff.kind,
        f"{question.asked_at:%Y-%m-%d %H:%M}",
        question.subject,
        ", ".join(question.reasons),
        "" if question.confidence is None else f"{question.confidence:.2f}",
        f"{handoff.state} by {person}" if person else handoff.state,
        "" if words is None else words.query,
    )
