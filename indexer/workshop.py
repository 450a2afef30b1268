"""Where sources are changed: everything that the work on one needs, and the publishing of its index."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self, TypeAlias

from sqlmodel import Session

from indexer import catalog, custody
from indexer.analyse import analyser_version
from indexer.build import build, collect, publish
from indexer.carry import serving
from indexer.database import Database
from indexer.generation import Generation, read_inventory
from indexer.home import Home
from indexer.ingest import Stages
from indexer.keyring import Keyring
from policies import ledger
from policies.errors import ConflictError, IntegrityError
from policies.manifest import Source
from policies.model import Action, AuditEvent, GenerationId, Node


def in_force(session: Session, source: Source) -> catalog.Registration:
    """The registration of a source as its manifest is.

    Raises:
        ConflictError: another manifest was put in force meanwhile.
    """
    registered = catalog.require(session, source.name)
    if registered.policy_hash != source.policy_hash:
        raise ConflictError(
            f"Another manifest of {source.name!r} was put in force.", mend="Run the same command again."
        )
    return registered


Settle: TypeAlias = Callable[[Session], None]


class Rehearse(Protocol):
    """What is done with a generation before it serves, and with one that serves already."""

    def __call__(
        self, database: Database, registered: catalog.Registration, *, published: bool, actor: str
    ) -> Settle | None:
        """What is to be written in the transaction that publishes the generation which `registered` names.

        None where there is nothing. It must not raise, for nothing may keep a deletion from being published.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """What changing a source needs. `clock` gives the present (UTC, aware), `new_id` a fresh random id.

    `rehearse` is asked about every generation before it serves; nobody if None.
    """

    home: Home
    database: Database
    keyring: Keyring
    stages: Stages
    node: Node
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    rehearse: Rehearse | None = None

    def record(self, source: Source, actor: str, action: Action, detail: Mapping[str, str | int]) -> None:
        """Put an act on a source into the audit, durably, and anchor it."""
        event = AuditEvent(
            actor=actor, action=action, objects=(source.name,), policy_hash=source.policy_hash, detail=dict(detail)
        )
        now = self.clock()
        with self.database.writing() as session:
            head = ledger.append(session, event, now=now)
        self.keyring.anchor(head, now=now)

    @contextmanager
    def sole_writer(self, source: Source) -> Iterator[Self]:
        """Be the one writer of a source while the block runs: this workshop, which writes only while that is so.

        Raises:
            ConflictError: another process is at work on it, or another manifest was put in force meanwhile.
            IntegrityError: the keyring is one from before: what it does not know of could come back, or be deleted.
        """
        with self.holding(source.name) as fenced:
            with fenced.database.reading() as session:
                in_force(session, source)
                custody.require(session, fenced.keyring)
            yield fenced

    @contextmanager
    def holding(self, name: str) -> Iterator[Self]:
        """Hold a name while the block runs: this workshop, which writes only while that is so.

        Raises:
            ConflictError: another process holds it.
        """
        with self.database.exclusive(name) as hold:
            yield replace(self, database=self.database.fenced(hold))

    def publish(self, source: Source, *, actor: str) -> GenerationId:
        """Renew a source's index if it is not of the present catalog or code; the id of the one that serves.

        What it holds of unchanged documents is taken over. One that serves on is rehearsed if that is overdue. The
        caller is the source's sole writer.
        """
        with self.database.reading() as session:
            registered = catalog.require(session, source.name)
        if registered.generation is None or registered.unpublished or not self._can_serve(registered):
            return self._renew(source, serving(registered, self.home.generations(source.name)), actor=actor)
        collect(self.database, self.keyring, source, self.home.generations(source.name))
        self.catch_up(source, actor=actor)
        return registered.generation

    def catch_up(self, source: Source, *, actor: str) -> None:
        """Rehearse the generation that serves, where that was not done when it was published, or went wrong."""
        with self.database.reading() as session:
            registered = catalog.require(session, source.name)
        settle = self._rehearsed(registered, published=True, actor=actor)
        if settle is not None:
            with self.database.writing() as session:
                settle(session)

    def _rehearsed(self, registered: catalog.Registration, *, published: bool, actor: str) -> Settle | None:
        if self.rehearse is None:
            return None
        return self.rehearse(self.database, registered, published=published, actor=actor)

    def _can_serve(self, registered: catalog.Registration) -> bool:
        """Whether the generation was made by the embedder and the analyser that queries are made by now."""
        if registered.generation is None or registered.generation_digest is None:
            return False
        folder = self.home.generation(registered.name, registered.generation)
        try:
            inventory = read_inventory(folder, digest=registered.generation_digest)
        except IntegrityError:
            return False
        return (inventory.embedder, inventory.analyser) == (self.stages.embedder_identity.key, analyser_version())

    def rebuild(self, source: Source, *, actor: str) -> GenerationId:
        """Build a generation from the catalog alone and publish it: nothing of the former one is looked at.

        The caller is the source's sole writer.
        """
        return self._renew(source, None, actor=actor)

    def _renew(self, source: Source, former: Generation | None, *, actor: str) -> GenerationId:
        folder = self.home.generations(source.name)
        identity = self.stages.embedder_identity
        built = build(
            self.database,
            self.keyring,
            source,
            folder,
            generation=GenerationId(self.new_id()),
            embedder=identity.key,
            dim=identity.dim,
            former=former,
        )
        with self.database.reading() as session:
            registered = catalog.require(session, source.name)
        coming = replace(registered, generation=built.id, generation_digest=built.digest)
        settle = self._rehearsed(coming, published=False, actor=actor)
        publish(self.database, source, built, actor=actor, now=self.clock(), settle=settle)
        collect(self.database, self.keyring, source, folder)
        return built.id
