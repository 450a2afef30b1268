"""Documents with needles in everything that is known of them, and a home that takes them in."""

import random
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from connectors.base import SourceDocument
from policies.manifest import Source
from policies.model import DocumentId
from tests.fakes import HashEmbedder
from tests.indexer import workbench
from tests.indexer.workbench import MODIFIED, NOW, Bench, FakeOrigin, File
from tests.policies import handbook

KINDS = ("text", "title", "metadata", "name", "fp16 vector", "fp32 vector")
"""Where needles are. The last two are made of the text: a row of the index, and what the embedder gave."""
IN_CLEAR = ("text", "title", "fp16 vector")
"""What an index holds as it is: terms of text and title, and rows. All else is sealed from the beginning."""
BITS = 128
CONSONANTS = "bcdfghjklmnpqrtvwz"
OLD = MODIFIED - timedelta(days=500)
LATER = NOW + timedelta(days=60)
"""By then what is `OLD` is due, and nothing else."""
FATES = ("due", "erased", "kept")


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One document and its needles by kind. `fate` is what becomes of it."""

    fate: str
    needles: Mapping[str, bytes]
    file: File

    @property
    def origin_id(self) -> str:
        """Its name at the origin."""
        return f"folder/{self.needles['name'].decode()}.md"

    @property
    def uri(self) -> str:
        """Its address, with a needle of its own."""
        return f"https://origin.example/view?ticket={self.needles['metadata'].decode()}"


@dataclass
class PlantedOrigin(FakeOrigin):
    """An origin whose documents have the addresses in `uris`."""

    uris: dict[str, str] = field(default_factory=dict)

    def document(self, origin_id: str) -> SourceDocument:
        """The document with its planted address."""
        return replace(super().document(origin_id), uri=self.uris[origin_id])


def plant(needles: int, chance: random.Random) -> list[Planted]:
    """Documents that hold so many needles, a third each of them due, to be erased and to be kept."""
    # The row of an index and what was embedded are one needle in two forms.
    documents = -(-needles // (len(KINDS) - 1))
    return [_document(FATES[number % len(FATES)], number, chance) for number in range(documents)]


def needles_of(planted: Collection[Planted], *kinds: str) -> set[bytes]:
    """The needles of some documents, of these kinds or of all."""
    return {document.needles[kind] for document in planted for kind in kinds or KINDS}


def fated(planted: Collection[Planted], *fates: str) -> list[Planted]:
    """The documents of which this becomes."""
    return [document for document in planted if document.fate in fates]


@contextmanager
def home(root: Path, planted: Collection[Planted]) -> Iterator[tuple[Bench, Source]]:
    """A new home that has taken the documents in, at an instant when some of them are due."""
    root.mkdir()
    workbench.create(root)
    with reopened(root, planted) as (bench, source):
        bench.clock.now = NOW
        bench.apply()
        bench.sync(source)
        bench.clock.now = LATER
        yield bench, source


@contextmanager
def reopened(root: Path, planted: Collection[Planted], *, first_id: int = 1) -> Iterator[tuple[Bench, Source]]:
    """A home as another process has it open, with its source and all documents still at their origin."""
    origin = PlantedOrigin(
        files={document.origin_id: document.file for document in planted},
        uris={document.origin_id: document.uri for document in planted},
    )
    with workbench.opened(root, origin=origin, now=LATER, first_id=first_id) as bench:
        yield bench, handbook.source()


def ids(bench: Bench, source: Source, planted: Collection[Planted]) -> frozenset[DocumentId]:
    """The opaque ids of documents."""
    return frozenset(bench.id(source, document.origin_id) for document in planted)


def _document(fate: str, number: int, chance: random.Random) -> Planted:
    spellings = (_hexadecimal, _capitals, _letters)
    text, title, metadata, name = (spellings[(number + rank) % 3](chance) for rank in range(4))
    heading, line = f"Notice {title}", f"Reference {text} was noted and nothing else was."
    row = HashEmbedder().embed_query(f"{heading}\n{line}")
    needles = {"text": text, "title": title, "metadata": metadata, "name": name}
    return Planted(
        fate=fate,
        needles={kind: needle.encode() for kind, needle in needles.items()}
        | {"fp16 vector": row.astype("<f2").tobytes(), "fp32 vector": row.astype("<f4").tobytes()},
        file=replace(workbench.text(heading, line), modified=OLD if fate == "due" else MODIFIED),
    )


def _hexadecimal(chance: random.Random) -> str:
    return f"{chance.getrandbits(BITS):032x}"


def _capitals(chance: random.Random) -> str:
    return _hexadecimal(chance).upper()


def _letters(chance: random.Random) -> str:
    """As many letters as hold the bits, none of which is an ending of a word in English or French."""
    length = int(np.ceil(BITS / np.log2(len(CONSONANTS))))
    return "".join(chance.choices(CONSONANTS, k=length))
