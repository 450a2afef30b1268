"""A home with everything that works on it, small and without models or child processes, for tests to take apart."""

import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import FrameType
from urllib.parse import quote
from zlib import crc32

from sqlmodel import SQLModel

from connectors.base import Change, Cursor, Delete, Finished, Listing, Refused, SourceDocument, Upsert
from gateway.agents import AgentGrantRow
from gateway.keys import ApiKeyRow
from gateway.requests import RequestRow
from indexer import catalog, installation, joblog, mirror, register, serving
from indexer import home as homes
from indexer import sync as syncs
from indexer.address import Address
from indexer.database import Database
from indexer.embed import Embedder, EmbedderIdentity, Vectors
from indexer.formats.elements import quarantine
from indexer.generation import Generation
from indexer.home import Home
from indexer.installation import InstallationRow
from indexer.joblog import Job, JobKind, JobState
from indexer.keyring import Keyring
from indexer.master import LocalMasterKey
from indexer.outcome import Outcome
from indexer.passages import TokenCounter
from indexer.redact import Redactor
from indexer.sandbox import JSON, Sandbox
from indexer.seal import Key
from indexer.tables import TABLES
from indexer.workshop import Workshop
from policies import ledger, manifest
from policies.errors import QuarantineError, RefusedError
from policies.ledger import AuditRow, Record, records
from policies.manifest import Source
from policies.model import Access, Action, AuditEvent, DocumentId, GenerationId, Node
from tests import catalogs
from tests.fakes import HashEmbedder, count_words
from tests.policies import handbook

NOW = handbook.NOW
MASTER_KEY = Key(b"m" * 32)
MASTER = LocalMasterKey(MASTER_KEY)
ACTOR = "operator:test"
CATALOG: tuple[type[SQLModel], ...] = (*TABLES, InstallationRow, AuditRow, ApiKeyRow, AgentGrantRow, RequestRow)
MODIFIED = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ADDRESSES = re.compile(r"\bzed\w*@example\.org")
"""What the fake detector takes for personal data."""


class Clock:
    """Stands still until it is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, span: timedelta) -> None:
        self.now += span


def split(body: bytes) -> tuple[list[str], list[tuple[str, bytes]]]:
    """The lines of a document of the fake origin that are its own, and its parts: name and content."""
    lines = [line for line in body.decode().splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith("+") and not line.startswith("++")]
    parts = [
        (lines[first][1:], "\n".join(line.removeprefix("+") for line in lines[first + 1 : end]).encode())
        for first, end in pairwise([*starts, len(lines)])
    ]
    return lines[: starts[0] if starts else len(lines)], parts


def part_id(keyring: Keyring, whole: DocumentId, content: bytes, *path: int) -> DocumentId:
    """The id of what lies in a document of this content, by the numbers that lead there."""
    for number in path:
        before = [inner for _, inner in split(content)[1]]
        content, occurrence = before[number - 1], before[: number - 1].count(before[number - 1])
    return keyring.part_id(whole, content, occurrence)


class FakeParser(Sandbox):
    """Every line that is not blank is an element. `!reason` as the first line is what the parser refuses with.

    A line `+name` begins a part of that name, which goes to the next one or the end; `++name` begins one in that part.

    `broken` is raised in place of an answer, `failing` where the first line is `!failing`.
    """

    def __init__(self) -> None:
        super().__init__("indexer.parse", stage="parse", address_space_bytes=0, start_timeout_s=0)
        self.failing: QuarantineError | None = None
        self.parsed = 0
        self.skipped_parts = 0
        self.broken: QuarantineError | None = None

    def call(self, header: Mapping[str, JSON], body: bytes, *, timeout_s: float) -> dict[str, JSON]:
        assert header["name"]
        assert timeout_s > 0
        self.parsed += 1
        if self.broken is not None:
            raise self.broken
        lines, inside = split(body)
        parts: list[JSON] = [[name, content] for name, content in inside]
        if lines and lines[0] == "!encrypted":
            raise quarantine("encrypted")
        if lines and lines[0] == "!failing" and self.failing:
            raise self.failing
        if lines and lines[0] == "!fault":
            raise ZeroDivisionError("with the document's text in the message")
        title = lines.pop(0).removeprefix("# ") if lines and lines[0].startswith("# ") else None
        elements: list[JSON] = [[line, "text", 0, None] for line in lines]
        return {
            "kind": "txt",
            "title": title,
            "elements": elements,
            "skipped_parts": self.skipped_parts,
            "parts": parts,
            "scanned": [],
        }


class FakeDetector:
    """Finds addresses of people called zed. `broken` is raised in place of an answer.

    A text in `refused` is refused for the reason that it has there.
    """

    def __init__(self) -> None:
        self.broken: QuarantineError | None = None
        self.refused: dict[str, str] = {}

    def call(self, header: Mapping[str, JSON], body: bytes, *, timeout_s: float) -> dict[str, JSON]:
        assert body == b""
        assert timeout_s > 0
        if self.broken is not None:
            raise self.broken
        texts = header["texts"]
        assert isinstance(texts, list)
        for reason in (self.refused[str(text)] for text in texts if text in self.refused):
            raise QuarantineError("It cannot be redacted.", reason=reason, stage="redact", mend="Split it.")
        spans: list[JSON] = [
            [[match.start(), match.end(), "EMAIL_ADDRESS"] for match in ADDRESSES.finditer(str(text))] for text in texts
        ]
        return {"spans": spans, "uncovered": 0}


class CountingEmbedder(HashEmbedder):
    """Counts the passages and queries it was asked for."""

    def __init__(self) -> None:
        self.passages = 0
        self.queries = 0

    def embed_document(self, texts: Sequence[str]) -> Vectors:
        self.passages += len(texts)
        return super().embed_document(texts)

    def embed_query(self, text: str) -> Vectors:
        self.queries += 1
        return super().embed_query(text)


class FakeStages:
    """The stages of ingestion without models or processes."""

    def __init__(self) -> None:
        self.fake_parser = FakeParser()
        self.detector = FakeDetector()
        self.counting = CountingEmbedder()
        self.redactor = Redactor(self.detector)
        self.identity: EmbedderIdentity = HashEmbedder.identity

    def warm(self) -> None:
        pass

    @property
    def parser(self) -> Sandbox:
        return self.fake_parser

    @property
    def ocr(self) -> Sandbox | None:
        return None

    @property
    def tokens(self) -> TokenCounter:
        return count_words

    @property
    def embedder_identity(self) -> EmbedderIdentity:
        return self.identity

    @property
    def embedder(self) -> Embedder:
        return self.counting


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A document at the fake origin."""

    content: bytes
    modified: datetime | None = MODIFIED
    created: datetime | None = None
    access: Access | None = None
    stamped: bool = True


def text(*lines: str) -> File:
    """A document of these lines, the first of which is its title."""
    return File(content="\n".join(("# " + lines[0], *lines[1:])).encode())


@dataclass
class FakeOrigin:
    """An origin whose files, by origin id, a test may change at will. `extra` is listed behind them.

    Asked with a cursor it lists what is in `changed`. `cursors` are those it was asked with, `cursor` what it gives.
    A listing ends behind `cut_after` documents, or with the error `broken`.
    """

    files: dict[str, File] = field(default_factory=dict)
    extra: list[Change] = field(default_factory=list)
    complete: bool = True
    cursor: Cursor | None = None
    cursors: list[Cursor | None] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    broken: Exception | None = None
    fetched: list[str] = field(default_factory=list)
    on_fetch: Callable[[str], None] = lambda _: None

    def list(self, cursor: Cursor | None) -> Listing:
        self.cursors.append(cursor)
        named = [origin_id for origin_id in sorted(self.files) if cursor is None or origin_id in self.changed]
        for origin_id in named[: self.cut_after]:
            yield Upsert(document=self.document(origin_id))
        if self.broken is not None:
            raise self.broken
        if self.cut_after is not None:
            return
        yield from self.extra
        yield Finished(complete=self.complete and cursor is None, cursor=self.cursor)

    def fetch(self, document: SourceDocument, *, max_bytes: int) -> bytes:
        self.on_fetch(document.origin_id)
        self.fetched.append(document.origin_id)
        content = self.files[document.origin_id].content
        if len(content) > max_bytes:
            raise QuarantineError("It is too large.", reason="too_large", stage="fetch", mend="Split it.")
        return content

    def permissions(self, documents: Sequence[SourceDocument]) -> dict[str, Access]:
        asked = {document.origin_id for document in documents}
        return {name: file.access for name, file in self.files.items() if name in asked and file.access}

    def document(self, origin_id: str) -> SourceDocument:
        file = self.files[origin_id]
        stamp = f"{len(file.content)}-{crc32(file.content)}-{file.modified}" if file.stamped else ""
        return SourceDocument(
            origin_id=origin_id,
            name=self.names.get(origin_id, origin_id.rpartition("/")[2]),
            uri=f"https://origin.example/{quote(origin_id, errors='surrogateescape')}",
            size_bytes=len(file.content),
            stamp=stamp,
            created=file.created,
            modified=file.modified,
        )


def gone(origin_id: str) -> Delete:
    return Delete(origin_id=origin_id)


def refused(origin_id: str) -> Refused:
    return Refused(origin_id=origin_id, reason="symbolic_link", mend="Put the file there.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a sync did: every outcome's count, and quarantined documents by reason."""

    counts: Mapping[Outcome, int]
    reasons: Mapping[str, int]
    skipped_parts: int
    generation: GenerationId

    @classmethod
    def of(cls, job: Job) -> "Report":
        return cls(
            counts={outcome: job.tally.get(outcome.value, 0) for outcome in Outcome},
            reasons={
                name.removeprefix("reason:"): number for name, number in job.tally.items() if name.startswith("reason:")
            },
            skipped_parts=job.tally.get("skipped_parts", 0),
            generation=GenerationId(job.notes["generation"]),
        )

    @property
    def listed(self) -> int:
        return sum(number for outcome, number in self.counts.items() if outcome is not Outcome.REMOVED)


@dataclass(frozen=True, kw_only=True, repr=False)
class Bench:
    """A home, open."""

    home: Home
    database: Database
    keyring: Keyring
    stages: FakeStages
    clock: Clock
    origin: FakeOrigin
    workshop: Workshop

    @property
    def place(self) -> Path | Address:
        """Where the catalog lies."""
        return catalogs.place(self.home.catalog)

    def apply(self, *swaps: tuple[str, str]) -> Source:
        """Put the handbook's manifest, bent, in force."""
        source, content = handbook.source(*swaps), handbook.bend(*swaps)
        register.apply(self.workshop, source, manifest=content, path=Path("hr.yaml"), actor=ACTOR)
        return source

    def sync(
        self,
        source: Source,
        *,
        confirm_deletes: bool = False,
        retry_quarantined: bool = False,
        progress: Callable[[Job], None] = lambda _: None,
    ) -> Report:
        """Sync from beginning to end in this process. A refusal that a job is held for is raised."""
        options = {"confirm_deletes": confirm_deletes, "retry_quarantined": retry_quarantined}
        return self.carry_on(source, self.ask(JobKind.SYNC, source, **options), progress=progress)

    def ask(self, kind: JobKind, source: Source, **options: bool) -> Job:
        """Write down a job, in place of one of its kind that was left."""
        job_id = joblog.JobId(self.workshop.new_id())
        with self.database.writing() as session:
            for left in joblog.jobs(session, source=source.name, states=joblog.OPEN):
                if left.kind is not kind:
                    continue
                joblog.end(session, left.id, JobState.CANCELLED, now=self.clock())
            joblog.ask(session, job_id, kind, source.name, actor=ACTOR, options=options, now=self.clock())
        return self.job(job_id)

    def carry_on(self, source: Source, job: Job, *, progress: Callable[[Job], None] = lambda _: None) -> Report:
        """Do what is left of a sync."""
        with syncs.opened(self.workshop, source, self.origin, job) as run:
            for unit in range(run.prepare()):
                run.do(unit)
                progress(self.job(job.id))
            run.finish()
        ended = self.job(job.id)
        if ended.failure is not None:
            raise RefusedError(ended.failure.message, mend=ended.failure.mend)
        return Report.of(ended)

    def mirror(self, source: Source) -> Job:
        """Mirror the origin's permissions."""
        job = self.ask(JobKind.PERMISSIONS, source)
        with mirror.opened(self.workshop, source, self.origin, job) as run:
            run.finish()
        return self.job(job.id)

    def job_tally(self, source: Source) -> Mapping[str, int]:
        """What the last job on a source counted."""
        with self.database.reading() as session:
            return joblog.jobs(session, source=source.name)[0].tally

    def job(self, job_id: joblog.JobId) -> Job:
        with self.database.reading() as session:
            return joblog.job(session, job_id)

    def id(self, source: Source, origin_id: str) -> DocumentId:
        return self.keyring.document_id(source.name, origin_id)

    def registered(self, source: Source) -> catalog.Registration:
        with self.database.reading() as session:
            return catalog.require(session, source.name)

    def documents(self, source: Source) -> dict[DocumentId, catalog.Document]:
        with self.database.reading() as session:
            return catalog.documents(session, source.name)

    def hidden(self, source: Source) -> frozenset[DocumentId]:
        with self.database.reading() as session:
            return serving.hidden(session, source.name)

    def generation(self, source: Source) -> Generation:
        """The generation that serves, verified."""
        registered = self.registered(source)
        assert registered.generation is not None
        assert registered.generation_digest is not None
        folder = self.home.generation(source.name, registered.generation)
        return Generation(registered.generation, folder, digest=registered.generation_digest)

    def served(self, source: Source) -> frozenset[DocumentId]:
        """The documents of the serving generation that are not hidden."""
        named = frozenset(member.document for member in self.generation(source).members())
        return named - self.hidden(source)

    def set_back(self, now: datetime) -> None:
        """Set the clock, on record where it is behind the audit: as somebody does who finds that it was ahead."""
        self.clock.now = now
        corrected = AuditEvent(actor=ACTOR, action=Action.CLOCK_CORRECTED, detail={"reference": "INC-1"})
        with self.database.writing() as session:
            if ledger.is_behind(session, now):
                ledger.append(session, corrected, now=now)

    def audit(self) -> list[Record]:
        with self.database.reading() as session:
            return list(records(session))

    def close(self) -> None:
        self.database.close()
        self.keyring.close()


def create(root: Path) -> None:
    """Make an empty home, with its catalog and its keyring."""
    home = homes.create(root, store_region="gb", now=NOW)
    database = Database(catalogs.place(home.catalog), CATALOG)
    keyring = Keyring.create(home.keyring, MASTER)
    database.create()
    installation.claim(database, keyring.public_key())
    database.close()
    keyring.close()


@contextmanager
def opened(root: Path, *, origin: FakeOrigin | None = None, now: datetime = NOW, first_id: int = 1) -> Iterator[Bench]:
    """The home in `root` as a process has it open, closed with the block. Ids count up from `first_id`."""
    home = homes.find(root)
    database = Database(catalogs.place(home.catalog), CATALOG)
    keyring = Keyring(home.keyring, MASTER)
    stages, clock = FakeStages(), Clock(now)
    numbers = itertools.count(first_id)
    bench = Bench(
        home=home,
        database=database,
        keyring=keyring,
        stages=stages,
        clock=clock,
        origin=origin or FakeOrigin(),
        workshop=Workshop(
            home=home,
            database=database,
            keyring=keyring,
            stages=stages,
            node=Node(process_region="gb", store_regions=frozenset({"gb"}), system_region="gb"),
            clock=clock,
            new_id=lambda: f"{next(numbers):024x}",
        ),
    )
    try:
        yield bench
    finally:
        bench.close()


def with_database(bench: Bench, database: Database) -> Bench:
    """The same bench on another database object."""
    return replace(bench, database=database, workshop=replace(bench.workshop, database=database))


class Killed(BaseException):
    """What a process that dies looks like from inside."""


@contextmanager
def killed_at(step: int, files: frozenset[str]) -> Iterator[list[int]]:
    """Run the block until Python is about to run its `step`-th (from 0) line of these files, which raises `Killed`.

    Lines count once each, at their first run. Yields the list of those that were run, by number.
    """
    run: dict[tuple[str, int], None] = {}
    passed: list[int] = []

    def trace(frame: FrameType, event: str, _: object) -> object:
        if frame.f_code.co_filename not in files:
            return None
        place = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and place not in run:
            if len(run) == step:
                sys.settrace(None)
                raise Killed
            run[place] = None
            passed.append(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]  # the stub wants a recursive type that cannot be written
    try:
        yield passed
    finally:
        sys.settrace(before)


def everything_below(root: Path) -> Mapping[Path, bytes]:
    """Every file below a folder with its bytes, read without the scanner that is under test."""
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def left_below(root: Path, needles: Iterable[bytes]) -> set[bytes]:
    """Those of the needles that lie below a folder, in files or in names of files."""
    everything = [str(path.relative_to(root)).encode() + b"\n" + raw for path, raw in everything_below(root).items()]
    return {needle for needle in needles if any(needle in content for content in everything)}


def parse_manifest(text: str) -> Source:
    return manifest.parse(text, path="hr.yaml")
