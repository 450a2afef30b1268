"""What a confidence costs beside the embedding and the search that it speaks of, at 100,000 visible passages.

    python -m tests.benchmarks.confidence [--passages N] [--requests N]

Counted as features is the call that makes all of them of one result, the sentences of its first passages cut and read
in it; as verdict the model's probability, its status and the decision. What they are made of is part of the search,
which scores its candidates anyway, and of reading the passages, which are read once for the features and to be cited.
Bound: features and verdict together take at most 1 ms at the median.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gateway import lookup, retrieval, settings
from gateway.answer import RetrievalRequest
from gateway.confidence import FEATURES, Model
from gateway.lookup import Lookup
from gateway.wiring import create_installation, new_id, open_installation
from indexer.embed import MiniLmEmbedder
from indexer.master import create_master_key
from indexer.redact import Redactor
from tests.benchmarks.query import SOURCE, WARM_UP, add_time, fill, home_settings, text, vocabulary

MAX_MS = 1.0
STAGES = ("redaction", "embedding", "search", "reading", "features", "verdict")
TENTHS = 10


def main() -> int:
    """Run the benchmark; 0 where the bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=300)
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        samples = measured(Path(folder), passages=given.passages, requests=given.requests)
    return _report(given.passages, samples)


def measured(folder: Path, *, passages: int, requests: int) -> Sequence[Mapping[str, float]]:
    """What each stage of each request took, in milliseconds, with the whole."""
    create_master_key(folder / "master.key")
    chosen = home_settings(folder)
    create_installation(chosen, store_region="us")
    spent = dict.fromkeys(STAGES, 0.0)
    with open_installation(chosen) as installation:
        words = vocabulary()
        credential = fill(installation, words, passages)[100]
        served = installation.retrieval()
        for owner, name, stage in (
            (Redactor, "redact", "redaction"),
            (MiniLmEmbedder, "embed_query", "embedding"),
            (lookup, "search", "search"),
            (Lookup, "cite", "reading"),
            (lookup, "features", "features"),
            (Model, "probability", "verdict"),
            (Model, "status", "verdict"),
            (retrieval, "decide", "verdict"),
        ):
            add_time(owner, name, stage, spent)
        caller = served.verify(f"Bearer {credential}")
        rng = np.random.default_rng(5)
        samples = []
        for _ in range(WARM_UP + requests):
            spent.update(dict.fromkeys(STAGES, 0.0))
            request = RetrievalRequest(query=text(words, rng, 8), purpose=SOURCE, sources=None, k=10, conversation=None)
            started = time.perf_counter()
            answer = served.retrieve(caller, request, request_id=new_id())
            if answer.confidence.value is None:
                raise SystemExit("an answer had no confidence")
            samples.append({**spent, "total": 1000 * (time.perf_counter() - started)})
    return samples[WARM_UP:]


def _report(passages: int, samples: Sequence[Mapping[str, float]]) -> int:
    rows = {stage: [sample[stage] for sample in samples] for stage in (*STAGES, "total")}
    rows["features and verdict"] = [sample["features"] + sample["verdict"] for sample in samples]
    print(f"{passages:,} passages, all visible, {len(FEATURES)} features, {len(samples)} requests, milliseconds\n")
    print(f"{'':22}{'median':>9}{'90 %':>9}")
    figures = {stage: (statistics.median(row), statistics.quantiles(row, n=TENTHS)[-1]) for stage, row in rows.items()}
    for stage, (median, late) in figures.items():
        print(f"{stage:22}{median:9.3f}{late:9.3f}")
    bounds = {"features_and_verdict_ms": figures["features and verdict"][0] <= MAX_MS}
    medians = {stage: round(median, 4) for stage, (median, _) in figures.items()}
    print(json.dumps({"passages": passages, "features": len(FEATURES), "medians_ms": medians, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
