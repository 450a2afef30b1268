"""Putting the parts together: the only place that makes them, and the owner of the clock."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sqlmodel import SQLModel

from connectors.base import Connector
from connectors.registry import connector
from connectors.secrets import Secrets
from gateway.agents import AgentGrantRow
from gateway.calibrate import Replay
from gateway.identity import Identity
from gateway.jwks import fetch_https
from gateway.keys import ApiKeyRow
from gateway.lookup import Lookup
from gateway.reader import Reader
from gateway.requests import RequestRow
from gateway.retrieval import Retrieval
from gateway.review.desk import ReviewDesk
from gateway.review.sight import Sight
from gateway.settings import Settings
from gateway.tokens import Tokens
from indexer import catalog, custody, embed, installation, kms, mirror, ocr, parse, redact, room, sync, upkeep
from indexer import home as homes
from indexer.catalog import Registration
from indexer.database import Database
from indexer.embed import EmbedderIdentity, MiniLmEmbedder, Vectors
from indexer.home import Home
from indexer.installation import InstallationRow
from indexer.joblog import Job, JobId, JobKind
from indexer.jobs import Jobs
from indexer.keyring import Keyring
from indexer.kms import KmsAddress
from indexer.master import LocalMasterKey, MasterKey
from indexer.passages import TokenCounter
from indexer.redact import Redactor
from indexer.sandbox import Sandbox
from indexer.seal import Key
from indexer.shelf import Shelf
from indexer.tables import TABLES
from indexer.upgrades import Upgrade
from indexer.worker import Open, Worker
from indexer.workshop import Workshop
from policies.errors import PenstockError, SettingsError
from policies.ledger import AuditRow
from policies.manifest import Source
from policies.manifest import parse as parse_manifest
from policies.model import Node, SourceName

EMBEDDING_THREADS = 1
"""Chosen: a second thread waits by spinning, and where the cores are busy a passage then costs five times as much."""
_CPUINFO = Path("/proc/cpuinfo")


def clock() -> datetime:
    """The present: UTC, aware."""
    return datetime.now(UTC)  # noqa: TID251 - this module owns the clock


def new_id() -> str:
    """A fresh random id: 24 hex digits."""
    return secrets.token_hex(12)


class LazyStages:
    """The stages of ingestion, each made when it is first asked for and closed with the installation.

    `upgrades` are the further recognisers, without which nothing is redacted.
    """

    def __init__(self, resources: ExitStack, upgrades: Sequence[Upgrade]) -> None:
        self._resources = resources
        self._upgrades = upgrades
        self._folder = embed.locate_model(None)

    def warm(self) -> None:
        """Load what every document needs: the two processes start while this one imports the embedder."""
        if "embedder" not in vars(self):
            children = (self.parser, self._detector)
            with ThreadPoolExecutor(len(children)) as starting:
                started = [starting.submit(child.warm) for child in children]
                self.embedder  # noqa: B018 - loads it
            for child in started:
                child.result()

    @cached_property
    def parser(self) -> Sandbox:
        """The child process that parses."""
        return self._resources.enter_context(parse.parser())

    @cached_property
    def ocr(self) -> Sandbox:
        """The child process that reads scanned pages."""
        return self._resources.enter_context(ocr.reader())

    @cached_property
    def redactor(self) -> Redactor:
        """Finds and replaces personal data, with a child process that finds it."""
        return Redactor(self._detector, self._upgrades)

    @cached_property
    def _detector(self) -> Sandbox:
        return self._resources.enter_context(redact.detector(self._upgrades))

    @cached_property
    def tokens(self) -> TokenCounter:
        """Counts tokens as the embedder does."""
        return embed.token_counter(self._folder)

    @cached_property
    def embedder_identity(self) -> EmbedderIdentity:
        """What vectors are made with on this machine, without loading it."""
        embed.verify_model(self._folder)
        return embed.identity_of(embed.native_precision(_CPUINFO.read_text() if _CPUINFO.exists() else ""))

    @cached_property
    def embedder(self) -> MiniLmEmbedder:
        """Text to vectors."""
        precision = self.embedder_identity.precision
        return embed.load_embedder(self._folder, precision=precision, threads=EMBEDDING_THREADS)


class LateEmbedder:
    """The embedder of these stages, loaded when something is first to be embedded."""

    def __init__(self, stages: LazyStages) -> None:
        self._stages = stages

    @property
    def identity(self) -> EmbedderIdentity:
        """What the vectors are made with."""
        return self._stages.embedder_identity

    def embed_document(self, texts: Sequence[str]) -> Vectors:
        """The passages of one document. Shape (n, dim), float32, rows of unit length in the order given."""
        return self._stages.embedder.embed_document(texts)

    def embed_query(self, text: str) -> Vectors:
        """A query. Shape (dim,), float32, of unit length."""
        return self._stages.embedder.embed_query(text)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A home with everything that works on it."""

    home: Home
    database: Database
    keyring: Keyring
    stages: LazyStages
    settings: Settings
    node: Node
    resources: ExitStack

    def workshop(self) -> Workshop:
        """What changes sources: sync, publish, purge; and asks golden questions anew before an index goes live."""
        return Workshop(
            home=self.home,
            database=self.database,
            keyring=self.keyring,
            stages=self.stages,
            node=self.node,
            clock=clock,
            new_id=new_id,
            rehearse=Replay(lookup=self._late_lookup, clock=clock, seconds=time.monotonic, new_id=new_id),
        )

    def _late_lookup(self) -> Lookup:
        return Lookup(
            keyring=self.keyring,
            shelf=Shelf(home=self.home),
            redactor=self.stages.redactor,
            embedder=LateEmbedder(self.stages),
            node=self.node,
            reader=self.reader,
        )

    @cached_property
    def reader(self) -> Reader | None:
        """What reads the first passages for the confidence, loaded when it is first to; None where none is named.

        Raises:
            DependencyError: its files are not there.
        """
        if self.settings.reader is None:
            return None
        reader = self.settings.reader.reader(lambda: self.stages.embedder)
        self.resources.callback(reader.close)
        return reader

    def jobs(self) -> Jobs:
        """What asks for jobs. Made once: it holds connections."""
        return self._jobs

    @cached_property
    def _jobs(self) -> Jobs:
        jobs = Jobs(self.database, clock=clock, new_id=new_id)
        self.resources.callback(jobs.close)
        return jobs

    def worker(self) -> Worker:
        """What runs jobs in this process, until its `with` block ends."""
        return Worker(jobs=self.jobs(), openers=self._openers(), tick_id=self._tick_id, name=new_id())

    def secrets(self, registered: Registration) -> Secrets:
        """Where the credentials that a source's manifest refers to are read, and Penstock's own are not."""
        settings = self.settings
        keys = (settings.home, settings.master_key, settings.database and settings.database.password)
        own = tuple(key for key in keys if isinstance(key, Path))
        return Secrets(environment=settings.environment, base=registered.manifest_path.parent, own=own)

    def _openers(self) -> Mapping[JobKind, Open]:
        workshop = self.workshop()

        def source_of(job: Job) -> tuple[Source, Connector]:
            with self.database.reading() as session:
                registered = catalog.require(session, job.source)
            source = parse_manifest(registered.manifest, path=str(registered.manifest_path))
            origin = source.connector
            return source, connector(origin.kind, origin.options, secrets=self.secrets(registered))

        return {
            JobKind.SYNC: lambda job: sync.opened(workshop, *source_of(job), job),
            JobKind.PERMISSIONS: lambda job: mirror.opened(workshop, *source_of(job), job),
            JobKind.REBUILD: lambda job: upkeep.rebuilding(workshop, source_of(job)[0], job),
            JobKind.VERIFY: lambda job: upkeep.verifying(workshop, job),
            JobKind.PURGE: lambda job: upkeep.purging(workshop, source_of(job)[0], job),
            JobKind.ERASE: lambda job: upkeep.erasing(workshop, source_of(job)[0], job),
        }

    def _tick_id(self, kind: JobKind, source: SourceName, at: datetime) -> JobId:
        return JobId(self.keyring.fingerprint("schedule", kind, source, at.isoformat()))

    def sight(self) -> Sight:
        """What reviewers may see."""
        return Sight(home=self.home, keyring=self.keyring, node=self.node)

    def review(self) -> ReviewDesk:
        """Where reviewers ask."""
        return ReviewDesk(database=self.database, keyring=self.keyring, sight=self.sight(), clock=clock)

    def lookup(self) -> Lookup:
        """What searches sources.

        Raises:
            DependencyError, IntegrityError: the reader of passages does not load.
        """
        if self.reader is not None:
            self.reader.warm()
        return Lookup(
            keyring=self.keyring,
            shelf=Shelf(home=self.home),
            redactor=self.stages.redactor,
            embedder=self.stages.embedder,
            node=self.node,
            reader=self.reader,
        )

    def retrieval(self) -> Retrieval:
        """What answers questions.

        Raises:
            IntegrityError: the keyring is one from before, which does not know of all that must not be shown.
        """
        with self.database.reading() as session:
            custody.require(session, self.keyring)
        tokens = Tokens(self.settings.issuers, fetch=fetch_https)
        return Retrieval(
            database=self.database,
            lookup=self.lookup(),
            identity=Identity(reading=self.database.reading, tokens=tokens),
            clock=clock,
        )


def master_key(settings: Settings) -> MasterKey:
    """The master key that the settings name.

    Raises:
        SettingsError: it cannot be read, or no installed package offers the key service.
        DependencyError: the key service is away.
    """
    if isinstance(settings.master_key, KmsAddress):
        return kms.master_key(settings.master_key)
    return LocalMasterKey(Key(settings.read_master_key()))


def create_installation(settings: Settings, *, store_region: str) -> None:
    """Make the home that the settings name, with an empty catalog and keyring, for a master key that is there.

    Raises:
        SettingsError: there is something in that folder already, or the master key cannot be read.
    """
    master = master_key(settings)
    home = homes.create(settings.home, store_region=store_region, now=clock())
    with ExitStack() as resources:
        try:
            keyring = Keyring.create(home.keyring, master)
            resources.callback(keyring.close)
            database = _catalog(home, settings)
            resources.callback(database.close)
            database.create()
            installation.claim(database, keyring.public_key())
            room.keep(home)
        except PenstockError:
            homes.abandon(home)
            raise


def _node(settings: Settings, home: Home) -> Node:
    """Where this installation is. Of a database elsewhere nobody knows where it lies unless the settings say."""
    here = settings.database is None or settings.database.is_local
    return Node(
        process_region=settings.region or home.store_region,
        store_regions=frozenset({home.store_region, settings.database_region or (home.store_region if here else None)}),
        system_region=settings.system_region or home.store_region,
    )


def _catalog(home: Home, settings: Settings) -> Database:
    tables: list[type[SQLModel]] = [*TABLES, AuditRow, ApiKeyRow, AgentGrantRow, RequestRow, InstallationRow]
    return Database(settings.database or home.catalog, tables)


@contextmanager
def open_installation(settings: Settings) -> Iterator[Installation]:
    """The installation that the settings name, closed with every child process when the block ends.

    Raises:
        SettingsError: there is no home, a newer Penstock made it, or its master key is missing, wrong or inside it.
    """
    home = homes.find(settings.home)
    if settings.database is None and not home.catalog.is_file():
        raise SettingsError(
            f"The catalog {str(home.catalog)!r} is missing.",
            mend="Restore it from its backup, then run: penstock verify (or set PENSTOCK_DATABASE, if it is there).",
        )
    with ExitStack() as resources:
        database = _catalog(home, settings)
        resources.callback(database.close)
        keyring = Keyring(home.keyring, master_key(settings))
        resources.callback(keyring.close)
        installation.require(database, keyring.public_key())
        yield Installation(
            home=home,
            database=database,
            keyring=keyring,
            stages=LazyStages(resources, settings.upgrades),
            settings=settings,
            resources=resources,
            node=_node(settings, home),
        )
