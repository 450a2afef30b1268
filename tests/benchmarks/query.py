"""What one query costs at 100,000 passages, stage by stage, over HTTP with the audit record on the disk.

    python -m tests.benchmarks.query [--passages N] [--requests N]

A home is filled with invented passages in a hundred visibility classes of one hundredth each and served by a process
of its own, which times its stages. Bounds: what is not embedding, redaction, search or confidence takes at most
1.5 ms at the median; the dense scan takes at most 1.5 times reading the same bytes once; with 50, 10 and 1 % visible
the ten best are exactly the ten best of what is visible, k rows always come back, and nothing is slower than with
everything visible.
"""

import argparse
import http.client
import json
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway import keys, retrieval, settings
from gateway.app import create_app, server
from gateway.calibrate import Binding, Observation, fit
from gateway.confidence import FEATURES
from gateway.lookup import Lookup
from gateway.wiring import Installation, clock, new_id, open_installation
from indexer import calibrations, catalog, search
from indexer import home as homes
from indexer.content import Description, PassageText, seal_description, seal_text, seal_vector
from indexer.generation import Generation
from indexer.keyring import KeyId
from indexer.lexicon import Lexicon
from indexer.master import create_master_key
from indexer.tables import DocumentState
from indexer.vectors import Vectors
from policies.manifest import Source, parse
from policies.model import Access, GenerationId, SourceName

DIM = 384
CLASSES = 100
PER_DOCUMENT = 10
SHARES = (100, 50, 10, 1)
K = 10
MAX_REST_MS = 1.5
MAX_SCAN_RATIO = 1.5
SOURCE = SourceName("bench")
MANIFEST = """
source: bench
title: Benchmark
owner: bench@example.com
state: active
serving: on
connector: {kind: filesystem, root: ., include: ["**/*"]}
policy:
  controller: Example
  regime: us
  lawful_basis: {basis: contract, reference: BENCH}
  special_categories: none
  purposes: [bench]
  retention: {period: P2Y, from: modified}
  residency: {store: [us], process: [us], serve: [us], transfers: []}
  access: {allow: [group:c0]}
  redaction: {profile: balanced, languages: [en]}
  contract: {processor_agreement: own operation}
"""
STAGES = ("redaction", "embedding", "dense", "lexical", "confidence")


def main() -> int:
    """Run the benchmark; 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    if given.serve:
        _serve(given.serve, given.port)
        return 0
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        return _run(Path(folder), passages=given.passages, requests=given.requests)


def _run(folder: Path, *, passages: int, requests: int) -> int:
    home = folder / "home"
    chosen = _settings(folder)
    create_master_key(folder / "master.key")
    homes.create(home, store_region="us", now=clock())
    with open_installation(chosen) as installation:
        words = _vocabulary()
        started = time.perf_counter()
        credentials = _fill(installation, words, passages)
        filled_s = time.perf_counter() - started
        scans = _scans(installation, requests=max(20, requests // 4))
    timings = _requests(folder, credentials, words, requests)
    return _report(passages, filled_s, scans, timings)


def _fill(installation: Installation, words: list[str], passages: int) -> dict[int, str]:
    """Fill the source, publish it, calibrate it, and make a key for each share of it."""
    rng = np.random.default_rng(7)
    source = parse(MANIFEST, path="bench.yaml")
    now = clock()
    with installation.database.writing() as session:
        catalog.register(
            session, SOURCE, manifest=MANIFEST, path=Path("bench.yaml"), policy_hash=source.policy_hash, now=now
        )
    centres = _units(rng.standard_normal((256, DIM)))
    for batch in range(0, passages // PER_DOCUMENT, 500):
        with installation.database.writing() as session:
            for number in range(batch, min(batch + 500, passages // PER_DOCUMENT)):
                _store(session, installation, source, number, words, centres, rng)
    installation.workshop().publish(source, actor="benchmark")
    with installation.database.reading() as session:
        generation = catalog.require(session, SOURCE).generation
    assert generation is not None
    with installation.database.writing() as session:
        model = _model(rng, generation, installation.stages.embedder_identity.key)
        calibrations.store(session, SOURCE, calibration=model.id, model=model.dump(), now=now)
        return {share: _key(session, share) for share in SHARES}


def _store(
    session: Any,  # noqa: ANN401 - a session of the catalog
    installation: Installation,
    source: Source,
    number: int,
    words: list[str],
    centres: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    key_id, key = installation.keyring.new_document_key()
    vectors = _units(centres[rng.integers(len(centres))] + 0.08 * rng.standard_normal((PER_DOCUMENT, DIM)))
    sealed = []
    for ordinal in range(PER_DOCUMENT):
        text = PassageText(text=_text(words, rng, 110), heading=f"Document {number}", page=None, section=None, start=0, end=0)
        sealed.append(
            catalog.SealedPassage(
                ordinal=ordinal,
                text=seal_text(key, key_id, ordinal, text),
                vector=seal_vector(key, key_id, ordinal, vectors[ordinal]),
            )
        )
    description = Description(origin_id=f"{number}.txt", name=f"{number}.txt", uri=f"file:{number}.txt", title=f"Document {number}")
    now = clock()
    revision = catalog.Revision(
        id=key_id, version=f"{number:024x}", fingerprint="", created=now, modified=now, ingested=now,
        passages=PER_DOCUMENT, redactions={}, sealed=seal_description(key, key_id, description),
    )  # fmt: skip
    document = catalog.Document(
        id=installation.keyring.document_id(SOURCE, f"{number}.txt"),
        source=source.name,
        state=DocumentState.INDEXED,
        stamp=str(number),
        access=Access(allow=frozenset({f"group:c{number % CLASSES}"}), deny=frozenset()),
        revision=revision,
    )
    catalog.store(session, document, sealed)


def _model(rng: np.random.Generator, generation: GenerationId, embedder: str) -> Any:  # noqa: ANN401
    """A confidence model of the right shape: what it says does not matter here, what it costs does."""
    observations = [
        Observation(features=tuple(rng.random(len(FEATURES)).tolist()), sufficient=bool(index % 2), answerable=True)
        for index in range(200)
    ]
    binding = Binding(source=SOURCE, generation=generation, embedder=embedder, population="none", max_risk=0.6)
    return fit(observations, binding, calibration="bench")


def _key(session: Any, share: int) -> str:  # noqa: ANN401 - a session of the catalog
    grant = keys.KeyGrant(
        subject=f"share-{share}",
        groups=frozenset(f"c{number}" for number in range(share)),
        purposes=frozenset({"bench"}),
        region="us",
        roles=frozenset(),
        expires=clock() + keys.MAX_LIFETIME / 2,
    )
    return keys.create(session, grant, now=clock(), entropy=secrets.token_bytes(keys.ENTROPY_BYTES))[1]


def _scans(installation: Installation, *, requests: int) -> dict[int, dict[str, float]]:
    """For each share: the dense scan's median, the time to read the visible codes once, recall@10, rows returned."""
    with installation.database.reading() as session:
        registered = catalog.require(session, SOURCE)
    assert registered.generation is not None
    assert registered.generation_digest is not None
    folder = installation.home.generation(SOURCE, registered.generation)
    generation = Generation(registered.generation, folder, digest=registered.generation_digest)
    codes = np.concatenate([np.asarray(block) for block in generation.vectors.codes]).astype(np.float32)
    rng = np.random.default_rng(11)
    queries = _units(codes[rng.integers(len(codes), size=requests)] + 0.06 * rng.standard_normal((requests, DIM)))
    found: dict[int, dict[str, float]] = {}
    for share in SHARES:
        groups = {f"group:c{number}" for number in range(share)}
        visible = _merged(item.rows for item in generation.inventory.classes if item.access.allow & groups)
        mask = np.zeros(len(codes), dtype=bool)
        for first, last in visible:
            mask[first:last] = True
        recalls, counts, scan_ms, read_ms = [], [], [], []
        flat = [block.view(np.uint64).reshape(-1) for block in _whole_words(generation.vectors.codes, visible)]
        for query in queries:
            started = time.perf_counter()
            rows, _ = generation.vectors.search(query, visible, K)
            scan_ms.append(1000 * (time.perf_counter() - started))
            started = time.perf_counter()
            for piece in flat:
                piece.max()
            read_ms.append(1000 * (time.perf_counter() - started))
            exact = np.argsort(-np.where(mask, codes @ query, -2.0), kind="stable")[:K]
            recalls.append(len(set(exact.tolist()) & set(rows.tolist())) / min(K, int(mask.sum())))
            counts.append(len(rows))
        found[share] = {
            "scan_ms": statistics.median(scan_ms),
            "read_ms": statistics.median(read_ms),
            "recall": statistics.mean(recalls),
            "rows_min": min(counts),
        }
    return found
