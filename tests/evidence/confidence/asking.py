"""Questions put to a real index, and what each gives."""

import hashlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from gateway import settings
from gateway.lookup import Lookup, Opened, Question
from gateway.wiring import Installation, clock, create_installation, open_installation
from indexer import catalog
from indexer.master import create_master_key
from indexer.search import READ
from indexer.tables import DocumentState
from policies.model import Caller, DocumentId
from tests.evidence import retrieval
from tests.evidence.confidence.questions import Asked
from tests.evidence.running import applied, synced

PER_LINE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """What the questions of one set gave, a row each: `features` shape (n, m), the others shape (n,).

    `sufficient` tells whether a document that answers was among those returned, `groups` numbers what is asked for.
    """

    features: NDArray[np.float64]
    sufficient: NDArray[np.bool_]
    kinds: NDArray[np.str_]
    groups: NDArray[np.int64]

    def part(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Table":
        """Some of its rows."""
        return Table(
            features=self.features[rows],
            sufficient=self.sufficient[rows],
            kinds=self.kinds[rows],
            groups=self.groups[rows],
        )


@contextmanager
def ingested(
    documents: Sequence[dict[str, str]], languages: str, *, reader: str = ""
) -> Iterator[tuple[Installation, dict[str, int]]]:
    """An installation that has taken these documents in, and the number of each one's file.

    `reader` is as PENSTOCK_READER names it.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-evidence-") as temporary:
        folder = Path(temporary) / "documents"
        names = retrieval.write_documents(documents, folder)
        chosen = settings.load({"PENSTOCK_HOME": str(Path(temporary) / "home"), "PENSTOCK_READER": reader})
        create_master_key(Path(temporary) / "master.key")
        create_installation(chosen, store_region="us")
        with open_installation(chosen) as installation:
            synced(installation, applied(installation, retrieval.manifest("none", languages), folder))
            yield installation, names


def asked(installation: Installation, names: dict[str, int], questions: Sequence[Asked]) -> Table:
    """What these questions give, each where what it hides cannot be seen."""
    lookup = installation.lookup()
    caller = Caller(subject="evidence", groups=frozenset({"all"}), purposes=frozenset({"evidence"}), region="us")
    ids = {name: _id(installation, number) for name, number in names.items()}
    found: list[tuple[tuple[float, ...], bool]] = []
    with installation.database.reading() as session:
        registered = catalog.require(session, retrieval.SOURCE)
        opened = lookup.open(session, registered, caller, "evidence", clock())
        if not isinstance(opened, Opened):
            raise SystemExit(f"nothing may be searched: {opened}")
        for number, question in enumerate(questions):
            found.append(_row(lookup, session, opened, question, ids))
            if number % PER_LINE == 0:
                print(f"\r{number} of {len(questions)} questions", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return Table(
        features=np.array([row for row, _ in found]),
        sufficient=np.array([sufficient for _, sufficient in found]),
        kinds=np.array([question.kind for question in questions]),
        groups=np.array([_number(question.group) for question in questions]),
    )


def quarantined(installation: Installation, names: dict[str, int]) -> frozenset[str]:
    """The documents that were not taken in, by their names in the set."""
    with installation.database.reading() as session:
        found = catalog.documents(session, retrieval.SOURCE)
    out = {name for name, document in found.items() if document.state is DocumentState.QUARANTINED}
    return frozenset(name for name, number in names.items() if _id(installation, number) in out)


def _row(
    lookup: Lookup, session: Session, opened: Opened, question: Asked, ids: dict[str, DocumentId]
) -> tuple[tuple[float, ...], bool]:
    hidden = opened.hidden | {ids[name] for name in question.hidden if name in ids}
    seen = replace(opened, hidden=hidden, visible=opened.generation.visible(opened.permits, hidden))
    put = Question(text=question.text)
    found = lookup.look(seen, put, k=READ)
    row = lookup.features(seen, found, put, lookup.read(session, found.hits))
    answers = {ids[name] for name in question.documents if name in ids}
    return row, any(hit.document in answers for hit in found.hits)


def _id(installation: Installation, number: int) -> DocumentId:
    return installation.keyring.document_id(retrieval.SOURCE, f"{number}.html")


def _number(group: str) -> int:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:7], "big")
