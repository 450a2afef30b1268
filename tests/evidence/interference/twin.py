"""A home of the real build with stand-in models, served over HTTP, and two of them that start as one."""

import itertools
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random

from starlette.testclient import TestClient

from gateway import keys
from gateway.app import create_app
from gateway.calibrate import Golden, Replay
from gateway.confidence import FEATURES, MIN_LABELS, Certificate, Linear
from gateway.identity import Identity
from gateway.keys import ENTROPY_BYTES, KeyGrant
from gateway.lookup import Lookup, Opened
from gateway.reader import Reader
from gateway.retrieval import Retrieval
from gateway.tokens import Tokens
from indexer import calibrations, catalog, orders, register
from policies.manifest import Source
from policies.model import Access, Action, Caller, SourceName
from policies.orders import Order, OrderId, OrderKind
from tests.gateway.calibrating import PURPOSE, calibrate, lookup_over, model_of
from tests.gateway.fakes import UNUSED
from tests.indexer import workbench
from tests.indexer.workbench import ACTOR, MODIFIED, NOW, Bench, FakeOrigin, File, parse_manifest
from tests.policies import handbook

WORDS = ("leave", "pay", "plan", "staff", "hours", "travel", "safety", "board", "pension", "notice", "budget")
SECRETS = ("merger", "layoff", "lawsuit", "dismissal", "bonus", "harassment")
"""Words of documents that the callers may not see; they ask for them too."""
PEOPLE = {
    "ann": (("staff",), (PURPOSE,), "gb"),
    "fay": (("staff", "first-aid"), (PURPOSE,), "fr"),
    "con": (("staff", "contractors"), (PURPOSE,), "gb"),
    "mia": (("staff",), ("marketing",), "gb"),
    "usa": (("staff",), (PURPOSE,), "us"),
}
MIRRORED = (
    ("source: hr-handbook", "source: wiki"),
    (handbook.RULES, "documents: {from: connector}"),
    ("max_age: PT15M", "max_age: P7D"),
    ("max_deletes: 0.5", "max_deletes: 1.0"),
)
FOR_OTHERS = (
    ("source: hr-handbook", "source: legal"),
    ("allow: [group:staff]", "allow: [group:lawyers]"),
    ("max_deletes: 0.5", "max_deletes: 1.0"),
)
OF_THE_BOARD = (("max_deletes: 0.5", "max_deletes: 1.0"),)
ROUNDS = 12
RESTRICTED = tuple(f"restricted/{number}.md" for number in range(ROUNDS))


@dataclass(kw_only=True)
class Twin:
    """A home with its sources, served over HTTP."""

    bench: Bench
    origins: dict[str, FakeOrigin] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    reader: Reader | None = None

    def apply(self, *swaps: tuple[str, str]) -> Source:
        """Put a source in force."""
        text = handbook.bend(*swaps)
        source = parse_manifest(text)
        register.apply(self.bench.workshop, source, manifest=text, path=Path("x.yaml"), actor=ACTOR)
        self.sources[source.name] = source
        self.origins[source.name] = FakeOrigin()
        return source

    def sync(self) -> None:
        """Take in what the origins hold now."""
        for name, source in self.sources.items():
            replace(self.bench, origin=self.origins[name]).sync(source)

    def put(self, source: str, name: str, file: File) -> None:
        """Put a document at an origin."""
        self.origins[source].files[name] = file

    def restrict(self, number: int) -> None:
        """Restrict a document of the handbook before it comes."""
        bench, source = self.bench, self.sources["hr-handbook"]
        order = Order(
            id=OrderId(f"{number:024x}"),
            kind=OrderKind.RESTRICTION,
            source=source.name,
            documents=frozenset({bench.id(source, RESTRICTED[number])}),
            reference="DSR-1",
            placed_by=ACTOR,
            placed_at=bench.clock(),
        )
        with bench.keyring.database.writing() as session:
            orders.save(session, order)

    def calibrate(self) -> None:
        """Bind one and the same model to what ann sees of the handbook here."""
        bench = self.bench
        name = SourceName("hr-handbook")
        ann = Caller(subject="ann", groups=frozenset({"staff"}), purposes=frozenset({PURPOSE}), region="gb")
        with bench.database.writing() as session:
            opened = self.lookup().open(session, catalog.require(session, name), ann, PURPOSE, bench.clock())
            assert isinstance(opened, Opened)
            width = len(FEATURES) + (self.reader is not None)
            model = replace(
                model_of(opened, self.lookup()),
                linear=Linear(mean=(0.3,) * width, scale=(0.2,) * width, coefficients=(0.4,) * width, intercept=0.1),
                threshold=0.5,
                certificate=Certificate(threshold=0.9, max_risk=0.05, delta=0.1, labels=100, served=50, wrong=0),
                labels=MIN_LABELS,
            )
            calibrations.store(session, name, calibration=model.id, model=model.dump(), now=bench.clock())

    def question(self) -> None:
        """Calibrate the wiki as staff and lawyers, with questions that are asked again at every sync from then on."""
        bench, name = self.bench, SourceName("wiki")
        asked = [Golden(query=f"topic{number} plan", documents=(f"{number}.md",)) for number in range(40)]
        asked += [Golden(query=f"{word} nowhere{number}", documents=()) for number in range(4) for word in SECRETS]
        calibrate(
            bench, name, asked, lookup=self.lookup(), subject="zoe", groups=("lawyers", "staff"), calibration="d" * 24
        )

    def rehearsing(self) -> None:
        """From now on ask the kept questions again where documents come and go."""
        bench, numbers = self.bench, itertools.count(1)
        replay = Replay(
            lookup=self.lookup, clock=bench.clock, seconds=time.monotonic, new_id=lambda: f"{next(numbers):024x}"
        )
        self.bench = replace(bench, workshop=replace(bench.workshop, rehearse=replay))

    def replayed(self) -> int:
        """How often the kept questions made another model."""
        return sum(
            record.action == Action.CALIBRATED and json.loads(record.detail)["again"] for record in self.bench.audit()
        )

    def lookup(self) -> Lookup:
        """What searches the sources."""
        return replace(lookup_over(self.bench), reader=self.reader)

    @contextmanager
    def served(self) -> Iterator[TestClient]:
        """A client of the real application."""
        bench, numbers = self.bench, itertools.count(1)
        retrieval = Retrieval(
            database=bench.database,
            lookup=self.lookup(),
            identity=Identity(reading=bench.database.reading, tokens=Tokens((), fetch=_no_fetch)),
            clock=bench.clock,
        )
        app = create_app(
            retrieval,
            UNUSED,
            new_request_id=lambda: f"{next(numbers):024x}",
            retrieve_threads=2,
            max_retrievals_waiting=8,
        )
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client


@contextmanager
def twins(root: Path, chance: Random, reader: Reader | None) -> Iterator[tuple[Twin, Twin]]:
    """Two homes with the same documents and the same secrets: the second is a copy of the first, before that grows."""
    (root / "full").mkdir()
    workbench.create(root / "full")
    with workbench.opened(root / "full") as bench:
        first = Twin(bench=bench, reader=reader)
        _begin(first, chance)
    shutil.copytree(root / "full", root / "plain")
    with (
        workbench.opened(root / "full", first_id=2**40) as full,
        workbench.opened(root / "plain", first_id=2**50) as plain,
    ):
        twins = _again(first, full), _again(first, plain)
        for twin in twins:
            twin.rehearsing()
        yield twins


def _again(first: Twin, bench: Bench) -> Twin:
    origins = {name: FakeOrigin(files=dict(origin.files)) for name, origin in first.origins.items()}
    return Twin(bench=bench, origins=origins, sources=dict(first.sources), tokens=first.tokens, reader=first.reader)


def _begin(twin: Twin, chance: Random) -> None:
    """What everybody here may see, a calibration bound to what ann sees of it, and everybody's keys."""
    twin.apply(*OF_THE_BOARD)
    twin.apply(*MIRRORED)
    for number in range(40):
        twin.put("hr-handbook", f"open/{number}.md", file_of(chance, WORDS))
        access = Access(allow=frozenset({"group:staff"}), deny=frozenset())
        about = file_of(chance, (*WORDS, f"topic{number}"))
        twin.put("wiki", f"{number}.md", replace(about, access=access))
    twin.sync()
    twin.calibrate()
    twin.question()
    with twin.bench.database.writing() as session:
        for place, (person, (groups, purposes, region)) in enumerate(PEOPLE.items()):
            grant = KeyGrant(
                subject=person,
                groups=frozenset(groups),
                purposes=frozenset(purposes),
                region=region,
                roles=frozenset(),
                expires=NOW + timedelta(days=30),
            )
            entropy = bytes([place + 1]) * ENTROPY_BYTES
            _, twin.tokens[person] = keys.create(session, grant, now=NOW, entropy=entropy)


def file_of(chance: Random, words: Sequence[str]) -> File:
    """A document of a few lines."""
    lines = [" ".join(chance.choices(words, k=12)) for _ in range(chance.choice((1, 3, 6)))]
    content = "\n".join(["# " + chance.choice(words), *lines, f"Ask zed{chance.randrange(99)}@example.org."])
    return File(content=content.encode(), modified=MODIFIED + chance.randrange(1000) * timedelta(minutes=1))


def _no_fetch(_: str) -> bytes:
    message = "no issuer is configured"
    raise AssertionError(message)
