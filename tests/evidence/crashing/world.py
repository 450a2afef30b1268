"""A small home with stand-in models and a folder that changes, for processes that die in the middle of work on it."""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from connectors.filesystem import FilesystemConnector
from connectors.guard import guarded
from connectors.secrets import Secrets
from gateway.lookup import Lookup, Opened, Question
from indexer import catalog, erase, joblog, register, serving
from indexer import sync as syncs
from indexer.content import open_text
from indexer.joblog import Job, JobId, JobKind, JobState
from indexer.jobs import Jobs
from indexer.reconcile import verify
from indexer.shelf import Shelf
from indexer.tables import DocumentState
from indexer.worker import Worker
from policies.errors import DependencyError, IntegrityError
from policies.manifest import Source
from policies.model import Caller, Reason
from tests.indexer import workbench
from tests.indexer.workbench import ACTOR, Bench
from tests.policies import handbook

MANIFEST = (('include: ["**/*.docx", "**/*.md"]', 'include: ["**/*"]'), ("max_deletes: 0.5", "max_deletes: 1.0"))
DOCUMENTS = 24
CHANGES = 6
EXPIRED = datetime(2024, 1, 1, tzinfo=UTC)
WORDS = (
    "leave",
    "pay",
    "plan",
    "staff",
    "hours",
    "travel",
    "safety",
    "board",
    "pension",
    "meeting",
    "notice",
    "budget",
)
HEARTBEAT_S = 1.0
PAUSE_S = 0.02
"""Between two questions: without it the reader takes a processor from those that are to be killed."""


@dataclass(frozen=True, kw_only=True)
class World:
    """A home below `root` and the folder `hr` that its one source reads."""

    root: Path

    @property
    def folder(self) -> Path:
        """What the source reads."""
        return self.root / "hr"

    @cached_property
    def source(self) -> Source:
        """The source."""
        return handbook.source(*MANIFEST)

    def create(self) -> None:
        """Make home, source and first documents."""
        self.folder.mkdir(parents=True)
        (self.root / "home").mkdir(exist_ok=True)
        workbench.create(self.root / "home")
        with self.opened() as bench:
            register.apply(
                bench.workshop,
                self.source,
                manifest=handbook.bend(*MANIFEST),
                path=self.root / "hr.yaml",
                actor=ACTOR,
            )
        chance = random.Random(0)  # noqa: S311 - a repeatable world, not a secret
        for number in range(DOCUMENTS):
            self._write(chance, number)

    def change(self, chance: random.Random) -> None:
        """Add, rewrite, delete, break and age some documents."""
        for _ in range(CHANGES):
            number = chance.randrange(2 * DOCUMENTS)
            match chance.randrange(6):
                case 0:
                    (self.folder / f"{number}.md").unlink(missing_ok=True)
                case 1:
                    (self.folder / f"{number}.md").write_text("!encrypted\n")
                case 2:
                    path = self._write(chance, number)
                    os.utime(path, (EXPIRED.timestamp(), EXPIRED.timestamp()))
                case _:
                    self._write(chance, number)

    def age_some(self, chance: random.Random) -> None:
        """Have some indexed documents pass their retention, so that a purge has something to delete."""
        for path in chance.sample(sorted(self.folder.iterdir()), 2):
            os.utime(path, (EXPIRED.timestamp(), EXPIRED.timestamp()))

    def work(self) -> None:
        """What a process does that may be killed: sync, and purge what is due. Goes on with what a dead one left."""
        with self.opened() as bench:
            job = self.sync(bench)
            if job.state is not JobState.FINISHED:
                raise SystemExit(f"The sync ended {job.state}: {job.failure}")
            erase.purge(bench.workshop, self.source, actor=ACTOR)

    def sync(self, bench: Bench) -> Job:
        """Sync as a durable job in the foreground."""
        jobs = Jobs(bench.database, clock=bench.clock, new_id=lambda: os.urandom(12).hex())
        origin = guarded(
            FilesystemConnector.from_options(
                self.source.connector.options, secrets=Secrets(environment={}, base=self.root)
            )
        )
        worker = Worker(
            jobs=jobs,
            openers={JobKind.SYNC: lambda job: syncs.opened(bench.workshop, self.source, origin, job)},
            tick_id=lambda kind, source, at: JobId(bench.keyring.fingerprint(kind, source, at.isoformat())),
            name=os.urandom(8).hex(),
            heartbeat_s=HEARTBEAT_S,
        )
        try:
            with worker:
                job = worker.run(JobKind.SYNC, self.source.name, actor=ACTOR, options={}, watch=lambda _: None)
        finally:
            jobs.close()
        return job

    def problems(self) -> list[str]:
        """What is wrong once nobody is at work and a sync and a purge came to their end."""
        with self.opened() as bench:
            job = self.sync(bench)
            found = [] if job.state is JobState.FINISHED else [f"the sync ended {job.state}: {job.failure}"]
            erase.purge(bench.workshop, self.source, actor=ACTOR)
            # What was purged is still in the folder, and has no state until a sync refuses to take it in again.
            self.sync(bench)
            found += [f"verify: {finding.fault} {finding.what}" for finding in verify(bench.workshop)]
            with bench.database.reading() as session:
                documents = catalog.documents(session, self.source.name)
                open_jobs = joblog.jobs(session, states=joblog.OPEN)
            found += [f"a job is left {job.state}" for job in open_jobs]
            expected = {bench.keyring.document_id(self.source.name, path.name): path for path in self.folder.iterdir()}
            found += ["a document in no state" for document in expected if document not in documents]
            found += ["an orphaned document" for document in documents if document not in expected]
            served = bench.served(self.source)
            for document, path in expected.items():
                readable = not path.read_text().startswith("!") and path.stat().st_mtime != EXPIRED.timestamp()
                state = documents[document].state if document in documents else None
                if (state is DocumentState.INDEXED) != readable or (document in served) != readable:
                    found.append(f"a document is {state} and {'' if document in served else 'not '}served")
        return found

    @contextmanager
    def opened(self) -> Iterator[Bench]:
        """The home, as a process of its own has it open."""
        with workbench.opened(self.root / "home", first_id=random.SystemRandom().randrange(2**90)) as bench:
            yield bench

    def _write(self, chance: random.Random, number: int) -> Path:
        path = self.folder / f"{number}.md"
        lines = [f"# Document {number}", *(" ".join(chance.choices(WORDS, k=12)) + "." for _ in range(8))]
        path.write_text("\n".join(lines))
        modified = (workbench.NOW - timedelta(seconds=chance.randrange(10**6))).timestamp()
        os.utime(path, (modified, modified))
        return path


def read(world: World, stop: Callable[[], bool]) -> tuple[int, list[str]]:
    """Verify what serves, ask it questions and open what is found, again and again. How often, and what was wrong."""
    reads, wrong = 0, []
    chance = random.Random(0)  # noqa: S311 - a repeatable world, not a secret
    caller = Caller(subject="ann", groups=frozenset({"staff"}), purposes=frozenset({"employee-support"}), region="gb")
    with world.opened() as bench:
        node = bench.workshop.node
        stages = bench.stages
        while not stop():
            lookup = Lookup(
                keyring=bench.keyring,
                shelf=Shelf(home=bench.home),
                redactor=stages.redactor,
                embedder=stages.embedder,
                node=node,
            )
            with bench.database.reading() as session:
                registered = catalog.require(session, world.source.name)
            try:
                problem = _ask(bench, lookup, registered, caller, " ".join(chance.choices(WORDS, k=3)))
            except (DependencyError, IntegrityError) as error:
                problem = error.message
            if problem:
                # What was replaced while it was read is not there any more, and a gateway asks again.
                with bench.database.reading() as session:
                    same = catalog.require(session, world.source.name).generation == registered.generation
                wrong += [problem] if same else []
            reads += 1
            time.sleep(PAUSE_S)
    return reads, wrong


@contextmanager
def reading(world: World) -> Iterator[Callable[[], tuple[int, list[str]]]]:
    """A process that reads while others die; called, it stops and tells how often, and what was wrong."""
    told, tell = os.pipe()
    stop = world.root / "stop"

    def body() -> None:
        os.write(tell, json.dumps(read(world, stop.exists)).encode())

    child = forked(body)
    os.close(tell)

    def ended() -> tuple[int, list[str]]:
        stop.touch()
        with os.fdopen(told) as answer:
            found = answer.read()
        os.waitpid(child, 0)
        reads, wrong = json.loads(found) if found else (0, ["the reader died"])
        return reads, wrong

    yield ended


def _ask(bench: Bench, lookup: Lookup, registered: catalog.Registration, caller: Caller, query: str) -> str:
    """What is wrong with the answer to a question, "" where nothing is."""
    with bench.database.reading() as session:
        opened = lookup.open(session, registered, caller, "employee-support", bench.clock())
        if not isinstance(opened, Opened):
            return "" if opened is Reason.NO_GENERATION else f"refused: {opened}"
        hits = lookup.look(opened, Question(text=query), k=10).hits
        cited = serving.cited(session, [(hit.revision, hit.ordinal) for hit in hits])
    keys = bench.keyring.document_keys({hit.revision for hit in hits})
    for hit in hits:
        if (hit.revision, hit.ordinal) not in cited or hit.revision not in keys:
            return "a passage that is found and not there"
        open_text(keys[hit.revision], hit.revision, hit.ordinal, cited[hit.revision, hit.ordinal][2])
    return ""


def forked(body: Callable[[], object], *, silent: bool = False) -> int:
    """Run `body` in a child process; its id. It ends with 0, or with 1 after printing what it raised."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        body()
    except BaseException:  # noqa: BLE001 - the child must not return into its parent's code
        if not silent:
            sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)
