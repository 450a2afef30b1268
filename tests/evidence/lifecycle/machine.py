"""Everything that may happen to a source, in whatever order Hypothesis thinks of, until a home is not as its model."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from policies.orders import OrderKind
from tests.evidence.lifecycle.beside import NAMES, PARTS
from tests.evidence.lifecycle.history import History
from tests.evidence.lifecycle.model import Origin, Rules
from tests.indexer import workbench

SOME = st.lists(st.sampled_from(NAMES + PARTS), max_size=2, unique=True)
SPANS = st.sampled_from([timedelta(days=days) for days in (1, 29, 200, 400)] + [timedelta(hours=-1)])
DIES = st.sampled_from((False, False, True))
MOST_BACK = timedelta(hours=6)
AGES = st.sampled_from((0, 10, 100, 300, 700))
PEOPLE = st.sampled_from(("ann", "ben"))
RULES = st.builds(
    Rules,
    days=st.sampled_from((30, 365, 730)),
    anchor=st.sampled_from(("modified", "created", "ingested")),
    allow=st.sampled_from(("staff", "board")),
    deny=st.sampled_from(("contractors", "works-council")),
    board=st.sampled_from(("board", "staff")),
    active=st.sampled_from((True, True, True, False)),
    serving=st.sampled_from((True, True, True, False)),
)


class Lifecycle(RuleBasedStateMachine):
    """One history. `place` is where homes are made, `counted` is told of every step."""

    place: Path
    counted: Callable[[str], None]

    def __init__(self) -> None:
        super().__init__()
        self._folder = ExitStack()
        root = Path(self._folder.enter_context(tempfile.TemporaryDirectory(dir=self.place)))
        self._history = History(self.place / "template", root / "home")
        self._set_back = timedelta()

    def teardown(self) -> None:
        """Leave no home behind."""
        self._history.close()
        self._folder.close()

    @rule(
        name=st.sampled_from(NAMES),
        text=st.integers(0, 2),
        kind=st.sampled_from(("plain", "plain", "whole", "broken")),
        age=AGES,
        dated=st.booleans(),
    )
    def write(self, name: str, text: int, kind: str, age: int, *, dated: bool) -> None:
        """The origin has a document, new or changed."""
        modified = self._history.model.now - timedelta(days=age)
        created = modified - timedelta(days=age) if dated else None
        self._history.write(name, Origin(text=text, kind=kind, modified=modified, created=created))
        self._check("write")

    @precondition(lambda self: self._history.model.origin)
    @rule(number=st.integers(0, len(NAMES)), age=AGES)
    def date(self, number: int, age: int) -> None:
        """The origin gives a document other dates and the same content."""
        there = sorted(self._history.model.origin)
        name, dated = there[number % len(there)], self._history.model.now - timedelta(days=age)
        self._history.write(name, replace(self._history.model.origin[name], modified=dated, created=dated))
        self._check("other dates")

    @precondition(lambda self: self._history.model.origin)
    @rule(number=st.integers(0, len(NAMES)))
    def delete(self, number: int) -> None:
        """The origin loses a document."""
        there = sorted(self._history.model.origin)
        self._history.delete(there[number % len(there)])
        self._check("delete")

    @rule(units=st.sampled_from((None, None, None, 0, 1, 2, 3, len(NAMES) + 1)), resume=st.booleans())
    def sync(self, units: int | None, *, resume: bool) -> None:
        """A sync, or one that dies and may be gone on with."""
        if units is None:
            self._history.sync()
        else:
            self._history.kill_sync(units, resume=resume)
        self._check("sync" if units is None else "killed sync")

    @rule(rules=RULES)
    def apply(self, rules: Rules) -> None:
        """Another manifest."""
        self._history.apply(rules)
        self._check("policy change")

    @rule(kind=st.sampled_from(OrderKind), names=SOME)
    def place_order(self, kind: OrderKind, names: list[str]) -> None:
        """A hold or a restriction."""
        self._history.place(kind, names)
        self._check(kind.value)

    @precondition(lambda self: self._history.model.orders)
    @rule(number=st.integers(0, 7), by=PEOPLE)
    def end_order(self, number: int, by: str) -> None:
        """The end of one, or the wish for it."""
        self._history.end(number, by)
        self._check("end of an order")

    @precondition(lambda self: self._history.model.rows)
    @rule(names=SOME, dies=DIES)
    def erase(self, names: list[str], *, dies: bool) -> None:
        """An erasure, or one that dies."""
        (self._history.kill_erase if dies else self._history.erase)(names)
        self._check("killed erasure" if dies else "erasure")

    @precondition(lambda self: self._history.model.erased)
    @rule(name=st.sampled_from(NAMES + PARTS))
    def lift_erasure(self, name: str) -> None:
        """The end of an erasure."""
        self._history.lift_erasure(name)
        self._check("end of an erasure")

    @rule(dies=DIES)
    def purge(self, *, dies: bool) -> None:
        """A purge, or one that dies."""
        (self._history.kill_purge if dies else self._history.purge)()
        self._check("killed purge" if dies else "purge")

    # The one rule without arguments: where Hypothesis has switched off most rules, this is what it falls back to.
    @rule()
    def day(self) -> None:
        """A day passes."""
        self._history.pass_time(timedelta(days=1))
        self._set_back = timedelta()
        self._check("clock forward")

    @rule(span=SPANS)
    def pass_time(self, span: timedelta) -> None:
        """Time passes, or the clock is set back, within a day as much as a clock may be wrong."""
        if span < timedelta() and self._set_back >= MOST_BACK:
            return
        self._set_back = self._set_back - span if span < timedelta() else timedelta()
        self._history.pass_time(span)
        self._check("clock forward" if span > timedelta() else "clock back")

    @rule(what=st.sampled_from(("restart", "backup", "backup", "restored catalog")))
    def manage(self, what: str) -> None:
        """Another process begins, a copy of the catalog is put away, or takes its place."""
        {"restart": self._history.restart, "backup": self._history.back_up}.get(what, self._history.restore)()
        self._check(what)

    @rule(anew=st.booleans())
    def verify(self, *, anew: bool) -> None:
        """A sync, and a look at everything, by another process or this one."""
        self._history.sync()
        if anew:
            self._history.restart()
        self._history.verify()
        self._check("verification")

    def _check(self, what: str) -> None:
        type(self).counted(what)
        self._history.check()


def run(place: Path, *, histories: int, steps: int, seed: int, counted: Callable[[str], None]) -> None:
    """So many histories of so many steps, in homes below `place`.

    Raises:
        AssertionError: something is not as the model has it; the note is the shortest history that shows it.
    """
    if not (place / "template").is_dir():
        (place / "template").mkdir()
        workbench.create(place / "template")
    machine = type("Lifecycle", (Lifecycle,), {"place": place, "counted": staticmethod(counted)})
    run_state_machine_as_test(
        seeded(seed)(machine),
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            report_multiple_bugs=False,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
