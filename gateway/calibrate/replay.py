"""Golden questions asked again before another index goes live, so that its confidence is one of that index.

Only golden questions test and certify, and those that certify are never fitted on: so each certificate by itself keeps
its risk with probability 1 - delta, however often the questions were asked before, as long as nobody chooses between
its outcomes. That holds for each index, not for all at once: over many, among certificates on the same questions, one
that promises too much turns up more often than delta. And two ways lead back from the certifying questions: what was
served by a certificate decides which questions people label, and an operator who changes golden questions until one
passes has chosen. The first bends the fit alone, the second is on record, with the number of labels. New questions
from time to time end both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from gateway.calibrate.fitting import Binding, fit, observe
from gateway.calibrate.golden import SCOPES_KEPT, Questions
from gateway.calibrate.wording import UnaskableError
from gateway.confidence import Audience, Makers, Model, loaded, shipped
from gateway.lookup import Lookup, Opened, Unseen
from indexer import calibrations, catalog, labels, serving
from indexer.asked import kept_from
from indexer.calibrations import Again, Basis, Stored
from indexer.catalog import Registration
from indexer.database import Database
from indexer.extent import extent
from indexer.labels import Labelled
from indexer.search import READ
from indexer.workshop import Settle
from policies import ledger
from policies.errors import ConflictError, DependencyError, IntegrityError, PenstockError, RefusedError
from policies.ledger import Head
from policies.model import Action, AuditEvent, Reason, SourceName

BUDGET_S = 60.0
"""Chosen: less than a tenth of the time between two syncs. In it some 2,000 questions can be asked: 100 took 2.8 s, the
fit with them, on two busy cores."""
READER_BUDGET_S = 600.0
"""Chosen: with a reader, which takes 0.2 to 0.4 s a question, it is about as many. The index waits for them."""
LEAST_AUROC = 0.6
"""Chosen: below it an answer that is there is hardly told from one that is not. A useless model of 50 labels shows as
much one time in 8, one of 200 one in 130."""
SLACK = 0.03
"""How far the calibration error may lie above the 95th percentile of a perfect model's. Chosen: without it a perfect
model would be refused one time in 15, with it one in 57 at 50 labels, one in 400 at 200 and never seen at 400."""


class Failure(StrEnum):
    """Why golden questions could not be asked again."""

    NOT_ASKED = "not_asked"
    OVER_BUDGET = "over_budget"
    NOTHING_VISIBLE = "nothing_visible"
    TOO_FEW = "too_few"
    UNSOUND = "unsound"


_FINAL = frozenset({Failure.TOO_FEW, Failure.UNSOUND})
"""What asking the same once more would not mend."""


class _OverBudgetError(DependencyError):
    """The questions take too long."""


class _NothingVisibleError(RefusedError):
    """Their caller sees nothing."""


class _UnsoundError(RefusedError):
    """The figures of the new model are bad."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A fitted model with what it was fitted on and for whom, to be stored."""

    model: Model
    extent: bytes
    audience: Audience
    golden: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """What the asking caller sees of a generation, and what people said of what was seen there."""

    opened: Opened
    questions: Questions
    makers: Makers
    feedback: tuple[Labelled, ...]

    def is_of(self, model: Model) -> bool:
        bears, held = self.opened.source.policy.guardrail, model.certificate
        return (self.opened.scope(), self.makers, bears.max_risk, held.delta if held else bears.delta) == (
            model.scope,
            model.makers,
            model.max_risk,
            bears.delta,
        )

    def audience(self) -> Audience:
        return Audience.of(self.questions.groups, self.opened.source)


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """Asks the golden questions of sources again, within what their audience may see at that instant.

    `seconds` is a clock that never goes back. What that audience may not see changes nothing: where it sees what the
    model was fitted on, the model stays, to the last bit. Labels that people gave since the operator acted wait for the
    next act: who gave them may have seen what this audience may not.
    """

    lookup: Callable[[], Lookup]
    clock: Callable[[], datetime]
    seconds: Callable[[], float]
    new_id: Callable[[], str]

    def __call__(self, database: Database, registered: Registration, *, published: bool, actor: str) -> Settle | None:
        """What stores the renewed model of a generation, or that there is none; None where nothing is to be done."""
        name = registered.name
        with database.reading() as session:
            before, basis = calibrations.stored(session, name), calibrations.basis(session, name)
            latest = calibrations.latest(session, name)
        if before is None or latest is None or basis is None or basis.golden is None or basis.calibration != before.id:
            return None
        tried, view = "", None
        try:
            view = self._view(database, registered, before, basis.golden, published=published)
            if _is_as_fitted(latest, view):
                return self._mended(name, basis)
            tried = f"{view.opened.scope()} {self.lookup().keyring.fingerprint(view.makers.key)}"
            if basis.tried == tried and basis.failed in _FINAL:
                return None
            model = self._fitted(database, view)
        except (PenstockError, OSError, ValueError) as error:
            return self._failing(registered, basis, _why(error), tried, view, actor=actor)

        def settle(session: Session) -> None:
            present = calibrations.basis(session, name)
            # Who calibrated the source meanwhile gave other questions, which must not be lost.
            if present is not None and present.calibration == basis.calibration:
                now = self.clock()
                calibrations.renew(session, name, _again(basis, view, model), most=SCOPES_KEPT, now=now)
                _record(session, registered, model, actor=actor, now=now, again=True)

        return settle

    def _mended(self, name: SourceName, basis: Basis) -> Settle | None:
        if basis.failed is None:
            return None
        return lambda session: calibrations.mend(session, name, calibration=basis.calibration)

    def _failing(
        self, registered: Registration, basis: Basis, why: Failure, tried: str, view: _View | None, *, actor: str
    ) -> Settle | None:
        if (basis.failed, basis.tried) == (why.value, tried):
            return None
        audience = None if view is None else view.audience().dump()
        event = AuditEvent(
            actor=actor,
            action=Action.REPLAY_FAILED,
            objects=(registered.name, basis.calibration),
            policy_hash=registered.policy_hash,
            detail={"why": why.value},
        )

        def settle(session: Session) -> None:
            of_model = basis.calibration
            calibrations.fail(
                session, registered.name, calibration=of_model, why=why.value, tried=tried, audience=audience
            )
            ledger.append(session, event, now=self.clock())

        return settle

    def _view(
        self, database: Database, registered: Registration, before: Stored, sealed: bytes, *, published: bool
    ) -> _View:
        lookup = self.lookup()
        questions = Questions.unseal(lookup.keyring, registered.name, sealed)
        # Publishing shows what is hidden until there is an index that knows of it.
        unseen = serving.unseen if published else serving.withheld
        with database.reading() as session:
            opened = opened_for(lookup, session, registered, questions, self.clock(), unseen=unseen)
            if not isinstance(opened, Opened):
                raise _NothingVisibleError(
                    "The caller of the golden questions sees nothing any more.",
                    mend="Run: penstock calibrate SOURCE GOLDEN.jsonl",
                )
            return _View(
                opened=opened,
                questions=questions,
                makers=lookup.makers(opened.source),
                feedback=feedback_on(
                    session, opened, questions, now=self.clock(), until=datetime.fromisoformat(before.created)
                ),
            )

    def _fitted(self, database: Database, view: _View) -> Model:
        lookup, opened, questions = self.lookup(), view.opened, view.questions
        until = self.seconds() + (BUDGET_S if lookup.reader is None else READER_BUDGET_S)

        def in_time(_done: int) -> None:
            if self.seconds() > until:
                raise _OverBudgetError(
                    "Asking the golden questions took too long.", mend="Run: penstock calibrate SOURCE"
                )

        observations = observe(lookup, database, opened, questions.asked, progress=in_time)
        binding = binding_of(opened, questions, view.makers)
        model = fit(observations, binding, shipped(), calibration=self.new_id(), feedback=view.feedback)
        if not is_sound(model):
            raise _UnsoundError(
                "The golden questions say that the confidence is off.", mend="Run: penstock calibrate SOURCE"
            )
        return model


def opened_for(
    lookup: Lookup,
    session: Session,
    registered: Registration,
    questions: Questions,
    now: datetime,
    *,
    unseen: Unseen = serving.unseen,
) -> Opened | Reason:
    """What golden questions are asked of: the part of a source that everybody of their audience sees, or why none.

    Raises:
        UnavailableError: the source's index cannot be searched, or was replaced meanwhile.
    """
    opened = lookup.open(session, registered, questions.caller(), questions.purpose, now, unseen=unseen)
    if not isinstance(opened, Opened):
        return opened
    audience = Audience.of(questions.groups, opened.source)
    common = {one.id for one in opened.generation.inventory.classes if audience.may_read(one.access)}
    permits = tuple(permit for permit in opened.permits if permit.class_id in common)
    visible = opened.generation.visible(permits, opened.hidden)
    return replace(opened, permits=permits, visible=visible) if visible else Reason.NOTHING_TO_SHOW


def feedback_on(
    session: Session, opened: Opened, questions: Questions, *, now: datetime, until: datetime | None = None
) -> tuple[Labelled, ...]:
    """What people said of their own questions where they saw what these were asked of, or are now.

    What others saw may not enter a model: it would tell of it. `until` leaves out what was said later.
    """
    source = opened.source
    scopes = {*questions.scopes, *(() if until else (opened.scope(),))}
    told = labels.labelled(session, source.name, since=kept_from(source.policy.retention.period, now))
    return tuple(one for one in told if one.scope in scopes and (until is None or one.labelled_at <= until))


def binding_of(opened: Opened, questions: Questions, made_by: Makers) -> Binding:
    """What a model that is fitted there is for."""
    guardrail = opened.source.policy.guardrail
    return Binding(
        source=opened.source.name,
        scope=opened.scope(),
        classes=opened.classes(),
        makers=made_by,
        k=READ,
        purpose=questions.purpose,
        population=questions.population(),
        max_risk=guardrail.max_risk,
        delta=guardrail.delta,
    )


def is_sound(model: Model) -> bool:
    """Whether a model's figures on its golden questions are such that it may say anything."""
    figures = model.figures
    return figures["auroc"] >= LEAST_AUROC and figures["ece"] <= figures["ece_null_95"] + SLACK


def save(session: Session, registered: Registration, saved: Saved, *, actor: str, now: datetime, again: bool) -> Head:
    """Put a model that an operator had fitted in force; `again` says that its questions were kept from before."""
    name, of_model = registered.name, saved.model.id
    calibrations.store(session, name, calibration=of_model, model=saved.model.dump(), now=now)
    calibrations.keep(
        session,
        name,
        calibration=of_model,
        extent=saved.extent,
        golden=saved.golden,
        audience=saved.audience.dump(),
    )
    return _record(session, registered, saved.model, actor=actor, now=now, again=again)


def _record(
    session: Session, registered: Registration, model: Model, *, actor: str, now: datetime, again: bool
) -> Head:
    event = AuditEvent(
        actor=actor,
        action=Action.CALIBRATED,
        objects=(registered.name, model.id),
        policy_hash=registered.policy_hash,
        detail={
            "labels": model.labels,
            "unanswerable": model.unanswerable,
            "gone": model.gone,
            "feedback": model.feedback,
            "again": again,
            "threshold": model.threshold,
            "certified": model.certificate.threshold if model.certificate else None,
        },
    )
    return ledger.append(session, event, now=now)


def _again(basis: Basis, view: _View, model: Model) -> Again:
    return Again(
        of=basis.calibration,
        id=model.id,
        model=model.dump(),
        extent=extent(view.opened.generation, view.opened.visible),
        audience=view.audience().dump(),
        scope=model.scope,
    )


def put_in_force(
    database: Database,
    registered: Registration,
    searched: Opened,
    saved: Saved,
    *,
    actor: str,
    now: datetime,
    again: bool,
) -> Head:
    """Store a model that was fitted on what `searched` is, if that and the manifest `registered` still serve.

    Raises:
        ConflictError: they do not. Nothing was stored.
    """
    with database.writing() as session:
        present = catalog.require(session, registered.name)
        if (present.generation, present.policy_hash) != (searched.generation.id, registered.policy_hash):
            raise changed_meanwhile(registered.name)
        return save(session, present, saved, actor=actor, now=now, again=again)


def changed_meanwhile(name: SourceName) -> ConflictError:
    """That the index is another one than the questions were asked of."""
    return ConflictError(
        f"The index or the manifest of {str(name)!r} changed while the questions were asked. Nothing was stored.",
        mend="Run the same command again.",
    )


def _is_as_fitted(latest: str, view: _View) -> bool:
    try:
        return view.is_of(loaded(latest))
    except IntegrityError:
        # Of another version, or damaged: its questions make one of this version.
        return False


def _why(error: Exception) -> Failure:
    return next((why for kind, why in _WHY.items() if isinstance(error, kind)), Failure.NOT_ASKED)


_WHY: Mapping[type[Exception], Failure] = {
    _OverBudgetError: Failure.OVER_BUDGET,
    _NothingVisibleError: Failure.NOTHING_VISIBLE,
    _UnsoundError: Failure.UNSOUND,
    UnaskableError: Failure.NOT_ASKED,
    ConflictError: Failure.NOT_ASKED,
    RefusedError: Failure.TOO_FEW,
}
