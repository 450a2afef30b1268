"""Fitting the confidence of a source."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show, show_json
from gateway.cli.sources import described
from policies.decide import SENTENCES
from policies.errors import RefusedError
from policies.model import Action, AuditEvent, Caller, Reason, SourceName

if TYPE_CHECKING:
    from gateway.confidence import Model

GROUP = "group:"


def calibrate(
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    golden: Annotated[
        Path, typer.Argument(metavar="GOLDEN.jsonl", help="Questions with the documents that answer them.")
    ],
    *,
    group: Annotated[
        list[str] | None,
        typer.Option(help="A group the questions are asked as; can be repeated. Default: those of access.allow."),
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="What they are asked for. Default: the source's first.")] = None,
    region: Annotated[str | None, typer.Option(help="Where they are asked from. Default: where this runs.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a source's confidence on questions with known answers, asked as a caller like any other.

    Each line of the file is an object with the keys source, query and documents: the origin ids (for a folder, the
    paths below its root) of the documents that answer it, an empty list where none does. Lines of other sources are
    passed over.

    Example: [bold]penstock calibrate handbook golden.jsonl[/bold]
    """
    from gateway import calibrate as fitting
    from gateway.confidence import shipped
    from gateway.lookup import Opened
    from gateway.wiring import clock, new_id
    from indexer import calibrations, catalog
    from indexer.search import READ
    from policies import ledger

    questions = fitting.read_golden(golden, SourceName(source))
    with installation(home) as opened:
        now = clock()
        with opened.database.reading() as session:
            registered = catalog.require(session, SourceName(source))
            fitting.check_documents(session, opened.keyring, registered.name, questions)
        policy = described(registered).policy
        caller = Caller(
            subject=operator(),
            groups=frozenset(group or _groups(policy.access.allow)),
            purposes=frozenset({purpose or policy.purposes[0]}),
            region=region or opened.node.process_region,
        )
        (asked_for,) = caller.purposes
        lookup = opened.lookup()
        with opened.database.reading() as session:
            searched = lookup.open(session, catalog.require(session, registered.name), caller, asked_for, now)
            if not isinstance(searched, Opened):
                raise _refusal(searched)
            with _progress(len(questions)) as progress:
                observations = fitting.observe(lookup, session, searched, questions, progress=progress)
        inventory = searched.generation.inventory
        binding = fitting.Binding(
            source=registered.name,
            scope=searched.scope(),
            classes=searched.classes(),
            embedder=inventory.embedder,
            k=READ,
            population=f"{len(questions)} questions, as {', '.join(sorted(caller.groups)) or 'no group'} in "
            f"{caller.region}, for {asked_for}",
            max_risk=policy.guardrail.max_risk,
            delta=policy.guardrail.delta,
        )
        model = fitting.fit(observations, binding, shipped(), calibration=new_id())
        event = AuditEvent(
            actor=operator(),
            action=Action.CALIBRATED,
            objects=(registered.name, model.id),
            policy_hash=registered.policy_hash,
            detail={
                "labels": model.labels,
                "unanswerable": model.unanswerable,
                "threshold": model.threshold,
                "certified": model.certificate.threshold if model.certificate else None,
            },
        )
        with opened.database.writing() as session:
            calibrations.store(session, registered.name, calibration=model.id, model=model.dump(), now=now)
            head = ledger.append(session, event, now=clock())
        opened.keyring.anchor(head, now=now)
    _show_model(model, as_json=as_json)


def _groups(allow: tuple[str, ...]) -> list[str]:
    return [principal.removeprefix(GROUP) for principal in allow if principal.startswith(GROUP)]


def _refusal(reason: Reason) -> RefusedError:
    return RefusedError(
        f"A caller like that may not search the source: {SENTENCES[reason]}",
        mend="Choose another with --group, --purpose and --region, or sync the source first.",
    )


@contextmanager
def _progress(questions: int) -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        say(f"Asking {questions} questions.")
        yield lambda _: None
        return
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("Asking", total=questions)
        yield lambda done: bar.update(task, completed=done)


def _show_model(model: "Model", *, as_json: bool) -> None:
    certificate = model.certificate
    if as_json:
        show_json(
            {
                "source": model.source,
                "calibration": model.id,
                "k": model.k,
                "population": model.population,
                "labels": model.labels,
                "unanswerable": model.unanswerable,
                "threshold": model.threshold,
                "max_risk": model.max_risk,
                "certificate": asdict(certificate) if certificate else None,
                "labels_needed": model.labels_needed,
                "figures": dict(model.figures),
            }
        )
        return
    figures = model.figures
    show(f"{model.source}: confidence fitted on {model.population}, {model.unanswerable} of them not answerable.")
    show(
        f"  AUROC {figures['auroc']:.3f}, Brier score {figures['brier']:.3f}, calibration error {figures['ece']:.3f} "
        f"(a perfect model's: up to {figures['ece_null_95']:.3f}); "
        f"{figures['base_rate']:.0%} of the results held the answer."
    )
    if model.threshold is None:
        show(f"  No threshold keeps the risk within {model.max_risk:.0%}: every answer will be a hand-off.")
    else:
        show(
            f"  From {model.threshold:.3f} on it says caution: {figures['coverage']:.0%} of the questions, of which "
            f"{figures['risk']:.1%} lacked the answer (at most {model.max_risk:.0%})."
        )
    if certificate is not None:
        show(
            f"  From {certificate.threshold:.3f} on it says answer: of {certificate.labels} questions kept apart "
            f"{certificate.served} reached it and {certificate.wrong} of them lacked the answer. Of questions like "
            f"these at most {certificate.max_risk:.0%} do, with a probability of {1 - certificate.delta:.0%}."
        )
    elif model.labels_needed is None:
        show(f"  Nothing can be certified at a risk of {model.max_risk:.0%}, however many labels there were.")
    else:
        show(f"  Nothing is certified at a risk of {model.max_risk:.0%}: about {model.labels_needed} labels would do.")
