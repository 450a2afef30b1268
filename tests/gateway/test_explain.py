from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.explain import INDEX, Explained, Explainer
from gateway.lookup import Opened
from indexer import catalog, erase, protect
from indexer.shelf import Shelf
from policies.decide import PASSES, SENTENCES, Rule
from policies.manifest import Source
from policies.model import Access, Agent, Caller, DocumentId, Node, Reason
from policies.orders import OrderKind
from policies.purge import ErasureRequest
from tests import catalogs
from tests.gateway.calibrating import PURPOSE
from tests.gateway.test_retrieval import BOT, NODE, REQUEST, STAFF, ask, retrieval, who
from tests.indexer.copies import Template
from tests.indexer.test_sync import MIRRORED
from tests.indexer.workbench import ACTOR, MODIFIED, NOW, Bench, File, create, opened, part_id, text
from tests.policies import handbook

LEAVE, BOARD, OLD, LOCKED, MAIL, ERASED, GONE = (
    "leave.md", "board/plan.md", "old.md", "locked.md", "mail.eml", "erased.md", "gone.md",
)  # fmt: skip
FILES = {
    LEAVE: text("Leave", "Annual leave is twenty five days."),
    BOARD: text("Plan", "Annual leave of the board."),
    OLD: replace(text("Old", "Annual leave of long ago."), modified=NOW - timedelta(days=729)),
    LOCKED: File(content=b"!encrypted"),
    MAIL: File(content=b"Annual leave in a mail\n+att.txt\nAnnual leave in it"),
    ERASED: text("Erased", "Annual leave of one person."),
    GONE: text("Gone", "Annual leave that is no more."),
}
STAFF_ACCESS = Access(allow=frozenset({"group:staff"}), deny=frozenset())
Step = tuple[str, Reason]


@dataclass(frozen=True, kw_only=True)
class World:
    bench: Bench
    source: Source
    node: Node = NODE

    def id(self, name: str) -> DocumentId:
        if name == "att.txt":
            return part_id(self.bench.keyring, self.id(MAIL), FILES[MAIL].content, 1)
        return self.bench.id(self.source, name)

    def explain(self, caller: Caller, name: str | None, *, purpose: str = PURPOSE) -> tuple[Explained, ...]:
        explainer = Explainer(keyring=self.bench.keyring, shelf=Shelf(home=self.bench.home), node=self.node)
        document = None if name is None else self.id(name)
        with self.bench.database.reading() as session:
            registered = catalog.require(session, self.source.name)
            now = self.bench.clock()
            return explainer.explain(session, registered, caller, purpose, document, now=now)

    def refusals(self, caller: Caller, name: str | None, *, purpose: str = PURPOSE) -> list[Step]:
        return [(step.step, step.code) for step in self.explain(caller, name, purpose=purpose) if step.code]

    def returned(self, caller: Caller, *, purpose: str = PURPOSE) -> set[DocumentId]:
        request = replace(REQUEST, k=50, purpose=purpose)
        return {passage.document for passage in ask(self.bench, caller, request, node=self.node).passages}

    def opened(self, caller: Caller) -> Opened | Reason:
        with self.bench.database.reading() as session:
            registered = catalog.require(session, self.source.name)
            return retrieval(self.bench).lookup.open(session, registered, caller, PURPOSE, self.bench.clock())

    def restrict(self, *names: str) -> None:
        protect.place(
            self.bench.workshop, OrderKind.RESTRICTION, self.source.name, [self.id(name) for name in names],
            reference="DSR-1", by=ACTOR,
        )  # fmt: skip

    def erase(self, name: str) -> None:
        request = ErasureRequest(documents=frozenset({self.id(name)}), reference="DSR-1", ground="withdrawn_consent")
        erase.erase(self.bench.workshop, self.source, request, actor=ACTOR)


def fill(bench: Bench) -> None:
    source = bench.apply()
    bench.origin.files = dict(FILES)
    bench.sync(source)
    World(bench=bench, source=source).erase(ERASED)
    del bench.origin.files[GONE]
    bench.sync(source)


@pytest.fixture
def world(filled: Template, tmp_path: Path) -> Iterator[World]:
    with filled.copied(tmp_path / "home") as bench:
        yield World(bench=bench, source=handbook.source())


def nothing(_: World) -> None:
    pass


def gone_and_back(world: World) -> None:
    world.bench.origin.files[ERASED] = text("Erased", "Annual leave of one person.")
    world.bench.sync(world.source)


def narrowed(world: World) -> None:
    """Its readers changed, and no index knows yet."""
    with world.bench.database.writing() as session:
        catalog.reassign(session, world.source.name, {world.id(LEAVE): STAFF_ACCESS})


def expired(world: World) -> None:
    world.bench.clock.forward(timedelta(days=2))


def purged(world: World) -> None:
    expired(world)
    erase.purge(world.bench.workshop, world.source, actor=ACTOR)


def damaged(world: World) -> None:
    for path in world.bench.home.generations(world.source.name).rglob("vectors.bin"):
        path.write_bytes(b"damaged")


CASES: list[tuple[Callable[[World], object], Caller, str, list[Step]]] = [
    (nothing, STAFF, LEAVE, []),
    (nothing, STAFF, "att.txt", []),
    (nothing, STAFF, "never.md", [(INDEX, Reason.DOCUMENT_UNKNOWN)]),
    (nothing, STAFF, GONE, [(INDEX, Reason.DOCUMENT_UNKNOWN)]),
    (nothing, STAFF, ERASED, [(INDEX, Reason.ERASED)]),
    (gone_and_back, STAFF, ERASED, [(INDEX, Reason.ERASED)]),
    (nothing, STAFF, LOCKED, [(INDEX, Reason.NOT_INDEXED)]),
    (narrowed, STAFF, LEAVE, [(INDEX, Reason.NOT_INDEXED)]),
    (damaged, STAFF, LEAVE, [(INDEX, Reason.NOT_INDEXED)]),
    (expired, STAFF, OLD, [(Rule.RETENTION, Reason.RETENTION_PASSED)]),
    (purged, STAFF, OLD, [(INDEX, Reason.ERASED)]),
    (lambda world: world.restrict(LEAVE), STAFF, LEAVE, [(Rule.RESTRICTION, Reason.RESTRICTED)]),
    (lambda world: world.restrict(MAIL), STAFF, "att.txt", [(Rule.RESTRICTION, Reason.RESTRICTED)]),
    (lambda world: world.restrict(), STAFF, LEAVE, [(Rule.RESTRICTION, Reason.RESTRICTED)]),
    (nothing, STAFF, BOARD, [(Rule.CALLER_ACCESS, Reason.NO_ALLOW_RULE)]),
    (nothing, who("staff", "contractors"), LEAVE, [(Rule.CALLER_ACCESS, Reason.DENY_RULE)]),
    (nothing, who("staff", region=None), LEAVE, [(Rule.CALLER_REGION, Reason.CALLER_REGION_UNKNOWN)]),
    (nothing, who("staff", region="us"), LEAVE, [(Rule.CALLER_REGION, Reason.CALLER_REGION)]),
    (nothing, who("staff", purposes=frozenset()), LEAVE, [(Rule.CALLER_PURPOSE, Reason.PURPOSE_NOT_OF_CALLER)]),
    (nothing, who("staff", agent=BOT), LEAVE, []),
    (
        nothing,
        who("staff", agent=replace(BOT, groups=frozenset(), purposes=frozenset(), region="us")),
        LEAVE,
        [
            (Rule.AGENT_PURPOSE, Reason.PURPOSE_NOT_OF_AGENT),
            (Rule.AGENT_REGION, Reason.AGENT_REGION),
            (Rule.AGENT_ACCESS, Reason.AGENT_NO_ALLOW_RULE),
        ],
    ),
    (
        nothing,
        who("staff", agent=replace(BOT, groups=frozenset({"contractors"}), region=None)),
        LEAVE,
        [(Rule.AGENT_REGION, Reason.AGENT_REGION_UNKNOWN), (Rule.AGENT_ACCESS, Reason.AGENT_DENY_RULE)],
    ),
    (
        lambda world: world.restrict(OLD),
        who("temps", region="us"),
        OLD,
        [
            (Rule.CALLER_REGION, Reason.CALLER_REGION),
            (Rule.RESTRICTION, Reason.RESTRICTED),
            (Rule.CALLER_ACCESS, Reason.NO_ALLOW_RULE),
        ],
    ),
]


@pytest.mark.parametrize(("prepare", "caller", "name", "expected"), CASES)
def test_the_chain_tells_every_refusal_and_retrieval_agrees(
    world: World, prepare: Callable[[World], object], caller: Caller, name: str, expected: list[Step]
) -> None:
    prepare(world)
    steps = world.explain(caller, name)
    assert [(step.step, step.code) for step in steps if step.code] == expected
    assert (world.id(name) in world.returned(caller)) == (expected == [])
    for step in steps:
        if step.code:
            assert step.sentence == SENTENCES[step.code]
        else:
            assert step.step == INDEX or step.sentence == PASSES[Rule(step.step)]


@pytest.mark.parametrize(("minutes", "expected"), [(0, []), (15, []), (16, [(Rule.FRESHNESS, Reason.ACL_STALE)])])
def test_a_mirror_that_is_stale_denies(tmp_path: Path, minutes: int, expected: list[Step]) -> None:
    create(tmp_path / "home")
    with opened(tmp_path / "home") as bench:
        source = bench.apply(MIRRORED)
        bench.origin.files = {LEAVE: replace(FILES[LEAVE], access=STAFF_ACCESS)}
        bench.sync(source)
        bench.clock.forward(timedelta(minutes=minutes))
        world = World(bench=bench, source=source)
        assert world.refusals(STAFF, LEAVE) == expected
        assert (world.id(LEAVE) in world.returned(STAFF)) == (expected == [])
        facts = {step.step: step.facts for step in world.explain(STAFF, LEAVE)}
        assert facts[Rule.FRESHNESS] == f"as of {NOW:%Y-%m-%d %H:%M} UTC"
        assert "of the source: allow group:staff" in facts[Rule.CALLER_ACCESS]


def test_the_index_is_asked_between_the_source_and_the_document(world: World) -> None:
    steps = [step.step for step in world.explain(STAFF, LEAVE)]
    agent = {Rule.AGENT_PURPOSE, Rule.AGENT_REGION, Rule.AGENT_ACCESS}
    expected = [rule.value for rule in Rule if rule not in agent]
    place = expected.index(Rule.RETENTION)
    assert steps == [*expected[:place], INDEX, *expected[place:]]
    assert [step.step for step in world.explain(STAFF, LOCKED)] == [*expected[:place], INDEX]


def test_what_each_step_was_decided_by_is_told_and_nothing_of_the_document(world: World) -> None:
    facts = {step.step: step.facts for step in world.explain(replace(STAFF, agent=BOT), LEAVE)}
    assert facts[Rule.CALLER_REGION] == "gb in eu, gb"
    assert facts[Rule.SOURCE_PURPOSE] == f"{PURPOSE} of {PURPOSE}"
    assert facts[Rule.RETENTION].startswith(f"P2Y from modified, until {MODIFIED.year + 2}-")
    assert facts[Rule.CALLER_ACCESS].startswith("group:staff, user:ann against allow group:staff; deny ")
    assert facts[Rule.AGENT_ACCESS].startswith("group:staff, user:bot-7 against ")
    assert "nnual leave" not in str(facts)
    (index,) = (step for step in world.explain(STAFF, LOCKED) if step.step == INDEX)
    assert index.facts == "quarantined encrypted"


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (nothing, []),
        (lambda world: world.restrict(LEAVE), []),
        (lambda world: world.restrict(), [(Rule.RESTRICTION, Reason.RESTRICTED)]),
        (damaged, [(INDEX, Reason.INDEX_UNAVAILABLE)]),
    ],
)
def test_of_a_source_is_told_what_keeps_all_of_it_back(
    world: World, prepare: Callable[[World], object], expected: list[Step]
) -> None:
    prepare(world)
    assert world.refusals(STAFF, None) == expected
    assert bool(world.returned(STAFF)) == (expected == [])


def test_of_a_source_without_an_index_that_is_told(tmp_path: Path) -> None:
    create(tmp_path / "home")
    with opened(tmp_path / "home") as bench:
        world = World(bench=bench, source=bench.apply())
        assert world.refusals(STAFF, None) == [(INDEX, Reason.NO_GENERATION)]
        assert world.opened(STAFF) is Reason.NO_GENERATION


def test_a_restriction_hides_from_the_next_request_on_and_shows_again_when_it_is_lifted(world: World) -> None:
    shown = world.returned(STAFF)
    order = protect.place(
        world.bench.workshop, OrderKind.RESTRICTION, world.source.name, [world.id(MAIL)], reference="DSR-1", by=ACTOR
    )
    with opened(world.bench.home.root, now=NOW) as other:
        for bench in (world.bench, other):
            assert replace(world, bench=bench).returned(STAFF) == shown - {world.id(MAIL), world.id("att.txt")}
        protect.lift(world.bench.workshop, order.id, by=ACTOR, notice="a letter")
        for bench in (world.bench, other):
            assert replace(world, bench=bench).returned(STAFF) == shown


def test_a_restricted_source_gives_nothing_not_even_its_name(world: World) -> None:
    world.restrict()
    assert world.opened(STAFF) is Reason.RESTRICTED
    assert retrieval(world.bench).sources(STAFF, request_id="r1") == ()
    world.bench.origin.files["late.md"] = text("Late", "Annual leave that came later.")
    world.bench.sync(world.source)
    assert world.returned(STAFF) == set()


def test_a_hold_neither_shows_nor_hides(world: World) -> None:
    shown = world.returned(STAFF)
    protect.place(world.bench.workshop, OrderKind.HOLD, world.source.name, [], reference="LIT-1", by=ACTOR)
    assert world.returned(STAFF) == shown
    expired(world)
    assert world.returned(STAFF) == shown - {world.id(OLD)}
    assert erase.purge(world.bench.workshop, world.source, actor=ACTOR) == ()
    assert world.returned(STAFF) == shown - {world.id(OLD)}


@pytest.fixture(scope="module")
def property_world(filled: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("explained")
    with filled.copied(folder / "home") as bench:
        world = World(bench=bench, source=handbook.source())
        world.bench.origin.files["restricted.md"] = text("Restricted", "Annual leave of the restricted.")
        world.bench.sync(world.source)
        world.restrict("restricted.md")
        expired(world)
        yield world
    catalogs.drop(folder)


GROUPS = st.frozensets(st.sampled_from(["staff", "board", "contractors", "temps"]))
PURPOSES = st.sampled_from([frozenset({PURPOSE}), frozenset({PURPOSE, "audit"}), frozenset[str]()])
REGIONS = st.sampled_from(["gb", "fr", "us", None])
AGENTS = st.none() | st.builds(Agent, subject=st.just("bot"), groups=GROUPS, purposes=PURPOSES, region=REGIONS)
CALLERS = st.builds(
    Caller,
    subject=st.sampled_from(["ann", "bob"]),
    groups=GROUPS,
    purposes=PURPOSES,
    region=REGIONS,
    agent=AGENTS,
)


@settings(max_examples=100)
@given(caller=CALLERS, purpose=st.sampled_from([PURPOSE, PURPOSE, "audit"]))
def test_a_document_is_permitted_exactly_where_retrieval_returns_it(
    property_world: World, caller: Caller, purpose: str
) -> None:
    names = [*FILES, "att.txt", "restricted.md", "never.md"]
    permitted = {
        property_world.id(name) for name in names if not property_world.refusals(caller, name, purpose=purpose)
    }
    assert permitted == property_world.returned(caller, purpose=purpose)
