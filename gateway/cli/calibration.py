"""Fitting the confidence of a source."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from gateway.cli.shell import HomeOption, JsonOption, installation, operator, say, show, show_json
from gateway.cli.sources import described
from policies.decide import SENTENCES
from policies.errors import RefusedError
from policies.model import Reason, SourceName

if TYPE_CHECKING:
    from gateway.calibrate import Questions
    from gateway.confidence import Model
    from gateway.wiring import Installation
    from indexer.catalog import Registration

GROUP = "group:"


def calibrate(
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    golden: Annotated[
        Path | None,
        typer.Argument(
            metavar="[GOLDEN.jsonl]",
            help="Questions with the documents that answer them. Default: those that were kept the last time.",
        ),
    ] = None,
    *,
    group: Annotated[
        list[str] | None,
        typer.Option(
            help="A group the questions are asked as; can be repeated. Those who ask should be in all of them, or the "
            "model ages for them. Default: those of access.allow."
        ),
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

    The questions are kept, sealed, and asked again before a changed index goes live. They are asked of what everybody
    in all the groups may read, and what they then make speaks to those people alone: to anybody else it would tell of
    documents that came or went out of their sight. For the others the model stays as it is now, and is stale once what
    they see themselves has changed by more than 2 %. So name the groups of the narrowest usual caller, mostly one; and
    calibrate anew from time to time, which is for everybody, and takes in the labels that people gave meanwhile.

    Example: [bold]penstock calibrate handbook golden.jsonl[/bold]
    """
    from gateway import calibrate as fitting
    from gateway.confidence import shipped
    from gateway.lookup import Opened, UnavailableError
    from gateway.wiring import clock, new_id
    from indexer import catalog
    from indexer.extent import extent

    with installation(home) as opened:
        with opened.database.reading() as session:
            registered = catalog.require(session, SourceName(source))
        name = registered.name
        named: Callable[[int], str] = fitting.kept_question
        if golden is None:
            questions = _kept(opened, name, options=(group, purpose, region))
        else:
            questions, named = _given(opened, registered, golden, group, purpose, region)
        fitting.check_labels(questions.asked)
        lookup = opened.lookup()
        with opened.database.reading() as session:
            searched = fitting.opened_for(lookup, session, catalog.require(session, name), questions, clock())
            if not isinstance(searched, Opened):
                raise _refusal(searched)
            feedback = fitting.feedback_on(session, searched, questions, now=clock())
        try:
            with _progress(len(questions.asked)) as progress:
                observations = fitting.observe(
                    lookup, opened.database, searched, questions.asked, progress=progress, named=named
                )
        except UnavailableError as error:
            raise fitting.changed_meanwhile(name) from error
        binding = fitting.binding_of(searched, questions, lookup.makers(searched.source))
        model = fitting.fit(observations, binding, shipped(), calibration=new_id(), feedback=feedback)
        saved = fitting.Saved(
            model=model,
            extent=extent(searched.generation, searched.visible),
            audience=fitting.Audience.of(questions.groups, searched.source),
            golden=questions.worded([one.question for one in observations])
            .after(searched.scope())
            .seal(opened.keyring, name),
        )
        again = golden is None
        head = fitting.put_in_force(
            opened.database, registered, searched, saved, actor=operator(), now=clock(), again=again
        )
        opened.keyring.anchor(head, now=clock())
    _show_model(model, as_json=as_json)


def _given(
    opened: "Installation",
    registered: "Registration",
    path: Path,
    group: list[str] | None,
    purpose: str | None,
    region: str | None,
) -> "tuple[Questions, Callable[[int], str]]":
    """The questions of a file, for the caller that the options describe, and where each of them stands."""
    from gateway import calibrate as fitting
    from indexer import calibrations
    from policies.errors import IntegrityError

    name, keyring = registered.name, opened.keyring
    golden = fitting.read_golden(path, name)
    policy = described(registered).policy
    with opened.database.reading() as session:
        fitting.check_documents(session, keyring, name, golden)
        basis = calibrations.basis(session, name)
        scopes = calibrations.scopes(session, name)
    made = fitting.Questions(
        subject=operator(),
        groups=tuple(sorted(set(group or _groups(policy.access.allow)))),
        purpose=purpose or policy.purposes[0],
        region=region or opened.node.process_region or "",
        asked=fitting.keep(keyring, name, golden),
    )

    def named(number: int) -> str:
        return f"{path}:{golden[number].line}"

    if basis is None or basis.golden is None:
        return made, named
    try:
        before = fitting.Questions.unseal(keyring, name, basis.golden)
    except IntegrityError:
        return made, named
    # What people said of what the same caller saw before holds for other golden questions too.
    same = (before.groups, before.purpose, before.region) == (made.groups, made.purpose, made.region)
    return replace(made, scopes=before.scopes + scopes) if same else made, named


def _kept(opened: "Installation", name: SourceName, *, options: tuple[object, ...]) -> "Questions":
    """The questions that were kept, for the caller they were asked as."""
    from gateway import calibrate as fitting
    from indexer import calibrations

    if any(options):
        raise RefusedError(
            "Kept questions are asked as they were before.",
            mend="Leave out --group, --purpose and --region, or name the file of golden questions too.",
        )
    with opened.database.reading() as session:
        basis = calibrations.basis(session, name)
        scopes = calibrations.scopes(session, name)
    if basis is None or basis.golden is None:
        raise RefusedError(
            f"No golden questions of {str(name)!r} are kept.", mend=f"Run: penstock calibrate {name} GOLDEN.jsonl"
        )
    kept = fitting.Questions.unseal(opened.keyring, name, basis.golden)
    return replace(kept, scopes=kept.scopes + scopes)


def _groups(allow: tuple[str, ...]) -> list[str]:
    return [principal.removeprefix(GROUP) for principal in allow if principal.startswith(GROUP)]


def _refusal(reason: Reason) -> RefusedError:
    return RefusedError(
        f"Not everybody in those groups may search the source: {SENTENCES[reason]}",
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
                "gone": model.gone,
                "feedback": model.feedback,
                "missing_labels": model.missing_labels(),
                "threshold": model.threshold,
                "max_risk": model.max_risk,
                "certificate": asdict(certificate) if certificate else None,
                "labels_needed": model.labels_needed,
                "figures": dict(model.figures),
            }
        )
        return
    figures, allowed = model.figures, _percent(model.max_risk)
    show(f"{model.source}: confidence fitted on {model.population}, {model.unanswerable} of them not answerable.")
    if model.gone:
        show(f"  {model.gone} of them name documents that can no longer be seen: they count as not answerable.")
    if model.feedback:
        show(f"  {model.feedback} labels of people who asked were fitted on beside; the figures are of the questions.")
    show(
        f"  AUROC {figures['auroc']:.3f}, Brier score {figures['brier']:.3f}, calibration error {figures['ece']:.3f} "
        f"(a perfect model's: up to {figures['ece_null_95']:.3f}); "
        f"{figures['base_rate']:.0%} of the results held the answer."
    )
    if model.threshold is None:
        show(f"  No threshold keeps the risk within {allowed}: every answer will be a hand-off.")
    else:
        show(
            f"  From {model.threshold:.3f} on it says caution: {figures['coverage']:.0%} of the questions, for "
            f"{figures['risk']:.1%} of which no document that answers was returned (at most {allowed})."
        )
    if certificate is not None:
        show(
            f"  From {certificate.threshold:.3f} on it says answer: of {certificate.labels} questions kept apart "
            f"{certificate.served} reached it, and for {certificate.wrong} of them no document that answers was "
            f"returned. Of questions drawn like these that reach it, that is so for at most "
            f"{_percent(certificate.max_risk)}, with a probability of {_percent(1 - certificate.delta)}."
        )
    elif model.labels_needed is None:
        show(f"  Nothing can be certified at a risk of {allowed}, however many labels there were.")
    else:
        show(f"  Nothing is certified at a risk of {allowed}: about {model.labels_needed} labels would do.")


def _percent(share: float) -> str:
    """A share that somebody chose, as it was written: rounded, 0.995 would be certain."""
    return f"{100 * share:.6g}%"
