"""How good confidences are, and whether their guarantee holds, through the real index.

    python -m tests.evidence.confidence FOLDER [--labels N] [--holdout] [--report FILE.html] [--languages en,fr]
                                               [--questions N] [--table FILE] [--reader READER]

FOLDER holds corpus.jsonl, queries.jsonl and qrels.tsv. With --holdout, and where the set has too few questions without
an answer of its own, the documents that holdout30.json names (else 30 % of them) are left out, and of the questions
60 % have an answer, that of 20 % is hidden while they are asked, and 20 % ask for what was left out.

Compared are raw cosine, Platt's sigmoid over it, the shipped model (for a set that it was trained on, the one that
never saw it), the fit of this source, and that moved to the share of answers that what is asked seems to have, which
is no gain where the labels have the same share. With --labels N each is fitted on N labels, in the set's proportion of
results that hold the answer, and measured on all others, mean over draws; without, every question is measured once, by
a fit on four fifths of the set that know none of its documents. Thresholds are then certified over random splits and
their realised risk counted. --report writes the page of the source's fit; languages are found out where none are named;
--reader has the first passages read too, as PENSTOCK_READER names it. --table keeps what the questions gave and does
not ask again where it is there; one that was kept for other files or options is refused.

A question has no answer where queries.jsonl says so, whatever is judged of it, or where its judgements are all of grade
0. One of which nothing is said, or whose documents are not there, is left out. Documents of the same title and text
answer, are hidden and are held out together. How many are left out, equal or quarantined is printed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gateway import settings
from gateway.confidence import Linear, shipped
from policies.errors import PenstockError, RefusedError
from tests.evidence.confidence import asking, guarantee, keeping, measuring, paging
from tests.evidence.confidence.asking import Table
from tests.evidence.confidence.folder import languages, rows
from tests.evidence.confidence.measuring import Measured
from tests.evidence.confidence.questions import Chosen, asked_of

SEED = 0
BOUNDS = {
    ("squad2_dev", True, None): {"auroc": 0.93, "coverage_10": 0.50, "coverage_5": 0.36},
    ("clapnq", False, 50): {"auroc": 0.88, "ece": -0.065},
}
"""What the fit of the source must reach on a set: at least, or at most where it is negative."""
_WITHOUT = Path(__file__).with_name("without.json")
_SHOWN = ("auroc", "brier", "log_loss", "ece", "aurc", "augrc", "coverage_5", "coverage_10")


def main() -> int:
    """Measure one set: 0 where every bound holds, 1 where one does not, 2 where the set cannot be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=int, help="labels of a fit")
    parser.add_argument("--holdout", action="store_true")
    parser.add_argument("--report", type=Path, help="a file to write, .html")
    parser.add_argument("--languages", help="of the set, such as en or fr,en")
    parser.add_argument("--questions", type=int, default=3000, help="so many at the most")
    parser.add_argument("--table", type=Path, help="a file, .npz")
    parser.add_argument("--reader", default="", help="late-interaction, or cross-encoder:FOLDER")
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    try:
        return _run(given)
    except PenstockError as error:
        print(error, file=sys.stderr)
        return 2


def _run(given: argparse.Namespace) -> int:
    if given.labels is not None and given.labels < 2 * measuring.LEAST_OF_EACH:
        raise RefusedError(f"{given.labels} labels are too few.", mend="Give --labels 50, 200 or more.")
    for path in filter(None, (given.report, given.table)):
        if path.is_dir() or not path.parent.is_dir():
            raise RefusedError(f"{str(path)!r} cannot be written.", mend="Name a file in a folder that is there.")
    chosen = asked_of(given.folder, holdout=given.holdout, limit=given.questions, seed=SEED)
    for remark in chosen.remarks:
        print(remark, flush=True)
    if given.labels is not None and given.labels > len(chosen.asked) - 2 * measuring.LEAST_OF_EACH:
        raise RefusedError(
            f"{given.labels} labels of {len(chosen.asked)} questions leave too few to measure.",
            mend="Give fewer --labels.",
        )
    table, quarantined = _table(given, chosen)
    if quarantined["documents"]:
        print(
            f"Documents quarantined: {quarantined['documents']}. "
            f"Questions that lost all that answers them: {quarantined['questions']}."
        )
    name = given.folder.resolve().name
    start = _start(name)
    measured = measuring.compared(table, start, labels=given.labels, seed=SEED)
    guarantees = guarantee.kept(table, start, seed=SEED)
    if given.report:
        given.report.write_text(paging.page_of(table, start, measured, name=name), "utf-8")
    bounds = _bounds((name, bool(chosen.away), given.labels), measured["source"], guarantees)
    _print(name, table, measured, guarantees)
    print(
        json.dumps(
            {
                "set": name,
                "questions": len(table.sufficient),
                "labels": given.labels,
                "holdout": bool(chosen.away),
                "reader": given.reader,
                "left_out": chosen.left_out,
                "duplicates": chosen.duplicates,
                "quarantined": quarantined,
                "base_rate": float(table.sufficient.mean()),
                "figures": {kind: one.plain() for kind, one in measured.items()},
                "guarantee": [row.plain() for row in guarantees],
                "bounds": bounds,
            }
            | _halves(table, start, given)
        )
    )
    return 0 if all(bounds.values()) else 1


def _start(name: str) -> Linear:
    """The shipped model, or of sets that it was trained on the one that never saw this set."""
    plain = json.loads(_WITHOUT.read_text("utf-8")).get(name)
    if plain is None:
        return shipped()
    lists = {key: tuple(plain[key]) for key in ("mean", "scale", "coefficients", "bend")}
    return Linear(**plain | lists)


def _table(given: argparse.Namespace, chosen: Chosen) -> tuple[Table, dict[str, int]]:
    """What the questions gave, and how many documents, and questions with all of theirs, were quarantined."""
    documents = [row for row in rows(given.folder / "corpus.jsonl") if row["id"] not in chosen.away]
    read = given.languages or languages(documents)
    bound = keeping.bound_to(
        given.folder, holdout=bool(chosen.away), questions=given.questions, languages=read, reader=given.reader
    )
    if given.table and given.table.exists():
        table, about = keeping.load(given.table)
        keeping.require(about, bound, given.table)
        return table, about["quarantined"]
    print(f"{len(chosen.asked)} questions of {len(documents)} documents, in {read}", file=sys.stderr)
    with asking.ingested(documents, read, reader=given.reader) as (installation, names):
        table, out = asking.asked(installation, names, chosen.asked), asking.quarantined(installation, names)
    lost = sum(bool(one.documents) and one.documents <= out for one in chosen.asked)
    quarantined = {"documents": len(out), "questions": lost}
    if given.table:
        keeping.keep(table, given.table, {"bound": bound, "quarantined": quarantined})
    return table, quarantined


def _halves(table: Table, start: Linear, given: argparse.Namespace) -> dict[str, Any]:
    if given.labels is not None:
        return {}
    return {"halves_within_null": measuring.share_within_null(table, start, seed=SEED)}


def _print(name: str, table: Table, measured: dict[str, Measured], guarantees: Sequence[guarantee.Kept]) -> None:
    kinds = zip(*np.unique(table.kinds, return_counts=True), strict=True)
    print(f"{name}: {len(table.sufficient)} questions ({', '.join(f'{count} {kind}' for kind, count in kinds)}), "
          f"{table.sufficient.mean():.1%} of the results hold the answer\n")  # fmt: skip
    print(f"{'':14}" + "".join(f"{name:>22}" for name in _SHOWN) + f"{'ece null, 95 %':>18}")
    for kind, one in measured.items():
        cells = "".join(f"{one.means[key]:8.4f} ({one.lows[key]:.3f}–{one.highs[key]:.3f})".rjust(22) for key in _SHOWN)
        print(f"{kind:14}{cells}{one.means['ece_null']:9.4f} {one.means['ece_null_95']:.4f}")
    if not guarantees:
        print(f"\nFewer than {2 * min(guarantee.LABELS)} questions: nothing is said of the guarantee.")
        return
    print(f"\n{'risk':>6} {'labels':>7} {'broken':>8} {'allowed':>8} {'none':>6} {'coverage':>9} {'oracle':>7}")
    for row in guarantees:
        print(f"{row.max_risk:6.2f} {row.labels:7} {row.broken:8.3f} {row.allowed:8.3f} {row.uncertified:6.2f} "
              f"{row.coverage:9.3f} {row.oracle:7.3f}")  # fmt: skip


def _bounds(
    asked: tuple[str, bool, int | None], source: Measured, guarantees: Sequence[guarantee.Kept]
) -> dict[str, bool]:
    asked_for = BOUNDS.get(asked, {})
    bounds = {
        figure: source.means[figure] >= bound if bound >= 0 else source.means[figure] <= -bound
        for figure, bound in asked_for.items()
    }
    if asked[2] is None:
        bounds["ece_within_null"] = source.means["ece"] <= source.means["ece_null_95"]
    return bounds | {f"risk_{row.max_risk:g}_at_{row.labels}": row.broken <= row.allowed for row in guarantees}


if __name__ == "__main__":
    sys.exit(main())
