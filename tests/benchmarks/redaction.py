"""What redaction costs, beside Presidio's own patterns on the same text, on one core.

    python -m tests.benchmarks.redaction [FOLDER] [--kilobytes 1000] [--rounds 3] [--show]

The text is invented, in documents of 4 KB: letters, records, tables, logs and prose; and that of the .txt, .md and .csv
files in FOLDER, where it is given. Times are of the processor, the least of the rounds; arms take turns.

Patterns are all of our detector but the tagger. Default Presidio is every recogniser that it loads for English but the
one that needs a model: `plain` with its no-op engine, the fastest there is, and `context` with blank spaCy, whose words
raise scores. Its spans count from 0.35: below it stand bare digits (at most 0.3), above it telephones (0.4) and what
the context raised (0.4 and more). Its e-mail recogniser, which goes to the network, is given the list it came with.

Bounds: the patterns are 1.5 times as fast as `plain`; they hide every letter and digit of the spans of `plain` and of
`context`, but for ERRORS, which are counted; everything, tagger and all, goes through 60 KB/s and more; and a kilobyte
of a document of 1 MB takes at most 1.5 times as long as one of 10 KB. `--show` prints what was not covered.
"""

import argparse
import json
import logging
import os
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers.generic import email_recognizer

from gateway.settings import apply_quiet_defaults
from indexer import detect
from indexer.sandbox import Handler
from tests.benchmarks.personal import DOCUMENT_CHARACTERS, Writer

THRESHOLD = 0.35
MIN_RATIO = 1.5
MIN_FULL_KB_S = 60.0
MAX_GROWTH = 1.5
LENGTHS_KB = (1, 10, 100, 1000)
SUFFIXES = frozenset({".txt", ".md", ".csv"})

Span = tuple[int, int, str]
Find = Callable[[str], list[Span]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Speeds:
    """Kilobytes of text, in characters, that each arm takes a second of the processor."""

    arms: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """How many times as fast as default Presidio our patterns are."""
        return self.arms["patterns"] / self.arms["plain"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Error:
    """A kind of span that is an error of Presidio's. What stands in it after the last `but` has to be hidden still."""

    kind: str
    reason: str
    is_one: Callable[[str, int, int], bool]
    but: str = ""


def _is_in_digest(text: str, start: int, end: int) -> bool:
    return any(match.start() <= start and end <= match.end() for match in _DIGEST.finditer(text))


def _is_version_of_program(text: str, start: int, end: int) -> bool:
    return bool(_PROGRAM.search(text, 0, start)) and not text[start:end].strip("0123456789.")


_PROGRAM = re.compile(r"[A-Za-z]/\Z")
_DIGEST = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-f]{40}|[0-9a-f]{64})(?![0-9A-Za-z])")
_MIN_PHONE_DIGITS = 7  # fewer is no subscriber's number in any of its plans

ERRORS = (
    Error(
        kind="EMAIL_ADDRESS",
        reason="takes the cell before, up to the |, for part of the address",
        is_one=lambda text, start, end: "|" in text[start:end].partition("@")[0],
        but="|",
    ),
    Error(kind="MEDICAL_LICENSE", reason="part of a SHA-1 or SHA-256", is_one=_is_in_digest),
    Error(
        kind="PHONE_NUMBER",
        reason="under seven digits, a version",
        is_one=lambda text, start, end: sum(map(str.isdigit, text[start:end])) < _MIN_PHONE_DIGITS,
    ),
    *(
        Error(kind=kind, reason="the version of a program after its name", is_one=_is_version_of_program)
        for kind in ("DATE_TIME", "PHONE_NUMBER")
    ),
    Error(
        kind="URL",
        reason="ends within a word, as next.jp of next.jpg",
        is_one=lambda text, _, end: text[end : end + 1].isalnum(),
    ),
    Error(
        kind="URL",
        reason="name of a file after its folder, or its end where that has an accent",
        is_one=lambda text, start, _: bool(re.search(r"(?:^|[\s:])/[\w/-]*/\w*$", text[:start])),
    ),
)
"""Every one has its reason, is looked at by its predicate, and is counted."""


@dataclass(kw_only=True, slots=True)
class Coverage:
    """Of Presidio's spans, by its type: how many there are, and which ones we do not hide.

    `errors` are those that we do not hide and need not, by the reason of `ERRORS`.
    """

    spans: Counter[str] = field(default_factory=Counter)
    missed: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, text: str, theirs: Iterable[Span], ours: Iterable[Span]) -> None:
        """Compare what was found in a text. A span is covered where each of its letters and digits is."""
        hides = bytearray(len(text))
        for start, end, _ in ours:
            hides[start:end] = b"\1" * (end - start)
        for start, end, kind in theirs:
            self.spans[kind] += 1
            bare = [at for at in range(start, end) if text[at].isalnum() and not hides[at]]
            if bare:
                error = next((error for error in ERRORS if error.kind == kind and error.is_one(text, start, end)), None)
                if error and (not error.but or bare[-1] < start + text[start:end].rindex(error.but)):
                    self.errors[error.reason] += 1
                else:
                    self.missed[kind].append(text[start:end])


class _NoNames:
    """A tagger that reads no name."""

    def names(self, text: str, *, least: Mapping[str, float]) -> list[object]:
        del text, least
        return []

    def is_sure(self, word: str, *, alone: bool) -> bool:
        del word, alone
        return False


class _Blank(SpacyNlpEngine):
    """Presidio's engine over blank spaCy, each word its own lemma, so that context words count."""

    def __init__(self) -> None:
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self._language = spacy.blank("en")
        self.nlp: Any = {"en": self._language}

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        doc = self._language(text)
        for token in doc:
            token.lemma_ = token.text.lower()
        return self._doc_to_nlp_artifact(doc, language)


def main() -> int:
    """Run the benchmark; 0 where every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--kilobytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--show", action="store_true", help="print the spans that were not covered")
    given = parser.parse_args()
    _stay_on_one_thread()
    apply_quiet_defaults()
    documents = texts(given.kilobytes, given.folder)
    found = arms()
    coverage = covered(documents, found)
    speeds = measured(documents, found, rounds=given.rounds)
    growth = lengths(LENGTHS_KB, rounds=given.rounds)
    return _report(speeds, coverage, growth, show=given.show)


def _stay_on_one_thread() -> None:
    """Start again as the process that redacts documents is started: else BLAS's second thread, which mostly waits for
    the first, counts as work."""
    if os.environ.get("OMP_NUM_THREADS") != "1":  # noqa: TID251 - handed on
        os.execve(sys.executable, sys.orig_argv, os.environ | {"OMP_NUM_THREADS": "1"})  # noqa: S606, TID251 - itself


def texts(kilobytes: int, folder: Path | None = None) -> list[str]:
    """Invented documents that come to so many kilobytes, and those of a folder."""
    writer = Writer(seed=1)
    documents = [
        "\n\n".join(writer.document(DOCUMENT_CHARACTERS)) for _ in range(0, kilobytes * 1000, DOCUMENT_CHARACTERS)
    ]
    for path in sorted(folder.rglob("*")) if folder else ():
        if path.suffix.lower() in SUFFIXES:
            text = path.read_text("utf-8", errors="replace")
            documents += [text[at : at + DOCUMENT_CHARACTERS] for at in range(0, len(text), DOCUMENT_CHARACTERS)]
    return documents


def arms() -> dict[str, Find]:
    """Every detector that is compared, ready."""
    patterns = _patterns()
    full = detect.prepare()
    return {
        "patterns": lambda text: _found(patterns, [text], "strict"),
        "plain": _presidio(NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])),
        "context": _presidio(_Blank()),
        "strict": lambda text: _found(full, [text], "strict"),
        "balanced": lambda text: _found(full, [text], "balanced"),
    }


def covered(documents: Sequence[str], found: Mapping[str, Find]) -> dict[str, Coverage]:
    """How much of what each kind of default Presidio finds our patterns hide."""
    coverage = {"plain": Coverage(), "context": Coverage()}
    for text in documents:
        ours = found["patterns"](text)
        for arm, one in coverage.items():
            one.add(text, found[arm](text), ours)
    return coverage


def measured(documents: Sequence[str], found: Mapping[str, Find], *, rounds: int) -> Speeds:
    """The speed of each arm, in its best round."""
    kilobytes = sum(map(len, documents)) / 1000
    best = dict.fromkeys(found, float("inf"))
    for _ in range(rounds):
        for arm, find in found.items():
            best[arm] = min(best[arm], _cpu_s(partial(_each, find, documents)))
    return Speeds(arms={arm: kilobytes / spent_s for arm, spent_s in best.items()})


def lengths(kilobytes: Sequence[int], *, rounds: int) -> dict[int, float]:
    """Milliseconds a kilobyte for a document of each of these lengths, all of it detected in one call."""
    handler, writer = detect.prepare(), Writer(seed=2)
    took: dict[int, float] = {}
    for length in kilobytes:
        documents = [writer.document(1000 * length) for _ in range(max(1, 100 // length))]
        spent_s = min(
            _cpu_s(lambda: [_found(handler, blocks, "strict") for blocks in documents])  # noqa: B023 - called at once
            for _ in range(rounds if length < max(kilobytes) else 1)
        )
        took[length] = 1000 * spent_s / (length * len(documents))
    return took


def _each(find: Find, documents: Iterable[str]) -> None:
    for text in documents:
        find(text)


def _patterns() -> Handler:
    """Our detector without the tagger."""
    module: Any = detect
    real, module.tagger = module.tagger, _NoNames
    try:
        return detect.prepare()
    finally:
        module.tagger = real


def _presidio(engine: NoOpNlpEngine | SpacyNlpEngine) -> Find:
    module: Any = email_recognizer
    module.tldextract = SimpleNamespace(extract=tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None))
    logger = logging.getLogger("presidio-analyzer")
    logger.disabled = True  # it warns of recognisers of other languages, and our detector makes errors of its warnings
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    logger.disabled = False
    registry.recognizers = [one for one in registry.recognizers if "Spacy" not in type(one).__name__]
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])

    def find(text: str) -> list[Span]:
        results = analyzer.analyze(text, "en", score_threshold=THRESHOLD)
        return [(result.start, result.end, result.entity_type) for result in results]

    return find


def _found(handler: Handler, blocks: Sequence[str], profile: str) -> list[Span]:
    answer = handler({"texts": list(blocks), "languages": ["en", "fr"], "profile": profile}, b"")["spans"]
    spans: list[Span] = []
    for per_text in answer if isinstance(answer, list) else []:
        for span in per_text if isinstance(per_text, list) else []:
            match span:
                case [int(start), int(end), str(entity)]:
                    spans.append((start, end, entity))
    return spans


def _cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _report(speeds: Speeds, coverage: Mapping[str, Coverage], growth: Mapping[int, float], *, show: bool) -> int:
    print(f"{'arm':10} {'KB/s':>7}")
    for arm, speed in speeds.arms.items():
        print(f"{arm:10} {speed:7.0f}")
    print(f"\n{'Presidio, type':28} {'spans':>6} {'not covered':>11}")
    for arm, one in coverage.items():
        for kind, number in sorted(one.spans.items()):
            print(f"{arm + ', ' + kind:28} {number:6} {len(one.missed[kind]):11}")
            for value in sorted(set(one.missed[kind])) if show else ():
                print(f"    {value!r}")
        for reason, number in sorted(one.errors.items()):
            print(f"{arm + ', an error:':28} {number:6} {reason}")
    print("\n   KB  ms/KB")
    for length, each_ms in growth.items():
        print(f"{length:5} {each_ms:6.2f}")
    bounds = {
        "patterns_against_presidio": speeds.ratio >= MIN_RATIO,
        "superset_of_presidio": not any(any(one.missed.values()) for one in coverage.values()),
        "full_stack_speed": speeds.arms["strict"] >= MIN_FULL_KB_S,
        "linear": growth[max(growth)] <= MAX_GROWTH * growth[10],
    }
    missed = {
        arm: {kind: len(values) for kind, values in one.missed.items() if values} for arm, one in coverage.items()
    }
    print(
        json.dumps(
            {
                "kb_s": {arm: round(speed, 1) for arm, speed in speeds.arms.items()},
                "ratio": round(speeds.ratio, 2),
                "presidio_spans": {arm: dict(one.spans) for arm, one in coverage.items()},
                "not_covered": missed,
                "errors_of_presidio": {arm: dict(one.errors) for arm, one in coverage.items()},
                "ms_per_kb": {length: round(each_ms, 3) for length, each_ms in growth.items()},
                "bounds": bounds,
            }
        )
    )
    return 0 if all(bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
