"""A source built by the real build, and beside it in plain words what its documents are and who may read them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from gateway.lookup import Lookup, Opened
from indexer import catalog, orders, register
from indexer.analyse import terms
from indexer.build import class_of
from indexer.content import open_text, open_vector
from indexer.generation import microseconds_of
from indexer.shelf import Shelf
from policies import manifest
from policies.manifest import Source
from policies.model import Access, DocumentId, Reason
from policies.orders import Order, OrderId, OrderKind
from tests.evidence.access.brute import Passage
from tests.evidence.access.cases import GROUPS, Situation, World
from tests.evidence.access.decisions import caller_of, node_of
from tests.evidence.access.oracle import PERMIT, Oracle, Paper, Rules
from tests.indexer import workbench
from tests.indexer.workbench import ACTOR, Bench, FakeOrigin, File

WORDS = (
    *("leave", "pay", "plan", "staff", "hours", "travel", "safety", "board", "pension", "meeting", "notice", "budget"),
    *("E-214", "2026", "café"),
)
RARE = tuple(f"{first}{second}" for first in ("zeta", "omega", "kappa") for second in ("rium", "thorn", "lode", "vast"))
LATER = (timedelta(0), timedelta(hours=1), -timedelta(hours=1), timedelta(days=1))
TICK = timedelta(microseconds=1)


class Library:
    """One source with its documents, some of which went out of sight after the index was made."""

    def __init__(self, bench: Bench, chance: Random, *, documents: int) -> None:
        """Draw a source, take its documents in at `bench`, then take some of them away again."""
        self._chance = chance
        self.world, self.oracle, self.ingested = _drawn(chance)
        self._bench = replace(bench, workshop=replace(bench.workshop, node=node_of(self.ingested.place)))
        self._bench.clock.now = self.ingested.now
        self.source = self._registered()
        self.papers = self._written(documents)
        self._bench.sync(self.source)
        self.known_at = self._mirrored()
        self.passages = self._stored()
        self._changed()
        self.denied = {name for paper in self.papers.values() if paper.rules for name in paper.rules.deny}
        self.languages = self.source.policy.redaction.languages

    def case(self) -> Situation:
        """Somebody who asks, most often where and when something is to be seen."""
        chance = self._chance
        drawn = self.world.situation()
        now = chance.choice(self._moments())
        if chance.random() < 0.15:
            return replace(drawn, now=now)
        known = self.ingested
        caller = drawn.caller._replace(purposes=known.caller.purposes, region=known.caller.region)
        if chance.random() < 0.3:
            # Somebody who sees most of it.
            caller = caller._replace(groups=tuple(name for name in GROUPS if f"group:{name}" not in self.denied))
        agent = (
            drawn.agent
            and known.agent
            and drawn.agent._replace(purposes=known.agent.purposes, region=known.agent.region)
        )
        return replace(known, caller=caller, agent=agent, now=now)

    def shelf(self) -> Shelf:
        """What keeps the source's index open."""
        return Shelf(home=self._bench.home)

    def opened(self, case: Situation, shelf: Shelf) -> Opened | Reason:
        """What the gateway opens for them."""
        bench = self._bench
        lookup = Lookup(
            keyring=bench.keyring,
            shelf=shelf,
            redactor=bench.stages.redactor,
            embedder=bench.stages.embedder,
            node=node_of(case.place),
        )
        with bench.database.reading() as session:
            registered = catalog.require(session, self.source.name)
            return lookup.open(session, registered, caller_of(case), case.purpose, case.now)

    def visible(self, case: Situation) -> list[Passage]:
        """What they may see, by the oracle alone."""
        return [
            passage
            for name, paper in self.papers.items()
            if self.oracle.reads(case.caller, case.agent, case.purpose, case.place, paper, case.now) == PERMIT
            for passage in self.passages.get(name, ())
        ]

    def query(self) -> str:
        """A question of words that the documents hold, and some that few or none do."""
        chance = self._chance
        words = [*chance.choices(WORDS, k=chance.randrange(5)), *chance.choices(RARE, k=chance.randrange(3))]
        return " ".join(words or ["nothing"])

    def _registered(self) -> Source:
        text = self.world.text
        source = manifest.parse(text, path="evidence.yaml")
        register.apply(self._bench.workshop, source, manifest=text, path=Path("evidence.yaml"), actor=ACTOR)
        return source

    def _written(self, documents: int) -> dict[str, Paper]:
        """Put documents at the origin. Those that may be taken in, with what the oracle knows of them."""
        chance, source = self._chance, self.world.manifest["policy"]["access"]
        mirrored = source.get("documents", {}).get("from") == "connector"
        rules = source.get("documents", {}).get("rules", [])
        papers: dict[str, Paper] = {}
        content = b""
        drawn = self.world.papers(self.ingested.now, documents)
        # Few sets of readers, so that documents share classes as they do in life.
        sets = [paper.rules for paper in drawn[:6]]
        for number, paper in enumerate(drawn):
            anchor, readers = paper.anchor, chance.choice(sets)
            folder = chance.randrange(len(rules) + 1)
            name = f"c{folder}/{number}.md"
            if not content or chance.random() < 0.85:
                content = self._text()
            access = readers and Access(allow=frozenset(readers.allow), deny=frozenset(readers.deny))
            self._bench.origin.files[name] = File(
                content=content, modified=anchor, access=access if mirrored else None, stamped=True
            )
            if mirrored:
                plain = readers and readers._replace(as_of=self.ingested.now)
            else:
                named = rules[folder] if folder < len(rules) else {"allow": source["allow"]}
                plain = Rules(allow=tuple(named["allow"]), deny=tuple(named.get("deny", ())), as_of=None)
            known = Paper(rules=plain, anchor=anchor, restricted=False)
            if self.oracle.lives(known, self.ingested.now) == PERMIT:
                papers[name] = known
        return papers

    def _mirrored(self) -> datetime:
        """When permissions were last mirrored: at the sync, or once more since, of which the index knows nothing."""
        age, began = self.source.policy.access.max_age, self.ingested.now
        if not self.source.mirrors_access or age is None or self._chance.random() < 0.5:
            return began
        self._bench.clock.now = began + age / 2
        self._bench.mirror(self.source)
        for name, paper in self.papers.items():
            rules = paper.rules and paper.rules._replace(as_of=self._bench.clock.now)
            self.papers[name] = paper._replace(rules=rules)
        return self._bench.clock.now

    def _text(self) -> bytes:
        chance = self._chance
        lines = [
            " ".join(chance.choices(WORDS, k=chance.randrange(3, 16)) + chance.choices(RARE, k=chance.randrange(2)))
            for _ in range(chance.choice((1, 2, 4, 4, 8, 40)))
        ]
        return "\n".join(["# " + chance.choice(WORDS), *lines]).encode()

    def _stored(self) -> dict[str, list[Passage]]:
        """The passages of every document, as the catalog has them."""
        bench, found = self._bench, {}
        languages = self.source.policy.redaction.languages
        with bench.database.reading() as session:
            stored = catalog.documents(session, self.source.name)
            for name, paper in self.papers.items():
                document = stored[bench.id(self.source, name)]
                revision = document.revision.id
                key = bench.keyring.document_keys([revision])[revision]
                assert paper.anchor is not None
                place = (str(class_of(document.access)), microseconds_of(paper.anchor), str(document.id))
                found[name] = [
                    Passage(
                        place=(*place, sealed.ordinal),
                        vector=open_vector(key, revision, sealed.ordinal, sealed.vector).astype(np.float32),
                        counts=Counter(
                            terms(open_text(key, revision, sealed.ordinal, sealed.text).indexed_text, languages)
                        ),
                    )
                    for sealed in catalog.passages(session, revision)
                ]
        return found

    def _changed(self) -> None:
        """Remove, restrict, and give other readers to some documents; the index does not know."""
        chance, bench = self._chance, self._bench
        names = sorted(self.papers)
        chosen = iter(chance.sample(names, len(names)))
        share = len(names) // 12
        ids = {name: bench.id(self.source, name) for name in names}
        removed, moved, restricted, held = ([next(chosen) for _ in range(share)] for _ in range(4))
        with bench.database.writing() as session:
            catalog.remove(session, self.source.name, [ids[name] for name in removed])
            other = Access(allow=frozenset({"group:nobody-yet"}), deny=frozenset(), as_of=self._as_of())
            catalog.reassign(session, self.source.name, dict.fromkeys((ids[name] for name in moved), other))
        # A hold keeps documents from being deleted and changes nothing here.
        self._order(OrderKind.HOLD, [ids[name] for name in held])
        self._order(OrderKind.RESTRICTION, [ids[name] for name in restricted])
        if chance.random() < 0.03:
            self._order(OrderKind.RESTRICTION, None)
            restricted = names
        for name in (*removed, *moved):
            # Whoever gains access waits for the next index, so that for now nobody reads it.
            del self.papers[name]
        for name in set(restricted) & self.papers.keys():
            self.papers[name] = self.papers[name]._replace(restricted=True)

    def _as_of(self) -> datetime | None:
        return self.known_at if self.source.mirrors_access else None

    def _order(self, kind: OrderKind, ids: list[DocumentId] | None) -> None:
        """Place an order over these documents, or over the whole source."""
        if ids == []:
            return
        order = Order(
            id=OrderId(f"{kind}-{'all' if ids is None else 'some'}"),
            kind=kind,
            source=self.source.name,
            documents=frozenset(ids or ()),
            reference="R-1",
            placed_by=ACTOR,
            placed_at=self.ingested.now,
        )
        with self._bench.keyring.database.writing() as session:
            orders.save(session, order)

    def _moments(self) -> list[datetime]:
        """Now, soon, and the instants at which documents pass their retention or permissions become stale."""
        chance, now = self._chance, self.known_at
        age = self.source.policy.access.max_age
        if self.source.mirrors_access and age is not None:
            return [now, now + age / 2, now + age / 3, now + age, now - age, now + age + TICK]
        due = self.oracle.due(chance.choice(list(self.papers.values())))
        return [now, now, now + chance.choice(LATER), max(due, now), max(due - TICK, now)]


@contextmanager
def library(chance: Random, *, documents: int) -> Iterator[Library]:
    """A library in a home of its own, gone with the block."""
    with TemporaryDirectory(prefix="penstock-access-") as folder:
        root = Path(folder) / "home"
        root.mkdir()
        workbench.create(root)
        with workbench.opened(root, origin=FakeOrigin()) as bench:
            yield Library(bench, chance, documents=documents)


def _drawn(chance: Random) -> tuple[World, Oracle, Situation]:
    """A source that may take documents in somewhere, and somebody who may ask it there."""
    everybody = Rules(allow=(), deny=(), as_of=None)
    while True:
        world = World(chance)
        _divide(chance, world)
        oracle = Oracle(world.manifest)
        for _ in range(20):
            case = world.situation()
            said = oracle.searches(case.caller, case.agent, case.purpose, case.place, everybody, case.now)
            if said in ("acl_stale", "deny_rule", "no_allow_rule"):
                return world, oracle, case


def _divide(chance: Random, world: World) -> None:
    """Give a source that has one list several, by folder."""
    access = world.manifest["policy"]["access"]
    if "documents" in access or chance.random() < 0.2:
        return
    rules: list[dict[str, object]] = []
    for _ in range(chance.randrange(1, 6)):
        allow = [name for name in world.principals(3) if name not in access["deny"]]
        deny = [name for name in world.principals(2) if name not in allow]
        if allow:
            rules.append({"match": f"c{len(rules)}/**", "allow": allow, "deny": deny})
    if rules:
        access["documents"] = {"from": "rules", "rules": rules}
