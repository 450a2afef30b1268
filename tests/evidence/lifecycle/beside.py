"""A home beside the model of what it must be, and what of both is compared."""

import shutil
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path

from sqlmodel import Session

from gateway.lookup import Lookup, Opened, Question, UnavailableError
from indexer import catalog, orders, revisions, serving
from indexer.content import open_text
from indexer.keyring import KeyId
from indexer.reconcile import Fault, verify
from indexer.shelf import Shelf
from policies.manifest import Source
from policies.model import Caller, DocumentId, SourceName
from tests.evidence.lifecycle.model import Model, Rules
from tests.indexer import workbench
from tests.indexer.workbench import NOW, Bench, FakeOrigin

NAMES = ("a.md", "b.md", "board/c.md", "board/d.md", "e.md")
TEXTS = range(3)
PARTS = tuple(f"{name}!{text}" for name in NAMES for text in TEXTS)
CALLERS = {"ann": ("staff",), "bob": ("board", "works-council"), "cyd": ("staff", "board", "contractors")}
PURPOSE = "employee-support"
SOURCE = SourceName("hr-handbook")


class Beside:
    """One home and its model."""

    def __init__(self, template: Path, root: Path) -> None:
        """Begin with a copy of the empty home in `template`."""
        shutil.copytree(template, root)
        self._root = root
        self.model = Model(now=NOW)
        self._origin = FakeOrigin()
        self._kept: dict[str, set[KeyId]] = {}
        self._lost: set[KeyId] = set()
        self._cut = False
        self._ids = 0
        self._open()
        self._known = {name: self._bench.keyring.document_id(SOURCE, name) for name in NAMES}
        self._known |= {
            f"{name}!{text}": self._bench.keyring.part_id(whole, inside(name, text).encode(), 0)
            for name, whole in self._known.items()
            for text in TEXTS
        }
        self._names = {document: name for name, document in self._known.items()}
        self._source = self._in_force(self.model.rules)

    def close(self) -> None:
        """End the process."""
        self._process.__exit__(None, None, None)

    def check(self) -> None:
        """Everybody is shown what the model says; orders stand, and what they protect is there."""
        with self._bench.database.reading() as session:
            registered = catalog.require(session, self._source.name)
            for subject, groups in CALLERS.items():
                caller = Caller(subject=subject, groups=frozenset(groups), purposes=frozenset({PURPOSE}), region="gb")
                try:
                    opened = self._lookup.open(session, registered, caller, PURPOSE, self.model.now)
                except UnavailableError:
                    opened = None
                shown = opened.readable() if isinstance(opened, Opened) else frozenset()
                expected = self.model.shown(groups)
                found = {self._name(document) for document in shown}
                assert found == expected.keys(), f"{subject} is shown {sorted(found)}, not {sorted(expected)}"
                if isinstance(opened, Opened):
                    assert self._heard(session, opened) == {said(*found) for found in expected.items()}
            there = revisions.of(session, [self._id(name) for name in self.model.rows if self.model.protected(name)])
        with self._bench.keyring.database.reading() as keys:
            standing = {order.id for order in orders.standing(keys, self._source.name)}
        assert standing == self.model.orders.keys(), "other orders stand"
        self._check_kept({revision.id: document for document, revision in there})

    def verify(self) -> None:
        """After a sync nothing is wrong with the home, but for what comes of a catalog that was restored.

        That is its audit, and documents of a purge that died before it destroyed their keys: the next deletes them.
        """
        if not self.model.rules.active:
            return
        findings = verify(self._bench.workshop)
        cut = {finding.fault for finding in findings} >= {Fault.AUDIT}
        assert cut is self._cut, findings
        documents = self._documents()
        buried = {f"revision {documents[name].revision.id}" for name in self.model.buried()}
        assert {finding.what for finding in findings if finding.fault is Fault.DOCUMENT_ENTOMBED} == buried, findings
        expected = {Fault.DOCUMENT_ENTOMBED} | ({Fault.AUDIT, Fault.KEY_ORPHANED} if self._cut else set())
        wrong = [
            finding
            for finding in findings
            if finding.fault not in expected and not any(key in finding.what for key in self._lost)
        ]
        assert not wrong, wrong
        tombstones = {(self._id(name), "") for name in self.model.erased}
        assert {pair for pair in self._bench.keyring.tombstones() if not pair[1]} == tombstones

    def _check_kept(self, there: dict[KeyId, DocumentId]) -> None:
        held = self._bench.keyring.document_keys(there).keys()
        kept = {name: set[KeyId]() for name in self.model.rows if self.model.protected(name)}
        for revision, document in there.items():
            kept[self._name(document)].add(revision)
        for name, before in self._kept.items():
            if name in kept:
                assert before <= kept[name], f"a revision of {name}, which an order protects, is gone"
        for name, found in kept.items():
            assert found, f"the row of {name}, which an order protects, is gone"
            assert found - self._lost <= held, f"the key of {name}, which an order protects, is gone"
        self._kept = kept

    def _heard(self, session: Session, opened: Opened) -> set[str]:
        """The texts of all passages that a search finds."""
        found = self._lookup.look(opened, Question(text="What is said of this?"), k=100).hits
        cited = serving.cited(session, [(hit.revision, hit.ordinal) for hit in found])
        keys = self._bench.keyring.document_keys(hit.revision for hit in found)
        return {
            open_text(keys[revision], revision, ordinal, text).text
            for (revision, ordinal), (_, _, text) in cited.items()
        }

    def _open(self) -> None:
        self._ids += 10**6
        self._process: AbstractContextManager[Bench] = workbench.opened(
            self._root, origin=self._origin, now=self.model.now, first_id=self._ids
        )
        self._bench = self._process.__enter__()
        stages = self._bench.stages
        self._lookup = Lookup(
            keyring=self._bench.keyring,
            shelf=Shelf(home=self._bench.home),
            redactor=stages.redactor,
            embedder=stages.embedder,
            node=self._bench.workshop.node,
        )

    def _in_force(self, rules: Rules) -> Source:
        return self._bench.apply(
            ("period: P2Y", f"period: P{rules.days}D"),
            ("from: modified", f"from: {rules.anchor}"),
            ("allow: [group:staff]", f"allow: [group:{rules.allow}]"),
            ("deny: [group:contractors]", f"deny: [group:{rules.deny}]"),
            ('"board/**", allow: [group:board]', f'"board/**", allow: [group:{rules.board}]'),
            ("state: active", f"state: {'active' if rules.active else 'suspended'}"),
            ("serving: on", f"serving: {'on' if rules.serving else 'off'}"),
        )

    def _is_dark(self) -> bool:
        return self._bench.registered(self._source).generation is None

    def _documents(self) -> dict[str, catalog.Document]:
        return {self._name(document): found for document, found in self._bench.documents(self._source).items()}

    def _named(self, names: Collection[str]) -> frozenset[DocumentId]:
        return frozenset(map(self._id, names))

    def _id(self, name: str) -> DocumentId:
        return self._known[name]

    def _name(self, document: DocumentId) -> str:
        return self._names[document]


def said(name: str, version: str) -> str:
    """The text of a document or part."""
    return f"What {name} says here has the number {version}."


def inside(name: str, text: int) -> str:
    """What lies in a document. By it the part has its name."""
    return said(f"{name}!{text}", f"part {text}")
