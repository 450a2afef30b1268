"""Train the confidence model that Penstock ships.

    python -m tests.evidence.confidence.train DATA --tables FOLDER

DATA holds the sets by name, each in the uniform format. What the questions of a set gave is kept in FOLDER and not
asked again. Written are `gateway/confidence/shipped.json`, fitted on all sets, and for each set the model that never
saw it, which is what may be measured on it: `tests/evidence/confidence/without.json`.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gateway import settings
from gateway.calibrate import figures, logistic, probabilities
from gateway.confidence import FEATURES, SIGNS, Linear
from tests.evidence.confidence import asking, keeping
from tests.evidence.confidence.asking import Table
from tests.evidence.confidence.folder import held_out, rows
from tests.evidence.confidence.questions import Asked, labelled, mixed, natural, question

SHIPPED = Path("gateway/confidence/shipped.json")
WITHOUT = Path("tests/evidence/confidence/without.json")
RIDGE, SET_RIDGE, INTERCEPT_RIDGE = 3.0, 1.0, 0.01
"""Precisions of coefficients, of each set's own intercept and of the common one. Chosen: from 1 to 30 no set that was
left out changed by more than .001 AUROC."""
ROWS_OF_A_SET = 600
"""What a set counts for, however many questions it has, so that the largest does not decide alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What is taken of a set: its languages and, of a large one, so many documents that answer and that do not."""

    languages: str
    answering: int | None = None
    others: int = 0


SETS = {
    "squad2_dev": Taken(languages="en"),
    "clapnq": Taken(languages="en"),
    "piaf_service_public": Taken(languages="fr", answering=350, others=450),
    "scifact": Taken(languages="en", answering=260, others=140),
}


def main() -> int:
    """Ask what has not been asked, and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tables", type=Path, required=True)
    given = parser.parse_args()
    settings.apply_quiet_defaults()
    tables = {name: _table(given.data / name, given.tables / f"{name}.npz", taken) for name, taken in SETS.items()}
    without = {name: trained({other: tables[other] for other in tables if other != name}) for name in tables}
    WITHOUT.write_text(json.dumps({name: asdict(linear) for name, linear in without.items()}, indent=1) + "\n")
    counts = {name: {"questions": len(table.sufficient), "sufficient": int(table.sufficient.sum())}
              for name, table in tables.items()}  # fmt: skip
    written = {"features": list(FEATURES), "model": asdict(trained(tables)), "sets": counts}
    SHIPPED.write_text(json.dumps(written, indent=1) + "\n")
    for name, table in tables.items():
        confidence = probabilities(without[name], table.features)
        print(f"{name:22} without it: AUROC {figures.auroc(confidence, table.sufficient):.4f}"
              f", by cosine alone {figures.auroc(table.features[:, 0], table.sufficient):.4f}")  # fmt: skip
    print(json.dumps(counts))
    return 0


def trained(tables: Mapping[str, Table]) -> Linear:
    """The model of these sets. Each set has an intercept of its own; the model's is their mean."""
    features = np.vstack([table.features for table in tables.values()])
    sufficient = np.concatenate([table.sufficient for table in tables.values()])
    sizes = [len(table.sufficient) for table in tables.values()]
    weights = np.repeat([ROWS_OF_A_SET / size for size in sizes], sizes)
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    sets = np.repeat(np.eye(len(tables)), sizes, axis=0)
    precisions = [INTERCEPT_RIDGE, *[RIDGE] * len(FEATURES), *[SET_RIDGE] * len(tables)]
    prior = logistic.Prior(mean=np.zeros(len(precisions)), precision=np.diag(precisions))
    signs = np.array([*SIGNS.values(), *[0] * len(tables)], dtype=np.float64)
    found = logistic.fit(np.hstack([(features - mean) / scale, sets]), sufficient, prior, signs, weights)
    return Linear(
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        coefficients=tuple(found[1 : 1 + len(FEATURES)].tolist()),
        intercept=float(found[0] + found[1 + len(FEATURES) :].mean()),
    )


def _table(folder: Path, kept: Path, taken: Taken) -> Table:
    if not kept.exists():
        documents = _documents(folder, taken)
        with asking.ingested(documents, taken.languages) as (installation, names):
            keeping.keep(asking.asked(installation, names, _questions(folder, [row["id"] for row in documents])), kept)
    return keeping.load(kept)[0]


def _documents(folder: Path, taken: Taken) -> list[dict[str, Any]]:
    if folder.name == "clapnq":
        return rows(folder / "corpus.jsonl")
    away = held_out(folder)
    documents = [row for row in rows(folder / "corpus.jsonl") if row["id"] not in away]
    if taken.answering is None:
        return documents
    named = {name for _, answers in labelled(folder, seed=0) for name in answers}
    drawn = random.Random(0)  # noqa: S311 - a sample, no secret
    answering = [row for row in documents if row["id"] in named]
    others = [row for row in documents if row["id"] not in named]
    return drawn.sample(answering, min(len(answering), taken.answering)) + drawn.sample(others, taken.others)


def _questions(folder: Path, documents: Sequence[str]) -> list[Asked]:
    if folder.name == "squad2_dev":
        crowd = [asked for asked in natural(folder, limit=6000, seed=0) if asked.kind == "unanswerable"]
        return mixed(folder, limit=3000, seed=0) + crowd[:400]
    if folder.name == "clapnq":
        answered = [(text, named) for text, named in labelled(folder, seed=1) if named]
        return natural(folder, limit=600, seed=0) + [question(text, "deleted", named) for text, named in answered[:150]]
    held, away = frozenset(documents), held_out(folder)
    every = [(text, named) for text, named in labelled(folder, seed=0, more=folder.name == "scifact") if named]
    here = [(text, named & held) for text, named in every if named & held]
    gone = [(text, named) for text, named in every if named <= away]
    answerable = int(len(here) * 0.75)
    return [
        *(question(text, "answerable", named) for text, named in here[:answerable]),
        *(question(text, "deleted", named) for text, named in here[answerable:]),
        *(question(text, "off_topic", named) for text, named in gone[: len(here) - answerable]),
    ]


if __name__ == "__main__":
    sys.exit(main())
