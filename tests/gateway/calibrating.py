"""A source of a bench calibrated with golden questions, as `penstock calibrate` does it."""

from collections.abc import Callable, Sequence

from gateway import calibrate as fitting
from gateway.calibrate import Golden, Questions, Saved
from gateway.confidence import MIN_LABELS, SCHEMA, Model, shipped
from gateway.lookup import Lookup, Opened
from indexer import catalog
from indexer.extent import extent
from indexer.shelf import Shelf
from policies.model import SourceName
from tests.indexer.workbench import ACTOR, Bench

PURPOSE = "employee-support"


def lookup_over(bench: Bench) -> Lookup:
    """What searches the sources of a bench."""
    return Lookup(
        keyring=bench.keyring,
        shelf=Shelf(home=bench.home),
        redactor=bench.stages.redactor,
        embedder=bench.stages.embedder,
        node=bench.workshop.node,
    )


def model_of(opened: Opened, lookup: Lookup) -> Model:
    """A model of what is opened, one label short of being calibrated, whose threshold everything passes."""
    return Model(
        id="c1",
        schema=SCHEMA,
        source=opened.source.name,
        scope=opened.scope(),
        classes=opened.classes(),
        makers=lookup.makers(opened.source),
        k=5,
        linear=shipped(),
        threshold=0.0,
        certificate=None,
        labels_needed=None,
        max_risk=0.05,
        labels=MIN_LABELS - 1,
        unanswerable=20,
        gone=0,
        feedback=0,
        feedback_unanswerable=0,
        purpose=PURPOSE,
        population="test",
        figures={},
        points=(),
    )


def calibrate(
    bench: Bench,
    name: SourceName,
    golden: Sequence[Golden],
    *,
    lookup: Lookup,
    subject: str,
    groups: tuple[str, ...],
    calibration: str,
    meanwhile: Callable[[], object] = lambda: None,
) -> None:
    """Ask these questions as `subject` and put what they give in force; `meanwhile` happens when they were asked."""
    questions = Questions(
        subject=subject,
        groups=groups,
        purpose=PURPOSE,
        region="gb",
        asked=fitting.keep(bench.keyring, name, golden),
    )
    with bench.database.reading() as session:
        registered = catalog.require(session, name)
        searched = fitting.opened_for(lookup, session, registered, questions, bench.clock())
    assert isinstance(searched, Opened)
    observations = fitting.observe(lookup, bench.database, searched, questions.asked, progress=lambda _: None)
    binding = fitting.binding_of(searched, questions, lookup.makers(searched.source))
    saved = Saved(
        model=fitting.fit(observations, binding, shipped(), calibration=calibration),
        extent=extent(searched.generation, searched.visible),
        audience=fitting.Audience.of(questions.groups, searched.source),
        golden=questions.after(searched.scope()).seal(bench.keyring, name),
    )
    meanwhile()
    fitting.put_in_force(bench.database, registered, searched, saved, actor=ACTOR, now=bench.clock(), again=False)
