"""What a purge of 1 % of a source of 10,000 passages takes, step by step, with the new index and the receipt.

    python -m tests.benchmarks.purge [--passages N] [--runs N]

A home in a temporary folder is filled with invented documents whose vectors are made of hashes. Every run makes
another hundredth of them due and purges it, from the plan to the signed receipt, the search of every byte of the home
among it. Measured beside each run: publishing the same catalog built from scratch. Bound: at the median a purge takes
at most 5 s of wall time.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np

from indexer import catalog, erase, traces, workshop
from indexer.content import Description, PassageText, seal_description, seal_text, seal_vector
from indexer.database import Database
from indexer.embed import Vectors, unit
from indexer.tables import DocumentState
from policies.manifest import Source
from policies.model import Access
from tests.fakes import HashEmbedder
from tests.indexer.workbench import ACTOR, NOW, Bench, create, opened

MAX_PURGE_S = 5.0
PER_DOCUMENT = 5
WORDS_A_PASSAGE = 110
SHARE = 100
"""One document in so many is purged in each run."""
CLASSES = 4
KEPT = timedelta(days=2 * 365 + 1)
"""A little more than the handbook keeps a document."""
STEPS: Mapping[str, Sequence[tuple[object, str]]] = {
    "plan": [(erase, "plan")],
    "needles": [(erase, "needles_of")],
    "build": [(workshop, "build")],
    "publish": [(workshop, "publish")],
    "collect": [(workshop, "collect")],
    "checkpoint": [(Database, "checkpoint"), (Database, "compact")],
    "scan": [(traces, "scan")],
    "kept": [(traces, "rightly_kept")],
}
"""The functions of each step. What one calls in its turn counts as that one's."""


def main() -> int:
    """Run the benchmark; 0 where the bound holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        root = Path(folder) / "home"
        create(root)
        with opened(root) as bench:
            runs = measure(bench, passages=given.passages, runs=given.runs)
    return _report(given.passages, runs)


def measure(bench: Bench, *, passages: int, runs: int) -> list[dict[str, float]]:
    """What each run took, in seconds, by step, and under `purge`, `rebuild` and `home_mb` what else was measured."""
    source = bench.apply()
    _fill(bench, source, passages // PER_DOCUMENT)
    bench.workshop.publish(source, actor=ACTOR)
    found: list[dict[str, float]] = []
    for _ in range(runs):
        bench.clock.forward(timedelta(days=1))
        home_mb = sum(path.stat().st_size for path in bench.home.root.rglob("*") if path.is_file()) / 1e6
        with _timing() as spent_s:
            began = time.perf_counter()
            (receipt,) = erase.purge(bench.workshop, source, actor=ACTOR)
            purge_s = time.perf_counter() - began
        # Behind the purge, so that it builds the same catalog, and the next run starts from what it made.
        began = time.perf_counter()
        bench.workshop.rebuild(source, actor=ACTOR)
        rebuild_s = time.perf_counter() - began
        purged = len(json.loads(receipt)["receipt"]["documents"])
        rest_s = purge_s - sum(spent_s.values())
        found.append(
            {step: spent_s[step] for step in STEPS}
            | {"rest": rest_s, "purge": purge_s, "rebuild": rebuild_s, "purged": purged, "home_mb": home_mb}
        )
    return found


def _fill(bench: Bench, source: Source, documents: int) -> None:
    """Documents of which a hundredth is due after one day, another one after two, and so on; most are of today."""
    rng = np.random.default_rng(7)
    words = _vocabulary(rng)
    embedder = HashEmbedder()
    directions = np.stack([embedder.embed_query(word) for word in words])
    for batch in range(0, documents, 500):
        with bench.database.writing() as session:
            for number in range(batch, min(batch + 500, documents)):
                key_id, key = bench.keyring.new_document_key(source.name)
                sealed: list[catalog.SealedPassage] = []
                for ordinal in range(PER_DOCUMENT):
                    # Drawn by Zipf's law, as language has them.
                    drawn = rng.zipf(1.2, size=WORDS_A_PASSAGE) % len(words)
                    sentence = " ".join(words[word] for word in drawn)
                    heading = f"Document {number}"
                    text = PassageText(text=sentence, heading=heading, page=None, section=None, start=0, end=0)
                    vector: Vectors = unit(directions[drawn].sum(axis=0))
                    sealed.append(
                        catalog.SealedPassage(
                            ordinal=ordinal,
                            text=seal_text(key, key_id, ordinal, text),
                            vector=seal_vector(key, key_id, ordinal, vector),
                        )
                    )
                name = f"folder/number-{number:06}.txt"
                description = Description(origin_id=name, name=name, uri=f"file:{name}", title=f"Document {number}")
                days = number % SHARE
                revision = catalog.Revision(
                    id=key_id,
                    version=f"{number:024x}",
                    fingerprint="",
                    redaction=source.redaction,
                    embedder=HashEmbedder.identity.key,
                    created=None,
                    modified=NOW - KEPT + timedelta(days=2 + days),
                    ingested=NOW,
                    passages=PER_DOCUMENT,
                    skipped_parts=0,
                    redactions={},
                    sealed=seal_description(key, key_id, description),
                )
                document = catalog.Document(
                    id=bench.keyring.document_id(source.name, name),
                    source=source.name,
                    state=DocumentState.INDEXED,
                    stamp=str(number),
                    access=Access(allow=frozenset({f"group:c{number % CLASSES}"}), deny=frozenset()),
                    revision=revision,
                )
                catalog.store(session, document, sealed, listing="")


def _vocabulary(rng: np.random.Generator) -> list[str]:
    """20,000 invented words, the commonest first."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    return ["".join(rng.choice(syllables, size=rng.integers(2, 5))) for _ in range(20_000)]


@contextmanager
def _timing() -> Iterator[Mapping[str, float]]:
    """Seconds by step of what the block does, less what the steps call of one another."""
    spent_s: defaultdict[str, float] = defaultdict(float)
    inner_s = [0.0]
    originals = [(step, owner, name) for step, functions in STEPS.items() for owner, name in functions]
    kept = [getattr(owner, name) for _, owner, name in originals]

    def timed(step: str, original: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **named: object) -> object:
            inner_s.append(0.0)
            began = time.perf_counter()
            try:
                return original(*arguments, **named)
            finally:
                elapsed_s = time.perf_counter() - began
                spent_s[step] += elapsed_s - inner_s.pop()
                inner_s[-1] += elapsed_s

        return run

    for (step, owner, name), original in zip(originals, kept, strict=True):
        setattr(owner, name, timed(step, original))
    try:
        yield spent_s
    finally:
        for (_, owner, name), original in zip(originals, kept, strict=True):
            setattr(owner, name, original)


def _report(passages: int, runs: Sequence[Mapping[str, float]]) -> int:
    columns = (*STEPS, "rest", "purge", "rebuild")
    medians = {column: statistics.median(run[column] for run in runs) for column in columns}
    print(f"{passages:,} passages, {runs[0]['purged']:.0f} documents of {PER_DOCUMENT} purged in each run,")
    print(f"{os.cpu_count()} cores, a home of {runs[0]['home_mb']:.0f} MB; seconds, the median of {len(runs)} runs\n")
    for column in columns:
        print(f"  {column:<12}{medians[column]:>8.3f}")
    bounds = {"purge_s": medians["purge"] <= MAX_PURGE_S}
    print(json.dumps({"passages": passages, "runs": runs, "medians_s": medians, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
