"""What redaction costs retrieval: nDCG@10 through the real index, redacted and not.

    python -m tests.evidence.redaction_cost FOLDER[=LANGUAGES]… [--profile balanced] [--documents N]

Each FOLDER is a set as of `tests.evidence.retrieval`, in English unless it says otherwise ("piaf=fr"). It is indexed
twice, once with profile `none` and once redacted, its queries redacted as its passages are; a text that both arms have
is embedded once. `--documents` takes only so many: the relevant ones, then the first of the others.

Bounds: by words and meaning together the redacted set has at least 97 % of the nDCG@10 of the other, and nothing was
quarantined. What each of the two has alone is printed beside it.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway import settings
from indexer.embed import MiniLmEmbedder
from tests.evidence.retrieval import Measured, measure

MIN_SHARE = 0.97
PLAIN = "none"


def main() -> int:
    """Measure the sets. 0 where the bounds hold for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="FOLDER[=LANGUAGES]")
    parser.add_argument("--profile", default="balanced", choices=["identifiers", "balanced", "strict"])
    parser.add_argument("--documents", type=int, help="only so many of each set")
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    measured: dict[str, dict[str, Measured]] = {}
    for one in given.sets:
        path, _, languages = one.partition("=")
        folder = Path(path)
        with _embedding_once():
            measured[folder.name] = {
                profile: measure(folder, redaction=profile, languages=languages or "en", documents=given.documents)
                for profile in (PLAIN, given.profile)
            }
    return _report(measured, given.profile)


@contextmanager
def _embedding_once() -> Iterator[None]:
    """Within it, a text is embedded once, however often it is asked for."""
    embedder: Any = MiniLmEmbedder
    embed, known = embedder.embed_query, {}

    def once(self: MiniLmEmbedder, text: str) -> object:
        if text not in known:
            known[text] = embed(self, text)
        return known[text]

    embedder.embed_query = once
    try:
        yield
    finally:
        embedder.embed_query = embed


def _report(measured: Mapping[str, Mapping[str, Measured]], profile: str) -> int:
    bounds: dict[str, bool] = {}
    plain: dict[str, object] = {}
    for name, arms in measured.items():
        before, after = arms[PLAIN], arms[profile]
        print(f"\n{name}: {before.documents} documents, {before.queries} queries, {after.quarantined} quarantined")
        print(f"{'nDCG@10':8} {PLAIN:>8} {profile:>11} {'share':>7}")
        shares = {leg: after.figures[leg].ndcg / row.ndcg for leg, row in before.figures.items()}
        for leg, row in before.figures.items():
            print(f"{leg:8} {row.ndcg:8.4f} {after.figures[leg].ndcg:11.4f} {shares[leg]:7.4f}")
        bounds[f"{name}: share of nDCG@10"] = shares["hybrid"] >= MIN_SHARE
        bounds[f"{name}: nothing quarantined"] = not before.quarantined + after.quarantined
        plain[name] = {
            "documents": before.documents,
            "queries": before.queries,
            "ndcg@10": {arm: {leg: row.ndcg for leg, row in one.figures.items()} for arm, one in arms.items()},
            "share": shares,
        }
    print(json.dumps({"profile": profile, "sets": plain, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
