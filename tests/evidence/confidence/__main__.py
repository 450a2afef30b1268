"""How good confidences are, and whether their guarantee holds, through the real index.

    python -m tests.evidence.confidence FOLDER [--labels N] [--holdout] [--languages en] [--questions N] [--table FILE]

FOLDER holds corpus.jsonl, queries.jsonl and qrels.tsv. With --holdout the documents that holdout30.json names are left
out, and of the questions 60 % have an answer, that of 20 % is hidden while they are asked, and 20 % ask for what was
left out; without it the questions are those of the set. What is compared: raw cosine, Platt's sigmoid over it, the
shipped model (for a set that it was trained on, the one that never saw it) and the fit of this source on N labels, mean
over draws (without N: on half of the questions, grouped by document), then moved to the share of answers that what is
asked seems to have. Thresholds are then certified over random splits
and their realised risk counted. --table keeps what the questions gave and does not ask again where it is there.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from gateway import settings
from gateway.confidence import Linear, shipped
from tests.evidence.confidence import asking, guarantee, measuring
from tests.evidence.confidence.asking import Table
from tests.evidence.confidence.measuring import Measured
from tests.evidence.confidence.questions import held_out, mixed, natural, rows

SEED = 0
BOUNDS = {
    ("squad2_dev", True, None): {"auroc": 0.93, "coverage_10": 0.50, "coverage_5": 0.36},
    ("clapnq", False, 50): {"auroc": 0.88, "ece": -0.065},
}
"""What the fit of the source must reach on a set: at least, or at most where it is negative."""
_WITHOUT = Path(__file__).with_name("without.json")
_SHOWN = ("auroc", "brier", "log_loss", "ece", "aurc", "augrc", "coverage_5", "coverage_10")


def main() -> int:
    """Measure one set; 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=int, help="labels of a fit, of either kind half")
    parser.add_argument("--holdout", action="store_true")
    parser.add_argument("--languages", default="en", help="of the set, such as en or fr,en")
    parser.add_argument("--questions", type=int, default=3000, help="so many at the most")
    parser.add_argument("--table", type=Path, help="a file, .npz")
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    table = _table(given)
    start = _start(given.folder.name)
    measured = measuring.compared(table, start, labels=given.labels, seed=SEED)
    guarantees = guarantee.kept(table, start, seed=SEED)
    return _report(given, table, measured, guarantees)


def _start(name: str) -> Linear:
    """The shipped model, or of sets that it was trained on the one that never saw this set."""
    plain = json.loads(_WITHOUT.read_text("utf-8")).get(name)
    if plain is None:
        return shipped()
    lists = {key: tuple(plain[key]) for key in ("mean", "scale", "coefficients", "bend")}
    return Linear(**plain | lists)


def _table(given: argparse.Namespace) -> Table:
    if given.table and given.table.exists():
        with np.load(given.table, allow_pickle=False) as arrays:
            return Table(**arrays)
    away = held_out(given.folder) if given.holdout else frozenset()
    documents = [row for row in rows(given.folder / "corpus.jsonl") if row["id"] not in away]
    chosen = mixed if given.holdout else natural
    questions = chosen(given.folder, limit=given.questions, seed=SEED)
    with asking.ingested(documents, given.languages) as (installation, names):
        table = asking.asked(installation, names, questions)
    if given.table:
        asking.keep(table, given.table)
    return table


def _report(
    given: argparse.Namespace, table: Table, measured: dict[str, Measured], guarantees: list[guarantee.Kept]
) -> int:
    base = float(table.sufficient.mean())
    print(f"{given.folder.name}: {len(table.sufficient)} questions, {base:.1%} of the results hold the answer\n")
    print(f"{'':14}" + "".join(f"{name:>22}" for name in _SHOWN) + f"{'ece null, 95 %':>18}")
    for name, one in measured.items():
        cells = "".join(f"{one.means[key]:8.4f} ({one.lows[key]:.3f}–{one.highs[key]:.3f})".rjust(22) for key in _SHOWN)
        print(f"{name:14}{cells}{one.means['ece_null']:9.4f} {one.means['ece_null_95']:.4f}")
    print(f"\n{'risk':>6} {'labels':>7} {'broken':>8} {'allowed':>8} {'none':>6} {'coverage':>9} {'oracle':>7}")
    for row in guarantees:
        print(f"{row.max_risk:6.2f} {row.labels:7} {row.broken:8.3f} {row.allowed:8.3f} {row.uncertified:6.2f} "
              f"{row.coverage:9.3f} {row.oracle:7.3f}")  # fmt: skip
    bounds = _bounds(given, measured["source"]) | {
        f"risk_{row.max_risk:g}_at_{row.labels}": row.broken <= row.allowed for row in guarantees
    }
    print(
        json.dumps(
            {
                "set": given.folder.name,
                "questions": len(table.sufficient),
                "labels": given.labels,
                "holdout": given.holdout,
                "base_rate": base,
                "figures": {name: one.plain() for name, one in measured.items()},
                "guarantee": [row.plain() for row in guarantees],
                "bounds": bounds,
            }
        )
    )
    return 0 if all(bounds.values()) else 1


def _bounds(given: argparse.Namespace, source: Measured) -> dict[str, bool]:
    asked_for = BOUNDS.get((given.folder.name, given.holdout, given.labels), {})
    bounds = {
        name: source.means[name] >= bound if bound >= 0 else source.means[name] <= -bound
        for name, bound in asked_for.items()
    }
    if given.labels is None:
        bounds["ece_within_null"] = source.means["ece"] <= source.means["ece_null_95"]
    return bounds


if __name__ == "__main__":
    sys.exit(main())
