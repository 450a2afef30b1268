"""Redaction scored by the official evaluator of presidio-research, on its own set.

    python -m tests.evidence.presidio_research FOLDER [--texts 1500] [--misses FILE] [--with KIND=MODEL]…

FOLDER holds synth_dataset_v2.json. It needs `pip install presidio-evaluator==0.3.2`, in an environment of its own where
its pins and Penstock's do not agree. The settings are those of its notebook 4: SpanEvaluator, an intersection over
union of 0.75, F2, "PII or not"; its own mapper says what is the same type. Words are cut by blank English spaCy, whose
rules are those of the model that the notebook downloads. Notebook 4 gives 0.661 for Presidio with its large model and
notebook 5 gives 0.903 for a transformer. Profile `strict` is scored, with `balanced` beside it, which leaves places,
organisations and dates by design.

Bound: F2 of `strict` is at least 0.65. `--misses` writes what was missed and hidden in error, with its text, as JSON
lines: it holds what the set holds. `--with` reads names with a further recogniser too, as PENSTOCK_RECOGNISERS does.
"""

import argparse
import importlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import spacy

from policies.errors import PenstockError
from tests.evidence.finding import Find, add_upgrades, finder

DATASET = "synth_dataset_v2.json"
TOKENS = "en_core_web_sm"
MIN_IOU = 0.75
MIN_F2 = 0.65
PROFILES = ("strict", "balanced")
THEIR_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "DATE": "DATE_TIME",
        "SECRET": "PASSWORD",
        "LONG_TOKEN": "TOKEN",
        "UK_SORT_CODE": "ROUTING_NUMBER",
        "US_ABA_ROUTING": "ROUTING_NUMBER",
        "UK_UTR": "TAX_ID",
        "FR_NIR": "SSN",
        "FR_CNI": "NATIONAL_ID",
        "FR_SIREN": "BUSINESS_ID",
        "FR_SIRET": "BUSINESS_ID",
    }
)
"""What the evaluator's mapper does not know or takes for something else. Of no weight in "PII or not"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """Precision, recall and F2 of one profile, "PII or not".

    `missed` is by the set's type, of how many; a span that was found but for too little counts as missed, and what was
    found as false. `false` is by ours.
    """

    precision: float
    recall: float
    f2: float
    missed: Mapping[str, tuple[int, int]]
    false: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrong:
    """A span that was missed, or hidden in error; partly where it overlaps one that is right."""

    missed: bool
    partly: bool
    kind: str
    value: str
    text: str


def main() -> int:
    """Score the set. 0 where the bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, help="only so many of the set")
    parser.add_argument("--misses", type=Path, metavar="FILE")
    add_upgrades(parser)
    given = parser.parse_args()
    samples = _samples(given.folder / DATASET)[: given.texts]
    scores: dict[str, Score] = {}
    try:
        with finder(given.upgrades) as find:
            for profile in PROFILES:
                scores[profile], wrong = _score(samples, find, profile)
                if given.misses and profile == PROFILES[0]:
                    given.misses.write_text(
                        "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in wrong), "utf-8"
                    )
    except PenstockError as error:
        raise SystemExit(f"{error.message} {error.mend}") from error
    return _report(len(samples), scores, [str(upgrade) for upgrade in given.upgrades])


def _samples(path: Path) -> list[Any]:
    cutter = _evaluator("span_to_tag")
    cutter.loaded_spacy[TOKENS] = spacy.blank("en")
    try:
        samples: list[Any] = _evaluator("data_objects").InputSample.read_dataset_json(path)
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}. Give the folder that holds {DATASET}.") from error
    return samples


def _evaluator(module: str) -> Any:  # noqa: ANN401 - not there for the type checker
    try:
        return importlib.import_module(f"presidio_evaluator.{module}")
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error.name} is missing: pip install presidio-evaluator==0.3.2.") from error


def _score(samples: Sequence[Any], find: Find, profile: str) -> tuple[Score, list[Wrong]]:
    frame = _frame(samples, find, profile)
    mapper = _evaluator("entity_mapping.mapper").CanonicalMapper()
    mapper.analyze(frame)
    evaluator = _evaluator("evaluation").SpanEvaluator(
        iou_threshold=MIN_IOU, skip_words=_evaluator("evaluation.skipwords").get_skip_words()
    )
    binary = mapper.get_mapped_results_dataframe().binary
    result = evaluator.calculate_score_on_df(binary)
    # Its errors do not say their text, so each text is scored again for itself.
    wrong = [
        one
        for number, rows in binary.groupby("sentence_id")
        for error in evaluator.calculate_score_on_df(rows).model_errors
        for one in _wrong(samples[number], frame[frame["sentence_id"] == number], error)
    ]
    missed = Counter(one.kind for one in wrong if one.missed)
    marked = Counter(span.entity_type for sample in samples for span in sample.spans)
    score = Score(
        precision=float(result.pii_precision),
        recall=float(result.pii_recall),
        f2=float(result.pii_f),
        missed={kind: (missed[kind], number) for kind, number in marked.most_common()},
        false=dict(Counter(one.kind for one in wrong if not one.missed).most_common()),
    )
    return score, wrong


def _wrong(sample: Any, rows: Any, error: Any) -> Iterator[Wrong]:  # noqa: ANN401 - the evaluator's, and a DataFrame
    missed = error.annotation != "O"
    if missed:
        touched = [
            (span.entity_type, span.entity_value)
            for span in sample.spans
            if span.start_position < error.end and error.start < span.end_position
        ]
    else:
        inside = rows[(rows["start_indices"] >= error.start) & (rows["start_indices"] < error.end)]
        kinds = sorted(set(inside["prediction"]) - {"O"})
        touched = [("+".join(kinds), sample.full_text[error.start : error.end])]
    partly = "low iou" in error.explanation or (not missed and "no overlap" not in error.explanation)
    for kind, value in touched:
        yield Wrong(missed=missed, partly=partly, kind=kind, value=value, text=sample.full_text)


def _frame(samples: Sequence[Any], find: Find, profile: str) -> Any:  # noqa: ANN401 - a DataFrame
    cutter = _evaluator("span_to_tag")
    rows = []
    for number, sample in enumerate(samples):
        spans = find(sample.full_text, "en", profile)
        predicted = cutter.span_to_tag(
            scheme="IO",
            text=sample.full_text,
            starts=[start for start, _, _ in spans],
            ends=[end for _, end, _ in spans],
            tags=[THEIR_NAMES.get(entity, entity) for _, _, entity in spans],
            tokens=sample.tokens,
        )
        rows += [
            (number, str(token), annotation, prediction, start)
            for token, annotation, prediction, start in zip(
                sample.tokens, sample.tags, predicted, sample.start_indices, strict=True
            )
        ]
    columns = ["sentence_id", "token", "annotation", "prediction", "start_indices"]
    return importlib.import_module("pandas").DataFrame(rows, columns=columns)


def _report(texts: int, scores: Mapping[str, Score], read_by: Sequence[str]) -> int:
    for profile, score in scores.items():
        print(
            f"\n{profile}: {texts} texts, precision {score.precision:.3f}, recall {score.recall:.3f}, F2 {score.f2:.3f}"
        )
        for kind, (missed, marked) in score.missed.items():
            print(f"  {kind:20} {missed:5} missed of {marked:5}")
        print("  hidden in error or not to their edges: " + ", ".join(f"{k} {n}" for k, n in score.false.items()))
    bounds = {"f2_strict": scores[PROFILES[0]].f2 >= MIN_F2}
    plain = {name: asdict(one) for name, one in scores.items()}
    print(json.dumps({"texts": texts, "with": read_by, "scores": plain, "bounds": bounds}))
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
